"""The channel takes what the protocol says and nothing else."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from support.enclave_story import receive_frame
from vigie.errors import MalformedFrame
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import bounds, frames, shape
from vigie_hub.enclave.bounds import Times
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


def wrapped(content: bytes, number: int) -> bytes:
    """A first control frame with these bytes as its message."""
    field = pb.Control.DESCRIPTOR.fields_by_number[number]
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    assert field.message_type is not None and length < 1 << 14
    return frames.encode(frames.CONTROL, bytes([number << 3 | 2]) + size + content)


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
    host.sendall(control(0, begin=begin(conventions=[b'name = "list"'])))
    channel.receive("begin")
    for sequence in range(min(2, bounds.MESSAGES[kind].frames)):
        channel.send(message)
        sent = pb.Control.FromString(receive_frame(host, frames.CONTROL))
        assert (sent.sequence, sent.WhichOneof("message")) == (sequence, kind)
        if isinstance(message, ResultPart):
            assert sent.part.size == len(message.content)
            assert receive_frame(host, frames.BULK) == message.content


@pytest.mark.parametrize(
    "sent",
    [
        control(1, go=pb.Go()),  # a gap
        control(0),  # nothing in it
        control(0, done=pb.Done()),  # only the enclave says that
        frames.encode(frames.CONTROL, b"\xff\xff"),  # no message
        frames.encode(frames.BULK, b"x"),  # not announced
        b"\x00\x00\x00\x00\x02",  # unknown type
        (8 * 1024 * 1024 + 1).to_bytes(4, "big") + b"\x00",
        control(0, begin=begin(measurement=b"short")),
        control(0, begin=begin(platform="x" * 64)),
        control(0, quote_request=pb.QuoteRequest(binding=b"h")),  # only the enclave says that
        control(0, begin=begin(challenges={"acoss": b"short"})),
        control(0, begin=begin(challenges={"": b"h" * 32})),
        control(0, begin=begin(lots=[pb.Lot(segment_ids=[b"short"])])),
        control(0, release=pb.Release(partner="a" * 64)),
        control(0, begin=begin(conventions=[b"c"] * 65)),
        control(0, begin=begin(order=b"o" * 65_536)),
        control(0, begin=begin(lots=[pb.Lot()] * 4097)),
        control(0, begin=begin(challenges={f"m{number}": b"h" * 32 for number in range(257)})),
        control(0, release=pb.Release(partner="a", blob=b"b" * (2 << 20))),
        control(0, segment=pb.Segment(size=bounds.MAX_BULK + 1)),
        wrapped(pb.Go(evidence=b"e").SerializeToString() + b"\xf8\x07\x01", 4),  # a field that nobody knows
        wrapped(b"\x0a\x01e\x0a\x01f", 4),  # one field twice
        wrapped(b"\x08\x01", 4),  # a number where bytes are due
        wrapped(b"\x0b" * 5000, 4),  # groups in groups
        wrapped(b"\x0a\x02\xff\xfe", 3),  # a name that is not UTF-8
        wrapped(b"\x0a\x81\x00e", 4),  # a length longer than need be
        wrapped(b"\x0a\x7fe", 4),  # a length beyond the end
        wrapped(b"\x08\x81\x80\x80\x80\x10", 5) + frames.encode(frames.BULK, b""),  # 2^32 + 1 as a lot
        wrapped(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 4),  # a number without an end
        frames.encode(frames.CONTROL, pb.Control(go=pb.Go(evidence=b"e")).SerializeToString() * 2),
        frames.encode(
            frames.CONTROL,
            pb.Control(go=pb.Go(evidence=b"e")).SerializeToString()
            + pb.Control(release=pb.Release(partner="a")).SerializeToString(),
        ),
        control(0, segment=pb.Segment(size=5)) + frames.encode(frames.BULK, b"four"),
        control(0, segment=pb.Segment(size=4)) + control(1, go=pb.Go()),
    ],
)
def test_anything_off_ends_the_run(pair: Pair, sent: bytes) -> None:
    host, channel = pair
    sending = threading.Thread(target=say, args=(host, sent))
    sending.start()
    with pytest.raises(MalformedFrame):
        channel.receive()
    host.shutdown(socket.SHUT_RDWR)
    sending.join()


def say(host: socket.socket, sent: bytes) -> None:
    """Send more than a socket holds; the enclave may stop listening in the middle."""
    with contextlib.suppress(OSError):
        host.sendall(sent)


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
    fetch = pb.Control.FromString(receive_frame(host, frames.CONTROL)).fetch
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
        channel.send(ResultPart("list", 0, bytes(bounds.MAX_BULK + 1)))


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


# -- what each state allows, and for how long

SOON = Times(begin=0.3, answers=0.3, segment=0.3, send=0.3)


@pytest.fixture
def hurried() -> Iterator[Pair]:
    """The same pair with an enclave that waits for next to nothing."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    with ours, theirs:
        yield ours, Channel(theirs, SOON)


