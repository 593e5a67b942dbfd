"""Results: sealed parts as they come out of the enclave, and what a recipient fetches.

Parts of an attempt are staged in a pack of their own and are nobody's until the run that names them is in the journal:
one transaction makes the run an entry and the parts a result. The rule it keeps: no result is handed out before its
run is in the journal.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vigie import segment
from vigie.bodies import Run
from vigie.errors import BadProof, Missing
from vigie_hub.packs import Extent, Packs
from vigie_hub.store import Store


@dataclass
class Staged:
    """Parts of one grant as they arrive: their ids and where they lie in the pack."""

    pack: str
    ids: list[bytes] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)

    @property
    def end(self) -> int:
        """Where the next part goes."""
        return self.extents[-1].start + self.extents[-1].size if self.extents else 0


@dataclass(frozen=True)
class ResultRow:
    """A result that can be fetched; digests of its run, evidence and order."""

    run: bytes
    grant: str
    recipient: str
    evidence: bytes
    order: bytes
    pack: str


class Outbox:
    """Holds results for their recipients."""

    def __init__(self, store: Store, packs: Packs) -> None:
        self._store = store
        self._packs = packs

    def stage(self, evidence: bytes, grant: str, staged: Mapping[str, Staged], part: int, data: bytes) -> Staged:
        """Write one sealed part of an attempt and return the grant's parts so far; blocks until it is durable.

        Raises:
            BadProof: not the next part of this grant.
            Unavailable: the disk refuses.
        """
        into = staged.get(grant) or Staged(f"{grant}/{evidence.hex()}")
        if part != len(into.ids):
            raise BadProof("the enclave's parts of a result are out of order")
        into.extents += self._packs.append(into.pack, into.end, [data])
        into.ids.append(segment.segment_id(data))
        return into

    def check(self, run: Run, staged: Mapping[str, Staged]) -> None:
        """Compare what the run names with what came.

        Raises:
            BadProof: they differ.
        """
        named = {result.grant: (result.parts, result.digest) for result in run.results}
        came = {grant: (len(parts.ids), segment.segment_root(parts.ids)) for grant, parts in staged.items()}
        if named != came or len(named) != len(run.results):
            raise BadProof("the parts that came out of the enclave are not the ones that its run names")

    def keep(self, db: sqlite3.Connection, digest: bytes, run: Run, staged: Mapping[str, Staged]) -> None:
        """Make checked parts the results of the run with that digest, inside the transaction that journals it."""
        for result in run.results:
            parts = staged[result.grant]
            db.execute(
                "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)",
                (digest, result.grant, result.recipient, run.evidence, run.order, parts.pack),
            )
            db.executemany(
                "INSERT INTO result_part VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (digest, result.grant, part, id_, extent.start, extent.size)
                    for part, (id_, extent) in enumerate(zip(parts.ids, parts.extents, strict=True))
                ),
            )

    def discard(self, staged: Mapping[str, Staged]) -> None:
        """Forget the parts of an attempt that failed."""
        for parts in staged.values():
            self._packs.remove(parts.pack)

    def results(self, recipient: str) -> list[ResultRow]:
        """Results for a recipient, in the order of their runs in the journal."""
        rows = self._store.reader.execute(
            "SELECT run, grant_name, recipient, evidence, consolidation, pack FROM result "
            "JOIN entry ON entry.digest = result.run WHERE recipient = ? ORDER BY entry.place, grant_name",
            (recipient,),
        )
        return [ResultRow(*row) for row in rows]

    def recipients(self, run: bytes) -> list[str]:
        """Who has a result in a run."""
        rows = self._store.reader.execute("SELECT DISTINCT recipient FROM result WHERE run = ? ORDER BY 1", (run,))
        return [name for (name,) in rows]

    def find(self, run: bytes, grant: str, recipient: str) -> ResultRow:
        """One result of a recipient.

        Raises:
            Missing: there is none of that recipient; another's is as if it were not there.
        """
        for row in self.results(recipient):
            if (row.run, row.grant) == (run, grant):
                return row
        raise Missing("there is no such result for you", hint="list the results")

    def parts(self, row: ResultRow) -> Sequence[tuple[bytes, Extent]]:
        """(id, place in the pack) of the parts of a result, in order."""
        rows = self._store.reader.execute(
            "SELECT id, start, size FROM result_part WHERE run = ? AND grant_name = ? ORDER BY part",
            (row.run, row.grant),
        )
        return [(id_, Extent(start, size)) for id_, start, size in rows]

    def read(self, row: ResultRow, extent: Extent) -> bytes:
        """One sealed part; blocks."""
        return self._packs.read(row.pack, extent)

    def packs_named(self) -> set[str]:
        """Names of the packs that hold results; any other file is left over from an attempt that died."""
        return {pack for (pack,) in self._store.reader.execute("SELECT pack FROM result")}
