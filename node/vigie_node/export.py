"""Opened results as files for people and for tools: Parquet, CSV, XLSX, in French or English.

Parquet keeps the names of the schema and its metadata, with each reason's sentence beside it. CSV and XLSX have headings in words; what the recipient may not
see stays empty under a heading that says so, and the first sheet (or the file beside the CSV) says what the list is, how
fresh its sources are, and what its level of assurance does not stop.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vigie import durable
from vigie.datasets import SIREN
from vigie.result import REASONS, TOPICS
from vigie_node.changes import CHANGE, ENGLISH
from vigie_node.sentences import sentence

FORMATS = ("parquet", "csv", "xlsx")
METADATA = b"vigie"
"""Key of the Parquet metadata under which an exported list says what it is."""
LANGUAGES = ("fr", "en")

_HEADINGS: Mapping[str, tuple[str, str]] = {
    SIREN: ("SIREN", "SIREN"),
    "level": ("Niveau d'alerte", "Alert level"),
    CHANGE: ("Évolution", "Change"),
    "score": ("Score", "Score"),
    **TOPICS,
    "other_sources": ("Autres sources (total)", "Other sources (total)"),
}
_LEVELS_EN: Mapping[str, str] = {
    "Alerte seuil F1": "Alert, threshold F1 (high)",
    "Alerte seuil F2": "Alert, threshold F2 (moderate)",
    "Pas d'alerte": "No alert",
}
_WITHHELD = ("non communiqué", "withheld")
_REASONS = tuple(f"reason_{number}" for number in range(1, REASONS + 1))
SENTENCE = "_sentence"
"""End of the name of a column that says a reason in a sentence; only Parquet files have it, beside the reason's name."""


def heading(column: str, language: str) -> str:
    """Return the words that stand above a column."""
    place = LANGUAGES.index(language)
    if column in _HEADINGS:
        return _HEADINGS[column][place]
    if column.startswith("reason_"):
        number, _, rest = column.removeprefix("reason_").partition("_")
        what = {
            "": ("Motif", "Reason"),
            "contribution": ("Poids du motif", "Weight of reason"),
            "value": ("Valeur du motif", "Value of reason"),
            "low": ("Bas habituel du secteur, motif", "Usual low of the sector, reason"),
            "high": ("Haut habituel du secteur, motif", "Usual high of the sector, reason"),
        }.get(rest, (rest, rest))
        return f"{what[place]} {number}"
    return column


def write(table: pa.Table, about: Mapping[str, Any], target: Path, *, form: str, language: str) -> None:
    """Write an opened result to ``target``, whole or not at all."""
    if form == "parquet":
        metadata = {METADATA: json.dumps(about, ensure_ascii=False).encode()}
        buffer = io.BytesIO()
        said = with_sentences(table, about, language)
        pq.write_table(said.replace_schema_metadata(metadata), buffer, compression="zstd")
        durable.write_file(target, buffer.getvalue())
    elif form == "csv":
        durable.write_file(target, _csv(table, about, language))
        durable.write_file(target.with_suffix(".txt"), "\n".join(notice(about, language)).encode() + b"\n")
    else:
        durable.write_file(target, _xlsx(table, about, language))


def about(table: pa.Table) -> dict[str, Any]:
    """Return what a table read back from an exported Parquet file says of itself; empty when it says nothing."""
    return dict(json.loads((table.schema.metadata or {}).get(METADATA, b"{}")))


def reasons_in_words(table: pa.Table, number: int, about: Mapping[str, Any], language: str) -> list[str | None]:
    """Return one sentence for each row: its reason ``number``, with the company's value and what is usual in its sector.

    A feature whose meaning the result does not say stands under its name; a row without that reason is ``None``.
    """
    column = f"reason_{number}"
    features, withheld = about.get("features", {}), f"{column}_low" in about.get("withheld", {})
    parts = [table.column(column + end).to_pylist() for end in ("", "_value", "_low", "_high")]
    return [
        None
        if name is None
        else sentence(
            str(features.get(name, {}).get(language) or name),
            value,
            str(features.get(name, {}).get("unit", "")),
            (low, high),
            language=language,
            range_withheld=withheld,
        )
        for name, value, low, high in zip(*parts, strict=True)
    ]


def with_sentences(table: pa.Table, about: Mapping[str, Any], language: str) -> pa.Table:
    """Return a list with a column ``reason_n_sentence`` after each reason; those that it has already are written anew."""
    found = without_sentences(table)
    for number in range(1, REASONS + 1):
        said = pa.array(reasons_in_words(found, number, about, language), pa.string())
        place = found.column_names.index(f"reason_{number}") + 1
        found = found.add_column(place, pa.field(f"reason_{number}{SENTENCE}", pa.string()), said)
    return found


