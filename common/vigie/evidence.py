"""What an enclave is: measuring its files, and what its evidence is worth (docs/spec/evidence.md).

The rule kept: the assurance level is computed here by whoever verifies, from what was verified, and is never taken from
the one who claims it. Every level comes with the sentences of what it does not stop.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import rfc8785

from vigie import attestation, bytecode
from vigie.attestation import Proved
from vigie.bodies import Evidence
from vigie.convention import LEVELS, SOFTWARE, Convention
from vigie.errors import ConfigError, MalformedStatement, Refused

SPEC_VERSION: Final = 1
"""Version of docs/spec/evidence.md."""

ENFORCED: Final = "enforced"
"""State of a layer that holds. A layer's value is ``<state>`` or ``<state>: <detail>``; only this state counts."""

_SIMULATED: Final = (
    "Level A0: simulated, or a layer that the convention requires was missing; this run protects nothing."
)
_HUB_KERNEL: Final = (
    "Level A1: isolation enforced by the hub's own kernel; the hub administrator could read data while a job runs."
)
_BOOT: Final = (
    "Level A2: a TPM quote covers what was started; the hub administrator could still read data while a job runs."
)
_HARDWARE: Final = (
    "Level A3: the maker of the processor is trusted; side channels and attacks with access to the machine remain."
)
_ELSEWHERE: Final = (
    "Level A4: the maker of the processor and an operator other than the hub are trusted; side channels remain."
)
_RELEASED: Final = (
    "The hub alone cannot decrypt stored extracts: a partner released the key for this job, at this time, to this code "
    "hash."
)

LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "A0": (_SIMULATED,),
    "A1": (_HUB_KERNEL, _RELEASED),
    "A2": (_BOOT, _RELEASED),
    "A3": (_HARDWARE, _RELEASED),
    "A4": (_ELSEWHERE, _RELEASED),
}
"""For each assurance level, what it does not stop and what it does; :func:`limits` adds the layers that were missing."""

_FRENCH: Final[Mapping[str, str]] = {
    _SIMULATED: "Niveau A0 : simulation, ou absence d'une protection exigée par la convention ; ce calcul n'était pas "
    "protégé.",
    _HUB_KERNEL: "Niveau A1 : l'isolation est assurée par le noyau de la plate-forme elle-même ; son administrateur "
    "pourrait lire les données pendant un calcul.",
    _BOOT: "Niveau A2 : une attestation TPM couvre ce qui a démarré ; l'administrateur de la plate-forme pourrait encore "
    "lire les données pendant un calcul.",
    _HARDWARE: "Niveau A3 : le fabricant du processeur est cru ; restent les canaux auxiliaires et les attaques avec accès "
    "à la machine.",
    _ELSEWHERE: "Niveau A4 : le fabricant du processeur et un exploitant autre que la plate-forme sont crus ; restent les "
    "canaux auxiliaires.",
    _RELEASED: "La plate-forme seule ne peut pas déchiffrer les extraits déposés : un partenaire a remis la clef pour ce "
    "calcul, à ce moment, à ce code.",
}


class MeasuredFile(NamedTuple):
    """One file of an enclave root: its path below the root, with ``/``, and the SHA-256 of its content."""

    path: str
    sha256: bytes


def limits(
    claim: Evidence, convention: Convention, hardware: Proved | None = None, *, language: Literal["fr", "en"] = "en"
) -> tuple[str, ...]:
    """The sentences to print on whatever a run under this evidence yields: level, hardware, layers that were missing."""
    sentences = sentences_of(level(claim, convention, hardware), language=language)
    notes = hardware.verified.notes if hardware is not None else ()
    said = tuple(note.fr if language == "fr" else note.en for note in notes)
    if language == "fr":
        opening, none = "Protections indisponibles sur cet hôte :", "aucune"
    else:
        opening, none = "Layers that were unavailable on this host:", "none"
    return (*sentences, *said, f"{opening} {', '.join(absent_layers(claim)) or none}.")


def sentences_of(level: str, *, language: Literal["fr", "en"] = "en") -> tuple[str, ...]:
    """What a level does not stop, and what it does, in one language."""
    return tuple(_FRENCH[sentence] if language == "fr" else sentence for sentence in LIMITS[level])


def is_enforced(state: str) -> bool:
    """Whether a layer's value says that it holds: ``enforced``, or ``enforced: <detail>``."""
    return state == ENFORCED or state.startswith(f"{ENFORCED}: ")


def required_layers(convention: Convention) -> tuple[str, ...]:
    """Names of the layers that a convention demands."""
    return convention.enclave.layers


def missing_layers(evidence: Evidence, convention: Convention) -> tuple[str, ...]:
    """Demanded layers that the evidence does not name as enforced, in the convention's order."""
    return tuple(layer for layer in required_layers(convention) if not is_enforced(evidence.layers.get(layer, "")))


def absent_layers(evidence: Evidence) -> tuple[str, ...]:
    """All layers that the evidence itself names as not enforced, sorted."""
    return tuple(sorted(layer for layer, state in evidence.layers.items() if not is_enforced(state)))


def level(evidence: Evidence, convention: Convention, hardware: Proved | None = None) -> str:
    """Compute the assurance level of evidence whose signatures hold.

    Software evidence reaches A1 when every demanded layer is enforced. Evidence that names hardware counts by what its
    quote proved, and as A0 without: nothing is released on its word.

    Args:
        evidence: what is claimed.
        convention: the one that it names.
        hardware: what :func:`vigie.attestation.verify` made of its quote; None when it did not verify, or on software.
    """
    if missing_layers(evidence, convention):
        return "A0"
    return "A1" if evidence.platform == SOFTWARE else attestation.earned(evidence, convention, hardware)


