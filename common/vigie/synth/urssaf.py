"""The Urssaf's monthly files: contributions, plans, commission decisions, proceedings, headcounts, accounts.

Each function gives the rows of one block as bytes, in the layout of :mod:`vigie.synth.layout`.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vigie.datasets import payment_plans as plans
from vigie.datasets import proceedings as events
from vigie.demo import traces as seen
from vigie.synth import text
from vigie.synth.block import Block, Ints
from vigie.synth.places import PLACES
from vigie.synth.sites import WHOLE
from vigie.synth.text import Cells

_PLAN_ACTIONS: Final = {category: code for code, category in plans.ACTIONS.items()}
_PLAN_STAGES: Final = {category: code for code, category in plans.STAGES.items()}
_ACTIONS: Final = {category: word for word, category in events.ACTIONS.items()}
_STAGES: Final = {category: word for word, category in events.STAGES.items()}
_LONG_AGO: Final = 60
"""Days before the simulated past in which an account last changed its establishment."""


def cotisation(block: Block, *, legacy: bool = False) -> bytes:
    """One row for each account and period: a month, or a whole quarter where the company is called by quarter."""
    traces = block.traces
    company, at = np.nonzero(traces.visible[:, : block.count].T)
    start = at - block.month(at) % 3
    # A quarter that is not whole (the company began or ended in it, or it is still running) is called by month.
    whole = traces.quarterly[company] & traces.visible[start, company] & traces.visible[start + 2, company]
    kept = ~whole | (at == start)
    company, at, whole = company[kept], at[kept], whole[kept]
    months = np.where(whole, 3, 1)
    row, account, due = block.sites.divide(company, traces.due[at, company] * months)
    _, _, paid = block.sites.divide(company, traces.paid[at, company] * months)
    unknown = traces.paid_unknown[at, company][row]
    return _rows(
        [
            *block.urssaf_columns(account),
            block.account_siret.take(pa.array(account)),
            block.account.take(pa.array(account)),
            text.period(block.month(at)[row], quarter=whole[row], short=True),
            text.euros(np.maximum(due - paid, 0)),
            text.blank(text.euros(paid), unknown),
            text.euros(due),
        ],
        without=2 if legacy else None,
    )


def delai(block: Block, *, legacy: bool = False) -> bytes:
    """Payment plans, at the first account of the company; one in ten is delivered twice."""
    company, columns = block.plans
    times = np.where((np.ma.getdata(columns[0]) * 7 + company) % 10 == 0, 2, 1)
    company = np.repeat(company, times)
    created, due, days, amount, action, stage = (np.repeat(np.ma.getdata(column), times) for column in columns)
    account = block.sites.first_account[company]
    year, month, _ = text.calendar(created)
    structure = (block.first + company) * 10_000 + (year * 12 + month) % 10_000
    return _rows(
        [
            *block.urssaf_columns(account),
            block.account_siret.take(pa.array(account)),
            block.account.take(pa.array(account)),
            text.padded(structure, 13),
            text.french(created),
            text.french(due),
            text.integer(days),
            block.name.take(pa.array(company)),
            text.choose(days <= 183, "INF", "SUP"),
            text.integer(year),
            text.decimal(np.rint(amount * 100.0).astype(np.int64), 2),
            _coded(stage, _PLAN_STAGES),
            _coded(action, _PLAN_ACTIONS),
        ],
        without=2 if legacy else None,
    )


def ccsf(block: Block, *, legacy: bool = False) -> bytes:
    """Decisions of the départements' commissions: the plans that they granted, and some that they refused."""
    company, columns = block.plans
    created, action = np.ma.getdata(columns[0]), np.ma.getdata(columns[4])
    granted = np.flatnonzero(action == "ccsf")
    refused = np.flatnonzero((action != "ccsf") & ((created + company) % 3 == 0))
    row = np.sort(np.concatenate([granted, refused]))
    row = np.repeat(row, 2)
    second = np.arange(len(row)) % 2 == 1
    answer = text.choose(action[row] == "ccsf", "APPROB", "REFUS")
    account = block.sites.first_account[company[row]]
    return _rows(
        [
            *block.urssaf_columns(account),
            block.account_siret.take(pa.array(account)),
            block.account.take(pa.array(account)),
            text.aammjj(created[row] - np.where(second, 0, 45)),
            text.choose(second, answer, "DEBUT"),
            "CCSF",
        ],
        without=2 if legacy else None,
    )


