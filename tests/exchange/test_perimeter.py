"""The perimeter from its owner to the partners that filter by it: a real hub, real nodes, and everybody who might cheat."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from support.canary import Canary
from support.hub import connected, hub_world, make_folder, served
from support.merkle_tree import MemoryTree
from support.nodes import attending, make_node
from support.perimeter import section
from support.processes import command
from support.scanner import Scanner
from support.world import PARTNERS, World
from vigie import bodies, note, perimeter, sealing, segment
from vigie import statement as statements
from vigie.audit.export import fetch as fetch_journal
from vigie.audit.verify import verify
from vigie.bodies import Perimeter, PerimeterShare
from vigie.client_journal import JournalClient
from vigie.clock import stamp, utc_now
from vigie.datasets import BUILT_IN
from vigie.errors import (
    BadProof,
    BadSeal,
    BadSignature,
    ConfigError,
    ExtractError,
    Malformed,
    MalformedSegment,
    Missing,
    Refused,
    Unavailable,
    VigieError,
)
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt, verify_receipt
from vigie.perimeter import Place
from vigie.statement import Statement
from vigie.witness_service import Witness
from vigie_hub.server import Hub as ServedHub
from vigie_node.extracts.canonical import Checked, check
from vigie_node.outbox import Spool
from vigie_node.perimeter_fetching import PerimeterFetcher
from vigie_node.perimeter_file import read_sirens
from vigie_node.perimeter_sharing import Sharer
from vigie_node.perimeter_store import RULE, PerimeterStore, binding, drop_outside
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.sending import Sender, Terms
from vigie_node.state import NodeState
from vigie_node.wire import Hub
from vigie_node.wire_perimeter import PerimeterHub

PERIOD = "2021-04"
INSIDE = [f"{number:09d}" for number in range(100_000_000, 100_000_030)]
OUTSIDE = [f"{number:09d}" for number in range(200_000_000, 200_000_010)]
CANARY = "317452896"
"""In the perimeter, and held by its owner alone."""


def pseudonym_of(siren: str) -> bytes:
    """A stand-in for a pseudonym: sharing and filtering only need each company to have one."""
    return hashlib.sha256(b"stand-in" + siren.encode()).digest()[:16]


def pseudonyms(sirens: Iterable[str]) -> list[bytes]:
    return [pseudonym_of(siren) for siren in sirens]


def table(sirens: Sequence[str]) -> pa.Table:
    return pa.table({"siren": sirens, "pseudonym": pa.array(pseudonyms(sirens), pa.binary(16))})


@dataclass
class Site:
    """One member's side of the perimeter, and what it sends with."""

    world: World
    member: str
    hub: PerimeterHub
    calls: Hub
    store: PerimeterStore
    state: NodeState
    folder: Path

    def sharer(self, hub: PerimeterHub | None = None) -> Sharer:
        return Sharer(
            self.world.chain, self.world.keyrings[self.member], self.store, Spool(self.folder / "perimeters"),
            hub or self.hub, utc_now,
        )  # fmt: skip

    def fetcher(self, hub: PerimeterHub | None = None, calls: Hub | None = None) -> PerimeterFetcher:
        return PerimeterFetcher(
            self.world.chain, self.world.keyrings[self.member], self.state, self.store, hub or self.hub,
            (calls or self.calls).consistency, utc_now,
        )  # fmt: skip

    def sender(self) -> Sender:
        return Sender(
            self.world.chain, self.world.keyrings[self.member], self.state, Spool(self.folder / "spool"), self.calls,
            utc_now, perimeters=self.store,
        )  # fmt: skip


@dataclass
class Town:
    """A hub, and the three partners around it."""

    world: World
    hub: ServedHub
    acoss: Site
    travail: Site
    bank: Site


@asynccontextmanager
async def site(world: World, member: str, hub: str, folder: Path) -> AsyncIterator[Site]:
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test's folder
    state = NodeState.open(folder / "state.sqlite")
    with PerimeterStore(folder / "perimeter.sqlite", utc_now) as store:
        try:
            async with connected(hub, world, member) as channel:
                yield Site(world, member, PerimeterHub(channel), Hub(channel), store, state, folder)
        finally:
            state.close()


@asynccontextmanager
async def town(tmp_path: Path, **changes: Any) -> AsyncIterator[Town]:
    world = hub_world(tmp_path, perimeter=section(**changes))
    async with (
        served(make_folder(tmp_path / "hub", world), world) as hub,
        site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
        site(world, "travail", hub.address, tmp_path / "travail") as travail,
        site(world, "banque-de-france", hub.address, tmp_path / "bank") as bank,
    ):
        yield Town(world, hub, acoss, travail, bank)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def hours(folder: Path, sirens: Sequence[str]) -> Checked:
    """A checked extract of short-time work, two rows for each company."""
    path = folder / "short_time_work.csv"
    rows = [f"{siren},2021-{month:02d}-01,1.5,2,3" for siren in sirens for month in (1, 2)]
    path.write_text("\n".join([",".join(["siren", *BUILT_IN["short_time_work"].names]), *rows]) + "\n")
    return check(path, BUILT_IN["short_time_work"])


