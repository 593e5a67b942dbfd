"""The Insee's public files on the made-up companies: legal units, establishments, and the history of these."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa

from vigie.synth import text
from vigie.synth.block import Block, Ints
from vigie.synth.layout import SIRENE, SIRENE_HISTO, SIRENE_UL, Layout
from vigie.synth.places import FIRST_NAMES, LAST_NAMES, LEGAL_FORMS, PLACES
from vigie.synth.text import Cells, Text

_BANDS: Final = (0, 1, 3, 6, 10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000)
_BAND_CODES: Final = ("00", "01", "02", "03", "11", "12", "21", "22", "31", "32", "41", "42", "51", "52", "53")
"""``trancheEffectifs``: least number of persons of each band, and its code."""
_SOLE_TRADER: Final = next(at for at, (code, _) in enumerate(LEGAL_FORMS) if code == "1000")
_MIDNIGHT: Final = "T03:14:15"


def sirene(block: Block) -> bytes:
    """Establishments, with the place of each."""
    sites = block.sites
    company = sites.est_company
    whose = pa.array(company)
    head = sites.est_ordinal == 0
    opened = _opened(block)
    gone = block.closed[company] <= block.last_day

    def place(name: str) -> Text:
        return text.pick([str(getattr(one, name)) for one in PLACES], sites.est_place)

    street = text.padded(sites.est_nic // 10 + sites.siren[company] % 90, 1)
    persons = np.maximum(block.headcount.max(axis=1)[company], 0) // sites.establishments[company]
    return _filled(
        SIRENE,
        {
            "siren": block.siren.take(whose),
            "nic": text.padded(sites.est_nic, 5),
            "siret": block.siret,
            "statutDiffusionEtablissement": _diffusion(block).take(whose),
            "dateCreationEtablissement": text.iso(opened),
            "trancheEffectifsEtablissement": _band(persons),
            "anneeEffectifsEtablissement": str(block.world.first // 12),
            "dateDernierTraitementEtablissement": text.join(text.iso(opened + 40), _MIDNIGHT),
            "etablissementSiege": text.choose(head, "true", "false"),
            "nombrePeriodesEtablissement": text.choose(gone, "2", "1"),
            "numeroVoieEtablissement": street,
            "typeVoieEtablissement": "RUE",
            "libelleVoieEtablissement": "DES EXEMPLES",
            "codePostalEtablissement": place("postcode"),
            "libelleCommuneEtablissement": place("name"),
            "codeCommuneEtablissement": place("commune"),
            "dateDebut": text.iso(np.where(gone, block.closed[company], opened)),
            "etatAdministratifEtablissement": text.choose(gone, "F", "A"),
            "activitePrincipaleEtablissement": block.naf.take(whose),
            "nomenclatureActivitePrincipaleEtablissement": "NAFRev2",
            "caractereEmployeurEtablissement": "O",
            "longitude": place("longitude"),
            "latitude": place("latitude"),
            "geo_score": "0.93",
            "geo_type": "housenumber",
            "geo_adresse": text.join(street, " Rue des Exemples ", place("postcode"), " ", place("name")),
            "geo_id": text.join(place("commune"), "_0042"),
            "geo_ligne": "G",
            "geo_l4": text.join(street, " RUE DES EXEMPLES"),
        },
        len(company),
    )


def sirene_ul(block: Block) -> bytes:
    """Legal units; a sole trader has a name instead of a denomination, and may oppose its publication."""
    sites = block.sites
    sole = block.legal_form == _SOLE_TRADER
    private = sites.siren // 3
    gone = block.closed <= block.last_day
    persons = np.maximum(block.headcount.max(axis=1), 0)
    size = np.searchsorted([250, 5000], persons, side="right")

    def if_sole(column: Cells) -> Text:
        return text.choose(sole, column, "")

    return _filled(
        SIRENE_UL,
        {
            "siren": block.siren,
            "statutDiffusionUniteLegale": _diffusion(block),
            "dateCreationUniteLegale": text.iso(block.created),
            "sexeUniteLegale": if_sole(text.pick(["F", "M"], private % 2)),
            "prenom1UniteLegale": if_sole(text.pick(FIRST_NAMES, private // 2 % len(FIRST_NAMES))),
            "prenomUsuelUniteLegale": if_sole(text.pick(FIRST_NAMES, private // 2 % len(FIRST_NAMES))),
            "trancheEffectifsUniteLegale": _band(persons),
            "anneeEffectifsUniteLegale": str(block.world.first // 12),
            "dateDernierTraitementUniteLegale": text.join(text.iso(block.created + 40), _MIDNIGHT),
            "nombrePeriodesUniteLegale": text.choose(gone, "2", "1"),
            "categorieEntreprise": text.pick(["PME", "ETI", "GE"], size),
            "anneeCategorieEntreprise": str(block.world.first // 12),
            "dateDebut": text.iso(np.where(gone, block.closed, block.created)),
            "etatAdministratifUniteLegale": text.choose(gone, "C", "A"),
            "nomUniteLegale": if_sole(text.pick(LAST_NAMES, private // 16 % len(LAST_NAMES))),
            "denominationUniteLegale": text.choose(sole, "", block.name),
            "categorieJuridiqueUniteLegale": text.pick([code for code, _ in LEGAL_FORMS], block.legal_form),
            "activitePrincipaleUniteLegale": block.naf,
            "nomenclatureActivitePrincipaleUniteLegale": "NAFRev2",
            "nicSiegeUniteLegale": text.padded(sites.est_nic[sites.headquarters], 5),
            "economieSocialeSolidaireUniteLegale": text.choose(block.legal_form == _SOLE_TRADER - 1, "O", "N"),
            "caractereEmployeurUniteLegale": "O",
        },
        block.count,
    )


def sirene_histo(block: Block) -> bytes:
    """Periods of each establishment, the last one first: open, and closed since when."""
    sites = block.sites
    gone = block.closed[sites.est_company] <= block.last_day
    row = np.repeat(np.arange(len(gone)), np.where(gone, 2, 1))
    past = np.append(False, row[1:] == row[:-1])[: len(row)]
    company = sites.est_company[row]
    shut = gone[row] & ~past
    closed = np.minimum(block.closed[company], block.last_day)
    return _filled(
        SIRENE_HISTO,
        {
            "siren": block.siren.take(pa.array(company)),
            "nic": text.padded(sites.est_nic[row], 5),
            "siret": block.siret.take(pa.array(row)),
            "dateFin": text.blank(text.iso(closed - 1), ~past),
            "dateDebut": text.iso(np.where(shut, closed, _opened(block)[row])),
            "etatAdministratifEtablissement": text.choose(shut, "F", "A"),
            "changementEtatAdministratifEtablissement": text.choose(shut, "true", "false"),
            "changementEnseigneEtablissement": "false",
            "changementDenominationUsuelleEtablissement": "false",
            "activitePrincipaleEtablissement": block.naf.take(pa.array(company)),
            "nomenclatureActivitePrincipaleEtablissement": "NAFRev2",
            "changementActivitePrincipaleEtablissement": "false",
            "caractereEmployeurEtablissement": text.choose(shut, "N", "O"),
            "changementCaractereEmployeurEtablissement": text.choose(shut, "true", "false"),
        },
        len(row),
    )


def _opened(block: Block) -> Ints:
    """(establishment) day of opening: that of the company for its first, up to three years later for the others."""
    sites = block.sites
    later = sites.est_ordinal * (sites.est_nic * 37 + sites.siren[sites.est_company]) % 1096
    created = block.created[sites.est_company]
    room = np.maximum(block.first_day(np.zeros_like(created)) - created, 0)
    opened: Ints = created + np.minimum(later, room)
    return opened


def _diffusion(block: Block) -> Text:
    opposed = (block.legal_form == _SOLE_TRADER) & (block.chance("opposed") < 0.3)
    return text.choose(opposed, "P", "O")


def _band(persons: Ints) -> Text:
    return text.pick(_BAND_CODES, np.searchsorted(_BANDS, persons, side="right") - 1)


def _filled(layout: Layout, cells: Mapping[str, Cells], rows: int) -> bytes:
    """Rows of the layout with these columns, all others empty."""
    if unknown := cells.keys() - set(layout.columns):
        raise KeyError(f"{layout.kind} has no column {min(unknown)}")
    if rows == 0:
        return b""
    return text.lines([cells.get(column, "") for column in layout.columns], layout.separator)
