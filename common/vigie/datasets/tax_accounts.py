"""Yearly declarations to the tax office and ratios made from them (DGFiP: ``declarations_indmap``, ``_af``, ``ratios_dirco``).

Fiscal secrecy: the figures may feed a score and may not be shown, so every column carries the label ``fiscal`` and all that
is derived from one inherits it.  Figures are told as declared, over the year's own length; the model that last read them
divided them, ratios too, by that length and set what was missing to 0 first.  Neither is done here.  It used a declaration in
the months inside its own year, before it was made, too: here they count from the same day as other accounts.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_FISCAL: Final = frozenset({"fiscal"})


def _amount(name: str, french: str, english: str) -> Column:
    return Column(name, ColumnType.NUMBER, "EUR", _FISCAL, french, english, minimum=-1e12, maximum=1e12)


def _ratio(name: str, unit: str, french: str, english: str) -> Column:
    return Column(name, ColumnType.NUMBER, unit, _FISCAL, french, english, minimum=-10_000.0, maximum=10_000.0)


TAX_ACCOUNTS: Final = Dataset(
    name="tax_accounts",
    schema=1,
    grain="event",
    time="closing_date",
    available="available_from",
    lag="usable from available_from (end of the closing month + 7 months); delivered every quarter, 3 to 6 months late",
    owner_label="fiscal",
    columns=(
        Column(
            "closing_date",
            ColumnType.DATE,
            "date",
            _FISCAL,
            "date de fin d'exercice",
            "end of the fiscal year",
            nullable=False,
        ),
        Column(
            "available_from",
            ColumnType.DATE,
            "date",
            _FISCAL,
            "date à partir de laquelle la déclaration est connue",
            "day from which the declaration is known",
            nullable=False,
        ),
        Column(
            "months",
            ColumnType.INTEGER,
            "months",
            _FISCAL,
            "durée de l'exercice",
            "length of the fiscal year",
            minimum=1.0,
            maximum=24.0,
        ),
        _amount("turnover", "chiffre d'affaires (mnt_af_ca)", "turnover (mnt_af_ca)"),
        _amount("value_added", "valeur ajoutée (mnt_af_sig_va_ret)", "value added (mnt_af_sig_va_ret)"),
        _amount(
            "ebitda",
            "excédent brut d'exploitation (mnt_af_sig_ebe_ret)",
            "gross operating surplus (mnt_af_sig_ebe_ret)",
        ),
        _amount("wages", "salaires (d_cr_250_expl_salaire)", "wages (d_cr_250_expl_salaire)"),
        _amount("social_charges", "charges sociales (d_cr_252_expl_ch_soc)", "social charges (d_cr_252_expl_ch_soc)"),
        # The form's wording for this cell is published nowhere; the model adds it to wages and social charges.
        _amount(
            "other_staff_costs",
            "autre charge ajoutée aux charges de personnel (d_cr_260_expl_dt_syndic)",
            "other cost added to those of personnel (d_cr_260_expl_dt_syndic)",
        ),
        Column(
            "staff",
            ColumnType.NUMBER,
            "persons",
            _FISCAL,
            "effectif déclaré (d_dvs_376_nbr_pers)",
            "persons employed, as declared (d_dvs_376_nbr_pers)",
            minimum=0.0,
            maximum=400_000.0,
        ),
        _amount("equity", "capitaux propres (d_passf_142_k_propres)", "equity (d_passf_142_k_propres)"),
        _amount("share_capital", "capital social (d_passf_120_k)", "share capital (d_passf_120_k)"),
        _amount("net_debt", "endettement net (mnt_af_endettement_net)", "net debt (mnt_af_endettement_net)"),
        _amount("self_financing_capacity", "capacité d'autofinancement (rto_6)", "self-financing capacity (rto_6)"),
        _amount(
            "goods_stock",
            "stocks de marchandises, nets (d_actf_stk_march_net)",
            "stock of goods, net (d_actf_stk_march_net)",
        ),
        _amount(
            "material_stock",
            "stocks de matières premières, nets (d_actf_stk_mat1e_net)",
            "stock of raw materials, net (d_actf_stk_mat1e_net)",
        ),
        _amount(
            "operating_current_assets",
            "actif circulant d'exploitation (mnt_af_bfonc_actif_circ_expl)",
            "operating current assets (mnt_af_bfonc_actif_circ_expl)",
        ),
        _amount(
            "other_current_assets",
            "actif circulant hors exploitation (mnt_af_bfonc_actif_circ_h_expl)",
            "other current assets (mnt_af_bfonc_actif_circ_h_expl)",
        ),
        _amount(
            "operating_current_liabilities",
            "passif circulant d'exploitation (mnt_af_bfonc_passif_circ_expl)",
            "operating current liabilities (mnt_af_bfonc_passif_circ_expl)",
        ),
        _amount(
            "other_current_liabilities",
            "passif circulant hors exploitation (mnt_af_bfonc_passif_circ_h_expl)",
            "other current liabilities (mnt_af_bfonc_passif_circ_h_expl)",
        ),
        _amount("cash", "trésorerie (mnt_af_bfonc_tresorerie)", "cash (mnt_af_bfonc_tresorerie)"),
        _amount(
            "working_capital_need",
            "besoin en fonds de roulement (mnt_af_bfonc_bfr)",
            "working-capital need (mnt_af_bfonc_bfr)",
        ),
        _ratio(
            "supplier_payment_days",
            "days",
            "délai de règlement des fournisseurs (nbr_af_jours_reglt_fourn)",
            "days until suppliers are paid (nbr_af_jours_reglt_fourn)",
        ),
        _ratio(
            "customer_payment_days",
            "days",
            "délai de règlement des clients (nbr_af_jours_creance_cli)",
            "days until customers pay (nbr_af_jours_creance_cli)",
        ),
        _ratio(
            "term_debt_ratio",
            "as delivered",
            "capitaux propres / dettes à terme (rto_af_endettement_a_terme)",
            "equity over long-term debt (rto_af_endettement_a_terme)",
        ),
        _ratio(
            "quick_ratio",
            "as delivered",
            "liquidité réduite (rto_56)",
            "current assets without stocks over debts (rto_56)",
        ),
        _ratio(
            "investment_rate",
            "as delivered",
            "taux d'investissement (rto_invest_ca)",
            "investment rate (rto_invest_ca)",
        ),
        _ratio(
            "economic_return",
            "as delivered",
            "rentabilité économique (rto_af_rent_eco)",
            "economic return (rto_af_rent_eco)",
        ),
        _ratio(
            "financial_solidity",
            "as delivered",
            "solidité financière (rto_af_solidite_financiere)",
            "financial solidity (rto_af_solidite_financiere)",
        ),
    ),
    key=("closing_date",),
)
