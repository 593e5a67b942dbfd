"""Features of social debts: what a company owes to Urssaf, against what it is called for, and the plans it has."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import PAST

_DUE: Final = ("contributions.contribution_due",)
_SHARES: Final = ("debts.employee_share", "debts.employer_share")
_RATIO: Final = (*_SHARES, *_DUE)
_PLAN: Final = ("payment_plans.created", "payment_plans.due")
_CCSF: Final = ("ccsf.date", "ccsf.stage")
_RATIO_FRENCH: Final = "dette Urssaf rapportée à la cotisation mensuelle moyenne"


def _feature(
    name: str, sources: tuple[str, ...], unit: str, french: str, english: str, sql: str, window: int = 1
) -> Feature:
    return Feature(name, sources, Topic.SOCIAL_DEBTS, unit, french, english, sql, window)


def _mean_due(months: int) -> Feature:
    return _feature(
        f"contribution_mean_{months}m",
        _DUE,
        "EUR",
        f"cotisation mensuelle moyenne sur {months} mois (mois connus, trois au moins)",
        f"mean monthly contribution over {months} months (known months, at least three)",
        f"contribution_due_mean_{months}",
        months,
    )


def _share(whose: str, french: str, english: str) -> tuple[Feature, ...]:
    """A share of the debt: now, in earlier months, and its means."""
    column, source = f"{whose}_share", (f"debts.{whose}_share",)
    name = f"debt_{column}"
    now = _feature(
        name, source, "EUR", f"dette Urssaf restant due, {french}", f"social debt outstanding, {english}", column
    )
    past = (
        _feature(
            f"{name}_{months}m_ago",
            source,
            "EUR",
            f"dette Urssaf restant due {months} mois plus tôt, {french}",
            f"social debt outstanding {months} months earlier, {english}",
            f"{column}_{months}",
            months + 1,
        )
        for months in PAST
    )
    means = (
        _feature(
            f"{name}_mean_{months}m",
            source,
            "EUR",
            f"dette Urssaf moyenne sur {months} mois, {french} (mois connus, trois au moins)",
            f"mean social debt over {months} months, {english} (known months, at least three)",
            f"{column}_mean_{months}",
            months,
        )
        for months in (3, 6, 12)
    )
    return (now, *past, *means)


def _earlier_ratio(months: int) -> Feature:
    return _feature(
        f"debt_ratio_{months}m_ago",
        _RATIO,
        "ratio",
        f"{_RATIO_FRENCH}, {months} mois plus tôt",
        f"social debt over mean monthly contribution, {months} months earlier",
        f"debt_ratio_{months}",
        12 + months,
    )


_CONTRIBUTIONS: Final = (
    *(_mean_due(months) for months in (3, 6, 12)),
    _feature(
        "contribution_mean_change_12m",
        _DUE,
        "ratio",
        "variation relative en 12 mois de la cotisation mensuelle moyenne",
        "relative change over 12 months of the mean monthly contribution",
        "CASE WHEN contribution_due_mean_12_12 > 0 THEN contribution_due_mean_12 / contribution_due_mean_12_12 - 1 END",
        24,
    ),
    _feature(
        "contribution_paid_share_12m",
        ("contributions.contribution_paid", *_DUE),
        "ratio",
        "part des cotisations encaissée directement, sur les mois des 12 derniers dont l'encaissement est connu",
        "share of contributions paid directly, over those of the last 12 months whose payment is known",
        "CASE WHEN called_12 > 0 THEN paid_12 / called_12 END",
        12,
    ),
)

_DEBTS: Final = (
    *_share("employee", "part salariale", "employees' share"),
    *_share("employer", "part patronale", "employer's share"),
    _feature(
        "debt_ratio",
        _RATIO,
        "ratio",
        f"{_RATIO_FRENCH} sur 12 mois",
        "social debt over mean monthly contribution over 12 months",
        "debt_ratio",
        12,
    ),
    *(_earlier_ratio(months) for months in PAST),
    _feature(
        "debt_ratio_mean_12m",
        _RATIO,
        "ratio",
        f"{_RATIO_FRENCH}, moyenne de 12 mois (connus, trois au moins)",
        "social debt over mean monthly contribution, mean of 12 months (known ones, at least three)",
        "debt_ratio_mean_12",
        23,
    ),
    _feature(
        "debt_per_head",
        (*_SHARES, "headcount.headcount"),
        "EUR",
        "dette Urssaf par salarié",
        "social debt per person employed",
        "debt_per_head",
        7,
    ),
    _feature(
        "debt_per_head_change_3m",
        (*_SHARES, "headcount.headcount"),
        "EUR",
        "variation mensuelle moyenne, sur 3 mois, de la dette Urssaf par salarié",
        "mean monthly change over 3 months of the social debt per person employed",
        "(debt_per_head - debt_per_head_3) / 3",
        10,
    ),
    *(
        _feature(
            f"debt_change_{months}m",
            _SHARES,
            "EUR",
            f"variation de la dette Urssaf en {months} mois",
            f"change of the social debt over {months} months",
            f"debt - debt_{months}",
            months + 1,
        )
        for months in (3, 12)
    ),
    _feature(
        "debt_months_12m",
        _SHARES,
        "months",
        "nombre de mois, sur les 12 derniers, où une dette Urssaf est connue",
        "number of the last 12 months in which a social debt is known",
        "debt_months_12",
        12,
    ),
)

_PLANS: Final = (
    _feature(
        "plan_active",
        _PLAN,
        "0 or 1",
        "délai de paiement Urssaf en cours (vide si la société n'en a jamais eu)",
        "payment plan running at month's end (empty when the company never had one)",
        "plan_active",
    ),
    _feature(
        "plan_age",
        ("payment_plans.created",),
        "months",
        "ancienneté du dernier délai de paiement Urssaf, en cours ou non",
        "months since the newest payment plan was made, running or not",
        "month - plan_since",
    ),
    _feature(
        "plan_remaining_days",
        _PLAN,
        "days",
        "jours restants avant l'échéance du délai de paiement en cours",
        "days left to the end of the running payment plan",
        "plan_remaining_days",
    ),
    _feature(
        "plan_duration_days",
        (*_PLAN, "payment_plans.duration_days"),
        "days",
        "durée du délai de paiement en cours",
        "length of the running payment plan",
        "plan_duration_days",
    ),
    _feature(
        "plan_amount",
        (*_PLAN, "payment_plans.amount"),
        "EUR",
        "montant de l'échéancier en cours, le dernier accordé s'il y en a plusieurs",
        "amount of the running payment plan, of the newest where there are several",
        "plan_amount",
    ),
    _feature(
        "plan_deviation",
        (*_SHARES, *_PLAN, "payment_plans.duration_days", "payment_plans.amount"),
        "ratio",
        "écart de la dette Urssaf à celle que prévoit l'échéancier en cours, rapporté au montant de l'échéancier",
        "social debt beyond what the running plan foresees, over the plan's amount",
        "(debt - plan_amount * newest_plan_remaining / nullif(newest_plan_duration, 0)) / nullif(plan_amount, 0)",
    ),
    _feature(
        "ccsf_age",
        _CCSF[:1],
        "months",
        "ancienneté de la dernière étape devant la commission des chefs des services financiers",
        "months since the newest step before the commission of financial heads",
        "month - ccsf_month",
    ),
    _feature(
        "ccsf_open",
        _CCSF,
        "0 or 1",
        "plan CCSF ouvert ou approuvé d'après sa dernière étape (vide sans étape connue)",
        "plan of the commission opened or approved by its newest step (empty without a known step)",
        "(ccsf_stage <= 1)::INTEGER",
    ),
)

SOCIAL_DEBTS: Final = (*_CONTRIBUTIONS, *_DEBTS, *_PLANS)
"""In canonical order."""
