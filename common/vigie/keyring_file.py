"""The file of a keyring (protocol section 2): what is in it is :mod:`vigie.keyring`'s to say.

Three lines of text: ``vigie/keyring/v1``, RFC 8785 JSON of the Argon2id parameters, and base64 of a libsodium SecretBox
over the content.
"""

import base64
import binascii
import json
import secrets
from pathlib import Path
from typing import Final, Literal

import rfc8785
from nacl import exceptions, pwhash, secret
from nacl.bindings import crypto_secretbox_NONCEBYTES

from vigie import durable
from vigie.errors import Malformed, Missing, WrongPassphrase

Cost = Literal["interactive", "moderate"]
Stretching = tuple[int, int]
"""Operations and bytes of memory of Argon2id."""

COSTS: Final[dict[Cost, Stretching]] = {
    "interactive": (pwhash.argon2id.OPSLIMIT_INTERACTIVE, pwhash.argon2id.MEMLIMIT_INTERACTIVE),
    "moderate": (pwhash.argon2id.OPSLIMIT_MODERATE, pwhash.argon2id.MEMLIMIT_MODERATE),
}
"""256 MiB and about a second for real keys, 64 MiB for demonstrations."""

_FIRST_LINE: Final = b"vigie/keyring/v1"
_MOST_OPERATIONS: Final = 32
_MOST_MEMORY: Final = 2**31
_LARGEST_FILE: Final = 1_000_000


def write(path: Path, content: bytes, passphrase: str, stretching: Stretching) -> None:
    """Write the file, whole or not at all, readable by its owner only."""
    operations, memory = stretching
    salt = secrets.token_bytes(pwhash.argon2id.SALTBYTES)
    header = rfc8785.dumps({"kdf": "argon2id", "memory": memory, "operations": operations, "salt": salt.hex()})
    box = secret.SecretBox(_derive(passphrase, salt, operations, memory))
    sealed = bytes(box.encrypt(content, secrets.token_bytes(crypto_secretbox_NONCEBYTES)))
    durable.write_file(path, b"\n".join((_FIRST_LINE, header, base64.b64encode(sealed), b"")), 0o600)


def read(path: Path, passphrase: str) -> tuple[bytes, Stretching]:
    """Open the file: its content, and how its passphrase was stretched.

    Raises:
        Missing: there is no such file.
        Malformed: not a keyring file.
        WrongPassphrase: it does not open with this passphrase, or its content was altered.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError as error:
        raise Missing(f"there is no keyring at {path}", hint="make one with: vigie member init") from error
    salt, operations, memory, sealed = _parse(data)
    try:
        opened = secret.SecretBox(_derive(passphrase, salt, operations, memory)).decrypt(sealed)
    except (exceptions.CryptoError, ValueError) as error:
        raise WrongPassphrase(
            "the keyring does not open with this passphrase",
            hint="check the passphrase; if it is right, the file is damaged: restore it from a copy",
        ) from error
    return opened, (operations, memory)


def _derive(passphrase: str, salt: bytes, operations: int, memory: int) -> bytes:
    return pwhash.argon2id.kdf(secret.SecretBox.KEY_SIZE, passphrase.encode(), salt, operations, memory)


def _parse(data: bytes) -> tuple[bytes, int, int, bytes]:
    """Salt, operations, memory and sealed content. The parameters are bounded: a forged file must not eat the memory."""
    try:
        first, header, content, end = data.split(b"\n")
        fields = json.loads(header)
        if first != _FIRST_LINE or end or len(data) > _LARGEST_FILE or rfc8785.dumps(fields) != header:
            raise ValueError("not this form")
        if set(fields) != {"kdf", "memory", "operations", "salt"} or fields["kdf"] != "argon2id":
            raise ValueError("other parameters")
        operations, memory, salt = fields["operations"], fields["memory"], bytes.fromhex(fields["salt"])
        if type(operations) is not int or not 1 <= operations <= _MOST_OPERATIONS:
            raise ValueError("operations out of range")
        if type(memory) is not int or not pwhash.argon2id.MEMLIMIT_MIN <= memory <= _MOST_MEMORY:
            raise ValueError("memory out of range")
        if len(salt) != pwhash.argon2id.SALTBYTES:
            raise ValueError("wrong salt")
        return salt, operations, memory, base64.b64decode(content, validate=True)
    except (ValueError, TypeError, RecursionError, binascii.Error, rfc8785.CanonicalizationError) as error:
        raise Malformed(
            "this is not a keyring file", hint="give the file that `vigie member init` wrote, or restore it from a copy"
        ) from error
