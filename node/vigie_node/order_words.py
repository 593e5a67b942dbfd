"""An order in words: what would be computed, on which lots, by which code, for whom, and until when.

Every sentence comes from the order, the convention and what this node read in the journal, so that the words cannot say
something else than what is decided on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vigie.bodies import ORDER_GRACE, Order
from vigie.clock import parse_time, stamp
from vigie.convention import Convention, Grant
from vigie.convention.parts import (
    LEVELS,
    Purpose,
)
from vigie_node.known import KnownOrder
from vigie_node.order_checks import TRAIN
from vigie_node.own_lots import OwnLot, current
from vigie_node.seen import SeenLot

_ROWS = {"all": "every company that it knows itself", "alerted": "companies under alert that it knows itself"}


@dataclass(frozen=True)
class Background:
    """What this node knows beside the order and the convention.

    Attributes:
        member: this member's name.
        others: lots of the order that this node read of in the journal, by statement digest.
        approved: for each measurement the members that approved it.
        newest: measurement of the last evidence in the journal; None when there was none.
        releases: how many releases were made under this order, and how many a decision allows.
    """

    member: str = ""
    others: Mapping[bytes, SeenLot] = field(default_factory=dict)
    approved: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)
    newest: bytes | None = None
    releases: tuple[int, int] = (0, 0)


def sentences(
    order: KnownOrder, convention: Convention, own_lots: tuple[OwnLot, ...], about: Background, now: datetime
) -> Iterator[str]:
    """Yield what a person must know before deciding, one thing per sentence.

    Args:
        order: as recorded when it was announced.
        convention: the current one.
        own_lots: every lot of this partner, in the order of commitment.
        about: what else this node knows.
        now: current time.
    """
    body = order.body
    purpose = convention.purposes.get(body.purpose)
    if purpose is None:
        yield f"The purpose {body.purpose} is not in the current convention: this node refuses."
    else:
        yield f"Purpose: {purpose.title} ({purpose.name}); it computes {', '.join(purpose.outputs)}."
        yield f"It may use these datasets: {', '.join(purpose.datasets)}."
    yield f"Period: {body.period}, pseudonym epoch {body.epoch}."
    if body.model != TRAIN:
        yield f"It scores with the model {body.model}, and asks custodians for their shares of its key."
    yield from _lots(body, own_lots, about)
    yield from _code(convention, about)
    if purpose is not None:
        yield from _level(convention, purpose, about)
        yield from _recipients(convention, purpose)
    yield from _expiry(order, body, purpose, about, now)


def _lots(body: Order, own_lots: tuple[OwnLot, ...], about: Background) -> Iterator[str]:
    named = [lot for lot in own_lots if lot.digest in body.lots]
    counting = {lot.digest for lot in current(own_lots)}
    if named:
        yield f"It opens {len(named)} of this partner's lots (of {len(body.lots)} in all):"
    else:
        yield "It opens none of this partner's lots."
    for lot in named:
        past = " – WITHDRAWN" if lot.withdrawn else "" if lot.digest in counting else " – SUPERSEDED"
        said = lot.body
        yield f"  yours: {_lot(said)}, lot {said.lot.hex()[:12]}{past}"
    mine = {lot.digest for lot in named}
    others = {digest: about.others[digest] for digest in body.lots if digest in about.others and digest not in mine}
    for other in sorted(others.values(), key=lambda one: (one.partner, one.dataset, one.period)):
        yield f"  of {other.partner}: {_lot(other)}"
    if unknown := len(body.lots) - len(mine) - len(others):
        yield f"  {unknown} of others that this node has not read of in the journal yet"


def _lot(lot: object) -> str:
    dataset, delivery, period = (getattr(lot, name) for name in ("dataset", "delivery", "period"))
    as_of, rows = (getattr(lot, name) for name in ("as_of", "rows_class"))
    return f"{dataset}, {delivery} for {period}, as of {as_of}, at most about {rows} rows"


def _code(convention: Convention, about: Background) -> Iterator[str]:
    wanted = convention.enclave.approvals
    yield (
        f"By which code: only an enclave whose measurement this member and at least {wanted} organisations approved "
        f"(platform {', '.join(convention.enclave.platforms)}; layers {', '.join(convention.enclave.layers) or 'none'})."
    )
    approved = {
        measurement: [name for name in members if name in convention.members]
        for measurement, members in about.approved.items()
    }
    shown = [one for one in approved if about.member in approved[one] or one == about.newest]
    if about.newest is not None and about.newest not in shown:
        shown.append(about.newest)
    if not shown:
        yield "  This member has approved no measurement yet: nothing would be released."
    for measurement in shown:
        members = approved.get(measurement, [])
        organisations = {convention.organisation_of(name) for name in members}
        enough = len(organisations) >= wanted and about.member in members
        yield (
            f"  measurement {measurement.hex()[:16]}: approved by {', '.join(members) or 'nobody'} "
            f"({len(organisations)} of {wanted} organisations{', enough' if enough else ', NOT ENOUGH'})"
            + ("; the last one that the hub showed" if measurement == about.newest else "")
        )


def _level(convention: Convention, purpose: Purpose, about: Background) -> Iterator[str]:
    mine = [name for name in purpose.datasets if name in convention.owned_datasets(about.member)]
    levels = [convention.enclave.minimum_level, *(convention.datasets[name].minimum_level for name in mine)]
    yield f"Assurance: level {max(levels, key=LEVELS.index)} or better, or this node refuses."


def _recipients(convention: Convention, purpose: Purpose) -> Iterator[str]:
    grants = convention.grants_of(purpose.name)
    yield f"Results go to: {', '.join(sorted({grant.recipient for grant in grants})) or 'nobody'}."
    for grant in grants:
        yield f"  {grant.recipient} ({grant.name}), about {_ROWS.get(grant.rows, grant.rows)}: {_seen(convention, grant)}"


def _seen(convention: Convention, grant: Grant) -> str:
    said = []
    lacking = sorted(convention.purpose_labels(grant.purpose) - grant.labels)
    for output in convention.purposes[grant.purpose].outputs:
        if output not in grant.columns:
            said.append(f"no {output}")
        elif output == "reasons":
            behind = ", ".join(sorted(grant.labels)) or "public data alone"
            said.append(f"reasons out of {behind}" + (f", never out of {', '.join(lacking)}" if lacking else ""))
        elif convention.is_declassified(grant.purpose, output):
            said.append(f"{output} (freed by all signatories, whatever its sources)")
        elif convention.may_receive(grant.name, output):
            said.append(output)
        else:
            said.append(f"no {output}, which derives from {', '.join(lacking)}")
    return "; ".join(said)


def _expiry(order: KnownOrder, body: Order, purpose: Purpose | None, about: Background, now: datetime) -> Iterator[str]:
    yield f"Made {body.created}, announced {order.announced:%Y-%m-%dT%H:%M:%SZ}, deadline {body.deadline}."
    deadline = parse_time(body.deadline)
    if purpose is not None:
        missed = "the deadline is past" if deadline < now else "without an answer by then"
        if about.member in purpose.required:
            yield f"Expiry: {missed}, there is no run: the purpose requires this member."
        else:
            yield f"Expiry: {missed}, the run goes on without this member's lots, and says so."
    yield f"An approval ends with the order: nothing is released after {stamp(deadline + ORDER_GRACE)}."
    done, most = about.releases
    if most:
        yield f"Releases so far under this order: {done}; a decision allows {most}."