def refusals(hub: ServedHub) -> list[tuple[str | None, str]]:
    """(about whom, claim) of the refusals in the hub's journal."""
    found = [bodies.read(statements.parse(raw), bodies.Refusal) for raw in hub.journal.find("refusal")]
    return [(one.about, one.reason.claim) for one in found]


# -- the good story -----------------------------------------------------------------------------------------------


def test_the_owner_shares_and_a_partner_fetches_filters_and_sends(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            shared = await at.acoss.sharer().share(pseudonyms([*INSIDE, CANARY]), PERIOD)
            assert (shared.again, shared.parts_sent, shared.kept.body.companies_class) == (False, 2, 32)
            verify_receipt(Receipt.parse(shared.kept.receipt), shared.kept.statement, at.world.convention.log_key())
            kept, fresh = await at.travail.fetcher().fetch()
            assert fresh and kept.digest == shared.kept.digest and kept.receipt == shared.kept.receipt
            assert len(kept.marks) == 32 * 16
            sirens = [*INSIDE[:20], *OUTSIDE]
            checked = hours(tmp_path, sirens)
            sent = await at.travail.sender().send(checked, Terms(PERIOD, date(2021, 4, 30)), table(sirens))
            quality = sent.lot.body.quality
            assert (quality.parsed, quality.valid, quality.rejected, quality.skipped) == (60, 40, 0, 20)
            assert checked.report.rules == {RULE: 20} and checked.report.companies == 20
            assert sent.lot.body.companies_class == 24
            assert checked.sirens().to_pylist() == INSIDE[:20]

    run(test)


def test_the_same_companies_again_change_nothing_byte_for_byte(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            first = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            size = at.hub.journal.size
            again = await at.acoss.sharer().share(pseudonyms(reversed(INSIDE)), PERIOD)
            assert again.again and again.parts_sent == 0
            assert (again.kept.statement, again.kept.receipt) == (first.kept.statement, first.kept.receipt)
            async with site(at.world, "acoss", at.hub.address, tmp_path / "fresh") as fresh:
                lost = await fresh.sharer().share(pseudonyms(INSIDE), PERIOD)
                assert (lost.again, lost.kept.receipt, lost.kept.marks) == (
                    True, first.kept.receipt, first.kept.marks,
                )  # fmt: skip
            # Whatever came after, the statement itself has one receipt for ever.
            shares = ids_of(at, first.kept.statement)
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            begun = await at.acoss.hub.begin(first.kept.statement, shares)
            assert (begun.receipt, begun.statement, begun.missing) == (first.kept.receipt, first.kept.statement, ())
            assert await at.acoss.hub.commit(first.kept.body.perimeter) == first.kept.receipt
            assert at.hub.journal.size == size + 1

    run(test)


def ids_of(at: Town, raw: bytes) -> dict[str, list[bytes]]:
    """The part ids of a perimeter, as the hub's database has them."""
    rows = at.hub.store.reader.execute(
        "SELECT recipient, p.id FROM perimeter_part p JOIN perimeter m ON m.id = p.perimeter WHERE m.digest = ? "
        "ORDER BY recipient, part",
        (statements.parse(raw).digest,),
    ).fetchall()
    found: dict[str, list[bytes]] = {}
    for name, id_ in rows:
        found.setdefault(name, []).append(id_)
    return found


def test_a_later_perimeter_takes_the_place_and_the_parts_before_are_gone(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            first = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            before, _ = await at.travail.fetcher().fetch()
            held = [path for path in (tmp_path / "hub" / "perimeters").rglob("*") if path.is_file()]
            second = await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            assert second.kept.body.supersedes == first.kept.body.perimeter
            after, fresh = await at.travail.fetcher().fetch()
            assert fresh and after.body.period == "2021-05"
            assert before.marks[:16] not in after.marks, "marks of two perimeters have nothing in common"
            assert len(held) == 1 and not held[0].exists()
            assert (await at.travail.fetcher().fetch())[1] is False
            with pytest.raises(Missing):
                await at.travail.hub.fetch(first.kept.digest, most=9)
            sirens = INSIDE[:2]
            checked = hours(tmp_path, sirens)
            await at.travail.sender().send(checked, Terms("2021-05", date(2021, 5, 31)), table(sirens))
            assert checked.sirens().to_pylist() == [INSIDE[1]]
            # Back to the first companies, in the same month: a new perimeter, not an old receipt.
            third = await at.acoss.sharer().share(pseudonyms(INSIDE), "2021-05")
            assert not third.again and third.kept.body.supersedes == second.kept.body.perimeter

    run(test)


class Cut(PerimeterHub):
    """A line that breaks after so many parts."""

    after = 1

    async def put(self, perimeter: bytes, parts: Iterable[bytes]) -> AsyncIterator[bytes]:
        async for identifier in super().put(perimeter, list(parts)[: self.after]):
            yield identifier
        raise Unavailable("the line was cut")


@pytest.mark.parametrize("lose_spool", [False, True])
def test_a_cut_goes_on_where_it_was_and_gives_one_perimeter(tmp_path: Path, lose_spool: bool) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "acoss") as channel:
            with pytest.raises(Unavailable):
                await at.acoss.sharer(Cut(channel)).share(pseudonyms(INSIDE), PERIOD)
            with pytest.raises(Missing):
                await at.travail.fetcher().fetch()
            if lose_spool:
                (only,) = (tmp_path / "acoss" / "perimeters").iterdir()
                Spool(tmp_path / "acoss" / "perimeters").forget(bytes.fromhex(only.name))
            shared = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert shared.parts_sent == (2 if lose_spool else 1)
            assert list((tmp_path / "acoss" / "perimeters").iterdir()) == []
            for member in (at.travail, at.bank):
                assert (await member.fetcher().fetch())[0].digest == shared.kept.digest
            assert len(at.hub.journal.find("perimeter")) == 1
            assert len([path for path in (tmp_path / "hub" / "perimeters").rglob("*") if path.is_file()]) == 1

    run(test)


def test_a_hub_that_was_stopped_in_between_goes_on(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path, perimeter=section())
        config = make_folder(tmp_path / "hub", world)
        async with (
            served(config, world) as hub,
            site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
            connected(hub.address, world, "acoss") as channel,
        ):
            with pytest.raises(Unavailable):
                await acoss.sharer(Cut(channel)).share(pseudonyms(INSIDE), PERIOD)
        (tmp_path / "hub" / "perimeters" / "acoss" / "left-over").write_bytes(b"x")
        async with (
            served(config, world) as hub,
            site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
            site(world, "travail", hub.address, tmp_path / "travail") as travail,
        ):
            shared = await acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert shared.parts_sent == 1
            assert (await travail.fetcher().fetch())[0].digest == shared.kept.digest
            assert not (tmp_path / "hub" / "perimeters" / "acoss" / "left-over").exists()
        async with (
            served(config, world) as hub,
            site(world, "travail", hub.address, tmp_path / "other") as travail,
        ):
            assert (await travail.fetcher().fetch())[0].receipt == shared.kept.receipt

    run(test)


def test_the_whole_is_in_the_journal_and_an_audit_finds_no_fault(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "auditeur") as channel:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            with pytest.raises(Refused):
                await at.travail.hub.begin(at.acoss.store.find(1).statement, {})  # type: ignore[union-attr]
            export = await fetch_journal(JournalClient(channel), at.world.convention.log_key())
            report = verify(export, at.world.convention_raw)
            assert report.ok, [check for check in report.checks if check.failures]
            assert report.check("perimeters").count == 2 and report.check("receipts").count == 2
            told = [event.sentence for event in report.events if event.kind == "perimeter"]
            assert (
                told[0]
                == f"acoss shared the perimeter for {PERIOD} with banque-de-france, travail: at most 32 companies"
            )
            assert ("travail", "owner") in refusals(at.hub)

    run(test)


# -- sending without a perimeter, and around it -------------------------------------------------------------------


def test_without_a_perimeter_nothing_is_sent_by_whom_it_binds(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path, shared_with=["travail"]) as at:
            checked = hours(tmp_path, INSIDE)
            terms = Terms(PERIOD, date(2021, 4, 30))
            with pytest.raises(Refused, match="perimeter of acoss for epoch 1") as refused:
                await at.travail.sender().send(checked, terms, table(INSIDE))
            assert "perimeter fetch" in refused.value.hint
            with pytest.raises(Refused, match="perimeter"):
                at.travail.sender().admit(checked)
            assert await at.travail.calls.lots() == []
            debts = tmp_path / "debts.csv"
            debts.write_text(
                "siren,month,employee_share,employer_share\n100000000,2021-01-01,1,2\n200000000,2021-01-01,1,2\n"
            )
            own = check(debts, BUILT_IN["debts"])
            with pytest.raises(Refused) as refused:
                await at.acoss.sender().send(own, terms, table([INSIDE[0], OUTSIDE[0]]))
            assert "perimeter share" in refused.value.hint
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            sent = await at.acoss.sender().send(own, terms, table([INSIDE[0], OUTSIDE[0]]))
            assert (sent.lot.body.quality.valid, sent.lot.body.quality.skipped) == (1, 1)
            # The convention does not name the bank: it sends as it always did.
            assert binding(at.world.convention, "banque-de-france", utc_now().date(), at.bank.store) is None
            with pytest.raises(Refused, match="perimeter"):
                await at.bank.fetcher().fetch()

    run(test)


def test_an_extract_of_other_companies_alone_is_not_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await at.travail.fetcher().fetch()
            checked = hours(tmp_path, OUTSIDE)
            with pytest.raises(ExtractError, match="every company is outside the perimeter"):
                await at.travail.sender().send(checked, Terms(PERIOD, date(2021, 4, 30)), table(OUTSIDE))
            assert await at.travail.calls.lots() == []
            kept = at.travail.store.find(1)
            assert kept is not None
            assert drop_outside(hours(tmp_path, INSIDE), kept, table(INSIDE)) == 0
            with pytest.raises(VigieError, match="has no pseudonym"):
                drop_outside(hours(tmp_path, INSIDE), kept, table(INSIDE[1:]))

    run(test)


# -- who may put one in -------------------------------------------------------------------------------------------


def test_only_the_owner_shares(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            for member in (at.travail, at.bank):
                with pytest.raises(Refused, match="owner"):
                    await member.sharer().share(pseudonyms(INSIDE), PERIOD)
            raw, shares, parts = forged(at.world, owner="travail", signer="travail")
            with pytest.raises(Refused, match="owner"):
                await at.travail.hub.begin(raw.raw, shares)
            raw, shares, parts = forged(at.world, signer="travail")
            with pytest.raises(Refused, match="owner"):
                await at.travail.hub.begin(raw.raw, shares)
            with pytest.raises(BadSignature):
                await at.acoss.hub.begin(raw.raw, shares)
            id_ = bodies.read(raw, Perimeter).perimeter
            for call in (at.travail.hub.commit(id_), first(at.travail.hub.put(id_, parts))):
                with pytest.raises(Missing):
                    await call
            async with connected(at.hub.address, at.world, "auditeur") as channel:
                auditor = PerimeterHub(channel)
                for refused in (auditor.begin(raw.raw, shares), auditor.current(1), auditor.fetch(b"0" * 32, most=1)):
                    with pytest.raises(Refused, match="role"):
                        await refused
            assert at.hub.journal.find("perimeter") == []
            assert {("travail", "owner"), ("auditeur", "role")} <= set(refusals(at.hub))

    run(test)


async def first(stream: AsyncIterator[bytes]) -> bytes:
    return await anext(stream)


def forged(
    world: World, *, signer: str = "acoss", companies: Sequence[str] = INSIDE, **changed: Any
) -> tuple[Statement, dict[str, list[bytes]], list[bytes]]:
    """A perimeter made by hand: its statement with changes, the ids of its parts, and the parts."""
    seed, id_ = b"s" * 32, changed.get("perimeter", b"i" * 16)
    rule = world.convention.perimeter
    assert rule is not None
    shares, ids, sealed = {}, {}, []
    for name in sorted(rule.shared_with):
        place = Place(world.convention.id, id_, 1, changed.get("period", PERIOD), name)
        key = world.convention.member(name).sealing
        assert key is not None
        plain = perimeter.cut(perimeter.filled(seed, place, pseudonyms(companies)))
        parts = [sealing.seal(key, place.info(number), one) for number, one in enumerate(plain)]
        ids[name] = [segment.segment_id(part) for part in parts]
        shares[name] = PerimeterShare(segment.segment_root(ids[name]), sum(map(len, parts)), len(parts))
        sealed += parts
    body = Perimeter(world.chain.digest, 1, id_, PERIOD, "acoss", shares, 32, None, stamp(utc_now()))
    return world.sign(signer, replace(body, **changed)), ids, sealed


async def put_in(at: Town, made: tuple[Statement, dict[str, list[bytes]], list[bytes]]) -> bytes:
    """Deposit a perimeter made by hand as the owner; return its receipt."""
    raw, ids, parts = made
    id_ = bodies.read(raw, Perimeter).perimeter
    await at.acoss.hub.begin(raw.raw, ids)
    async for _ in at.acoss.hub.put(id_, parts):
        pass
    return await at.acoss.hub.commit(id_)


def test_what_does_not_fit_its_statement_is_not_taken_in(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            raw, ids, parts = forged(at.world)
            id_, swapped = b"i" * 16, {"travail": ids["banque-de-france"], "banque-de-france": ids["travail"]}
            begun: list[tuple[dict[str, list[bytes]], type[VigieError]]] = [
                ({}, Malformed),
                ({"travail": ids["travail"]}, Malformed),
                ({**ids, "acoss": [b"x" * 32]}, Malformed),
                ({**ids, "travail": []}, Malformed),
                ({**ids, "travail": [b"short"]}, Malformed),
                ({**ids, "travail": ids["banque-de-france"]}, Malformed),
                ({**ids, "travail": [b"x" * 32]}, BadProof),
                (swapped, BadProof),
            ]
            for shares, error in begun:
                with pytest.raises(error):
                    await at.acoss.hub.begin(raw.raw, shares)
            await at.acoss.hub.begin(raw.raw, ids)
            with pytest.raises(Missing, match="2 parts"):
                await at.acoss.hub.commit(id_)
            for part in (parts[0] + b"x", b"", b"x" * (segment.CAP + sealing.OVERHEAD + 1)):
                with pytest.raises(MalformedSegment):
                    await first(at.acoss.hub.put(id_, [part]))
            async for _ in at.acoss.hub.put(id_, [*parts, *parts]):
                pass
            with pytest.raises(Missing):
                await at.acoss.hub.commit(b"?" * 16)
            assert await at.acoss.hub.commit(id_) == await at.acoss.hub.commit(id_)
            wrong = forged(at.world, perimeter=b"j" * 16, supersedes=id_)
            body = bodies.read(wrong[0], Perimeter)
            lying = {name: replace(share, bytes=share.bytes + 1) for name, share in body.recipients.items()}
            made = at.world.sign("acoss", replace(body, recipients=lying))
            with pytest.raises(Refused, match="bytes"):
                await put_in(at, (made, wrong[1], wrong[2]))

    run(test)


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"supersedes": None}, "supersedes"),
        ({"supersedes": b"?" * 16}, "supersedes"),
        ({"supersedes": b"i" * 16, "period": "2021-03"}, "period"),
        ({"supersedes": b"i" * 16, "companies_class": 33}, "companies_class"),
        ({"supersedes": b"i" * 16, "epoch": 2}, "epoch"),
        ({"supersedes": b"i" * 16, "convention": b"?" * 32}, "convention"),
    ],
)
def test_what_does_not_fit_the_current_one_is_not_taken_in(tmp_path: Path, changed: dict[str, Any], claim: str) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await put_in(at, forged(at.world))
            with pytest.raises(Refused) as refused:
                await put_in(at, forged(at.world, perimeter=b"j" * 16, **changed))
            assert refused.value.claim == claim
            assert len(at.hub.journal.find("perimeter")) == 1

    run(test)


