"""The joint key: what models are sealed to, and the shares of it that custodians keep (docs/spec/joint.md).

A 32-byte seed is drawn in an enclave and split k of n by SLIP-39; the key pair follows from the seed. The rules kept
here: one organisation has one share, however many custodians it has, so that k shares are k organisations; every share is
named by a salted digest in a signed statement, so that a wrong one is told from the others *before* they are combined;
and what comes out of a combination is the key of the statement, or nothing.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from shamir_mnemonic import EncryptedMasterSecret, split_ems

from vigie import sealing, segment, words
from vigie.bodies import Joint, JointShare
from vigie.convention import Convention
from vigie.errors import BadProof, Malformed, Refused
from vigie.sealing import SealingPrivateKey

SPEC_VERSION: Final = 1
"""Version of docs/spec/joint.md."""
SEED_BYTES: Final = 32
KEY_ID_BYTES: Final = 16
SALT_BYTES: Final = 32
MOST_ORGANISATIONS: Final = 16
"""Shares that SLIP-39 can make."""
MOST_PARTS: Final = 256
"""Sealed parts of one model at most."""

_IDENTIFIERS: Final = 1 << 15
_LONGEST_SHARE: Final = 1024
_CHUNK: Final = segment.CAP - 4

Random = Callable[[int], bytes]


def key_of(seed: bytes, convention_id: str, epoch: int) -> SealingPrivateKey:
    """The key pair of a seed: 96 bytes of HKDF-SHA256 with ``info = "vigie/joint/v1" ‖ SHA-256(convention id) ‖ u32(epoch)``."""
    if len(seed) != SEED_BYTES:
        raise ValueError("the seed of a joint key is 32 bytes")
    info = b"vigie/joint/v1" + hashlib.sha256(convention_id.encode()).digest() + epoch.to_bytes(4, "big")
    derived = HKDF(algorithm=SHA256(), length=sealing.SEED_BYTES, salt=None, info=info).derive(seed)
    return SealingPrivateKey.from_seed(derived)


def key_id(public: bytes) -> bytes:
    """The id of a joint key: the first 16 bytes of SHA-256("vigie/joint-key/v1" ‖ public key)."""
    return hashlib.sha256(b"vigie/joint-key/v1" + public).digest()[:KEY_ID_BYTES]


def holders(convention: Convention) -> dict[str, int]:
    """Who holds a share under a convention: custodian to number of the share, from 1, in the convention's order.

    A custodian is a member with that role and a key to seal to. Custodians of one organisation hold the same share; with
    a threshold of one there is one share, and everybody holds it.
    """
    numbers: dict[str, int] = {}
    found: dict[str, int] = {}
    for name, member in convention.members.items():
        if "custodian" in member.roles and member.sealing is not None:
            number = numbers.setdefault(member.organisation, len(numbers) + 1)
            found[name] = 1 if convention.custody.threshold == 1 else number
    return found


def same_layout(one: Convention, other: Convention) -> bool:
    """Whether two conventions give the shares to the same custodians, numbers, keys and threshold."""

    def layout(convention: Convention) -> tuple[int, dict[str, tuple[int, bytes | None]]]:
        numbers = holders(convention)
        return convention.custody.threshold, {
            name: (number, convention.members[name].sealing) for name, number in numbers.items()
        }

    return layout(one) == layout(other)


def check_statement(joint: Joint, convention: Convention) -> None:
    """Hold a ``joint`` statement against itself and the convention that it names.

    Raises:
        Refused: claim ``key``, ``threshold`` or ``shares``.
    """
    if joint.key != key_id(joint.public):
        raise Refused("key", expected="the id of the public key", found="another")
    if joint.threshold != convention.custody.threshold:
        raise Refused("threshold", expected=f"{convention.custody.threshold}", found=f"{joint.threshold}")
    wanted = holders(convention)
    found = {share.custodian: share.index for share in joint.shares}
    if found != wanted or len(joint.shares) != len(wanted):
        raise Refused(
            "shares", expected="one share for each custodian of the convention, by organisation", found="others"
        )


def split(seed: bytes, threshold: int, count: int) -> list[str]:
    """Split a seed into ``count`` shares of which any ``threshold`` give it back; each as its words, in order."""
    if len(seed) != SEED_BYTES:
        raise ValueError("the seed of a joint key is 32 bytes")
    identifier = secrets.randbelow(_IDENTIFIERS)
    sealed = EncryptedMasterSecret.from_master_secret(seed, b"", identifier, True, 0)
    (shares,) = split_ems(1, [(threshold, count)], sealed)
    return [share.mnemonic() for share in shares]


def share_digest(salt: bytes, share: str) -> bytes:
    """How a share is recognised: SHA-256(0x02 ‖ salt ‖ its words, one space between two)."""
    if len(salt) != SALT_BYTES:
        raise ValueError("a salt is 32 bytes")
    return hashlib.sha256(b"\x02" + salt + share.encode("ascii")).digest()


def make_shares(
    seed: bytes, convention: Convention, public: bytes, *, random: Random = secrets.token_bytes
) -> tuple[tuple[JointShare, ...], dict[str, bytes]]:
    """Split a seed among the custodians of a convention, and seal each one's share to it.

    Args:
        seed: of the joint key.
        convention: names the custodians and the threshold.
        public: public half of the joint key.
        random: source of the salts.

    Returns:
        What a ``joint`` statement says of the shares, and the sealed share of each custodian.
    """
    numbers = holders(convention)
    mnemonics = split(seed, convention.custody.threshold, max(numbers.values()))
    identifier = key_id(public)
    said, blobs = [], {}
    for name, number in numbers.items():
        key = convention.members[name].sealing
        if key is None:  # excluded by `holders`; kept for the type
            raise Malformed(f"{name} has no key that a share could be sealed to")
        share, salt = mnemonics[number - 1], random(SALT_BYTES)
        blobs[name] = seal_share(key, identifier, name, number, share)
        digest = hashlib.sha256(blobs[name]).digest()
        said.append(JointShare(name, number, salt, share_digest(salt, share), digest))
    return tuple(said), blobs


def share_of(joint: Joint, custodian: str) -> JointShare | None:
    """What a statement says of a custodian's share; None when it has none."""
    return next((share for share in joint.shares if share.custodian == custodian), None)


