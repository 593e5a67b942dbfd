"""Before lightgbm is imported: the enclave's own OpenMP setting, without which two threads spin on shared cores."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "2")