def test_the_owners_node_refuses_before_it_seals(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            for given, period, error in (
                (INSIDE, "2021-03", Refused), (INSIDE[:3], PERIOD, Refused), ([], PERIOD, ExtractError),
                (INSIDE, "2021-4", ConfigError),
            ):  # fmt: skip
                with pytest.raises(error):
                    await at.acoss.sharer().share(pseudonyms(given), period)
            fewer = await at.acoss.sharer().share(pseudonyms(INSIDE[:3]), PERIOD, shrink_confirmed=True)
            assert fewer.kept.body.companies_class == 4

    run(test)


def test_two_at_once_end_with_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            one, other = forged(at.world), forged(at.world, perimeter=b"j" * 16)
            await at.acoss.hub.begin(one[0].raw, one[1])
            await at.acoss.hub.begin(other[0].raw, other[1])  # takes the place of the one that was open
            with pytest.raises(Missing):
                await first(at.acoss.hub.put(b"i" * 16, one[2]))
            await put_in(at, other)
            with pytest.raises(Refused, match="supersedes"):
                await at.acoss.hub.begin(one[0].raw, one[1])

    run(test)


# -- amendments ---------------------------------------------------------------------------------------------------


async def amend(at: Town, **changes: Any) -> None:
    """Amend the convention at the hub and at every site."""
    at.world.amend({f"perimeter.{key}": value for key, value in changes.items()})
    await at.hub.agreement.amend(at.world.convention_raw, now=utc_now())


def test_a_recipient_that_left_gets_nothing_and_one_that_came_gets_it_with_the_next(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path, shared_with=["travail"]) as at:
            first_one = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await amend(at, shared_with=["banque-de-france"])
            with pytest.raises(Refused, match="perimeter"):
                await at.travail.fetcher().fetch()
            with pytest.raises(Refused):
                await at.travail.hub.fetch(first_one.kept.digest, most=1)
            with pytest.raises(Refused, match="recipient"):
                await at.bank.fetcher().fetch()
            again = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert not again.again and set(again.kept.body.recipients) == {"banque-de-france"}
            assert (await at.bank.fetcher().fetch())[0].digest == again.kept.digest

    run(test)


def test_a_perimeter_of_an_owner_that_is_none_any_more_counts_for_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await at.bank.fetcher().fetch()
            raw, ids, _ = forged(at.world, perimeter=b"j" * 16, supersedes=None)
            await amend(at, owner="travail", shared_with=["acoss", "banque-de-france"])
            with pytest.raises(Refused, match="owner"):
                await at.bank.fetcher().fetch()
            with pytest.raises(Refused, match="perimeter"):
                at.bank.sender()._perimeter()
            with pytest.raises(Refused, match="convention"):
                await at.acoss.hub.begin(raw.raw, ids)
            new = await at.travail.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert (await at.bank.fetcher().fetch())[0].digest == new.kept.digest

    run(test)


def test_a_perimeter_sealed_before_an_amendment_is_sealed_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "acoss") as channel:
            with pytest.raises(Unavailable):
                await at.acoss.sharer(Cut(channel)).share(pseudonyms(INSIDE), PERIOD)
            await amend(at, window_months=120)
            shared = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert shared.parts_sent == 2 and shared.kept.body.convention == at.world.chain.digest

    run(test)


