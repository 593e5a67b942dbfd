"""Asking the host for a quote over what this enclave is, and believing it only once it verifies.

The body of the evidence is complete but for its quote; what the quote must bind is the hash of it, keys and challenges
included. The host fetches the quote, since only it reaches the device, and can give no other: a quote of something else does
not bind this body, and ends the run here, before a node has to refuse it.
"""

from dataclasses import replace

from vigie import attestation
from vigie.attestation import Proved
from vigie.bodies import Evidence
from vigie.convention import SOFTWARE, Convention
from vigie.errors import MalformedFrame
from vigie.hardware import bundle
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.messages import GivenQuote, WantQuote
from vigie_hub.enclave.stopping import rule


def quoted(channel: Channel, claim: Evidence, convention: Convention) -> tuple[Evidence, Proved | None]:
    """Complete a claim with its quote; on ``software`` there is none to ask for.

    Returns:
        the claim with the digest of its quote bundle, and what the quote proves.

    Raises:
        Refused: the quote does not hold, or does not bind this claim; with claim, expected and found.
        MalformedFrame: the host answered with something else.
    """
    if claim.platform == SOFTWARE:
        return claim, None
    channel.send(WantQuote(attestation.binding(claim)))
    if not isinstance(answer := channel.receive("quote"), GivenQuote):
        raise MalformedFrame("another message came than the one that was due")
    complete = replace(claim, quote=bundle.digest_of(answer.bundle))
    with rule("quote", "a quote whose every signature holds"):
        return complete, attestation.verify(complete, convention, answer.bundle)
