"""Pseudonyms: a SIREN turned by every custodian's key, blindly (docs/spec/pseudonym.md, protocol section 4).

Each custodian holds one key of a verifiable oblivious pseudorandom function (RFC 9497, VOPRF mode,
ristretto255-SHA512). Nobody computes a pseudonym alone, no custodian sees whose it helps to compute, and every answer
carries a proof against the custodian's public key in the convention. The rule kept here: an output is returned only
after its proof was verified, so that a wrong or stale key is an error and never a silent mis-join.

The library holds the interpreter's lock while it works and its client objects cannot leave their process: long work
belongs in worker processes (``vigie_node.pseudonyms.workers``).
"""

import hashlib
import re
from collections.abc import Sequence

from voprf.ristretto import BlindedInput, Client, Evaluator, PublicKey, VerifiableBatchOutput

from vigie.errors import BadProof, Malformed

SPEC_VERSION = 1
"""Version of the format; docs/spec/pseudonym.md carries the same number."""

BATCH = 512
"""Elements in a batch when nothing else is said."""
MAX_BATCH = 4096
"""The most elements in a batch."""
ELEMENT_BYTES = 32
"""Length of one blinded or evaluated element."""
PROOF_BYTES = 64
"""Length of the proof at the head of a batch's output."""
OUTPUT_BYTES = 64
"""Length of one custodian's output F_i(x)."""
PSEUDONYM_BYTES = 16
"""Length of a pseudonym."""
SEED_BYTES = 32
"""Length of a custodian's seed."""

_SIREN = re.compile(r"[0-9]{9}", re.ASCII)


def input_of(siren: str) -> bytes:
    """The input of the function for one company: ``siren:`` and nine ASCII digits.

    Raises:
        ValueError: not nine digits (a mistake of the caller, which validates extracts); the value is not named.
    """
    if _SIREN.fullmatch(siren) is None:
        raise ValueError("a SIREN is nine digits")
    return b"siren:" + siren.encode()


def combine(epoch: int, outputs: Sequence[bytes]) -> bytes:
    """The pseudonym: first 16 bytes of SHA-256("vigie/pseudonym/v1" ‖ u32(epoch) ‖ F_1 ‖ … ‖ F_n).

    Args:
        epoch: its number.
        outputs: one output of each custodian, in the order of the convention.
    """
    if not outputs or any(len(one) != OUTPUT_BYTES for one in outputs):
        raise ValueError("an output has 64 bytes, and there is at least one")
    joined = b"vigie/pseudonym/v1" + epoch.to_bytes(4, "big") + b"".join(outputs)
    return hashlib.sha256(joined).digest()[:PSEUDONYM_BYTES]


def bucket_of(pseudonym: bytes, buckets: int) -> int:
    """The bucket of a pseudonym: its leading bits, for a number of buckets that is a power of two up to 65536."""
    if not 1 <= buckets <= 65_536 or buckets.bit_count() != 1 or len(pseudonym) != PSEUDONYM_BYTES:
        raise ValueError("the number of buckets is a power of two from 1 to 65536, and a pseudonym has 16 bytes")
    return int.from_bytes(pseudonym[:4], "big") * buckets >> 32


def split_elements(elements: bytes) -> list[bytes]:
    """The elements of a batch, each checked to be the canonical encoding of a point other than the identity.

    Raises:
        Malformed: not 1 to :data:`MAX_BATCH` such elements.
    """
    count, rest = divmod(len(elements), ELEMENT_BYTES)
    if rest or not 1 <= count <= MAX_BATCH:
        raise Malformed(f"a batch is 1 to {MAX_BATCH} elements of {ELEMENT_BYTES} bytes")
    split = [elements[at : at + ELEMENT_BYTES] for at in range(0, len(elements), ELEMENT_BYTES)]
    for one in split:
        _blinded(one)
    return split


class Custodian:
    """One custodian's key for one convention and epoch. Its text form never shows the key."""

    __slots__ = ("_evaluator", "public")

    public: bytes
    """The public key, 32 bytes, as the convention lists it."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self.public = evaluator.public_key.serialize()

    @classmethod
    def from_seed(cls, seed: bytes, convention_id: str, epoch: int) -> "Custodian":
        """DeriveKeyPair(seed, "vigie/<convention id>/epoch/<e>") of RFC 9497 section 3.2.1."""
        if len(seed) != SEED_BYTES:
            raise ValueError("the seed of a custodian is 32 bytes")
        return cls(Evaluator.from_seed(seed, f"vigie/{convention_id}/epoch/{epoch}".encode()))

    def evaluate(self, sirens: Sequence[str]) -> list[bytes]:
        """This custodian's own outputs, 64 bytes each, in order."""
        return [self._evaluator.evaluate_known_input(input_of(siren)) for siren in sirens]

    def blind_evaluate(self, elements: bytes) -> bytes:
        """Evaluate a batch of blinded elements, whose inputs stay unknown.

        Returns:
            One proof for the whole batch (64 bytes) ‖ an evaluated element (32 bytes) for each, in order.

        Raises:
            Malformed: as :func:`split_elements`.
        """
        blinded = [_blinded(one) for one in split_elements(elements)]
        return bytes(self._evaluator.evaluate_batch(blinded).serialize())


class Blinder:
    """A batch that was blinded and waits for its answer; it is used once and never leaves its process.

    Attributes:
        elements: the concatenated blinded elements, to be sent.
    """

    __slots__ = ("_clients", "elements")

    elements: bytes

    def __init__(self, clients: list[Client], elements: bytes) -> None:
        self._clients = clients
        self.elements = elements

    @classmethod
    def blind(cls, sirens: Sequence[str]) -> "Blinder":
        """Blind 1 to :data:`MAX_BATCH` SIRENs, each with fresh randomness.

        Raises:
            ValueError: not a SIREN, none or too many (a mistake of the caller).
        """
        if not 1 <= len(sirens) <= MAX_BATCH:
            raise ValueError(f"a batch is 1 to {MAX_BATCH} SIRENs")
        pairs = [Client.blind(input_of(siren)) for siren in sirens]
        return cls([client for client, _ in pairs], b"".join(bytes(blinded.serialize()) for _, blinded in pairs))

    def finalize(self, output: bytes, public: bytes) -> list[bytes]:
        """Verify the proof and unblind.

        Args:
            output: what the custodian's :meth:`Custodian.blind_evaluate` answered, untrusted.
            public: that custodian's public key in the convention.

        Returns:
            The custodian's outputs, 64 bytes each, in the order of the SIRENs.

        Raises:
            BadProof: another key, other elements, altered, or not an answer at all.
        """
        if len(output) != PROOF_BYTES + ELEMENT_BYTES * len(self._clients):
            raise BadProof("an evaluated batch does not have as many elements as were sent")
        try:
            key = PublicKey.deserialize(public)
            answered = VerifiableBatchOutput.deserialize(output)
            return [bytes(one) for one in Client.finalize_batch(self._clients, answered, key)]
        except ValueError as error:
            raise _bad_proof() from error
        except BaseException as error:
            # The library panics on a proof that does not verify; its exception is no Exception and has no public name.
            if type(error).__name__ != "PanicException":
                raise
            raise _bad_proof() from None


def _blinded(element: bytes) -> BlindedInput:
    try:
        return BlindedInput.deserialize(element)
    except ValueError as error:
        raise Malformed("a blinded element is not the encoding of a group element") from error


def _bad_proof() -> BadProof:
    return BadProof(
        "an evaluated batch does not verify against the custodian's key in the convention",
        hint="the custodian's node uses another oprf seed, or the answer was altered on its way",
    )
