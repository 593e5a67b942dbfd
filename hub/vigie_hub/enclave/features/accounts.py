"""Features of yearly accounts: ratios of the Banque de France, public accounts and declarations to the tax office.

Each is told as it counts at the month and, where two or three years are of use, as it counted 12 and 24 months earlier.
Amounts are over the fiscal year's own length and enter as ratios only.
"""

import re
from typing import Final

from vigie.datasets import BUILT_IN
from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.yearly import ACCOUNTS as _ACCOUNTS
from vigie_hub.enclave.features.yearly import RATIOS as _RATIOS
from vigie_hub.enclave.features.yearly import TAX_ACCOUNTS as _TAX
from vigie_hub.enclave.features.yearly import Yearly

_COLUMN: Final = re.compile(r"\{([a-z_]+)\}")


def _ago(back: int) -> str:
    return f"_{back // 12}y_ago" if back else ""


def _made(
    yearly: Yearly, name: str, formula: str, unit: str, french: str, english: str, back: tuple[int, ...], topic: Topic
) -> tuple[Feature, ...]:
    """A feature of ``{column}`` in a formula, at each of the months back."""
    dataset = BUILT_IN[yearly.dataset]
    columns = dict.fromkeys(_COLUMN.findall(formula))
    dated = [dataset.time, *([dataset.available] if dataset.available else [])]
    sources = tuple(f"{yearly.dataset}.{column}" for column in (*columns, *dated))
    return tuple(
        Feature(
            f"{name}{_ago(months)}",
            sources,
            topic,
            unit,
            french + (f", {months // 12} an{'s' if months > 12 else ''} plus tôt" if months else ""),
            english + (f", {months // 12} year{'s' if months > 12 else ''} earlier" if months else ""),
            _COLUMN.sub(lambda found, at=months: yearly.name(found[1], at), formula),  # type: ignore[misc]
            months + 1,
        )
        for months in back
    )


def _age(yearly: Yearly, name: str, french: str, english: str) -> Feature:
    dataset = BUILT_IN[yearly.dataset]
    return Feature(
        name,
        (f"{dataset.name}.{dataset.time}", f"{dataset.name}.{dataset.available}"),
        Topic.ACCOUNTS,
        "months",
        french,
        english,
        f"month - {yearly.name(dataset.time)}",
    )


def _as_delivered(yearly: Yearly, column: str, name: str, back: tuple[int, ...]) -> tuple[Feature, ...]:
    one = BUILT_IN[yearly.dataset].column(column)
    topic = Topic.SUPPLIER_DELAYS if column == "supplier_delay" else Topic.ACCOUNTS
    return _made(yearly, name, f"{{{column}}}", one.unit, one.meaning_fr, one.meaning_en, back, topic)


def _published(name: str, formula: str, french: str, english: str) -> tuple[Feature, ...]:
    return _made(_ACCOUNTS, name, formula, "ratio", french, english, (0,), Topic.ACCOUNTS)


def _declared(name: str, formula: str, french: str, english: str, unit: str = "ratio") -> tuple[Feature, ...]:
    return _made(_TAX, name, formula, unit, french, english, (0, 12), Topic.ACCOUNTS)


_OF_THE_BANK: Final = (
    *(feature for column in _RATIOS.columns[1:] for feature in _as_delivered(_RATIOS, column, column, (0, 12, 24))),
    _age(
        _RATIOS,
        "accounts_age",
        "ancienneté des derniers comptes connus de la Banque de France, depuis leur clôture",
        "age of the last accounts that the Banque de France knows, since their closing",
    ),
)

_AS_PUBLISHED: Final = (
    "financial_balance",
    "debt_to_resources",
    "equity_ratio",
    "repayment_capacity",
    "tangible_asset_wear",
    "quick_ratio",
    "operating_need_weight",
    "invested_capital_productivity",
    "economic_return",
    "net_return",
)

