"""Why a run stops, in words that may leave the enclave: a rule, what it wants, what there was -- and no partner data."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

from vigie.errors import Refused, VigieError
from vigie_hub.enclave.messages import Failed

_MOST: Final = 300


@contextmanager
def rule(claim: str, expected: str) -> Iterator[None]:
    """Turn any error of ours inside the block into a refusal under ``claim``.

    Only the kind of the error is told: its message was written for whoever holds the data.

    Raises:
        Refused: instead of any other :class:`~vigie.errors.VigieError`; a refusal passes as it is.
    """
    try:
        yield
    except Refused:
        raise
    except VigieError as error:
        raise Refused(claim, expected=expected, found=f"an error of kind {type(error).__name__}") from error


def failed(error: Exception) -> Failed:
    """What to tell the host about an error that ends the run."""
    match error:
        case Refused():
            return Failed(error.claim[:_MOST], error.expected[:_MOST], error.found[:_MOST])
        case VigieError():
            return Failed("run", "a run without a fault", f"an error of kind {type(error).__name__}")
        case MemoryError() | duckdb.OutOfMemoryException():
            return Failed("memory", "enough memory for the whole matrix", "too little")
        case _:
            return Failed("internal", "a run without a fault", f"a fault of kind {type(error).__name__}")
