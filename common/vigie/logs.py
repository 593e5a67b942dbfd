"""Logs of the long-running programs: one JSON object per line on standard error.

The rule it keeps: partner data never reaches a log. Our own errors carry none by their contract; of any other exception
only its class and the places that it passed through are written, because its text may quote a value.
"""

import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from vigie.errors import VigieError


def configure(stream: TextIO | None = None) -> None:
    """Write the program's logs as JSON lines.

    Args:
        stream: where to; standard error when not given.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_values,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )


def _without_values(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace ``exc_info`` by the exception's class and places; by its sentence too when the error is ours."""
    wanted = event.pop("exc_info", None)
    error = wanted if isinstance(wanted, BaseException) else sys.exc_info()[1] if wanted else None
    if error is None:
        return event
    event["exception"] = type(error).__name__
    if isinstance(error, VigieError):
        event["reason"] = error.message
    frames = traceback.extract_tb(error.__traceback__)
    event["places"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return event
