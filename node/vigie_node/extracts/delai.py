"""``delai``: plans by which a company pays its debt to Urssaf in time (reference section 1.5).

The trade name is personal data of sole traders: it is not read.
Duration and dates need not agree, nor the year with the day: they are taken as they stand, and counted. The same plan
may be delivered twice. Source: ``lib/parsing/urssaf/delai.go``.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, FRENCH_DATE, INTEGER, ISO_DATE, MONEY
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

_SIRET: Final = Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_FIELDS: Final = (
    Field("account", ("Numero_compte_externe",), CODE, nullable=False, upstream="numéro_compte", meaning="Urssaf account"),
    Field("case_file", ("Numero_structure",), CODE, nullable=False, upstream="numéro_contentieux", meaning="litigation file"),
    Field("created", ("Date_creation",), FRENCH_DATE, nullable=False, upstream="date_création"),
    Field("due", ("Date_echeance",), FRENCH_DATE, nullable=False, upstream="date_échéance", meaning="last instalment"),
    Field("days", ("Duree_delai",), INTEGER, nullable=False, upstream="durée_délai", meaning="length of the plan, days"),
    Field("six_months", ("Indic_6M",), CODE, upstream="indic_6mois", meaning="INF or SUP: below or above six months"),
    Field("created_year", ("Annee_creation",), INTEGER, upstream="année_création", meaning="need not be the year of created"),
    Field("amount", ("Montant_global_echeancier",), MONEY, nullable=False, upstream="montant_échéancier", meaning="euros"),
    Field("stage", ("Code_externe_stade",), CODE, upstream="stade", meaning="APPROB, PR, PRO PR"),
    Field("action", ("Code_externe_action",), CODE, upstream="action", meaning="SUR PO (stay of enforcement) or CCSF"),
)  # fmt: skip

DELAI: Final = Kind(
    name="delai",
    title="payment plans",
    titre="délais de paiement Urssaf",
    owner="urssaf",
    delivered_as=("sigfaible_delais.csv", "*delai*.csv"),
    layouts=(
        Layout("2026", Dialect(";"), (_SIRET, *_FIELDS)),
        Layout("legacy", Dialect(";"), _FIELDS, account_date="created"),
        Layout(
            "datapi",
            Dialect(","),
            (
                _SIRET,
                Field("account", ("numéro_compte",), CODE, nullable=False),
                Field("case_file", ("numéro_contentieux",), CODE, nullable=False),
                Field("created", ("date_création",), ISO_DATE, nullable=False),
                Field("due", ("date_échéance",), ISO_DATE, nullable=False),
                Field("days", ("durée_délai",), INTEGER, nullable=False),
                Field("six_months", ("indic_6mois",), CODE),
                Field("created_year", ("année_création",), INTEGER),
                Field("amount", ("montant_échéancier",), MONEY, nullable=False),
                Field("stage", ("stade",), CODE),
                Field("action", ("action",), CODE),
            ),
        ),
    ),
    company="left(siret, 9)",
    time="created",
    rejects=(
        # A plan of no days would be divided by its length, and one of no money is none.
        Check("below_one_day", "days", "days < 1"),
        Check("below_one_cent", "amount", "amount < 0.01"),
    ),
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("duration_and_dates_differ", "days", "days <> due - created"),
        Check("year_and_date_differ", "created_year", "created_year <> year(created)"),
        Check("unknown_code", "six_months", "six_months NOT IN ('INF', 'SUP')"),
        Check("unknown_code", "stage", "stage NOT IN ('APPROB', 'PR', 'PRO PR')"),
        Check("unknown_code", "action", "action NOT IN ('SUR PO', 'CCSF')"),
    ),
)
