"""``bdf``: six ratios of yearly accounts from the Banque de France (reference section 1.10).

A SIREN comes with spaces, or without its leading zeros. A ratio that is no number is left empty and its row kept, as the
real system does, and counted. Two rows of the same company and year are both kept here: which one holds is decided when
rows are put together. Source: ``lib/bdf/main.go`` of opensignauxfaibles, until June 2025.
"""

from typing import Final

from vigie_node.extracts.cells import LOOSE_SIREN, NAMED_DATE, NUMBER, TEXT, YEAR
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout


def _ratio(name: str, header: str, upstream: str, meaning: str) -> Field:
    return Field(name, (header,), NUMBER, upstream=upstream, meaning=meaning, lenient=True)


BDF: Final = Kind(
    name="bdf",
    title="Banque de France ratios",
    titre="ratios de la Banque de France",
    owner="bdf",
    delivered_as=("*bdf*.csv",),
    layouts=(
        Layout(
            "2018",
            Dialect(";"),
            (
                Field("siren", ("D1",), LOOSE_SIREN, nullable=False, upstream="siren"),
                Field("year", ("ANNEE",), YEAR, nullable=False, upstream="annee_bdf", meaning="year of publication"),
                Field("closing_date", ("ARRETE_BILAN",), NAMED_DATE, nullable=False, upstream="arrete_bilan_bdf"),
                Field("company_name", ("DENOM",), TEXT, upstream="raison_sociale"),
                Field("sector", ("SECTEUR",), TEXT, upstream="secteur"),
                _ratio("working_capital_weight", "POIDS_FRNG", "poids_frng", "100 × FRNG / turnover, %"),
                _ratio("margin_rate", "TX_MARGE", "taux_marge", "100 × EBE / value added, %"),
                _ratio("supplier_days", "DELAI_FRS", "delai_fournisseur", "360 × trade payables / purchases, days"),
                _ratio("tax_and_social_debt", "POIDS_DFISC_SOC", "dette_fiscale", "100 × tax and social debts / VA, %"),
                _ratio("short_term_loans", "POIDS_FIN_CT", "financier_court_terme", "100 × bank loans / turnover, %"),
                _ratio(
                    "financial_costs",
                    "POIDS_FRAIS_FIN",
                    "frais_financier",
                    "100 × financial costs / (EBE + other income - other costs), %",
                ),
            ),
        ),
    ),
    derived=(Derived("fiscal_year", "BIGINT", "year - 1", upstream="exercice_bdf"),),
    company="siren",
    time="closing_date",
    warnings=(
        *siren_warnings(),
        Check("closed_after_its_year", "closing_date", "year(closing_date) > year"),
    ),
    stock=False,
)
