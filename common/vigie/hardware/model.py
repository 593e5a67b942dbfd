"""What a verification of hardware evidence takes and gives (docs/spec/hardware.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NoReturn

from vigie.errors import MalformedEvidence, Refused

LIMIT: Final = 65_536
"""No evidence of any platform is longer, in bytes; the longest real one is a TDX quote of 8 000."""

RENEWAL_WARNING: Final = timedelta(days=7)
"""How long before the end of collateral a verifier starts to warn. Its end is what it says itself, never an age."""

_NOTHING: Final[Mapping[int, bytes]] = MappingProxyType({})


@dataclass(frozen=True)
class Endorsements:
    """What others say about the platform, archived beside the evidence so that it verifies offline at its own time.

    Attributes:
        certificates: DER or PEM: the VCEK or VLEK of AMD, and intermediates that are not shipped here.
        revocation_lists: DER, of any issuer in the chain.
        collateral: Intel's TCB info, QE identity and revocation lists, as JSON of ``dcap-qvl`` (``QuoteCollateralV3``).
        keys: SubjectPublicKeyInfo in DER of the TPM attestation keys that the verifier's own organisation endorsed.
    """

    certificates: tuple[bytes, ...] = ()
    revocation_lists: tuple[bytes, ...] = ()
    collateral: bytes = b""
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Policy:
    """What a verifier wants beyond valid signatures. The defaults are the strict ones; debug is refused whatever it says.

    Attributes:
        refused_generations: processor generations not to be believed (``Milan``, an Intel FMSPC), as published attacks ask.
        minimum_tcb: per AMD generation, the lowest acceptable version of each part (``{"Milan": {"snp": 8}}``). Where it
            names any generation, the others are refused.
        tcb_statuses: Intel's verdicts on firmware that are good enough.
        maximum_vmpl: the least privileged AMD level that may have asked for the report; 0 is the most privileged.
        registers: values that PCRs (TPM, Nitro) or RTMRs (TDX) must have, by index.
        measurements: launch measurements that are accepted; None when any is, and on TPM, where registers say it.
        vlek: whether reports signed with a key that AMD lent to a cloud provider are good enough.
    """

    refused_generations: frozenset[str] = frozenset()
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    tcb_statuses: frozenset[str] = frozenset({"UpToDate"})
    maximum_vmpl: int = 0
    registers: Mapping[int, bytes] = field(default_factory=lambda: _NOTHING)
    measurements: frozenset[bytes] | None = None
    vlek: bool = False


@dataclass(frozen=True)
class Note:
    """A sentence that a person must read with a result, in both languages."""

    en: str
    fr: str


@dataclass(frozen=True)
class Verified:
    """The claims of evidence whose every signature holds up to a pinned root.

    Attributes:
        platform: the name that it was verified as.
        measurement: what was started, in the platform's own form (48 bytes on SNP, TDX and Nitro, 32 on SGX and TPM).
        report_data: what the evidence binds, as it stands there (64 bytes with trailing zeros on SNP, TDX and SGX).
        debug: whether the maker's debug mode is on. Always false: evidence in debug mode is refused.
        tcb: versions or status of the firmware, for a person.
        generation: processor generation, Intel FMSPC, or firmware of the TPM.
        signer: which key signed: ``VCEK``, ``VLEK``, ``PCK``, ``Nitro``, ``AK``.
        registers: PCRs or RTMRs that the signature covers, by index.
        renew_before: the first end among the collateral and revocation lists used; none if there were none.
        notes: sentences that a person must read with the result.
        machine: the one that signed, where its evidence says so: chip identity (SNP), PPID (Intel), instance (Nitro), each
            as text; empty where it does not.
    """

    platform: str
    measurement: bytes
    report_data: bytes
    debug: bool
    tcb: str
    generation: str
    signer: str
    registers: Mapping[int, bytes] = field(default_factory=lambda: _NOTHING)
    renew_before: datetime | None = None
    notes: tuple[Note, ...] = ()
    machine: str = ""


class Reader:
    """Fixed-size fields out of bytes that may end anywhere.

    Args:
        data: the whole structure.
        name: what it is, for the error.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        self._name = name
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            MalformedEvidence: there are fewer.
        """
        if size > len(self._data) - self._at:
            malformed(self._name, "it ends too early")
        self._at += size
        return self._data[self._at - size : self._at]

    def big(self, size: int) -> int:
        """The next ``size`` bytes as a big-endian number."""
        return int.from_bytes(self.take(size), "big")

    def little(self, size: int) -> int:
        """The next ``size`` bytes as a little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def rest(self) -> bytes:
        """Everything that was not taken."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Make sure that nothing is left but zero bytes.

        Raises:
            MalformedEvidence: something is.
        """
        if any(self.rest()):
            malformed(self._name, "there is something after its end")


def malformed(name: str, why: str) -> NoReturn:
    """Raise :class:`MalformedEvidence` for a structure and a reason."""
    raise MalformedEvidence(f"this is no {name}: {why}")


def refuse_debug(debug: bool, where: str) -> None:
    """Refuse validly signed evidence of a platform whose memory its host may read.

    Raises:
        Refused: claim ``debug``.
    """
    if debug:
        raise Refused(
            "debug", expected=f"{where} off", found="on", hint="start it without debug mode, and attest again"
        )


def refuse_generation(generation: str, policy: Policy) -> None:
    """Refuse a generation on the verifier's deny list.

    Raises:
        Refused: claim ``generation``.
    """
    if generation in policy.refused_generations:
        raise Refused("generation", expected="one that the policy does not refuse", found=generation)


def check_registers(found: Mapping[int, bytes], policy: Policy) -> None:
    """Hold registers against the values that the policy wants.

    Raises:
        Refused: claim ``register N``.
    """
    for index, wanted in policy.registers.items():
        value = found.get(index)
        if value != wanted:
            raise Refused(
                f"register {index}", expected=wanted.hex(), found="not covered" if value is None else value.hex()
            )


def ends_soon(end: datetime | None, at: datetime) -> bool:
    """Whether collateral that holds at ``at`` ends within :data:`RENEWAL_WARNING`. Its age does not matter."""
    return end is not None and end - at <= RENEWAL_WARNING


def renewal_notes(end: datetime | None, at: datetime) -> tuple[Note, ...]:
    """The warning that collateral ends soon; none when it does not, or when there is none."""
    if end is None or not ends_soon(end, at):
        return ()
    day, days = f"{end:%Y-%m-%d %H:%M} UTC", (end - at).days
    return (
        Note(
            f"The collateral ends at {day}, {days} days after this evidence: renew it.",
            f"Les garanties du fabricant expirent le {day}, {days} jours après cette preuve : il faut les renouveler.",
        ),
    )
