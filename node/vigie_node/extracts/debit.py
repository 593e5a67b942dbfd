"""``debit``: what a company owes Urssaf, as the state of each *écart négatif* after each event (reference section 1.4).

A row is a **balance**, not a flow: what remains after event ``sequence`` of the gap ``gap`` of a period. Amounts are in
centimes in the file; an empty one, on which the real system breaks off, rejects its row. Codes go beyond the known
tables in real files: they are counted and kept. Source: ``lib/parsing/urssaf/debit.go``; the third layout is the one in
which the real system's web API takes them, in euros.
"""

from typing import Final

from vigie_node.extracts.cells import (
    CENTIMES,
    CODE,
    FLAG,
    INTEGER,
    ISO_DATE,
    MONEY,
    PERIOD_OF_TIMES,
    TRUTH,
    URSSAF_DATE,
    URSSAF_PERIOD,
)
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout

_SIRET: Final = Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_FIELDS: Final = (
    Field("account", ("num_cpte",), CODE, nullable=False, upstream="numéro_compte", meaning="Urssaf account"),
    Field(
        "account_state", ("Etat_cpte",), INTEGER, upstream="état_compte", meaning="1 active, 2 suspended, 3 struck off"
    ),
    Field("proceeding_code", ("Cd_pro_col",), CODE, upstream="code_procédure_collective"),
    Field("period", ("Periode",), URSSAF_PERIOD, nullable=False, meaning="period in debt", stored=False),
    Field("gap", ("Num_Ecn",), CODE, nullable=False, upstream="numéro_écart_négatif"),
    Field("sequence", ("Num_Hist_Ecn",), INTEGER, nullable=False, upstream="numéro_historique_écart_négatif"),
    Field("treated", ("Dt_trt_ecn",), URSSAF_DATE, nullable=False, upstream="date_traitement"),
    Field("employee_share", ("Mt_PO",), CENTIMES, nullable=False, upstream="part_ouvrière"),
    Field("employer_share", ("Mt_PP",), CENTIMES, nullable=False, upstream="part_patronale"),
    Field("operation", ("Cd_op_ecn",), CODE, upstream="code_opération_écart_négatif"),
    Field("reason", ("Motif_ecn",), CODE, upstream="code_motif_écart_négatif"),
    Field("disputed", ("Recours_en_cours",), FLAG, upstream="recours"),
)
_DATAPI: Final = (
    Field("account", ("numéro_compte",), CODE, nullable=False),
    Field("account_state", ("état_compte",), INTEGER),
    Field("proceeding_code", ("code_procédure_collective",), CODE),
    Field("period", ("période",), PERIOD_OF_TIMES, nullable=False, stored=False),
    Field("gap", ("numéro_écart_négatif",), CODE, nullable=False),
    Field("sequence", ("numéro_historique_écart_négatif",), INTEGER, nullable=False),
    Field("treated", ("date_traitement",), ISO_DATE, nullable=False),
    # Euros, where the files of Urssaf hold centimes.
    Field("employee_share", ("part_ouvrière",), MONEY, nullable=False),
    Field("employer_share", ("part_patronale",), MONEY, nullable=False),
    Field("operation", ("code_opération_écart_négatif",), CODE),
    Field("reason", ("code_motif_écart_négatif",), CODE),
    Field("disputed", ("recours",), TRUTH),
)

DEBIT: Final = Kind(
    name="debit",
    title="social debts",
    titre="débits Urssaf",
    owner="urssaf",
    delivered_as=("sigfaible_debits.csv", "*debit*.csv"),
    layouts=(
        Layout("2026", Dialect(";"), (_SIRET, *_FIELDS)),
        # The account's establishment is that of the period in debt, and not of the day of the event.
        Layout("legacy", Dialect(";"), _FIELDS, account_date="period.start"),
        Layout("datapi", Dialect(","), (_SIRET, *_DATAPI)),
    ),
    derived=(
        Derived("period_start", "DATE", "period.start", upstream="période_début"),
        Derived("period_stop", "DATE", "period.stop", upstream="période_fin"),
        Derived("period_irregular", "BOOLEAN", "NOT period.regular"),
        # The rule of the 20th.
        Derived(
            "counted_from",
            "DATE",
            "CASE WHEN day(treated) <= 20 THEN treated - CAST(day(treated) - 1 AS INTEGER) ELSE last_day(treated) + 1 END",
            upstream="période_prise_en_compte",
        ),
        Derived(
            "debit_id",
            "VARCHAR",
            "siret || strftime(period_start, '%Y%m%d') || strftime(period_stop, '%Y%m%d') || gap",
            upstream="debit_id",
            stored=False,
        ),
    ),
    company="left(siret, 9)",
    time="treated",
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("irregular_period", "period", "period_irregular"),
        Check("unknown_code", "operation", "TRY_CAST(operation AS INTEGER) NOT IN (1, 2, 3, 4, 5, 11, 12, 13, 14, 15)"),
        Check("unknown_code", "reason", "TRY_CAST(reason AS INTEGER) NOT BETWEEN 0 AND 27"),
        Check("unknown_code", "account_state", "account_state NOT IN (1, 2, 3)"),
    ),
)
