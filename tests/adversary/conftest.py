"""What the tests against adversaries share: one enclave root and one whole exchange for all that only read it."""

from pathlib import Path

import pytest

from support.exchange import make_enclave


@pytest.fixture(scope="session")
def enclave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enclave root; the processes of a parallel run share it."""
    base = tmp_path_factory.getbasetemp()
    return make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
