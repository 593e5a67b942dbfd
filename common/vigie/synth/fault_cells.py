"""Faults of single cells, by the form that the cells of a column must have."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vigie.synth import layout as of
from vigie.synth.fault import Change, Expected, Fault, in_cell
from vigie.synth.layout import Layout
from vigie.synth.sheet import ANY_MONTH

_REPORTED, _WARNED, _SKIPPED, _ACCEPTED = Expected.REPORTED, Expected.WARNED, Expected.SKIPPED, Expected.ACCEPTED
Wrong = tuple[str, Expected, str, Change]
"""What is wrong, what must become of it, a description, and what stands in the cell."""


def _other_check_digit(number: str) -> str:
    return number[:-1] + str((int(number[-1]) + 1) % 10)


def _letter_inside(number: str) -> str:
    return number[:4] + "o" + number[5:]


_IDENTIFIER: Final[tuple[Wrong, ...]] = (
    ("empty", _REPORTED, "the key is empty", ""),
    ("letter", _REPORTED, "a small letter o instead of a zero in an identifier", _letter_inside),
    ("too-long", _REPORTED, "an identifier with a digit too many", lambda number: number + "7"),
    ("luhn", _WARNED, "an identifier that fails Luhn's check", _other_check_digit),
    ("trailing-space", _ACCEPTED, "an identifier followed by a space", lambda number: number + " "),
    ("control", _REPORTED, "a control character inside an identifier", lambda number: number[:5] + "\x01" + number[5:]),
)
_NUMBER: Final[tuple[Wrong, ...]] = (
    ("text", _REPORTED, "words where a number must stand", "inconnu"),
    ("nan", _REPORTED, "NaN is no number that can be summed", "NaN"),
    ("infinite", _REPORTED, "an infinite number", "inf"),
    ("overflow", _REPORTED, "a number of forty digits", "9" * 40),
)
_COMMA: Final[tuple[Wrong, ...]] = (
    *_NUMBER,
    ("thousands", _REPORTED, "a dot between thousands and a decimal comma after them", "1.234.567,89"),
)

FORMS: Final[Mapping[str, tuple[Wrong, ...]]] = {
    "siren": (
        *_IDENTIFIER,
        (
            "eight-digits",
            _REPORTED,
            "a SIREN that lost its first digit that is no zero",
            lambda number: number.lstrip("0")[1:],
        ),
    ),
    "siret": (
        *_IDENTIFIER,
        ("thirteen-digits", _REPORTED, "a SIRET with thirteen digits", lambda number: number[1:]),
        (
            "pseudo",
            _WARNED,
            "a pseudo-SIRET: its tenth digit is 5, 6, 7 or 9",
            lambda number: number[:9] + "6" + number[10:],
        ),
        ("scientific", _REPORTED, "a SIRET as a spreadsheet shows large numbers", "1.23457E+13"),
    ),
    "nic": (("empty", _REPORTED, "the key is empty", ""), ("letter", _REPORTED, "letters in a NIC", "0001A")),
    "period": (
        ("length", _REPORTED, "a period code of five digits", "20171"),
        ("month-seven", _WARNED, "month 7 of a quarter, which the real system counts on from its first", "201717"),
        ("quarter-five", _REPORTED, "a fifth quarter", "201751"),
        ("text", _REPORTED, "words where a period code must stand", "T1 2020"),
        ("empty", _REPORTED, "the key is empty", ""),
    ),
    "aammjj": (
        ("impossible-day", _REPORTED, "the 30th of February", "1180230"),
        ("impossible-month", _REPORTED, "a thirteenth month", "1181301"),
        ("other-form", _REPORTED, "a date in the form of another file", "2018-01-30"),
        ("wrong-century", _WARNED, "a date of the last century: its first digit was lost", "180130"),
        ("empty", _REPORTED, "no date", ""),
    ),
    "french": (
        ("impossible-day", _REPORTED, "the 30th of February", "30/02/2020"),
        ("month-first", _REPORTED, "the month before the day", "01/15/2019"),
        ("two-digit-year", _REPORTED, "a year of two digits", "01/01/20"),
        ("other-form", _REPORTED, "a date in the form of another file", "2020-01-01"),
        ("empty", _REPORTED, "no date", ""),
    ),
    "iso": (
        ("impossible-day", _REPORTED, "the 30th of February", "2020-02-30"),
        ("impossible-month", _REPORTED, "a thirteenth month", "2020-13-01"),
        ("other-form", _REPORTED, "a date in the form of another file", "01/02/2020"),
        ("empty", _REPORTED, "no date", ""),
    ),
    "upper": (
        ("impossible-day", _REPORTED, "the 30th of February", "30FEB2014"),
        ("unknown-month", _REPORTED, "a month that no language has", "26XYZ2014"),
        ("other-form", _REPORTED, "a date in the form of another file", "26/05/2014"),
        ("empty", _REPORTED, "no date", ""),
    ),
    "integer": (
        ("text", _REPORTED, "words where a whole number must stand", "deux"),
        ("decimal", _REPORTED, "a decimal number where a whole one must stand", "2.5"),
        ("overflow", _REPORTED, "a number of forty digits", "9" * 40),
    ),
    "positive": (
        ("zero", _REPORTED, "a duration of no day", "0"),
        ("negative", _REPORTED, "a negative duration", "-30"),
        ("text", _REPORTED, "words where a number of days must stand", "un an"),
        ("empty", _REPORTED, "no duration", ""),
    ),
    "cents": (
        *_NUMBER,
        ("empty", _REPORTED, "a debt without its amount", ""),
        ("decimal-comma", _REPORTED, "euros with a decimal comma where whole centimes must stand", "1959,07"),
        ("decimal-dot", _REPORTED, "euros with a decimal dot where whole centimes must stand", "1959.07"),
    ),
    "comma": _COMMA,
    "number": _NUMBER,
    "boolean": (("text", _REPORTED, "neither true nor false", "peut-etre"),),
}
"""Form of a column → what can be wrong in a cell of it."""

_TOLERATED: Final[Mapping[str, str]] = {"bdf": "number", "inpi_bce": "number", "sirene": "iso", "sirene_ul": "iso"}
"""Kind → form whose faults leave the cell empty and let the row stand, as in the real system."""
_PADDED: Final = ("bdf", "diane")
"""Their SIRENs come as numbers now and then; leading zeros are put back."""


def by_form(layout: Layout) -> Iterator[Fault]:
    """Faults of every column of a layout that has a form."""
    for column, form in layout.forms.items():
        for what, expected, description, change in FORMS.get(form, ()):
            tolerated = _TOLERATED.get(layout.kind) == form
            if tolerated and what == "empty":
                continue
            padded = layout.kind in _PADDED and what == "eight-digits"
            if layout.kind == of.SIRENE_HISTO.kind and what == "empty" and form == "iso":
                expected = _SKIPPED  # a period without a beginning is one that the Insee does not tell
            yield in_cell(layout, column, what, _WARNED if tolerated or padded else expected, description, change)


def provisional(layout: Layout) -> Fault:
    """An establishment that Sirene does not know yet: the Urssaf gives it a number with a letter."""
    return in_cell(
        layout, "Siret", "provisional", _SKIPPED, "a provisional SIRET, which has capital letters",
        lambda number: number[:9] + "A" + number[10:],
    )  # fmt: skip


def of_headcounts(layout: Layout) -> Iterator[Fault]:
    """Faults of the headcount of a month."""
    for what, description, cell in (
        ("decimal", "half a person: digits alone would read fifteen", "1.5"),
        ("negative", "a negative headcount: digits alone would read five", "-5"),
        ("text", "words where a headcount must stand", "NC"),
        ("department", "a département among the headcounts", "2A"),
        ("overflow", "a number of forty digits", "9" * 40),
    ):
        yield in_cell(layout, ANY_MONTH, what, _REPORTED, description, cell)


def own() -> Iterator[Fault]:
    """Faults that only one kind of file can have."""
    reported: tuple[tuple[Layout, str, str, str, str | Callable[[str], str]], ...] = (
        (of.PROCOL, "Lib_actx_stdx", "no-action", "a stage without the proceeding that it is a stage of", "plan_continuation"),
        (of.PROCOL, "Lib_actx_stdx", "unknown-action", "a proceeding that does not exist", "faillite_ouverture"),
        (of.PROCOL, "Lib_actx_stdx", "empty", "an event that says nothing", ""),
        (of.DELAI, "Montant_global_echeancier", "zero", "a plan about nothing", "0"),
        (of.DELAI, "Montant_global_echeancier", "negative", "a plan about a negative amount", "-12.50"),
        (of.COTISATION, "cotis_due", "currency", "a currency sign after an amount", "1234,5 EUR"),
        (of.COTISATION, "cotis_due", "two-commas", "two decimal commas in one number", "12,34,5"),
        (of.SIRENE, "codeCommuneEtablissement", "beyond-table", "a commune of no département", "9Z999"),
        (of.SIRENE, "activitePrincipaleEtablissement", "no-dot", "an activity code without its dot", "6202A"),
        (of.SIRENE, "etatAdministratifEtablissement", "beyond-table", "a state that the table does not have", "X"),
        (of.SIRENE_UL, "categorieJuridiqueUniteLegale", "text", "a legal form in words", "SARL"),
        (of.SIRENE_UL, "activitePrincipaleUniteLegale", "no-dot", "an activity code without its dot", "6202A"),
        (of.PAYDEX, "code_paydex", "two-digits", "a Paydex code without its leading zero", "78"),
        (of.PAYDEX, "code_paydex", "text", "a Paydex code in words", "bon"),
    )  # fmt: skip
    for layout, column, what, description, change in reported:
        yield in_cell(layout, column, what, _REPORTED, description, change)
    warned: tuple[tuple[Layout, str, str, str, str], ...] = (
        (of.PROCOL, "Lib_actx_stdx", "unknown-stage", "a stage that the table does not have", "redressement_suspension"),
        (of.DEBIT, "Cd_op_ecn", "beyond-table", "a code beyond the published table", "63"),
        (of.DEBIT, "Motif_ecn", "beyond-table", "a code beyond the published table", "74"),
        (of.CCSF, "Code_externe_stade", "beyond-table", "a stage that the table does not have", "ATTENTE"),
        (of.CCSF, "Code_externe_action", "beyond-table", "an action that the table does not have", "AUTRE"),
        (of.DELAI, "Code_externe_stade", "beyond-table", "a stage that the table does not have", "ATTENTE"),
        (of.DELAI, "Code_externe_action", "beyond-table", "an action that the table does not have", "AUTRE"),
        (of.DELAI, "Date_echeance", "before-creation", "a plan that falls due before it was made", "01/01/1999"),
        (of.APDEMANDE, "MOTIF_RECOURS_SE", "beyond-table", "a reason that the table does not have", "9"),
        (of.APDEMANDE, "DATE_FIN", "before-beginning", "a request that ends before it begins", "1999-01-01"),
        (of.APDEMANDE, "HTA", "negative", "negative hours", "-35.0"),
        (of.APCONSO, "HEURES", "negative", "negative hours", "-35.0"),
        (of.SIRENE, "codePostalEtablissement", "four-digits", "a postcode without its leading zero", "6000"),
    )  # fmt: skip
    for layout, column, what, description, cell in warned:
        yield in_cell(layout, column, what, _WARNED, description, cell)
