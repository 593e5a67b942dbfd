"""The observations that `vigie_node.doctor` judges: opens the folder, tries the passphrase, knocks at the hub's door.

The rule: looking changes nothing at the hub and nothing in the node, and an obstacle is an observation, not a crash.
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from vigie import authority
from vigie.attend import Attendant, Handlers, Welcomed
from vigie.client_journal import JournalClient
from vigie.clock import parse_time
from vigie.errors import VigieError
from vigie.keyring import Keyring
from vigie_node.daemon import ATTENDANCE, program_version
from vigie_node.doctor import Attendance, Knock, Observations
from vigie_node.folder import LockedNode, Node
from vigie_node.ledger import COLLATERAL_END, NEWEST_MEASUREMENT
from vigie_node.orders import waiting_orders

DOOR_SECONDS: Final = 10.0
"""How long each step at the hub's door may take."""


async def examine(root: Path, passphrase: str, *, clock: Callable[[], datetime]) -> Observations:
    """Look at the node in a folder and at its hub.

    Args:
        root: the node's folder.
        passphrase: of its keyring.
        clock: gives the time now.
    """
    try:
        node = Node.open(root, passphrase)
    except VigieError as error:
        return Observations(now=clock(), opening=error)
    try:
        knock = await _knock(node)
        attendance = attendance_of(node)
        if not attendance.running and knock.unreachable is None and knock.refused is None:
            attendance = await _greeted(node, attendance, clock)
        return _observed(node, passphrase, knock, attendance, clock())
    finally:
        node.close()


def attendance_of(node: LockedNode) -> Attendance:
    """Return the daemon's last word about its connection, and whether it runs."""
    running, said = node.folder.is_attended(), _last_word(node)
    state, convention = said.get("state"), said.get("hub_convention")
    offset = said.get("clock_offset")
    return Attendance(
        running,
        str(state) if state is not None else None,
        str(said.get("since", "")),
        str(said.get("reason", "")),
        offset if isinstance(offset, int) and running else None,
        bytes.fromhex(convention) if isinstance(convention, str) and running else None,
    )


def _last_word(node: LockedNode) -> Mapping[str, Any]:
    kept = node.state.value(ATTENDANCE)
    said = {} if kept is None else json.loads(kept)
    return said if isinstance(said, dict) else {}


async def _knock(node: Node) -> Knock:
    address = node.config.hub
    try:
        presented = await _certificate_at(address)
    except TimeoutError:
        return Knock(address, unreachable="no answer in time")
    except (OSError, ssl.SSLError) as error:
        return Knock(address, unreachable=_why(error))
    if presented != node.convention.member(node.convention.hub).certificate_sha256:
        return Knock(address, presented=presented)  # nothing is said to a stranger
    channel = node.channel()
    try:
        await JournalClient(channel).checkpoint()
    except VigieError as error:
        return Knock(address, presented=presented, refused=error)
    finally:
        await channel.close()
    return Knock(address, presented=presented)


async def _certificate_at(address: str) -> bytes:
    """SHA-256 of the certificate that is presented at an address; it is compared here and trusted nowhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(DOOR_SECONDS):
        _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=context)
    try:
        session: ssl.SSLObject = writer.get_extra_info("ssl_object")
        return hashlib.sha256(session.getpeercert(binary_form=True) or b"").digest()
    finally:
        writer.transport.abort()


async def _greeted(node: Node, attendance: Attendance, clock: Callable[[], datetime]) -> Attendance:
    """Say hello once, to compare clocks and conventions. Only when no daemon attends: it would be pushed aside."""
    stop = asyncio.Event()
    heard: list[tuple[Welcomed, int]] = []

    def welcomed(hub: Welcomed) -> None:
        heard.append((hub, hub.time - int(clock().timestamp())))
        stop.set()

    attendant = Attendant(
        node.channel,
        Handlers(),
        convention=lambda: node.chain.digest,
        version=program_version(),
        welcomed=welcomed,
        lost=lambda _: stop.set(),
    )
    try:
        async with asyncio.timeout(DOOR_SECONDS):
            await attendant.run(stop)
    except TimeoutError:
        return attendance
    if not heard:
        return attendance
    hub, offset = heard[0]
    return Attendance(False, attendance.state, attendance.since, attendance.reason, offset, hub.convention)


def _observed(node: Node, passphrase: str, knock: Knock, attendance: Attendance, now: datetime) -> Observations:
    certificate = x509.load_pem_x509_certificate(node.keyring.tls()[1])
    measurement = node.state.value(NEWEST_MEASUREMENT)
    collateral = node.state.value(COLLATERAL_END)
    done = {order.digest for order in node.ledger.orders() if node.ledger.run_of(order.digest)}
    return Observations(
        now=now,
        member=node.member,
        convention=node.convention,
        certificate=hashlib.sha256(node.keyring.card().certificate).digest(),
        certificate_ends=certificate.not_valid_after_utc,
        knock=knock,
        attendance=attendance,
        measurement=measurement,
        approved=measurement is not None and _approved(node, measurement),
        refusals=tuple(
            (
                answer.order.hex(),
                f"{answer.reason.claim}: expected {answer.reason.expected}, found {answer.reason.found}",
            )
            for answer in node.ledger.answers()
            if answer.reason is not None and answer.reason.claim != "policy" and answer.order not in done
        )[-3:],
        waiting=tuple(order.digest.hex() for order in waiting_orders(node.ledger, node.config.policy, now)),
        contradictions=len(node.state.witness.contradictions()),
        collateral_ends=None if collateral is None else parse_time(collateral.decode()),
        restored=_restored(node, passphrase),
    )


def _restored(node: Node, passphrase: str) -> tuple[int, ...]:
    """Withdrawn epochs whose seeds are in the keyring's file; an opened node has forgotten them."""
    withdrawn = node.withdrawals.epochs()
    if not withdrawn:
        return ()
    return tuple(sorted(withdrawn & set(Keyring.load(node.folder.keyring, passphrase).epochs())))


def _approved(node: LockedNode, measurement: bytes) -> bool:
    for raw in node.ledger.approvals(measurement):
        try:
            authority.judge(raw, node.chain, kind="approval")
        except VigieError:
            continue
        return True
    return False


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "what answers there does not speak TLS as the hub does"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    return error.strerror or type(error).__name__
