"""What each partner sees of the made-up companies: columns of canonical rows, without any of the hidden truth.

Each function returns the rows of one dataset for one block: the position of the company in the block, then one array
per column of the schema.  Masked arrays are null where masked.  Amounts are whole cents and hours whole hundredths from
the start: the extracts of :mod:`vigie.synth` divide the same numbers among establishments and accounts, and what is
divided adds up again to the cent.
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
    """The observable course of a block; arrays are (axis, company) unless said otherwise, amounts in cents.

    A debt is a queue: ``claimed`` is all that was ever put in recovery by the end of a month, ``repaid`` all that left
    the debt again, oldest claims first.  What is owed is the difference.
    """

    visible: NDArray[np.bool_]
    persons: Floats
    due: Ints
    paid: Ints
    paid_unknown: NDArray[np.bool_]
    claimed: Ints
    repaid: Ints
    employee_part: Floats  # (company)
    monthly: Floats  # (company) usual contribution of a month, EUR
    quarterly: NDArray[np.bool_]  # (company) contributions are called by quarter
    bank_knows: NDArray[np.bool_]  # (company)
    labour_knows: NDArray[np.bool_]  # (company)

    @property
    def debt(self) -> Ints:
        """What is owed at month's end, in cents."""
        return self.claimed - self.repaid


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
    # Some always pay late and always pay: what they owe says nothing about what will become of them.
    careless = np.where(streams("careless").random(BLOCK) < 0.10, 0.3, 0.015)
    unpaid = np.where(miss < careless + 0.8 * companies.distress**1.5, part, 0.0) * np.maximum(due, 0.0)
    alive = (at <= companies.dies) & (at >= np.where(companies.born > BEFORE, companies.born, 0))
    contested = np.where(alive, _contested(streams, shape), 0.0) * companies.size * wage
    claimed, repaid = _debt(_cents(np.where(alive, unpaid, 0.0)), _cents(contested), companies)

    window = (at >= BEFORE) & (at < BEFORE + world.months)
    quarterly = (streams("quarterly").random(BLOCK) < 0.2) & (companies.size < 20.0)
    unknown = streams("paid-gap").random(shape) < 0.03
    return Traces(
        visible=window & (at >= companies.born) & (at <= companies.dies),
        persons=persons,
        due=_called(world, due, quarterly),
        paid=_called(world, due - unpaid, quarterly),
        paid_unknown=np.where(quarterly, unknown[np.maximum(_quarter_start(world), 0)], unknown),
        claimed=claimed,
        repaid=repaid,
        employee_part=streams("employee-part").uniform(0.2, 0.4, BLOCK),
        monthly=companies.size * wage,
        quarterly=quarterly,
        bank_knows=streams("bank-knows").random(BLOCK) < np.where(companies.size > 50.0, 0.85, 0.65),
        labour_knows=streams("labour-knows").random(BLOCK) < 0.35,
    )


def _cents(euros: Floats) -> Ints:
    return np.rint(100.0 * euros).astype(np.int64)


def _contested(streams: Streams, shape: tuple[int, ...]) -> Floats:
    """What an inspection has claimed and the company contests, in usual contributions of a month.

    It stands as it is until it is decided, in recovery all the while, and is no sign of anything.
    """
    begins = streams("contested").random(shape) < 0.001
    lasts = streams("contested-months").integers(6, 25, shape)
    return episodes(begins, lasts, streams("contested-amount").uniform(0.5, 5.0, shape))


def _debt(unpaid: Ints, contested: Ints, companies: Companies) -> tuple[Ints, Ints]:
    """All that was claimed and all that was repaid by the end of each month, in cents.

    A small balance is waived; what a liquidated company owes is written off in the month after its last.
    """
    before = np.vstack([np.zeros_like(contested[:1]), contested[:-1]])
    claimed = np.cumsum(unpaid + np.where(contested != before, contested, 0), axis=0)
    repaid = np.zeros_like(claimed)
    for month in range(1, len(claimed)):
        owed = claimed[month - 1] - repaid[month - 1]
        free = owed - contested[month - 1]
        kept = np.floor(free * (0.98 - 0.5 * (1.0 - companies.distress[month]) ** 2)).astype(np.int64)
        kept[(kept < 2500) | (month > companies.dies)] = 0
        kept += np.where(contested[month] == contested[month - 1], contested[month], 0)
        repaid[month] = repaid[month - 1] + owed - kept
    return claimed, repaid


def employee_share(traces: Traces, company: Ints, amount: Ints) -> Ints:
    """Employees' part of everything up to ``amount`` cents in the queue of claims of each ``company``.

    The part of a piece of the queue is the difference between its two ends, so the parts of pieces add up exactly.
    """
    return np.rint(traces.employee_part[company] * amount).astype(np.int64)


def _quarter_start(world: World) -> Ints:
    """Position of the first month of the quarter of each month of the axis; it may lie before the axis."""
    at = np.arange(world.axis)
    return at - (at + world.first - BEFORE) % 3


def _called(world: World, amount: Floats, quarterly: NDArray[np.bool_]) -> Ints:
    """Cents called for each month: a quarter that is called at once is spread evenly over its months."""
    starts = np.maximum(_quarter_start(world), 0)
    first, of = np.unique(starts, return_inverse=True)
    mean = np.add.reduceat(amount, first, axis=0) / np.diff(np.append(first, world.axis))[:, None]
    return np.rint(100.0 * np.where(quarterly, mean[of], amount)).astype(np.int64)


