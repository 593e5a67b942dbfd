"""A host that breaks the protocol of the enclave's channel at one place: the run ends, with a word or none, and nothing leaks.

Each conversation is a whole valid one, over real conventions, lots, receipts and releases, in which one frame is wrong: at
every place where something else is due, in every way of ``support.hostile_host``. Most are held with an enclave in a
thread; some with the real process, started by the hub's own launcher from a built enclave root.
"""

import asyncio
import base64
import contextlib
import secrets
import socket
import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from support import hostile_host as hostile
from support.enclave_story import EnclaveFailed, Outcome, Story, pseudonym_of
from support.hostile_host import Heard, HostileHost, How, Searcher, forms
from support.panel import table
from support.world import PARTNERS, World
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames
from vigie_hub.enclave.bounds import Times
from vigie_hub.enclave.words import CLAIMS, UNTOLD, Vocabulary
from vigie_hub.launcher import Launcher

A, B = "552100554", "900000002"
AMOUNT: Final = 7_340_117.37
"""A debt that nobody has."""

TABLES = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5), (B, "2018-01", 7), (A, "2020-12", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation", "opening")]),
        "debts": table("debts", [(A, "2020-12", AMOUNT, AMOUNT * 2)]),
    },
    "banque-de-france": {"ratios": table("ratios", [(B, "2019-12-31", "2020-05-01", 2019, AMOUNT * 3)])},
    "travail": {"short_time_work": table("short_time_work", [(A, "2020-12", 5.0)])},
}
LOTS: Final = 5
BUCKETS: Final = 4

BEGIN, RELEASES, GO, WORK = 0, (1, 2, 3), 4, 5
FRAMES: Final = WORK + 2 * LOTS * BUCKETS
"""How many frames a host sends in the whole conversation: from ``WORK`` on, control and bulk in turn."""

PLACES: Final = (BEGIN, *RELEASES, GO, WORK, WORK + 1, WORK + 2, WORK + 3, WORK + 16, WORK + 17, FRAMES - 2, FRAMES - 1)
"""Every state of the protocol, its first and its last frame."""


def applies(how: How, place: int) -> bool:
    """Whether that is a fault at that place: nothing is read after the last frame, so it may as well come twice."""
    bulk = place >= WORK and (place - WORK) % 2 == 1
    ways = hostile.ANY + (hostile.BULK_ONLY if bulk else hostile.CONTROL_ONLY)
    return how in ways and (how, place) != (hostile.doubled, FRAMES - 1)


WAYS: Final = (*hostile.ANY, *hostile.CONTROL_ONLY, *hostile.BULK_ONLY)
CASES: Final = [(how, place) for how in WAYS for place in PLACES if applies(how, place)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every partner is required: a release that fails ends the run, instead of making its partner a missing one."""
    overrides = {"pseudonyms.buckets": BUCKETS, "purpose.early-warning.required": list(PARTNERS)}
    return World.create(tmp_path_factory.mktemp("world"), overrides=overrides)


@pytest.fixture(scope="module")
def story(world: World) -> Story:
    story = Story(world, TABLES, period="2020-12")
    story.make_lots()
    return story


@pytest.fixture(scope="module")
def drawn() -> Iterator[list[bytes]]:
    """Whatever is drawn by chance in this process: the enclave's private keys among it."""
    found: list[bytes] = []
    draw = secrets.token_bytes

    def listening(count: int | None = None) -> bytes:
        found.append(draw(count))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_bytes", listening)
        yield found


def secrets_of(story: Story) -> list[bytes]:
    """Keys of lots, pseudonyms, amounts and SIREN."""
    found = [lot.seed[at : at + 32] for lot in story.lots for at in (0, 32, 64)]
    found += [pseudonym_of(siren) for siren in (A, B)] + [A.encode(), B.encode()]
    for times in (1, 2, 3):
        found += [
            struct.pack("<d", AMOUNT * times),
            struct.pack(">d", AMOUNT * times),
            f"{AMOUNT * times:.2f}".encode(),
        ]
    return found


def held(story: Story, at: int, how: How, seed: int, *, patience: float = 0.3) -> tuple[Story, Heard]:
    heard = Heard()
    host = partial(HostileHost, at=at, how=how, seed=seed, heard=heard, patience=patience)
    return replace(story, host=host, codes=[]), heard


def check_last_words(failed: EnclaveFailed | None, world: World) -> None:
    """Of a run that ended: a declared claim, and sentences that are not even replaced."""
    if failed is None:
        return
    words = Vocabulary()
    words.learn(world.raws)
    assert failed.claim in CLAIMS - {"internal", "run"}, failed
    for text in (failed.expected, failed.found):
        assert words.sentence(text) == text != UNTOLD, failed


def messages(data: bytes) -> list[pb.Control]:
    """The control messages among what an enclave said, every frame of it whole."""
    found, at = [], 0
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4]
        at += frames.HEAD + length
        assert at <= len(data)
        if kind == frames.CONTROL:
            found.append(pb.Control.FromString(data[at - length : at]))
    return found


