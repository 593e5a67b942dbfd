"""A host that keeps the protocol of the enclave's channel but for one frame, and every way in which that one can be wrong.

It records every byte that the enclave says, and how secrets could be written in them.
"""

import base64
import random
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError

from support.enclave_story import Host
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import bounds, frames

How = Callable[["HostileHost", bytes], None]


@dataclass
class Heard:
    """What one conversation left.

    Attributes:
        data: every byte that the enclave sent.
        reached: whether the frame to spoil was due at all.
    """

    data: bytearray = field(default_factory=bytearray)
    reached: bool = False


class HostileHost(Host):
    """Spoils the frame at one place of the conversation.

    Args:
        connection: to the enclave.
        at: place of the frame among all that a host sends.
        how: what to do instead of sending it.
        seed: of what is drawn.
        heard: takes what the enclave says.
        patience: seconds of silence after the spoilt frame until the host closes its side of the channel.
    """

    def __init__(
        self, connection: socket.socket, at: int, how: How, seed: int, heard: Heard, patience: float = 0.3
    ) -> None:
        super().__init__(connection)
        self.at = at
        self.how = how
        self.rng = random.Random(seed)
        self.heard = heard
        self.patience = patience
        self.past: list[bytes] = []
        self.held = b""
        self.mute = False

    def put(self, frame: bytes) -> None:
        """Send a frame, or what stands for it."""
        self.past.append(frame)
        if len(self.past) - 1 != self.at:
            self.write(frame + self.held)
            self.held = b""
            return
        self.heard.reached = True
        self.how(self, frame)

    def write(self, data: bytes) -> None:
        """Send bytes as they are; when the enclave is gone, what it had said is still to be read."""
        if self.mute:
            return
        self.connection.settimeout(60)
        try:
            self.connection.sendall(data)
        except OSError:
            self.mute = True

    def end(self) -> None:
        """Say nothing more."""
        if not self.mute:
            self.mute = True
            self.connection.shutdown(socket.SHUT_WR)

    def take(self, kind: int) -> bytes:
        """Receive a frame and record it."""
        head = self._exactly(frames.HEAD)
        payload = self._exactly(int.from_bytes(head[:4], "big"))
        assert head[4] == kind
        return payload

    def drain(self) -> bytes:
        """Whatever the enclave says until it closes its end."""
        found = bytearray()
        while piece := self._receive(1 << 20):
            found += piece
        return bytes(found)

    def _exactly(self, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            piece = self._receive(length - len(found))
            if not piece:
                raise EOFError
            found += piece
        return bytes(found)

    def _receive(self, length: int) -> bytes:
        self.connection.settimeout(self.patience if self.heard.reached and not self.mute else 120)
        try:
            piece = self.connection.recv(length)
        except TimeoutError:
            self.end()
            return self._receive(length)
        except ConnectionResetError:
            return b""
        self.heard.data += piece
        return piece


# -- what can be wrong with any frame


def dropped(host: HostileHost, frame: bytes) -> None:
    """Not sent."""


def doubled(host: HostileHost, frame: bytes) -> None:
    host.write(frame * 2)


def after_the_next(host: HostileHost, frame: bytes) -> None:
    host.held = frame


def closed_before(host: HostileHost, frame: bytes) -> None:
    host.end()


def closed_in_its_head(host: HostileHost, frame: bytes) -> None:
    host.write(frame[: host.rng.randrange(1, frames.HEAD)])
    host.end()


def closed_in_its_payload(host: HostileHost, frame: bytes) -> None:
    host.write(frame[: host.rng.randrange(frames.HEAD, len(frame))])
    host.end()


def cut_short(host: HostileHost, frame: bytes) -> None:
    host.write(frame[: host.rng.randrange(1, len(frame))])


def type_changed(host: HostileHost, frame: bytes) -> None:
    host.write(frame[:4] + bytes([frame[4] ^ 1]) + frame[5:])


def type_unknown(host: HostileHost, frame: bytes) -> None:
    host.write(frame[:4] + bytes([host.rng.randrange(2, 256)]) + frame[5:])


def _length(host: HostileHost, frame: bytes, length: int) -> None:
    host.write(length.to_bytes(4, "big") + frame[4:])


def length_one_more(host: HostileHost, frame: bytes) -> None:
    _length(host, frame, len(frame) - frames.HEAD + 1)


def length_one_less(host: HostileHost, frame: bytes) -> None:
    _length(host, frame, len(frame) - frames.HEAD - 1)


def length_huge(host: HostileHost, frame: bytes) -> None:
    _length(host, frame, 0xFFFFFFFF)


def length_above_the_bound(host: HostileHost, frame: bytes) -> None:
    bound = bounds.MAX_BULK if frame[4] == frames.BULK else max(rule.control for rule in bounds.MESSAGES.values())
    _length(host, frame, bound + 1)


def length_little_endian(host: HostileHost, frame: bytes) -> None:
    host.write(frame[:4][::-1] + frame[4:])


def empty(host: HostileHost, frame: bytes) -> None:
    host.write(frames.encode(frame[4], b""))


def garbage(host: HostileHost, frame: bytes) -> None:
    host.write(host.rng.randbytes(host.rng.randrange(1, 400)))


def garbage_inside(host: HostileHost, frame: bytes) -> None:
    host.write(frame[: frames.HEAD] + host.rng.randbytes(len(frame) - frames.HEAD))


def zeros_inside(host: HostileHost, frame: bytes) -> None:
    host.write(frame[: frames.HEAD] + bytes(len(frame) - frames.HEAD))


def bytes_removed(host: HostileHost, frame: bytes) -> None:
    at = host.rng.randrange(frames.HEAD, len(frame))
    host.write(frames.encode(frame[4], frame[frames.HEAD : at] + frame[at + 1 :]))


def bytes_added(host: HostileHost, frame: bytes) -> None:
    at = host.rng.randrange(frames.HEAD, len(frame) + 1)
    host.write(frames.encode(frame[4], frame[frames.HEAD : at] + host.rng.randbytes(3) + frame[at:]))


def an_earlier_frame(host: HostileHost, frame: bytes) -> None:
    host.write(host.rng.choice(host.past[:-1] or [frame + frame]))


def an_empty_frame_before(host: HostileHost, frame: bytes) -> None:
    host.write(frames.encode(frame[4], b"") + frame)


def bulk_before(host: HostileHost, frame: bytes) -> None:
    host.write(frames.encode(frames.BULK, b"unannounced") + frame)


def bit_flipped(host: HostileHost, frame: bytes) -> None:
    """Any bit of the payload but those that the enclave only repeats in its evidence: the members look at these."""
    while True:
        changed = bytearray(frame)
        changed[host.rng.randrange(frames.HEAD, len(frame))] ^= 1 << host.rng.randrange(8)
        if not _same_to_the_enclave(frame, bytes(changed)):
            host.write(bytes(changed))
            return


def _same_to_the_enclave(frame: bytes, changed: bytes) -> bool:
    if frame[4] == frames.BULK:
        return False
    try:
        one, other = (pb.Control.FromString(data[frames.HEAD :]) for data in (frame, changed))
    except DecodeError:
        return False
    for control in (one, other):
        control.begin.measurement = b""
        for member in control.begin.challenges:
            control.begin.challenges[member] = b""
    return one == other


# -- what can be wrong with a control frame


def _control(frame: bytes) -> pb.Control:
    return pb.Control.FromString(frame[frames.HEAD :])


def _say(host: HostileHost, control: pb.Control, more: bytes = b"") -> None:
    host.write(frames.encode(frames.CONTROL, control.SerializeToString() + more))


def sequence_ahead(host: HostileHost, frame: bytes) -> None:
    control = _control(frame)
    control.sequence += 1
    _say(host, control)


def sequence_huge(host: HostileHost, frame: bytes) -> None:
    control = _control(frame)
    control.sequence = (1 << 64) - 1
    _say(host, control)


def an_unknown_field(host: HostileHost, frame: bytes) -> None:
    _say(host, _control(frame), b"\xf8\x07\x01")


def deep_nesting(host: HostileHost, frame: bytes) -> None:
    _say(host, _control(frame), b"\xfb\x07" * 2000 + b"\xfc\x07" * 2000)


def said_twice_in_one(host: HostileHost, frame: bytes) -> None:
    _say(host, _control(frame), _control(frame).SerializeToString())


def two_messages_in_one(host: HostileHost, frame: bytes) -> None:
    other = pb.Control(go=pb.Go(evidence=b"e"))
    if _control(frame).WhichOneof("message") == "go":
        other = pb.Control(release=pb.Release(partner="acoss"))
    _say(host, _control(frame), other.SerializeToString())


def no_message(host: HostileHost, frame: bytes) -> None:
    _say(host, pb.Control(sequence=_control(frame).sequence))


def text_that_is_not_utf_8(host: HostileHost, frame: bytes) -> None:
    host.write(frames.encode(frames.CONTROL, b"\x08" + bytes([_control(frame).sequence]) + b"\x1a\x04\x0a\x02\xff\xfe"))


def far_too_many_lots(host: HostileHost, frame: bytes) -> None:
    """A message of two bytes each, which a parser would make hundreds of megabytes of."""
    lots = b"\x2a\x00" * 200_000
    host.write(frames.encode(frames.CONTROL, b"\x12" + _varint(len(lots)) + lots))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _instead(host: HostileHost, frame: bytes, **message: object) -> None:
    sequence = _control(frame).sequence
    _say(host, pb.Control(sequence=sequence, **message))  # type: ignore[arg-type]


def a_beginning_instead(host: HostileHost, frame: bytes) -> None:
    first = _control(host.past[0])
    if len(host.past) == 1:
        first.begin.CopyFrom(pb.Begin(measurement=bytes(32)))
    first.sequence = _control(frame).sequence
    _say(host, first)


def a_release_instead(host: HostileHost, frame: bytes) -> None:
    known = [control for control in map(_control, filter(_is_control, host.past[:-1])) if control.HasField("release")]
    if known:
        _instead(host, frame, release=known[0].release)
    else:
        _instead(host, frame, release=pb.Release(partner="acoss", statement=b"s"))


def a_go_instead(host: HostileHost, frame: bytes) -> None:
    _instead(host, frame, go=pb.Go(evidence=b"vigie/evidence/v1\n"))


def a_segment_instead(host: HostileHost, frame: bytes) -> None:
    _instead(host, frame, segment=pb.Segment(lot=4095, bucket=7, part=3, size=5))
    host.write(frames.encode(frames.BULK, b"five."))


def a_huge_segment_instead(host: HostileHost, frame: bytes) -> None:
    _instead(host, frame, segment=pb.Segment(size=0xFFFFFFFF))
    host.write(frames.encode(frames.BULK, bytes(1000)))


def a_message_of_the_enclave_instead(host: HostileHost, frame: bytes) -> None:
    said = host.rng.choice(
        [
            pb.Control(done=pb.Done(run=b"r")), pb.Control(claim=pb.Claim(statement=b"s")), pb.Control(failed=pb.Failed()),
            pb.Control(fetch=pb.Fetch(lot=1)), pb.Control(progress=pb.Progress()), pb.Control(part=pb.Part(size=1)),
        ]
    )  # fmt: skip
    said.sequence = _control(frame).sequence
    _say(host, said)


# -- what can be wrong with bulk bytes


def another_parts_bytes(host: HostileHost, frame: bytes) -> None:
    others = [one for one in host.past[:-1] if one[4] == frames.BULK]
    host.write(others[0] if others else frames.encode(frames.BULK, frame[frames.HEAD :][::-1]))


def _is_control(frame: bytes) -> bool:
    return frame[4] == frames.CONTROL


ANY: Final[tuple[How, ...]] = (
    dropped, doubled, after_the_next, closed_before, closed_in_its_head, closed_in_its_payload, cut_short, type_changed,
    type_unknown, length_one_more, length_one_less, length_huge, length_above_the_bound, length_little_endian, empty,
    garbage, garbage_inside, zeros_inside, bytes_removed, bytes_added, an_earlier_frame, an_empty_frame_before, bulk_before,
    bit_flipped,
)  # fmt: skip
"""Ways in which any frame can be wrong."""

CONTROL_ONLY: Final[tuple[How, ...]] = (
    sequence_ahead, sequence_huge, an_unknown_field, deep_nesting, said_twice_in_one, two_messages_in_one, no_message,
    text_that_is_not_utf_8, far_too_many_lots, a_beginning_instead, a_release_instead, a_go_instead, a_segment_instead,
    a_huge_segment_instead, a_message_of_the_enclave_instead,
)  # fmt: skip
"""Ways in which a control frame can be wrong."""

BULK_ONLY: Final[tuple[How, ...]] = (another_parts_bytes,)
"""Ways in which bulk bytes can be wrong."""


# -- what must not be among the enclave's words


def forms(secret: bytes) -> Iterable[bytes]:
    """Every way of writing bytes that is looked for: as they are, in hexadecimal, base64, and UTF-16 of these."""
    yield secret
    texts = [secret.hex(), secret.hex().upper()]
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            written = code(bytes(shift) + secret).decode()
            texts.append(written[-(-shift * 8 // 6) : (shift + len(secret)) * 8 // 6])
    for text in texts:
        yield text.encode()
        yield text.encode("utf-16-le")
        yield text.encode("utf-16-be")


class Searcher:
    """Looks for secrets, however written."""

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._forms = {form for secret in secrets for form in forms(secret)}

    def finds(self, data: bytes) -> bool:
        """Whether any of them is in the data."""
        return any(form in data for form in self._forms)
