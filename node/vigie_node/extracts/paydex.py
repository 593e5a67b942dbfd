"""``paydex``: how late companies pay their suppliers, from Altares, in its two layouts (reference section 1.13).

Several rows of one company and month are all kept here; that of the last day holds, when rows are put together. The notes
of the layout of 2022 (the index FPI) are kept as delivered, and as shares from 0 to 1 after clipping. Sources:
``lib/paydex/main.go`` of opensignauxfaibles, ``pkg/ops/imports`` of datapi.
"""

from typing import Final

from vigie_node.extracts.cells import FRENCH_DATE, INTEGER, ISO_DATE, LOOSE_SIREN, NUMBER, PAYDEX, SIREN, TEXT
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout


def _share(note: str) -> str:
    # greatest() passes over null: without the CASE, a note that is not known would be no delay at all.
    return f"CASE WHEN {note} IS NOT NULL THEN least(greatest({note}, 0), 100) / 100 END"


PAYDEX_DELAYS: Final = Kind(
    name="paydex",
    title="payment delays",
    titre="retards de paiement",
    owner="",
    delivered_as=("E_????????????_Retro-Paydex_????????.csv", "*paydex*.csv"),
    layouts=(
        Layout(
            "2022",
            Dialect(","),
            (
                Field("siren", ("siren",), SIREN, nullable=False),
                Field("state", ("état_organisation",), TEXT),
                Field("paydex", ("code_paydex",), PAYDEX, nullable=False, meaning="the index itself, 000 to 100"),
                Field("delay_days", ("nbr_jrs_retard",), INTEGER, upstream="nb_jours", meaning="mean lateness"),
                Field("suppliers", ("nbr_fournisseurs",), INTEGER, meaning="suppliers observed"),
                Field("outstanding", ("encours_étudiés",), NUMBER, meaning="amount of the invoices observed, EUR"),
                Field("note_30", ("note_100_alerteur_plus_30",), NUMBER, meaning="FPI 30: share paid 30 days late, %"),
                Field("note_90", ("note_100_alerteur_plus_90_jours",), NUMBER, meaning="FPI 90, %"),
                Field("value_date", ("date_valeur",), ISO_DATE, nullable=False, upstream="date_valeur"),
            ),
            exact=True,
        ),
        Layout(
            "2018",
            Dialect(";"),
            (
                Field("siren", ("SIREN",), LOOSE_SIREN, nullable=False),
                Field("delay_days", ("NB_JOURS",), INTEGER, upstream="nb_jours", meaning="mean lateness"),
                Field("delay_words", ("NB_JOURS_LIB",), TEXT, stored=False),
                Field("value_date", ("DATE_VALEUR",), FRENCH_DATE, nullable=False, upstream="date_valeur"),
            ),
        ),
    ),
    derived=(
        Derived("late_share_30", "DOUBLE", _share("note_30")),
        Derived("late_share_90", "DOUBLE", _share("note_90")),
    ),
    company="siren",
    time="value_date",
    warnings=(
        *siren_warnings(),
        Check("clipped", "note_30", "note_30 NOT BETWEEN 0 AND 100"),
        Check("clipped", "note_90", "note_90 NOT BETWEEN 0 AND 100"),
    ),
    stock=False,
)
