"""What a member may enter into the journal of its own accord: approvals, deliveries, refusals, erasures, an amendment.

Everything else enters as part of what it is about (a lot by its commit, a release by its order …), so that nobody can
put a statement into the journal at a moment of their choice. The rule it keeps: the caller is the statement's signer.
"""

from collections.abc import Callable
from datetime import datetime

from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import Approval, Delivery, Erasure, Refusal, Run
from vigie.bodies import read as read_body
from vigie.errors import Refused
from vigie.statement import Statement
from vigie_hub.agreement import Agreement
from vigie_hub.journal import Journal
from vigie_hub.withdrawing import WithdrawalDesk


class Submissions:
    """Takes statements that members submit."""

    def __init__(
        self,
        journal: Journal,
        agreement: Agreement,
        withdrawals: WithdrawalDesk,
        clock: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._agreement = agreement
        self._withdrawals = withdrawals
        self._clock = clock

    async def take(self, caller: str, raw: bytes) -> bytes:
        """Enter a statement of ``caller`` and return its receipt; the same again gives the same receipt.

        Raises:
            Malformed, Untrusted: not a statement, or not signed as it must be.
            Refused: not of a kind that members submit, not of this caller, or about nothing that exists.
            Missing: about a run that is not in the journal.
        """
        claimed = statements.parse(raw)
        if claimed.kind == "convention":
            if caller not in self._agreement.current.signatories:
                raise Refused("signatory", expected="a signatory of the current convention", found=caller)
            return await self._agreement.amend(raw, now=self._clock())
        judged = judge(raw, self._agreement.chain)
        match judged.body:
            case Approval(member=by) | Refusal(by=by) | Erasure(member=by):
                pass
            case Delivery(recipient=by) as delivery:
                self._check_delivery(delivery)
            case _:
                raise Refused(
                    "kind",
                    expected="an approval, a delivery, a refusal, an erasure or a convention",
                    found=f"a {claimed.kind}",
                )
        if by != caller:
            raise Refused("signer", expected=f"a statement of {caller}, who is calling", found=f"one of {by}")
        if isinstance(judged.body, Erasure):
            return await self._withdrawals.take(judged.body, judged.statement)
        return (await self._journal.submit([judged.statement]))[0]

    def _check_delivery(self, delivery: Delivery) -> None:
        run: Statement = statements.parse(self._journal.entry(delivery.run), kind="run")
        for result in read_body(run, Run).results:
            if (result.grant, result.recipient, result.digest) == (
                delivery.grant,
                delivery.recipient,
                delivery.result,
            ):
                return
        raise Refused("result", expected="a result that the run names for this recipient", found="another")
