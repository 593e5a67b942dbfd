"""Hostile code inside an enclave, as a flaw in a decoder or a bad dependency would put it there: nothing gets out.

Every attempt of :mod:`support.intruder` is made three times over: with no layer at all, where it must succeed, or its failing
elsewhere would mean nothing; and in each mode, from the main thread, from a thread older than the seal and from a worker of
OpenMP, where it must be refused by the answer named here or end the process.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import intruder, sealed
from support.intruder.processes import EXECUTED
from support.sealed import SealedRoot, Thread
from vigie_hub.isolation.launch import Mode

PACKAGE = Path(intruder.__file__).parent
NAME = "vigie_intruder"
TESTS = Path(__file__).parents[1]

intruder.libraries.register()
PROBES = intruder.PROBES

ANSWERED: Mapping[str, str] = {}
"""Attempts that get an answer instead of ending the process, and the answer.

``ENOENT`` and ``EPERM`` are the seal's; ``EBADF`` is what an attempt that needs several steps gets to at its second one.
"""

CODE = """
import {name} as intruder
if {libraries}:
    intruder.libraries.register()
def probe():
    return intruder.tell({probe!r})
"""


def code(probe: str) -> str:
    return CODE.format(name=NAME, libraries=PROBES[probe].attempt.__module__.endswith("libraries"), probe=probe)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, enclave: Path) -> Iterator[SealedRoot]:
    with sealed.sealed_root(tmp_path_factory.mktemp("inside"), enclave, {NAME: PACKAGE}) as made:
        yield made
