"""A host for the enclave, small enough to lie: real keys, lots, receipts and releases, each of which a test may spoil.

Pseudonyms are a hash of the SIREN here: how they come about is no concern of the enclave.
"""

import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from support.simulated import Machine
from support.world import PURPOSE, World
from vigie import bodies, custody, joint, note, result, rows, sealing, segment, statement
from vigie.bodies import Evidence, Lot, Order, Quality, Release, Run
from vigie.clock import stamp
from vigie.datasets import PSEUDONYM, SIREN, Dataset
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import Frontier, inclusion_proof, leaf_hash
from vigie.journal.proof import Receipt
from vigie.pseudonym import bucket_of
from vigie.sealing import segment_info
from vigie.statement import Statement
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames, sandbox
from vigie_hub.enclave.bounds import Times
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.main import Standing, answer

MEASUREMENT = b"m" * 32
DEMO = Path(__file__).parents[1] / "data" / "demo"

Tables = Mapping[str, Mapping[str, pa.Table]]
"""Rows by partner and dataset, in the wire schema but for the key: ``siren``."""


class EnclaveFailed(Exception):
    """The enclave sent Failed."""

    def __init__(self, claim: str, expected: str, found: str) -> None:
        super().__init__(f"{claim}: expected {expected}, found {found}")
        self.claim, self.expected, self.found = claim, expected, found


def pseudonym_of(siren: str) -> bytes:
    return hashlib.sha256(b"test" + siren.encode()).digest()[:16]


def wire(table: pa.Table, dataset: Dataset, key: str = SIREN) -> pa.Table:
    """A canonical file's rows with categories as indices."""
    columns = {key: table.column(SIREN).combine_chunks()}
    for column in dataset.columns:
        values = table.column(column.name).combine_chunks()
        if column.categories:
            found = [None if value is None else column.categories.index(value) for value in values.to_pylist()]
            values = pa.array(found, pa.int16())
        columns[column.name] = values.cast(column.arrow_type)
    return pa.table(columns)


def load(folder: Path, definitions: Mapping[str, Dataset]) -> dict[str, dict[str, pa.Table]]:
    """The canonical files below ``folder/<partner>/``."""
    return {
        partner.name: {
            file.stem: wire(pq.read_table(file), definitions[file.stem]) for file in sorted(partner.glob("*.parquet"))
        }
        for partner in sorted(folder.iterdir())
        if partner.is_dir()
    }


def pseudonymised(table: pa.Table, dataset: Dataset) -> pa.Table:
    """The same rows by pseudonym, in canonical order."""
    keys = pa.array([pseudonym_of(siren) for siren in table.column(SIREN).to_pylist()], pa.binary(16))
    arrays = [keys, *(table.column(name).combine_chunks() for name in dataset.names)]
    return rows.canonical(pa.Table.from_arrays(arrays, schema=dataset.wire_schema()), dataset)[0]


@dataclass
class MadeLot:
    body: Lot
    statement: Statement
    seed: bytes
    parts: list[int]
    segments: dict[tuple[int, int], bytes]

    @property
    def ids(self) -> list[bytes]:
        return [segment.segment_id(data) for data in self.segments.values()]


