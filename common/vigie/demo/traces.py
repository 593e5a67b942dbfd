"""What each partner sees of the made-up companies: columns of canonical rows, without any of the hidden truth.

Each function returns the rows of one dataset for one block: the position of the company in the block, then one array
per column of the schema.  Masked arrays are null where masked.  Amounts are rounded to cents, hours to hundredths, so
that the content does not hang on the last bit of a platform's logarithm.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vigie.datasets import BUILT_IN
from vigie.datasets.ratios import FILING_LAG_MONTHS
from vigie.demo.process import BEFORE, BLOCK, LIQUIDATION, NEVER, Companies, Floats, Ints, Streams, World, episodes

Column = NDArray[np.generic] | np.ma.MaskedArray
Rows = tuple[Ints, list[Column]]

LEGAL_HOURS: Final = 151.67
_PROCEEDINGS: Final = BUILT_IN["proceedings"]
_ACTIONS: Final = np.array(_PROCEEDINGS.column("action").categories)
_STAGES: Final = _PROCEEDINGS.column("stage").categories
_CLOSING_MONTHS: Final = (12, 6, 9, 3)
_CLOSING_SHARES: Final = (0.72, 0.10, 0.12, 0.06)
_YEARS_BEFORE: Final = 24
"""Accounts closed up to this many months before the first visible month are known."""


@dataclass(frozen=True)
class Traces:
    """The observable course of a block; arrays are (axis, company) unless said otherwise."""

    visible: NDArray[np.bool_]
    persons: Floats
    due: Floats
    paid: Floats
    debt: Floats
    employee_part: Floats  # (company)
    monthly: Floats  # (company) usual contribution of a month
    bank_knows: NDArray[np.bool_]  # (company)
    labour_knows: NDArray[np.bool_]  # (company)


def observe(world: World, companies: Companies, streams: Streams) -> Traces:
    """The course that follows from the hidden one."""
    persons = _persons(world, companies, streams)
    shape = persons.shape
    at = np.arange(world.axis)[:, None]
    calendar = (at + world.first - BEFORE) % 12
    wage = world.wage[companies.sector] * streams("wage").uniform(0.8, 1.25, BLOCK)
    bonus = np.where(calendar == 11, 1.2, np.where(calendar == 5, 1.08, 1.0))
    due = np.rint(persons) * wage * bonus * np.exp(streams("due").normal(0.0, 0.03, shape))
    # A regularisation turns a month's contribution negative now and then, as in real extracts.
    due = np.where(streams("regularised").random(shape) < 0.002, -0.3 * due, due)

    miss = streams("miss").random(shape)
    part = streams("unpaid").uniform(0.3, 1.0, shape)
    unpaid = np.where(miss < 0.012 + 0.9 * companies.distress**1.2, part, 0.0) * np.maximum(due, 0.0)
    debt = np.zeros(shape)
    for month in range(1, len(debt)):
        kept = debt[month - 1] * (0.98 - 0.5 * (1.0 - companies.distress[month]) ** 2)
        debt[month] = np.where(kept < 25.0, 0.0, kept) + unpaid[month]

    window = (at >= BEFORE) & (at < BEFORE + world.months)
    return Traces(
        visible=window & (at >= companies.born) & (at <= companies.dies),
        persons=persons,
        due=due,
        paid=due - unpaid,
        debt=debt,
        employee_part=streams("employee-part").uniform(0.2, 0.4, BLOCK),
        monthly=companies.size * wage,
        bank_knows=streams("bank-knows").random(BLOCK) < np.where(companies.size > 50.0, 0.85, 0.65),
        labour_knows=streams("labour-knows").random(BLOCK) < 0.35,
    )


def _persons(world: World, companies: Companies, streams: Streams) -> Floats:
    at = np.arange(world.axis)[:, None]
    shrink = np.zeros_like(companies.distress)
    for month in range(1, len(shrink)):
        shrink[month] = 0.98 * shrink[month - 1] + 0.045 * companies.distress[month]
    noise = np.cumsum(streams("persons").normal(0.0, 0.008, companies.stress.shape), axis=0)
    trend = streams("growth").normal(0.01, 0.04, BLOCK) * (at - BEFORE) / 12.0
    course = np.log(companies.size) + trend + noise + world.season[:, companies.sector] - shrink
    return np.minimum(np.exp(course), 300_000.0)


def contributions(world: World, traces: Traces, streams: Streams) -> Rows:
    """Contributions due and paid, month by month; 3 % of the payments are not delivered."""
    company, at = _rows(traces.visible)
    gap = (streams("paid-gap").random(traces.due.shape) < 0.03)[at, company]
    paid = np.ma.masked_array(np.round(traces.paid[at, company], 2), gap)
    return company, [_first_day(world, at), np.round(traces.due[at, company], 2), paid]


def debts(world: World, traces: Traces, _streams: Streams) -> Rows:
    """Both shares of the debt at month's end; zero is said, not left out."""
    company, at = _rows(traces.visible)
    debt, part = traces.debt[at, company], traces.employee_part[company]
    return company, [_first_day(world, at), np.round(debt * part, 2), np.round(debt * (1.0 - part), 2)]


