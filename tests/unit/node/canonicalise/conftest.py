"""A scratch database for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vigie_node.extracts.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    with Workspace(tmp_path, memory="256MB", threads=1) as opened:
        yield opened
