"""One enclave root for every test that starts real enclaves, and the root in which tests run code of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.exchange import make_enclave
from support.sealed import SealedRoot, shared_sealed_root


@pytest.fixture(scope="session")
def shared_enclave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")


@pytest.fixture(scope="session")
def sealed(shared_enclave: Path) -> Iterator[SealedRoot]:
    with shared_sealed_root(shared_enclave) as made:
        yield made