_PUBLIC: Final = (
    Feature(
        "public_turnover_change_1y",
        ("accounts.turnover", "accounts.closing_date", "accounts.available_from"),
        Topic.ACCOUNTS,
        "ratio",
        "variation relative du chiffre d'affaires en un an (comptes publiés)",
        "relative change of turnover over one year (published accounts)",
        f"{_ACCOUNTS.name('turnover')} / nullif({_ACCOUNTS.name('turnover', 12)}, 0) - 1",
        13,
    ),
    *_published(
        "public_ebitda_over_turnover",
        "{ebitda} / nullif({turnover}, 0)",
        "excédent brut d'exploitation rapporté au chiffre d'affaires (comptes publiés)",
        "gross operating surplus over turnover (published accounts)",
    ),
    *_published(
        "public_interest_over_turnover",
        "{interest} / nullif({turnover}, 0)",
        "intérêts rapportés au chiffre d'affaires (comptes publiés)",
        "interest over turnover (published accounts)",
    ),
    *_published(
        "public_bank_debt_over_turnover",
        "{short_term_bank_debt} / nullif({turnover}, 0)",
        "concours bancaires courants rapportés au chiffre d'affaires (comptes publiés)",
        "short-term bank loans over turnover (published accounts)",
    ),
    *(feature for column in _AS_PUBLISHED for feature in _as_delivered(_ACCOUNTS, column, f"public_{column}", (0,))),
    _age(
        _ACCOUNTS,
        "public_accounts_age",
        "ancienneté des derniers comptes publiés connus, depuis leur clôture",
        "age of the last published accounts known, since their closing",
    ),
)

_CURRENT_ASSETS: Final = "({operating_current_assets} + {other_current_assets})"

_OF_THE_TAX_OFFICE: Final = (
    *_declared(
        "tax_net_debt_over_self_financing",
        "{net_debt} / nullif({self_financing_capacity}, 0)",
        "dette nette rapportée à la capacité d'autofinancement",
        "net debt over self-financing capacity",
    ),
    *_declared(
        "tax_term_debt_over_equity",
        "1 / nullif({term_debt_ratio}, 0)",
        "dettes à terme rapportées aux capitaux propres",
        "long-term debt over equity",
    ),
    *_declared(
        "tax_ebitda_over_turnover",
        "{ebitda} / nullif({turnover}, 0)",
        "excédent brut d'exploitation rapporté au chiffre d'affaires",
        "gross operating surplus over turnover",
    ),
    *_declared(
        "tax_value_added_per_head",
        "{value_added} / nullif({staff}, 0)",
        "valeur ajoutée par salarié déclaré",
        "value added per person declared",
        "EUR",
    ),
    *_declared(
        "tax_staff_costs_over_value_added",
        "({wages} + {social_charges} + {other_staff_costs}) / nullif({value_added}, 0)",
        "charges de personnel rapportées à la valeur ajoutée",
        "costs of personnel over value added",
    ),
    *_declared(
        "tax_stocks_over_turnover",
        "{goods_stock} / nullif({turnover}, 0)",
        "stocks de marchandises rapportés au chiffre d'affaires",
        "stocks of goods over turnover",
    ),
    # The programme calls this one "absolue" and the next "générale"; the names are kept apart by what they divide.
    *_declared(
        "tax_current_ratio",
        f"{_CURRENT_ASSETS} / nullif({{operating_current_liabilities}} + {{other_current_liabilities}}, 0)",
        "actif circulant rapporté au passif circulant (« liquidité absolue »)",
        "current assets over current liabilities",
    ),
    *_declared(
        "tax_cash_over_current_assets",
        f"{{cash}} / nullif({_CURRENT_ASSETS}, 0)",
        "trésorerie rapportée à l'actif circulant (« liquidité générale »)",
        "cash over current assets",
    ),
    *_declared(
        "tax_payment_over_collection_days",
        "{supplier_payment_days} / nullif({customer_payment_days}, 0)",
        "délai de règlement des fournisseurs rapporté à celui des clients",
        "days until suppliers are paid over days until customers pay",
    ),
    *_declared(
        "tax_equity_over_share_capital",
        "{equity} / nullif({share_capital}, 0)",
        "capitaux propres rapportés au capital social",
        "equity over share capital",
    ),
    *_declared(
        "tax_working_capital_need_over_equity",
        "{working_capital_need} / nullif({equity}, 0)",
        "besoin en fonds de roulement rapporté aux capitaux propres",
        "working-capital need over equity",
    ),
    *(
        feature
        for column in ("quick_ratio", "investment_rate", "economic_return", "financial_solidity")
        for feature in _as_delivered(_TAX, column, f"tax_{column}", (0,))
    ),
    _age(
        _TAX,
        "tax_accounts_age",
        "ancienneté de la dernière déclaration fiscale connue, depuis la fin de l'exercice",
        "age of the last tax declaration known, since the end of its year",
    ),
)

ACCOUNTS: Final = (*_OF_THE_BANK, *_PUBLIC, *_OF_THE_TAX_OFFICE)
"""In canonical order."""
