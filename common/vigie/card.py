"""Member cards: the public half of a keyring, as a TOML file that is sent to whoever drafts the convention.

A card is not signed: before its keys enter a convention, its fingerprint is read out over the telephone and compared.
The rule kept here: a card that parses is consistent (every key is named after its member, its certificate signs no
others, its keys are sound), so that only its origin remains to be checked.
"""

import base64
import binascii
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import rfc8785
from cryptography import x509

from vigie import sealing
from vigie.errors import Malformed, MalformedNote
from vigie.note import COSIGNATURE_V1, ED25519, VerifierKey, decode64

USES: Final[Mapping[str, int]] = MappingProxyType(
    {"signing": ED25519, "witness": COSIGNATURE_V1, "host": ED25519, "operator": ED25519}
)
"""Uses of keys that a card lists as verifier keys, and the signature type of each."""

ROLES: Final = ("partner", "custodian", "witness", "auditor", "hub")
"""What a member may be."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LONGEST_TEXT = 200
_EPOCH = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Card:
    """The public half of one member.

    Attributes:
        name: member name.
        organisation: the legal person that it belongs to; thresholds count these.
        convention: id of the convention that the keys are for.
        roles: some of :data:`ROLES`.
        certificate: its TLS certificate, DER.
        keys: its verifier keys by use.
        sealing: public sealing key, 1216 bytes, when it receives results.
        log: public key of the journal, 32 bytes, when it is the hub; its name is decided by the origin.
        oprf: public key of its pseudonym function by epoch, 32 bytes each, when it is a custodian.
    """

    name: str
    organisation: str
    convention: str
    roles: tuple[str, ...]
    certificate: bytes
    keys: Mapping[str, VerifierKey] = field(default_factory=dict)
    sealing: bytes | None = None
    log: bytes | None = None
    oprf: Mapping[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a card that is not consistent.

        Raises:
            Malformed: saying what.
        """
        check_names(self.name, self.organisation, self.roles)
        if _NAME.fullmatch(self.convention) is None:
            raise Malformed(f"the card of {self.name} is for a convention whose id is not a name")
        check_certificate(self.certificate, self.name)
        for use, key in self.keys.items():
            if use not in USES or key.type != USES[use] or key.name != f"{self.name}/{use}":
                raise Malformed(f"a key of {self.name} is not named after its member and use, or is of another type")
        if self.sealing is not None:
            sealing.check_public(self.sealing)
        if self.log is not None:
            _check_ed25519(self.log)
        if any(len(key) != 32 for key in self.oprf.values()):
            raise Malformed(f"a pseudonym key of {self.name} is not 32 bytes")

    def as_dict(self) -> dict[str, Any]:
        """The card as it stands in TOML; keys that the member has not are left out."""
        fields: dict[str, Any] = {
            "name": self.name,
            "organisation": self.organisation,
            "convention": self.convention,
            "roles": list(self.roles),
            "certificate": _b64(self.certificate),
        }
        fields |= {use: self.keys[use].vkey() for use in USES if use in self.keys}
        if self.log is not None:
            fields["log"] = _b64(self.log)
        if self.sealing is not None:
            fields["sealing"] = _b64(self.sealing)
        if self.oprf:
            fields["oprf"] = {str(epoch): self.oprf[epoch].hex() for epoch in sorted(self.oprf)}
        return fields

    @property
    def digest(self) -> bytes:
        """SHA-256 of RFC 8785 of the card's fields, 32 bytes."""
        return hashlib.sha256(rfc8785.dumps(self.as_dict())).digest()

    @property
    def fingerprint(self) -> str:
        """The digest for reading aloud: sixteen groups of four hexadecimal digits."""
        text = self.digest.hex()
        return " ".join(text[at : at + 4] for at in range(0, len(text), 4))

    def text(self) -> str:
        """The card as a TOML file."""
        lines = [
            f"# Member card of {self.name}: public keys only, nothing here is secret.",
            "# Before it is used, compare the fingerprint with its owner over the telephone:",
            f"#   {self.fingerprint[:39]}",
            f"#   {self.fingerprint[40:]}",
            "",
        ]
        fields = self.as_dict()
        oprf = fields.pop("oprf", {})
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
        if oprf:
            lines += ["", "[oprf]", *(f'"{epoch}" = "{key}"' for epoch, key in oprf.items())]
        return "\n".join(lines) + "\n"


