"""Extracts of accounts made for tests, row by row, and the rows that reading made of them."""

from pathlib import Path
from typing import Any

import xlsxwriter

from support.golden import sample
from support.readings import values
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading


def rows(found: Reading, columns: str) -> list[tuple[Any, ...]]:
    return values(found, columns, "file, line, rowid")


BDF_HEADER = (
    "D1;ANNEE;ARRETE_BILAN;DENOM;CP;REGION;SECTEUR;"
    "POIDS_FRNG;TX_MARGE;DELAI_FRS;POIDS_DFISC_SOC;POIDS_FIN_CT;POIDS_FRAIS_FIN\n"
)


def bdf(siren: str = "000 111 222", year: str = "2013", closing: str = "31DEC2012", ratio: str = "1.5") -> str:
    return f"{siren};{year};{closing};SOCIETE;87000;BRETAGNE;01 Industrie;{ratio};2;3;4;5;6\n"


def diane_text() -> str:
    return sample("diane", "dianeTestData.txt").read_bytes().decode("utf-16")


def diane_bytes(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def diane_columns() -> list[list[str]]:
    return [line[1:-1].split('";"') for line in diane_text().removesuffix("\r\n").split("\r\n")]


def diane_file(table: list[list[str]]) -> bytes:
    return diane_bytes("".join(";".join(f'"{cell}"' for cell in row) + "\r\n" for row in table))


ELLISPHERE_HEADER = [field.header[0] for field in ELLISPHERE.layouts[0].fields]


def workbook(path: Path, *table: list[Any]) -> Path:
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet()
    for at, row in enumerate(table):
        sheet.write_row(at, 0, row)
    book.close()
    return path


def group(**changes: Any) -> list[Any]:
    row = dict(zip(ELLISPHERE_HEADER, [
        1234567, "M", "525343432", 1234567, "GROUPE A", "rue", 12345, "VILLE", "FRANCE", 1, 90.2, "A",
        "1000000", "M", "151515151", "AKES38748", "SOCIETE", "rue", 12345, "VILLE", "FRANCE",
    ], strict=True))  # fmt: skip
    return list((row | changes).values())


PAYDEX_HEADER = (
    "siren,état_organisation,code_paydex,nbr_jrs_retard,nbr_fournisseurs,encours_étudiés,"
    "note_100_alerteur_plus_30,note_100_alerteur_plus_90_jours,date_valeur\n"
)


def piped(kind: Kind, *table: dict[str, str]) -> str:
    names = [field.header[0] for field in kind.layouts[0].fields]
    base = dict.fromkeys(names, "1.5") | {
        "siren": "552100554", "date_deb_exercice": "2020-01-01", "date_fin_exercice": "2020-12-31", "no_ocfi": "00001",
        "annee_exercice": "2020", "djug": "20200131", "najug": "4",
    }  # fmt: skip
    lines = ["|".join((*names, "not_read"))]
    lines += ["|".join([*((base | row)[name] for name in names), "x"]) for row in table]
    return "\n".join(lines) + "\n"
