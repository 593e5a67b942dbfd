"""What ``check`` and ``send`` are given: files, folders, standard input or a query, and what the operator says of them."""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated

import typer

from vigie.cli import console
from vigie.convention import Convention
from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import InputError
from vigie_node.delivery import Asked, Delivery

Files = Annotated[
    list[str],
    typer.Argument(
        help="Extracts as delivered, plain or gzipped, or canonical files; a folder of them; - for standard input; "
        "duckdb:FILE, postgresql://… or env:NAME (a variable that holds the address) with --query."
    ),
]
AsKind = Annotated[
    str | None,
    typer.Option("--type", help="Type of the extracts (debit, effectif …), when it is not to be recognised."),
]
AsDataset = Annotated[
    str | None, typer.Option("--dataset", help="Dataset of canonical files whose names do not say it.")
]
Complete = Annotated[
    list[str] | None,
    typer.Option("--complete", help="A type of which a file must be given, because it holds the whole history."),
]
Query = Annotated[str, typer.Option("--query", help="SELECT that yields the columns of an extract, for a database.")]


def asked_of(period: str, kind: str | None, dataset: str | None, complete: Sequence[str] | None, query: str) -> Asked:
    """What the operator says, as one value, with what this process was given.

    Raises:
        InputError: the period is not a month.
    """
    return Asked(
        first_of(period),
        kind,
        dataset,
        tuple(complete or ()),
        query,
        standard_input=sys.stdin.buffer,
        environment=os.environ,
    )


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


def known_datasets(convention: Convention | None) -> Mapping[str, Dataset]:
    """The datasets of a convention, or the built-in ones, by name."""
    return BUILT_IN if convention is None else {rule.name: rule.definition for rule in convention.datasets.values()}


def say_unnamed(delivery: Delivery) -> None:
    """Say which datasets the extracts would give that the convention does not name."""
    if delivery.unnamed:
        names = ", ".join(one.dataset.name for one in delivery.unnamed)
        console.say(f"note: the convention does not name {names}: what the extracts say of it stays here")