def at_least(found: str, wanted: str) -> bool:
    """Whether a level is not weaker than another.

    Raises:
        MalformedStatement: one of them is no level.
    """
    if found not in LEVELS or wanted not in LEVELS:
        raise MalformedStatement("not an assurance level")
    return LEVELS.index(found) >= LEVELS.index(wanted)


def check(
    evidence: Evidence, convention: Convention, datasets: Iterable[str] = (), hardware: Proved | None = None
) -> str:
    """Hold evidence against what a convention demands, and return its level.

    Args:
        evidence: its signatures already judged.
        convention: the one that it names.
        datasets: those whose own minimum level counts too.
        hardware: as for :func:`level`.

    Raises:
        Refused: claim ``platform``, ``layers`` or ``level``.
    """
    rule = convention.enclave
    if evidence.platform not in rule.platforms:
        raise Refused("platform", expected=f"one of {', '.join(rule.platforms)}", found=evidence.platform)
    if missing := missing_layers(evidence, convention):
        named = ", ".join(f"{layer} ({evidence.layers.get(layer, 'not named')})" for layer in missing)
        raise Refused("layers", expected=f"{', '.join(rule.layers)}, all enforced", found=f"not enforced: {named}")
    found = level(evidence, convention, hardware)
    wanted = {rule.minimum_level: "the convention"}
    wanted |= {convention.datasets[name].minimum_level: f"dataset {name}" for name in datasets}
    highest = max(wanted, key=LEVELS.index)
    if not at_least(found, highest):
        raise Refused("level", expected=f"{highest} or better, for {wanted[highest]}", found=found)
    return found


def measure_tree(
    root: Path, digest: Callable[[str], bytes] | None = None, *, byte_code: bytecode.Check = bytecode.verify
) -> list[MeasuredFile]:
    """Hash every file below a folder, sorted by the UTF-8 bytes of the relative path.

    A symbolic link counts as a file whose content is ``vigie/link/v1``, a line end and its target, and must stay inside
    the root: what can be reached is what is measured.

    Args:
        root: an enclave root.
        digest: how to hash one plain file, by its path; a launcher may give one that remembers what it hashed before.
        byte_code: how to judge byte code: by compiling every source again, or :func:`vigie.bytecode.paired` where the
            measurement is compared with one for which that was done.

    Raises:
        ConfigError: no such folder, byte code that is not what its source makes, a link that leaves the root, a file that is not plain, an unreadable
            file, or a name that is not UTF-8.
    """
    if not root.is_dir():
        raise ConfigError(f"there is no enclave root at {root}", hint="`vigie-hub init` builds it")
    hashed = digest or file_digest
    found: list[MeasuredFile] = []
    start = len(os.fspath(root)) + 1
    try:
        # Text and not Path objects: a launcher does this at every start.
        for folder, folders, files in os.walk(root, onerror=_raise, followlinks=False):
            for name in (*files, *(name for name in folders if Path(folder, name).is_symlink())):
                path = f"{folder}/{name}"
                relative = _utf8(path[start:])
                found.append(MeasuredFile(relative, _hash(path, relative, root, hashed)))
    except OSError as error:
        raise ConfigError(f"the enclave root {root} cannot be read whole: {error.strerror}") from error
    found.sort(key=lambda one: one.path.encode())
    byte_code(root, [one.path for one in found])
    return found


def file_digest(path: Path | str) -> bytes:
    """SHA-256 of a file's content; a link is not followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def measurement(files: Iterable[tuple[str, bytes]], launch: Mapping[str, Any]) -> bytes:
    """The measurement that members approve, 32 bytes (protocol section 7).

    SHA-256 of ``vigie/measurement/v1``, a line end, and RFC 8785 of ``{"files": [[path, hex], …], "launch": launch}``
    with the files sorted by the UTF-8 bytes of their paths.

    Args:
        files: relative POSIX path and SHA-256 of everything that the enclave can read or map.
        launch: canonical arguments, environment and policy text.

    Raises:
        ConfigError: a path stands twice, or ``launch`` has no canonical form.
    """
    ordered = sorted(files, key=lambda entry: entry[0].encode())
    if len({path for path, _ in ordered}) != len(ordered):
        raise ConfigError("a path stands twice among the files to measure")
    try:
        body = rfc8785.dumps({"files": [[path, digest.hex()] for path, digest in ordered], "launch": dict(launch)})
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ConfigError(
            "the launch description has no canonical form", hint="it is JSON, without huge numbers"
        ) from error
    return hashlib.sha256(b"vigie/measurement/v1\n" + body).digest()


def _utf8(relative: str) -> str:
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise ConfigError("a file name below the enclave root is not UTF-8") from error
    return relative


def _hash(name: str, relative: str, root: Path, digest: Callable[[str], bytes]) -> bytes:
    mode = os.lstat(name).st_mode
    if stat.S_ISLNK(mode):
        path = Path(name)
        target = path.readlink()
        if target.is_absolute() or not path.resolve().is_relative_to(root.resolve()):
            raise ConfigError(f"{relative} is a link that leaves the enclave root", hint="copy the file instead")
        return hashlib.sha256(b"vigie/link/v1\n" + os.fsencode(target)).digest()
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{relative} is neither a plain file nor a link")
    return digest(name)


def _raise(error: OSError) -> None:
    raise error
