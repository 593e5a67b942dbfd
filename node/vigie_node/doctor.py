"""What is wrong with this node, in words, and what to do about it.

`diagnose` is pure: observations in, findings out, one for each thing that can be wrong. :mod:`vigie_node.examination`
makes the observations – it opens the folder, tries the passphrase, knocks at the hub's door.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vigie.convention import Convention
from vigie.errors import VigieError
from vigie.hardware.model import ends_soon

CLOCK_TOLERANCE: Final = 30
"""Seconds by which this clock and the hub's may differ; challenges live for 300."""
CERTIFICATE_NOTICE: Final = timedelta(days=60)
"""A certificate or a convention that ends sooner than this is worth a word."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: stable word.
        wrong: whether something must be done.
        said: what was found, a sentence.
        todo: what to do; empty when nothing.
    """

    name: str
    wrong: bool
    said: str
    todo: str = ""


@dataclass(frozen=True)
class Knock:
    """What happened at the hub's door.

    Attributes:
        address: ``host:port`` that was tried.
        unreachable: why no TCP connection or TLS greeting was possible; None when it was.
        presented: SHA-256 of the certificate that was presented there.
        refused: the error of a first call made with this member's certificate; None when it was answered.
    """

    address: str
    unreachable: str | None = None
    presented: bytes | None = None
    refused: VigieError | None = None


@dataclass(frozen=True)
class Attendance:
    """The daemon's last word about its connection.

    Attributes:
        running: a process runs this node right now.
        state: ``attending``, ``lost``, ``stopped``, or None when it never ran.
        since: when, as text.
        reason: why the connection was lost.
        clock_offset: the hub's clock minus this node's, in seconds, when last welcomed.
        hub_convention: digest of the hub's convention, when last welcomed.
    """

    running: bool
    state: str | None = None
    since: str = ""
    reason: str = ""
    clock_offset: int | None = None
    hub_convention: bytes | None = None


@dataclass(frozen=True)
class Observations:
    """Everything that was observed. What could not be observed, because something before it is wrong, is None.

    Attributes:
        opening: the error that keeps the node shut.
        member: this member's name.
        convention: the newest that this node accepted.
        certificate: SHA-256 of the certificate in the keyring.
        certificate_ends: when it runs out.
        knock: the hub's door.
        attendance: the daemon.
        measurement: the newest enclave measurement that this node was shown.
        approved: whether this member approved it.
        refusals: orders that this node's rules refused lately: (order, what was found).
        waiting: orders that wait for a person.
        contradictions: checkpoints that contradict what this node witnessed.
        now: time of the examination.
        collateral_ends: when the collateral of the hardware that keys were last released to ends.
        restored: withdrawn epochs whose seeds the keyring holds all the same.
    """

    now: datetime
    opening: VigieError | None = None
    member: str = ""
    convention: Convention | None = None
    certificate: bytes | None = None
    certificate_ends: datetime | None = None
    knock: Knock | None = None
    attendance: Attendance | None = None
    measurement: bytes | None = None
    approved: bool = False
    refusals: tuple[tuple[str, str], ...] = ()
    waiting: tuple[str, ...] = ()
    contradictions: int = 0
    collateral_ends: datetime | None = None
    restored: tuple[int, ...] = ()


def diagnose(seen: Observations) -> tuple[Finding, ...]:
    """Return what is to be said, in the order in which it should be mended."""
    if seen.opening is not None:
        return (Finding("node", True, str(seen.opening), seen.opening.hint or "mend this first, then look again"),)
    findings = [Finding("node", False, f"the node of {seen.member} opens; its keys are those of the convention")]
    if seen.convention is not None:
        findings += _convention(seen.convention, seen)
        findings += _hub(seen.convention, seen)
    findings += _attending(seen)
    findings += _releases(seen)
    return tuple(findings)


def _convention(convention: Convention, seen: Observations) -> Iterator[Finding]:
    today, name = seen.now.date(), f"version {convention.version} of {convention.id}"
    if today > convention.end:
        yield Finding(
            "convention", True, f"{name} ended on {convention.end.isoformat()}",
            "the signatories must sign an amendment; put it into the folder conventions, or start the node to receive it",
        )  # fmt: skip
    elif today < convention.start:
        yield Finding(
            "convention", True, f"{name} begins on {convention.start.isoformat()}", "check this machine's date, or wait"
        )
    elif convention.end - today < CERTIFICATE_NOTICE:
        yield Finding("convention", False, f"{name} is in force, but ends soon: on {convention.end.isoformat()}")
    else:
        yield Finding("convention", False, f"{name} is in force until {convention.end.isoformat()}")
    named = convention.member(seen.member)
    if seen.certificate is not None and seen.certificate != named.certificate_sha256:
        yield Finding(
            "certificate", True, "this node's certificate is not the one that the convention names for it",
            "the hub will not know this node: send the new member card to be signed into the convention,"
            " or go back to the keyring with the old certificate",
        )  # fmt: skip
    elif seen.certificate_ends is not None and seen.certificate_ends <= seen.now:
        yield Finding(
            "certificate", True, f"this node's certificate ran out on {seen.certificate_ends:%Y-%m-%d}",
            "make a new one and have it signed into the convention",
        )  # fmt: skip
    elif seen.certificate_ends is not None and seen.certificate_ends - seen.now < CERTIFICATE_NOTICE:
        yield Finding(
            "certificate", False, f"this node's certificate runs out soon: on {seen.certificate_ends:%Y-%m-%d}"
        )
    else:
        yield Finding("certificate", False, "this node's certificate is the one of the convention")


