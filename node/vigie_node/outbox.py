"""The spool of sealed lots: sealed once, sent as often as needed, always the same bytes.

``spool/<lot>/`` holds ``segments`` (the ciphertexts one after the other), ``statement.note`` (the signed lot) and, written
last, ``manifest.json``. A folder without its manifest was cut off while sealing and is made again. Nothing here is secret
to the hub; losing it costs a new sealing, never a lot.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vigie import durable
from vigie.errors import StateError
from vigie_node.lot import SealedSegment


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
