"""What ``check`` and ``send`` are given: files, folders, standard input or a query, and what the operator says of them."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from vigie.convention import Convention
from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import InputError
from vigie_node.delivery import Asked
from vigie_node.extracts.sources import Source, sql_source

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Extracts as delivered, plain or gzipped, or canonical files; a folder of them; - for standard input."
    ),
]
AsKind = Annotated[
    str | None, typer.Option("--type", help="Type of the extracts (debit, effectif …), if not to be recognised.")
]
AsDataset = Annotated[
    str | None, typer.Option("--dataset", help="Dataset of canonical files whose names do not say it.")
]
Complete = Annotated[
    list[str] | None,
    typer.Option("--complete", help="A type of which a file must be given, because it holds the whole history."),
]
Query = Annotated[
    str | None, typer.Option("--query", help="SQL that yields the columns of an extract; needs --type and --database.")
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="VIGIE_DATABASE",
        help="duckdb:FILE or postgresql://…; a password is better in the variable than on the command line.",
    ),
]


def asked_of(period: str, kind: str | None, dataset: str | None, complete: Sequence[str] | None) -> Asked:
    """What the operator says, as one value.

    Raises:
        InputError: the period is not a month.
    """
    return Asked(first_of(period), kind, dataset, tuple(complete or ()))


def first_of(period: str) -> date:
    """The first day of a period.

    Raises:
        InputError: it is not a month.
    """
    try:
        return date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise InputError(
            f"--period {period[:20]!r} is not a month", hint="write it as YYYY-MM, for example 2021-04"
        ) from error


def sources(
    files: Sequence[Path] | None, query: str | None, database: str | None, kind: str | None
) -> list[Path | Source]:
    """What is to be read.

    Raises:
        InputError: nothing is given, or a query without what it needs.
    """
    given: list[Path | Source] = list(files or ())
    if query is not None:
        if database is None or kind is None:
            raise InputError(
                "--query needs --type and --database",
                hint='for example: --type debit --database duckdb:warehouse.db --query "SELECT * FROM debits"',
            )
        given.append(sql_source(database, query))
    if not given:
        raise InputError("no file was given", hint="give files, a folder, - for standard input, or --query")
    return given


def known_datasets(convention: Convention | None) -> Mapping[str, Dataset]:
    """The datasets of a convention, or the built-in ones, by name."""
    return BUILT_IN if convention is None else {rule.name: rule.definition for rule in convention.datasets.values()}
