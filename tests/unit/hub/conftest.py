"""Fixtures of the hub's unit tests."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from support.hub import hub_world
from support.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """The demo world with four buckets."""
    return hub_world(tmp_path)


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Run a coroutine to its end."""
    return asyncio.run
