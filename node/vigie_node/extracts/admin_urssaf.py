"""``admin_urssaf``: which establishment an Urssaf account stood for, and until when (reference section 1.2).

Files before mid-2025 name accounts and no SIRET. An account moves from one establishment to the next, so that the answer
depends on the day: among its lines by closing date, the first whose closing date is later than the day. The day of
creation is not looked at, as in the real system (``lib/engine/mapping.go``). Reading this kind makes the table that
:data:`vigie_node.extracts.judging.ACCOUNTS` names; rows whose account has no establishment on their day are skipped.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, INTEGER, URSSAF_DATE
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siret_warnings
from vigie_node.extracts.judging import ACCOUNTS
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

_MAPPING: Final = f"""
CREATE OR REPLACE TABLE {ACCOUNTS} AS
WITH latest AS (
    -- A later file replaces what an earlier one says of an account, and says it whole.
    SELECT * FROM admin_urssaf QUALIFY file = max(file) OVER (PARTITION BY account)
), ends AS (
    SELECT account, coalesce(closed, DATE 'infinity') AS until, arg_min(siret, line) AS siret
    FROM latest GROUP BY ALL
)
SELECT account, siret, lag(until, 1, DATE '-infinity') OVER (PARTITION BY account ORDER BY until) AS since, until
FROM ends
"""

ADMIN_URSSAF: Final = Kind(
    name="admin_urssaf",
    title="Urssaf accounts and their establishments",
    titre="comptes Urssaf et leurs établissements",
    owner="urssaf",
    delivered_as=("sigfaible_etablissement_utf8.csv", "*comptes*.csv", "*admin_urssaf*.csv"),
    layouts=(
        Layout(
            "legacy",
            Dialect(";"),
            (
                Field("account", ("Compte",), CODE, nullable=False, upstream="numero_compte", meaning="Urssaf account"),
                Field("account_state", ("Etat_compte",), INTEGER, required=False, meaning="1 open, 3 closed"),
                Field("siret", ("Siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment"),
                Field("created", ("Date_crea_siret",), URSSAF_DATE, required=False, meaning="not looked at"),
                Field("closed", ("Date_disp_siret",), URSSAF_DATE, meaning="the account leaves it; empty: never"),
            ),
        ),
    ),
    company="left(siret, 9)",
    time="created",
    skips=(provisional_siret(),),
    warnings=(
        *siret_warnings(),
        Check("closed_before_created", "closed", "closed < created"),
    ),
    afterwards=_MAPPING,
)
