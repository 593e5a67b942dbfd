"""``cotisation``: contributions due and paid for a period, in euros (reference section 1.3).

Negative amounts are regularisations and legitimate. Source: ``lib/parsing/urssaf/cotisation.go``; the third layout is
the one in which the real system's web API takes them.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, MONEY, PERIOD_OF_TIMES, URSSAF_PERIOD
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout

_SIRET: Final = Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_FIELDS: Final = (
    Field("account", ("Compte",), CODE, nullable=False, upstream="numéro_compte", meaning="Urssaf account"),
    Field("period", ("periode",), URSSAF_PERIOD, nullable=False, meaning="period called", stored=False),
    Field("paid", ("enc_direct",), MONEY, upstream="encaissé", meaning="paid directly, euros"),
    Field("due", ("cotis_due",), MONEY, upstream="du", meaning="due, euros"),
)
_TEXT: Final = Dialect(";", lazy_quotes=True)

COTISATION: Final = Kind(
    name="cotisation",
    title="social contributions",
    titre="cotisations Urssaf",
    owner="urssaf",
    delivered_as=("sigfaible_cotisdues.csv", "*cotis*.csv"),
    layouts=(
        Layout("2026", _TEXT, (_SIRET, *_FIELDS)),
        Layout("legacy", _TEXT, _FIELDS, account_date="period.start"),
        Layout(
            "datapi",
            Dialect(","),
            (
                _SIRET,
                Field("account", ("numéro_compte",), CODE, nullable=False),
                Field("period", ("période",), PERIOD_OF_TIMES, nullable=False, stored=False),
                Field("paid", ("encaissé",), MONEY),
                Field("due", ("du",), MONEY),
            ),
        ),
    ),
    derived=(
        Derived("period_start", "DATE", "period.start", upstream="période_début"),
        Derived("period_stop", "DATE", "period.stop", upstream="période_fin"),
        Derived("period_irregular", "BOOLEAN", "NOT period.regular"),
    ),
    company="left(siret, 9)",
    time="period_start",
    key=("siret", "account", "period_start", "period_stop"),
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("irregular_period", "period", "period_irregular"),
        Check("negative_amount", "due", "due < 0"),
        Check("empty_amount", "due", "due IS NULL"),
    ),
)
