"""The list of files behind a measurement: its codec, its groups, and the difference of two (docs/spec/evidence.md §4).

A list is what a member reads before approving 32 bytes. It holds every file with its hash and size, the launch settings
and the root's own page of contents, so that the measurement follows from the list alone; the rule kept by
:func:`decode` is that a list which says another measurement than its own is no list.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import rfc8785

from vigie import bytecode
from vigie.errors import ConfigError, MalformedStatement
from vigie.evidence import measure_tree, measurement

FORMAT: Final = "vigie/enclave-files/v1"
CONTENTS: Final = "contents.json"
"""Path of the page of contents below a root."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""The longest list or page of contents that is read."""

INTERPRETER: Final = "interpreter and standard library"
LIBRARIES: Final = "system libraries"


class Entry(NamedTuple):
    """One file: its path below the root, the SHA-256 that is measured, and its size in bytes."""

    path: str
    sha256: bytes
    size: int


class Distribution(NamedTuple):
    """One distribution in a root: its version, the name of its licence, and its top-level names."""

    version: str
    licence: str
    holds: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """What a root says of itself: distributions by name, and the platform that it was built for."""

    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    python: str = "not stated"
    libc: str = "not stated"
    machine: str = "not stated"


@dataclass(frozen=True)
class FileList:
    """Every file of an enclave root, and how it is started.

    Attributes:
        files: sorted by the UTF-8 bytes of their paths.
        launch: the launch settings, JSON.
        contents: the page of contents; empty for a root without one.
    """

    files: tuple[Entry, ...]
    launch: Mapping[str, Any]
    contents: Contents

    @property
    def measurement(self) -> bytes:
        """The measurement that this list stands behind, 32 bytes."""
        return measurement(((one.path, one.sha256) for one in self.files), self.launch)


class Group(NamedTuple):
    """Files that belong together, in words."""

    name: str
    about: str
    files: tuple[Entry, ...]


