"""The hub as one process: everything put together, served over mutual TLS.

1. The folder is locked and its journal checked against the last checkpoint that was signed.
2. The chain of conventions is taken from the journal; new files in ``conventions/`` are appended.
3. What a killed process left beside the database is swept; orders without a run are taken up again.
4. The server listens. Whoever connects must present the certificate of a member of the current convention; after an
   amendment, new connections are held to the new one, and every call is.

The rule it keeps: when the store has failed, the process stops serving and ends, and the next start reads what is
there. It never goes on from what it remembers.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Any

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from vigie import convention, durable, statement, wire
from vigie.clock import utc_now
from vigie.errors import ConfigError, Refused
from vigie.keyring import Keyring
from vigie.v1 import exchange_pb2
from vigie_hub import quoting
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance, Session
from vigie_hub.conductor import Conductor
from vigie_hub.config import HubConfig
from vigie_hub.deposit import DepositDesk
from vigie_hub.gate import Gate
from vigie_hub.handshake import Certificates
from vigie_hub.isolation.service import launcher_of
from vigie_hub.journal import Journal
from vigie_hub.means import Means
from vigie_hub.metrics import Gauges
from vigie_hub.outbox import Outbox
from vigie_hub.packs import Packs
from vigie_hub.perimeters import PerimeterDesk
from vigie_hub.refusals import RefusalDesk
from vigie_hub.relay import Relay
from vigie_hub.services import attending, custody, depositing, journaling, operating, perimeters, results
from vigie_hub.store import Store
from vigie_hub.submitting import Submissions
from vigie_hub.vault import Vault
from vigie_hub.withdrawing import WithdrawalDesk
from vigie_hub.witnessing import Witnessing

SERVICES = tuple(
    exchange_pb2.DESCRIPTOR.services_by_name[name].full_name
    for name in ("Deposit", "Relay", "Journal", "Results", "Perimeter", "Custody", "Operator")
)
"""Full names of the services of the exchange."""

STOP_SECONDS = 5.0
"""How long calls under way may take to finish when the hub stops."""

SUMMARY_SECONDS = 300.0
"""How often the hours of refusals are looked at."""

_log = structlog.get_logger("vigie.hub")


@dataclass
class Hub:
    """A running hub.

    Attributes:
        address: where it listens, ``host:port``.
        journal, deposits, conductor, attendance, agreement, outbox, store: its parts.
    """

    address: str
    store: Store
    journal: Journal
    agreement: Agreement
    deposits: DepositDesk
    attendance: Attendance
    conductor: Conductor
    outbox: Outbox
    failed: asyncio.Event
    _server: grpc.aio.Server
    _witnessing: Witnessing
    _health: Any
    _tasks: list[asyncio.Task[None]]

    async def stop(self) -> None:
        """Stop: no new calls, streams end, orders are left for the next start, the folder is freed."""
        await self._health.enter_graceful_shutdown()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.conductor.close()
        await self._witnessing.close()
        stopping = asyncio.ensure_future(self._server.stop(STOP_SECONDS))
        await asyncio.sleep(0)  # from here on new calls are refused, so that nobody attends again
        self.attendance.close()
        await stopping
        await asyncio.to_thread(self.store.finish)
        self.store.close()


async def start(config: HubConfig, keyring: Keyring, *, clock: Callable[[], datetime] = utc_now) -> Hub:
    """Open the hub's folder and serve it.

    Raises:
        ConfigError: folder, keyring and convention do not belong together, or the address cannot be had.
        StateError: another process serves this folder, or what is in it is damaged.
    """
    files = _convention_files(config)
    store = Store(config.folder)
    try:
        return await _assemble(config, keyring, store, files, clock)
    except BaseException:
        store.close()
        raise


async def _assemble(
    config: HubConfig, keyring: Keyring, store: Store, files: list[bytes], clock: Callable[[], datetime]
) -> Hub:
    limits = config.limits
    # (1), (2)
    journal = Journal(store, keyring.log_signer(_origin(files, store)))
    agreement = await Agreement.open(journal, files)
    _keep_conventions(config, agreement)
    agreement.listen(lambda: _keep_conventions(config, agreement))
    _check_keyring(config, keyring, agreement)
    # (3)
    lot_packs, result_packs = Packs(config.folder / "lots"), Packs(config.folder / "results")
    deposits = DepositDesk(store, journal, agreement, lot_packs, limits, clock)
    outbox = Outbox(store, result_packs)
    perimeter_packs = Packs(config.folder / "perimeters")
    desk = PerimeterDesk(store, journal, agreement, perimeter_packs, limits, clock)
    swept = lot_packs.sweep(deposits.packs_named()) + result_packs.sweep(outbox.packs_named())
    swept += perimeter_packs.sweep(desk.packs_named())
    model_packs = Packs(config.folder / "models")
    vault = Vault(store, journal, model_packs)
    swept += model_packs.sweep(vault.packs_named())
    host = keyring.signer("host")
    attendance = Attendance()
    witnessing = Witnessing(journal, agreement, attendance, answer_seconds=limits.answer_seconds)
    launcher = launcher_of(config)
    measured = await asyncio.to_thread(launcher.measure)
    refusals = RefusalDesk(store, journal, agreement, host, per_hour=limits.refusals_per_hour)
    quoter = await asyncio.to_thread(quoting.find, config.folder)
    _log.info("hardware evidence", platform="no device" if quoter is None else quoter.platform)
    means = Means(
        store, journal, agreement, attendance, witnessing, deposits, lot_packs, outbox, vault, launcher, host, limits,
        clock, quoter,
    )  # fmt: skip
    conductor = Conductor(means, refusals)
    # (4)
    failed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_failure() -> None:
        loop.call_soon_threadsafe(failed.set)

    store.on_failure = on_failure

    async def on_refusal(member: str, error: Refused, subject: bytes | None) -> None:
        await refusals.record(member, error, subject=subject, now=clock())

    gate = Gate(agreement.caller, on_refusal, limits)
    server = grpc.aio.server(interceptors=[gate], options=_OPTIONS)
    version = _version()
    withdrawals = WithdrawalDesk(store, journal, lot_packs)
    depositing.register(
        server, depositing.DepositService(deposits, journal, withdrawals, idle_seconds=limits.put_idle_seconds)
    )
    attending.register(
        server,
        attending.RelayService(
            Relay(journal, agreement, attendance, limits), attendance, agreement, version=version, clock=clock
        ),
    )
    journaling.register(server, journaling.JournalService(journal, Submissions(journal, agreement, withdrawals, clock)))
    results.register(server, results.ResultsService(outbox, journal))
    perimeters.register(server, perimeters.PerimeterService(desk, idle_seconds=limits.put_idle_seconds))
    custody.register(server, custody.CustodyService(vault, clock))
    operating.register(
        server,
        operating.OperatorService(conductor, deposits, journal, vault, attendance, agreement, measured.hex()),
    )
    health_service = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    names = (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    for name in ("", *SERVICES):
        await health_service.set(name, health_pb2.HealthCheckResponse.SERVING)
    address = _listen(server, config, keyring, agreement)

    tasks: list[asyncio.Task[None]] = []
    hub = Hub(
        address, store, journal, agreement, deposits, attendance, conductor, outbox, failed,
        server, witnessing, health_service, tasks,
    )  # fmt: skip

    def greet(session: Session) -> None:
        if "results" in session.abilities:
            tasks.append(loop.create_task(conductor.notify(session.member)))
            tasks[:] = [task for task in tasks if not task.done()]

    attendance.listen(greet)
    if config.metrics:
        tasks.append(loop.create_task(Gauges(hub, config.metrics).run()))
    tasks.append(loop.create_task(_summaries(refusals, clock)))
    await server.start()
    resumed = conductor.resume()
    _log.info(
        "serving", address=address, entries=journal.size, swept=swept, resumed=resumed, measurement=measured.hex()
    )
    return hub


_OPTIONS = (
    ("grpc.max_receive_message_length", wire.MESSAGE_CAP),
    # A page of lots may be larger than what members may send; a member bounds what it receives itself.
    ("grpc.max_send_message_length", 4 * wire.MESSAGE_CAP),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)


def _listen(server: grpc.aio.Server, config: HubConfig, keyring: Keyring, agreement: Agreement) -> str:
    def members() -> bytes:
        return b"".join(member.certificate_pem for member in agreement.current.members.values())

    credentials = Certificates(*keyring.tls(), members).credentials()
    host, _, _ = config.listen.rpartition(":")
    try:
        port = server.add_secure_port(config.listen, credentials)
    except RuntimeError as exc:
        raise ConfigError(f"the hub cannot listen on {config.listen}", hint="is another process using it?") from exc
    if port == 0:
        raise ConfigError(f"the hub cannot listen on {config.listen}", hint="is another process using it?")
    return f"{host}:{port}"


def _convention_files(config: HubConfig) -> list[bytes]:
    if not config.conventions.is_dir():
        raise ConfigError(f"there is no folder {config.conventions}", hint="vigie-hub init makes it")
    return [path.read_bytes() for path in sorted(config.conventions.iterdir()) if path.is_file()]


def _keep_conventions(config: HubConfig, agreement: Agreement) -> None:
    """Put every convention of the chain into ``conventions/``, where the operator's commands read them."""
    known = set(_convention_files(config))
    for version, raw in enumerate(agreement.chain.raws, start=1):
        if raw not in known:
            durable.write_file(config.conventions / f"{version:04d}.convention", raw)