def parse_card(text: str) -> Card:
    """Read a card strictly.

    Raises:
        Malformed: not TOML, a missing or unknown key, or a card that is not consistent; the message says which.
    """
    try:
        fields = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise Malformed(f"the card is not TOML: {error}", hint="ask its owner for the file again") from error
    known = {"name", "organisation", "convention", "roles", "certificate", "log", "sealing", "oprf", *USES}
    required = ("name", "organisation", "convention", "roles", "certificate")
    if unknown := sorted(set(fields) - known):
        raise Malformed(f"the card has an unknown key {unknown[0][:40]!r}")
    if missing := [key for key in required if key not in fields]:
        raise Malformed(f"the card lacks the key {missing[0]!r}")
    try:
        return _card(fields)
    except MalformedNote as error:
        raise Malformed(f"a key of the card is not sound: {error}", hint=error.hint) from error


def check_names(name: str, organisation: str, roles: Sequence[str]) -> None:
    """Refuse a member name, organisation or list of roles that is not valid.

    Raises:
        Malformed: saying which.
    """
    if _NAME.fullmatch(name) is None:
        raise Malformed(
            f"{name[:80]!r} is not a member name", hint="use lower-case letters, digits and hyphens, a letter first"
        )
    if not organisation or len(organisation) > _LONGEST_TEXT or not organisation.isprintable():
        raise Malformed(f"the organisation of {name} is empty, too long or not printable")
    if not roles or len(set(roles)) != len(roles) or not set(roles) <= set(ROLES):
        raise Malformed(f"the roles of {name} are none of {', '.join(ROLES)}, or repeat")


def check_certificate(certificate: bytes, member: str) -> None:
    """Refuse a certificate that is not a leaf made for ``member``: one that may sign others opens the door to anybody.

    Raises:
        Malformed: saying what is wrong with it.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        constraints = parsed.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = parsed.extensions.get_extension_for_class(x509.KeyUsage).value
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = names.get_values_for_type(x509.DNSName)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise Malformed(f"the certificate of {member} cannot be read, or lacks an extension") from error
    if constraints.ca or usage.key_cert_sign:
        raise Malformed(f"the certificate of {member} may sign others", hint="make a new keyring with this program")
    if dns != [f"{member}.vigie"]:
        raise Malformed(f"the certificate of {member} is not made for the name {member}.vigie")


def _card(fields: Mapping[str, Any]) -> Card:
    for key in ("name", "organisation", "convention"):
        _text(fields[key], key)
    roles = fields["roles"]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Malformed("'roles' of the card is not a list of texts")
    oprf = fields.get("oprf", {})
    if not isinstance(oprf, dict):
        raise Malformed("'oprf' of the card is not a table")
    return Card(
        name=fields["name"],
        organisation=fields["organisation"],
        convention=fields["convention"],
        roles=tuple(roles),
        certificate=_bytes(fields["certificate"], "certificate"),
        keys={use: VerifierKey.parse(_text(fields[use], use)) for use in USES if use in fields},
        sealing=_bytes(fields["sealing"], "sealing") if "sealing" in fields else None,
        log=_bytes(fields["log"], "log") if "log" in fields else None,
        oprf={_epoch(number): _hex(key) for number, key in oprf.items()},
    )


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{key!r} of the card is not text")
    return value


def _bytes(value: object, key: str) -> bytes:
    return decode64(_text(value, key), f"{key!r} of the card")


def _epoch(number: str) -> int:
    if _EPOCH.fullmatch(number) is None:
        raise Malformed("an epoch of the card is not a number from 1")
    return int(number)


def _hex(value: object) -> bytes:
    try:
        data = binascii.unhexlify(_text(value, "oprf"))
    except ValueError as error:
        raise Malformed("a pseudonym key of the card is not hexadecimal") from error
    if data.hex() != value:
        raise Malformed("a pseudonym key of the card is not lower-case hexadecimal")
    return data


def _check_ed25519(public: bytes) -> None:
    try:
        VerifierKey("log", ED25519, public)
    except MalformedNote as error:
        raise Malformed("the log key of the card is not a sound Ed25519 key") from error


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
