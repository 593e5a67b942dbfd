"""``[[enclave.hardware]]``: which hardware evidence the signatories accept, and whose machine it may be (docs/spec/convention.md).

Plain values: :mod:`vigie.attestation` makes a verifier's policy of them. The rule kept: nothing is accepted because nothing
was said. A platform needs its launch measurement or its registers, AMD's a floor of firmware, a TPM the keys that the
signatories endorsed. No key here can add a maker's root.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from vigie.convention.tables import NAME, Table
from vigie.errors import MalformedNote
from vigie.note import decode64

SOFTWARE: Final = "software"
HARDWARE: Final = ("tpm", "sev-snp", "tdx", "sgx", "nitro", "azure-sev-snp", "azure-tdx")
"""Platforms whose quotes are verified. A simulator is none of them."""
STATUSES: Final = (
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded",
)  # fmt: skip
"""Intel's verdicts on firmware that signatories may accept; revoked firmware never."""

_AMD: Final = ("sev-snp", "azure-sev-snp")
_INTEL: Final = ("tdx", "sgx", "azure-tdx")
_BY_REGISTERS: Final = ("tpm", "tdx", "azure-sev-snp", "azure-tdx")
"""Platforms whose launch measurement does not cover the operating system: registers must."""
_MEASURED_BYTES: Final[Mapping[str, int]] = {"sgx": 32}
_REGISTER: Final = r"([0-9]|[12][0-9]|3[01])=([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})"
_FLOOR: Final = r"(Milan|Genoa|Turin) (boot loader|tee|snp|microcode|fmc) (0|[1-9][0-9]{0,2})"
_GENERATION: Final = r"[A-Za-z0-9][A-Za-z0-9 ]{0,62}"
_MACHINE: Final = r"[a-z0-9-]{8,128}"
_KEY: Final = r"[A-Za-z0-9+/=]{40,2000}"


@dataclass(frozen=True)
class HardwareRule:
    """One kind of machine and image that the signatories accept.

    Attributes:
        name: for the words of people and for amendments.
        platform: one of :data:`HARDWARE`.
        measurements: accepted launch measurements; empty on a TPM, which has none.
        registers: the value that each named PCR or RTMR must have.
        minimum_tcb: for each accepted AMD generation the lowest version of parts of its firmware.
        tcb_statuses: Intel's verdicts on firmware that are accepted.
        refused_generations: never believed, whatever else holds: a generation of AMD's, an FMSPC of Intel's.
        vlek: whether a key that AMD lent to a cloud provider may sign.
        maximum_vmpl: the least privileged AMD level that may have asked.
        keys: attestation keys of TPMs that the signatories endorse, SubjectPublicKeyInfo in DER.
        machines: the only ones accepted, as their evidence names them; empty when any is.
        operator: the organisation that operates these machines, other than the hub's; empty when the hub's does.
    """

    name: str
    platform: str
    measurements: frozenset[bytes] = frozenset()
    registers: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))
    minimum_tcb: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    tcb_statuses: frozenset[str] = frozenset()
    refused_generations: frozenset[str] = frozenset()
    vlek: bool = False
    maximum_vmpl: int = 0
    keys: tuple[bytes, ...] = ()
    machines: frozenset[str] = frozenset()
    operator: str = ""


def read(table: Table) -> HardwareRule:
    """Read one ``[[enclave.hardware]]``, with the keys that its platform has.

    Raises:
        MalformedConvention: a key is missing, unknown on this platform, or of another form.
    """
    name = table.text("name", NAME)
    platform = table.choice("platform", HARDWARE)
    size = 2 * _MEASURED_BYTES.get(platform, 48)
    measurements = () if platform == "tpm" else table.texts("measurements", rf"[0-9a-f]{{{size}}}", least=1)
    registers: dict[int, bytes] = {}
    if platform in _BY_REGISTERS or table.has("registers"):
        if platform in ("sgx", "sev-snp"):
            table.refuse(f"{platform} has no 'registers': its launch measurement says everything")
        for text in table.texts("registers", _REGISTER, least=1 if platform in _BY_REGISTERS else 0):
            index, _, value = text.partition("=")
            if int(index) in registers:
                table.refuse(f"'registers' names register {index} twice", hint="write another [[enclave.hardware]]")
            registers[int(index)] = bytes.fromhex(value)
    operator = table.text("operator") if table.has("operator") else ""
    machines = frozenset(table.texts("machines", _MACHINE, least=1)) if table.has("machines") else frozenset()
    if machines and platform == "tpm":
        table.refuse("a TPM is named by its key, not by 'machines'")
    if operator and not machines:
        table.refuse(
            "'operator' is named without 'machines'",
            hint="who operates a machine can only be said of machines that their evidence names",
        )
    rule = HardwareRule(
        name=name,
        platform=platform,
        measurements=frozenset(map(bytes.fromhex, measurements)),
        registers=MappingProxyType(registers),
        minimum_tcb=_floors(table) if platform in _AMD else MappingProxyType({}),
        tcb_statuses=frozenset(table.choices("tcb_statuses", STATUSES, least=1)) if platform in _INTEL else frozenset(),
        refused_generations=frozenset(table.texts("refused_generations", _GENERATION)),
        vlek=table.boolean("vlek") if platform in _AMD else False,
        maximum_vmpl=table.integer("maximum_vmpl", 0, 3, default=0) if platform == "sev-snp" else 0,
        keys=_keys(table) if platform == "tpm" else (),
        machines=machines,
        operator=operator,
    )
    table.done()
    return rule


def _floors(table: Table) -> Mapping[str, Mapping[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for text in table.texts("minimum_tcb", _FLOOR, least=1):
        generation, _, rest = text.partition(" ")
        part, _, version = rest.rpartition(" ")
        parts = found.setdefault(generation, {})
        if part in parts:
            table.refuse(f"'minimum_tcb' says two floors for {part} of {generation}")
        parts[part] = int(version)
    return MappingProxyType({generation: MappingProxyType(parts) for generation, parts in found.items()})


def _keys(table: Table) -> tuple[bytes, ...]:
    try:
        return tuple(decode64(text, "'keys'") for text in table.texts("keys", _KEY, least=1))
    except MalformedNote as error:
        table.refuse(str(error), hint=error.hint)
