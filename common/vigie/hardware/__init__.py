"""Hardware evidence: bytes, endorsements and a time in, verified claims or one of our own errors out. Nothing is fetched.

A face for every platform, :func:`verify`. What each checks, in numbered steps, is in docs/spec/hardware.md.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from vigie.errors import InputError, Refused
from vigie.hardware import azure, intel, nitro, snp, tpm
from vigie.hardware.model import LIMIT, Endorsements, Note, Policy, Verified, malformed

__all__ = ["PLATFORMS", "Endorsements", "Note", "Policy", "Verified", "verify"]

_Verifier: TypeAlias = Callable[[bytes, Endorsements, datetime, Policy], Verified]

_VERIFIERS: Final[Mapping[str, _Verifier]] = {
    "sev-snp": snp.verify,
    "tdx": functools.partial(intel.verify, "tdx"),
    "sgx": functools.partial(intel.verify, "sgx"),
    "nitro": nitro.verify,
    "tpm": lambda evidence, endorsements, _at, policy: tpm.verify(evidence, endorsements, policy),
    "azure-sev-snp": functools.partial(azure.verify, "azure-sev-snp"),
    "azure-tdx": functools.partial(azure.verify, "azure-tdx"),
}

PLATFORMS: Final = tuple(_VERIFIERS)
"""The platforms whose evidence is verified here. A simulator is none of them, whatever its evidence looks like."""

_PADDED: Final = frozenset({"sev-snp", "tdx", "sgx"})
_STRICT: Final = Policy()


def verify(
    platform: str,
    evidence: bytes,
    endorsements: Endorsements,
    at: datetime,
    expected_binding: bytes | None,
    *,
    policy: Policy = _STRICT,
    accept_unbound_sample: bool = False,
) -> Verified:
    """Verify hardware evidence at its own time.

    Args:
        platform: one of :data:`PLATFORMS`.
        evidence: as the platform gives it; on TPM and Azure as :func:`tpm.pack` and :func:`azure.pack` make it.
        endorsements: archived with the evidence.
        at: when the evidence was made, with a time zone; never the wall clock of a later reader.
        expected_binding: SHA-256 or SHA-512 of the evidence body; a shorter one than the field is followed by zeros.
        policy: what is wanted beyond valid signatures.
        accept_unbound_sample: take None for ``expected_binding``. For tests of other people's samples only.

    Raises:
        MalformedEvidence: evidence or endorsements are not laid out as their maker says.
        BadSignature: a signature up to the pinned root does not hold.
        Refused: with claim, expected and found; claim ``report data`` if it binds something else.
        InputError: the caller's own time or binding cannot be used.
    """
    if (verifier := _VERIFIERS.get(platform)) is None:
        raise Refused("platform", expected=f"one of {', '.join(PLATFORMS)}", found=repr(platform[:40]))
    if at.tzinfo is None:
        raise InputError("the time of verification has no time zone", hint="give it in UTC")
    if expected_binding is None:
        if not accept_unbound_sample:
            raise Refused("report data", expected="a hash that the evidence must bind", found="none given")
    elif len(expected_binding) not in {32, 64}:
        raise InputError(f"a binding has 32 or 64 bytes, not {len(expected_binding)}", hint="use SHA-256 or SHA-512")
    if len(evidence) > LIMIT:
        malformed(f"{platform} evidence", f"longer than {LIMIT} bytes")
    found = verifier(evidence, endorsements, at, policy)
    if policy.measurements is not None and found.measurement not in policy.measurements:
        accepted = ", ".join(sorted(one.hex() for one in policy.measurements)) or "none"
        raise Refused("launch measurement", expected=f"one of {accepted}", found=found.measurement.hex())
    if expected_binding is not None:
        wanted = expected_binding.ljust(64, b"\0") if platform in _PADDED else expected_binding
        if found.report_data != wanted:
            raise Refused("report data", expected=wanted.hex(), found=found.report_data.hex() or "nothing")
    return found
