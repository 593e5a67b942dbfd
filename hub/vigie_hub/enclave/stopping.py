"""Why a run stops: a rule, what it wants, what there was -- in words of :mod:`vigie_hub.enclave.words`."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from vigie.errors import MalformedFrame, Refused, VigieError
from vigie_hub.enclave.messages import Failed
from vigie_hub.enclave.words import kind_of


@contextmanager
def rule(claim: str, expected: str) -> Iterator[None]:
    """Turn any error of ours inside the block into a refusal under ``claim``.

    Only the kind of the error is told, and of a refusal its claim: the message was written for whoever holds the data.

    Raises:
        Refused: instead of any :class:`~vigie.errors.VigieError`; one that was a refusal keeps its claim.
    """
    try:
        yield
    except Refused as error:
        raise Refused(error.claim, expected=expected, found=f"a refusal under {error.claim}") from error
    except VigieError as error:
        raise Refused(claim, expected=expected, found=f"an error of kind {kind_of(error)}") from error


def failed(error: Exception) -> Failed:
    """What to tell the host about an error that ends the run."""
    match error:
        case Refused():
            return Failed(error.claim, error.expected, error.found)
        case MalformedFrame():
            return Failed("channel", "the messages of the channel, in their order and bounds", error.message)
        case VigieError():
            return Failed("run", "a run without a fault", f"an error of kind {kind_of(error)}")
        case MemoryError() | duckdb.OutOfMemoryException():
            return Failed("memory", "enough memory for the whole matrix", "too little")
        case _:
            return Failed("internal", "a run without a fault", f"a fault of kind {kind_of(error)}")
