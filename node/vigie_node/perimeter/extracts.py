"""The perimeter from a delivery: headcount, legal units and head offices as the extracts say them."""

import duckdb

from vigie.convention import Convention
from vigie.datasets.headcount import HEADCOUNT
from vigie.errors import ExtractError, Refused
from vigie_node.canonicalise.making import table_of
from vigie_node.delivery import Delivery
from vigie_node.perimeter.rule import Computed, compute

_UNITS = "perimeter_units"


def perimeter_of(delivery: Delivery, convention: Convention, period: str) -> Computed:
    """Work the perimeter out from the extracts of a delivery.

    Args:
        delivery: with headcount (``effectif_ent`` or ``effectif``) and ``sirene_ul``; with ``sirene`` when the rule asks
            where the head office is.
        convention: whose rule counts.
        period: ``YYYY-MM``.

    Raises:
        Refused: the convention has no rule for a perimeter.
        ExtractError: an extract is missing.
    """
    rule = convention.perimeter
    if rule is None:
        raise Refused("perimeter", expected="a convention with a section [perimeter]", found="none")
    given = {report.dataset for report in delivery.extracts}
    wanted = ["sirene_ul", *(["sirene"] if rule.head_office_in_france else [])]
    missing = [kind for kind in wanted if kind not in given]
    if not given & {"effectif_ent", "effectif"}:
        missing.insert(0, "effectif_ent")
    if missing:
        raise ExtractError(
            f"the perimeter cannot be worked out: no file of {missing[0]} was given",
            hint="it needs headcount (sigfaible_effectif_siren.csv), legal units (StockUniteLegale) and, for head "
            "offices, establishments (StockEtablissement)",
        )
    (headcount,) = (one for one in delivery.checked if one.dataset == HEADCOUNT)
    _register_units(headcount.connection, head_offices="sirene" in given)
    return compute(headcount.connection, rule, period, headcount=table_of(HEADCOUNT), legal_units=_UNITS)


def _register_units(connection: duckdb.DuckDBPyConnection, *, head_offices: bool) -> None:
    offices = (
        "LEFT JOIN (SELECT siren, max(department) AS department FROM sirene WHERE head_office GROUP BY siren) o "
        "ON o.siren = u.siren"
    )
    department = "o.department" if head_offices else "NULL"
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {_UNITS} AS SELECT u.siren, CAST(u.legal_form AS VARCHAR) AS legal_form, u.activity, "  # noqa: S608 - names of this module
        f"{department} AS head_office_department FROM sirene_ul u {offices if head_offices else ''}"
    )
