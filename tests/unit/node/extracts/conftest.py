"""Scratch databases for readings, and files to read."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace for each test."""
    with Workspace(tmp_path / "workspace") as made:
        yield made


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all examples of a property: a reading replaces the tables of the one before."""
    with Workspace(tmp_path_factory.mktemp("workspace")) as made:
        yield made


@pytest.fixture
def reading(tmp_path: Path, workspace: Workspace) -> Callable[..., Reading]:
    """Reads a file of the given content."""

    def of(kind: Kind, text: str | bytes, name: str = "extract.csv") -> Reading:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read(kind, [file_source(path)], workspace)

    return of
