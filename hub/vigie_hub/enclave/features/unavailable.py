"""What the programme's models use and no dataset of Vigie has, with the reason: said on the page rather than left out."""

from typing import Final

UNAVAILABLE: Final = (
    ("région, longitude, latitude", "places stay on the partner's site; only the département crosses"),
    (
        "département",
        (
            "known (`legal_units.head_office_department`) and no feature: an unordered code of 109 values, which a tree would "
            "learn by heart; quality is told by département instead"
        ),
    ),
    (
        "apart_motif_recours",
        "the reason of a request for short-time work is not among the columns of `short_time_work`",
    ),
    ("nbr_etablissements_connus", "`open_establishments` of the register takes its place"),
    (
        "etat_proc_collective, tag_failure",
        "whether a company is in proceedings decides who is trained on; it is no feature",
    ),
    ("stocks de matières premières", "in `tax_accounts`, loaded and not used by the programme either"),
    (
        "montants de TVA (CA3, CA12), recouvrement fiscal (RAR)",
        "no dataset: they are not among the DGFiP's yearly extract",
    ),
    ("tête de groupe (Ellisphère)", "no dataset: a bought file that is no longer delivered"),
    ("compte Urssaf, motif des écarts négatifs", "account numbers and the events of a debt never leave Urssaf's site"),
)
"""(What, why)."""

BASE: Final = (
    ("cotisation", ("contribution_mean_3m", "contribution_mean_12m")),
    ("dette_sociale_ouvrière", ("debt_employee_share",)),
    ("dette_sociale_patronale", ("debt_employer_share",)),
    ("dette_sur_cotisation_mean12m", ("debt_ratio",)),
    ("dette_par_effectif", ("debt_per_head",)),
    ("ap_heures_consommées", ("short_time_hours",)),
    ("ap_heures_autorisées", ("short_time_authorised_hours",)),
    ("effectif", ("headcount",)),
    ("paydex", ("payment_delay_days",)),
    ("fpi_30", ("late_payment_share_30",)),
    ("fpi_90", ("late_payment_share_90",)),
    ("dette_nette_sur_caf", ("tax_net_debt_over_self_financing",)),
    ("dette_à_terme_sur_k_propres", ("tax_term_debt_over_equity",)),
    ("ebe_sur_ca", ("tax_ebitda_over_turnover",)),
    ("va_sur_effectif", ("tax_value_added_per_head",)),
    ("charges_personnel_sur_va", ("tax_staff_costs_over_value_added",)),
    ("stocks_sur_ca", ("tax_stocks_over_turnover",)),
    ("liquidité_absolue", ("tax_current_ratio",)),
    ("liquidité_générale", ("tax_cash_over_current_assets",)),
    ("délai_paiement_sur_délai_encaissement", ("tax_payment_over_collection_days",)),
    ("k_propres_sur_k_social", ("tax_equity_over_share_capital",)),
    ("bfr_sur_k_propres", ("tax_working_capital_need_over_equity",)),
    ("liquidité_réduite", ("tax_quick_ratio",)),
    ("taux_investissement", ("tax_investment_rate",)),
    ("rentabilité_économique", ("tax_economic_return",)),
    ("solidité_financière", ("tax_financial_solidity",)),
)
"""Base variables of the programme's latest public model (sf_datalake), each with the features that stand for it here."""
