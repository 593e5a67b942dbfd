"""What the partners' files look like: name as delivered, columns in their order, separator, encoding, form of each cell.

The headers are those of the fixtures of the real system (opensignauxfaibles, datapi); ``tests/data/signaux-faibles``
holds them, and a test compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

ACOSS: Final = "acoss"
BANK: Final = "banque-de-france"
LABOUR: Final = "travail"
PUBLIC: Final = "public"
"""Open data, which anybody may fetch: Sirene, accounts filed with the INPI."""

DIANE_YEARS: Final = 6
"""Years side by side in a Diane export."""


@dataclass(frozen=True)
class Layout:
    """One kind of file.

    Attributes:
        kind: type of the real system's batch, as in ``signaux-faibles/opensignauxfaibles``.
        folder: whose file it is.
        file: name as delivered.
        separator: between cells.
        columns: header cells in order; of a wide file, those that do not hang on a month or year.
        forms: column → what its cells must be: ``siren``, ``siret``, ``account``, ``period``, ``aammjj``, ``french``,
            ``iso``, ``upper``, ``compact``, ``integer``, ``positive``, ``cents``, ``comma`` (number, decimal comma
            allowed), ``number``, ``boolean``, ``category``.  A column not listed is free text.
        required: columns without which the file is refused.
        key: columns that never repeat together; empty when rows may.
        encoding: of the whole file.
        newline: ends every row.
        quoted: text cells of the file stand between quotation marks (``all``, ``text`` or nothing).
    """

    kind: str
    folder: str
    file: str
    separator: str
    columns: tuple[str, ...]
    forms: Mapping[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    encoding: str = "utf-8"
    newline: str = "\n"
    quoted: str = field(default="")

    def header(self) -> str:
        """The header row, without its end; only for files that are not wide."""
        edge = '"' if self.quoted else ""
        return self.separator.join(f"{edge}{column}{edge}" for column in self.columns)


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _urssaf(
    kind: str, file: str, columns: str, forms: Mapping[str, str], key: tuple[str, ...] = (), optional: str = ""
) -> Layout:
    names = _names(columns)
    unused = set(optional.split()) | {"Urssaf_gestion", "Dep"}
    required = tuple(name for name in names if name not in unused)
    return Layout(kind, ACOSS, file, ";", names, forms, required, key)


ADMIN_URSSAF: Final = _urssaf(
    "admin_urssaf",
    "sigfaible_etablissement_utf8.csv",
    "Urssaf_gestion Dep Compte Etat_compte Siren Siret Date_crea_siret Date_disp_siret",
    {"Compte": "account", "Siret": "siret", "Siren": "siren", "Date_crea_siret": "aammjj", "Date_disp_siret": "aammjj"},
    optional="Etat_compte Siren Date_crea_siret",
)
COTISATION: Final = _urssaf(
    "cotisation",
    "sigfaible_cotisdues.csv",
    "Urssaf_gestion Dep Siret Compte periode mer enc_direct cotis_due",
    {"Siret": "siret", "Compte": "account", "periode": "period", "enc_direct": "comma", "cotis_due": "comma"},
    ("Siret", "Compte", "periode"),
    "mer",
)
DEBIT: Final = _urssaf(
    "debit",
    "sigfaible_debits.csv",
    "Urssaf_gestion Dep num_cpte Siren Siret Dt_immat Etat_cpte Cd_pro_col Periode Num_Ecn Num_Hist_Ecn Dt_trt_ecn "
    "Mt_PO Mt_PP Cd_op_ecn Motif_ecn Recours_en_cours",
    {
        "num_cpte": "account",
        "Siret": "siret",
        "Periode": "period",
        "Num_Hist_Ecn": "integer",
        "Dt_trt_ecn": "aammjj",
        "Mt_PO": "cents",
        "Mt_PP": "cents",
        "Cd_op_ecn": "category",
        "Motif_ecn": "category",
    },
    ("Siret", "num_cpte", "Periode", "Num_Ecn", "Num_Hist_Ecn"),
    "Siren Dt_immat Etat_cpte Cd_pro_col",
)
DELAI: Final = _urssaf(
    "delai",
    "sigfaible_delais.csv",
    "Urssaf_gestion Dep Siret Numero_compte_externe Numero_structure Date_creation Date_echeance Duree_delai "
    "Denomination_premiere_ligne Indic_6M Annee_creation Montant_global_echeancier Code_externe_stade "
    "Code_externe_action",
    {
        "Siret": "siret",
        "Numero_compte_externe": "account",
        "Date_creation": "french",
        "Date_echeance": "french",
        "Duree_delai": "positive",
        "Montant_global_echeancier": "number",
        "Code_externe_stade": "category",
        "Code_externe_action": "category",
    },
    optional="Denomination_premiere_ligne Indic_6M Annee_creation Numero_structure",
)
CCSF: Final = _urssaf(
    "ccsf",
    "sigfaible_ccsf.csv",
    "Urssaf_gestion Dep Siret Compte Date_de_traitement Code_externe_stade Code_externe_action",
    {
        "Siret": "siret",
        "Compte": "account",
        "Date_de_traitement": "aammjj",
        "Code_externe_stade": "category",
        "Code_externe_action": "category",
    },
)
PROCOL: Final = _urssaf(
    "procol",
    "sigfaible_pcoll.csv",
    "Siret Siren Dt_effet Cat_v2 Lib_actx_stdx",
    {"Siret": "siret", "Dt_effet": "upper", "Lib_actx_stdx": "proceeding"},
    optional="Siren Cat_v2",
)
EFFECTIF: Final = Layout(
    "effectif",
    ACOSS,
    "sigfaible_effectif_siret.csv",
    ";",
    ("compte", "siret", "rais_soc", "ape_ins", "dep", "base", "UR_EMET"),
    {"compte": "account", "siret": "siret"},
    ("siret",),
    ("compte", "siret"),
)
EFFECTIF_ENT: Final = Layout(
    "effectif_ent",
    ACOSS,
    "sigfaible_effectif_siren.csv",
    ";",
    ("siren", "rais_soc"),
    {"siren": "siren"},
    ("siren",),
    ("siren",),
)
APDEMANDE: Final = Layout(
    "apdemande",
    LABOUR,
    "demande_ap.csv",
    ",",
    _names(
        "ID_DA ETAB_SIRET EFF_ENT EFF_ETAB DATE_STATUT DATE_DEB DATE_FIN HTA MTA EFF_AUTO MOTIF_RECOURS_SE "
        "PERIMETRE_AP S_HEURE_CONSOM_TOT S_EFF_CONSOM_TOT S_MONTANT_CONSOM_TOT RECOURS_ANTERIEUR"
    ),
    {
        "ETAB_SIRET": "siret",
        "DATE_STATUT": "iso",
        "DATE_DEB": "iso",
        "DATE_FIN": "iso",
        "HTA": "comma",
        "MTA": "comma",
        "EFF_AUTO": "comma",
        "MOTIF_RECOURS_SE": "category",
    },
    ("ID_DA", "ETAB_SIRET", "DATE_DEB", "DATE_FIN", "HTA", "MOTIF_RECOURS_SE"),
    ("ID_DA",),
    quoted="text",
)
APCONSO: Final = Layout(
    "apconso",
    LABOUR,
    "consommation_ap.csv",
    ",",
    ("ID_DA", "ETAB_SIRET", "HEURES", "MONTANTS", "EFFECTIFS", "MOIS"),
    {"ETAB_SIRET": "siret", "HEURES": "number", "MONTANTS": "number", "EFFECTIFS": "number", "MOIS": "iso"},
    ("ID_DA", "ETAB_SIRET", "HEURES", "MOIS"),
    ("ID_DA", "ETAB_SIRET", "MOIS"),
    quoted="text",
)
BDF: Final = Layout(
    "bdf",
    BANK,
    "bdf.csv",
    ";",
    _names(
        "D1 ANNEE ARRETE_BILAN DENOM CP REGION SECTEUR POIDS_FRNG TX_MARGE DELAI_FRS POIDS_DFISC_SOC POIDS_FIN_CT "
        "POIDS_FRAIS_FIN"
    ),
    {
        "D1": "siren",
        "ANNEE": "integer",
        "ARRETE_BILAN": "upper",
        "POIDS_FRNG": "number",
        "TX_MARGE": "number",
        "DELAI_FRS": "number",
        "POIDS_DFISC_SOC": "number",
        "POIDS_FIN_CT": "number",
        "POIDS_FRAIS_FIN": "number",
    },
    ("D1", "ANNEE", "ARRETE_BILAN", "POIDS_FRNG", "TX_MARGE", "DELAI_FRS"),
    ("D1", "ANNEE"),
)
DIANE: Final = Layout(
    "diane",
    BANK,
    "diane.csv",
    ";",
    ("Marquée", "Nom de l'entreprise", "Numéro Siren", "Statut juridique ", "Procédure collective"),
    {"Numéro Siren": "siren"},
    ("Numéro Siren",),
    ("Numéro Siren",),
    encoding="utf-16-le",
    newline="\r\n",
    quoted="all",
)
PAYDEX: Final = Layout(
    "paydex",
    BANK,
    "E_{stamp}_Retro-Paydex_{day}.csv",
    ",",
    _names(
        "siren état_organisation code_paydex nbr_jrs_retard nbr_fournisseurs encours_étudiés note_100_alerteur_plus_30 "
        "note_100_alerteur_plus_90_jours date_valeur"
    ),
    {"siren": "siren", "code_paydex": "category", "nbr_jrs_retard": "integer", "date_valeur": "iso"},
    ("siren", "code_paydex", "nbr_jrs_retard", "date_valeur"),
)
PAYDEX_OLD: Final = Layout(
    "paydex",
    BANK,
    PAYDEX.file,
    ";",
    ("SIREN", "NB_JOURS", "NB_JOURS_LIB", "DATE_VALEUR"),
    {"SIREN": "siren", "NB_JOURS": "integer", "DATE_VALEUR": "french"},
    ("SIREN", "NB_JOURS", "DATE_VALEUR"),
)
PGE: Final = Layout(
    "pge", BANK, "pge.csv", ",", ("siren", "actif"), {"siren": "siren", "actif": "boolean"}, ("siren", "actif"),
    ("siren",),
)  # fmt: skip
INPI: Final = Layout(
    "inpi_bce",
    PUBLIC,
    "ratios_inpi_bce.csv",
    ";",
    _names(
        "siren date_cloture_exercice chiffre_d_affaires marge_brute ebe ebit resultat_net taux_d_endettement "
        "ratio_de_liquidite ratio_de_vetuste autonomie_financiere poids_bfr_exploitation_sur_ca "
        "couverture_des_interets caf_sur_ca capacite_de_remboursement marge_ebe resultat_courant_avant_impots_sur_ca "
        "poids_bfr_exploitation_sur_ca_jours rotation_des_stocks_jours credit_clients_jours "
        "credit_fournisseurs_jours type_bilan"
    ),
    {
        "siren": "siren",
        "date_cloture_exercice": "iso",
        "chiffre_d_affaires": "number",
        "marge_ebe": "number",
        "type_bilan": "category",
    },
    ("siren", "date_cloture_exercice", "chiffre_d_affaires"),
)
SIRENE: Final = Layout(
    "sirene",
    PUBLIC,
    "StockEtablissement_utf8_geo.csv",
    ",",
    _names(
        "siren nic siret statutDiffusionEtablissement dateCreationEtablissement trancheEffectifsEtablissement "
        "anneeEffectifsEtablissement activitePrincipaleRegistreMetiersEtablissement "
        "dateDernierTraitementEtablissement etablissementSiege nombrePeriodesEtablissement "
        "complementAdresseEtablissement numeroVoieEtablissement indiceRepetitionEtablissement typeVoieEtablissement "
        "libelleVoieEtablissement codePostalEtablissement libelleCommuneEtablissement "
        "libelleCommuneEtrangerEtablissement distributionSpecialeEtablissement codeCommuneEtablissement "
        "codeCedexEtablissement libelleCedexEtablissement codePaysEtrangerEtablissement "
        "libellePaysEtrangerEtablissement complementAdresse2Etablissement numeroVoie2Etablissement "
        "indiceRepetition2Etablissement typeVoie2Etablissement libelleVoie2Etablissement codePostal2Etablissement "
        "libelleCommune2Etablissement libelleCommuneEtranger2Etablissement distributionSpeciale2Etablissement "
        "codeCommune2Etablissement codeCedex2Etablissement libelleCedex2Etablissement codePaysEtranger2Etablissement "
        "libellePaysEtranger2Etablissement dateDebut etatAdministratifEtablissement enseigne1Etablissement "
        "enseigne2Etablissement enseigne3Etablissement denominationUsuelleEtablissement activitePrincipaleEtablissement "
        "nomenclatureActivitePrincipaleEtablissement caractereEmployeurEtablissement longitude latitude geo_score "
        "geo_type geo_adresse geo_id geo_ligne geo_l4 geo_l5"
    ),
    {
        "siren": "siren",
        "nic": "nic",
        "dateCreationEtablissement": "iso",
        "etablissementSiege": "boolean",
        "codePostalEtablissement": "category",
        "codeCommuneEtablissement": "category",
        "etatAdministratifEtablissement": "category",
        "activitePrincipaleEtablissement": "category",
    },
    ("siren", "nic", "etablissementSiege", "codeCommuneEtablissement", "activitePrincipaleEtablissement"),
    ("siren", "nic"),
)
SIRENE_UL: Final = Layout(
    "sirene_ul",
    PUBLIC,
    "sireneUL.csv",
    ",",
    _names(
        "siren statutDiffusionUniteLegale unitePurgeeUniteLegale dateCreationUniteLegale sigleUniteLegale "
        "sexeUniteLegale prenom1UniteLegale prenom2UniteLegale prenom3UniteLegale prenom4UniteLegale "
        "prenomUsuelUniteLegale pseudonymeUniteLegale identifiantAssociationUniteLegale trancheEffectifsUniteLegale "
        "anneeEffectifsUniteLegale dateDernierTraitementUniteLegale nombrePeriodesUniteLegale categorieEntreprise "
        "anneeCategorieEntreprise dateDebut etatAdministratifUniteLegale nomUniteLegale nomUsageUniteLegale "
        "denominationUniteLegale denominationUsuelle1UniteLegale denominationUsuelle2UniteLegale "
        "denominationUsuelle3UniteLegale categorieJuridiqueUniteLegale activitePrincipaleUniteLegale "
        "nomenclatureActivitePrincipaleUniteLegale activitePrincipaleNAF25UniteLegale nicSiegeUniteLegale "
        "economieSocialeSolidaireUniteLegale caractereEmployeurUniteLegale"
    ),
    {
        "siren": "siren",
        "dateCreationUniteLegale": "iso",
        "etatAdministratifUniteLegale": "category",
        "categorieJuridiqueUniteLegale": "category",
        "activitePrincipaleUniteLegale": "category",
    },
    ("siren", "categorieJuridiqueUniteLegale", "activitePrincipaleUniteLegale", "nicSiegeUniteLegale"),
    ("siren",),
)
SIRENE_HISTO: Final = Layout(
    "sirene_histo",
    PUBLIC,
    "StockEtablissementHistorique_utf8.csv",
    ",",
    _names(
        "siren nic siret dateFin dateDebut etatAdministratifEtablissement "
        "changementEtatAdministratifEtablissement enseigne1Etablissement enseigne2Etablissement "
        "enseigne3Etablissement changementEnseigneEtablissement denominationUsuelleEtablissement "
        "changementDenominationUsuelleEtablissement activitePrincipaleEtablissement "
        "nomenclatureActivitePrincipaleEtablissement changementActivitePrincipaleEtablissement "
        "caractereEmployeurEtablissement changementCaractereEmployeurEtablissement"
    ),
    {
        "siret": "siret",
        "dateDebut": "iso",
        "etatAdministratifEtablissement": "category",
        "changementEtatAdministratifEtablissement": "boolean",
    },
    ("siret", "dateDebut", "etatAdministratifEtablissement", "changementEtatAdministratifEtablissement"),
    ("siret", "dateDebut"),
)

LAYOUTS: Final[tuple[Layout, ...]] = (
    COTISATION, DEBIT, DELAI, CCSF, PROCOL, EFFECTIF, EFFECTIF_ENT, BDF, DIANE, PAYDEX, PGE, APDEMANDE, APCONSO,
    SIRENE, SIRENE_UL, SIRENE_HISTO, INPI,
)  # fmt: skip
"""All kinds that are always written; :data:`ADMIN_URSSAF` comes with the legacy files of the Urssaf only."""

LEGACY_HAS_NO_SIRET: Final = (COTISATION, DEBIT, DELAI, CCSF)
"""Before 2025 these said the account only, and ``admin_urssaf`` whose it was."""


@cache
def diane_header() -> tuple[tuple[str, int | None], ...]:
    """Every header cell of a Diane export: its words, and how many years before the last one its column is.

    The order of the years and the double spaces are as irregular as in the real export.
    """
    text = files("vigie.synth").joinpath("diane_header.txt").read_text(encoding="utf-8")
    cells = (line.split("\t") for line in text.splitlines())
    return tuple((words, None if back == "-" else int(back)) for words, back in cells)


def effectif_months(first: int, months: int) -> tuple[str, ...]:
    """Header cells ``effYYYYQM`` of ``months`` months from year x 12 + month - 1."""
    return tuple(f"eff{month // 12:04d}{month % 12 // 3 + 1}{month % 3 + 1}" for month in range(first, first + months))
