"""Evidence for people: one line for each claim, what was expected and found where it does not hold, and the level.

The lines follow the attestation results of RATS (EAR, AR4SI): a claim is ``affirming``, ``warning``, ``contraindicated`` or
``none``, for what is not judged here. Nothing is decided by it: a node decides by `vigie_node.release`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from vigie import attestation, authority, bodies, evidence, statement
from vigie.attestation import Proved
from vigie.bodies import Evidence
from vigie.chain import ConventionChain
from vigie.clock import parse_time
from vigie.convention import SOFTWARE, Convention
from vigie.errors import Refused, VigieError
from vigie.hardware.model import ends_soon

Status = Literal["affirming", "warning", "contraindicated", "none"]

ISOLATING: Final = ("A3", "A4")
"""Levels at which the host does not read the memory."""


@dataclass(frozen=True)
class Line:
    """One claim: its name in AR4SI, its status, and what was found; ``expected`` where it was something else."""

    claim: str
    status: Status
    found: str
    expected: str = ""

    def text(self) -> str:
        """The line as a person reads it."""
        wanted = f"expected {self.expected}, found " if self.expected else ""
        return f"{self.claim:<18} {self.status:<15} {wanted}{self.found}"


@dataclass(frozen=True)
class Appraisal:
    """What evidence is worth: its claims, its level, and the sentences that go with the level."""

    lines: tuple[Line, ...]
    level: str
    sentences: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return all(line.status != "contraindicated" for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The same for a program; keys and their meaning are stable."""
        claims = [
            {"claim": one.claim, "status": one.status, "expected": one.expected or None, "found": one.found}
            for one in self.lines
        ]
        return {"claims": claims, "level": self.level, "limits": list(self.sentences), "holds": self.holds}


def appraise(
    raw: bytes,
    chain: ConventionChain,
    quote: bytes | None,
    *,
    at: datetime | None = None,
    language: Literal["fr", "en"] = "en",
) -> Appraisal:
    """Appraise an evidence statement with the quote bundle that came beside it.

    Args:
        raw: the signed statement.
        chain: the conventions, the one that it names among them.
        quote: the bundle; None when there is none.
        at: judge collateral as of this time instead of the evidence's own.
        language: of the sentences.

    Raises:
        MalformedStatement: this is no evidence statement.
        Refused: its convention is not among those given.
    """
    opened = statement.parse(raw, kind="evidence")
    said = bodies.read(opened, Evidence)
    if (convention := chain.by_digest(said.convention)) is None:
        raise Refused("convention", expected="one of those given", found=said.convention.hex())
    signed = _signatures(raw, chain)
    hardware, lines = _hardware(said, convention, quote, at)
    level = evidence.level(said, convention, hardware) if signed.status == "affirming" else "A0"
    told = (
        signed,
        *_configuration(said, convention),
        Line("executables", "none", f"measurement {said.measurement.hex()}: hold it against what you approved"),
        *lines,
        _memory(level),
    )
    if signed.status != "affirming":
        return Appraisal(told, level, evidence.sentences_of(level, language=language))
    sentences = evidence.limits(said, convention, hardware, language=language)
    return Appraisal(told, level, sentences)


def _signatures(raw: bytes, chain: ConventionChain) -> Line:
    try:
        judged = authority.judge(raw, chain, kind="evidence")
    except Refused as error:
        return Line("instance-identity", "contraindicated", error.found, f"{error.claim}: {error.expected}")
    except VigieError as error:
        return Line("instance-identity", "contraindicated", str(error), "signatures of the hub and of the enclave")
    return Line("instance-identity", "affirming", f"signed by {' and '.join(sorted(judged.signers))}")


def _configuration(said: Evidence, convention: Convention) -> Iterator[Line]:
    rule = convention.enclave
    if said.platform in rule.platforms:
        yield Line("configuration", "affirming", f"platform {said.platform}")
    else:
        yield Line("configuration", "contraindicated", said.platform, f"platform {' or '.join(rule.platforms)}")
    missing = evidence.missing_layers(said, convention)
    for layer in rule.layers:
        if layer in missing:
            yield Line(
                "configuration", "contraindicated", said.layers.get(layer, "not named"), f"layer {layer} enforced"
            )
        else:
            yield Line("configuration", "affirming", f"layer {layer} {said.layers[layer]}")


def _hardware(
    said: Evidence, convention: Convention, quote: bytes | None, at: datetime | None
) -> tuple[Proved | None, tuple[Line, ...]]:
    if said.platform == SOFTWARE:
        return None, (Line("hardware", "none", "no hardware says anything: the measurement is the hub's own word"),)
    try:
        proved = attestation.verify(said, convention, quote, at=at)
    except Refused as error:
        return None, (Line("hardware", "contraindicated", error.found, f"{error.claim}: {error.expected}"),)
    except VigieError as error:
        return None, (Line("hardware", "contraindicated", str(error), "quote: one that verifies"),)
    found = proved.verified
    lines = [
        Line("hardware", "affirming", f"{found.platform}, {found.generation}, signed by {found.signer}"),
        Line("hardware", "affirming", f"firmware {found.tcb}, accepted as {proved.rule.name}"),
        Line("hardware", "affirming", f"launch measurement {found.measurement.hex()}"),
        Line("hardware", "affirming", f"debug mode off; binds {found.report_data.hex()}"),
    ]
    soon = ends_soon(found.renew_before, at or parse_time(said.created))
    if found.renew_before is not None:
        ends = f"collateral and revocation lists hold until {found.renew_before:%Y-%m-%d %H:%M} UTC"
        lines.append(Line("hardware", "warning" if soon else "affirming", ends))
    return proved, tuple(lines)


def _memory(level: str) -> Line:
    if level in ISOLATING:
        return Line("runtime-opaque", "affirming", "the host does not read the memory of the machine")
    return Line("runtime-opaque", "warning", "the hub's administrator could read the memory while a job runs")
