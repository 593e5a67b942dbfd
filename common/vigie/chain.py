"""The chain of conventions: the first one and its amendments, each signed by everyone who must.

A convention is signed by all its signatories and, when it amends another, by all of that one's too, and by nobody else.
Statements are judged under the convention that they name, which is the current one or an ancestor of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigie import convention, note, statement
from vigie.convention import Convention
from vigie.errors import BadSignature, MalformedConvention, Missing, Refused
from vigie.note import VerifierKey


@dataclass(frozen=True)
class ConventionChain:
    """Verified conventions, oldest first. Made by :meth:`open`, :meth:`accept` and :meth:`extend` only."""

    raws: tuple[bytes, ...]
    conventions: tuple[Convention, ...]

    @classmethod
    def open(cls, raws: Sequence[bytes], *, now: datetime | None = None) -> "ConventionChain":
        """Verify a chain from its first convention.

        Args:
            raws: signed conventions, oldest first.
            now: when given, the newest one must be in force at that moment.

        Raises:
            MalformedStatement, MalformedConvention: one of them is not a convention.
            BadSignature: a signature is missing, wrong or of somebody who is not a signatory.
            Refused: one does not amend the one before it, or the newest is out of its dates.
        """
        if not raws:
            raise Missing("there is no convention")
        verified: list[Convention] = []
        for raw in raws:
            verified.append(_verify(raw, verified[-1] if verified else None))
        made = cls(tuple(raws), tuple(verified))
        if now is not None:
            made.check_in_force(now)
        return made

    @classmethod
    def accept(
        cls, raws: Sequence[bytes], newest_seen: bytes | None, *, now: datetime | None = None
    ) -> "ConventionChain":
        """Verify a chain that must contain the newest convention that was accepted before.

        Args:
            raws: as for :meth:`open`.
            newest_seen: digest of the newest convention accepted so far; None accepts any chain.
            now: as for :meth:`open`.

        Raises:
            Refused: the chain ends before the newest convention seen, or leaves it out.
        """
        made = cls.open(raws, now=now)
        if newest_seen is not None and made.by_digest(newest_seen) is None:
            raise Refused(
                "convention",
                expected=f"the newest convention seen here ({newest_seen.hex()[:16]}) or an amendment of it",
                found=f"version {made.current.version} ({made.digest.hex()[:16]})",
                hint="an older convention was put in place of a newer one: restore the newer file",
            )
        return made

    def extend(self, raw: bytes) -> "ConventionChain":
        """Return the chain with one more amendment, verified.

        Raises:
            As :meth:`open`.
        """
        return ConventionChain((*self.raws, raw), (*self.conventions, _verify(raw, self.current)))

    @property
    def current(self) -> Convention:
        """The newest convention."""
        return self.conventions[-1]

    @property
    def digest(self) -> bytes:
        """Digest of the newest convention."""
        return self.current.digest

    def by_digest(self, digest: bytes) -> Convention | None:
        """The convention of the chain with that digest, or None."""
        return next((found for found in self.conventions if found.digest == digest), None)

    def is_current(self, digest: bytes) -> bool:
        """Whether ``digest`` names the newest convention."""
        return digest == self.digest

    def check_in_force(self, now: datetime) -> None:
        """Refuse a moment on which the newest convention is not in force.

        Raises:
            Refused: saying from when to when it is.
        """
        current = self.current
        if not current.in_force(now):
            raise Refused(
                "dates",
                expected=f"a day from {current.start.isoformat()} to {current.end.isoformat()}",
                found=now.date().isoformat(),
                hint="the signatories must amend the convention"
                if now.date() > current.end
                else "is the clock of this machine right?",
            )


def required_signers(found: Convention, previous: Convention | None) -> dict[VerifierKey, str]:
    """Return the keys that must have signed a convention, with the member of each."""
    wanted = {found.verifier(name, "signing"): name for name in found.signatories}
    if previous is not None:
        wanted |= {previous.verifier(name, "signing"): name for name in previous.signatories}
    return wanted


def signed_by(raw: bytes, previous: Convention | None = None) -> tuple[Convention, frozenset[str], frozenset[str]]:
    """Say who signed a convention that may not be complete: (convention, members who did, members who did not).

    Raises:
        MalformedStatement, MalformedConvention: not a convention.
        BadSignature: a signature is wrong, or of somebody who is not a signatory.
    """
    opened = statement.parse(raw, kind="convention")
    found = convention.parse(opened.payload)
    wanted = required_signers(found, previous)
    have = note.verify(opened.note, wanted)
    names = {(key.name, key.key_id) for key in wanted}
    for line in opened.note.signatures:
        if (line.name, line.key_id) not in names:
            raise BadSignature(
                f"the convention carries a signature of {line.name!r}, which is not the signing key of a signatory",
                hint="only signatories sign a convention, each with the key that stands in it; remove that line",
            )
    return found, frozenset(wanted[key] for key in have), frozenset(wanted[key] for key in set(wanted) - have)


def _verify(raw: bytes, previous: Convention | None) -> Convention:
    found, _, missing = signed_by(raw, previous)
    if missing:
        raise BadSignature(
            f"the convention is not signed by {', '.join(sorted(missing))}",
            hint="every signatory must sign"
            + (", those of the convention that it amends too" if previous is not None else ""),
        )
    if previous is None:
        if found.previous is not None:
            raise Refused("previous", expected="a first convention", found="an amendment without what it amends")
        return found
    if found.previous != previous.digest:
        raise Refused(
            "previous",
            expected=f"the digest of the convention that it amends, {previous.digest.hex()[:16]}",
            found=(found.previous or b"").hex()[:16] or "none",
        )
    if (found.id, found.origin, found.hub) != (previous.id, previous.origin, previous.hub):
        raise Refused("identity", expected="the same id, origin and hub", found="others")
    if found.version != previous.version + 1:
        raise Refused("version", expected=str(previous.version + 1), found=str(found.version))
    _same_epoch_keys(found, previous)
    return found


def _same_epoch_keys(found: Convention, previous: Convention) -> None:
    """An epoch's custodians make its pseudonyms: the same number with other keys would mis-join silently."""
    before = {epoch.number: epoch.custodians for epoch in previous.epochs}
    for epoch in found.epochs:
        if before.get(epoch.number, epoch.custodians) != epoch.custodians:
            raise MalformedConvention(
                f"[[pseudonyms.epoch]] {epoch.number}: its custodians changed", hint="add a new epoch with a new number"
            )
