"""The entries of an export as judged statements: what each says, and under which convention it stands.

The conventions come from the entries alone, in their order, so that each entry is judged by what was agreed when it was
written. The rule kept: an entry with a fault is reported and then still looked at as far as it can be read, so that one
forged signature does not hide the next fault.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from vigie import statement as statements
from vigie.attestation import Proved, proof
from vigie.audit.report import Findings
from vigie.authority import judge
from vigie.bodies import BODIES, Body, Evidence, Joint, Run
from vigie.body_codec import decode
from vigie.chain import ConventionChain
from vigie.convention import Convention
from vigie.errors import Malformed, Refused, VigieError
from vigie.statement import Statement

B = TypeVar("B", bound=Body)
B_co = TypeVar("B_co", bound=Body, covariant=True)


@dataclass(frozen=True)
class Entry(Generic[B_co]):
    """A statement in the journal.

    Attributes:
        index: its place, from 0.
        statement: as parsed.
        body: its typed body.
        convention: the convention that it names, None when the journal did not hold it before this entry.
        current: the newest convention before this entry, None when there was none.
        sound: whether it was signed by who had to sign it.
    """

    index: int
    statement: Statement
    body: B_co
    convention: Convention | None
    current: Convention | None
    sound: bool

    @property
    def digest(self) -> bytes:
        """Digest of the statement, 32 bytes."""
        return self.statement.digest


class Journal:
    """The entries that could be read, and the conventions among them."""

    def __init__(self, quotes: Mapping[bytes, bytes] | None = None) -> None:
        self.quotes: Mapping[bytes, bytes] = quotes or {}
        """Quote bundles that came beside the entries, by digest; untrusted."""
        self.entries: list[Entry[Any]] = []
        self.chain: ConventionChain | None = None
        self.places: dict[bytes, int] = {}
        """Place of the first entry with a statement digest."""
        self.kinds: dict[bytes, str] = {}
        self._by_digest: dict[bytes, Entry[Any]] = {}
        self._proofs: dict[bytes, tuple[Proved | None, str]] = {}

    @property
    def agreed(self) -> tuple[Convention, ...]:
        """The conventions that form the chain, oldest first."""
        return self.chain.conventions if self.chain else ()

    def of(self, cls: type[B]) -> list[Entry[B]]:
        """Entries with that kind of body, in order."""
        return [entry for entry in self.entries if type(entry.body) is cls]

    def find(self, digest: bytes, cls: type[B]) -> Entry[B] | None:
        """The entry with that digest and kind of body, wherever it stands, or None."""
        found = self._by_digest.get(digest)
        return found if found is not None and type(found.body) is cls else None

    def quote(self, claim: Evidence) -> bytes | None:
        """The quote bundle that evidence names, when it is there."""
        return None if claim.quote is None else self.quotes.get(claim.quote)

    def proof(self, evidence: "Entry[Evidence]") -> tuple[Proved | None, str]:
        """What the quote of evidence proves, and why not; verified once for each evidence, at its own time."""
        if evidence.digest not in self._proofs and evidence.convention is not None:
            self._proofs[evidence.digest] = proof(evidence.body, evidence.convention, self.quote(evidence.body))
        return self._proofs.get(evidence.digest, (None, "no convention to judge it by"))

    def add(self, entry: Entry[Any]) -> None:
        """Take an entry in."""
        self.entries.append(entry)
        self._by_digest.setdefault(entry.digest, entry)


def read_journal(raws: Iterable[bytes], findings: Findings, quotes: Mapping[bytes, bytes] | None = None) -> Journal:
    """Read and judge every entry: the checks ``statements`` and (links and signatures of) ``conventions``."""
    journal = Journal(quotes)
    for index, raw in enumerate(raws):
        findings.looked("statements")
        try:
            statement = statements.parse(raw)
        except Malformed as error:
            findings.fail("statements", f"this is not a statement in its one form: {error}", index)
            continue
        if statement.digest in journal.places:
            findings.fail(
                "statements", f"the same statement is entry {journal.places[statement.digest]} already", index
            )
            continue
        journal.places[statement.digest] = index
        journal.kinds[statement.digest] = statement.kind
        if statement.kind == "convention":
            _add_convention(journal, raw, index, findings)
        else:
            _add_statement(journal, statement, index, findings)
    if journal.chain is None:
        findings.fail("conventions", "the journal holds no convention: nothing in it can be judged")
    return journal


def _add_convention(journal: Journal, raw: bytes, index: int, findings: Findings) -> None:
    findings.looked("conventions")
    try:
        journal.chain = ConventionChain.open([raw]) if journal.chain is None else journal.chain.extend(raw)
    except VigieError as error:
        findings.fail("conventions", f"this convention does not follow the ones before it: {error}", index)
        return
    current = journal.chain.current
    who = ", ".join(current.signatories)
    findings.tell(index, "convention", f"version {current.version} of {current.id}, signed by {who}")


def _add_statement(journal: Journal, statement: Statement, index: int, findings: Findings) -> None:
    try:
        body: Any = decode(BODIES[statement.kind], statement.body)
    except Malformed as error:
        findings.fail("statements", f"this {statement.kind} does not say what it must: {error}", index)
        return
    named, sound = None, False
    if journal.chain is None:
        findings.fail("statements", f"there was no convention before this {statement.kind}", index)
    else:
        named = journal.chain.by_digest(body.convention)
        sound = _is_sound(journal, journal.chain, statement, body, index, findings)
    current = journal.chain.current if journal.chain else None
    journal.add(Entry(index, statement, body, named, current, sound))


def _is_sound(
    journal: Journal, chain: ConventionChain, statement: Statement, body: Body, index: int, findings: Findings
) -> bool:
    evidence, quote = None, None
    if isinstance(body, Run | Joint):
        found = journal.find(body.evidence, Evidence)
        evidence = found.statement if found else None
        quote = journal.quote(found.body) if found else None
    try:
        # Orders, evidence and releases had to name the convention that was current where they stand.
        judge(statement.raw, chain, kind=statement.kind, evidence=evidence, quote=quote, current_only=True)
    except Refused as error:
        findings.fail(
            "statements", f"this {statement.kind} is not allowed: expected {error.expected}, found {error.found}", index
        )
        return False
    except VigieError as error:
        findings.fail("statements", f"this {statement.kind} is not signed as it must be: {error}", index)
        return False
    return True
