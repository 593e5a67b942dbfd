"""``vigie evidence``: what an enclave root measures, what is behind a measurement, and what evidence is worth."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vigie import bytecode, durable, enclave_files
from vigie.cli import console, evidence_verify
from vigie.enclave_files import Entry, FileList
from vigie.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Measure the enclave's code; say what evidence is worth.")

_COMPILE = "Compile every source again and compare; --no-verify trusts the byte code that lies beside the sources."


def register(parent: typer.Typer) -> None:
    """Add the group."""
    evidence_verify.register(app)
    parent.add_typer(app, name="evidence")


@app.command("measure")
def measure(
    root: Annotated[Path | None, typer.Option("--root", help="Enclave root, as `vigie-hub init` makes it.")] = None,
    list_file: Annotated[
        Path | None, typer.Option("--list", help="A saved list instead of a root: `vigie evidence explain --save`.")
    ] = None,
    launch: Annotated[
        Path | None, typer.Option("--launch", help="Launch settings; else launch.json beside the root.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="List the files that are measured.")] = False,
    verify: Annotated[bool, typer.Option("--verify/--no-verify", help=_COMPILE)] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the measurement of an enclave root: everything that the enclave can read or map, and how it is started."""
    if (root is None) == (list_file is None):
        raise InputError("what is to be measured?", hint="give --root DIR or --list FILE, one of them")
    listed = read_list(list_file) if list_file else _of_root(root or Path(), launch, verify=verify)
    digest = listed.measurement.hex()
    if as_json:
        named = {one.path: one.sha256.hex() for one in listed.files} if files else len(listed.files)
        console.print_json({"measurement": digest, "files": named, "launch": dict(listed.launch)})
        return
    if files:
        for one in listed.files:
            console.show(f"{one.sha256.hex()}  {one.path}")
    console.show(digest)


@app.command("explain")
def explain(
    first: Annotated[Path, typer.Argument(help="An enclave root, the folder around it, or a saved list.")],
    second: Annotated[Path | None, typer.Argument(help="Another one: show what differs.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Write the list to this file, to be signed for.")] = None,
    files: Annotated[bool, typer.Option("--files", help="Name every file with its hash and size.")] = False,
    check: Annotated[bool, typer.Option("--check/--no-check", help=_COMPILE)] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the files behind a measurement in groups, or the difference between two."""
    before = _read(first, check=check)
    if second is not None:
        if save is not None:
            raise InputError("--save writes one list, and two were given", hint="leave the second out")
        _differ(before, _read(second, check=check), as_json=as_json)
        return
    if save is not None:
        durable.write_file(save, enclave_files.encode(before), mode=0o644)
    if as_json:
        console.print_json(json.loads(enclave_files.encode(before)))
        return
    for line in described(before):
        console.show(line)
    if files:
        _name(before.files)
    if save is not None:
        console.say(f"the list is in {save}")


def read_list(path: Path) -> FileList:
    """Read a saved list.

    Raises:
        InputError: it cannot be read.
        MalformedStatement: it is no list, or says another measurement than its own.
    """
    try:
        with path.open("rb") as file:
            content = file.read(enclave_files.MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read", hint="`vigie evidence explain --save` writes a list") from error
    return enclave_files.decode(content)


def described(listed: FileList) -> list[str]:
    """A list in words: its groups with their sizes, how the enclave is started, and the measurement."""
    found = enclave_files.groups(listed)
    width = max((len(group.name) for group in found), default=0)
    lines = [
        f"{group.name:<{width}}  {len(group.files):>5} files  {_megabytes(group.files):>6} MB  {group.about}"
        for group in found
    ]
    lines += [f"{'launch ' + name:<{width}}  {_setting(value)}" for name, value in sorted(listed.launch.items())]
    total = f"{len(listed.files)} files, {_megabytes(listed.files)} MB, {listed.contents.machine}"
    return [*lines, total, f"measurement {listed.measurement.hex()}"]


def _differ(before: FileList, after: FileList, *, as_json: bool) -> None:
    found = enclave_files.difference(before, after)
    measured = [before.measurement.hex(), after.measurement.hex()]
    if as_json:
        console.print_json({"measurements": measured, **found._asdict()})
        return
    if not any(found):
        console.show(f"the same files and the same launch settings: {measured[0]}")
        return
    for word, paths in (("added", found.added), ("removed", found.removed), ("changed", found.changed)):
        for path in paths:
            console.show(f"{word:<8} {path}")
    for line in found.launch:
        console.show(f"launch   {line}")
    console.show(f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed")
    console.show(f"measurement {measured[0]}\n     became {measured[1]}")


def _read(path: Path, *, check: bool) -> FileList:
    if not path.is_dir():
        return read_list(path)
    return _of_root(path / "root" if (path / "root").is_dir() else path, None, verify=check)


def _of_root(root: Path, launch: Path | None, *, verify: bool) -> FileList:
    settings = launch or root.parent / "launch.json"
    judge = bytecode.verify if verify else bytecode.paired
    return enclave_files.of_root(root, _settings(settings), byte_code=judge)


def _settings(path: Path) -> Mapping[str, Any]:
    hint = "vigie-hub init writes it beside the root"
    try:
        described = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON", hint=hint) from error
    if not isinstance(described, dict):
        raise InputError(f"{path} does not hold launch settings", hint=hint)
    return described


def _name(entries: Iterable[Entry]) -> None:
    for one in entries:
        console.show(f"{one.sha256.hex()}  {one.size:>11}  {one.path}")


def _megabytes(entries: Iterable[Entry]) -> str:
    return f"{sum(one.size for one in entries) / 1e6:.1f}"


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(str(one) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{name}={one}" for name, one in sorted(value.items()))
    return str(value)
