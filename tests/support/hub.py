"""A hub for tests: keys and convention of the demo world, lots whose content nobody opens, and a served hub.

The keys are real and everything is signed as in production; only the segments of :func:`make_lot` are random bytes, as
the hub cannot tell them from sealed ones.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import grpc.aio

from vigie import segment, statement
from vigie.bodies import Lot, Order, Quality, text_for
from vigie.chain import ConventionChain
from vigie.client import channel_under
from vigie.clock import stamp, utc_now
from vigie.convention import Convention
from vigie.keyring import Keyring
from vigie.note import Signer
from vigie.statement import Statement
from vigie_hub.config import HubConfig, Limits
from vigie_hub.server import Hub, start

ORIGIN = "vigie.demo/exchange-log/2026"
CONVENTION_ID = "signaux-faibles-demo"
BUCKETS = 4
OWNERS = {
    "contributions": "acoss", "debts": "acoss", "headcount": "acoss", "payment_plans": "acoss", "proceedings": "acoss",
    "ratios": "banque-de-france", "short_time_work": "travail",
}  # fmt: skip
PARTNERS = ("acoss", "banque-de-france", "travail")
_MEMBERS = {
    "acoss": ("ACOSS", ("partner", "custodian", "witness")),
    "banque-de-france": ("Banque de France", ("partner", "custodian", "witness")),
    "travail": ("ministère du Travail", ("partner", "custodian", "witness")),
    "auditeur": ("Inspection générale des finances", ("auditor",)),
    "hub": ("Banque de France", ("hub",)),
}
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class HubWorld:
    """Keyrings of everybody, and the convention that they signed."""

    keyrings: Mapping[str, Keyring]
    raw: bytes
    convention: Convention

    @property
    def chain(self) -> ConventionChain:
        return ConventionChain.open([self.raw])

    def signer(self, member: str, use: str = "signing") -> Signer:
        return self.keyrings[member].signer(use)


@cache
def hub_world() -> HubWorld:
    """The demo world; made once, since drawing keys takes a moment."""
    keyrings = {
        name: Keyring.create(name, organisation, roles, CONVENTION_ID, now=utc_now() - timedelta(hours=1))
        for name, (organisation, roles) in _MEMBERS.items()
    }
    return make_world(keyrings)


def make_world(keyrings: Mapping[str, Keyring], *, previous: HubWorld | None = None, required: str = "acoss") -> HubWorld:
    """A convention over these keyrings; with ``previous``, an amendment of its convention."""
    toml = _toml(keyrings, previous, required).encode()
    signers = [keyrings[name].signer() for name in (*PARTNERS, "auditeur")]
    raw = statement.sign_text(statement.convention_text(toml), signers).raw
    chain = ConventionChain.open([raw] if previous is None else [previous.raw, raw])
    return HubWorld(keyrings, raw, chain.current)


def make_lot(
    world: HubWorld,
    dataset: str = "debts",
    *,
    per_bucket: Sequence[int] = (1, 2, 1, 1),
    size: int = 5000,
    signer: Signer | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
    **changes: object,
) -> "MadeLot":
    """A lot with random segments; ``changes`` replace fields of its body before it is signed."""
    partner = OWNERS[dataset]
    segments = [random(size + place) for place in range(sum(per_bucket))]
    ids = [segment.segment_id(data) for data in segments]
    body = Lot(
        convention=world.convention.digest, epoch=1, lot=random(16), lot_key=random(1216), partner=partner,
        dataset=dataset, schema=world.convention.datasets[dataset].definition.schema, period="2026-05",
        as_of="2026-06-01", delivery="snapshot", base=None, supersedes=None, shrink_confirmed=False, rows_class=96,
        companies_class=48, bytes=sum(map(len, segments)), segments=len(segments),
        segment_root=segment.segment_root(ids), quality=Quality(10, 10, 0, 0, 0), created=stamp(_NOW),
    )  # fmt: skip
    body = replace(body, **changes)  # type: ignore[arg-type]
    signed = statement.sign_text(text_for(body), [signer or world.signer(partner)])
    return MadeLot(body, signed, segments, ids, list(per_bucket))


@dataclass(frozen=True)
class MadeLot:
    body: Lot
    statement: Statement
    segments: list[bytes]
    ids: list[bytes]
    parts: list[int]

    def signed_again(self, world: HubWorld) -> "MadeLot":
        """The same lot under a statement made later."""
        body = replace(self.body, created=stamp(_NOW + timedelta(days=1)))
        return replace(self, body=body, statement=statement.sign_text(text_for(body), [world.signer(body.partner)]))


def make_order(
    world: HubWorld, lots: Sequence[Statement], *, minutes: float = 10, signer: Signer | None = None, **changes: object
) -> Statement:
    """A signed order over these lots."""
    now = utc_now()
    body = Order(
        convention=world.convention.digest, epoch=1, period="2026-05", purpose="early-warning",
        lots=tuple(lot.digest for lot in lots), states=(), model="train",
        deadline=stamp(now + timedelta(minutes=minutes)), created=stamp(now),
    )  # fmt: skip
    body = replace(body, **changes)  # type: ignore[arg-type]
    return statement.sign_text(text_for(body), [signer or world.signer("hub", "operator")])


def make_folder(folder: Path, world: HubWorld, *, enclave: Path | None = None, limits: Limits | None = None) -> HubConfig:
    """A hub's folder, ready to be served in this process; without ``enclave``, one that cannot start any."""
    folder.mkdir(exist_ok=True)
    (folder / "conventions").mkdir(exist_ok=True)
    (folder / "conventions" / "0001.convention").write_bytes(world.raw)
    if enclave is None:
        enclave = folder / "enclave"
        (enclave / "root").mkdir(parents=True, exist_ok=True)
        (enclave / "root" / "nothing").write_bytes(b"")
        launch = {"arguments": ["/bin/false"], "environment": {}, "policy": ""}
        (enclave / "launch.json").write_text(json.dumps(launch))
    return HubConfig(folder, "hub", listen="127.0.0.1:0", enclave=enclave, limits=limits or Limits())