# -- a hub that cheats --------------------------------------------------------------------------------------------


class Lying(PerimeterHub):
    """A hub's service with one answer changed."""

    def __init__(self, channel: Any, **answers: Any) -> None:
        super().__init__(channel)
        self.answers = answers

    async def current(self, epoch: int) -> tuple[bytes, bytes]:
        return self.answers.get("current") or await super().current(epoch)

    async def fetch(self, digest: bytes, *, most: int) -> tuple[bytes, ...]:
        parts = await super().fetch(self.answers.get("digest", digest), most=most)
        change: Callable[[tuple[bytes, ...]], Sequence[bytes]] = self.answers.get("parts", lambda same: same)
        return tuple(change(parts))


@dataclass
class Cheated:
    """A town with a perimeter, and a way to ask a lying hub for it as `travail`."""

    at: Town
    channel: Any

    async def fetch(self, **answers: Any) -> None:
        await self.at.travail.fetcher(Lying(self.channel, **answers)).fetch()


@asynccontextmanager
async def cheated(tmp_path: Path) -> AsyncIterator[Cheated]:
    async with town(tmp_path) as at, connected(at.hub.address, at.world, "travail") as channel:
        await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
        yield Cheated(at, channel)
        assert at.travail.store.find(1) is None, "nothing of it is kept"


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: (parts[0][:-1] + bytes([parts[0][-1] ^ 1]),),
        lambda parts: (parts[0] + b"\0",),
        lambda parts: (),
        lambda parts: (parts[0], parts[0]),
        lambda parts: (b"",),
    ],
    ids=["altered", "longer", "dropped", "doubled", "emptied"],
)
def test_altered_parts_are_refused_before_they_are_opened(
    tmp_path: Path, change: Callable[[tuple[bytes, ...]], Sequence[bytes]]
) -> None:
    async def test() -> None:
        async with cheated(tmp_path) as place:
            with pytest.raises(BadProof, match="not those"):
                await place.fetch(parts=change)

    run(test)