def seal_share(public: bytes, key: bytes, custodian: str, index: int, share: str) -> bytes:
    """Seal a share to its custodian, for that joint key, custodian and number."""
    return sealing.seal(public, _share_info(key, custodian, index), share.encode("ascii"))


def open_share(private: SealingPrivateKey, key: bytes, said: JointShare, blob: bytes) -> str:
    """Open a sealed share as its custodian, and hold it against what the ``joint`` statement says.

    Raises:
        BadSeal: sealed to another key, or for another joint key, custodian or number.
        Malformed: what was sealed is no share.
        BadProof: it is not the share that the statement names.
    """
    share = _read(private.open(_share_info(key, said.custodian, said.index), blob))
    check_share(said, share)
    return share


def check_share(said: JointShare, share: str) -> None:
    """Hold a share against what the ``joint`` statement says.

    Raises:
        BadProof: it is another one.
    """
    if share_digest(said.salt, share) != said.digest:
        raise BadProof(f"this is not the share that the statement names for {said.custodian}")


def give_share(enclave_key: bytes, evidence: bytes, order: bytes, joint: bytes, share: str) -> bytes:
    """Seal a share to an enclave, for one evidence, order and ``joint`` statement (their digests)."""
    return sealing.seal(enclave_key, _given_info(evidence, order, joint), share.encode("ascii"))


def take_share(private: SealingPrivateKey, evidence: bytes, order: bytes, joint: bytes, blob: bytes) -> str:
    """Open a share that a custodian gave to this enclave.

    Raises:
        BadSeal: sealed to another enclave, or for another evidence, order or statement.
        Malformed: what was sealed is no share.
    """
    return _read(private.open(_given_info(evidence, order, joint), blob))


def combine(joint: Joint, convention_id: str, shares: Iterable[str]) -> bytes:
    """Give the seed back from shares that are the statement's, each checked by `check_share`.

    Args:
        joint: what the statement says.
        convention_id: id of the convention.
        shares: at least as many different ones as the threshold; further ones are left out.

    Raises:
        Refused: claim ``shares``: too few.
        BadProof: they restore another key than the statement's.
        Malformed: they restore nothing.
    """
    distinct = sorted(set(shares))
    if len(distinct) < joint.threshold:
        raise Refused(
            "shares", expected=f"different shares of {joint.threshold} organisations", found=str(len(distinct))
        )
    seed = words.recover(distinct[: joint.threshold])
    if len(seed) != SEED_BYTES or key_of(seed, convention_id, joint.epoch).public != joint.public:
        raise BadProof("the shares restore another key than the statement names")
    return seed


def seal_model(public: bytes, model: bytes) -> list[bytes]:
    """Seal a model to a joint key, in padded parts of at most 1 MiB before sealing.

    Raises:
        Malformed: it is too large.
    """
    digest, identifier = hashlib.sha256(model).digest(), key_id(public)
    chunks = [model[at : at + _CHUNK] for at in range(0, len(model), _CHUNK)] or [b""]
    if len(chunks) > MOST_PARTS:
        raise Malformed(f"a model of more than {MOST_PARTS} parts cannot be sealed")
    return [
        sealing.seal(public, model_info(identifier, digest, number), segment.pad(chunk))
        for number, chunk in enumerate(chunks)
    ]


def open_model(private: SealingPrivateKey, digest: bytes, parts: Sequence[bytes]) -> bytes:
    """Open a model and hold it against its digest.

    Raises:
        BadSeal: a part is sealed to another key, is another model's, or out of its place.
        MalformedSegment: a part is not padded as it must be.
        BadProof: parts are missing, or it is another model.
    """
    identifier = key_id(private.public)
    model = b"".join(
        segment.unpad(private.open(model_info(identifier, digest, number), part)) for number, part in enumerate(parts)
    )
    if hashlib.sha256(model).digest() != digest:
        raise BadProof("the sealed parts are not those of the whole model")
    return model


def model_info(key: bytes, model: bytes, part: int) -> bytes:
    """Place of one sealed part of a model: its joint key, the model's digest, its number."""
    return b"vigie/model/v1" + key + model + part.to_bytes(4, "big")


def blobs_fit(joint: Joint, blobs: Mapping[str, bytes]) -> bool:
    """Whether sealed shares are exactly those that a statement names."""
    named = {share.custodian: share.blob for share in joint.shares}
    return named == {name: hashlib.sha256(blob).digest() for name, blob in blobs.items()}


def _share_info(key: bytes, custodian: str, index: int) -> bytes:
    return b"vigie/share/v1" + key + hashlib.sha256(custodian.encode()).digest() + index.to_bytes(4, "big")


def _given_info(evidence: bytes, order: bytes, joint: bytes) -> bytes:
    return b"vigie/given-share/v1" + evidence + order + joint


def _read(plain: bytes) -> str:
    """The words of a share in their one form; whether they are right is told by their digest."""
    if len(plain) > _LONGEST_SHARE or not plain.isascii():
        raise Malformed("what was sealed as a share is none")
    return plain.decode("ascii")