def headcount(world: World, traces: Traces, streams: Streams) -> Rows:
    """Persons; 2 % of the months are not delivered."""
    company, at = _rows(traces.visible)
    gap = (streams("persons-gap").random(traces.persons.shape) < 0.02)[at, company]
    persons = np.rint(traces.persons[at, company]).astype(np.int64)
    return company, [_first_day(world, at), np.ma.masked_array(persons, gap)]


def payment_plans(world: World, traces: Traces, streams: Streams) -> Rows:
    """Plans asked for by companies that owe more than about two months, one a year at most."""
    shape = traces.debt.shape
    asked = (streams("plan").random(shape) < 0.15) & (traces.debt > 1.5 * traces.monthly)
    last = np.full(shape[1], -NEVER)
    for month in range(shape[0]):
        asked[month] &= month - last >= 12
        last = np.where(asked[month], month, last)
    company, at = _rows(asked & traces.visible)
    created = _day_in_month(world, at, streams("plan-day").integers(1, 29, shape)[at, company])
    days = streams("plan-days").integers(90, 731, shape)[at, company]
    action = np.where(streams("plan-action").random(shape)[at, company] < 0.97, "stay_of_enforcement", "ccsf")
    stage = np.array(["approved", "pr", "pro_pr"])[
        np.searchsorted(np.array([0.77, 0.88]), streams("plan-stage").random(shape)[at, company])
    ]
    amount = np.round(traces.debt[at, company], 2)
    return company, [created, created + days, days, amount, action, stage]


def proceedings(world: World, companies: Companies, streams: Streams) -> Rows:
    """The first judgment of a failing company, and the plan or liquidation in which it ends."""
    day = streams("judgment-day").integers(1, 29, (2, BLOCK))
    end = BEFORE + world.months
    opened = np.flatnonzero((companies.fails >= BEFORE) & (companies.fails < end))
    settled = np.flatnonzero((companies.settled >= BEFORE) & (companies.settled < end))
    liquidated = companies.dies[settled] < NEVER
    company = np.concatenate([opened, settled])
    at = np.concatenate([companies.fails[opened], companies.settled[settled]])
    days = np.concatenate([day[0, opened], day[1, settled]])
    action = np.concatenate([companies.action[opened], np.where(liquidated, LIQUIDATION, companies.action[settled])])
    plan = np.concatenate([np.zeros(len(opened), bool), ~liquidated])
    order = np.lexsort((at, company))
    stage = np.where(plan, _STAGES[1], _STAGES[0])
    effective = _day_in_month(world, at, days)
    return company[order], [effective[order], _ACTIONS[action][order], stage[order]]


def short_time_work(world: World, companies: Companies, traces: Traces, streams: Streams) -> Rows:
    """Hours authorised and consumed by the third of companies that the ministry knows, in the months that have any."""
    shape = traces.persons.shape
    leaning = world.exposure[companies.sector]
    wish = leaning * (0.006 + 0.5 * world.crisis[:, None]) + 0.12 * companies.distress
    starts = streams("short").random(shape) < wish
    # A company is known because it asked at least once: in one of its first months when chance did not make it.
    first = np.minimum(companies.born + streams("short-first").integers(0, 6, BLOCK), companies.dies)
    first = np.minimum(first, BEFORE + world.months - 1)
    starts[first, np.arange(BLOCK)] = True
    share = episodes(
        starts, streams("short-months").integers(1, 7, shape), streams("short-share").uniform(0.1, 1.0, shape)
    )
    company, at = _rows((share > 0.0) & traces.visible & traces.labour_knows)
    staff = np.maximum(np.rint(traces.persons[at, company] * share[at, company]), 1.0)
    authorised = staff * LEGAL_HOURS * streams("short-hours").uniform(0.2, 0.9, shape)[at, company]
    consumed = authorised * streams("short-used").uniform(0.2, 1.0, shape)[at, company]
    unused = streams("short-unused").random(shape)[at, company] < 0.15
    return company, [
        _first_day(world, at),
        np.ma.masked_array(np.round(consumed, 2), unused),
        np.round(authorised, 2),
        np.ma.masked_array(staff, unused),
    ]


