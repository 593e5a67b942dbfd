r"""The Merkle tree of the journal over plain hashes and integers (RFC 6962 section 2.1, RFC 9162 section 2.1).

::

    level 2            (2,0)                  A tree of 7 leaves. (level, index) is the *complete* subtree over the
                    /         \               leaves [index * 2**level, (index + 1) * 2**level): it never changes
    level 1     (1,0)         (1,1)   (1,2)   again, so it is the one thing that a store keeps. Every root and every
                /   \         /   \   /   \   proof of any past or present size is made from complete subtrees.
    level 0   (0,0)(0,1)  (0,2)(0,3) (0,4)(0,5)  (0,6)

The rule it keeps: a verifier here never trusts a length. Hashes have 32 bytes, a proof has exactly the hashes that its
sizes call for, and whatever does not fit raises `BadProof`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from vigie.errors import BadProof, Missing, StateError

HASH_BYTES = 32
"""Length of a SHA-256 hash."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""

Reader = Callable[[int, int], bytes]
"""``(level, index)`` → the hash of that complete subtree, 32 bytes; asked only for subtrees that lie in the tree."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf: SHA-256(0x00, entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01, left, right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_subtrees(size: int) -> list[tuple[int, int]]:
    """The ``(level, index)`` of the complete subtrees that a tree of `size` leaves is made of, from left to right."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]


class Frontier:
    """The right edge of a growing tree: all that is needed to append and to know the root, at most 63 hashes.

    Args:
        size: number of leaves.
        hashes: the hashes of `complete_subtrees(size)`, in that order.

    Raises:
        StateError: not as many hashes of 32 bytes as `size` calls for.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if size < 0 or len(self._hashes) != size.bit_count() or any(len(h) != HASH_BYTES for h in self._hashes):
            raise StateError(f"The hashes kept for a tree of {size} leaves are not the ones that it is made of.")

    @classmethod
    def from_hashes(cls, size: int, hashes: Iterable[bytes]) -> Frontier:
        """The frontier of a tree whose `complete_subtrees(size)` have these hashes."""
        return cls(size, hashes)

    @classmethod
    def read(cls, size: int, reader: Reader) -> Frontier:
        """The frontier of a stored tree."""
        return cls(size, [reader(level, index) for level, index in complete_subtrees(size)])

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Hashes of `complete_subtrees(size)`: with `size`, everything that `from_hashes` needs."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add one leaf.

        Args:
            leaf: its `leaf_hash`.

        Returns:
            ``(level, index, hash)`` of each subtree that this leaf completes, the leaf itself first. A store that
            keeps them all can be the `Reader` of this module.

        Raises:
            ValueError: `leaf` is not 32 bytes (a mistake of the caller).
        """
        if len(leaf) != HASH_BYTES:
            raise ValueError("append takes the hash of a leaf, not the leaf")
        level, index, current = 0, self._size, leaf
        completed = [(level, index, current)]
        while index & 1:  # we are a right child: our left sibling is complete and waits as the last hash
            current = node_hash(self._hashes.pop(), current)
            level, index = level + 1, index >> 1
            completed.append((level, index, current))
        self._hashes.append(current)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """Root of the tree as it stands."""
        return _fold(self._hashes)


