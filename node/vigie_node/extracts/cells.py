"""The grammars of cells: one for each way in which the real files write a number, a date, a period or an identifier.

A grammar is SQL that turns a text without surrounding spaces into a typed value, and into null when the text is not of
the grammar; nothing is ever guessed between two grammars. Forms: reference section 1.1 of the field, and
``lib/parsing`` of opensignauxfaibles.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Cell:
    """A grammar.

    Attributes:
        name: a stable word; a cell that is not of the grammar breaks the rule ``not_<name>``.
        type: SQL type of the value.
        parse: SQL of the value, given the SQL of the text.
        wanted: what a cell should look like, for a hint.
        repeats: the same few values stand in many rows and are dear to parse: each is parsed once a block.
    """

    name: str
    type: str
    parse: Callable[[str], str]
    wanted: str
    repeats: bool = False

    @property
    def rule(self) -> str:
        """The rule that a cell breaks which is not of the grammar."""
        return f"not_{self.name}"


def _when(pattern: str, value: str) -> Callable[[str], str]:
    """SQL of ``value`` (in which ``{x}`` is the text) for texts that match ``pattern`` as a whole."""
    return lambda x: f"CASE WHEN regexp_full_match({x}, '{pattern}') THEN {value.format(x=x)} END"


_MONTHS: Final = (
    ("JAN", "JANV"),
    ("FEB", "FÉV", "FEV", "FÉVR", "FEVR"),
    ("MAR", "MARS"),
    ("APR", "AVR", "AVRIL"),
    ("MAY", "MAI"),
    ("JUN", "JUIN"),
    ("JUL", "JUIL"),
    ("AUG", "AOÛ", "AOU", "AOÛT", "AOUT"),
    ("SEP", "SEPT"),
    ("OCT",),
    ("NOV",),
    ("DEC", "DÉC"),
)


def _month_name(x: str) -> str:
    """SQL of the number of the month whose English or French short name stands between day and year."""
    word = f"upper(regexp_extract({x}, '^[0-9]{{1,2}}(.*?)[.]?[0-9]{{4}}$', 1))"
    pairs = [(name, number) for number, names in enumerate(_MONTHS, start=1) for name in names]
    names, numbers = ", ".join(f"'{name}'" for name, _ in pairs), ", ".join(str(number) for _, number in pairs)
    return f"map([{names}], [{numbers}])[{word}]"


def _named_date(x: str) -> str:
    text = f"(right({x}, 4) || '-' || ({_month_name(x)}) || '-' || regexp_extract({x}, '^[0-9]{{1,2}}'))"
    return f"CAST(try_strptime({text}, '%Y-%m-%d') AS DATE)"


def _period(x: str) -> str:
    """SQL of an Urssaf period code: STRUCT(start, stop, regular), stop exclusive (lib/parsing/urssaf/period.go).

    ``YYQM`` or ``YYYYQM``: ``QM = 62`` is the year, ``M = 0`` the quarter Q, ``M`` from 1 to 3 the M-th month of Q. Other
    digits are counted on like the real system does, as long as they come to a month of that year, and are not regular.
    """
    number, rest = f"CAST({x} AS INTEGER)", f"(CAST({x} AS INTEGER) % 100)"
    year = (
        f"(CASE WHEN {number} > 9999 THEN {number} // 100 WHEN {number} < 5000 THEN 2000 + {number} // 100 "
        f"ELSE 1900 + {number} // 100 END)"
    )
    month = f"(CASE WHEN {rest} = 62 THEN 1 ELSE 3 * ({rest} // 10) - 3 + greatest({rest} % 10, 1) END)"
    months = f"(CASE WHEN {rest} = 62 THEN 12 WHEN {rest} % 10 = 0 THEN 3 ELSE 1 END)"
    start = f"make_date({year}, {month}, 1)"
    return (
        f"CASE WHEN regexp_full_match({x}, '([0-9]{{2}}|(?:19|20|21)[0-9]{{2}})[0-9]{{2}}') AND {month} BETWEEN 1 AND 12 "
        f"THEN {{'start': {start}, 'stop': CAST({start} + to_months({months}) AS DATE), "
        f"'regular': {rest} = 62 OR ({rest} // 10 BETWEEN 1 AND 4 AND {rest} % 10 <= 3)}} END"
    )


def _period_of_times(x: str) -> str:
    """SQL of the period as the real system's web API takes it: both days with a time of day."""
    start, stop = (f"CAST(try_strptime(substr({x}, {place}, 10), '%Y-%m-%d') AS DATE)" for place in (1, 21))
    moment = "[0-9]{4}-[0-9]{2}-[0-9]{2} 00:00:00"
    return (
        f"CASE WHEN regexp_full_match({x}, '{moment}-{moment}') AND {start} < {stop} "
        f"THEN {{'start': {start}, 'stop': {stop}, 'regular': true}} END"
    )


def _strptime(form: str) -> str:
    return f"CAST(try_strptime({{x}}, '{form}') AS DATE)"


