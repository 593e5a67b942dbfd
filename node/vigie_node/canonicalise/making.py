"""Making the canonical datasets for which the extracts were read, in one scratch database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

import duckdb

from vigie.datasets import SIREN, Column, ColumnType, Dataset
from vigie.errors import ExtractError
from vigie_node.canonicalise.recipe import Given, Made, Recipe
from vigie_node.extracts.canonical import Checked, describe
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.workspace import Workspace
from vigie_node.quality import Report


def make_all(
    recipes: Sequence[Recipe],
    workspace: Workspace,
    readings: Mapping[str, Reading],
    month: date,
    asked: Collection[str] = (),
) -> list[Checked]:
    """Make each dataset whose extracts were read; see :func:`vigie_node.canonicalise.canonicalise`."""
    wanted = [recipe for recipe in recipes if not asked or recipe.dataset.name in asked]
    for recipe in wanted:
        if asked and (lacking := recipe.lacking(readings)):
            raise ExtractError(
                f"{recipe.dataset.name} cannot be made: no extract {lacking[0]} was given",
                hint=f"{recipe.dataset.name} is made from {', '.join(recipe.kinds())}",
            )
    if unknown := sorted(set(asked) - {recipe.dataset.name for recipe in recipes}):
        raise ExtractError(
            f"{unknown[0][:63]} is not made from extracts",
            hint=f"datasets made from extracts are {', '.join(recipe.dataset.name for recipe in recipes)}",
        )
    given = Given(workspace.connection, readings, month.replace(day=1))
    return [_make(recipe, given) for recipe in wanted if not recipe.lacking(readings)]


def table_of(dataset: Dataset) -> str:
    """Name of the table in which a dataset is made."""
    return f"canonical_{dataset.name}"


def _make(recipe: Recipe, given: Given) -> Checked:
    dataset, table = recipe.dataset, table_of(recipe.dataset)
    try:
        made = recipe.make(given)
        columns = ", ".join(f'{_wire(column)} AS "{column.name}"' for column in dataset.columns)
        given.connection.execute(
            f'CREATE OR REPLACE TABLE "{table}" AS SELECT {SIREN}, {columns} FROM ({made.select}) m'
        )
    except duckdb.Error as error:
        # The library's message may quote a cell; only its kind is passed on.
        raise ExtractError(
            f"{dataset.name} cannot be made from these extracts ({type(error).__name__})",
            hint="is there room on the disk? else some number in them is far beyond what it can be",
        ) from error
    finally:
        given.sweep()
    report = _report(recipe, given, made)
    report.rows = given.number(f'SELECT count(*) FROM "{table}"')
    describe(given.connection, report, dataset, table)
    return Checked(dataset, report, given.connection, table)


_WIRE = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.MONTH: "DATE",
    ColumnType.DATE: "DATE",
    ColumnType.BOOLEAN: "BOOLEAN",
}


def _wire(column: Column) -> str:
    """SQL of a column in its wire type; no zero has a sign and no number is NaN."""
    value = f'm."{column.name}"'
    if column.type is ColumnType.CATEGORY:
        listed = ", ".join(f"'{category}'" for category in column.categories)
        return f"CAST(nullif(list_position([{listed}], {value}), 0) - 1 AS SMALLINT)"
    if column.type is ColumnType.NUMBER:
        number = f"CAST({value} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} + 0.0 END"
    return f"CAST({value} AS {_WIRE[column.type]})"


def _report(recipe: Recipe, given: Given, made: Made) -> Report:
    """The counts of the extracts that went in: parsed = valid + rejected + skipped holds over all of them together.

    Where the rejected rows stand is told by the reports of the extracts themselves.
    """
    used = [given.readings[kind] for kind in recipe.kinds() if given.has(kind)]
    report = Report(
        recipe.dataset.name,
        files=tuple(name for reading in used for name in reading.files),
        notes=[f"made without {kind}, which was not given" for kind in recipe.uses if not given.has(kind)],
        made_from=tuple(reading.kind.name for reading in used),
    )
    for reading in used:
        report.parsed += reading.parsed
        report.rejected += reading.rejected
        report.skipped += reading.skipped
        for (rule, column), rows in reading.rules.items():
            report.rules[f"{rule}:{column}" if column else rule] += rows
        report.warnings.update(reading.warnings)
    for rule, rows in made.left_out.items():
        if rows:
            report.rules[rule] += rows
            report.skipped += rows
    report.valid = report.parsed - report.rejected - report.skipped
    return report
