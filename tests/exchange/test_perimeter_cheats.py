"""Who may share a perimeter, what is taken in, and a hub that cheats: each refused, and nothing of it kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import connected, eventually
from support.merkle_tree import MemoryTree
from support.nodes import attending, make_node
from support.town import INSIDE, PERIOD, Cut, Town, forged, pseudonyms, put_in, refusals, run, site, town
from vigie import bodies, note, perimeter, sealing, segment
from vigie.bodies import Perimeter, PerimeterShare
from vigie.clock import stamp, utc_now
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
from vigie.perimeter import Place
from vigie.witness_service import Witness
from vigie_node.perimeter import seen
from vigie_node.wire_perimeter import PerimeterHub

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
                calls: list[Awaitable[object]] = [
                    auditor.begin(raw.raw, shares),
                    auditor.current(1),
                    auditor.fetch(b"0" * 32, most=1),
                ]
                for asked in calls:
                    with pytest.raises(Refused, match="role"):
                        await asked
            assert at.hub.journal.find("perimeter") == []
            assert {("travail", "owner"), ("auditeur", "role")} <= set(refusals(at.hub))

    run(test)


async def first(stream: AsyncIterator[bytes]) -> bytes:
    return await anext(stream)


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


def test_a_node_that_reads_the_journal_notices_that_the_newest_is_withheld(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "travail") as channel:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            old = await at.travail.hub.current(1)
            await at.travail.fetcher().fetch()
            at.travail.sender()._perimeter()
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), PERIOD)
            folder = make_node(at.world, "travail", tmp_path / "node", at.hub.address)
            async with attending(folder, at.hub) as node:
                await eventually(lambda: len(node.state.value("perimeters/1") or b"") == 64)
                reader = replace(at.travail, state=node.state)
                with pytest.raises(Refused, match="newest perimeter that this node read of") as refused:
                    reader.sender()._perimeter()
                assert "perimeter fetch" in refused.value.hint
                lying = reader.fetcher(Lying(channel, current=old))
                with pytest.raises(Refused, match="replay"):
                    await lying.fetch()
                kept, fresh = await reader.fetcher().fetch()
                assert fresh and reader.sender()._perimeter() == kept

    run(test)


def test_a_perimeter_in_the_journal_that_the_owner_did_not_sign_stops_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            kept, _ = await at.travail.fetcher().fetch()
            state, chain = at.travail.state, at.world.chain
            made = [kept.statement, forged(at.world, signer="travail")[0].raw, b"nothing", kept.statement]
            for raw in made:
                seen.take(chain, state, raw)
            assert state.value("perimeters/1") == kept.digest
            assert at.travail.sender()._perimeter() == kept
            seen.take(chain, state, forged(at.world)[0].raw)
            assert seen.is_outdated(state, kept)

    run(test)
