"""Working a perimeter out: which companies are looked at, from headcount and legal units, by the convention's rule.

The rule is the programme's own (opensignauxfaibles, ``lib/filter`` and the view ``siren_blacklist``), with its window and
lists taken from the convention:

1. at least one month with the least headcount among the last so many months, counted back from the last month for which
   *any* company's headcount is known (trailing months without a value are months that were not delivered yet);
2. when asked for, a known headcount in one of the last few of these months;
3. none of the excluded legal forms and activities, and a head office in a French département.

A company without a legal unit is kept, as in the real system: nothing is known against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from vigie.convention import PerimeterRule
from vigie.errors import ConfigError, ExtractError


@dataclass(frozen=True)
class Computed:
    """A perimeter.

    Attributes:
        sirens: its companies, text, ascending, each once.
        last_month: first day of the month at which the window ends.
        left_out: companies left out, by the first reason that applies: ``recent``, ``legal_form``, ``activity``,
            ``head_office``. Companies without enough headcount are not counted.
        without_legal_unit: companies that were kept although nothing is known of their legal unit.
    """

    sirens: pa.Array
    last_month: date
    left_out: Mapping[str, int]
    without_legal_unit: int


def compute(
    connection: duckdb.DuckDBPyConnection,
    rule: PerimeterRule,
    period: str,
    *,
    headcount: str = "headcount",
    legal_units: str = "legal_units",
) -> Computed:
    """Work a perimeter out.

    Args:
        connection: holds the two tables.
        rule: the convention's.
        period: ``YYYY-MM``; later months are not looked at.
        headcount: name of the table ``(siren, month, headcount)``: text, first day of the month, persons or null. Several
            rows of one company and month count each for itself.
        legal_units: name of the table ``(siren, legal_form, activity, head_office_department)``, all text: four digits,
            NAF code with or without its dot, and null or empty when the head office is in no French département.

    Raises:
        ConfigError: ``period`` is not a month.
        ExtractError: there is no headcount at or before the period.
    """
    last = _last_month(connection, headcount, month(period))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE perimeter_judged AS {_judged(headcount, legal_units)}",
        {
            "last": last,
            "window": rule.window_months,
            "recent": rule.recent_months,
            "minimum": rule.minimum_headcount,
            "forms": list(rule.excluded_legal_forms),
            "activities": [code.replace(".", "") for code in rule.excluded_activities],
            "france": rule.head_office_in_france,
        },
    )
    try:
        found = connection.sql(
            "SELECT siren FROM perimeter_judged WHERE reason IS NULL ORDER BY siren"
        ).to_arrow_table()
        counts = connection.execute(
            "SELECT reason, count(*) FROM perimeter_judged WHERE reason IS NOT NULL GROUP BY 1 ORDER BY 1"
        ).fetchall()
        ((unknown,),) = connection.execute(
            "SELECT count(*) FROM perimeter_judged WHERE reason IS NULL AND NOT known"
        ).fetchall()
    finally:
        connection.execute("DROP TABLE perimeter_judged")
    sirens = found.column(0).combine_chunks().cast(pa.string())
    return Computed(sirens, last, dict(counts), int(unknown))


def _judged(headcount: str, legal_units: str) -> str:
    """SQL: companies with enough headcount, why each is left out (null: it is not), and whether its unit is known."""
    return f"""
        WITH employed AS (
            SELECT siren, bool_or(month > $last - to_months($recent)) AS recent
            FROM {_name(headcount)}
            WHERE headcount IS NOT NULL AND month <= $last AND month > $last - to_months($window)
            GROUP BY siren HAVING max(headcount) >= $minimum
        ), unit AS (
            SELECT u.siren,
                bool_or(list_contains($forms::VARCHAR[], u.legal_form)) AS form,
                bool_or(EXISTS (
                    SELECT 1 FROM (SELECT unnest($activities::VARCHAR[]) AS code)
                    WHERE starts_with(replace(u.activity, '.', ''), code)
                )) AS activity,
                bool_and(coalesce(u.head_office_department, '') = '') AS abroad
            FROM {_name(legal_units)} u SEMI JOIN employed USING (siren) GROUP BY u.siren
        )
        SELECT employed.siren, unit.siren IS NOT NULL AS known, CASE
            WHEN $recent > 0 AND NOT employed.recent THEN 'recent'
            WHEN unit.form THEN 'legal_form'
            WHEN unit.activity THEN 'activity'
            WHEN $france AND unit.abroad THEN 'head_office'
        END AS reason
        FROM employed LEFT JOIN unit USING (siren)
    """  # noqa: S608 - the names are quoted, every value is bound


def _last_month(connection: duckdb.DuckDBPyConnection, headcount: str, period: date) -> date:
    ((last,),) = connection.execute(
        f"SELECT max(month)::DATE FROM {_name(headcount)} WHERE headcount IS NOT NULL AND month <= ?",  # noqa: S608
        [period],
    ).fetchall()
    if last is None:
        raise ExtractError(
            f"there is no headcount at or before {period:%Y-%m} to work a perimeter out of",
            hint="is --period right, and is this the whole headcount file?",
        )
    found: date = last
    return found


def month(period: str) -> date:
    """The first day of a period ``YYYY-MM``.

    Raises:
        ConfigError: not a month.
    """
    try:
        if len(period) != len("YYYY-MM"):
            raise ValueError("not YYYY-MM")
        return date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise ConfigError(f"{period[:20]!r} is not a month", hint="write it as YYYY-MM, for example 2021-04") from error


def _name(table: str) -> str:
    quoted = table.replace('"', '""')
    return f'"{quoted}"'