TEXT: Final = Cell("text", "VARCHAR", lambda x: x, "text")
CODE: Final = Cell("code", "VARCHAR", _when("[^[:cntrl:]]{1,64}", "{x}"), "a short code")
SIREN: Final = Cell("siren", "VARCHAR", _when("[0-9]{9}", "{x}"), "nine digits, leading zeros kept")
LOOSE_SIREN: Final = Cell(
    "siren",
    "VARCHAR",
    lambda x: (
        # Nearly all need no mending.
        f"CASE WHEN regexp_full_match({x}, '[0-9]{{9}}') THEN {x} WHEN regexp_full_match({x}, '[0-9]([0-9 \u00a0\u202f]*[0-9])?') "
        f"AND length(regexp_replace({x}, '[^0-9]', '', 'g')) <= 9 "
        f"THEN lpad(regexp_replace({x}, '[^0-9]', '', 'g'), 9, '0') END"
    ),
    "nine digits; spaces between them and lost leading zeros are mended",
)
YEAR: Final = Cell("year", "BIGINT", _when("(19|20)[0-9]{2}", "CAST({x} AS BIGINT)"), "a year of four digits")
SIRET: Final = Cell("siret", "VARCHAR", _when("[0-9]{14}", "{x}"), "fourteen digits, leading zeros kept")
INTEGER: Final = Cell("integer", "BIGINT", _when("-?[0-9]{1,18}", "CAST({x} AS BIGINT)"), "a whole number")
NATURAL: Final = Cell(
    "natural",
    "BIGINT",
    _when("[0-9]{1,3}([ \u00a0\u202f][0-9]{3})+|[0-9]{1,15}", "CAST(regexp_replace({x}, '[^0-9]', '', 'g') AS BIGINT)"),
    "a whole number from 0; spaces between thousands are allowed, a decimal sign or a minus is not",
)
NUMBER: Final = Cell(
    "number",
    "DOUBLE",
    _when("-?([0-9]{1,15}([.,][0-9]*)?|[.,][0-9]+)([eE][-+]?[0-9]{1,2})?", "CAST(replace({x}, ',', '.') AS DOUBLE)"),
    "a number of at most fifteen digits with a decimal point or comma, without spaces",
)
MONEY: Final = Cell(
    "money",
    "DECIMAL(18, 4)",
    _when("-?[0-9]{1,13}([.,][0-9]*)?", "CAST(replace({x}, ',', '.') AS DECIMAL(18, 4))"),
    "an amount in euros with a decimal point or comma",
)
CENTIMES: Final = Cell(
    "centimes", "DECIMAL(18, 2)", _when("-?[0-9]{1,15}", "CAST(CAST({x} AS DECIMAL(15, 0)) * 0.01 AS DECIMAL(18, 2))"),
    "a whole number of centimes",
)  # fmt: skip
FLAG: Final = Cell("flag", "BOOLEAN", _when("[01]", "{x} = '1'"), "0 or 1")
TRUTH: Final = Cell("truth", "BOOLEAN", _when("(?i)true|false", "lower({x}) = 'true'"), "true or false")
ISO_DATE: Final = Cell(
    "date", "DATE", _when("[0-9]{4}-[0-9]{2}-[0-9]{2}", _strptime("%Y-%m-%d")), "a day as YYYY-MM-DD", repeats=True
)
ISO_DATE_OR_TIME: Final = Cell(
    "date",
    "DATE",
    _when(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}:[0-9]{2})?",
        "CAST(try_strptime(left({x}, 10), '%Y-%m-%d') AS DATE)",
    ),
    "a day as YYYY-MM-DD, with or without a time of day",
    repeats=True,
)
URSSAF_DATE: Final = Cell(
    "urssaf_date",
    "DATE",
    _when("[0-9]{6,7}", "CAST(try_strptime(CAST(CAST({x} AS INTEGER) + 19000000 AS VARCHAR), '%Y%m%d') AS DATE)"),
    "a day as AAMMJJ or 1AAMMJJ: 990612 is 12 June 1999, 1160318 is 18 March 2016",
    repeats=True,
)
COMPACT_DATE: Final = Cell(
    "compact_date", "DATE", _when("[0-9]{8}", _strptime("%Y%m%d")), "a day as YYYYMMDD", repeats=True
)
FRENCH_DATE: Final = Cell(
    "french_date",
    "DATE",
    _when("[0-9]{2}/[0-9]{2}/[0-9]{4}", _strptime("%d/%m/%Y")),
    "a day as DD/MM/YYYY",
    repeats=True,
)
NAMED_DATE: Final = Cell(
    "named_date", "DATE", _named_date, "a day as DDMMMYYYY, month in English or French: 31DEC2014", repeats=True
)
URSSAF_PERIOD: Final = Cell(
    "urssaf_period",
    "STRUCT(start DATE, stop DATE, regular BOOLEAN)",
    _period,
    "YYYYQM or YYQM, M the month of quarter Q: 201712 is February 2017, 201710 the first quarter, 201762 the year",
    repeats=True,
)
PERIOD_OF_TIMES: Final = Cell(
    "period",
    "STRUCT(start DATE, stop DATE, regular BOOLEAN)",
    _period_of_times,
    "two days with times of day, joined by a hyphen: 1999-10-01 00:00:00-2000-01-01 00:00:00",
    repeats=True,
)
ACTIVITY: Final = Cell("activity", "VARCHAR", _when("[0-9]{2}[.][0-9]{2}[A-Z]", "{x}"), "an activity code, as 62.02A")
PAYDEX: Final = Cell("paydex", "VARCHAR", _when("[0-9]{3}", "{x}"), "a paydex of three digits, leading zeros kept")
COMMUNE: Final = Cell("commune", "VARCHAR", _when("[0-9][0-9AB][0-9]{3}", "{x}"), "a commune's code of five characters")