def test_a_hub_that_sends_without_end_is_stopped(tmp_path: Path) -> None:
    async def test() -> None:
        async with cheated(tmp_path) as place:
            statement = place.at.acoss.store.find(1)
            assert statement is not None
            with pytest.raises(Refused, match="parts"):
                await PerimeterHub(place.channel).fetch(statement.digest, most=0)

    run(test)


def test_the_parts_of_another_recipient_do_not_open(tmp_path: Path) -> None:
    """A hub, with the owner's help, moves the bank's part to another recipient: the seal says no."""

    async def test() -> None:
        async with town(tmp_path) as at:
            raw, ids, parts = forged(at.world)
            body = bodies.read(raw, Perimeter)
            moved = dict.fromkeys(body.recipients, body.recipients["banque-de-france"])
            made = at.world.sign("acoss", replace(body, recipients=moved))
            with pytest.raises(Malformed):  # one part, two recipients: the hub itself does not take it
                await at.acoss.hub.begin(made.raw, dict.fromkeys(ids, ids["banque-de-france"]))
            key = at.world.keyrings["travail"].sealing()
            place = Place(at.world.convention.id, b"i" * 16, 1, PERIOD, "travail")
            assert key.open(place.info(0), parts[1])
            with pytest.raises(BadSeal):
                key.open(place.info(0), parts[0])
            bank = at.world.keyrings["banque-de-france"].sealing()
            with pytest.raises(BadSeal):
                bank.open(place.info(0), parts[0])

    run(test)


