"""What the three files of the register of companies (Insee, Sirene) share: their cells, and the département of a commune.

Only the last nomenclature of activities but one, NAF rev. 2, is judged: rows of older ones are closed long since, and
are skipped (reference section 1.14).
"""

from collections.abc import Iterable
from typing import Final

from vigie.datasets.departments import DEPARTMENTS
from vigie.datasets.reference import activities, legal_forms
from vigie_node.extracts.cells import Cell
from vigie_node.extracts.kind import Check

WITHHELD: Final = "[ND]"
"""What stands in a cell that a company opposed the publication of."""
NOMENCLATURE: Final = "NAFRev2"
"""The nomenclature whose rows are kept."""


def _matching(name: str, pattern: str, wanted: str) -> Cell:
    return Cell(name, "VARCHAR", lambda x: f"CASE WHEN regexp_full_match({x}, '{pattern}') THEN {x} END", wanted)


NIC: Final = _matching("nic", "[0-9]{5}", "five digits, leading zeros kept")
POSTAL_CODE: Final = _matching("postal_code", "[0-9]{5}|\\[ND\\]", "five digits")
COMMUNE_CODE: Final = _matching(
    "commune", "[0-9][0-9AB][0-9]{3}|\\[ND\\]", "a commune's code of five characters, as 2A004 or 97411"
)
LEGAL_FORM: Final = _matching("legal_form", "[0-9]{4}", "four digits")


def state(open_as: str, closed_as: str) -> Cell:
    """The cell of an administrative state, true when it is the first letter."""
    return Cell(
        "state",
        "BOOLEAN",
        lambda x: f"CASE {x} WHEN '{open_as}' THEN true WHEN '{closed_as}' THEN false END",
        f"{open_as} (active) or {closed_as}",
    )


def department_of(commune: str) -> str:
    """SQL of the département of a commune's code: three characters overseas, ``2A`` and ``2B`` in Corsica, null abroad.

    It is told by the commune and never by the postal code, which crosses borders of départements and says 20 for Corsica.
    """
    return (
        f"CASE WHEN {commune} = '{WITHHELD}' OR left({commune}, 2) = '99' THEN NULL "
        f"WHEN left({commune}, 2) IN ('97', '98') THEN left({commune}, 3) ELSE left({commune}, 2) END"
    )


def not_listed(column: str, codes: Iterable[str]) -> str:
    """SQL that is true when a code is none of ``codes``; null and what is no code are not looked at."""
    return f"{column} NOT IN ({', '.join(repr(code) for code in sorted(codes))})"


NOT_ACTIVITY: Final = Check(
    "not_activity",
    "activity",
    f"nomenclature = '{NOMENCLATURE}' AND NOT regexp_full_match(activity, '[0-9]{{2}}[.][0-9]{{2}}[A-Z]')",
)
"""Rejects a row whose activity is not written as its own nomenclature writes it."""
OTHER_NOMENCLATURE: Final = Check(
    "other_nomenclature", "nomenclature", f"nomenclature IS DISTINCT FROM '{NOMENCLATURE}'"
)
"""Skips a row whose activity is of another nomenclature, or that has none."""
UNKNOWN_ACTIVITY: Final = Check("unknown_code", "activity", not_listed("activity", activities()), per="activity")
UNKNOWN_LEGAL_FORM: Final = Check(
    "unknown_code", "legal_form", not_listed("legal_form", legal_forms()), per="legal_form"
)
UNKNOWN_DEPARTMENT: Final = Check("unknown_code", "department", not_listed("department", DEPARTMENTS), per="department")
