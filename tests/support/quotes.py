"""Public hardware evidence through the interface of Vigie: a convention that accepts it, and evidence that names it.

No public quote binds a body of ours. So each goes through the whole interface and is refused for what it binds, and nothing
else; what follows for a quote that does bind is shown on what the verifier says of it, with the bound bytes exchanged.
"""

import base64
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from support.attestation import Sample, samples
from support.world import World
from vigie import attestation
from vigie.attestation import Proved
from vigie.bodies import Evidence
from vigie.clock import stamp
from vigie.convention import Convention, HardwareRule
from vigie.hardware import Verified
from vigie.hardware.bundle import QuoteBundle, digest_of

D = b"\x11" * 32

WHOLE = tuple(one for one in samples() if not one.refused and not one.signatures_only)
"""Samples that verify to the end, collateral included."""


def rule_of(sample: Sample, **changes: Any) -> dict[str, Any]:
    """The ``[[enclave.hardware]]`` that accepts a sample and nothing else, as TOML data."""
    found = verified(sample)
    rule: dict[str, Any] = {"name": "accepted", "platform": sample.platform, "refused_generations": []}
    if sample.platform != "tpm":
        rule["measurements"] = [found.measurement.hex()]
    if sample.platform in ("tpm", "tdx", "azure-sev-snp"):
        rule["registers"] = [f"{index}={value.hex()}" for index, value in sorted(found.registers.items())]
    if sample.platform in ("sev-snp", "azure-sev-snp"):
        rule["minimum_tcb"] = [f"{found.generation} snp 1"]
    if sample.platform == "tpm":
        rule["keys"] = [base64.b64encode(key).decode() for key in sample.endorsements.keys]
    return {**rule, **policy_of(sample), **changes}


def policy_of(sample: Sample) -> dict[str, Any]:
    """What a sample's own policy says, in the keys of a rule for its platform."""
    policy = sample.policy
    match sample.platform:
        case "sev-snp":
            return {"vlek": policy.vlek, "maximum_vmpl": policy.maximum_vmpl}
        case "azure-sev-snp":
            return {"vlek": policy.vlek}
        case "tdx" | "sgx":
            return {"tcb_statuses": sorted(policy.tcb_statuses)}
        case _:
            return {}


def verified(sample: Sample) -> Verified:
    found = sample.check(sample.evidence)
    assert isinstance(found, Verified)
    return found


def convention_of(folder: Path, *rules: dict[str, Any], **overrides: Any) -> World:
    """A world whose convention accepts software and what the rules say, in force at the time of every sample."""
    platforms = ["software", *dict.fromkeys(rule["platform"] for rule in rules)]
    return World.create(
        folder, overrides={"enclave.platforms": platforms, "enclave.hardware": list(rules), **overrides}
    )


def bundle_of(sample: Sample, **changes: Any) -> bytes:
    """The quote bundle of a sample; its keys stay with the convention."""
    without_keys = replace(sample.endorsements, keys=())
    return replace(QuoteBundle(sample.platform, sample.evidence, without_keys), **changes).encode()


def claim(convention: Convention, platform: str, at: datetime, quote: bytes | None, **changes: Any) -> Evidence:
    """Evidence of a whole enclave on a platform, that names a quote bundle."""
    fields: dict[str, Any] = {
        "convention": convention.digest, "order": D, "enclave_key": b"\x33" * 1216, "enclave_signing_key": D,
        "challenges": {"acoss": D}, "measurement": D, "policy": D, "platform": platform,
        "layers": dict.fromkeys(convention.enclave.layers, "enforced"), "host": {"kernel": "6.1"},
        "quote": None if quote is None else digest_of(quote), "created": stamp(at),
    }  # fmt: skip
    return Evidence(**{**fields, **changes})


def bound(found: Verified, said: Evidence, rule: HardwareRule) -> Proved:
    """What a verifier says of a quote, had it bound this evidence."""
    return Proved(replace(found, report_data=attestation.binding(said)), rule)