@asynccontextmanager
async def served(config: HubConfig, world: HubWorld) -> AsyncIterator[Hub]:
    """A hub served in this process."""
    hub = await start(config, world.keyrings["hub"])
    try:
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def connected(address: str, world: HubWorld, member: str) -> AsyncIterator[grpc.aio.Channel]:
    """A member's channel to a hub."""
    key, certificate = world.keyrings[member].tls()
    channel = channel_under(world.convention, address, key_pem=key, cert_pem=certificate)
    try:
        yield channel
    finally:
        await channel.close()


async def eventually(look: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait until something holds, with a deadline."""
    async with asyncio.timeout(seconds):
        while not look():
            await asyncio.sleep(0.02)


def _toml(keyrings: Mapping[str, Keyring], previous: HubWorld | None, required: str) -> str:
    lines = [
        "[convention]", f'id = "{CONVENTION_ID}"', 'title = "Demonstration"',
        f"version = {1 if previous is None else previous.convention.version + 1}",
        f'previous = "{"" if previous is None else previous.convention.digest.hex()}"',
        'from = "2020-01-01"', 'to = "2099-12-31"', 'hub = "hub"', f'origin = "{ORIGIN}"',
        f"signatories = {json.dumps([*PARTNERS, 'auditeur'])}",
    ]  # fmt: skip
    for name, keyring in keyrings.items():
        lines += _member(name, keyring)
    for name, owner in OWNERS.items():
        lines += [
            "[[dataset]]", f'name = "{name}"', "schema = 1", f'owners = ["{owner}"]', "maximum_rejected = 0.01",
            'minimum_level = "A1"',
        ]  # fmt: skip
    lines += [
        "[[purpose]]", 'name = "early-warning"', 'title = "Early warning"', f"datasets = {json.dumps(list(OWNERS))}",
        f'required = ["{required}"]', 'perimeter = "acoss"', 'target = "failure"',
        'outputs = ["score", "level", "topics", "reasons"]', "horizon = 18",
    ]  # fmt: skip
    for name in PARTNERS:
        lines += [
            "[[grant]]", f'name = "{name}-list"', f'recipient = "{name}"', 'purpose = "early-warning"', 'rows = "all"',
            'columns = ["score", "level", "topics", "reasons"]', 'labels = ["urssaf"]',
        ]  # fmt: skip
    lines += ["[[declassification]]", 'purpose = "early-warning"', 'output = "score"']
    lines += ["[pseudonyms]", f"buckets = {BUCKETS}", "[[pseudonyms.epoch]]", "number = 1"]
    lines += ['from = "2020-01-01"', 'to = "2099-12-31"']
    for name in PARTNERS:
        key = keyrings[name].custodian(1).public
        lines += ["[[pseudonyms.epoch.custodian]]", f'member = "{name}"', f'key = "{key.hex()}"']
    lines += [
        "[custody]", "threshold = 2", "[enclave]", "approvals = 2", 'platforms = ["software"]', 'minimum_level = "A1"',
        'layers = ["environment", "core_dump", "dumpable", "new_privileges", "exit_after_run"]', "[witness]",
        "release_quorum = 1", "[retention]", "lots_months = 60", "results_months = 24", "[disclosure]",
        "minimum_cell = 3", "dominance = 0.85", "rounding = 5", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _member(name: str, keyring: Keyring) -> Iterator[str]:
    card = keyring.card()
    yield "[[member]]"
    yield f'name = "{name}"'
    yield f'organisation = "{_MEMBERS[name][0]}"'
    yield f"roles = {json.dumps(list(_MEMBERS[name][1]))}"
    yield "population = 400"
    yield f'certificate = "{base64.b64encode(card.certificate).decode()}"'
    for use, key in card.keys.items():
        if use == "witness" and "witness" not in _MEMBERS[name][1] and "auditor" not in _MEMBERS[name][1]:
            continue
        yield f'{use} = "{key.vkey()}"'
    if card.log is not None:
        yield f'log = "{base64.b64encode(card.log).decode()}"'
    if card.sealing is not None:
        yield f'sealing = "{base64.b64encode(card.sealing).decode()}"'
