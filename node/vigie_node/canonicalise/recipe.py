"""What making a canonical dataset from typed extracts is: a recipe, and what it is given.

A recipe is one SELECT over the tables of the scratch database, and the counts of the extract rows that it leaves out or
merges. It never brings rows into Python: an extract is of national size, and the database spills to disk what does not
fit in memory. Sums are exact (DECIMAL) before the one conversion to float64, and which of several rows is kept never
depends on the order in which the database meets them, so that the same extracts give the same lot.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

import duckdb

from vigie.datasets import Dataset
from vigie_node.extracts.reading import Reading


@dataclass
class Given:
    """What a recipe may draw on.

    Attributes:
        connection: the scratch database.
        readings: the extracts that were read, by kind; the valid rows of each are in the table named after its kind.
        month: first day of the month that the extracts are for. No balance is carried beyond it.
    """

    connection: duckdb.DuckDBPyConnection
    readings: Mapping[str, Reading]
    month: date
    _scratch: list[str] = field(default_factory=list)

    def has(self, kind: str) -> bool:
        """Whether an extract of that kind was read."""
        return kind in self.readings

    @property
    def last(self) -> str:
        """SQL of ``month``."""
        return f"DATE '{self.month.isoformat()}'"

    def number(self, sql: str) -> int:
        """Return the one number that a query gives, 0 for null."""
        ((found,),) = self.connection.execute(sql).fetchall()
        return int(found or 0)

    def rows(self, kind: str, where: str = "true") -> int:
        """Count the rows of an extract for which a condition holds.

        Of a kind with several months to a line these are its lines, as they were counted when they were read; the
        condition is then over what is stored of a line.
        """
        return self.number(f'SELECT count(*) FROM "{self.readings[kind].kind.store}" WHERE {where}')

    def without(self, kind: str, rules: Mapping[str, str]) -> tuple[str, dict[str, int]]:
        """Leave rows of an extract out by rules.

        Args:
            kind: whose rows are of one row each.
            rules: rule → condition of the rows that it leaves out; a row counts once, under its first rule.

        Returns:
            SQL of the condition of the rows that stay, and the rows that each rule leaves out.
        """
        branches = " ".join(f"WHEN {sql} THEN '{rule}'" for rule, sql in rules.items())
        rule = f"(CASE {branches} END)"
        found = self.connection.execute(
            f"SELECT {rule} AS rule, count(*) FROM {self.readings[kind].table} GROUP BY 1 HAVING rule IS NOT NULL"
        ).fetchall()
        return f"{rule} IS NULL", {name: int(count) for name, count in found}

    def scratch(self, name: str, select: str) -> str:
        """Keep the rows of a query in a table that goes away when the dataset is made; return its quoted name."""
        table = f'"making_{name}"'
        self.connection.execute(f"CREATE OR REPLACE TABLE {table} AS {select}")
        self._scratch.append(table)
        return table

    def sweep(self) -> None:
        """Drop the tables of :meth:`scratch`."""
        for table in self._scratch:
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        self._scratch.clear()


@dataclass(frozen=True)
class Made:
    """A dataset as its recipe gives it.

    Attributes:
        select: SELECT of ``siren`` and the dataset's columns by name, in any order; a category is its name, as text. It
            has at most one row for each key of the dataset.
        left_out: rule → extract rows that are in no row of the dataset, or that repeat another one.
    """

    select: str
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class Recipe:
    """How one dataset is made.

    Attributes:
        dataset: what is made.
        needs: groups of kinds of extract; one of each group must have been read.
        uses: kinds that add to the dataset when they were read.
        make: makes it.
    """

    dataset: Dataset
    needs: tuple[tuple[str, ...], ...]
    make: Callable[[Given], Made]
    uses: tuple[str, ...] = ()

    def kinds(self) -> tuple[str, ...]:
        """Every kind that the recipe reads."""
        return (*(kind for group in self.needs for kind in group), *self.uses)

    def lacking(self, readings: Mapping[str, Reading]) -> list[str]:
        """What is missing to make the dataset: for each group without an extract, its kinds in words."""
        return [" or ".join(group) for group in self.needs if not any(kind in readings for kind in group)]


def company(siret: str = "siret") -> str:
    """SQL of the SIREN of an establishment: the first nine digits of its SIRET."""
    return f"left({siret}, 9)"


def first_of_month(day: str) -> str:
    """SQL of the first day of the month of a day, as a date."""
    return f"CAST(date_trunc('month', {day}) AS DATE)"


def available_from(closing: str, months_later: int) -> str:
    """SQL of the first day of the month that comes so many months after that of a closing date."""
    return f"CAST({first_of_month(closing)} + INTERVAL {months_later} MONTH AS DATE)"


def months(first: str, last: str) -> str:
    """SQL that gives a row for each month from ``first`` to ``last``, both first days of a month and both included."""
    return f"CAST(unnest(generate_series({first}, {last}, INTERVAL 1 MONTH)) AS DATE)"


def translated(cell: str, names: Mapping[str, str], other: str = "") -> str:
    """SQL of the category that stands for a code of the extract, case and spaces around it aside.

    Args:
        cell: SQL of the code.
        names: code → category.
        other: category of a code not listed; when empty, such a code is null.
    """
    branches = " ".join(f"WHEN {_text(code.upper())} THEN {_text(name)}" for code, name in names.items())
    rest = f"ELSE {_text(other)} " if other else ""
    return f"CASE WHEN {cell} IS NULL OR trim({cell}) = '' THEN NULL ELSE CASE upper(trim({cell})) {branches} {rest}END END"


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def exact(amount: str, scale: int = 8) -> str:
    """SQL of the sum of amounts over a group: exact at ``scale`` decimals whatever their order, then float64 once."""
    return f"CAST(sum(CAST({amount} AS DECIMAL(28, {scale}))) AS DOUBLE)"


def later_than(given: Given, day: str) -> dict[str, str]:
    """The rule that leaves out what is dated after the month that the extracts are for."""
    return {"after_period": f"{first_of_month(day)} > {given.last}"}
