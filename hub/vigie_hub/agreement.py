"""The convention that the hub works under, as the journal holds it.

Conventions are the first entries of the journal; an amendment is a further one. The chain in memory is built from
those entries alone, so that the hub and an auditor who reads the journal see the same one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from vigie import statement as statements
from vigie.chain import ConventionChain
from vigie.convention import Convention, Member
from vigie.errors import ConfigError
from vigie_hub.journal import Journal


class Agreement:
    """The chain of conventions; made by :meth:`open`."""

    def __init__(self, chain: ConventionChain, journal: Journal) -> None:
        self._chain = chain
        self._journal = journal
        self._listeners: list[Callable[[], None]] = []

    @classmethod
    async def open(cls, journal: Journal, files: Sequence[bytes]) -> "Agreement":
        """Take the conventions in the journal, and append those of ``files`` (oldest first) that are not in it yet.

        Raises:
            ConfigError: the files and the journal do not form one chain, or there is no convention.
        """
        kept = journal.find("convention")
        known = {statements.parse(raw).digest for raw in kept}
        fresh = [raw for raw in files if statements.parse(raw, kind="convention").digest not in known]
        if not kept and not fresh:
            raise ConfigError(
                "the hub has no convention", hint="put the signed convention into the folder conventions/ of the hub"
            )
        chain = ConventionChain.open([*kept, *fresh])
        if chain.current.origin != journal.origin:
            raise ConfigError(
                "the convention names another journal than the hub's log key signs for",
                hint="the hub's keyring and the convention do not belong together",
            )
        if fresh:
            await journal.submit([statements.parse(raw, kind="convention") for raw in fresh])
        return cls(chain, journal)

    @property
    def chain(self) -> ConventionChain:
        """All conventions, to judge statements by."""
        return self._chain

    @property
    def current(self) -> Convention:
        """The newest convention."""
        return self._chain.current

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after an amendment."""
        self._listeners.append(listener)

    def caller(self, certificate_sha256: bytes) -> Member | None:
        """The member that presented the certificate with that SHA-256, under the current convention."""
        return self.current.member_by_certificate(certificate_sha256)

    async def amend(self, raw: bytes, *, now: datetime) -> bytes:
        """Take an amended convention into the journal and work under it; return its receipt.

        Raises:
            Refused, Untrusted, Malformed: it does not follow the current one, or lacks signatures.
        """
        statement = statements.parse(raw, kind="convention")
        if self._chain.by_digest(statement.digest) is None:
            extended = self._chain.extend(raw)
            extended.check_in_force(now)
            # No await between the check and the append: two amendments cannot both follow the same convention.
            previous, self._chain = self._chain, extended
            try:
                receipts = await self._journal.submit([statement])
            except BaseException:
                self._chain = previous
                raise
            for listener in self._listeners:
                listener()
            return receipts[0]
        return self._journal.receipt(statement.digest)
