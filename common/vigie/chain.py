"""The chain of conventions: each signed by all its signatories and, when it amends one, by all of that one's too.

Rules kept (protocol section 3): identity and journal origin never change, each names the digest of the one before it and
counts one version up, and a signature that is missing, wrong or not called for refuses the whole. Whoever holds a chain
has verified it: there is no way to make one with an unverified convention in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from vigie import note, statement
from vigie.convention import Convention, parse
from vigie.errors import BadSignature, MalformedConvention, Refused
from vigie.note import VerifierKey
from vigie.statement import Statement


@dataclass(frozen=True)
class Signatures:
    """Where the signing of a convention stands.

    Attributes:
        signed: keys that signed, and were called for.
        missing: keys that have yet to sign, in the order of the convention's signatories, then the earlier one's.
    """

    signed: tuple[VerifierKey, ...]
    missing: tuple[VerifierKey, ...]


def required_keys(convention: Convention, amended: Convention | None) -> tuple[VerifierKey, ...]:
    """The signing keys of every signatory of a convention and of the one that it amends, each once.

    A signatory whose key changes signs with both: the old key agrees to the change, the new one proves that it is held.
    """
    keys = [convention.verifier(name, "signing") for name in convention.signatories]
    if amended is not None:
        keys += [amended.verifier(name, "signing") for name in amended.signatories]
    return tuple(dict.fromkeys(keys))


def signatures(signed: Statement, convention: Convention, amended: Convention | None) -> Signatures:
    """Verify every signature line that is there, and say who is missing.

    Raises:
        BadSignature: a line fails, is not called for, or stands twice.
    """
    required = required_keys(convention, amended)
    called = {(key.name, key.key_id) for key in required}
    lines = [(line.name, line.key_id) for line in signed.note.signatures]
    for name, key_id in lines:
        if (name, key_id) not in called:
            raise BadSignature(
                f"the convention carries a signature by {name!r} ({key_id.hex()}), which it does not call for",
                hint="only the signing keys of its signatories, and of those of the one that it amends, may stand there",
            )
    if len(set(lines)) != len(lines):
        raise BadSignature("the convention carries two signatures of one key")
    verified = note.verify(signed.note, required)
    return Signatures(
        signed=tuple(key for key in required if key in verified),
        missing=tuple(key for key in required if key not in verified),
    )


def check_successor(convention: Convention, amended: Convention | None) -> None:
    """Refuse a convention that does not follow the one that it should.

    Args:
        convention: the newer one.
        amended: the one before it; None when ``convention`` should be the first.

    Raises:
        Refused: claim ``previous``, ``version``, ``id``, ``origin``, ``epoch`` or ``buckets``.
    """
    if amended is None:
        if convention.previous is not None:
            raise Refused(
                "previous",
                expected="all conventions from the first on",
                found=f"version {convention.version} without the one that it amends",
                hint="give every earlier convention too",
            )
        return
    pairs = (
        ("version", str(amended.version + 1), str(convention.version)),
        ("previous", amended.digest.hex(), convention.previous.hex() if convention.previous else "none"),
        ("id", amended.id, convention.id),
        ("origin", amended.origin, convention.origin),
    )
    for claim, expected, found in pairs:
        if expected != found:
            raise Refused(
                claim, expected=expected, found=found, hint="id and origin never change; amend the newest one"
            )
    _check_epochs_that_go_on(convention, amended)


def _check_epochs_that_go_on(convention: Convention, amended: Convention) -> None:
    """An epoch's custodians make its pseudonyms: the same number with other keys would mis-join without a word."""
    before = {epoch.number: epoch.custodians for epoch in amended.epochs}
    for epoch in convention.epochs:
        if before.get(epoch.number, epoch.custodians) != epoch.custodians:
            raise Refused(
                "epoch",
                expected=f"the same custodians, keys and order for epoch {epoch.number} as before",
                found="others",
                hint="add a new epoch with a new number",
            )
    if convention.buckets != amended.buckets and set(before) & {epoch.number for epoch in convention.epochs}:
        raise Refused(
            "buckets",
            expected=f"{amended.buckets}, as the lots of an epoch that goes on were cut",
            found=str(convention.buckets),
            hint="change it together with all epochs",
        )