def without_sentences(table: pa.Table) -> pa.Table:
    """Return a list as it was received, without the sentences of :func:`with_sentences`."""
    return table.drop_columns([name for name in table.column_names if name.endswith(SENTENCE)])


def notice(about: Mapping[str, Any], language: str) -> list[str]:
    """Return the lines that go with every list: what it is, its sources, what is withheld, what is not protected."""
    french = language == "fr"
    withheld = about.get("withheld", {})
    lines = [
        str(about.get(f"notice_{language}", "")),
        f"{'Période' if french else 'Period'} : {about.get('period', '')}",
        f"{'Finalité' if french else 'Purpose'} : {about.get('purpose', '')}",
        f"{'Niveau de garantie' if french else 'Assurance level'} : {about.get('level', '')}",
        *(f"  - {limit}" for limit in about.get("limits", [])),
    ]
    for dataset, source in sorted(about.get("freshness", {}).items()):
        lines.append(
            f"{dataset} : {source.get('partner', '')}, "
            f"{'données arrêtées au' if french else 'data as of'} {source.get('as_of', '')}"
        )
    if "compared_with" in about:
        lines.append(_compared(about["compared_with"], french=french))
    missing = about.get("missing_partners", [])
    if missing:
        lines.append(f"{'Partenaires absents' if french else 'Missing partners'} : {', '.join(missing)}")
    for column, labels in sorted(withheld.items()):
        lines.append(f"{heading(column, language)} : {_WITHHELD[not french]} ({', '.join(labels)})")
    return [line for line in lines if line]


def _compared(period: str | None, *, french: bool) -> str:
    if period is None:
        return (
            "Première liste reçue : toute alerte est une première alerte"
            if french
            else ("First list received: every alert is a first alert")
        )
    return f"{'Évolution depuis la liste de' if french else 'Change since the list of'} {period}"


def rows_for_people(table: pa.Table, about: Mapping[str, Any], language: str) -> tuple[list[str], list[list[Any]]]:
    """Return headings and rows with levels in words and reasons as sentences; denied cells stay ``None``, never 0."""
    table = without_sentences(table)
    withheld = about.get("withheld", {})
    place = LANGUAGES.index(language)
    headings = [
        heading(name, language) + (f" ({_WITHHELD[place]})" if name in withheld else "") for name in table.column_names
    ]
    columns: list[list[Any]] = []
    for name in table.column_names:
        values = table.column(name).to_pylist()
        if name == "level" and language == "en":
            values = [_LEVELS_EN.get(value, value) for value in values]
        elif name == CHANGE and language == "en":
            values = [ENGLISH.get(value, value) for value in values]
        elif name in _REASONS:
            values = list(reasons_in_words(table, _REASONS.index(name) + 1, about, language))
        columns.append(values)
    return headings, [list(row) for row in zip(*columns, strict=True)]


def _csv(table: pa.Table, about: Mapping[str, Any], language: str) -> bytes:
    headings, rows = rows_for_people(table, about, language)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\r\n")
    writer.writerow(headings)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    # The byte-order mark is what makes the accents right in the spreadsheet that agents use.
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def _xlsx(table: pa.Table, about: Mapping[str, Any], language: str) -> bytes:
    import xlsxwriter

    headings, rows = rows_for_people(table, about, language)
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "nan_inf_to_errors": True, "strings_to_formulas": False})
    bold, grey = book.add_format({"bold": True}), book.add_format({"bg_color": "#DDDDDD", "italic": True})
    sheet = book.add_worksheet("Liste" if language == "fr" else "List")
    withheld = about.get("withheld", {})
    for place, (name, text) in enumerate(zip(without_sentences(table).column_names, headings, strict=True)):
        sheet.write_string(0, place, text, grey if name in withheld else bold)
    for line, row in enumerate(rows, start=1):
        for place, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(line, place, cell)
            elif cell is not None:
                sheet.write_number(line, place, float(cell))
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(rows), 1), max(len(headings) - 1, 0))
    sheet.set_column(0, len(headings), 18)
    about_sheet = book.add_worksheet("À lire" if language == "fr" else "Read me")
    about_sheet.set_column(0, 0, 120)
    for line, text in enumerate(notice(about, language)):
        about_sheet.write_string(line, 0, text)
    book.close()
    return buffer.getvalue()
