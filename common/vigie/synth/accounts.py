"""Yearly accounts and payment behaviour: Banque de France ratios, INPI/BCE ratios, Altares delays, guaranteed loans."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vigie.demo.process import BLOCK
from vigie.synth import text
from vigie.synth.block import Block
from vigie.synth.places import NAF_SECTORS, PLACES
from vigie.synth.text import Cells, Text

_RATIOS: Final = 3
"""Column of the first ratio among the canonical ones."""
_MID_MONTH: Final = 14


def bdf(block: Block) -> bytes:
    """Rows of the Banque de France: ANNEE is the fiscal year plus one, the SIREN is cut into three."""
    company, columns = block.ratios
    closing, year = np.ma.getdata(columns[0]), np.ma.getdata(columns[2])
    siren = block.siren.take(pa.array(company))
    place = block.sites.est_place[block.sites.headquarters[company]]
    return text.lines(
        [
            _in_threes(siren),
            text.integer(year + 1),
            text.upper(closing),
            block.name.take(pa.array(company)),
            text.pick([one.postcode for one in PLACES], place),
            text.pick([one.region for one in PLACES], place),
            text.pick(NAF_SECTORS, block.companies.sector[company]),
            *(
                text.blank(
                    text.shortest(np.rint(np.ma.getdata(column) * 1000.0).astype(np.int64), 3),
                    np.ma.getmaskarray(column),
                )
                for column in columns[_RATIOS:]
            ),
        ],
        ";",
    )


def inpi(block: Block) -> bytes:
    """Public accounts of most companies that file them; amounts in euros, ratios with a dot."""
    company, columns = block.ratios
    public = (block.chance("files-accounts") < 0.7)[company]
    company = company[public]
    closing, year = (np.ma.getdata(column)[public] for column in (columns[0], columns[2]))
    margin, payables = (columns[at].filled(20.0)[public] for at in (_RATIOS + 1, _RATIOS + 2))
    noise = block.streams("inpi").normal(size=(4, BLOCK))[:, company]
    turnover = np.rint(block.companies.size[company] * 140_000.0 * np.exp(0.4 * noise[0] + 0.02 * (year - 2015)))
    added = 0.38 * turnover
    ebe, ebit, net = added * margin / 100.0, added * (margin - 8.0) / 100.0, added * (margin - 14.0) / 100.0

    def euros(values: NDArray[np.float64]) -> Text:
        return text.integer(np.rint(values).astype(np.int64))

    def ratio(values: NDArray[np.float64]) -> Text:
        return text.shortest(np.rint(values * 1000.0).astype(np.int64), 3)

    return text.lines(
        [
            block.siren.take(pa.array(company)),
            text.iso(closing),
            euros(turnover),
            euros(turnover * 0.55),
            euros(ebe),
            euros(ebit),
            euros(net),
            ratio(60.0 + 30.0 * noise[1]),
            ratio(160.0 + 50.0 * noise[2]),
            ratio(50.0 + 15.0 * noise[3]),
            ratio(35.0 + 12.0 * noise[1]),
            ratio(12.0 + 9.0 * noise[2]),
            ratio(8.0 + 6.0 * noise[3]),
            ratio(100.0 * ebe * 0.8 / turnover),
            ratio(2.0 + noise[2]),
            ratio(100.0 * ebe / turnover),
            ratio(100.0 * ebit / turnover),
            ratio(43.0 + 30.0 * noise[2]),
            ratio(np.maximum(35.0 + 15.0 * noise[3], 0.0)),
            ratio(np.maximum(48.0 + 14.0 * noise[1], 0.0)),
            ratio(payables),
            text.pick(["C", "C", "C", "S", "S", "K"], block.sites.siren[company] % 6),
        ],
        ";",
    )


def paydex(block: Block, *, old: bool = False) -> bytes:
    """Days late in paying suppliers, month by month, for two companies in three; several rows in some months."""
    traces = block.traces
    known = block.chance("altares-knows") < 0.65
    company, at = np.nonzero((traces.visible[:, : block.count] & known).T)
    shape = (len(traces.visible), BLOCK)
    habit = 4.0 * np.exp(0.9 * block.streams("late-habit").normal(size=BLOCK))[company]
    noise = block.streams("late-noise").normal(0.0, 2.0, shape)[at, company]
    days = np.rint(np.clip(habit + 45.0 * block.companies.distress[at, company] ** 1.5 + noise, 0.0, 180.0))
    late = days.astype(np.int64)
    times = np.where((late + at) % 19 == 0, 2, 1)  # the last of the month counts
    row = np.repeat(np.arange(len(at)), times)
    second = np.append(False, row[1:] == row[:-1])[: len(row)]
    day = block.first_day(at[row]) + np.where(second, _MID_MONTH + 10, _MID_MONTH)
    siren, late = block.siren.take(pa.array(company[row])), late[row]
    if old:
        return text.lines([siren, text.integer(late), text.join(text.integer(late), " jours"), text.french(day)], ";")
    suppliers = 3 + (block.sites.siren[company[row]] + at[row]) % 30
    note = np.clip(late * 2 // 3, 0, 100)
    silent = (block.sites.siren[company[row]] % 2).astype(bool)
    return text.lines(
        [
            siren,
            text.choose(block.closed[company[row]] <= day, "Fermé", "Actif"),
            text.padded(np.clip(80 - late * 2 // 3, 1, 100), 3),
            text.integer(late),
            text.integer(suppliers),
            text.decimal(suppliers * 5_229_687 + block.sites.siren[company[row]] % 977, 3),
            text.blank(text.integer(note), silent),
            text.blank(text.integer(note // 3), silent),
            text.iso(day),
        ],
        ",",
    )


def pge(block: Block) -> bytes:
    """Companies that asked for a state-guaranteed loan, and whether it still runs."""
    asked = np.flatnonzero(block.chance("loan") < 0.2)
    runs = (block.chance("loan-runs") < 0.6)[asked]
    return text.lines([block.siren.take(pa.array(asked)), text.choose(runs, "true", "false")], ",")


def _in_threes(siren: Text) -> Text:
    parts: list[Cells] = [pc.utf8_slice_codeunits(siren, at, at + 3) for at in (0, 3, 6)]
    return text.join(parts[0], " ", parts[1], " ", parts[2])
