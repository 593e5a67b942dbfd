"""What every test may count on: property tests without a deadline, and repeatable where a server runs them."""

import os

# Before anything imports LightGBM: OpenMP threads that spin cost up to ten times on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from hypothesis import HealthCheck, settings

# A shared or loaded machine says nothing about the code; pytest's own timeout catches what hangs.
settings.register_profile("contributor", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("contributor"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "contributor")
