"""What is odd about a SIREN or a SIRET without making it wrong: counted as warnings, never a reason to reject a row.

Nobody in the real system tests check digits, and its own fixtures fail them, so that they tell a typing error or an
invented file and no more (reference section 1.1).
"""

from typing import Final

from vigie_node.extracts.cells import SIRET, Cell
from vigie_node.extracts.kind import Check

LA_POSTE: Final = "356000000"
"""Its establishments are the exception to the check digit: the sum of their fourteen digits is a multiple of five."""
PROVISIONAL: Final = "provisional_siret"
"""Rule of a row that is left out because its establishment has no number of Sirene yet."""

DELIVERED_SIRET: Final = Cell(
    "siret",
    "VARCHAR",
    lambda x: f"CASE WHEN regexp_full_match({x}, '[0-9A-Z]{{14}}') THEN {x} END",
    f"{SIRET.wanted}, or the fourteen digits and letters of a provisional one",
)
"""A SIRET as Urssaf delivers it: provisional ones hold letters. Its kind skips them with :func:`provisional_siret`."""


def fails_check_digit(identifier: str, length: int) -> str:
    """SQL that is true when a text of ``length`` digits fails its check digit (Luhn); null for other texts."""
    number = f"TRY_CAST({identifier} AS BIGINT)"
    terms = []
    for place in range(length):
        digit = f"({number} // {10**place} % 10)" if place else f"({number} % 10)"
        terms.append(f"{digit} * 2 - CASE WHEN {digit} > 4 THEN 9 ELSE 0 END" if place % 2 else digit)
    return f"(({' + '.join(terms)}) % 10 <> 0)"


def siren_warnings(column: str = "siren") -> tuple[Check, ...]:
    """Warnings about a column of SIREN: check digit, and the nine zeros that pass it and are nobody."""
    return (
        Check("siren_check_digit", column, fails_check_digit(column, 9), per=column),
        Check("identifier_of_zeros", column, f"{column} = '000000000'", per=column),
    )


def siret_warnings(column: str = "siret") -> tuple[Check, ...]:
    """Warnings about a column of SIRET: check digits of company and establishment, zeros, pseudo-SIRET."""
    digits = " + ".join(f"TRY_CAST({column} AS BIGINT) // {10**place} % 10" for place in range(14))
    return (
        Check("siren_check_digit", column, fails_check_digit(f"left({column}, 9)", 9), per=column),
        Check(
            "siret_check_digit",
            column,
            f"{fails_check_digit(column, 14)} AND NOT (left({column}, 9) = '{LA_POSTE}' AND ({digits}) % 5 = 0)",
            per=column,
        ),
        Check("identifier_of_zeros", column, f"left({column}, 9) = '000000000'", per=column),
        # Forged by the accounting of ACOSS for agencies of temporary work, models and film: Sirene does not know them.
        Check("pseudo_siret", column, f"substr({column}, 10, 1) IN ('5', '6', '7', '9')", per=column),
    )


def provisional_siret(column: str = "siret") -> Check:
    """Skips rows whose SIRET has letters: nothing ties them to a company, and the file is not at fault."""
    return Check(PROVISIONAL, column, f"TRY_CAST({column} AS BIGINT) IS NULL")
