"""``sirene_histo``: the periods of an establishment's life in the register of companies (reference section 1.14).

Owner: Insee, public. A new period begins with any change, of an activity or a sign as well; :func:`status_periods` keeps
those in which the establishment opened or closed. Source: ``lib/parsing/sirene_histo/parser.go``.
"""

from typing import Final

from vigie_node.extracts.cells import ISO_DATE, SIRET, TRUTH
from vigie_node.extracts.identifiers import siret_warnings
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout
from vigie_node.extracts.register import state

SIRENE_HISTO: Final = Kind(
    name="sirene_histo",
    title="history of establishments (Sirene)",
    titre="historique des établissements (Sirene)",
    owner="",
    delivered_as=("StockEtablissementHistorique_utf8.csv", "*EtablissementHistorique*.csv", "*sirene*histo*.csv"),
    layouts=(
        Layout(
            "stock",
            Dialect(","),
            (
                Field("siret", ("siret",), SIRET, nullable=False, upstream="siret"),
                Field("last_day", ("dateFin",), ISO_DATE, upstream="date_fin", meaning="inclusive; empty: today"),
                Field("first_day", ("dateDebut",), ISO_DATE, upstream="date_debut"),
                Field(
                    "active", ("etatAdministratifEtablissement",), state("A", "F"), nullable=False,
                    upstream="est_actif",
                ),
                Field(
                    "status_changed", ("changementEtatAdministratifEtablissement",), TRUTH, nullable=False,
                    upstream="changement_statut_actif",
                ),
            ),
        ),
    ),
    company="left(siret, 9)",
    time="first_day",
    key=("siret", "first_day"),
    since=1800,
    # Closed long before anything that is computed begins; the real system leaves them out for the same reason.
    skips=(Check("no_dates", "first_day", "first_day IS NULL AND last_day IS NULL"),),
    warnings=(*siret_warnings(), Check("ends_before_it_begins", "last_day", "last_day < first_day")),
)  # fmt: skip


def status_periods(table: str = SIRENE_HISTO.name) -> str:
    """SQL of the periods in which an establishment is open or closed: ``siret, first_day, last_day, active``.

    The first period of an establishment and those that changed its state are kept, and each lasts until the day before the
    next; the last one has no end.

    Args:
        table: quoted or plain name of a table of the typed columns of the kind.
    """
    return f"""
SELECT siret, first_day, lead(first_day) OVER later - 1 AS last_day, active
FROM (
    SELECT siret, first_day, active, status_changed,
           row_number() OVER (PARTITION BY siret ORDER BY first_day NULLS FIRST, last_day NULLS LAST) = 1 AS opening
    FROM {table}
)
WHERE opening OR status_changed
WINDOW later AS (PARTITION BY siret ORDER BY first_day NULLS FIRST)
"""
