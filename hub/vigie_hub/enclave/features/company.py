"""Features of the register of companies and of state-guaranteed loans: what a company is, and what it has behind it.

The register's stock says what holds at its month and not what held before, so nothing here is carried back: without a
stock for the months that are trained on, these features are empty there.
"""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic

LOAN_MONTHS: Final = 12
"""A stock of loans counts for so many months, or until a later one speaks of the company."""

COMPANY: Final = (
    Feature(
        "company_age",
        ("legal_units.as_of", "legal_units.created"),
        Topic.ACCOUNTS,
        "months",
        "âge de l'entreprise, depuis sa création d'après Sirene",
        "age of the company since its creation, as the register says",
        "CASE WHEN created_month <= month THEN month - created_month END",
    ),
    Feature(
        "activity_section",
        ("legal_units.as_of", "legal_units.activity_section"),
        Topic.ACCOUNTS,
        "section, 1 for A … 21 for U",
        "section de l'activité principale (NAF), 1 pour A … 21 pour U",
        "section of the main activity (NAF), 1 for A … 21 for U",
        "activity_section + 1",
    ),
    Feature(
        "open_establishments",
        ("legal_units.as_of", "legal_units.open_establishments"),
        Topic.ACCOUNTS,
        "establishments",
        "nombre d'établissements ouverts",
        "number of open establishments",
        "open_establishments",
    ),
    Feature(
        "state_guaranteed_loan",
        ("state_guaranteed_loans.as_of", "state_guaranteed_loans.active"),
        Topic.ACCOUNTS,
        "0 or 1",
        f"prêt garanti par l'État en cours, d'après un fichier de moins de {LOAN_MONTHS} mois (vide si l'entreprise n'y est pas)",
        f"a state-guaranteed loan runs, by a stock of less than {LOAN_MONTHS} months (empty when the company is not in it)",
        f"CASE WHEN month < loan_month + {LOAN_MONTHS} THEN loan_active END",
    ),
)
"""In canonical order."""