def check_heard(heard: Heard, searcher: Searcher) -> None:
    """What left: whole frames, at most one failure, nothing after it, no run, and no secret."""
    assert heard.reached, "the conversation ended before the frame that was to be spoilt"
    said = [control.WhichOneof("message") for control in messages(bytes(heard.data))]
    assert "done" not in said and "part" not in said
    assert "failed" not in said[:-1]
    assert not searcher.finds(bytes(heard.data))


def spoilt(story: Story, times: Times | None = None) -> EnclaveFailed | None:
    """Hold the conversation; why the enclave says that it stopped, None when it said nothing."""
    try:
        story.in_thread(times)
    except EnclaveFailed as failed:
        return failed
    except EOFError:
        return None
    pytest.fail("a spoilt conversation led to a run")


def honest(host: HostileHost, frame: bytes) -> None:
    host.write(frame)


def test_the_same_conversation_with_nothing_spoilt_is_a_run(story: Story, world: World, drawn: list[bytes]) -> None:
    playing, heard = held(story, -1, honest, 0)
    before = len(drawn)
    outcome: Outcome = playing.in_thread()
    assert playing.codes == [0]
    assert set(outcome.body.releases) == set(PARTNERS) and "none" not in outcome.body.releases.values()
    assert outcome.opened(world, "acoss-list")[0].num_rows == 2
    said = [control.WhichOneof("message") for control in messages(bytes(heard.data))]
    assert said[0] == "claim" and said[-1] == "done" and said.count("fetch") == LOTS
    own = [key for key in drawn[before:] if len(key) in (32, 96)]
    assert {len(key) for key in own} == {32, 96}, "the enclave's private keys were seen"
    assert not Searcher([*secrets_of(story), *own]).finds(bytes(heard.data))


@pytest.mark.parametrize("how", WAYS, ids=lambda how: how.__name__)
def test_one_wrong_frame_ends_the_run_and_leaks_nothing(
    story: Story, world: World, drawn: list[bytes], how: How
) -> None:
    searcher = Searcher(secrets_of(story))
    for number, place in enumerate(place for one, place in CASES if one is how):
        playing, heard = held(story, place, how, number)
        before = len(drawn)
        failed = spoilt(playing)
        assert playing.codes == [1], place
        check_last_words(failed, world)
        check_heard(heard, searcher)
        assert not Searcher(key for key in drawn[before:] if len(key) in (32, 96)).finds(bytes(heard.data))


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_bit_anywhere_ends_the_run(story: Story, world: World, seed: int) -> None:
    place = PLACES[seed % 5] if seed < 30 else WORK + (seed * 7) % (FRAMES - WORK)
    playing, heard = held(story, place, hostile.bit_flipped, 1000 + seed)
    check_last_words(spoilt(playing), world)
    assert playing.codes == [1]
    check_heard(heard, Searcher(secrets_of(story)))


