"""The lots of this partner as values, and which of them count now (protocol section 5)."""

from collections.abc import Iterable
from dataclasses import dataclass

from vigie import bodies, statement


@dataclass(frozen=True)
class OwnLot:
    """One lot that this partner committed.

    Attributes:
        body: the typed body of the lot statement.
        digest: the statement's digest, by which orders name the lot.
        statement: the signed statement, as committed.
        receipt: the hub's first receipt (a tlog-proof).
        withdrawn: its epoch was withdrawn: no key opens it any more, and it counts for nothing.
    """

    body: bodies.Lot
    digest: bytes
    statement: bytes
    receipt: bytes
    withdrawn: bool = False

    @classmethod
    def read(cls, raw: bytes, receipt: bytes, withdrawn: bool = False) -> "OwnLot":
        """Read a lot statement; its signer has been judged by the caller.

        Raises:
            MalformedStatement: not a lot.
        """
        opened = statement.parse(raw, kind="lot")
        return cls(bodies.read(opened, bodies.Lot), opened.digest, raw, receipt, withdrawn)


def current(lots: Iterable[OwnLot]) -> tuple[OwnLot, ...]:
    """Return the lots that count: for each dataset the last snapshot and the deltas based on it.

    Args:
        lots: in the order in which they were committed. A delta that a later one supersedes is out; so is one whose
            base is not, or no longer, current. A withdrawn lot does not count, nor does one that it took the place of.
    """
    standing: dict[str, list[OwnLot]] = {}
    for lot in lots:
        kept = standing.setdefault(lot.body.dataset, [])
        if lot.body.delivery == "snapshot":
            kept[:] = [lot]
        elif lot.body.base in {other.body.lot for other in kept}:
            kept[:] = [other for other in kept if other.body.lot != lot.body.supersedes]
            kept.append(lot)
    return tuple(lot for kept in standing.values() for lot in kept if not lot.withdrawn)