@dataclass(frozen=True)
class ConventionChain:
    """Verified conventions from the first to the current one. Made by :meth:`open` and :meth:`accept` only.

    Attributes:
        raws: the signed notes, oldest first, exactly as received.
        conventions: the same as values.
    """

    raws: tuple[bytes, ...]
    conventions: tuple[Convention, ...]
    _by_digest: Mapping[bytes, Convention]

    @classmethod
    def open(cls, raws: Sequence[bytes], *, now: datetime | None = None) -> Self:
        """Verify signed conventions and put them in order.

        Args:
            raws: signed notes in any order; the same convention twice counts once.
            now: when given, the newest must be in force then (aware, UTC).

        Raises:
            MalformedStatement, MalformedConvention: not a convention.
            BadSignature: a signature is missing, wrong, or not called for.
            Refused: they do not form one chain (claims of :func:`check_successor`), or claim ``dates``.
        """
        if not raws:
            raise MalformedConvention("there is no convention", hint="give the signed file of the convention")
        read = [(statement.parse(raw, kind="convention"), raw) for raw in raws]
        distinct = {one.digest: (parse(one.payload), one, raw) for one, raw in read}
        ordered = sorted(distinct.values(), key=lambda entry: entry[0].version)
        amended: Convention | None = None
        for convention, signed, _ in ordered:
            _check(signed, convention, amended)
            amended = convention
        conventions = tuple(convention for convention, _, _ in ordered)
        chain = cls(tuple(raw for _, _, raw in ordered), conventions, {one.digest: one for one in conventions})
        if now is not None:
            chain.check_in_force(now)
        return chain

    @classmethod
    def accept(cls, raws: Sequence[bytes], newest_seen: bytes | None, *, now: datetime | None = None) -> Self:
        """Open a chain for someone who has accepted conventions before, and refuse a step back.

        Args:
            raws: as for :meth:`open`.
            newest_seen: digest of the newest convention accepted so far; None for the first time.
            now: as for :meth:`open`.

        Raises:
            Refused: claim ``newest``: the chain does not lead over the newest convention seen.
        """
        chain = cls.open(raws, now=now)
        if newest_seen is not None and chain.by_digest(newest_seen) is None:
            raise Refused(
                "newest",
                expected=f"the convention {newest_seen.hex()}, which was accepted before, or one that amends it",
                found=f"version {chain.current.version}, {chain.digest.hex()}",
                hint="an older convention, or another history, is never taken: ask for the newest file",
            )
        return chain

    @property
    def current(self) -> Convention:
        """The newest convention."""
        return self.conventions[-1]

    @property
    def digest(self) -> bytes:
        """Digest of the newest convention."""
        return self.current.digest

    def by_digest(self, digest: bytes) -> Convention | None:
        """The convention with that digest, current or not; None when it is not in the chain."""
        return self._by_digest.get(digest)

    def is_current(self, digest: bytes) -> bool:
        """Whether that digest names the newest convention."""
        return digest == self.digest

    def extend(self, raw: bytes, *, now: datetime | None = None) -> Self:
        """A chain with one more convention at its end.

        Raises:
            As :meth:`open`; Refused also when ``raw`` does not come after the newest, or is it.
        """
        signed = statement.parse(raw, kind="convention")
        convention = parse(signed.payload)
        _check(signed, convention, self.current)
        conventions = (*self.conventions, convention)
        chain = type(self)((*self.raws, raw), conventions, {one.digest: one for one in conventions})
        if now is not None:
            chain.check_in_force(now)
        return chain

    def check_in_force(self, now: datetime) -> None:
        """Refuse when the newest convention is not in force.

        Raises:
            Refused: claim ``dates``.
        """
        if not self.current.in_force(now):
            raise Refused(
                "dates",
                expected=f"a day from {self.current.start.isoformat()} to {self.current.end.isoformat()}",
                found=now.date().isoformat(),
                hint="the signatories must amend the convention, or this machine's clock is wrong",
            )


def _check(signed: Statement, convention: Convention, amended: Convention | None) -> None:
    check_successor(convention, amended)
    found = signatures(signed, convention, amended)
    if found.missing:
        raise BadSignature(
            f"version {convention.version} of the convention lacks the signature of "
            + ", ".join(f"{key.name} ({key.key_id.hex()})" for key in found.missing),
            hint="every signatory signs, and on an amendment every signatory of the amended convention too",
        )
