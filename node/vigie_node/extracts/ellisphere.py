"""``ellisphere``: the head of each company's group, from a workbook of Ellisphère (reference section 1.12).

The real system reads the 21 columns by place and takes the header for a bad row; here they are found by name like those
of every other file, so that a column that moves shifts nothing. The head may have no SIREN: it is foreign, or a person.
Source: ``lib/ellisphere/main.go`` of opensignauxfaibles.
"""

from typing import Final

from vigie_node.extracts.cells import CODE, LOOSE_SIREN, NATURAL, NUMBER, TEXT
from vigie_node.extracts.kind import Check, Dialect, Field, Kind, Layout


def _text(name: str, header: str, upstream: str = "", *, stored: bool = True) -> Field:
    return Field(name, (header,), TEXT, upstream=upstream, stored=stored)


ELLISPHERE: Final = Kind(
    name="ellisphere",
    title="group heads",
    titre="têtes de groupe",
    owner="",
    delivered_as=("*tête de groupe*.xlsx", "*tete de groupe*.xlsx", "*ellisph*"),
    layouts=(
        Layout(
            "2020",
            Dialect(";"),
            (
                Field("head_code", ("GRP Code",), CODE, upstream="code_groupe"),
                _text("head_nature", "GRP Personne PouM", "personne_pou_m_groupe"),
                Field("head_siren", ("GRP SIREN 9",), LOOSE_SIREN, upstream="siren_groupe", lenient=True),
                Field("head_reference", ("GRP RefID",), CODE, upstream="refid_groupe"),
                _text("head_name", "GRP Raison Sociale", "raison_sociale_groupe"),
                _text("head_address", "GRP Adresse", "adresse_groupe"),
                _text("head_postcode", "GRP Code Postal", stored=False),
                _text("head_town", "GRP Ville", stored=False),
                _text("head_country", "GRP Pays"),
                Field("level", ("Niveau de détention",), NATURAL, upstream="niveau_detention", meaning="links between"),
                Field("share", ("% Financier",), NUMBER, upstream="part_financiere", meaning="share held, %"),
                _text("share_class", "Tranche % Financier"),
                Field("code", ("FIL Code",), CODE, upstream="code_filiere"),
                _text("nature", "FIL Personne PouM", "personne_pou_m_filiere"),
                Field("siren", ("FIL SIREN 9",), LOOSE_SIREN, nullable=False, meaning="the company of the group"),
                Field("reference", ("FIL RefID",), CODE, upstream="refid_filiere"),
                _text("company_name", "FIL Raison Sociale"),
                _text("address", "FIL Adresse", stored=False),
                _text("postcode", "FIL Code Postal", stored=False),
                _text("town", "FIL Ville", stored=False),
                _text("country", "FIL Pays"),
            ),
        ),
    ),
    company="siren",
    warnings=(
        Check("head_without_siren", "head_siren", "head_siren IS NULL"),
        Check("not_a_share", "share", "share NOT BETWEEN 0 AND 100"),
        Check("unknown_code", "share_class", "share_class NOT IN ('A', 'B', 'C')"),
        # A: above 50 %, B: 25.01 to 50, C: below 25.01.
        Check(
            "share_of_another_class",
            "share_class",
            "share_class != CASE WHEN share > 50 THEN 'A' WHEN share >= 25.01 THEN 'B' ELSE 'C' END",
        ),
    ),
)