def _hub(convention: Convention, seen: Observations) -> Iterator[Finding]:
    knock = seen.knock
    if knock is None:
        return
    if knock.unreachable is not None:
        yield Finding(
            "hub", True, f"the hub cannot be reached at {knock.address}: {knock.unreachable}",
            "check the address in node.toml, the name service and the firewall (only outbound connections are needed),"
            " then ask the hub operator whether it runs",
        )  # fmt: skip
        return
    if knock.presented != convention.member(convention.hub).certificate_sha256:
        yield Finding(
            "hub-certificate", True, f"what answers at {knock.address} is not the hub of the convention: it shows"
            " another certificate",
            "nothing was sent to it. Ask the hub operator; if its certificate was changed, the amendment must be here first",
        )  # fmt: skip
        return
    if knock.refused is not None:
        yield Finding(
            "hub", True, f"the hub answers, but refuses this node: {knock.refused}",
            "the hub may work under another convention, or not know this certificate: ask its operator which version"
            " it has accepted",
        )  # fmt: skip
        return
    yield Finding("hub", False, f"the hub answers at {knock.address}, with the certificate of the convention")


def _attending(seen: Observations) -> Iterator[Finding]:
    at = seen.attendance
    if at is None:
        return
    if not at.running:
        yield Finding(
            "attending", True, "this node is not attending: no process runs it",
            "start it with `vigie-node run`; without it this member's lots stay closed and nobody else's"
            " pseudonyms can be made",
        )  # fmt: skip
    elif at.state != "attending":
        why = f": {at.reason}" if at.reason else ""
        yield Finding("attending", True, f"the node runs, but is not connected{why}", "see what is said of the hub")
    else:
        yield Finding("attending", False, f"the node has been attending since {at.since}")
    if at.clock_offset is not None and abs(at.clock_offset) > CLOCK_TOLERANCE:
        direction = "behind" if at.clock_offset > 0 else "ahead of"
        yield Finding(
            "clock", True, f"this machine's clock is {abs(at.clock_offset)} seconds {direction} the hub's",
            "set it by a time service: challenges live for five minutes only",
        )  # fmt: skip
    elif at.clock_offset is not None:
        yield Finding("clock", False, "this machine's clock agrees with the hub's")
    if seen.convention is not None and at.hub_convention is not None:
        if at.hub_convention != seen.convention.digest:
            yield Finding(
                "hub-convention", True, "the hub works under another version of the convention",
                "a running node receives amendments through the journal; if this lasts, the hub is behind: ask its"
                " operator",
            )  # fmt: skip
        else:
            yield Finding("hub-convention", False, "the hub works under the same version of the convention")


def _releases(seen: Observations) -> Iterator[Finding]:
    for epoch in seen.restored:
        yield Finding(
            "withdrawal", True, f"epoch {epoch} was withdrawn, and the keyring holds its seed again: it was restored from"
            " a copy",
            f"nothing is released by it here, but whoever has the file could: `vigie-node withdraw --epoch {epoch}` erases it"
            " again; destroy the copy too",
        )  # fmt: skip
    if seen.contradictions:
        yield Finding(
            "journal", True, f"the journal contradicts itself: {seen.contradictions} checkpoints do not fit what this"
            " node witnessed",
            "keep the node's folder as it is and call the auditor: the hub showed different histories",
        )  # fmt: skip
    if seen.measurement is not None and not seen.approved:
        yield Finding(
            "approval", True, f"this member has not approved the enclave in use, measurement {seen.measurement.hex()}",
            "after review: `vigie approve --measurement …`, and put the file into the node's folder approvals; older"
            " approvals are for older enclaves",
        )  # fmt: skip
    elif seen.measurement is not None:
        yield Finding("approval", False, "this member approved the enclave that was last seen")
    yield from _collateral(seen)
    for order, found in seen.refusals:
        yield Finding("release", True, f"the order {order[:12]} was refused: {found}", "`vigie-node orders` shows it")
    if seen.waiting:
        yield Finding(
            "orders", False, f"{len(seen.waiting)} orders wait for a decision: {', '.join(o[:12] for o in seen.waiting)}",
            "`vigie-node orders` shows them",
        )  # fmt: skip


def _collateral(seen: Observations) -> Iterator[Finding]:
    """The end that the collateral itself states counts, never its age."""
    end = seen.collateral_ends
    if end is None:
        return
    if end <= seen.now:
        yield Finding(
            "collateral", True, f"the collateral of the hub's hardware ended on {end:%Y-%m-%d}",
            "the next release will be refused unless the hub has renewed it: ask its operator",
        )  # fmt: skip
    elif ends_soon(end, seen.now):
        yield Finding(
            "collateral", True, f"the collateral of the hub's hardware ends soon: on {end:%Y-%m-%d %H:%M} UTC",
            "tell the hub's operator to renew it before the next consolidation",
        )  # fmt: skip
    else:
        yield Finding("collateral", False, f"the collateral of the hub's hardware holds until {end:%Y-%m-%d}")