@pytest.mark.parametrize("moved", ["recipient", "period", "perimeter", "part"])
def test_a_part_sealed_for_another_place_does_not_open(tmp_path: Path, moved: str) -> None:
    """The owner's statement names the part, the part was sealed elsewhere: it opens nowhere else."""

    async def test() -> None:
        async with town(tmp_path, shared_with=["travail"]) as at:
            id_ = b"i" * 16
            there = Place(
                at.world.convention.id, b"x" * 16 if moved == "perimeter" else id_, 1,
                "2021-03" if moved == "period" else PERIOD, "acoss" if moved == "recipient" else "travail",
            )  # fmt: skip
            key = at.world.convention.member("travail").sealing
            assert key is not None
            (plain,) = perimeter.cut(perimeter.filled(b"s" * 32, there, pseudonyms(INSIDE)))
            part = sealing.seal(key, there.info(1 if moved == "part" else 0), plain)
            ids = [segment.segment_id(part)]
            body = Perimeter(
                at.world.chain.digest, 1, id_, PERIOD, "acoss",
                {"travail": PerimeterShare(segment.segment_root(ids), len(part), 1)}, 32, None, stamp(utc_now()),
            )  # fmt: skip
            await put_in(at, (at.world.sign("acoss", body), {"travail": ids}, [part]))
            with pytest.raises(BadSeal):
                await at.travail.fetcher().fetch()
            assert at.travail.store.find(1) is None

    run(test)


