"""The channel takes what the protocol says and nothing else."""

import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.errors import MalformedFrame
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.messages import (
    Begin,
    Claim,
    Done,
    Failed,
    Fetch,
    GivenLot,
    GivenQuote,
    Go,
    PartnerRelease,
    Progress,
    ResultPart,
    SealedPart,
    ToHost,
    WantQuote,
)

Pair = tuple[socket.socket, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The host's bare socket and the enclave's channel."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, Channel(theirs)


def control(sequence: int = 0, **message: object) -> bytes:
    return frames.encode(frames.CONTROL, pb.Control(sequence=sequence, **message).SerializeToString())  # type: ignore[arg-type]


def begin(**changed: object) -> pb.Begin:
    fields = {
        "conventions": [b"c"],
        "order": b"o",
        "challenges": {"acoss": b"h" * 32},
        "measurement": b"m" * 32,
        "lots": [pb.Lot(statement=b"s", receipt=b"r", segment_ids=[b"i" * 32], parts_per_bucket=[1])],
        **changed,
    }
    return pb.Begin(**fields)  # type: ignore[arg-type]


def test_what_the_host_says_arrives_in_order(pair: Pair) -> None:
    host, channel = pair
    host.sendall(control(0, begin=begin()))
    host.sendall(control(1, release=pb.Release(partner="acoss", statement=b"s", blob=b"b")))
    host.sendall(control(2, go=pb.Go(evidence=b"e")))
    host.sendall(control(3, segment=pb.Segment(lot=1, bucket=2, part=3, size=4)) + frames.encode(frames.BULK, b"data"))
    lot = GivenLot(b"s", b"r", (b"i" * 32,), (1,))
    assert channel.receive() == Begin((b"c",), b"o", {"acoss": b"h" * 32}, b"m" * 32, (lot,))
    assert channel.receive() == PartnerRelease("acoss", b"s", b"b")
    assert channel.receive() == Go(b"e")
    assert channel.receive() == SealedPart(1, 2, 3, b"data")
    host.sendall(control(4, quote=pb.QuoteBundle(bundle=b"q")) + control(5, begin=begin(platform="tdx")))
    assert channel.receive() == GivenQuote(b"q")
    named = channel.receive()
    assert isinstance(named, Begin) and named.platform == "tdx"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (Claim(b"evidence"), "claim"),
        (Fetch(0, 0, 0), "fetch"),
        (WantQuote(b"h" * 64), "quote_request"),
        (Progress("features", 0, 0), "progress"),
        (Done(b"run"), "done"),
        (Failed("rows", "order", "none"), "failed"),
        (ResultPart("list", 0, b""), "part"),
        (ResultPart("list", 3, b"sealed"), "part"),
    ],
)
def test_what_the_enclave_says_leaves_in_order(pair: Pair, message: ToHost, kind: str) -> None:
    host, channel = pair
    for sequence in (0, 1):
        channel.send(message)
        sent = pb.Control.FromString(frames.receive(host, frames.CONTROL))
        assert (sent.sequence, sent.WhichOneof("message")) == (sequence, kind)
        if isinstance(message, ResultPart):
            assert sent.part.size == len(message.content)
            assert frames.receive(host, frames.BULK) == message.content


@pytest.mark.parametrize(
    "sent",
    [
        control(1, go=pb.Go()),  # a gap
        control(0),  # nothing in it
        control(0, done=pb.Done()),  # only the enclave says that
        frames.encode(frames.CONTROL, b"\xff\xff"),  # no message
        frames.encode(frames.BULK, b"x"),  # not announced
        b"\x00\x00\x00\x00\x02",  # unknown type
        (frames.MAX_CONTROL + 1).to_bytes(4, "big") + b"\x00",
        control(0, begin=begin(measurement=b"short")),
        control(0, begin=begin(platform="x" * 64)),
        control(0, quote_request=pb.QuoteRequest(binding=b"h")),  # only the enclave says that
        control(0, begin=begin(challenges={"acoss": b"short"})),
        control(0, begin=begin(challenges={"": b"h" * 32})),
        control(0, begin=begin(lots=[pb.Lot(segment_ids=[b"short"])])),
        control(0, release=pb.Release(partner="a" * 64)),
        control(0, segment=pb.Segment(size=5)) + frames.encode(frames.BULK, b"four"),
        control(0, segment=pb.Segment(size=4)) + control(1, go=pb.Go()),
    ],
)
def test_anything_off_ends_the_run(pair: Pair, sent: bytes) -> None:
    host, channel = pair
    host.sendall(sent)
    with pytest.raises(MalformedFrame):
        channel.receive()


@pytest.mark.parametrize("cut", [0, 3, 5, 7])
def test_a_stream_that_ends_is_malformed(pair: Pair, cut: int) -> None:
    host, channel = pair
    host.sendall(control(0, go=pb.Go(evidence=b"e"))[:cut])
    host.shutdown(socket.SHUT_WR)
    with pytest.raises(MalformedFrame):
        channel.receive()


def test_a_repeated_message_is_malformed(pair: Pair) -> None:
    host, channel = pair
    host.sendall(control(0, go=pb.Go()) * 2)
    channel.receive()
    with pytest.raises(MalformedFrame):
        channel.receive()


def answer(place: tuple[int, int, int], sequence: int) -> bytes:
    lot, bucket, part = place
    head = pb.Segment(lot=lot, bucket=bucket, part=part, size=1)
    return control(sequence, segment=head) + frames.encode(frames.BULK, b"x")


def test_a_fetch_is_answered_part_by_part(pair: Pair) -> None:
    host, channel = pair
    due = [(3, 1, 0), (3, 1, 1), (3, 2, 0)]
    for sequence, place in enumerate(due):
        host.sendall(answer(place, sequence))
    parts = list(channel.fetch(3, 1, 2, (5, 2, 1, 5)))
    assert [(part.lot, part.bucket, part.part) for part in parts] == due
    fetch = pb.Control.FromString(frames.receive(host, frames.CONTROL)).fetch
    assert (fetch.lot, fetch.first, fetch.last) == (3, 1, 2)


@pytest.mark.parametrize("place", [(2, 1, 0), (3, 0, 0), (3, 1, 1)])
def test_another_part_than_the_one_due_is_malformed(pair: Pair, place: tuple[int, int, int]) -> None:
    host, channel = pair
    host.sendall(answer(place, 0))
    with pytest.raises(MalformedFrame):
        list(channel.fetch(3, 1, 1, (1, 2)))


def test_a_message_that_is_too_long_is_not_sent(pair: Pair) -> None:
    _, channel = pair
    with pytest.raises(MalformedFrame):
        channel.send(ResultPart("list", 0, bytes(frames.MAX_BULK + 1)))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    host, theirs = socket.socketpair()
    with host, theirs:
        host.sendall(data)
        host.shutdown(socket.SHUT_WR)
        _never_foreign(Channel(theirs).receive)


def _never_foreign(receive: Callable[[], object]) -> None:
    try:
        receive()
    except MalformedFrame:
        return
