"""CBOR (RFC 8949) read so that one meaning has one form of bytes."""

from typing import Any

import cbor2

from vigie.hardware.model import malformed


def load(data: bytes, name: str) -> Any:
    """Decode CBOR.

    Raises:
        MalformedEvidence: it is none, or something follows.
    """
    try:
        return cbor2.loads(data)
    # Tags that the library knows (dates, addresses, expressions) raise what their own types raise.
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError):
        malformed(name, "not CBOR")


def decode(data: bytes, name: str) -> Any:
    """Decode CBOR that must be in its deterministic form, so that no byte can change without a change of meaning.

    Raises:
        MalformedEvidence: it is none, or in another form.
    """
    found = load(data, name)
    try:
        same = cbor2.dumps(found, canonical=True) == data
    except (cbor2.CBORError, ValueError, TypeError, RecursionError):
        same = False
    if not same:
        malformed(name, "not deterministic CBOR")
    return found