def test_a_list_that_is_not_what_its_statement_says_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await put_in(at, forged(at.world, companies_class=24))
            with pytest.raises(BadProof, match="number of marks"):
                await at.travail.fetcher().fetch()
            assert at.travail.store.find(1) is None

    run(test)


def test_a_statement_that_the_owner_did_not_sign_or_the_journal_does_not_hold_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with cheated(tmp_path) as place:
            at = place.at
            statement, receipt = await at.travail.hub.current(1)
            other = forged(at.world)[0]
            with pytest.raises(BadProof):
                await place.fetch(current=(other.raw, receipt))
            with pytest.raises(BadSignature):
                await place.fetch(current=(forged(at.world, signer="travail")[0].raw, receipt))
            with pytest.raises(Refused, match="owner"):
                await place.fetch(current=(forged(at.world, owner="travail", signer="travail")[0].raw, receipt))
            with pytest.raises(Malformed):
                await place.fetch(current=(statement, b"no receipt"))
            with pytest.raises(VigieError):
                await place.fetch(current=(at.world.convention_raw, receipt))

    run(test)


def test_a_journal_other_than_the_one_that_was_witnessed_is_refused(tmp_path: Path) -> None:
    """Two hubs with the same keys and convention; this node witnessed the other one's journal."""

    async def test() -> None:
        async with cheated(tmp_path / "one") as place:
            at = place.at
            entries = at.hub.journal.entries(0, 100)
            other = MemoryTree([*entries[:-1], b"another entry", *entries])
            text = Checkpoint(at.hub.journal.origin, other.frontier.size, other.frontier.root()).text()
            log = at.world.keyrings["hub"].log_signer(at.hub.journal.origin)
            witness = Witness(
                at.world.convention.log_key(),
                at.world.keyrings["travail"].cosigner(),
                at.travail.state.witness,
                utc_now,
            )
            await witness.answer(0, (), note.assemble(text, [log.sign(text)]))
            assert at.travail.state.witness.state(at.hub.journal.origin).size == other.frontier.size

            async def proof(old: int, new: int) -> list[bytes]:
                return [] if old == new else [b"x" * 32]

            fetcher = replace(at.travail.fetcher(), consistency=proof)
            with pytest.raises(BadProof, match="another journal"):
                await fetcher.fetch()

    run(test)


def test_an_older_perimeter_is_not_taken_for_a_newer_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "travail") as channel:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            old = await at.travail.hub.current(1)
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            kept, _ = await at.travail.fetcher().fetch()
            with pytest.raises(Refused, match="replay"):
                await at.travail.fetcher(Lying(channel, current=old)).fetch()
            assert at.travail.store.find(1) == kept
            with pytest.raises(Missing):  # and a node that lost its state gets no parts for the old one
                async with site(at.world, "travail", at.hub.address, tmp_path / "lost") as lost:
                    await lost.fetcher(Lying(channel, current=old)).fetch()

    run(test)


