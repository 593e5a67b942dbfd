"""What a witness checks before it cosigns (C2SP tlog-witness v1.0.0, "add-checkpoint", without its HTTP).

A witness remembers one tree head per log, the largest that it cosigned, and cosigns only what extends it. That is what
keeps a log from showing different histories to different people.

The rule it keeps: `advance` decides and changes nothing. The caller holds a lock from reading the state to the durable
write of the new one, and cosigns only after that write: a witness killed in between has signed nothing that it forgot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vigie.errors import BadProof, BadSignature, StateError, WitnessConflict
from vigie.journal.checkpoint import open_checkpoint
from vigie.journal.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from vigie.note import VerifierKey

MAX_PROOF = 63
"""The most hashes in one consistency proof (tlog-witness)."""


@dataclass(frozen=True)
class WitnessState:
    """The largest tree of one log that this witness cosigned.

    Raises:
        StateError: no witness can have such a state.
    """

    origin: str
    size: int
    """Number of entries; 0 at the start."""
    root: bytes
    """Root of that tree, 32 bytes; `EMPTY_ROOT` at the start."""

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.root) != HASH_BYTES or (self.size == 0 and self.root != EMPTY_ROOT):
            raise StateError(
                f"The record of what this witness last saw of {self.origin!r} is damaged.",
                hint="Do not start afresh: restore the record from a copy, or the log could rewrite what it held.",
            )

    @classmethod
    def start(cls, origin: str) -> WitnessState:
        """The state of a witness that has seen nothing of a log yet."""
        return cls(origin, 0, EMPTY_ROOT)


def advance(
    state: WitnessState, old_size: int, proof: Sequence[bytes], checkpoint: bytes, log_key: VerifierKey
) -> WitnessState:
    """Judge a checkpoint that is offered for cosigning.

    1. The checkpoint is well-formed, and signed by the log that this state is about.
    2. It is not smaller than the size that the proof starts from, and the proof is not longer than any can be.
    3. The proof starts from the size that this witness last cosigned.
    4. The tree extends the one of that size, or is the same.

    Args:
        state: what this witness last persisted for the log.
        old_size: the size from which the log proves consistency.
        proof: consistency proof from `old_size`; empty for 0 and for an unchanged size.
        checkpoint: the checkpoint offered, untrusted.
        log_key: the log's key.

    Returns:
        The new state, to be made durable **before** the checkpoint is cosigned.

    Raises:
        MalformedNote: step 1, not a checkpoint.
        BadSignature: step 1, another log or no valid signature.
        BadProof: steps 2 and 4. In step 4 the log signed two histories: keep the checkpoint, it is the evidence.
        WitnessConflict: step 3; its ``size`` is the one to prove from.
    """
    # (1)
    if state.origin != log_key.name:
        raise BadSignature(f"The key of {log_key.name!r} says nothing about the log {state.origin!r}.")
    offered = open_checkpoint(checkpoint, log_key).checkpoint
    # (2)
    if old_size > offered.size:
        raise BadProof(f"The checkpoint of {offered.size} entries is smaller than the {old_size} it is said to extend.")
    if len(proof) > MAX_PROOF:
        raise BadProof(f"A consistency proof has at most {MAX_PROOF} hashes, not {len(proof)}.")
    # (3)
    if old_size != state.size:
        raise WitnessConflict(
            f"This witness last cosigned {state.size} entries of {state.origin!r}, not {old_size}.",
            size=state.size,
            hint="Prove the consistency from that size.",
        )
    # (4)
    verify_consistency(state.size, offered.size, state.root, offered.root, proof)
    return WitnessState(state.origin, offered.size, offered.root)
