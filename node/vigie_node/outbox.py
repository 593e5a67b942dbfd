"""The spool of sealed lots: sealed once, sent as often as needed, always the same bytes. And the sending itself.

``spool/<lot>/`` holds ``segments`` (the ciphertexts one after the other), ``statement.note`` (the signed lot) and, written
last, ``manifest.json``. A folder without its manifest was cut off while sealing and is made again. Nothing here is secret
to the hub; losing it costs a new sealing, never a lot.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigie import durable
from vigie.errors import Missing, StateError
from vigie_node.lot import SealedSegment
from vigie_node.wire import Begun


@dataclass(frozen=True)
class Sealed:
    """What sealing gave: segment ids in (bucket, part) order, sizes in bytes, and how many parts each bucket has."""

    ids: tuple[bytes, ...]
    sizes: tuple[int, ...]
    parts_per_bucket: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Total size of the ciphertexts."""
        return sum(self.sizes)


@dataclass(frozen=True)
class SpooledLot:
    """A lot that is sealed, signed and on disk."""

    lot: bytes
    statement: bytes
    sealed: Sealed
    folder: Path

    def segments(self, wanted: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the ciphertexts of the wanted ids, in the lot's order."""
        missing = set(wanted)
        with (self.folder / "segments").open("rb") as file:
            start = 0
            for identifier, size in zip(self.sealed.ids, self.sealed.sizes, strict=True):
                if identifier in missing:
                    file.seek(start)
                    yield file.read(size)
                start += size


class Spool:
    """The node's spool folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _place(self, lot: bytes) -> Path:
        return self.folder / lot.hex()

    def seal(self, lot: bytes, buckets: int, segments: Iterable[SealedSegment]) -> Sealed:
        """Write the ciphertexts of a lot durably; :meth:`complete` makes the lot whole."""
        place = self._place(lot)
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True, mode=0o700)
        ids: list[bytes] = []
        sizes: list[int] = []
        parts = [0] * buckets
        with (place / "segments").open("xb") as file:
            for one in segments:
                file.write(one.sealed)
                ids.append(one.id)
                sizes.append(len(one.sealed))
                parts[one.bucket] += 1
            file.flush()
            os.fsync(file.fileno())
        return Sealed(tuple(ids), tuple(sizes), tuple(parts))

    def complete(self, lot: bytes, statement: bytes, sealed: Sealed) -> SpooledLot:
        """Put the signed statement beside the ciphertexts; from here on the lot is only ever resent."""
        place = self._place(lot)
        durable.write_file(place / "statement.note", statement)
        manifest = {
            "ids": [identifier.hex() for identifier in sealed.ids],
            "sizes": list(sealed.sizes),
            "parts_per_bucket": list(sealed.parts_per_bucket),
        }
        durable.write_file(place / "manifest.json", json.dumps(manifest).encode())
        return SpooledLot(lot, statement, sealed, place)

    def find(self, lot: bytes) -> SpooledLot | None:
        """Return a lot that is whole in the spool, or none."""
        place = self._place(lot)
        try:
            manifest = json.loads((place / "manifest.json").read_bytes())
            statement = (place / "statement.note").read_bytes()
        except FileNotFoundError:
            return None
        sealed = Sealed(
            tuple(bytes.fromhex(identifier) for identifier in manifest["ids"]),
            tuple(manifest["sizes"]),
            tuple(manifest["parts_per_bucket"]),
        )
        try:
            found = (place / "segments").stat().st_size
        except FileNotFoundError:
            found = -1
        if found != sealed.bytes:
            raise StateError(
                f"the spool of lot {lot.hex()} is damaged",
                hint=f"remove the folder {place.name} from the spool and send the extract again",
            )
        return SpooledLot(lot, statement, sealed, place)

    def forget(self, lot: bytes) -> None:
        """Remove a lot whose receipt is durable."""
        shutil.rmtree(self._place(lot), ignore_errors=True)


class TakesIn(Protocol):
    """The hub's calls that take in what is sealed, once it was begun."""

    def put(self, lot: bytes, segments: Iterable[bytes], /) -> AsyncIterator[bytes]:
        """Stream segments and yield the ids that are durable at the hub."""

    async def commit(self, lot: bytes, /) -> bytes:
        """Commit and return the receipt."""


@dataclass(frozen=True)
class HandedOver:
    """What the hub has now: the statement that it committed, its receipt (unverified), and segments sent now."""

    statement: bytes
    receipt: bytes
    sent: int


async def hand_over(
    spooled: SpooledLot, begun: Begun, hub: TakesIn, told: Callable[[int, int], None], *, part: str = "segment"
) -> HandedOver:
    """Send what the hub says is missing, and commit; what was committed before is only answered for.

    Args:
        spooled: what is sent.
        begun: the hub's answer to Begin.
        hub: its calls.
        told: called with (sent, to send).
        part: what a segment is called in an error.

    Raises:
        Missing: the hub did not take everything.
        Unavailable: the hub cannot be reached.
    """
    if begun.receipt:
        return HandedOver(begun.statement or spooled.statement, begun.receipt, 0)
    missing, accepted, sent = frozenset(begun.missing), set[bytes](), 0
    if missing:
        async for identifier in hub.put(spooled.lot, spooled.segments(missing)):
            accepted.add(identifier)
            sent += 1
            told(sent, len(missing))
    if accepted != missing:
        raise Missing(f"the hub did not take every {part}", hint="run the same command again: it goes on")
    return HandedOver(spooled.statement, await hub.commit(spooled.lot), sent)