def procol(block: Block) -> bytes:
    """Every event of a proceeding, once for each establishment, its two words in either order."""
    company, columns = block.kept(seen.proceedings(block.world, block.companies, block.streams))
    effective, action, stage = (np.ma.getdata(column) for column in columns)
    row, establishment = block.sites.spread_establishments(company)
    stages, actions = _coded(stage, _STAGES).take(pa.array(row)), _coded(action, _ACTIONS).take(pa.array(row))
    turned = (block.sites.est_nic[establishment] + effective[row]) % 2 == 0
    label = text.choose(turned, text.join(stages, "_", actions), text.join(actions, "_", stages))
    return _rows(
        [
            block.siret.take(pa.array(establishment)),
            block.siren.take(pa.array(company[row])),
            text.upper(effective[row]),
            "1",
            pc.utf8_capitalize(label),
        ]
    )


def effectif(block: Block, late: int) -> bytes:
    """One row for each account, one column for each month; the last ``late`` months are not delivered yet."""
    sites = block.sites
    whole = block.headcount[sites.acc_company]
    part = whole * sites.acc_to[:, None] // WHOLE - whole * sites.acc_from[:, None] // WHOLE
    place = sites.est_place[sites.acc_establishment]
    return _rows(
        [
            block.account,
            block.account_siret,
            block.name.take(pa.array(sites.acc_company)),
            pc.utf8_lower(pc.replace_substring(block.naf, ".", "")).take(pa.array(sites.acc_company)),
            text.pick([one.department[:2] for one in PLACES], place),
            *_months(part, whole < 0, late),
            "116",
            block.urssaf_columns(np.arange(len(place)))[0],
        ]
    )


def effectif_ent(block: Block, late: int) -> bytes:
    """One row for each company, one column for each month."""
    whole = block.headcount
    return _rows([block.siren, *_months(whole, whole < 0, late), block.name])


def comptes(block: Block) -> bytes:
    """Whose each account is; one in thirty belonged to another establishment long ago."""
    sites = block.sites
    accounts = np.arange(len(sites.acc_number))
    moved = sites.acc_number % 30 == 0
    account = np.repeat(accounts, np.where(moved, 2, 1))
    former = np.append(False, account[1:] == account[:-1])
    former = np.append(former[1:], False)  # the former holder comes first
    siret = block.account_siret.take(pa.array(account))
    siren = block.siren.take(pa.array(sites.acc_company[account]))
    created = block.created[sites.acc_company[account]]
    left = np.maximum(block.first_day(np.zeros(1, np.int64)) - _LONG_AGO, created + 1)
    return _rows(
        [
            *block.urssaf_columns(account),
            block.account.take(pa.array(account)),
            text.choose(former | (block.closed[sites.acc_company[account]] <= block.last_day), "3", "1"),
            siren,
            text.choose(former, text.join(siren, "00904"), siret),
            text.aammjj(created),
            text.blank(text.aammjj(np.broadcast_to(left, created.shape)), ~former),
        ]
    )


def _months(values: Ints, null: NDArray[np.bool_], late: int) -> list[Cells]:
    delivered = values.shape[1] - late
    return [
        text.blank(text.integer(np.ascontiguousarray(values[:, at])), null[:, at]) if at < delivered else ""
        for at in range(values.shape[1])
    ]


def _coded(values: NDArray[np.generic], codes: dict[str, str]) -> pa.Array:
    return pa.array([codes[str(value)] for value in values], pa.string())


def _rows(columns: list[Cells], *, without: int | None = None) -> bytes:
    return text.lines([column for at, column in enumerate(columns) if at != without], ";")