def root_of_leaves(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over these leaf hashes, for lists that are never appended to."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def root(size: int, read: Reader) -> bytes:
    """Root of the tree when it had `size` leaves."""
    return Frontier.read(size, read).root()


def inclusion_proof(index: int, size: int, read: Reader) -> list[bytes]:
    """The sibling hashes from leaf `index` up to the root of the tree of `size` leaves (RFC 9162 section 2.1.3.1).

    Raises:
        Missing: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise Missing(f"There is no entry {index} in a journal of {size} entries.")
    siblings: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append(_range_root(middle, end, read))
            end = middle
        else:
            siblings.append(_range_root(start, middle, read))
            start = middle
    return siblings[::-1]


def consistency_proof(old: int, new: int, read: Reader) -> list[bytes]:
    """The hashes that show the tree of `old` leaves to be a prefix of the tree of `new` (RFC 9162 section 2.1.4.1).

    Empty if the sizes are equal, and if `old` is 0 (tlog-witness).

    Raises:
        Missing: not 0 ≤ old ≤ new.
    """
    if not 0 <= old <= new:
        raise Missing(f"A journal of {new} entries has no past with {old} entries.")
    if old in (0, new):
        return []
    hashes: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            hashes.append(_range_root(middle, end, read))
            end = middle
        else:
            hashes.append(_range_root(start, middle, read))
            start = middle
    if start:  # when the old tree is itself a complete subtree, the verifier knows its root already
        hashes.append(_range_root(start, end, read))
    return hashes[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Make sure that a tree has a leaf (RFC 9162 section 2.1.3.2).

    Args:
        leaf: hash of the leaf.
        index: its place, from 0.
        size: number of leaves of the tree.
        proof: what `inclusion_proof` gives.
        root: root of the tree.

    Raises:
        BadProof: it is not shown, for whatever reason.
    """
    if not 0 <= index < size:
        raise BadProof(f"A tree of {size} entries has no entry {index}.")
    _check_lengths(leaf, root, *proof)
    place, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("The inclusion proof has more hashes than the tree has levels.")
        if place & 1 or place == last:
            computed = node_hash(sibling, computed)
            while place and not place & 1:  # levels at which this node is alone at the right edge
                place, last = place >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("The inclusion proof has fewer hashes than the tree has levels.")
    if computed != root:
        raise BadProof("The inclusion proof leads to another root than the tree's.")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Make sure that one tree is a prefix of another (RFC 9162 section 2.1.4.2).

    Equal sizes need equal roots and an empty proof. Size 0 needs `EMPTY_ROOT` and an empty proof: every tree extends
    the empty one, so success then says nothing about `new_root`.

    Raises:
        BadProof: it is not shown, for whatever reason.
    """
    if not 0 <= old <= new:
        raise BadProof(f"A tree of {new} entries cannot extend one of {old} entries.")
    _check_lengths(old_root, new_root, *proof)
    for size, size_root in ((old, old_root), (new, new_root)):
        if size == 0 and size_root != EMPTY_ROOT:
            raise BadProof("The root given for the empty tree is not the empty tree's.")
    if old in (0, new):
        if proof:
            raise BadProof("The consistency proof must be empty for these sizes.")
        if old == new and old_root != new_root:
            raise BadProof("Two trees of the same size have different roots: the log shows two histories.")
        return
    # A complete old tree is not sent: the proof starts from its root, which the verifier has.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise BadProof("The consistency proof is empty.")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    computed_old = computed_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("The consistency proof has more hashes than the tree has levels.")
        if place & 1 or place == last:
            computed_old = node_hash(sibling, computed_old)
            computed_new = node_hash(sibling, computed_new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            computed_new = node_hash(computed_new, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BadProof("The consistency proof has fewer hashes than the tree has levels.")
    if computed_old != old_root:
        raise BadProof("The consistency proof does not start from the old root.")
    if computed_new != new_root:
        raise BadProof("The consistency proof does not lead to the new root.")


def _split(size: int) -> int:
    """The largest power of two below `size` (RFC 6962 section 2.1), for sizes of 2 and more."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(start: int, end: int, read: Reader) -> bytes:
    """Root over the leaves [start, end), where `start` is a multiple of a power of two that is at least end - start."""
    return _fold([read(level, (start >> level) + index) for level, index in complete_subtrees(end - start)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Root over complete subtrees that stand side by side, largest first."""
    if not hashes:
        return EMPTY_ROOT
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def _check_lengths(*hashes: bytes) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise BadProof("A hash in a Merkle proof must have 32 bytes.")
