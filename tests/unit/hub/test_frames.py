"""The host's side of the enclave's channel: whatever an enclave sends is one of the known events or one of our errors."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.errors import MalformedFrame, Unavailable, VigieError
from vigie.v1 import enclave_pb2 as pb
from vigie_hub import frames
from vigie_hub.enclave import messages
from vigie_hub.enclave.channel import Channel as EnclaveChannel
from vigie_hub.enclave.messages import Claim, Done, Failed, Fetch, Progress, ResultPart


def frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + bytes([kind]) + payload


def control(sequence: int, **message: object) -> bytes:
    return frame(frames.CONTROL, pb.Control(sequence=sequence, **message).SerializeToString())  # type: ignore[arg-type]


def hear(sent: bytes, work: Callable[[frames.Channel], Awaitable[None]]) -> None:
    """Let the host hear these bytes and then the end of the channel."""

    async def story() -> None:
        ours, theirs = socket.socketpair()
        channel = frames.Channel(ours)
        theirs.setblocking(False)
        try:
            sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(theirs, sent))
            sending.add_done_callback(lambda _: theirs.close())
            await work(channel)
        finally:
            channel.close()
            with contextlib.suppress(OSError):
                await sending

    asyncio.run(story())


async def all_events(channel: frames.Channel) -> None:
    while True:
        await channel.receive()


@given(st.binary(max_size=4096))
@settings(max_examples=60, deadline=None)
def test_bytes_that_are_no_frames_end_in_our_errors(sent: bytes) -> None:
    with pytest.raises((MalformedFrame, Unavailable)):
        hear(sent, all_events)


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=200)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_frames_that_make_no_sense_end_in_our_errors(sent: list[tuple[int, bytes]]) -> None:
    with pytest.raises(VigieError):
        hear(b"".join(frame(kind, payload) for kind, payload in sent), all_events)


@pytest.mark.parametrize(
    "sent",
    [
        control(1, claim=pb.Claim(statement=b"x")),
        control(0, claim=pb.Claim(statement=b"x")) * 2,
        control(0, claim=pb.Claim(statement=b"x")) + control(1, claim=pb.Claim(statement=b"x")),
        control(0, claim=pb.Claim(statement=b"x" * 65_536)),
        control(0, fetch=pb.Fetch(lot=1, first=2, last=2)) + control(1, fetch=pb.Fetch(lot=1, first=2, last=3)),
        control(0, fetch=pb.Fetch(lot=1, first=3, last=2)),
        control(0, fetch=pb.Fetch(lot=4096, first=0, last=0)),
        control(0, failed=pb.Failed(claim="c", expected="a", found="x" * 601)),
        frame(
            frames.CONTROL,
            pb.Control(sequence=0, fetch=pb.Fetch(lot=1, first=0, last=1)).SerializeToString() + b"\xf8\x07\x01",
        ),
        frame(frames.CONTROL, pb.Control(sequence=0, done=pb.Done(run=b"x")).SerializeToString() * 2),
        frame(frames.BULK, b"unannounced"),
        control(0, part=pb.Part(grant="g", part=0, size=3)) + frame(frames.BULK, b"four"),
        control(0, part=pb.Part(grant="g", part=0, size=3)) + control(1, done=pb.Done(run=b"")),
        (frames.CONTROL_CAP + 1).to_bytes(4, "big") + b"\x00",
        (frames.BULK_CAP + 1).to_bytes(4, "big") + b"\x01",
        b"\x00\x00\x00\x01\x07x",
        control(0, go=pb.Go(evidence=b"x")),
        frame(frames.CONTROL, b""),
        frame(frames.CONTROL, b"\xff\xff"),
    ],
    ids=[
        "gap",
        "repeated",
        "said twice",
        "long statement",
        "fetched twice",
        "backwards",
        "no such lot",
        "long words",
        "unknown field",
        "field twice",
        "bulk",
        "size",
        "instead",
        "long",
        "long bulk",
        "type",
        "of the host",
        "empty",
        "garbled",
    ],
)
def test_what_an_enclave_may_not_send_is_malformed(sent: bytes) -> None:
    with pytest.raises(MalformedFrame):
        hear(sent, all_events)


def test_what_the_enclave_says_is_what_the_host_hears() -> None:
    ours, theirs = socket.socketpair()
    enclave = EnclaveChannel(theirs)
    given = pb.Begin(conventions=[b'name = "list"'], measurement=b"m" * 32)
    ours.sendall(control(0, begin=given))
    enclave.receive("begin")
    said = [
        Claim(b"claim"), Fetch(0, 0, 0), Fetch(3, 1, 2), Progress("features", 1, 4), ResultPart("list", 0, b"x" * 70_000),
        Done(b"run"), Failed("order", "another lot", "none"),
    ]  # fmt: skip

    async def story() -> list[messages.ToHost]:
        channel = frames.Channel(ours)
        heard = [await channel.receive() for _ in said]
        channel.close()
        return heard

    for message in said:
        enclave.send(message)  # type: ignore[arg-type]
    heard = asyncio.run(story())
    theirs.close()
    assert heard == [
        messages.Claim(b"claim"), messages.Fetch(0, 0, 0), messages.Fetch(3, 1, 2), messages.Progress("features", 1, 4),
        messages.ResultPart("list", 0, b"x" * 70_000), messages.Done(b"run"), messages.Failed("order", "another lot", "none"),
    ]  # fmt: skip


def test_words_of_an_enclave_reach_nobody_as_they_are() -> None:
    async def story(channel: frames.Channel) -> None:
        progress = await channel.receive()
        failed = await channel.receive()
        assert progress == messages.Progress("featuresx1bsirenNNN", 1, 2)
        assert isinstance(failed, messages.Failed) and failed.expected == "a b" and len(failed.found) == 500

    word = pb.Progress(stage="features\x1b[x1b]siren\u00e9NNN", done=1, total=2)
    failure = pb.Failed(claim="c", expected="a\nb", found="x" * 600)
    hear(control(0, progress=word) + control(1, failed=failure), story)


def test_what_was_sent_before_the_end_is_still_heard_after_a_write_failed() -> None:
    async def story() -> None:
        ours, theirs = socket.socketpair()
        channel = frames.Channel(ours)
        theirs.sendall(control(0, failed=pb.Failed(claim="order", expected="a", found="b")))
        theirs.close()
        with pytest.raises(Unavailable):
            await channel.go(b"evidence")
        assert await channel.receive() == messages.Failed("order", "a", "b")
        channel.close()

    asyncio.run(story())
