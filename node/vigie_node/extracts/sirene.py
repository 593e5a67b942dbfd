"""``sirene``: establishments as the register of companies has them today, with coordinates (reference section 1.14).

Owner: Insee, public. The SIRET is made of SIREN and NIC: the column ``siret`` of a file is only compared with it. A sole
trader's address is where a person lives: it is typed here and goes into no dataset; of a place only the département does.
Source: ``lib/parsing/sirene/parser.go``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie_node.extracts.cells import ISO_DATE, NUMBER, SIREN, TEXT, TRUTH
from vigie_node.extracts.identifiers import siret_warnings
from vigie_node.extracts.kind import Check, Derived, Dialect, Field, Kind, Layout
from vigie_node.extracts.register import (
    COMMUNE_CODE,
    NIC,
    NOT_ACTIVITY,
    OTHER_NOMENCLATURE,
    POSTAL_CODE,
    UNKNOWN_ACTIVITY,
    UNKNOWN_DEPARTMENT,
    WITHHELD,
    department_of,
    state,
)

_STREETS: Final = (
    "ALL ALLÉE, AV AVENUE, BD BOULEVARD, CAR CARREFOUR, CHE CHEMIN, CHS CHAUSSÉE, CITE CITÉ, COR CORNICHE, CRS COURS, "
    "DOM DOMAINE, DSC DESCENTE, ECA ECART, ESP ESPLANADE, FG FAUBOURG, GR GRANDE RUE, HAM HAMEAU, HLE HALLE, "
    "IMP IMPASSE, LD LIEU DIT, LOT LOTISSEMENT, MAR MARCHÉ, MTE MONTÉE, PAS PASSAGE, PL PLACE, PLN PLAINE, "
    "PLT PLATEAU, PRO PROMENADE, PRV PARVIS, QUA QUARTIER, QUAI QUAI, RES RÉSIDENCE, RLE RUELLE, ROC ROCADE, "
    "RPT ROND POINT, RTE ROUTE, RUE RUE, SEN SENTE - SENTIER, SQ SQUARE, TPL TERRE-PLEIN, TRA TRAVERSE, VLA VILLA, "
    "VLGE VILLAGE"
)
STREET_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {code: word for code, _, word in (one.partition(" ") for one in _STREETS.split(", "))}
)
"""Insee's short forms of the kinds of streets; what is not among them stays as it is delivered."""
REPETITIONS: Final[Mapping[str, str]] = MappingProxyType({"B": "BIS", "T": "TER", "Q": "QUATER", "C": "QUINQUIES"})


def _written_out(column: str, words: Mapping[str, str]) -> str:
    codes, values = ", ".join(f"'{code}'" for code in words), ", ".join(f"'{word}'" for word in words.values())
    return f"coalesce(map([{codes}], [{values}])[{column}], {column})"


def _place(name: str, header: str, upstream: str, *, stored: bool = True) -> Field:
    return Field(name, (f"{header}Etablissement",), TEXT, required=False, upstream=upstream, stored=stored)


SIRENE: Final = Kind(
    name="sirene",
    title="establishments (Sirene)",
    titre="établissements (Sirene)",
    owner="",
    delivered_as=("StockEtablissement_utf8_geo.csv", "StockEtablissement_utf8*.csv", "*sirene*.csv"),
    layouts=(
        Layout(
            "stock",
            Dialect(","),
            (
                Field("siren", ("siren",), SIREN, nullable=False, upstream="siren"),
                Field("nic", ("nic",), NIC, nullable=False, upstream="nic", meaning="number within the company"),
                Field("written_siret", ("siret",), TEXT, required=False, stored=False),
                Field("created", ("dateCreationEtablissement",), ISO_DATE, upstream="création", lenient=True),
                Field("head_office", ("etablissementSiege",), TRUTH, nullable=False, upstream="siege"),
                _place("address_line", "complementAdresse", "complement_adresse"),
                _place("street_number", "numeroVoie", "numéro_voie"),
                _place("repetition_code", "indiceRepetition", "", stored=False),
                _place("street_type_code", "typeVoie", "", stored=False),
                _place("street", "libelleVoie", "voie"),
                Field("postal_code", ("codePostalEtablissement",), POSTAL_CODE, upstream="code_postal", lenient=True),
                _place("commune", "libelleCommune", "commune"),
                _place("foreign_commune", "libelleCommuneEtranger", "commune_étranger"),
                _place("distribution", "distributionSpeciale", "distribution_speciale"),
                Field("commune_code", ("codeCommuneEtablissement",), COMMUNE_CODE, upstream="code_commune"),
                _place("cedex_code", "codeCedex", "code_cedex"),
                _place("cedex", "libelleCedex", "cedex"),
                _place("country_code", "codePaysEtranger", "code_pays_étranger"),
                _place("country", "libellePaysEtranger", "pays_étranger"),
                Field("active", ("etatAdministratifEtablissement",), state("A", "F"), upstream="est_actif"),
                Field("activity", ("activitePrincipaleEtablissement",), TEXT, upstream="ape"),
                Field("nomenclature", ("nomenclatureActivitePrincipaleEtablissement",), TEXT),
                Field("longitude", ("longitude",), NUMBER, required=False, upstream="longitude", lenient=True),
                Field("latitude", ("latitude",), NUMBER, required=False, upstream="latitude", lenient=True),
            ),
        ),
    ),
    derived=(
        Derived("siret", "VARCHAR", "siren || nic", upstream="siret"),
        Derived("siret_differs", "BOOLEAN", "coalesce(written_siret <> siret, false)"),
        Derived("repetition", "VARCHAR", _written_out("repetition_code", REPETITIONS), upstream="indrep"),
        Derived("street_type", "VARCHAR", _written_out("street_type_code", STREET_TYPES), upstream="type_voie"),
        Derived("department", "VARCHAR", department_of("commune_code"), upstream="département"),
        Derived("abroad", "BOOLEAN", "commune_code IS NULL OR left(commune_code, 2) = '99'"),
    ),
    company="siren",
    time="created",
    since=1800,
    rejects=(NOT_ACTIVITY,),
    skips=(OTHER_NOMENCLATURE,),
    warnings=(
        *siret_warnings(),
        UNKNOWN_ACTIVITY,
        UNKNOWN_DEPARTMENT,
        Check("siret_differs", "siret", "siret_differs"),
        Check("withheld", "postal_code", f"postal_code = '{WITHHELD}' OR commune_code = '{WITHHELD}'"),
    ),
    within_perimeter=False,
)
