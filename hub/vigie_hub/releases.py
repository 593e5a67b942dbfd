"""The releases of one attempt: who has witnesses enough, who is asked for the keys of its lots, and what they say.

The rule it keeps: every answer is in the journal before the enclave has it, and nobody is asked under a checkpoint that
it would refuse.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence

import structlog

from vigie import statement as statements
from vigie.authority import Judged, judge
from vigie.bodies import Approval, Evidence, Order, Release
from vigie.bodies import read as read_body
from vigie.errors import BadProof, Malformed, Refused, Unavailable, VigieError
from vigie.statement import Statement
from vigie_hub.means import EnclaveLost, Means
from vigie_hub.questions import AskRelease, Released

_log = structlog.get_logger("vigie.hub.releases")


class Releases:
    """Asks the willing members of one attempt.

    Args:
        means: what it works with.
        statement: the order.
        patient: a willing member that cannot release yet is a reason for another attempt, instead of missing.
        final: a member that does not answer is missing now, instead of a reason for another attempt.
    """

    def __init__(self, means: Means, statement: Statement, *, patient: bool, final: bool) -> None:
        self._m = means
        self._statement = statement
        self._patient = patient
        self._final = final
        self._required = means.agreement.current.purposes[read_body(statement, Order).purpose].required

    def do_without(self, name: str, why: str) -> None:
        """Count a willing member as missing, unless it is waited for or needed.

        Raises:
            Unavailable: it is; another attempt may find it.
        """
        if self._patient or name in self._required:
            raise Unavailable(f"{name} cannot release yet: {why}")
        _log.warning("going on without a member", member=name, why=why)

    def check_witnesses(self, names: Sequence[str]) -> None:
        """Look whether enough witnesses attend for a quorum to come, so that no enclave is started for nothing.

        Raises:
            Unavailable: too few for a member that is not done without.
        """
        convention = self._m.agreement.current
        there = {session.member for session in self._m.attendance.with_ability("witness")}
        for name in names:
            keys = convention.counting_witnesses(name)
            organisations = {keys[key] for key in keys if key.name.partition("/")[0] in there}
            itself = name in there or "witness" not in convention.member(name).keys
            if len(organisations) < convention.witness.release_quorum or not itself:
                self.do_without(name, "too few witnesses of other organisations attend, or it does not witness itself")

    async def quorum(self, evidence: Statement, names: Iterable[str]) -> dict[str, int]:
        """Wait for witnesses; return for each member the size of a checkpoint that it would release under.

        Raises:
            Unavailable: too few in time.
        """
        convention = self._m.agreement.current
        quorum = convention.witness.release_quorum
        wanted = [(name, convention.counting_witnesses(name), quorum) for name in names]
        at_least = self._m.journal.place(evidence.digest) + 1
        sizes = await self._m.witnessing.wait_for(at_least, wanted, timeout=self._m.limits.quorum_seconds)
        for name, _, _ in wanted:
            if name not in sizes:
                self.do_without(name, "too few witnesses of other organisations, or it did not witness itself")
        if not sizes:
            raise Unavailable("too few witnesses cosigned for any release", hint="witnesses must attend")
        return sizes

    async def ask(
        self, evidence: Statement, sizes: Mapping[str, int], joint: bytes = b""
    ) -> dict[str, tuple[Released, Release, bytes]]:
        """Ask every member for its release under a checkpoint of that size; return (answer, body, digest) of each.

        Args:
            evidence: of the enclave.
            sizes: of each member's checkpoint.
            joint: digest of the statement of whose shares one is wanted; empty when none is.

        Raises:
            Refused: a member that the purpose requires refused or did not answer, or nobody released.
            EnclaveLost: an answer did not come or made no sense, and this is not the final attempt.
        """
        approvals = self._approvals(read_body(evidence, Evidence).measurement)
        asked = await asyncio.gather(
            *(self._ask(name, evidence, size, approvals, joint) for name, size in sizes.items())
        )
        answers: dict[str, tuple[Released, Release, bytes]] = {}
        for name, given in zip(sizes, asked, strict=True):
            if given is None:
                if name in self._required:
                    raise Refused("required_partner", expected=f"an answer by {name}", found="none")
                continue
            body: Release = given[1].body
            if body.decision == "refused" and body.reason is not None:
                _log.warning("release refused", member=name, claim=body.reason.claim)
                if name in self._required:
                    raise Refused(
                        "required_partner",
                        expected=f"a release by {name} ({body.reason.claim}: {body.reason.expected})",
                        found=f"a refusal: {body.reason.found}",
                    )
            answers[name] = (given[0], body, given[1].statement.digest)
        if not any(body.decision == "released" for _, body, _ in answers.values()):
            raise Refused("releases", expected="at least one partner that releases its keys", found="none")
        return answers

    async def _ask(
        self, name: str, evidence: Statement, size: int, approvals: tuple[bytes, ...], joint: bytes
    ) -> tuple[Released, Judged] | None:
        journal = self._m.journal
        question = AskRelease(
            self._statement.raw,
            evidence.raw,
            journal.receipt_at(self._statement.digest, size),
            journal.receipt_at(evidence.digest, size),
            approvals,
            joint,
            self._quote(evidence),
        )
        try:
            answer = await self._m.attendance.ask(name, question, Released, timeout=self._m.limits.answer_seconds)
            judged = self._judge(name, answer, evidence)
        except VigieError as exc:
            if self._final:
                _log.warning("no release", member=name, error=exc.message)
                return None
            raise EnclaveLost(f"the release of {name} was asked for and did not come: {exc.message}") from exc
        # In the journal before the enclave has it.
        await journal.submit([judged.statement])
        return answer, judged

    def _judge(self, name: str, answer: Released, evidence: Statement) -> Judged:
        judged = judge(answer.statement, self._m.agreement.chain, kind="release", current_only=True)
        body = judged.body
        asked = (name, self._statement.digest, evidence.digest)
        if not isinstance(body, Release) or (body.partner, body.order, body.evidence) != asked:
            raise Malformed(f"{name} answered with a release of something else")
        for named, sent in ((body.blob, answer.blob), (body.share, answer.share)):
            if named != (hashlib.sha256(sent).digest() if sent else None):
                raise BadProof(f"{name} sent other sealed keys than its release names")
        return judged

    def _quote(self, evidence: Statement) -> bytes:
        named = read_body(evidence, Evidence).quote
        return b"" if named is None else self._m.journal.quote(named)

    def _approvals(self, measurement: bytes) -> tuple[bytes, ...]:
        """Approvals of the measurement under the current convention, the newest of each member."""
        newest: dict[str, bytes] = {}
        members = self._m.agreement.current.members
        for raw in self._m.journal.find("approval", measurement):
            body = read_body(statements.parse(raw), Approval)
            if body.member in members:
                newest[body.member] = raw
        return tuple(newest.values())