def test_nothing_is_shared_before_the_owner_has(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            with pytest.raises(Missing, match="acoss has shared no perimeter for epoch 1"):
                await at.travail.fetcher().fetch()
            with pytest.raises(Refused, match="perimeter"):
                await at.acoss.fetcher().fetch()

    run(test)


# -- the commands -------------------------------------------------------------------------------------------------


def test_the_commands_from_a_file_to_a_filtered_lot_and_a_canary_stays_unknown(tmp_path: Path) -> None:
    """Real pseudonyms, real processes. What the partner's node holds never names a company that it did not have."""

    async def test() -> None:
        world = hub_world(tmp_path, perimeter=section())
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folders = {name: make_node(world, name, tmp_path / name, hub.address) for name in PARTNERS}
            acoss, travail = folders["acoss"].root, folders["travail"].root
            listed = tmp_path / "filter_siren_2104.csv"
            listed.write_text("siren\n" + "\n".join([*INSIDE[:5], CANARY]) + "\n")
            hours(tmp_path, [*INSIDE[:3], *OUTSIDE[:2]])
            extract = tmp_path / "short_time_work.csv"
            send = (
                "vigie-node", "send", extract, "--folder", travail, "--period", PERIOD, "--delivery", "snapshot", "--json",
            )  # fmt: skip
            async with (
                attending(folders["acoss"], hub),
                attending(folders["banque-de-france"], hub),
                attending(folders["travail"], hub),
            ):
                before = await command(*send)
                assert (before.code, "perimeter fetch" in before.err) == (5, True), before.err
                nothing = await command("vigie-node", "perimeter", "show", "--folder", travail, passphrase=None)
                assert (nothing.code, "hint:" in nothing.err) == (6, True)
                shared = await command(
                    "vigie-node", "perimeter", "share", listed, "--folder", acoss, "--period", PERIOD
                )
                assert shared.code == 0, shared.err
                assert "6 companies: shared; the receipt is kept" in shared.err + shared.out
                again = await command(
                    "vigie-node", "perimeter", "share", listed, "--folder", acoss, "--period", PERIOD, "--json"
                )
                assert again.json()["again"] is True and again.json()["companies_class"] == 6
                fetched = await command("vigie-node", "perimeter", "fetch", "--folder", travail, "--json")
                assert fetched.code == 0, fetched.err
                assert fetched.json()["new"] is True and fetched.json()["receipt"] == again.json()["receipt"]
                sent = await command(*send)
                assert sent.code == 0, sent.err
            (said,) = sent.json()
            assert said["quality"]["rules"] == {RULE: 4} and said["quality"]["lines_valid"] == 6
            report = json.loads(next((travail / "reports").iterdir()).read_text())
            assert report[0]["lines_skipped"] == 4 and report[0]["rules"] == {RULE: 4}
            shown = (
                await command("vigie-node", "perimeter", "show", "--folder", travail, "--json", passphrase=None)
            ).json()
            assert (shown["inside"], shown["outside"], shown["period"], shown["owner"]) == (3, 2, PERIOD, "acoss")
            own = (
                await command("vigie-node", "perimeter", "show", "--folder", acoss, "--json", passphrase=None)
            ).json()
            assert (own["inside"], own["outside"]) == (6, 0)
            words = await command("vigie-node", "perimeter", "show", "--folder", travail, passphrase=None)
            assert "3 inside, 2 outside" in words.out + words.err
        scanner = Scanner([Canary(siren=CANARY)])
        assert scanner.scan_tree(travail) == [] == scanner.scan_tree(tmp_path / "hub")
        assert scanner.scan_files([listed]), "the scanner finds it where it is"
        with PseudonymCache(acoss / "pseudonyms.sqlite") as cache:
            known = dict(zip(*(column.to_pylist() for column in cache.table(1).columns), strict=True))
        with PseudonymCache(travail / "pseudonyms.sqlite") as cache:
            assert cache.table(1)["siren"].to_pylist() == sorted([*INSIDE[:3], *OUTSIDE[:2]])
        with PerimeterStore(travail / "perimeter.sqlite", utc_now) as store:
            kept = store.find(1)
        assert kept is not None
        (mark,) = Place(world.convention.id, kept.body.perimeter, 1, PERIOD, "travail").marks([known[CANARY]])
        assert mark in kept.marks and known[INSIDE[0]] != mark
        held = b"".join(path.read_bytes() for path in sorted(travail.rglob("*")) if path.is_file())
        assert known[INSIDE[0]] in held, "its own companies it knows by their pseudonyms"
        assert known[CANARY] not in held, "of others it has not even the pseudonym"

    run(test)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1"),
        ("siren", "no company"),
        ("sirene\n100000000\n", "line 1"),
        ("100000000\n", "line 1"),
        ("siren;x\n100000000;1\n", "line 1"),
        ("siren\n100000000\n10000000\n", "line 3, column siren: not nine digits but 99999999"),
        ("siren\n10000000A\n", "line 2, column siren: not nine digits but 99999999a"),
        ("siren\n100000000\n\n", "line 3, column siren: not nine digits but (empty)"),
        ("siren\n 100000000\n", "line 2"),
        ("siren\n100000000\n200000000\n100000000\n", "line 4: the same company stands on line 2"),
        ("siren\n１00000000\n", "line 2"),
    ],
)
def test_a_file_that_is_not_a_list_of_companies_is_refused_at_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "filter_siren_2104.csv"
    path.write_text("siren\r\n200000000\r\n100000000\r\n")
    assert read_sirens(path).to_pylist() == ["100000000", "200000000"]
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ExtractError) as refused:
        read_sirens(path)
    assert said in str(refused.value) and refused.value.hint
    assert not any(siren in str(refused.value) for siren in ("100000000", "200000000"))
