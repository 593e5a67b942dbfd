"""The figures of the dataset ``accounts``: amounts and ratios, with what each is made of.

Diane's ratios keep Diane's own formulas, those of the open data (INPI, Banque de France "BCE") keep theirs.  A figure that
both deliver by one formula has one column; where the formulas or units differ it has two.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType

KEUR: Final = "kEUR"
PERCENT: Final = "%"
DAYS: Final = "days"
RATIO: Final = "ratio"

_PUBLIC: Final = frozenset[str]()
_PLAUSIBLE: Final = {
    # A thousand times the largest company of the country: what these catch is a file in euros, or in another unit.
    KEUR: (-1e9, 1e9),
    PERCENT: (-10_000.0, 10_000.0),
    DAYS: (-3600.0, 7200.0),
    RATIO: (-1000.0, 1000.0),
}


def figure(name: str, unit: str, french: str, english: str, labels: frozenset[str] = _PUBLIC) -> Column:
    """A number of the accounts, plausible as others of its unit are."""
    low, high = _PLAUSIBLE[unit]
    return Column(name, ColumnType.NUMBER, unit, labels, french, english, minimum=low, maximum=high)


INCOME: Final = (
    figure("turnover", KEUR, "chiffre d'affaires net hors taxes", "net turnover, without taxes"),
    figure("export_turnover", KEUR, "chiffre d'affaires à l'exportation", "turnover of exports"),
    figure("gross_margin", KEUR, "marge brute (INPI)", "gross margin (INPI)"),
    figure("production", KEUR, "production de l'exercice", "production of the year"),
    figure("trade_margin", KEUR, "marge commerciale", "margin on goods sold"),
    figure("consumption", KEUR, "consommation de l'exercice", "consumption of the year"),
    figure("goods_purchases", KEUR, "achats de marchandises", "purchases of goods"),
    figure(
        "material_purchases",
        KEUR,
        "achats de matières premières et autres approvisionnements",
        "purchases of raw materials and supplies",
    ),
    figure("other_purchases", KEUR, "autres achats et charges externes", "other purchases and external costs"),
    figure("value_added", KEUR, "valeur ajoutée", "value added"),
    figure("personnel_costs", KEUR, "charges de personnel", "costs of personnel"),
    figure("taxes", KEUR, "impôts, taxes et versements assimilés", "taxes and the like, without tax on profit"),
    figure("operating_subsidies", KEUR, "subventions d'exploitation", "operating subsidies"),
    figure("ebitda", KEUR, "excédent brut d'exploitation (EBE)", "gross operating surplus (EBE)"),
    figure(
        "other_operating_items",
        KEUR,
        "autres produits, charges et reprises",
        "other operating income and costs, and releases of provisions",
    ),
    figure(
        "depreciation",
        KEUR,
        "dotations d'exploitation aux amortissements et aux provisions",
        "operating depreciation and provisions",
    ),
    figure("operating_result", KEUR, "résultat d'exploitation", "operating result"),
    figure("ebit", KEUR, "EBIT, résultat avant intérêts et impôts (INPI)", "earnings before interest and taxes (INPI)"),
    figure("joint_operations", KEUR, "quote-part de résultat des opérations en commun", "result of joint operations"),
    figure("financial_income", KEUR, "produits financiers", "financial income"),
    figure("financial_costs", KEUR, "charges financières", "financial costs"),
    figure("interest", KEUR, "intérêts et charges assimilées", "interest and the like"),
    figure("current_result", KEUR, "résultat courant avant impôts", "current result before tax"),
    figure("exceptional_income", KEUR, "produits exceptionnels", "exceptional income"),
    figure("exceptional_costs", KEUR, "charges exceptionnelles", "exceptional costs"),
    figure("profit_sharing", KEUR, "participation des salariés aux résultats", "employees' share of profits"),
    figure("profit_tax", KEUR, "impôts sur les bénéfices et impôts différés", "tax on profits, deferred tax included"),
    figure("net_result", KEUR, "bénéfice ou perte", "profit or loss"),
)
"""The income statement, in its own order."""

BALANCE: Final = (
    figure("tax_and_social_debts", KEUR, "dettes fiscales et sociales", "tax and social debts"),
    figure(
        "short_term_bank_debt",
        KEUR,
        "concours bancaires courants et soldes créditeurs de banques",
        "short-term bank loans and overdrafts",
    ),
    figure("research_costs", KEUR, "frais de recherche et développement, nets", "capitalised research, net"),
    figure(
        "patents", KEUR, "concessions, brevets et droits similaires, nets", "concessions, patents and the like, net"
    ),
)
"""Amounts of the balance sheet."""

STRUCTURE: Final = (
    figure(
        "financial_balance",
        RATIO,
        "équilibre financier : ressources durables / emplois stables",
        "long-term resources over fixed uses",
    ),
    figure(
        "financial_independence",
        PERCENT,
        "indépendance financière : fonds propres / ressources durables",
        "equity over long-term resources",
    ),
    figure(
        "debt_to_resources",
        PERCENT,
        "endettement : dettes financières / ressources durables",
        "financial debts over long-term resources",
    ),
    figure(
        "equity_ratio", PERCENT, "autonomie financière : fonds propres / total du bilan", "equity over total assets"
    ),
    figure(
        "debt_to_equity",
        PERCENT,
        "taux d'endettement : dettes financières / capitaux propres",
        "financial debts over equity",
    ),
    figure(
        "global_debt_days",
        DAYS,
        "endettement global : dettes / chiffre d'affaires, en jours",
        "all debts over turnover, in days",
    ),
    figure(
        "repayment_capacity",
        RATIO,
        "capacité de remboursement : dettes financières / capacité d'autofinancement",
        "financial debts over self-financing capacity, in years",
    ),
    figure(
        "tangible_asset_wear",
        PERCENT,
        "degré d'amortissement des immobilisations corporelles",
        "depreciated part of tangible assets",
    ),
    figure("asset_wear", PERCENT, "ratio de vétusté (INPI)", "depreciated part of assets (INPI)"),
    figure(
        "current_asset_financing",
        RATIO,
        "fonds de roulement net global / actif circulant net",
        "net working capital over current assets",
    ),
    figure(
        "current_ratio",
        RATIO,
        "liquidité générale : actif circulant net / dettes à court terme",
        "current assets over short-term debts",
    ),
    figure(
        "quick_ratio",
        RATIO,
        "liquidité réduite : actif circulant net hors stocks / dettes à court terme",
        "current assets without stocks over short-term debts",
    ),
    figure("liquidity_ratio", PERCENT, "ratio de liquidité (INPI)", "liquidity ratio (INPI)"),
)
"""Ratios of structure, debt and liquidity."""

OPERATIONS: Final = (
    figure("stock_days", DAYS, "rotation des stocks", "stocks, in days"),
    figure(
        "customer_credit_days",
        DAYS,
        "crédit clients : créances clients / chiffre d'affaires TTC",
        "trade receivables over turnover with tax, in days",
    ),
    figure(
        "supplier_credit_days",
        DAYS,
        "crédit fournisseurs : dettes fournisseurs / achats TTC",
        "trade payables over purchases with tax, in days",
    ),
    figure(
        "working_capital_days",
        DAYS,
        "fonds de roulement net global / chiffre d'affaires, en jours",
        "net working capital over turnover, in days",
    ),
    figure(
        "working_capital_need_days",
        DAYS,
        "besoin en fonds de roulement / chiffre d'affaires, en jours",
        "working-capital need over turnover, in days",
    ),
    figure(
        "operating_need_weight",
        PERCENT,
        "besoin en fonds de roulement d'exploitation / chiffre d'affaires",
        "operating working-capital need over turnover",
    ),
    figure(
        "operating_need_days",
        DAYS,
        "besoin en fonds de roulement d'exploitation / chiffre d'affaires, en jours (INPI)",
        "operating working-capital need over turnover, in days (INPI)",
    ),
    figure("turnover_per_head", KEUR, "chiffre d'affaires par salarié", "turnover per person employed"),
    figure(
        "value_added_per_head",
        KEUR,
        "efficacité économique : valeur ajoutée par salarié",
        "value added per person employed",
    ),
    figure("export_share", PERCENT, "part du chiffre d'affaires à l'exportation", "exports over turnover"),
    figure(
        "asset_productivity",
        RATIO,
        "productivité du potentiel de production : valeur ajoutée / immobilisations brutes",
        "value added over gross fixed assets",
    ),
    figure(
        "financial_capital_productivity",
        RATIO,
        "productivité du capital financier : valeur ajoutée / actif circulant net",
        "value added over current assets",
    ),
    figure(
        "invested_capital_productivity",
        RATIO,
        "productivité du capital investi : valeur ajoutée / total de l'actif",
        "value added over total assets",
    ),
    figure(
        "investment_rate",
        PERCENT,
        "taux d'investissement productif : immobilisations acquises / valeur ajoutée",
        "fixed assets acquired over value added",
    ),
)
"""Ratios of operations."""

RETURNS: Final = (
    figure(
        "self_financing_rate",
        PERCENT,
        "capacité d'autofinancement / (chiffre d'affaires + subventions)",
        "self-financing capacity over turnover and subsidies",
    ),
    figure(
        "self_financing_weight",
        PERCENT,
        "capacité d'autofinancement / chiffre d'affaires (INPI)",
        "self-financing capacity over turnover (INPI)",
    ),
    figure(
        "economic_return",
        PERCENT,
        "rentabilité économique : EBE / (chiffre d'affaires + subventions)",
        "EBITDA over turnover and subsidies",
    ),
    figure("ebitda_margin", PERCENT, "marge d'EBE : EBE / chiffre d'affaires (INPI)", "EBITDA over turnover (INPI)"),
    figure(
        "performance",
        PERCENT,
        "performance : résultat courant / (chiffre d'affaires + subventions)",
        "current result over turnover and subsidies",
    ),
    figure(
        "current_result_weight",
        PERCENT,
        "résultat courant avant impôts / chiffre d'affaires (INPI)",
        "current result before tax over turnover (INPI)",
    ),
    figure(
        "net_return",
        PERCENT,
        "rentabilité nette : bénéfice ou perte / (chiffre d'affaires + subventions)",
        "profit or loss over turnover and subsidies",
    ),
    figure(
        "gross_return_on_own_funds", PERCENT, "résultat courant / fonds propres nets", "current result over own funds"
    ),
    figure("return_on_equity", PERCENT, "bénéfice ou perte / capitaux propres nets", "profit or loss over equity"),
    figure(
        "return_on_resources",
        PERCENT,
        "(résultat courant + intérêts) / ressources durables nettes",
        "current result and interest over long-term resources",
    ),
    figure("trade_margin_rate", PERCENT, "marge commerciale / ventes de marchandises", "margin over goods sold"),
    figure("value_added_rate", PERCENT, "valeur ajoutée / chiffre d'affaires", "value added over turnover"),
    figure(
        "interest_rate", PERCENT, "taux d'intérêt financier : intérêts / chiffre d'affaires", "interest over turnover"
    ),
    figure("financial_cost_rate", PERCENT, "charges financières / chiffre d'affaires", "financial costs over turnover"),
    figure("interest_coverage", PERCENT, "couverture des intérêts (INPI)", "coverage of interest (INPI)"),
    figure("staff_share", PERCENT, "part des salariés dans la valeur ajoutée", "employees' share of value added"),
    figure("state_share", PERCENT, "part de l'État dans la valeur ajoutée", "the State's share of value added"),
    figure("lender_share", PERCENT, "part des prêteurs dans la valeur ajoutée", "lenders' share of value added"),
    figure(
        "self_financing_share",
        PERCENT,
        "part de l'autofinancement dans la valeur ajoutée",
        "self-financing's share of value added",
    ),
)
"""Ratios of return, and who gets the value added."""
