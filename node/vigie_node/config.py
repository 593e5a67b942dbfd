"""What a partner says about its own node: ``node.toml``, read once at start into a frozen dataclass.

The rule: unknown keys are refused, every field has a unit and a safe default, and nothing that the convention decides
(the hub's certificate, who is a custodian, thresholds) can be said here a second time.

::

    [node]
    member = "acoss"
    hub = "exchange.example:8443"
    keyring = "acoss.keyring"
    policy = "auto"

    [limits]
    batch = 512
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from vigie.errors import ConfigError

Policy = Literal["auto", "manual"]
"""``auto`` releases the keys of the full set of current lots without asking; ``manual`` asks a person every time."""

_MEMBER = re.compile(r"[a-z][a-z0-9-]{0,62}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")


@dataclass(frozen=True)
class Limits:
    """How much the node does at once and how often; every setting has a default that suits a small machine."""

    batch: int = 512
    """Blinded elements asked of a custodian in one batch, 1 to 4096."""
    workers: int = 1
    """Worker processes that evaluate other members' batches."""
    results_seconds: int = 300
    """How often the node looks for results that it was not told of, in seconds."""


@dataclass(frozen=True)
class NodeConfig:
    """The whole of ``node.toml``."""

    member: str
    """Name of this member in the convention."""
    hub: str
    """``host:port`` of the hub; its certificate is the one in the convention."""
    keyring: Path
    """The member's keyring file; a relative path starts at the node's folder."""
    policy: Policy = "auto"
    """Whether the node releases by itself (see :data:`Policy`)."""
    limits: Limits = field(default_factory=Limits)


def parse_config(text: str, *, source: str = "node.toml") -> NodeConfig:
    """Read ``node.toml``.

    Args:
        text: the file's content.
        source: how messages name the file.

    Raises:
        ConfigError: not TOML, an unknown or missing key, or a value that is not allowed.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from error
    _refuse_unknown(document, {"node", "limits"}, source, "")
    node, limits = _table(document, "node", source), _table(document, "limits", source)
    _refuse_unknown(node, {"member", "hub", "keyring", "policy"}, source, "[node] ")
    member, hub, keyring = (_text(node, key, source) for key in ("member", "hub", "keyring"))
    policy = node.get("policy", "auto")
    if _MEMBER.fullmatch(member) is None:
        raise ConfigError(f"{source}: [node] member is not a name of a member (lower case letters, digits, hyphens)")
    check_address(hub, where=f"{source}: [node] hub")
    if not keyring or "\x00" in keyring:
        raise ConfigError(f"{source}: [node] keyring must name the keyring file")
    chosen = check_policy(policy, where=f"{source}: [node] policy")
    return NodeConfig(member, hub, Path(keyring), chosen, _limits(limits, source))


def check_address(address: str, *, where: str) -> None:
    """Make sure that ``address`` has the form ``host:port``.

    Raises:
        ConfigError: it has not; the message begins with ``where``.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[1]) < 65_536:
        raise ConfigError(f"{where} must be host:port", hint="for example exchange.example:8443")


def check_policy(policy: object, *, where: str) -> Policy:
    """Make sure that ``policy`` is one.

    Raises:
        ConfigError: it is not; the message begins with ``where``.
    """
    if policy == "auto":
        return "auto"
    if policy == "manual":
        return "manual"
    raise ConfigError(f'{where} must be "auto" or "manual"', hint="manual asks a person before every release of keys")


def write_config(config: NodeConfig) -> str:
    """Return the text of ``node.toml`` for ``config``, with a comment for each setting; `parse_config` reads it back."""
    lines = [
        "# This member's node. What the convention decides is not repeated here.",
        "[node]",
        f"member = {_quoted(config.member)}",
        f"hub = {_quoted(config.hub)}",
        f"keyring = {_quoted(str(config.keyring))}",
        '# "auto": release the keys of the full set of current lots to an approved enclave, at most 3 times per period.',
        '# "manual": a person approves every order with `vigie-node approve`.',
        f"policy = {_quoted(config.policy)}",
        "",
        "[limits]",
    ]
    lines += [f"{item.name} = {getattr(config.limits, item.name)}" for item in fields(Limits)]
    return "\n".join(lines) + "\n"


def _limits(table: Mapping[str, Any], source: str) -> Limits:
    bounds = {
        "batch": (1, 4096),
        "workers": (1, 64),
        "results_seconds": (1, 86_400),
    }
    _refuse_unknown(table, set(bounds), source, "[limits] ")
    for key, value in table.items():
        low, high = bounds[key]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"{source}: [limits] {key} must be a whole number from {low} to {high}")
    return Limits(**table)


def _refuse_unknown(table: Mapping[str, Any], known: set[str], source: str, section: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ConfigError(
            f"{source}: {section}{unknown[0][:64]!r} is not a setting", hint=f"known here: {', '.join(sorted(known))}"
        )


def _table(document: Mapping[str, Any], key: str, source: str) -> Mapping[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: [{key}] must be a section")
    return value


def _text(table: Mapping[str, Any], key: str, source: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise ConfigError(f"{source}: [node] {key} is missing or not text")
    return value


def _quoted(text: str) -> str:
    # TOML basic strings take JSON's escapes for quotes, backslashes and control characters.
    escaped = "".join(
        f"\\{c}" if c in '"\\' else (f"\\u{ord(c):04x}" if ord(c) < 32 or ord(c) == 127 else c) for c in text
    )
    return f'"{escaped}"'
