"""What a person names – files, folders, ``-``, databases – as sources, each with the kind of extract that it is."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from vigie.errors import ExtractError
from vigie_node.extracts.databases import is_database, query_source
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.registry import KINDS, kind_of
from vigie_node.extracts.sources import Source, file_source, stream_source

STANDARD_INPUT: Final = "-"
_NAMED: Final = 20
"""Unknown files that a message names."""


def sources_of(
    arguments: Sequence[str],
    *,
    query: str = "",
    standard_input: BinaryIO | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> list[Source]:
    """Return the sources that arguments stand for, in their order; a folder stands for all of its files, by name.

    Args:
        arguments: paths, ``-``, or addresses of databases (see :func:`databases.query_source`).
        query: for the addresses.
        standard_input: what ``-`` stands for.
        environment: variables for ``env:NAME``.

    Raises:
        ExtractError: one of them is not there or cannot be a source.
    """
    if arguments.count(STANDARD_INPUT) > 1:
        raise ExtractError("standard input is given twice", hint="it can be read once only")
    if query and not any(is_database(one) for one in arguments):
        raise ExtractError("there is a query, and no database to ask", hint="give duckdb:FILE or postgresql://…")
    found: list[Source] = []
    for one in arguments:
        if is_database(one):
            found.append(query_source(one, query, environment))
        elif one == STANDARD_INPUT:
            if standard_input is None:
                raise ExtractError("there is no standard input here", hint="give a file")
            found.append(stream_source(standard_input))
        else:
            found += path_sources(Path(one))
    return found


def path_sources(path: Path) -> list[Source]:
    """Return the source of a file, or those of the files right in a folder; hidden files (``.x``) are passed over.

    Raises:
        ExtractError: there is no such path, or the folder holds no file.
    """
    if not path.is_dir():
        return [file_source(path)]
    try:
        inside = sorted(one for one in path.iterdir() if not one.name.startswith(".") and one.is_file())
    except OSError as error:
        raise ExtractError(f"{path.name}: cannot be read ({error.strerror})", hint="check its permissions") from error
    if not inside:
        raise ExtractError(f"{path.name}: the folder holds no file", hint="folders within it are not looked into")
    return [file_source(one) for one in inside]


def by_kind(sources: Iterable[Source], kinds: Iterable[Kind] = KINDS.values()) -> dict[str, list[Source]]:
    """Return the sources by the name of their kind, each kind's in the order in which they were given.

    Raises:
        ExtractError: some of them are of no known kind. One is refused with its own reason; several are named.
    """
    listed = list(kinds)
    found: dict[str, list[Source]] = {}
    refused: list[tuple[str, ExtractError]] = []
    for source in sources:
        try:
            kind = kind_of(source, listed)
        except ExtractError as error:
            refused.append((source.name, error))
            continue
        found.setdefault(kind.name, []).append(source)
    if len(refused) == 1:
        raise refused[0][1]
    if refused and not found:
        raise ExtractError(
            f"none of the {len(refused)} files is an extract of any known type",
            hint=f"the first one, {refused[0][0]}: {refused[0][1].hint or refused[0][1]}",
        )
    if refused:
        names = ", ".join(name for name, _ in refused[:_NAMED])
        more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
        raise ExtractError(
            f"{len(refused)} files are extracts of no known type: {names}{more}",
            hint="take them out of the folder, or name the extracts one by one",
        )
    return found