class Difference(NamedTuple):
    """What two lists do not share: paths of files, and launch settings as ``name: before → after``."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    launch: tuple[str, ...]


def of_root(root: Path, launch: Mapping[str, Any], *, byte_code: bytecode.Check = bytecode.verify) -> FileList:
    """List an enclave root.

    Raises:
        ConfigError: as :func:`vigie.evidence.measure_tree`, or its page of contents is not one.
    """
    measured = measure_tree(root, byte_code=byte_code)
    files = tuple(Entry(one.path, one.sha256, os.lstat(root / one.path).st_size) for one in measured)
    contents = Contents()
    if any(one.path == CONTENTS and one.size <= MOST_BYTES for one in files):
        try:
            contents = decode_contents((root / CONTENTS).read_bytes())
        except (OSError, MalformedStatement) as error:
            raise ConfigError(f"{CONTENTS} in the enclave root is not a page of contents") from error
    return FileList(files, dict(launch), contents)


def encode(listed: FileList) -> bytes:
    """The list as one line of RFC 8785 JSON and a line end.

    Raises:
        ConfigError: the launch settings have no canonical form, or a path stands twice.
    """
    body = {
        "contents": _contents_body(listed.contents),
        "files": [[one.path, one.sha256.hex(), one.size] for one in listed.files],
        "format": FORMAT,
        "launch": dict(listed.launch),
        "measurement": listed.measurement.hex(),
    }
    return _canonical(body)


def decode(content: bytes) -> FileList:
    """Read a list strictly.

    Raises:
        MalformedStatement: too long, not canonical, a key too many or too few, a path that stands twice or out of order
            or leaves the root, another measurement than its own, or contents that are not those measured.
    """
    body = _object(content, "a list of files", {"contents", "files", "format", "launch", "measurement"})
    try:
        if body["format"] != FORMAT:
            raise ValueError("another format")
        files = tuple(_entry(one) for one in _list(body["files"]))
        if [one.path for one in files] != sorted({one.path for one in files}, key=str.encode):
            raise ValueError("not sorted, or twice")
        if not isinstance(body["launch"], dict):
            raise TypeError("no launch settings")
        listed = FileList(files, body["launch"], _contents_of(body["contents"]))
        if listed.measurement.hex() != body["measurement"]:
            raise ValueError("another measurement than that of its own files")
        page = {one.sha256 for one in files if one.path == CONTENTS} or {_NO_PAGE}
        if page != {hashlib.sha256(encode_contents(listed.contents)).digest()}:
            raise ValueError("other contents than those that are measured")
    except (ValueError, LookupError, TypeError, ConfigError) as error:
        raise MalformedStatement(f"not a list of an enclave's files: {_reason(error)}") from error
    return listed


def encode_contents(contents: Contents) -> bytes:
    """The page of contents as one line of RFC 8785 JSON and a line end."""
    return _canonical(_contents_body(contents))


def decode_contents(content: bytes) -> Contents:
    """Read a page of contents strictly.

    Raises:
        MalformedStatement: too long, not canonical, or a key or value that does not belong.
    """
    body = _object(content, "a page of contents", {"distributions", "libc", "machine", "python"})
    try:
        return _contents_of(body)
    except (ValueError, LookupError, TypeError) as error:
        raise MalformedStatement(f"not a page of contents: {_reason(error)}") from error


def groups(listed: FileList) -> list[Group]:
    """The files in groups: interpreter, system libraries, each distribution, in that order; none is left out."""
    owners = {name: owner for owner, one in listed.contents.distributions.items() for name in one.holds}
    found: dict[str, list[Entry]] = {INTERPRETER: [], LIBRARIES: []}
    for one in listed.files:
        found.setdefault(_owner(PurePosixPath(one.path), owners), []).append(one)
    said = listed.contents.distributions
    named = {INTERPRETER: f"Python {listed.contents.python}", LIBRARIES: listed.contents.libc}
    return [
        Group(name, named.get(name) or f"{said[name].version}, licence {said[name].licence}", tuple(files))
        for name, files in sorted(found.items(), key=lambda entry: (entry[0] not in named, entry[0]))
        if files
    ]


def difference(before: FileList, after: FileList) -> Difference:
    """What changed from one list to another."""
    old = {one.path: one.sha256 for one in before.files}
    new = {one.path: one.sha256 for one in after.files}
    settings = sorted(before.launch.keys() | after.launch.keys())
    return Difference(
        added=tuple(path for path in new if path not in old),
        removed=tuple(path for path in old if path not in new),
        changed=tuple(path for path in new if path in old and old[path] != new[path]),
        launch=tuple(
            f"{name}: {_shown(before.launch, name)} → {_shown(after.launch, name)}"
            for name in settings
            if _shown(before.launch, name) != _shown(after.launch, name)
        ),
    )


def _owner(path: PurePosixPath, owners: Mapping[str, str]) -> str:
    parts = path.parts
    if len(parts) == 2 and parts[0] == "lib":
        return LIBRARIES if not parts[1].startswith("libpython") else INTERPRETER
    inside = parts[2:] if parts[0] == "lib" else ()
    if inside[:1] == ("__pycache__",):
        inside = (f"{inside[1].split('.')[0]}.py",)
    return owners.get(inside[0], INTERPRETER) if inside else INTERPRETER


def _shown(launch: Mapping[str, Any], name: str) -> str:
    return json.dumps(launch[name], sort_keys=True, ensure_ascii=False) if name in launch else "nothing"


def _contents_body(contents: Contents) -> dict[str, Any]:
    return {
        "distributions": {
            name: {"holds": list(one.holds), "licence": one.licence, "version": one.version}
            for name, one in contents.distributions.items()
        },
        "libc": contents.libc,
        "machine": contents.machine,
        "python": contents.python,
    }


def _contents_of(body: Any) -> Contents:
    if not isinstance(body, dict) or body.keys() != {"distributions", "libc", "machine", "python"}:
        raise ValueError("the contents have another form")
    if not isinstance(body["distributions"], dict):
        raise TypeError("the distributions are missing")
    distributions = {}
    for name, one in body["distributions"].items():
        if not isinstance(one, dict) or one.keys() != {"holds", "licence", "version"}:
            raise ValueError("a distribution has another form")
        holds = tuple(_text(part) for part in _list(one["holds"]))
        distributions[_text(name)] = Distribution(_text(one["version"]), _text(one["licence"]), holds)
    return Contents(distributions, _text(body["python"]), _text(body["libc"]), _text(body["machine"]))


def _entry(one: Any) -> Entry:
    path, digest, size = one
    parts = PurePosixPath(_text(path)).parts
    if not parts or path.startswith("/") or ".." in parts or PurePosixPath(path).as_posix() != path:
        raise ValueError("a path that is not below the root")
    if re.fullmatch(r"[0-9a-f]{64}", _text(digest)) is None:
        raise ValueError("a hash that is not 64 hexadecimal digits")
    if type(size) is not int or size < 0:
        raise ValueError("a size that is not a number of bytes")
    return Entry(path, bytes.fromhex(digest), size)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("a text that is not one")
    return value


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is missing")
    return value


def _object(content: bytes, what: str, keys: Iterable[str]) -> dict[str, Any]:
    """The JSON object that these bytes are the one canonical form of."""
    try:
        if len(content) > MOST_BYTES:
            raise ValueError("too long")
        body = json.loads(content)
        if not isinstance(body, dict) or body.keys() != set(keys):
            raise ValueError("a key too many or too few")
        if _canonical(body) != content:
            raise ValueError("not in its canonical form")
    except (ValueError, RecursionError, ConfigError) as error:
        raise MalformedStatement(f"not {what}: {_reason(error)}") from error
    return body


def _canonical(body: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(body)) + b"\n"
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ConfigError(
            "the list has no canonical form", hint="launch settings are JSON, without huge numbers"
        ) from error


def _reason(error: Exception) -> str:
    """The reason in our own words; those of the JSON reader would repeat what it read."""
    return str(error) if type(error) in (ValueError, TypeError) and len(error.args) == 1 else "it cannot be read"


_NO_PAGE: Final = hashlib.sha256(encode_contents(Contents())).digest()
"""What the contents of a list without a page of contents hash to."""