def _persons(world: World, companies: Companies, streams: Streams) -> Floats:
    at = np.arange(world.axis)[:, None]
    shrink = np.zeros_like(companies.distress)
    for month in range(1, len(shrink)):
        shrink[month] = 0.98 * shrink[month - 1] + 0.045 * companies.distress[month]
    noise = np.cumsum(streams("persons").normal(0.0, 0.008, companies.stress.shape), axis=0)
    trend = streams("growth").normal(0.01, 0.04, BLOCK) * (at - BEFORE) / 12.0
    course = np.log(companies.size) + trend + noise + world.season[:, companies.sector] - shrink
    return np.minimum(np.exp(course), 300_000.0)


def contributions(world: World, traces: Traces, _streams: Streams) -> Rows:
    """Contributions due and paid, month by month; 3 % of the payments are not delivered."""
    company, at = _rows(traces.visible)
    paid = np.ma.masked_array(traces.paid[at, company] / 100, traces.paid_unknown[at, company])
    return company, [first_day(world, at), traces.due[at, company] / 100, paid]


def debts(world: World, traces: Traces, _streams: Streams) -> Rows:
    """Both shares of the debt at month's end; zero is said, not left out."""
    company, at = _rows(traces.visible)
    claimed, repaid = traces.claimed[at, company], traces.repaid[at, company]
    employee = employee_share(traces, company, claimed) - employee_share(traces, company, repaid)
    return company, [first_day(world, at), employee / 100, (claimed - repaid - employee) / 100]


def headcount(world: World, companies: Companies, traces: Traces, streams: Streams) -> Rows:
    """Persons; 2 % of the months are not delivered."""
    company, at = _rows(traces.visible)
    gap = (streams("persons-gap").random(traces.persons.shape) < 0.02)[at, company]
    persons = np.rint(traces.persons[at, company]).astype(np.int64)
    # A liquidated company may have let everybody go before its last month is over: zero is a value.
    empty = streams("let-go").random(BLOCK) < 0.3
    persons[empty[company] & (at == companies.dies[company])] = 0
    return company, [first_day(world, at), np.ma.masked_array(persons, gap)]


def payment_plans(world: World, traces: Traces, streams: Streams) -> Rows:
    """Plans asked for by companies that owe more than about two months, one a year at most."""
    debt = traces.debt
    shape = debt.shape
    asked = (streams("plan").random(shape) < 0.15) & (debt > 150.0 * traces.monthly)
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
    amount = debt[at, company] / 100
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


@dataclass(frozen=True)
class Furlough:
    """Short-time work of a block, (axis, company); a request runs over months with the same ``start``.

    Attributes:
        under_way: months with a request that the ministry knows.
        start: position of the month in which the request under way began.
        staff: persons concerned.
        per_day: hours authorised for each day of the request, in hundredths of an hour.
        consumed: hours consumed in the month, in hundredths.
        unused: nothing was consumed.
    """

    under_way: NDArray[np.bool_]
    start: Ints
    staff: Ints
    per_day: Ints
    consumed: Ints
    unused: NDArray[np.bool_]


def furlough(world: World, companies: Companies, traces: Traces, streams: Streams) -> Furlough:
    """The requests of the third of companies that the ministry knows, and what is used of them."""
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
    # Every request has a share of its own: it begins where the share changes.
    begins = (share > 0.0) & (share != np.vstack([np.zeros(BLOCK), share[:-1]]))
    start = np.maximum.accumulate(np.where(begins, np.arange(len(share))[:, None], 0), axis=0)
    staff = np.maximum(np.rint(traces.persons * share), 1.0)
    hours = 100.0 * LEGAL_HOURS * 12.0 / 365.25 * streams("short-hours").uniform(0.2, 0.9, shape)
    per_day = np.rint(np.take_along_axis(staff * hours, start, axis=0)).astype(np.int64)
    used = streams("short-used").uniform(0.2, 1.0, shape)
    return Furlough(
        under_way=(share > 0.0) & traces.visible & traces.labour_knows,
        start=start,
        staff=staff.astype(np.int64),
        per_day=per_day,
        consumed=np.rint(per_day * days_in_month(world)[:, None] * used).astype(np.int64),
        unused=streams("short-unused").random(shape) < 0.15,
    )


def short_time_work(world: World, companies: Companies, traces: Traces, streams: Streams) -> Rows:
    """Hours authorised and consumed, in the months that have any."""
    made = furlough(world, companies, traces, streams)
    company, at = _rows(made.under_way)
    unused = made.unused[at, company]
    return company, [
        first_day(world, at),
        np.ma.masked_array(made.consumed[at, company] / 100, unused),
        made.per_day[at, company] * days_in_month(world)[at] / 100,
        np.ma.masked_array(made.staff[at, company].astype(np.float64), unused),
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


def first_day(world: World, at: Ints) -> Ints:
    """Days from 1970-01-01 to the first day of each month of the axis, or beyond it."""
    months = at + (world.first - BEFORE - 1970 * 12)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def days_in_month(world: World) -> Ints:
    """Number of days of each month of the axis."""
    return np.diff(first_day(world, np.arange(world.axis + 1)))


def _day_in_month(world: World, at: Ints, day: Ints) -> Ints:
    return first_day(world, at) + day - 1
