"""``sirene_ul``: companies as the register of companies has them today (reference section 1.14).

Owner: Insee, public. The names of sole traders are personal data: they are typed here, as the real system does, and go
into no dataset. The column of the activity in the nomenclature of 2025 is there since 2026. A date of creation that is
none is tolerated. Source: ``lib/parsing/sirene_ul/parser.go``.
"""

from typing import Final

from vigie_node.extracts.cells import ACTIVITY, ISO_DATE, SIREN, TEXT
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Derived, Dialect, Field, Kind, Layout
from vigie_node.extracts.register import (
    LEGAL_FORM,
    NIC,
    NOT_ACTIVITY,
    OTHER_NOMENCLATURE,
    UNKNOWN_ACTIVITY,
    UNKNOWN_LEGAL_FORM,
    state,
)


def _name(name: str, header: str, upstream: str) -> Field:
    return Field(name, (f"{header}UniteLegale",), TEXT, required=False, upstream=upstream, meaning="personal data")


SIRENE_UL: Final = Kind(
    name="sirene_ul",
    title="companies (Sirene)",
    titre="unités légales (Sirene)",
    owner="",
    delivered_as=("sireneUL.csv", "StockUniteLegale*.csv", "*sirene*ul*.csv"),
    layouts=(
        Layout(
            "stock",
            Dialect(","),
            (
                Field("siren", ("siren",), SIREN, nullable=False, upstream="Siren"),
                Field("created", ("dateCreationUniteLegale",), ISO_DATE, upstream="Creation", lenient=True),
                *(
                    _name(f"first_name_{number}", f"prenom{number}", f"Prenom{number}UniteLegale")
                    for number in range(1, 5)
                ),
                Field("active", ("etatAdministratifUniteLegale",), state("A", "C"), upstream="EstActif"),
                _name("name", "nom", "NomUniteLegale"),
                _name("usual_name", "nomUsage", "NomUsageUniteLegale"),
                Field("denomination", ("denominationUniteLegale",), TEXT, required=False, upstream="RaisonSociale"),
                Field("legal_form", ("categorieJuridiqueUniteLegale",), LEGAL_FORM, upstream="CodeStatutJuridique"),
                Field("activity", ("activitePrincipaleUniteLegale",), TEXT, upstream="APE"),
                Field("nomenclature", ("nomenclatureActivitePrincipaleUniteLegale",), TEXT),
                Field(
                    "activity_2025", ("activitePrincipaleNAF25UniteLegale",), ACTIVITY, required=False,
                    upstream="ape_naf25", lenient=True, meaning="activity in the nomenclature of 2025",
                ),
                Field("head_office_nic", ("nicSiegeUniteLegale",), NIC, meaning="NIC of the head office"),
            ),
        ),
    ),
    derived=(Derived("head_office_siret", "VARCHAR", "siren || head_office_nic"),),
    company="siren",
    time="created",
    since=1800,
    rejects=(NOT_ACTIVITY,),
    skips=(OTHER_NOMENCLATURE,),
    warnings=(*siren_warnings(), UNKNOWN_ACTIVITY, UNKNOWN_LEGAL_FORM),
    within_perimeter=False,
)  # fmt: skip
