"""``sigfaible_debits.csv``: what is owed, as the history of each *écart négatif*.

The debt of a company is a queue of claims, the oldest paid first (:class:`vigie.demo.traces.Traces`).  Each claim is
divided among the accounts of the company; every such piece is one écart négatif, and each payment that reaches it adds
a row with what is left of it.  The rows that stand at a month's end therefore add up to the debt of that month.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vigie.demo.process import BEFORE, BLOCK
from vigie.demo.traces import employee_share
from vigie.synth import text
from vigie.synth.block import Block, Ints

_FAR: Final = 1 << 47
"""More cents than a company ever owes: keeps the queues of companies apart on one line."""
_REASONS: Final = ("24", "1", "2", "25", "3", "5", "12", "26")
_PUT_IN_RECOVERY, _PAYMENT, _WRITTEN_OFF, _WAIVED = 1, 2, 3, 5
_RULE_DAY: Final = 20
"""What is treated after this day counts in the next month."""


@dataclass(frozen=True)
class _Pieces:
    """Écarts négatifs, company by company; ``begin`` and ``end`` are places in the company's queue, in cents."""

    company: Ints
    at: Ints  # month of the claim
    account: Ints
    begin: Ints
    end: Ints


@dataclass(frozen=True)
class _Events:
    """Rows of the file: the piece, the month in which it counts, how far the queue is paid, and what happened."""

    piece: Ints
    at: Ints
    paid: Ints
    code: Ints


def debit(block: Block, *, legacy: bool = False) -> bytes:
    """Every event of the écarts négatifs that are still open in the first visible month, or later."""
    pieces = _pieces(block)
    events = _events(block, pieces)
    company, account = pieces.company[events.piece], pieces.account[events.piece]
    begin, end = pieces.begin[events.piece], pieces.end[events.piece]
    from_ = np.clip(events.paid, begin, end)
    employee = employee_share(block.traces, company, end) - employee_share(block.traces, company, from_)
    number = np.arange(len(events.piece))
    begins = np.append(True, events.piece[1:] != events.piece[:-1])[: len(number)]
    history = number - np.maximum.accumulate(np.where(begins, number, 0)) + 1
    period, quarter, ecn = _period(block, pieces)
    reason = (pieces.begin // 100 + pieces.at + pieces.account) % len(_REASONS)
    failed = block.companies.fails[company] <= block.last
    columns = [
        *block.urssaf_columns(account),
        block.account.take(pa.array(account)),
        block.siren.take(pa.array(company)),
        block.account_siret.take(pa.array(account)),
        text.compact(block.created[company]),
        text.choose(block.closed[company] <= block.last_day, "3", "1"),
        text.choose(failed, "1", "0"),
        text.period(period[events.piece], quarter=quarter[events.piece]),
        text.integer(ecn[events.piece]),
        text.integer(history),
        text.aammjj(_treated(block, company, events)),
        text.integer(employee),
        text.integer(end - from_ - employee),
        text.integer(events.code),
        text.pick(_REASONS, reason[events.piece]),
        text.choose((pieces.begin[events.piece] // 100) % 50 == 7, "1", "0"),
    ]
    if legacy:
        del columns[4]
    return text.lines(columns, ";")


def _pieces(block: Block) -> _Pieces:
    claimed = block.traces.claimed[: block.last + 1, : block.count]
    new = np.diff(claimed, axis=0, prepend=0)
    company, at = np.nonzero(new.T)
    amount = new[at, company]
    row, account = block.sites.spread(company)
    start = claimed[at, company] - amount
    begin, end = block.sites.between(account, amount[row])
    some = end > begin
    row, account = row[some], account[some]
    return _Pieces(company[row], at[row], account, start[row] + begin[some], start[row] + end[some])


def _events(block: Block, pieces: _Pieces) -> _Events:
    repaid = block.traces.repaid[: block.last + 1, : block.count]
    before = np.vstack([np.zeros((1, block.count), np.int64), repaid[:-1]])
    payer, month = np.nonzero((repaid > before).T)
    until, since = repaid[month, payer], before[month, payer]
    line = payer * _FAR + until
    first = np.searchsorted(line, pieces.company * _FAR + pieces.begin, side="right")
    last = np.searchsorted(line, pieces.company * _FAR + pieces.end, side="left")
    stop = np.searchsorted(line, (pieces.company + 1) * _FAR, side="left")
    count = np.maximum(np.minimum(last + 1, stop) - first, 0)
    # What was paid off before the first visible month is no longer in the extract.
    open_ = np.append(month, 0)[np.minimum(last, len(month))] >= BEFORE
    count, shown = np.where(open_ | (last >= stop), count, 0), open_ | (last >= stop)

    piece = np.repeat(np.arange(len(count)), count)
    payment = first[piece] + np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count)
    at, company = month[payment], payer[payment]
    gone = until[payment] == block.traces.claimed[at - 1, company]
    code = np.where(gone, _WAIVED, _PAYMENT)
    code = np.where(at > block.companies.dies[company], _WRITTEN_OFF, code)
    # Some months see two payments: two rows of one day, of which the later number counts.
    twice = np.flatnonzero(
        (block.streams("debit-twice").random(block.traces.repaid.shape)[at, company] < 0.06) & (code == _PAYMENT)
    )
    claims = np.flatnonzero(shown)
    parts = (
        _Events(claims, pieces.at[claims], pieces.begin[claims], np.full(len(claims), _PUT_IN_RECOVERY)),
        _Events(
            piece[twice],
            at[twice],
            until[payment[twice]] - (until - since)[payment[twice]] // 2,
            np.full(len(twice), _PAYMENT),
        ),
        _Events(piece, at, until[payment], code),
    )
    joined = _Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Events.__annotations__))
    order = np.lexsort((np.repeat(np.arange(3), [len(part.piece) for part in parts]), joined.at, joined.piece))
    return _Events(joined.piece[order], joined.at[order], joined.paid[order], joined.code[order])


def _period(block: Block, pieces: _Pieces) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """Month or quarter for which each piece is owed, the last one that fell due, and its number within it."""
    quarter = block.traces.quarterly[pieces.company]
    month = block.month(pieces.at)
    period = np.where(quarter, month - month % 3 - 3, month - 1)
    of_quarter = np.where(quarter, month % 3, 0)
    return period, quarter, 100 * (2 * of_quarter + block.sites.acc_ordinal[pieces.account] + 1) + 1


def _treated(block: Block, company: Ints, events: _Events) -> Ints:
    """A day from the 21st of the month before to the 20th, but a claim is made in its own month."""
    day = block.streams("debit-day").integers(0, 28, (len(block.traces.claimed), BLOCK))[events.at, company]
    day = np.where(events.code == _PUT_IN_RECOVERY, day % _RULE_DAY, day)
    return block.first_day(events.at - (day >= _RULE_DAY)) + day
