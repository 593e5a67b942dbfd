"""Intel SGX and TDX: a quote's signatures, then what its firmware is worth by the collateral archived with it.

The appraisal is that of ``dcap-qvl`` at the evidence's own time. Collateral counts while it says so itself (``nextUpdate``);
there is no fixed age, since one stopped a whole fleet at once elsewhere (near/mpc, issue 3946).
"""

import functools
import json
from datetime import datetime
from typing import Any, Final

import dcap_qvl
from cryptography import x509

from vigie.errors import Refused
from vigie.hardware import certificates
from vigie.hardware import quote as quotes
from vigie.hardware.model import (
    Endorsements,
    Note,
    Policy,
    Verified,
    check_registers,
    malformed,
    refuse_debug,
    refuse_generation,
    renewal_notes,
)

_COLLATERAL_LIMIT: Final = 1 << 20
_TEXTS: Final = ("pck_crl_issuer_chain", "tcb_info_issuer_chain", "tcb_info", "qe_identity_issuer_chain", "qe_identity")
_LISTS: Final = ("root_ca_crl", "pck_crl")
_HEX: Final = (*_LISTS, "tcb_info_signature", "qe_identity_signature")


def verify(platform: str, evidence: bytes, endorsements: Endorsements, at: datetime, policy: Policy) -> Verified:
    """Verify a quote with its collateral (steps: docs/spec/hardware.md).

    Args:
        platform: ``sgx`` or ``tdx``; a quote of the other is refused.
        evidence: the quote; zero bytes may follow it.
        endorsements: ``collateral`` is needed.
        at: the evidence's own time.
        policy: which statuses are good enough.

    Raises:
        MalformedEvidence: quote or collateral cannot be read.
        BadSignature: a signature does not hold.
        Refused: claim ``platform``, ``root``, ``certificate``, ``revocation``, ``debug``, ``collateral``, ``tcb``,
            ``generation`` or a register.
    """
    quote = quotes.parse(evidence)
    if quote.platform != platform:
        raise Refused("platform", expected=platform, found=quote.platform)
    lists = tuple(certificates.load_revocation_list(one) for one in endorsements.revocation_lists)
    chain = quotes.read_chain(quote)
    end = quotes.check_signatures(quote, at, lists, chain)
    refuse_debug(quote.debug, "the debug attribute")
    if not endorsements.collateral:
        raise Refused("collateral", expected="Intel's collateral, archived with the quote", found="none")
    collateral = _collateral(endorsements.collateral)
    stated = {name: json.loads(collateral[name]) for name in ("tcb_info", "qe_identity")}
    ends = [_window(found, name, at) for name, found in stated.items()]
    # The library reads these lists too; judged here as well, a revoked key is refused by that name.
    own = {name: certificates.load_revocation_list(bytes.fromhex(collateral[name])) for name in _LISTS}
    ends += [_list_end(found, name, at) for name, found in own.items()]
    certificates.check_revocation(chain, at, tuple(own.values()))
    status, advisories, machine = _appraise(evidence[: quote.length], collateral, at)
    generation = str(stated["tcb_info"].get("fmspc", "")).lower()
    refuse_generation(generation, policy)
    if status not in policy.tcb_statuses:
        raise Refused("tcb", expected=f"one of {', '.join(sorted(policy.tcb_statuses))}", found=status)
    check_registers(quote.registers, policy)
    first = min([*ends, *([end] if end else [])])
    notes: tuple[Note, ...] = ()
    if advisories:
        listed = ", ".join(advisories)
        notes += (
            Note(
                f"Intel's advisories on this firmware: {listed}.",
                f"Avis de sécurité d'Intel sur ce micrologiciel : {listed}.",
            ),
        )
    if status != "UpToDate":
        notes += (
            Note(
                f"Intel says {status} of this firmware, which the policy accepts.",
                f"Intel dit {status} de ce micrologiciel, ce que la règle accepte.",
            ),
        )
    return Verified(
        platform=platform,
        measurement=quote.measurement,
        report_data=quote.report_data,
        debug=False,
        tcb=status,
        generation=generation,
        signer="PCK",
        registers=quote.registers,
        renew_before=first,
        notes=notes + renewal_notes(first, at),
        machine=machine,
    )


@functools.lru_cache(maxsize=16)
def _collateral(data: bytes) -> dict[str, Any]:
    if len(data) > _COLLATERAL_LIMIT:
        malformed("Intel collateral", "it is too long")
    try:
        found = json.loads(data)
        for name in (*_TEXTS, *_HEX):
            if not isinstance(found[name], str):
                malformed("Intel collateral", f"{name} is not text")
        for name in _HEX:
            bytes.fromhex(found[name])
        for name in ("tcb_info", "qe_identity"):
            if not isinstance(json.loads(found[name]), dict):
                malformed("Intel collateral", f"{name} is not an object")
    except (ValueError, KeyError, TypeError, RecursionError):
        malformed("Intel collateral", "not the JSON of dcap-qvl")
    return dict(found)


def _window(stated: dict[str, Any], name: str, at: datetime) -> datetime:
    try:
        start, end = (datetime.fromisoformat(stated[key]) for key in ("issueDate", "nextUpdate"))
        inside = start <= at <= end
    except (KeyError, ValueError, TypeError):
        malformed("Intel collateral", f"{name} does not say when it holds")
    return _inside(inside, name, start, end, at)


def _list_end(found: x509.CertificateRevocationList, name: str, at: datetime) -> datetime:
    start, end = found.last_update_utc, found.next_update_utc
    if end is None:
        malformed("Intel collateral", f"{name} does not say when it ends")
    return _inside(start <= at <= end, name, start, end, at)


def _inside(inside: bool, name: str, start: datetime, end: datetime, at: datetime) -> datetime:
    if not inside:
        raise Refused(
            "collateral",
            expected=f"{name} that holds at {at:%Y-%m-%d %H:%M} UTC",
            found=f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
            hint="archive the collateral of the quote's own day with it",
        )
    return end


def _appraise(quote: bytes, collateral: dict[str, Any], at: datetime) -> tuple[str, tuple[str, ...], str]:
    try:
        given = dcap_qvl.QuoteCollateralV3(
            **{name: collateral[name] for name in _TEXTS}, **{name: bytes.fromhex(collateral[name]) for name in _HEX}
        )
        report = dcap_qvl.verify(quote, given, int(at.timestamp()))
        return str(report.status), tuple(map(str, report.advisory_ids)), bytes(report.ppid).hex()
    except (ValueError, TypeError, OverflowError) as error:
        why = str(error).removeprefix("Verification failed: ")[:200]
        raise Refused("tcb", expected="firmware that Intel's collateral knows", found=why) from error
