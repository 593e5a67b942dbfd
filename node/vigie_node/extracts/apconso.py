"""``apconso``: hours of short-time work that were used, by request, establishment and month (reference section 1.9).

Owner: DGEFP, through DARES. Hours and amounts may be empty since 2022. Until 2019 the same base came as a workbook with
some twenty more columns, whose months are ``MM/YYYY``. Source: ``lib/parsing/apconso/parser.go``.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, ISO_DATE_OR_TIME, MONEY, NUMBER, SIRET, TEXT, Cell
from vigie_node.extracts.identifiers import siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout

SLASHED_MONTH: Final = Cell(
    "slashed_month",
    "DATE",
    lambda x: (
        f"CASE WHEN regexp_full_match({x}, '(0?[1-9]|1[0-2])/(19|20)[0-9]{{2}}') THEN "
        f"make_date(CAST(right({x}, 4) AS INTEGER), CAST(regexp_extract({x}, '^[0-9]+') AS INTEGER), 1) END"
    ),
    "a month as MM/YYYY",
)


def _fields(month: Cell) -> tuple[Field, ...]:
    return (
        Field("request", ("ID_DA",), CODE, nullable=False, upstream="ID", meaning="number of the request"),
        Field("siret", ("ETAB_SIRET",), SIRET, nullable=False, upstream="Siret", meaning="establishment"),
        Field("hours", ("HEURES",), NUMBER, upstream="HeureConsommee", meaning="hours not worked in the month"),
        Field("amount", ("MONTANTS",), MONEY, upstream="Montant", meaning="euros"),
        Field("staff", ("EFFECTIFS",), NUMBER, upstream="Effectif", meaning="persons"),
        Field(
            "day", ("MOIS",), month, nullable=False, upstream="Periode", meaning="a day of the month, mostly its first"
        ),
    )


APCONSO: Final = Kind(
    name="apconso",
    title="short-time work that was used",
    titre="consommations d'activité partielle",
    owner="dgefp",
    delivered_as=("consommation_ap.csv", "*consommation*ap*.csv", "*apconso*.csv", "*act_partielle_conso*.csv"),
    layouts=(
        # Looked for first: it has all columns of today's layout and more.
        Layout(
            "workbook",
            Dialect(","),
            (*_fields(SLASHED_MONTH), Field("source", ("SOURCE",), TEXT, stored=False, meaning="SINAPSE or EXTRANET")),
        ),
        Layout("2019", Dialect(","), _fields(ISO_DATE_OR_TIME)),
    ),
    derived=(Derived("month", "DATE", "date_trunc('month', day)"),),
    company="left(siret, 9)",
    time="month",
    key=("request", "siret", "month"),
    warnings=(
        *siret_warnings(),
        Check("not_first_of_month", "day", "day <> month"),
        Check("negative", "hours", "hours < 0"),
    ),
)
