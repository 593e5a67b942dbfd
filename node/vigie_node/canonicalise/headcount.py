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

_KNOWN: Final = "headcount IS NOT NULL"


def _make(given: Given) -> Made:
    parts: list[str] = []
    left_out = {"no_headcount": 0, "repeated_line": 0}
    counted = ""
    if given.has("effectif_ent"):
        parts.append(
            f"SELECT siren, month, max(headcount) AS headcount FROM effectif_ent WHERE {_KNOWN} GROUP BY siren, month"
        )
        companies = given.scratch("companies", f"SELECT DISTINCT siren FROM effectif_ent WHERE {_KNOWN}")
        counted = f" AND {company()} NOT IN (SELECT siren FROM {companies})"
        _count(given, left_out, "effectif_ent", "siren", "")
    if given.has("effectif"):
        lines = (
            f"SELECT siret, month, max(headcount) AS headcount FROM effectif WHERE {_KNOWN}{counted} "
            "GROUP BY siret, account, month"
        )
        parts.append(
            f"SELECT {company()} AS siren, month, CAST(sum(headcount) AS BIGINT) AS headcount FROM ({lines}) GROUP BY ALL"
        )
        _count(given, left_out, "effectif", "siret, account", counted)
        if counted:
            left_out["counted_by_company"] = given.rows("effectif", f"NOT (true{counted})")
    return Made(" UNION ALL ".join(parts), left_out)


def _count(given: Given, left_out: dict[str, int], kind: str, key: str, among: str) -> None:
    """Count the lines among those that are used which have no headcount at all, and those that repeat a key."""
    left_out["no_headcount"] += given.rows(kind, f"headcount IS NULL{among}")
    used = f"FROM {kind} WHERE {_KNOWN}{among}"
    left_out["repeated_line"] += given.number(
        f"SELECT (SELECT count(*) FROM (SELECT DISTINCT file, line {used})) - "
        f"(SELECT count(*) FROM (SELECT DISTINCT {key} {used}))"
    )


RECIPE: Final = Recipe(HEADCOUNT, (("effectif_ent", "effectif"),), _make)
