"""``proceedings`` from ``procol``: judgments by company, and what they come to at a day (reference section 1.7).

The extract records an event once for each establishment; here it is one event of the company. ``solde_procedure``, an
administrative closing entry, is sent like any other event: whoever asks for the status of a company leaves it out.
"""

from datetime import date
from typing import Final

from vigie.datasets.proceedings import ACTIONS, PROCEEDINGS, STAGES
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, translated

IN_BONIS: Final = "In bonis"
"""Label of a company without a proceeding; it has no row in :func:`procol_at_date`."""

_ENDED: Final = "('fin_procedure', 'inclusion_autre_procedure')"
_PLAN: Final = "plan_continuation"
_PLAN_YEARS: Final = 10


def clean_procol(table: str = "procol") -> str:
    """SELECT of the real system's view ``clean_procol``: distinct events of companies, without administrative closings.

    ``siren, date_effet, action_procol, stade_procol, libelle_procol``; source: its migration 042.
    """
    label = (
        f"CASE WHEN stage = 'fin_procedure' THEN '{IN_BONIS}' "
        f"WHEN action = 'redressement' AND stage = '{_PLAN}' THEN 'Plan de redressement' "
        "WHEN action = 'redressement' THEN 'Redressement judiciaire' "
        "WHEN action = 'liquidation' THEN 'Liquidation judiciaire' "
        f"WHEN action = 'sauvegarde' AND stage = '{_PLAN}' THEN 'Plan de sauvegarde' "
        "WHEN action = 'sauvegarde' THEN 'Sauvegarde' END"
    )
    return (
        f"SELECT DISTINCT {company()} AS siren, effective AS date_effet, action AS action_procol, "
        f"stage AS stade_procol, {label} AS libelle_procol FROM {table} WHERE stage IS DISTINCT FROM 'solde_procedure'"
    )


def procol_at_date(day: date, table: str = "procol") -> str:
    """SELECT of the proceeding that a company is in at a day, in the columns of :func:`clean_procol`.

    The last event of each proceeding counts, unless it ends it (its *stage* does; the real system asked its action, until
    June 2026) or is a plan ten years old. Of several proceedings the gravest holds. A company without one has no row: it
    is *in bonis*. Source: ``procol_at_date``, migration 050 of the real system, which leaves open which of two events of
    one day is the last: here one that ends the proceeding, then the later name.
    """
    at = f"DATE '{day.isoformat()}'"
    last = (
        f"SELECT * FROM ({clean_procol(table)}) WHERE date_effet <= {at} QUALIFY row_number() OVER ("
        f"PARTITION BY siren, action_procol ORDER BY date_effet DESC, "
        f"coalesce(stade_procol IN {_ENDED}, false) DESC, stade_procol DESC) = 1"
    )
    return (
        f"SELECT * FROM ({last}) WHERE coalesce(stade_procol NOT IN {_ENDED}, true) "
        f"AND NOT (coalesce(stade_procol = '{_PLAN}', false) AND date_effet + INTERVAL {_PLAN_YEARS} YEAR <= {at}) "
        "QUALIFY row_number() OVER (PARTITION BY siren "
        "ORDER BY list_position(['liquidation', 'redressement', 'sauvegarde'], action_procol)) = 1"
    )


def _make(given: Given) -> Made:
    action = translated("action", ACTIONS)
    known, left_out = given.without("procol", {"unknown_action": f"({action}) IS NULL"})
    distinct = given.scratch(
        "events",
        f"SELECT DISTINCT {company()} AS siren, effective AS effective_date, {action} AS action, "
        f"{translated('stage', STAGES, 'other')} AS stage FROM procol WHERE {known}",
    )
    events = given.number(f"SELECT count(*) FROM {distinct}")
    left_out["repeated_proceeding"] = given.rows("procol", known) - events
    return Made(f"SELECT * FROM {distinct}", left_out)


RECIPE: Final = Recipe(PROCEEDINGS, (("procol",),), _make)
