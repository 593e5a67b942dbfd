"""A Diane export: one row for each company, some eighty fields side by side for six years, as Bureau van Dijk sells it."""

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vigie.demo.process import BEFORE, BLOCK
from vigie.synth import text
from vigie.synth.block import Block
from vigie.synth.layout import DIANE_YEARS, diane_header
from vigie.synth.text import Cells, Text

Floats = NDArray[np.float64]

_OF_TURNOVER: Final = {
    "Chiffre d'affaires net": 1.0,
    "Dont exportation": 0.1,
    "Achats march.": 0.4,
    "Achats de march.": 0.25,
    "Achats de mat.": 0.15,
    "Production": 0.95,
    "Marge commerciale": 0.2,
    "Consommation": 0.4,
    "Autres achats": 0.2,
    "Valeur ajoutée": 0.36,
    "Charges de personnel": 0.26,
    "Impôts, taxes": 0.02,
    "Excédent brut": 0.07,
    "Dot. d'exploit.": 0.025,
    "Résultat d'expl.": 0.04,
    "Résultat courant": 0.038,
    "Bénéfice ou perte": 0.026,
    "Dettes fiscales": 0.08,
    "Conc. banc.": 0.03,
}
"""First words of an amount → its usual share of the turnover."""
_SUFFERS: Final = ("Excédent brut", "Résultat", "Bénéfice ou perte")
"""Amounts that fall under stress, below zero if need be."""
_RARE: Final = ("Effectif consolidé", "Frais de R&D", "Conces.", "Opérations en commun", "Subventions", "Particip.")


def header(last_year: int) -> str:
    """The header row, every cell between quotation marks."""
    cells = (words if back is None else f"{words} {last_year - back}" for words, back in diane_header())
    return ";".join(f'"{cell}"' for cell in cells)


def last_year(last_month: int) -> int:
    """The last year of which accounts are sold in the month year x 12 + month - 1."""
    return (last_month - 7) // 12 - 1


def diane(block: Block) -> bytes:
    """Rows in UTF-8; the file is UTF-16.  Decimal comma, thousands of euros, a year without accounts left empty."""
    company = np.flatnonzero(block.chance("diane-knows") < 0.6)
    year = last_year(int(block.month(np.array([block.last]))[0]))
    cells = _Cells(block, company, year)
    made = [cells.of(words, back) for words, back in diane_header()]
    numbers = [one for one in made if isinstance(one, _Number)]
    texts = iter(_together(numbers, len(company)))
    columns = [next(texts) if isinstance(one, _Number) else one for one in made]
    return text.lines(columns, ";", newline="\r\n", quoted=True)


@dataclass(frozen=True)
class _Number:
    """A column of numbers with 0 or 2 places, empty where null."""

    values: Floats
    places: int
    null: NDArray[np.bool_]


def _together(numbers: list[_Number], rows: int) -> list[Text]:
    """The text of each column: hundreds of short columns are put into words as two long ones."""
    made: dict[int, Text] = {}
    for places in (0, 2):
        at = [place for place, one in enumerate(numbers) if one.places == places]
        values = np.concatenate([numbers[place].values for place in at])
        null = np.concatenate([numbers[place].null for place in at])
        exact = np.rint(values * 10.0**places).astype(np.int64)
        long = text.blank(text.comma(exact, places) if places else text.integer(exact), null)
        made |= {place: long.slice(number * rows, rows) for number, place in enumerate(at)}
    return [made[place] for place in range(len(numbers))]


class _Cells:
    """The columns of one block."""

    def __init__(self, block: Block, company: NDArray[np.int64], year: int) -> None:
        self._block, self._company, self._year = block, company, year
        size = block.companies.size[company]
        ends = np.clip((year - np.arange(DIANE_YEARS)) * 12 + 11 - block.world.first + BEFORE, 0, block.world.axis - 1)
        self._stress = block.companies.stress[ends][:, company]
        growth = block.streams("diane-growth").normal(0.0, 0.06, (DIANE_YEARS, BLOCK))[:, company]
        self._turnover = size * 140.0 * np.exp(np.cumsum(growth, axis=0))
        created = text.calendar(block.created[company])[0]
        silent = block.streams("diane-gap").random((DIANE_YEARS, BLOCK))[:, company] < 0.07
        self._absent = silent | (created > (year - np.arange(DIANE_YEARS))[:, None])
        self._noise = block.streams("diane").normal(size=(len(diane_header()), BLOCK))[:, company]
        self._drawn = 0

    def of(self, words: str, back: int | None) -> Cells | _Number:
        """The column under one header cell."""
        self._drawn += 1
        name = re.sub(" +", " ", words).strip()
        return self._static(name) if back is None else self._yearly(name, back, self._noise[self._drawn - 1])

    def _static(self, name: str) -> Cells:
        block, company = self._block, self._company
        match name:
            case "Marquée":
                return text.integer(block.first + company + 1)
            case "Nom de l'entreprise":
                return block.name.take(pa.array(company))
            case "Numéro Siren":
                return block.siren.take(pa.array(company))
            case "Statut juridique":
                return text.choose(block.legal_form[company] == 0, "SAS", "SARL")
            case "Procédure collective":
                return text.choose(block.companies.fails[company] <= block.last, "Oui", "Non")
            case "Nombre d’ES":
                return text.integer(block.sites.establishments[company])
            case "Dernière année disponible":
                return str(self._year)
            case _:
                return text.integer(block.sites.siren[company] // 7 % 4)

    def _yearly(self, name: str, back: int, noise: Floats) -> Cells | _Number:
        absent = self._absent[back]
        year = self._year - back
        if name.startswith(_RARE):
            absent = absent | (noise < 1.0)
        if name == "Date de clôture":
            return text.choose(absent, "", f"31/12/{year}")
        if name == "Nombre de mois":
            return text.choose(absent, "", "12")
        share = next((share for words, share in _OF_TURNOVER.items() if name.startswith(words)), None)
        if share is not None:
            share_now = share * np.exp(0.15 * noise)
            if name.startswith(_SUFFERS):
                share_now = share_now - 0.03 * np.maximum(self._stress[back], -0.5)
            return _Number(self._turnover[back] * share_now, 0, absent)
        if name.endswith("kEUR"):
            return _Number(self._turnover[back] * 0.004 * np.exp(noise), 0, absent)
        if name.endswith("jours") or name.startswith("Effectif"):
            return _Number(45.0 + 14.0 * noise + 6.0 * self._stress[back], 0, absent)
        level, spread = (22.0, 11.0) if name.endswith("%") else (1.4, 0.5)
        return _Number(level + spread * noise - 0.2 * spread * self._stress[back], 2, absent)
