"""``inpi_bce``: figures and ratios of the accounts that companies publish (reference section 1.16).

Open data of the INPI and Banque de France (``ratios_inpi_bce.csv``, table ``entreprise_bce`` of datapi): one row for each
company, closing date and kind of statement. Amounts are in euros, ratios in per cent or days. A figure that is no number
is left empty and its row is kept: one bad ratio says nothing about the others. Source: ``pkg/ops/imports/bce.go``.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, COMPACT_DATE, ISO_DATE, NUMBER, SIREN, Cell
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout

CLOSING_DATE: Final = Cell(
    "date",
    "DATE",
    lambda x: f"coalesce({ISO_DATE.parse(x)}, {COMPACT_DATE.parse(x)})",
    "a day as YYYY-MM-DD, or YYYYMMDD in the files of 2022",
)

_FIGURES: Final = (
    ("turnover", "chiffre_d_affaires", "euros"),
    ("gross_margin", "marge_brute", "euros"),
    ("ebitda", "ebe", "euros"),
    ("ebit", "ebit", "euros"),
    ("net_result", "resultat_net", "euros"),
    ("debt_to_equity", "taux_d_endettement", "%"),
    ("liquidity_ratio", "ratio_de_liquidite", "%"),
    ("asset_wear", "ratio_de_vetuste", "%"),
    ("equity_ratio", "autonomie_financiere", "%"),
    ("operating_need_weight", "poids_bfr_exploitation_sur_ca", "%"),
    ("interest_coverage", "couverture_des_interets", "%"),
    ("self_financing_weight", "caf_sur_ca", "%"),
    ("repayment_capacity", "capacite_de_remboursement", "ratio"),
    ("ebitda_margin", "marge_ebe", "%"),
    ("current_result_weight", "resultat_courant_avant_impots_sur_ca", "%"),
    ("operating_need_days", "poids_bfr_exploitation_sur_ca_jours", "days"),
    ("stock_days", "rotation_des_stocks_jours", "days"),
    ("customer_credit_days", "credit_clients_jours", "days"),
    ("supplier_credit_days", "credit_fournisseurs_jours", "days"),
)

INPI_BCE: Final = Kind(
    name="inpi_bce",
    title="published accounts (INPI)",
    titre="comptes publiés (INPI, ratios BCE)",
    owner="",
    delivered_as=("ratios_inpi_bce.csv", "*inpi*.csv", "*bce*.csv"),
    layouts=(
        Layout(
            "open data",
            Dialect(";"),
            (
                Field("siren", ("siren",), SIREN, nullable=False, upstream="siren"),
                Field(
                    "closing_date", ("date_cloture_exercice",), CLOSING_DATE, nullable=False,
                    upstream="date_cloture_exercice",
                ),
                *(
                    Field(
                        name, (header,), NUMBER, required=name == "turnover", upstream=header, meaning=unit, lenient=True
                    )
                    for name, header, unit in _FIGURES
                ),
                Field(
                    "statement", ("type_bilan",), CODE, required=False, upstream="type_bilan",
                    meaning="C complete, K consolidated, S simplified",
                ),
            ),
        ),
    ),
    company="siren",
    time="closing_date",
    warnings=(*siren_warnings(), Check("unknown_code", "statement", "statement NOT IN ('C', 'K', 'S')")),
)  # fmt: skip
