"""How late a company pays its suppliers, month by month (Altares, extract ``paydex``).  Public: any user is shown it.

A purchased source whose contract may end, as it did in 2025: a model must live without it.  Several observations of one
month are one row, that of the last day.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

PAYMENT_DELAYS: Final = Dataset(
    name="payment_delays",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in the month of its value date; delivered monthly while the contract with the supplier lasts",
    owner_label="",
    columns=(
        Column(
            "month",
            ColumnType.MONTH,
            "month",
            _PUBLIC,
            "mois de la date de valeur",
            "month of value date",
            nullable=False,
        ),
        Column(
            "delay_days",
            ColumnType.INTEGER,
            "days",
            _PUBLIC,
            "retard moyen de paiement des fournisseurs (paydex), sur trois fournisseurs au moins",
            "mean lateness in paying suppliers (paydex), over three suppliers at least",
            minimum=0.0,
            maximum=720.0,
        ),
        Column(
            "late_share_30",
            ColumnType.NUMBER,
            "share",
            _PUBLIC,
            "part des paiements en retard de plus de 30 jours (indice FPI 30, de 0 à 1)",
            "share of payments more than 30 days late (index FPI 30, 0 to 1)",
            minimum=0.0,
            maximum=1.0,
        ),
        Column(
            "late_share_90",
            ColumnType.NUMBER,
            "share",
            _PUBLIC,
            "part des paiements en retard de plus de 90 jours (indice FPI 90, de 0 à 1)",
            "share of payments more than 90 days late (index FPI 90, 0 to 1)",
            minimum=0.0,
            maximum=1.0,
        ),
        Column(
            "suppliers",
            ColumnType.INTEGER,
            "suppliers",
            _PUBLIC,
            "nombre de fournisseurs observés",
            "number of suppliers observed",
            minimum=0.0,
            maximum=100_000.0,
        ),
        Column(
            "outstanding_studied",
            ColumnType.NUMBER,
            "EUR",
            _PUBLIC,
            "encours étudié : montant des factures observées",
            "amount of the invoices observed",
            minimum=0.0,
            maximum=1e10,
        ),
    ),
    key=("month",),
)
