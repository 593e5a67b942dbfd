"""``diane``: accounts of companies bought from Bureau van Dijk, up to 80 figures for each of several years (section 1.11).

A file is UTF-16LE with byte order mark and CRLF; every cell is quoted, numbers have a decimal comma, amounts are kEUR. It
is wide: a column for each figure and year, years in no order, spaces doubled here and there. A line becomes one row for
each year of the header. A cell that is no number is left empty and counted; a figure that no year has refuses the file.
Source: ``lib/diane`` of opensignauxfaibles, until June 2025 (``convert_diane.sh`` and ``main.go``).
"""

import re
from typing import Final

import pyarrow as pa

from vigie.errors import ExtractError
from vigie_node.extracts.cells import FRENCH_DATE, LOOSE_SIREN, TEXT, YEAR
from vigie_node.extracts.diane_figures import FIGURES
from vigie_node.extracts.headers import nearest, plain
from vigie_node.extracts.identifiers import siren_warnings
from vigie_node.extracts.kind import Derived, Dialect, Field, Kind, Layout, RawRows, Reshape

_YEAR: Final = "Annee"
_CLOSING: Final = "Date de clôture"
_STATIC: Final = ("Marquée", "Nom de l'entreprise", "Numéro Siren", "Statut juridique", "Procédure collective")
_OF_THE_COMPANY: Final = (
    *_STATIC,
    "Nombre d’ES",
    "Nombre de filiales",
    "Taille de la Composition du Groupe",
    "Dernière année disponible",
)
"""Columns without a year."""
_SUFFIX: Final = re.compile(r"(.+) ((?:19|20)[0-9]{2})")


def by_year(header: list[str]) -> Reshape:
    """Make what turns wide lines into one row for each company and year.

    Raises:
        ExtractError: a figure stands under no year, or a column of the company is missing.
    """
    places: dict[tuple[str, str], int] = {}
    for place, name in enumerate(header):
        found = _SUFFIX.fullmatch(plain(name))
        places[(found[1], found[2]) if found else (plain(name), "")] = place
    years = sorted({year for _, year in places if year})
    names = [one for field in _FIELDS for one in field.header if one != _YEAR]
    for name in [*_OF_THE_COMPANY, *names]:
        if not any((plain(name), year) in places for year in ("", *years)):
            close = nearest(name, [one for one, _ in places])
            raise ExtractError(
                f"a file of diane needs the column {name} and has it for no year ({len(header)} columns in all)",
                hint=f"is it the one that the header calls {close!r}?" if close else "was the export's format changed?",
            )

    def reshape(rows: RawRows) -> RawRows:
        lines = rows.cells.num_rows
        empty = pa.nulls(lines, pa.string())
        tall = []
        for year in years:
            columns = [pa.chunked_array([pa.array([year] * lines, pa.string())])]
            for name in names:
                place = places.get((plain(name), year), places.get((plain(name), "")))
                columns.append(pa.chunked_array([empty]) if place is None else rows.cells.column(place))
            tall.append(pa.table(columns, names=[_YEAR, *names]))
        numbers = pa.concat_arrays([rows.lines] * len(years)) if years else rows.lines
        return RawRows(pa.concat_tables(tall), numbers, rows.padded)

    return reshape


_FIELDS: Final = (
    Field("siren", ("Numéro Siren",), LOOSE_SIREN, nullable=False, upstream="numero_siren"),
    Field("fiscal_year", (_YEAR,), YEAR, nullable=False, upstream="exercice_diane", meaning="year of the columns"),
    Field("company_name", ("Nom de l'entreprise",), TEXT, upstream="nom_entreprise"),
    Field("legal_status", ("Statut juridique",), TEXT, upstream="statut_juridique"),
    Field("proceeding_words", ("Procédure collective",), TEXT, stored=False),
    Field("closing_date", (_CLOSING,), FRENCH_DATE, upstream="arrete_bilan_diane", lenient=True),
    *FIGURES,
)

_NAMES: Final = frozenset(
    plain(name) for name in (*_OF_THE_COMPANY, *(one for field in _FIELDS for one in field.header))
)


def _reads(name: str) -> bool:
    found = _SUFFIX.fullmatch(name)
    return (found[1] if found else name) in _NAMES


DIANE: Final = Kind(
    name="diane",
    title="accounts bought from Diane",
    titre="comptes Diane",
    owner="",
    delivered_as=("*diane*",),
    layouts=(
        Layout(
            "2018", Dialect(";", encoding="utf-16-le"), _FIELDS, reshape=by_year,
            recognised=("Marquée", "Numéro Siren", "Procédure collective", "Dernière année disponible"),
            reads_column=_reads,
        ),
    ),
    derived=(
        Derived(
            "in_proceeding", "BOOLEAN", "coalesce(lower(proceeding_words) = 'oui', false)",
            upstream="procedure_collective",
        ),
    ),
    company="siren",
    time="closing_date",
    warnings=siren_warnings(),
)  # fmt: skip
