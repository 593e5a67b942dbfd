"""``headcount`` from ``effectif_ent`` and ``effectif``: persons employed by a company, month by month (section 1.8).

A company that ``effectif_ent`` counts has the headcount of that file; another one has the sum over its establishments in
``effectif``. **Zero is a headcount**, and a month without a cell is absent.

The real system never chose between sum and largest where a company or an establishment stands on several lines (issue 50
of its prepare-import). Here a line of ``effectif_ent`` counts a company as a whole, so that several lines of one company
repeat it and the largest holds; lines of ``effectif`` for several accounts of an establishment count different persons and
are summed, and a line that repeats establishment and account counts once, by its largest cell.
"""

from typing import Final

from vigie.datasets.headcount import HEADCOUNT
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company

_ANY: Final = "list_count(headcounts) > 0"


def _make(given: Given) -> Made:
    parts: list[str] = []
    left_out = {"no_headcount": 0, "repeated_line": 0}
    others = "true"
    if given.has("effectif_ent"):
        _count(given, left_out, "effectif_ent", "siren", "true")
        parts.append("SELECT siren, month, max(headcount) AS headcount FROM effectif_ent GROUP BY siren, month")
        companies = given.scratch("companies", f"SELECT DISTINCT siren FROM effectif_ent_lines WHERE {_ANY}")
        others = f"{company()} NOT IN (SELECT siren FROM {companies})"
        if given.has("effectif"):
            left_out["counted_by_company"] = given.rows("effectif", f"NOT ({others})")
    if given.has("effectif"):
        sites = f"SELECT siret, account, month, headcount FROM effectif WHERE {others}"
        if _count(given, left_out, "effectif", "siret, account", others):
            # Only when it is needed: there are as many groups as cells.
            sites = f"SELECT siret, month, max(headcount) AS headcount FROM ({sites}) GROUP BY siret, account, month"
        parts.append(
            f"SELECT {company()} AS siren, month, CAST(sum(headcount) AS BIGINT) AS headcount FROM ({sites}) GROUP BY 1, 2"
        )
    return Made(" UNION ALL ".join(parts), left_out)


def _count(given: Given, left_out: dict[str, int], kind: str, key: str, among: str) -> int:
    """Count the lines among some that have no headcount at all, and those that repeat a key; return the latter."""
    left_out["no_headcount"] += given.rows(kind, f"NOT ({_ANY}) AND {among}")
    lines = given.rows(kind, f"{_ANY} AND {among}")
    keys = f'SELECT DISTINCT {key} FROM "{given.readings[kind].kind.store}" WHERE {_ANY} AND {among}'
    repeated = lines - given.number(f"SELECT count(*) FROM ({keys})")
    left_out["repeated_line"] += repeated
    return repeated


RECIPE: Final = Recipe(HEADCOUNT, (("effectif_ent", "effectif"),), _make)
