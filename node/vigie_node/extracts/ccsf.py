"""``ccsf``: plans granted by a département's commission of tax and social creditors (reference section 1.6).

Source: ``lib/parsing/urssaf/ccsf.go``.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, URSSAF_DATE
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

_SIRET: Final = Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_FIELDS: Final = (
    Field("account", ("Compte",), CODE, nullable=False, upstream="numéro_compte", meaning="Urssaf account"),
    Field("treated", ("Date_de_traitement",), URSSAF_DATE, nullable=False, upstream="date_traitement"),
    Field("stage", ("Code_externe_stade",), CODE, upstream="stade", meaning="DEBUT, REFUS, APPROB, FIN, REJ"),
    Field("action", ("Code_externe_action",), CODE, upstream="action", meaning="CCSF"),
)  # fmt: skip

CCSF: Final = Kind(
    name="ccsf",
    title="plans of the commission of tax and social creditors",
    titre="plans de la commission des chefs de services financiers",
    owner="urssaf",
    delivered_as=("sigfaible_ccsf.csv", "*ccsf*.csv"),
    layouts=(
        Layout("2026", Dialect(";"), (_SIRET, *_FIELDS)),
        Layout("legacy", Dialect(";"), _FIELDS, account_date="treated"),
    ),
    company="left(siret, 9)",
    time="treated",
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("unknown_code", "stage", "stage NOT IN ('DEBUT', 'REFUS', 'APPROB', 'FIN', 'REJ')"),
        Check("unknown_code", "action", "action <> 'CCSF'"),
    ),
)