class Journal:
    """All entries under one checkpoint."""

    def __init__(self, world: World, entries: Sequence[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.entries = list(entries)
        frontier = Frontier()
        for entry in entries:
            self.nodes |= {(level, index): value for level, index, value in frontier.append(leaf_hash(entry))}
        text = Checkpoint(world.convention.origin, len(entries), frontier.root()).text()
        signer = world.keyrings["hub"].log_signer(world.convention.origin)
        self.checkpoint = note.assemble(text, [signer.sign(text)])

    def receipt(self, entry: bytes) -> bytes:
        index = self.entries.index(entry)
        path = inclusion_proof(index, len(self.entries), lambda level, at: self.nodes[level, at])
        return Receipt(index, tuple(path), self.checkpoint).encode()


@dataclass
class Outcome:
    """What a run gave."""

    evidence: Statement
    run: Statement
    parts: dict[str, list[bytes]]
    progress: list[tuple[str, int, int]]
    joint: Statement | None = None
    shares: dict[str, bytes] = field(default_factory=dict)
    model: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> Run:
        return bodies.read(self.run, Run)

    def opened(self, world: World, grant: str) -> tuple[pa.Table, dict[str, Any]]:
        """The content of a result, opened as its recipient does."""
        key = world.keyrings[world.convention.grants[grant].recipient].sealing()
        order = self.body.order
        plain = [
            key.open(sealing.result_info(order, self.evidence.digest, grant, number), part)
            for number, part in enumerate(self.parts[grant])
        ]
        return result.decode(plain)


@dataclass
class Story:
    """An order over lots made of clear tables.  Change a field or hook, then :meth:`play`.

    Attributes:
        world: keyrings and convention.
        tables: clear rows.
        period: of the lots and the order.
        lot_changed: replaces fields of each lot's body before it is signed.
        order_changed: the same for the order.
        withhold: partners that refuse.
        silent: partners that say nothing.
        joint, model_parts: what the enclave is given of the joint key and the model that the order names.
        given: the words that each custodian gives as its share.
        helpers: custodians that own no lot and answer too.
        machine: hardware of the host, when it has any; ``quote`` is then what it gave.
        spoil_begin, spoil_release, spoil_segment, spoil_go: change a message on its way.
        host: what puts frames on the socket and takes them off it.
    """

    world: World
    tables: Tables
    period: str = "2021-04"
    purpose: str = PURPOSE
    lot_changed: dict[str, Any] = field(default_factory=dict)
    order_changed: dict[str, Any] = field(default_factory=dict)
    withhold: Sequence[str] = ()
    silent: Sequence[str] = ()
    spoil_begin: Callable[[pb.Begin], None] = lambda begin: None
    spoil_release: Callable[[pb.Release], None] = lambda release: None
    spoil_segment: Callable[[pb.Segment, bytes], bytes] = lambda head, data: data
    spoil_go: Callable[[pb.Go], None] = lambda go: None
    host: "Callable[[socket.socket], Host]" = field(default_factory=lambda: Host)
    machine: Machine | None = None
    quote: bytes = b""
    lots: list[MadeLot] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    joint: pb.GivenJoint | None = None
    model_parts: Sequence[bytes] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    helpers: Sequence[str] = ()
    sent_evidence: Statement = field(init=False)

    def make_lots(self) -> list[MadeLot]:
        if not self.lots:
            for partner, tables in self.tables.items():
                self.lots += [self.make_lot(partner, name, table) for name, table in tables.items()]
        return self.lots

    def make_lot(self, partner: str, name: str, table: pa.Table, **changed: Any) -> MadeLot:
        """Seal clear rows as a lot."""
        dataset = self.world.convention.datasets[name].definition
        return self.seal_lot(partner, dataset, pseudonymised(table, dataset), **changed)

    def seal_lot(
        self,
        partner: str,
        dataset: Dataset,
        ordered: pa.Table,
        *,
        bucket: Callable[[bytes, int], int] = bucket_of,
        **changed: Any,
    ) -> MadeLot:
        """Seal rows that are keyed by pseudonym already, as they are."""
        convention = self.world.convention
        seed = custody.lot_key_seed(hashlib.sha256(partner.encode()).digest(), dataset.name.encode().ljust(16)[:16])
        public = sealing.SealingPrivateKey.from_seed(seed).public
        lot = hashlib.sha256(f"{partner} {dataset.name} {changed}".encode()).digest()[:16]
        keys = ordered.column(PSEUDONYM).to_pylist()
        places: list[list[int]] = [[] for _ in range(convention.buckets)]
        for place, key in enumerate(keys):
            places[bucket(key, convention.buckets)].append(place)
        segments: dict[tuple[int, int], bytes] = {}
        for number, rows_here in enumerate(places):
            for part, plain in enumerate(segment.cut(ordered.take(pa.array(rows_here, pa.int64())))):
                info = segment_info(convention.id, lot, number, part)
                segments[number, part] = sealing.seal(public, info, plain)
        ids = [segment.segment_id(data) for data in segments.values()]
        body = Lot(
            convention=convention.digest, epoch=1, lot=lot, lot_key=public, partner=partner, dataset=dataset.name,
            schema=dataset.schema, period=self.period, as_of=f"{self.period}-28", delivery="snapshot", base=None,
            supersedes=None, shrink_confirmed=False, rows_class=4, companies_class=max(4, len(set(keys))),
            bytes=sum(map(len, segments.values())), segments=len(segments), segment_root=segment.segment_root(ids),
            quality=Quality(len(keys), len(keys), 0, 0, 0), created=stamp(self.world.now),
        )  # fmt: skip
        body = replace(body, **{**self.lot_changed, **changed})
        parts = [sum(1 for one, _ in segments if one == number) for number in range(convention.buckets)]
        return MadeLot(body, self.world.sign(partner, body), seed, parts, segments)

    def order(self) -> Statement:
        now = self.world.now
        body = Order(
            convention=self.world.chain.digest, epoch=1, period=self.period, purpose=self.purpose,
            lots=tuple(lot.statement.digest for lot in self.make_lots()), states=(), model="train",
            deadline=stamp(now + timedelta(hours=1)), created=stamp(now),
        )  # fmt: skip
        return self.world.sign("hub/operator", replace(body, **self.order_changed))

    def begin(self, order: Statement) -> pb.Begin:
        lots = self.make_lots()
        journal = Journal(self.world, [*self.world.raws, *(lot.statement.raw for lot in lots)])
        begin = pb.Begin(
            conventions=self.world.raws,
            order=order.raw,
            challenges=dict.fromkeys(sorted({lot.body.partner for lot in lots}), b"c" * 32),
            measurement=MEASUREMENT,
            lots=[
                pb.Lot(
                    statement=lot.statement.raw,
                    receipt=journal.receipt(lot.statement.raw),
                    segment_ids=lot.ids,
                    parts_per_bucket=lot.parts,
                )
                for lot in lots
            ],
            platform="" if self.machine is None else self.machine.platform,
        )
        self.spoil_begin(begin)
        return begin

    def release(self, partner: str, order: Statement, evidence: Statement) -> pb.Release:
        own = [lot for lot in self.make_lots() if lot.body.partner == partner]
        refused = partner in self.withhold
        key = bodies.read(evidence, Evidence).enclave_key
        seeds = {lot.body.lot: lot.seed for lot in own}
        blob = b"" if refused or not own else custody.seal_release(key, evidence.digest, order.digest, seeds)
        share = b""
        if partner in self.given and self.joint is not None and not refused:
            named = statement.parse(self.joint.statement).digest
            share = joint.give_share(key, evidence.digest, order.digest, named, self.given[partner])
        body = Release(
            convention=self.world.chain.digest, order=order.digest, evidence=evidence.digest, partner=partner,
            decision="refused" if refused else "released",
            lots=() if refused else tuple(lot.statement.digest for lot in own),
            blob=hashlib.sha256(blob).digest() if blob else None,
            reason=bodies.Reason("policy", "an approval by hand", "none") if refused else None,
            created=stamp(self.world.now), share=hashlib.sha256(share).digest() if share else None,
        )  # fmt: skip
        release = pb.Release(partner=partner, statement=self.world.sign(partner, body).raw, blob=blob, share=share)
        self.spoil_release(release)
        return release

    def play(self, connection: socket.socket) -> Outcome:
        """Be the host of an enclave on the other end.

        Raises:
            EnclaveFailed: it said why it stopped.
        """
        host = self.host(connection)
        order = self.order()
        host.send(begin=self.begin(order))
        if self.machine is not None:
            self.quote = self.machine.quote(host.receive("quote_request").quote_request.binding).encode()
            host.send(quote=pb.QuoteBundle(bundle=self.quote))
        claim = host.receive("claim").claim.statement
        claimed = statement.parse(claim, kind="evidence")
        evidence = statement.countersign(claimed, [self.world.signer("hub/host")])
        self.sent_evidence = evidence
        if self.joint is not None:
            host.send(joint=self.joint)
        for partner in sorted(({lot.body.partner for lot in self.make_lots()} | set(self.helpers)) - set(self.silent)):
            host.send(release=self.release(partner, order, evidence))
        go = pb.Go(evidence=evidence.raw)
        self.spoil_go(go)
        host.send(go=go)
        return self._serve(host, evidence)

    def _serve(self, host: "Host", evidence: Statement) -> Outcome:
        parts: dict[str, list[bytes]] = {}
        progress = []
        model: list[bytes] = []
        made: Statement | None = None
        shares: dict[str, bytes] = {}
        while True:
            control = host.receive("fetch", "fetch_model", "progress", "part", "joint_made", "model_made", "done")
            kind = control.WhichOneof("message")
            if kind == "fetch":
                self._answer(host, control.fetch)
            elif kind == "progress":
                progress.append((control.progress.stage, control.progress.done, control.progress.total))
            elif kind == "part":
                assert control.part.part == len(parts.setdefault(control.part.grant, []))
                parts[control.part.grant].append(host.bulk(control.part.size))
            elif kind == "fetch_model":
                for number, part in enumerate(self.model_parts):
                    host.send(model_given=pb.ModelPart(part=number, size=len(part)))
                    host.send_bulk(part)
            elif kind == "joint_made":
                made = statement.parse(control.joint_made.statement, kind="joint")
                shares = dict(control.joint_made.shares)
            elif kind == "model_made":
                assert control.model_made.part == len(model)
                model.append(host.bulk(control.model_made.size))
            else:
                run = statement.parse(control.done.run, kind="run")
                return Outcome(evidence, run, parts, progress, made, shares, model)

    def _answer(self, host: "Host", fetch: pb.Fetch) -> None:
        lot = self.lots[fetch.lot]
        for (bucket, part), data in lot.segments.items():
            if fetch.first <= bucket <= fetch.last:
                head = pb.Segment(lot=fetch.lot, bucket=bucket, part=part, size=len(data))
                sent = self.spoil_segment(head, data)
                host.send(segment=head)
                host.send_bulk(sent)

    def in_thread(self, times: Times | None = None) -> Outcome:
        """Play against an enclave in a thread of this process: quick, without its layers.

        The exit code that the process would have is added to ``codes``.
        """
        ours, theirs = socket.socketpair()
        codes = self.codes

        def enclave() -> None:
            with theirs:
                codes.append(answer(Channel(theirs, times), clock=lambda: self.world.now, standing=Standing({}, {})))

        thread = threading.Thread(target=enclave)
        thread.start()
        try:
            with ours:
                return self.play(ours)
        finally:
            thread.join(60)

    def in_process(self) -> Outcome:
        """Play against a real enclave process."""
        with spawned() as connection:
            return self.play(connection)


@contextmanager
def spawned(environment: Mapping[str, str] = sandbox.ENVIRONMENT) -> Iterator[socket.socket]:
    """A real enclave process from the source tree, which Landlock therefore lets read more than an enclave in its root."""
    source = Path(__file__).parents[2]
    path = [str(source / "common"), str(source / "hub")]
    program = (
        f"import os, sys; sys.path[:0] = {path!r}; from vigie_hub.enclave import sandbox\n"
        "everything = tuple('/' + name for name in os.listdir('/'))\n"
        "box = sandbox.Sandbox('B', sandbox.KEEP, channel=int(sys.argv[1]), readable=everything)\n"
        "box.begin()\n"
        "from vigie_hub.enclave.main import serve\n"
        "os._exit(serve(box))"
    )
    ours, theirs = socket.socketpair()
    ours.settimeout(120)
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", program, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            yield ours
        finally:
            ours.close()
            process.wait(20)


def receive_frame(connection: socket.socket, kind: int) -> bytes:
    """One frame as a host receives it, of that type."""
    head = exactly(connection, frames.HEAD)
    assert head[4] == kind
    return exactly(connection, int.from_bytes(head[:4], "big"))


def exactly(connection: socket.socket, length: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: the enclave closed the channel before.
    """
    found = bytearray()
    while len(found) < length:
        received = connection.recv(length - len(found))
        if not received:
            raise EOFError
        found += received
    return bytes(found)


class Host:
    """The host's end of the channel."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sent = self.received = 0

    def send(self, **message: Any) -> None:
        control = pb.Control(sequence=self.sent, **message)
        self.sent += 1
        self.put(frames.encode(frames.CONTROL, control.SerializeToString()))

    def send_bulk(self, data: bytes) -> None:
        self.put(frames.encode(frames.BULK, data))

    def put(self, frame: bytes) -> None:
        """Put one frame on the socket."""
        self.connection.sendall(frame)

    def take(self, kind: int) -> bytes:
        """Take one frame of that type off it."""
        return receive_frame(self.connection, kind)

    def receive(self, *wanted: str) -> pb.Control:
        control = pb.Control.FromString(self.take(frames.CONTROL))
        assert control.sequence == self.received
        self.received += 1
        kind = control.WhichOneof("message")
        if kind == "failed":
            raise EnclaveFailed(control.failed.claim, control.failed.expected, control.failed.found)
        assert kind in wanted
        return control

    def bulk(self, size: int) -> bytes:
        data = self.take(frames.BULK)
        assert len(data) == size
        return data
