"""Features of social debts: what a company owes to Urssaf, against what it is called for, and the plans it has."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic

_SHARES: Final = ("debts.employee_share", "debts.employer_share")
_RATIO: Final = (*_SHARES, "contributions.contribution_due")
_PLAN: Final = ("payment_plans.created", "payment_plans.due")


def _feature(name: str, sources: tuple[str, ...], unit: str, french: str, english: str, sql: str) -> Feature:
    return Feature(name, sources, Topic.SOCIAL_DEBTS, unit, french, english, sql)


def _earlier_ratio(months: int) -> Feature:
    return _feature(
        f"debt_ratio_{months}m_ago",
        _RATIO,
        "ratio",
        f"dette Urssaf rapportée à la cotisation mensuelle moyenne, {months} mois plus tôt",
        f"social debt over mean monthly contribution, {months} months earlier",
        f"debt_ratio_{months}",
    )


SOCIAL_DEBTS: Final = (
    _feature(
        "contribution_mean_12m",
        ("contributions.contribution_due",),
        "EUR",
        "cotisation mensuelle moyenne sur 12 mois (mois connus, trois au moins)",
        "mean monthly contribution over 12 months (known months, at least three)",
        "contribution_mean",
    ),
    _feature(
        "debt_employee_share",
        ("debts.employee_share",),
        "EUR",
        "dette Urssaf restant due, part salariale",
        "social debt outstanding, employees' share",
        "employee_share",
    ),
    _feature(
        "debt_employer_share",
        ("debts.employer_share",),
        "EUR",
        "dette Urssaf restant due, part patronale",
        "social debt outstanding, employer's share",
        "employer_share",
    ),
    _feature(
        "debt_ratio",
        _RATIO,
        "ratio",
        "dette Urssaf rapportée à la cotisation mensuelle moyenne sur 12 mois",
        "social debt over mean monthly contribution over 12 months",
        "debt_ratio",
    ),
    *(_earlier_ratio(months) for months in (1, 2, 3, 6, 12)),
    _feature(
        "debt_per_head",
        (*_SHARES, "headcount.headcount"),
        "EUR",
        "dette Urssaf par salarié",
        "social debt per person employed",
        "debt / nullif(headcount_known, 0)",
    ),
    _feature(
        "debt_change_3m",
        _SHARES,
        "EUR",
        "variation de la dette Urssaf en 3 mois",
        "change of the social debt over 3 months",
        "debt - debt_3",
    ),
    _feature(
        "plan_active",
        _PLAN,
        "0 or 1",
        "délai de paiement Urssaf en cours (vide si la société n'en a jamais eu)",
        "payment plan running at month's end (empty when the company never had one)",
        "plan_active",
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
)
"""In canonical order."""
