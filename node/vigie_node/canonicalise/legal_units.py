"""``legal_units`` from ``sirene_ul`` and ``sirene``: activity, legal form, state and seat of a company (section 1.14).

The département of the seat and the number of open establishments come from ``sirene``; without that extract they are empty.
A seat without a commune, or with one abroad, is abroad; one whose commune is withheld is unknown. Names and addresses stay
in the scratch database.
"""

from typing import Final

from vigie.datasets.legal_units import LEGAL_UNITS
from vigie_node.canonicalise.recipe import Given, Made, Recipe
from vigie_node.canonicalise.register import activity_columns, establishments


def _make(given: Given) -> Made:
    companies = given.scratch(
        "companies",
        f"SELECT siren, {given.last} AS as_of, {activity_columns('activity')}, CAST(legal_form AS BIGINT) AS legal_form, "
        "created, active FROM sirene_ul QUALIFY row_number() OVER (PARTITION BY siren ORDER BY file DESC, line DESC) = 1",
    )
    left_out = {"repeated_company": given.rows("sirene_ul") - given.number(f"SELECT count(*) FROM {companies}")}
    if not given.has("sirene"):
        nothing = "NULL AS head_office_department, NULL AS head_office_abroad, NULL AS open_establishments"
        return Made(f"SELECT *, {nothing} FROM {companies}", left_out)
    table, repeated = establishments(given)
    left_out["repeated_establishment"] = repeated
    left_out["establishment_without_company"] = given.number(
        f"SELECT count(*) FROM {table} e ANTI JOIN {companies} c USING (siren)"
    )
    seat = (
        f"SELECT siren, department AS head_office_department, abroad AS head_office_abroad FROM {table} WHERE head_office "
        "QUALIFY row_number() OVER (PARTITION BY siren ORDER BY open DESC, siret DESC) = 1"
    )
    opened = f"SELECT siren, count(*) FILTER (WHERE open) AS open_establishments FROM {table} GROUP BY siren"
    return Made(
        "SELECT * EXCLUDE (open_establishments), coalesce(open_establishments, 0) AS open_establishments "
        f"FROM {companies} LEFT JOIN ({seat}) USING (siren) LEFT JOIN ({opened}) USING (siren)",
        left_out,
    )


RECIPE: Final = Recipe(LEGAL_UNITS, (("sirene_ul",),), _make, uses=("sirene",))
