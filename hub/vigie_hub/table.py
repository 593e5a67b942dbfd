"""Which role may call which method. What is not in the table is refused, whoever asks.

A test walks the descriptors of every service that the server registers and compares, so that a new method is refused
until somebody decides here who may call it, and how long a call may take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Time(Enum):
    """What bounds a call."""

    UNARY = "an ordinary call"
    EVALUATE = "a relayed blind batch"
    STREAM = "open as long as the caller wants; silence or shutdown ends it"


@dataclass(frozen=True)
class Rule:
    """Roles that may call a method (any of them), and what bounds the call."""

    roles: frozenset[str]
    time: Time = Time.UNARY


PARTNER: Final = frozenset({"partner"})
CUSTODIANS: Final = frozenset({"partner", "custodian"})
ATTENDS: Final = frozenset({"partner", "custodian", "witness", "auditor"})
HUB: Final = frozenset({"hub"})
ANYONE: Final = frozenset({"partner", "custodian", "witness", "auditor", "hub"})
"""Any member of the convention; nobody else gets past the TLS handshake."""

RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "/vigie.v1.Deposit/Begin": Rule(PARTNER),
        "/vigie.v1.Deposit/Put": Rule(PARTNER, Time.STREAM),
        "/vigie.v1.Deposit/Commit": Rule(PARTNER),
        "/vigie.v1.Deposit/Lots": Rule(PARTNER),
        "/vigie.v1.Relay/Evaluate": Rule(CUSTODIANS, Time.EVALUATE),
        "/vigie.v1.Relay/Attend": Rule(ATTENDS, Time.STREAM),
        "/vigie.v1.Journal/Submit": Rule(ANYONE),
        "/vigie.v1.Journal/Checkpoint": Rule(ANYONE),
        "/vigie.v1.Journal/Entries": Rule(ANYONE),
        "/vigie.v1.Journal/Receipt": Rule(ANYONE),
        "/vigie.v1.Journal/Consistency": Rule(ANYONE),
        "/vigie.v1.Journal/Quote": Rule(ANYONE),
        "/vigie.v1.Results/List": Rule(PARTNER),
        "/vigie.v1.Results/Fetch": Rule(PARTNER, Time.STREAM),
        "/vigie.v1.Perimeter/Begin": Rule(PARTNER),
        "/vigie.v1.Perimeter/Put": Rule(PARTNER, Time.STREAM),
        "/vigie.v1.Perimeter/Commit": Rule(PARTNER),
        "/vigie.v1.Perimeter/Current": Rule(PARTNER),
        "/vigie.v1.Perimeter/Fetch": Rule(PARTNER, Time.STREAM),
        "/vigie.v1.Custody/Share": Rule(CUSTODIANS),
        "/vigie.v1.Custody/Confirm": Rule(CUSTODIANS),
        "/vigie.v1.Operator/SubmitOrder": Rule(HUB),
        "/vigie.v1.Operator/Watch": Rule(HUB, Time.STREAM),
        "/vigie.v1.Operator/Status": Rule(HUB),
        "/vigie.v1.Operator/AllLots": Rule(HUB),
        "/vigie.v1.Operator/Runs": Rule(HUB),
        "/vigie.v1.Operator/Models": Rule(HUB),
        "/grpc.health.v1.Health/Check": Rule(ANYONE),
        "/grpc.health.v1.Health/List": Rule(ANYONE),
        "/grpc.health.v1.Health/Watch": Rule(HUB, Time.STREAM),
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Rule(ANYONE, Time.STREAM),
    }
)