def test_there_are_enough_of_them() -> None:
    assert len(CASES) + 60 >= 300
    assert len(set(CASES)) == len(CASES)
    assert {place for _, place in CASES} == set(PLACES)


def silent(host: HostileHost, frame: bytes) -> None:
    """Say nothing any more, and keep the channel open."""
    host.mute = True


@pytest.mark.parametrize("place", [BEGIN, RELEASES[0], GO, WORK, WORK + 1, FRAMES - 1])
def test_a_host_that_falls_silent_is_not_waited_for(story: Story, world: World, place: int) -> None:
    playing, heard = held(story, place, silent, 0)
    failed = spoilt(playing, Times(begin=2, answers=2, segment=2))
    assert failed is not None
    assert (failed.claim, failed.found) == ("channel", "the host was silent for longer than it may be")
    assert playing.codes == [1]
    check_heard(heard, Searcher(secrets_of(story)))


REAL: Final = [
    (how, place)
    for place in (BEGIN, RELEASES[0], GO, WORK, WORK + 1)
    for how in (
        hostile.closed_in_its_payload, hostile.garbage_inside, hostile.length_above_the_bound, hostile.type_changed,
    )
] + [(hostile.far_too_many_lots, BEGIN), (hostile.a_go_instead, RELEASES[1]), (hostile.another_parts_bytes, FRAMES - 1)]  # fmt: skip


@pytest.mark.parametrize("how, place", REAL, ids=lambda one: getattr(one, "__name__", str(one)))
def test_the_real_process_ends_with_1_and_leaks_nothing(
    story: Story, world: World, enclave: Path, tmp_path: Path, how: How, place: int
) -> None:
    playing, heard = held(story, place, how, place, patience=2)

    def play(connection: socket.socket) -> EnclaveFailed | None:
        connection.setblocking(True)
        try:
            playing.play(connection)
        except EnclaveFailed as failed:
            with contextlib.suppress(OSError):
                while piece := connection.recv(1 << 16):
                    heard.data += piece
            return failed
        except EOFError:
            return None
        pytest.fail("a spoilt conversation led to a run")

    async def hold() -> tuple[EnclaveFailed | None, int | None]:
        process = await Launcher(enclave, tmp_path / "memory").start()
        try:
            # The launcher's end of the channel, without the codec that would keep a host honest.
            said = await asyncio.to_thread(play, process.channel._connection)
        finally:
            await process.end(at_once=False)
        return said, process.process.returncode

    failed, code = asyncio.run(hold())
    assert code == 1
    check_last_words(failed, world)
    check_heard(heard, Searcher(secrets_of(story)))


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_the_search_finds_a_secret_in_every_form(story: Story, number: int) -> None:
    """What makes finding nothing mean something."""
    secret = secrets_of(story)[number]
    searcher = Searcher([secret])
    hexadecimal = secret.hex()
    for written in (
        secret, hexadecimal.encode(), hexadecimal.upper().encode(), hexadecimal.encode("utf-16-le"),
        base64.b64encode(b"x" + secret + b"yz"), base64.urlsafe_b64encode(b"xy" + secret), base64.b64encode(secret).decode().encode("utf-16-be"),
    ):  # fmt: skip
        assert searcher.finds(b"before" + written + b"after"), written
    assert not searcher.finds(secret[:-1] + bytes([secret[-1] ^ 1]) + bytes(1000))
    assert len(set(forms(secret))) > 20


def test_the_search_finds_what_a_leaking_enclave_would_say(story: Story, world: World) -> None:
    """The same conversation, with an enclave that puts a pseudonym and a key where its words go."""
    for secret in (pseudonym_of(A), story.lots[0].seed[:32]):
        said = pb.Control(failed=pb.Failed(claim="rows", expected="none", found=f"the company {secret.hex()}"))
        frame = frames.encode(frames.CONTROL, said.SerializeToString())
        assert Searcher(secrets_of(story)).finds(frame)
        failed = EnclaveFailed("rows", "none", said.failed.found)
        with pytest.raises(AssertionError):
            check_last_words(failed, world)
