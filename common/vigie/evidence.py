"""What an enclave claims, measured and judged (docs/spec/evidence.md, protocol section 7).

The measurement is a hash of everything that an enclave can read or map and of how it is started. The assurance level is
computed here by whoever verifies, and never claimed by the enclave.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rfc8785

from vigie.bodies import Evidence
from vigie.convention import LEVELS, Convention
from vigie.errors import InputError, MalformedStatement

ENFORCED: Final = "enforced"
"""State of a layer that was applied and read back; any other word says why it is not there."""

LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "A0": (
        "Level A0: simulated, or a layer that the convention requires was missing; this run protects nothing.",
    ),
    "A1": (
        "Level A1: isolation enforced by the hub's own kernel; the hub administrator could read data while a job runs.",
        "The hub alone cannot decrypt stored extracts: a partner released the key for this job, at this time, to this "
        "code hash.",
    ),
}  # fmt: skip
"""What each level does not stop, as printed on every result; :func:`limits` adds the layers that were missing."""


@dataclass(frozen=True)
class MeasuredFile:
    """One file of an enclave root: its path below the root, with ``/``, and the SHA-256 of its content."""

    path: str
    sha256: bytes


def measure_tree(root: Path, digest: Callable[[Path], bytes] | None = None) -> list[MeasuredFile]:
    """Return every file below ``root``, sorted by path.

    Args:
        root: an enclave root. A symbolic link is measured as the text of its target.
        digest: how to hash one file; a launcher gives one that remembers what it hashed before.

    Raises:
        InputError: there is no such folder, or something in it is neither a file nor a link.
    """
    if not root.is_dir():
        raise InputError(f"there is no enclave root at {root.name}", hint="vigie-hub init makes it")
    hashed = digest or file_digest
    return sorted((_measured(root, path, hashed) for path in _below(root)), key=lambda one: one.path.encode())


def _below(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path


def _measured(root: Path, path: Path, digest: Callable[[Path], bytes]) -> MeasuredFile:
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
        return MeasuredFile(name, hashlib.sha256(b"link\0" + path.readlink().as_posix().encode()).digest())
    if not path.is_file():
        raise InputError(f"the enclave root holds something that is not a file: {name}")
    return MeasuredFile(name, digest(path))


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def measurement(files: list[MeasuredFile], launch: Mapping[str, Any]) -> bytes:
    """Return the measurement of an enclave: SHA-256 of RFC 8785 of {files: [[path, sha256] …], launch}, 32 bytes.

    Args:
        files: sorted, as :func:`measure_tree` gives them.
        launch: canonical launch arguments, environment and policy text; paths in it are below the root.

    Raises:
        InputError: two files have one path, or ``launch`` has no canonical form.
    """
    paths = [one.path for one in files]
    if len(set(paths)) != len(paths) or sorted(paths, key=str.encode) != paths:
        raise InputError("the files of an enclave root are not sorted, or one stands twice")
    try:
        text = rfc8785.dumps({"files": [[one.path, one.sha256.hex()] for one in files], "launch": dict(launch)})
    except rfc8785.CanonicalizationError as error:
        raise InputError("the launch settings of the enclave have no canonical form") from error
    return hashlib.sha256(b"vigie/measurement/v1\n" + text).digest()


def missing_layers(claim: Evidence, convention: Convention) -> tuple[str, ...]:
    """Return the layers that the convention requires and that were not enforced, in the convention's order."""
    return tuple(layer for layer in convention.enclave.layers if claim.layers.get(layer) != ENFORCED)


def level(claim: Evidence, convention: Convention) -> str:
    """Return the assurance level of some evidence, as its verifier computes it.

    Software evidence reaches A1 when every required layer was enforced. Evidence of hardware needs a verifier of that
    platform, which this version does not have: it counts as A0, so that nothing is released on its word.
    """
    if claim.platform == "software" and not missing_layers(claim, convention):
        return "A1"
    return "A0"


def at_least(found: str, wanted: str) -> bool:
    """Whether a level is not weaker than another.

    Raises:
        MalformedStatement: one of them is no level.
    """
    if found not in LEVELS or wanted not in LEVELS:
        raise MalformedStatement("not an assurance level")
    return LEVELS.index(found) >= LEVELS.index(wanted)


def limits(claim: Evidence, convention: Convention) -> tuple[str, ...]:
    """Return what a run under this evidence does not stop, in sentences for the result."""
    absent = sorted(name for name, state in claim.layers.items() if state != ENFORCED)
    return (
        *LIMITS[level(claim, convention)],
        f"Layers that were unavailable on this host: {', '.join(absent) or 'none'}.",
    )
