"""What the register of companies says of a company (Insee, ``StockUniteLegale`` and ``StockEtablissement``).

Public.  Names and addresses stay behind: of an address only the département is kept, of the activity and the legal form
only their codes (:mod:`vigie.datasets.activities`).  A stock says what holds at its month, not what held before.
"""

from typing import Final

from vigie.datasets.activities import SECTIONS
from vigie.datasets.departments import CATEGORIES
from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

AS_OF: Final = Column(
    "as_of", ColumnType.MONTH, "month", _PUBLIC, "mois du stock Sirene", "month of the stock", nullable=False
)
"""Every dataset that is made of the register's stock begins with it."""

LAG: Final = "usable in the month of its stock (as_of), never before; delivered monthly"
"""So it is with each of them."""


def _code(name: str, french: str, english: str, minimum: float, maximum: float) -> Column:
    return Column(name, ColumnType.INTEGER, "code", _PUBLIC, french, english, minimum=minimum, maximum=maximum)


LEGAL_UNITS: Final = Dataset(
    name="legal_units",
    schema=1,
    grain="month",
    time="as_of",
    available=None,
    lag=LAG,
    owner_label="",
    columns=(
        AS_OF,
        Column(
            "activity_section",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "section de l'activité principale (NAF rév. 2)",
            "section of the main activity (NAF rev. 2)",
            categories=SECTIONS,
        ),
        _code(
            "activity_division",
            "division de l'activité principale : 62 pour 62.02A",
            "division of the main activity: 62 for 62.02A",
            1.0,
            99.0,
        ),
        _code(
            "activity_group",
            "groupe de l'activité principale : 620 pour 62.02A",
            "group of the main activity: 620 for 62.02A",
            11.0,
            999.0,
        ),
        _code(
            "activity_class",
            "classe de l'activité principale : 6202 pour 62.02A",
            "class of the main activity: 6202 for 62.02A",
            111.0,
            9999.0,
        ),
        _code(
            "activity_letter",
            "lettre finale du code d'activité : 1 pour A, 26 pour Z",
            "last letter of the activity code: 1 for A, 26 for Z",
            1.0,
            26.0,
        ),
        _code(
            "legal_form",
            "catégorie juridique, quatre chiffres : 5710 pour une SAS",
            "legal form, four digits: 5710 for a simplified joint-stock company",
            0.0,
            9999.0,
        ),
        # An impossible date of the register is empty here: the real files hold some.
        Column(
            "created", ColumnType.DATE, "date", _PUBLIC, "date de création de l'entreprise", "creation of the company"
        ),
        Column(
            "active",
            ColumnType.BOOLEAN,
            "yes or no",
            _PUBLIC,
            "entreprise active à la date du stock",
            "the company is active at the date of the stock",
        ),
        Column(
            "head_office_department",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "département du siège ; vide s'il est à l'étranger ou inconnu",
            "département of the head office; empty when it is abroad or unknown",
            categories=CATEGORIES,
        ),
        Column(
            "head_office_abroad",
            ColumnType.BOOLEAN,
            "yes or no",
            _PUBLIC,
            "siège à l'étranger",
            "the head office is abroad",
        ),
        Column(
            "open_establishments",
            ColumnType.INTEGER,
            "establishments",
            _PUBLIC,
            "nombre d'établissements ouverts",
            "number of open establishments",
            minimum=0.0,
            maximum=50_000.0,
        ),
    ),
    key=("as_of",),
)
