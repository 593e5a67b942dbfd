"""The ministry of Labour's files: requests for short-time work, and the hours consumed month by month."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from vigie.demo.process import BLOCK
from vigie.synth import text
from vigie.synth.block import Block, Ints
from vigie.synth.text import Text

DATE_FIN_CHANGED: Final = 2025 * 12 + 8
"""Since September 2025 DATE_FIN is a date; before, midnight was written after it."""
UNKNOWN_REASON: Final = "6"
_REASONS: Final = ("1", "1", "1", "2", "3", "4", "5", "5")
_CENTS_PER_HOUR: Final = 774


@dataclass(frozen=True)
class Requests:
    """Requests of a block, company by company; hours in hundredths."""

    company: Ints
    establishment: Ints
    number: Ints  # of the request among those of its company
    at: Ints  # month in which it begins
    begins: Ints  # days since 1970-01-01, both included
    ends: Ints
    hours: Ints
    reason: Text


@dataclass(frozen=True)
class Consumption:
    """Rows of consumption; ``request`` is a row of the requests."""

    request: Ints
    at: Ints
    hours: Ints
    staff: Ints


def short_time_work(block: Block) -> tuple[Requests, Consumption]:
    """Requests and their consumption.

    A run of months under one request is sometimes asked for in two requests that overlap: together they cover the same
    days and carry the same hours.  A few requests have an unknown reason; they count for nothing.
    """
    made = block.furlough
    company, at = np.nonzero(made.under_way[:, : block.count].T)
    start = made.start[at, company]
    new = np.append(True, (np.diff(company) != 0) | (np.diff(start) != 0) | (np.diff(at) != 1))[: len(at)]
    run, head = np.cumsum(new) - 1, np.flatnonzero(new)
    tail = np.append(head[1:], len(at))[: len(head)] - 1
    who, since = company[head], at[head]
    begins, ends = block.first_day(since), block.first_day(at[tail] + 1) - 1
    days = ends - begins + 1
    hours = made.per_day[since, who] * days
    shape = (len(made.start), BLOCK)
    twice = block.streams("short-overlap").random(shape)[since, who] < 0.25
    unknown = block.streams("short-unknown").random(shape)[since, who] < 0.03
    which = np.floor(block.streams("short-site").random(shape)[since, who] * block.sites.establishments[who])
    reason = block.streams("short-reason").integers(0, len(_REASONS), shape)[since, who]

    order = np.arange(len(head)) - np.searchsorted(who, who)
    # Of each run: the request, the second one that overlaps it, the one of unknown reason.
    there = np.stack([np.ones(len(head), bool), twice, unknown], axis=1)
    row, kind = np.nonzero(there)
    place = np.cumsum(there.reshape(-1)).reshape(there.shape) - 1
    first_ends = np.where(twice, begins + days * 6 // 10, ends)
    second_begins = begins + days * 4 // 10
    first_hours = np.where(twice, hours * 55 // 100, hours)
    requests = Requests(
        company=who[row],
        establishment=block.sites.headquarters[who[row]] + which[row].astype(np.int64),
        number=3 * order[row] + kind,
        at=since[row],
        begins=np.where(kind == 1, second_begins[row], begins[row]),
        ends=np.where(kind == 0, first_ends[row], ends[row]),
        hours=np.choose(kind, [first_hours[row], (hours - first_hours)[row], hours[row] // 3]),
        reason=text.choose(kind == 2, UNKNOWN_REASON, text.pick(_REASONS, reason[row])),
    )
    used = ~made.unused[at, company]
    late = twice[run] & (block.first_day(at) > first_ends[run])
    request = place[run, late.astype(np.int64)]
    consumption = Consumption(request[used], at[used], made.consumed[at, company][used], made.staff[at, company][used])
    return requests, consumption


def apdemande(block: Block, requests: Requests, consumption: Consumption) -> bytes:
    """Rows of ``demande_ap.csv``."""
    many = len(requests.company)
    total = np.bincount(consumption.request, consumption.hours, many).astype(np.int64)
    staff = np.bincount(consumption.request, consumption.staff, many).astype(np.int64)
    persons = np.rint(block.traces.persons[requests.at, requests.company]).astype(np.int64)
    share = np.maximum(persons // block.sites.establishments[requests.company], 1)
    old = block.month(np.array([block.last]))[0] < DATE_FIN_CHANGED
    return text.lines(
        [
            *_whose(block, requests),
            _count(persons),
            _count(share),
            text.quote(text.iso(requests.begins - 9)),
            text.quote(text.iso(requests.begins)),
            text.quote(text.join(text.iso(requests.ends), " 00:00:00" if old else "")),
            text.shortest(requests.hours, 2),
            text.shortest(requests.hours * _CENTS_PER_HOUR // 100, 2),
            _count(np.maximum(block.furlough.staff[requests.at, requests.company], 1)),
            text.quote(requests.reason),
            text.quote(text.integer(requests.begins % 4 + 1)),
            text.shortest(total, 2),
            _count(staff),
            text.shortest(total * _CENTS_PER_HOUR // 100, 2),
            text.quote(text.integer(np.minimum(requests.number // 3 + 1, 3))),
        ],
        ",",
    )


def apconso(block: Block, requests: Requests, consumption: Consumption) -> bytes:
    """Rows of ``consommation_ap.csv``."""
    whose = [column.take(pa.array(consumption.request)) for column in _whose(block, requests)]
    return text.lines(
        [
            *whose,
            text.shortest(consumption.hours, 2),
            text.shortest(consumption.hours * _CENTS_PER_HOUR // 100, 2),
            _count(consumption.staff),
            text.quote(text.iso(block.first_day(consumption.at))),
        ],
        ",",
    )


def _whose(block: Block, requests: Requests) -> list[Text]:
    letter = text.pick("defghijklmnopqrstuvwxyz", np.minimum(requests.number // 100, 22))
    digits = (block.first + requests.company) * 100 + requests.number % 100
    return [
        text.quote(text.join(letter, text.padded(digits, 10))),
        text.quote(block.siret.take(pa.array(requests.establishment))),
    ]


def _count(values: Ints) -> Text:
    return text.join(text.integer(values), ".0")