def ratios(world: World, companies: Companies, traces: Traces, streams: Streams) -> Rows:
    """Yearly accounts that are known by the last visible month, for the companies that the Banque de France knows."""
    months = streams("closing").choice(_CLOSING_MONTHS, p=_CLOSING_SHARES, size=BLOCK)
    habit = streams("ratio-habit").normal(size=(6, BLOCK))
    begin, end = world.first - _YEARS_BEFORE, world.first + world.months - 1 - FILING_LAG_MONTHS
    years = range(begin // 12, end // 12 + 1)
    noise = streams("ratio-noise").standard_t(5.0, (len(years), 6, BLOCK)) * 0.5
    gaps = streams("ratio-gap").random((len(years), 6, BLOCK)) < 0.03
    missing = streams("ratio-missing").random((len(years), BLOCK)) < 0.05
    parts: list[Rows] = []
    for closing in range(begin, end + 1):
        at, year = closing - world.first + BEFORE, closing // 12 - years[0]
        alive = (at <= companies.dies) & (at >= np.where(companies.born > BEFORE, companies.born + 6, 0))
        known = traces.bank_knows & (months == closing % 12 + 1) & alive & ~missing[year]
        company = np.flatnonzero(known)
        stress = companies.stress[max(at - 11, 0) : at + 1, company].mean(axis=0)
        distress = companies.distress[max(at - 5, 0) : at + 1, company].mean(axis=0)
        values = _accounts(stress, distress, habit[:, company] + noise[year][:, company])
        fiscal_year = np.full(len(company), closing // 12 - (closing % 12 < 6))
        columns: list[Column] = [
            np.full(len(company), _days(closing + 1) - 1),
            np.full(len(company), _days(closing + FILING_LAG_MONTHS)),
            fiscal_year,
            *(np.ma.masked_array(np.round(value, 3), gaps[year, at_][company]) for at_, value in enumerate(values)),
        ]
        parts.append((company, columns))
    return _together(parts)


def _accounts(stress: Floats, distress: Floats, own: Floats) -> list[Floats]:
    """The six ratios in the order of the schema, from the stress of a year and what is the company's own."""
    return [
        18.0 + 14.0 * own[0] - 9.0 * stress - 12.0 * distress,
        24.0 + 16.0 * own[1] - 8.0 * stress - 15.0 * distress,
        np.maximum(52.0 + 15.0 * own[2] + 7.0 * stress + 20.0 * distress, 0.0),
        28.0 + 9.0 * own[3] + 5.0 * stress + 14.0 * distress,
        np.maximum(1.0 + 3.0 * own[4] + 2.5 * stress + 5.0 * distress, 0.0),
        5.0 + 4.0 * own[5] + 3.0 * stress + 7.0 * distress,
    ]


def _rows(mask: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Company and month of every true cell, company by company."""
    company, at = np.nonzero(mask.T)
    return company, at


def _together(parts: list[Rows]) -> Rows:
    """Rows of several parts, company by company, each in the order of its parts."""
    company = np.concatenate([part[0] for part in parts])
    order = np.argsort(company, kind="stable")
    width = len(parts[0][1])
    columns: list[Column] = []
    for at in range(width):
        values = np.concatenate([np.ma.getdata(part[1][at]) for part in parts])
        null = np.concatenate([np.ma.getmaskarray(part[1][at]) for part in parts])
        columns.append(np.ma.masked_array(values[order], null[order]))
    return company[order], columns


def _days(month: int) -> int:
    """Days from 1970-01-01 to the first day of a month given as year x 12 + month - 1."""
    return int(np.datetime64(month - 1970 * 12, "M").astype("datetime64[D]").astype(np.int64))


def _first_day(world: World, at: Ints) -> Ints:
    months = at + (world.first - BEFORE - 1970 * 12)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _day_in_month(world: World, at: Ints, day: Ints) -> Ints:
    return _first_day(world, at) + day - 1