@pytest.mark.parametrize(
    ("due", "sent"),
    [
        (("begin",), control(0, go=pb.Go(evidence=b"e"))),
        (("release", "go"), control(0, begin=begin())),
        (("release", "go"), control(0, segment=pb.Segment()) + frames.encode(frames.BULK, b"")),
        (("segment",), control(0, go=pb.Go(evidence=b"e"))),
    ],
)
def test_a_message_that_is_not_due_is_malformed(pair: Pair, due: tuple[str, ...], sent: bytes) -> None:
    host, channel = pair
    host.sendall(sent)
    with pytest.raises(MalformedFrame, match="another message"):
        channel.receive(*due)


def test_what_may_come_bounds_the_frame_before_it_is_read(pair: Pair) -> None:
    """A segment's announcement is short: eight megabytes are refused by their length alone."""
    host, channel = pair
    host.sendall(frames.head(frames.CONTROL, 8 << 20))
    with pytest.raises(MalformedFrame, match="longer"):
        channel.receive("segment")


def test_a_second_beginning_is_one_too_many(pair: Pair) -> None:
    host, channel = pair
    host.sendall(control(0, begin=begin()) + control(1, begin=begin()))
    channel.receive("begin")
    with pytest.raises(MalformedFrame, match="more messages"):
        channel.receive()


@pytest.mark.parametrize("due", [("begin",), ("release", "go"), ("segment",)])
@pytest.mark.parametrize("sent", [b"", b"\x00\x00", control(0, begin=begin())[:40]])
def test_silence_has_an_end(hurried: Pair, due: tuple[str, ...], sent: bytes) -> None:
    host, channel = hurried
    host.sendall(sent)
    with pytest.raises(MalformedFrame, match="silent" if len(sent) < 5 or due == ("begin",) else "longer"):
        channel.receive(*due)


def test_a_host_that_sends_a_byte_now_and_then_is_silent_too(hurried: Pair) -> None:
    host, channel = hurried
    stop = threading.Event()

    def trickle() -> None:
        for byte in control(0, begin=begin()):
            if stop.wait(0.05):
                return
            host.sendall(bytes([byte]))

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        with pytest.raises(MalformedFrame, match="silent"):
            channel.receive("begin")
    finally:
        stop.set()
        thread.join()


def test_a_host_that_does_not_listen_is_not_waited_for_and_not_spoken_to_again(hurried: Pair) -> None:
    host, channel = hurried
    host.sendall(control(0, begin=begin(conventions=[b"list"])))
    channel.receive("begin")
    with pytest.raises(MalformedFrame, match="listen"):
        channel.send(ResultPart("list", 0, bytes(bounds.MAX_BULK)))
    with pytest.raises(BrokenPipeError):
        channel.send(Failed("channel", "none", "none"))


def test_the_whole_run_has_an_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(MalformedFrame, match="silent"):
        Channel(theirs, Times(run=0)).receive()


def test_bulk_is_received_into_one_buffer(pair: Pair) -> None:
    host, channel = pair
    host.sendall(answer((0, 0, 0), 0) + answer((0, 0, 1), 1))
    first, second = (channel.receive("segment") for _ in range(2))
    assert isinstance(first, SealedPart) and isinstance(second, SealedPart)
    assert isinstance(first.content, memoryview) and isinstance(second.content, memoryview)
    assert first.content.obj is second.content.obj


# -- the table


def test_every_message_and_field_of_the_channel_has_its_row() -> None:
    control_ = pb.Control.DESCRIPTOR
    messages = {field.name for field in control_.oneofs_by_name["message"].fields}
    assert messages == set(bounds.MESSAGES)
    shape.shape_of(control_)  # a field without a row raises KeyError
    fields, left = set(), [control_]
    while left:
        one = left.pop()
        fields |= {f"{one.name}.{field.name}" for field in one.fields}
        left += [field.message_type for field in one.fields if field.message_type is not None]
    assert fields == set(bounds.FIELDS)


@pytest.mark.parametrize("name", bounds.names_of("host"))
def test_a_count_is_a_count(name: str) -> None:
    rule = bounds.MESSAGES[name]
    ledger = bounds.Ledger("host")
    for _ in range(min(rule.frames, 3)):
        ledger.take(name, 1)
    with pytest.raises(MalformedFrame):
        ledger.take(name, rule.total)
    with pytest.raises(MalformedFrame):
        bounds.Ledger("enclave").take(name, 1)


@given(st.binary(max_size=300))
def test_a_shape_is_refused_or_parsed_and_nothing_else(data: bytes) -> None:
    try:
        shape.check(data, shape.shape_of(pb.Control.DESCRIPTOR))
    except MalformedFrame:
        return
    with contextlib.suppress(DecodeError):  # text that is not UTF-8
        pb.Control.FromString(data)
