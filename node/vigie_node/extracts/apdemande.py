"""``apdemande``: requests for short-time work and what was authorised for the whole of each (reference section 1.9).

Owner: DGEFP, through DARES. Hours and amounts authorised are those of the *whole* request, not of a month. ``DATE_FIN``
had a time of day until September 2025, and hours and amounts may be empty since 2022. A reason beyond the table is kept
with a warning, where the real system drops the row of today's files and kept it in those before
(``lib/parsing/apdemande/parser.go``).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie_node.extracts.cells import CODE, INTEGER, ISO_DATE_OR_TIME, MONEY, NUMBER, SIRET, TEXT, Cell
from vigie_node.extracts.identifiers import siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout

REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "Conjoncture économique",
        2: "Difficultés d'approvisionnement en matières premières ou en énergie",
        3: "Sinistre ou intempéries de caractère exceptionnel",
        4: "Transformation, restructuration ou modernisation des installations et des bâtiments",
        5: "Autres circonstances exceptionnelles",
        6: "Motif inconnu",
        7: "Motif inconnu",
    }
)
"""``MOTIF_RECOURS_SE`` → label (``labels_motif_recours``)."""

SLASHED_OR_ISO_DATE: Final = Cell(
    "date",
    "DATE",
    lambda x: (
        f"CASE WHEN regexp_full_match({x}, '[0-9]{{2}}/[0-9]{{2}}/([0-9]{{2}})?[0-9]{{2}}') THEN "
        f"CAST(try_strptime(left({x}, 6) || right('20' || substr({x}, 7), 4), '%d/%m/%Y') AS DATE) "
        f"ELSE {ISO_DATE_OR_TIME.parse(x)} END"
    ),
    "a day as DD/MM/YY, DD/MM/YYYY or YYYY-MM-DD",
)
"""Days of the workbooks: short-time work of this form began in this century, so two digits of the year are enough."""


def _fields(date: Cell) -> tuple[Field, ...]:
    return (
        Field("request", ("ID_DA",), CODE, nullable=False, upstream="id_demande", meaning="number of the request"),
        Field("siret", ("ETAB_SIRET",), SIRET, nullable=False, upstream="siret", meaning="establishment"),
        Field("company_staff", ("EFF_ENT",), NUMBER, upstream="effectif_entreprise", meaning="persons of the company"),
        Field("staff", ("EFF_ETAB",), NUMBER, upstream="effectif", meaning="persons of the establishment"),
        Field("status_date", ("DATE_STATUT",), date, nullable=False, upstream="date_statut"),
        Field("first_day", ("DATE_DEB",), date, nullable=False, upstream="période_début"),
        Field("last_day", ("DATE_FIN",), date, nullable=False, upstream="période_fin", meaning="inclusive"),
        Field("authorised_hours", ("HTA",), NUMBER, upstream="heures_autorisées", meaning="of the whole request"),
        Field("authorised_amount", ("MTA",), MONEY, upstream="montants_autorisés", meaning="euros, whole request"),
        Field("authorised_staff", ("EFF_AUTO",), NUMBER, upstream="effectif_autorisé", meaning="persons"),
        Field("reason", ("MOTIF_RECOURS_SE",), INTEGER, upstream="motif_recours_se", meaning="1 to 7, see REASONS"),
        Field("scope", ("PERIMETRE_AP",), INTEGER, upstream="perimetre", meaning="1 to 4"),
        Field("used_hours", ("S_HEURE_CONSOM_TOT",), NUMBER, upstream="heure_consommee", meaning="until today"),
        Field("used_staff", ("S_EFF_CONSOM_TOT",), NUMBER, upstream="effectif_consomme", meaning="persons"),
        Field("used_amount", ("S_MONTANT_CONSOM_TOT",), MONEY, upstream="montant_consomme", meaning="euros"),
        Field("earlier_use", ("RECOURS_ANTERIEUR",), INTEGER, required=False, meaning="1 to 3"),
    )


APDEMANDE: Final = Kind(
    name="apdemande",
    title="requests for short-time work",
    titre="demandes d'activité partielle",
    owner="dgefp",
    delivered_as=("demande_ap.csv", "*demande*ap*.csv", "*apdemande*.csv", "*act_partielle_ddes*.csv"),
    layouts=(
        # Looked for first: it has all columns of today's layout and more.
        Layout(
            "workbook",
            Dialect(",", lazy_quotes=True),
            (
                *_fields(SLASHED_OR_ISO_DATE),
                Field("source", ("SOURCE",), TEXT, stored=False, meaning="SINAPSE or EXTRANET"),
            ),
        ),
        Layout("2019", Dialect(",", lazy_quotes=True), _fields(ISO_DATE_OR_TIME)),
    ),
    derived=(Derived("days", "BIGINT", "last_day - first_day + 1"),),
    company="left(siret, 9)",
    time="status_date",
    key=("request",),
    warnings=(
        *siret_warnings(),
        Check("unknown_code", "reason", "reason NOT BETWEEN 1 AND 7"),
        Check("unknown_code", "scope", "scope NOT BETWEEN 1 AND 4"),
        Check("unknown_code", "earlier_use", "earlier_use NOT BETWEEN 1 AND 3"),
        Check("ends_before_it_begins", "last_day", "last_day < first_day"),
        Check("negative", "authorised_hours", "authorised_hours < 0"),
    ),
)