def _origin(files: list[bytes], store: Store) -> str:
    """The journal's origin, which never changes: out of the first convention there is."""
    row = store.reader.execute("SELECT raw FROM entry WHERE kind = 'convention' ORDER BY place LIMIT 1").fetchone()
    first = row[0] if row is not None else next(iter(files), None)
    if first is None:
        raise ConfigError("the hub has no convention", hint="put the signed convention into the folder conventions/")
    return convention.parse(statement.parse(first, kind="convention").payload).origin


def _check_keyring(config: HubConfig, keyring: Keyring, agreement: Agreement) -> None:
    current = agreement.current
    if config.member != current.hub or keyring.member != current.hub:
        raise ConfigError(f"the convention names {current.hub} as its hub, not {config.member}")
    member = current.member(current.hub)
    for use in ("host", "operator"):
        if member.keys.get(use) != keyring.signer(use).verifier:
            raise ConfigError(f"the keyring's {use} key is not the one in the convention")
    if current.log_key() != keyring.log_signer(current.origin).verifier:
        raise ConfigError("the keyring's log key is not the one in the convention")
    if keyring.card().certificate != member.certificate:
        raise ConfigError("the keyring's certificate is not the one in the convention")


def _version() -> str:
    try:
        return metadata.version("vigie")
    except metadata.PackageNotFoundError:
        return "not installed"


async def _summaries(refusals: RefusalDesk, clock: Callable[[], datetime]) -> None:
    while True:
        await refusals.summarise(now=clock())
        await asyncio.sleep(SUMMARY_SECONDS)
