"""A Merkle tree in memory that keeps every complete subtree, as the hub's store does on disk."""

from collections.abc import Iterable

from vigie.journal.merkle import Frontier, leaf_hash


class MemoryTree:
    """Entries appended one by one; `read` is the `Reader` that roots and proofs are made from."""

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.frontier = Frontier()
        self.nodes: dict[tuple[int, int], bytes] = {}
        for entry in entries:
            self.append(entry)

    def append(self, entry: bytes) -> None:
        for level, index, value in self.frontier.append(leaf_hash(entry)):
            assert (level, index) not in self.nodes, "a complete subtree is written once"
            self.nodes[level, index] = value

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]
