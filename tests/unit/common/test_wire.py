"""Errors on the wire: the table is whole, private text stays, and what the peer sent is never trusted."""

import asyncio
import json
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import errors, wire
from vigie.errors import BadProof, Refused, StateError, Unavailable, VigieError, WitnessConflict


def _classes(root: type[VigieError]) -> set[type[VigieError]]:
    return {root}.union(*(_classes(child) for child in root.__subclasses__() if child.__module__ == errors.__name__))


class Failure:
    """What a client sees of a failed call."""

    def __init__(self, code: grpc.StatusCode, details: str | None = "", metadata: Any = ()) -> None:
        self._code, self._details, self._metadata = code, details, metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


class Context:
    """A servicer context that remembers how the call ended."""

    def __init__(self) -> None:
        self.failure: Failure | None = None

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> Any:
        self.failure = Failure(code, details, trailing_metadata)
        raise grpc.aio.AbortError


def crossed(error: BaseException) -> VigieError:
    """An error after it went from a server to a client."""
    context = Context()
    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(wire.abort(context, error))
    assert context.failure is not None
    return wire.from_rpc(context.failure)


def test_every_class_has_its_row() -> None:
    assert set(wire.TABLE) == _classes(VigieError) - {VigieError}
    assert all(row.sentence.endswith(".") for row in wire.TABLE.values())


def test_no_status_is_one_that_grpc_gives_by_itself_for_success_or_a_lost_method() -> None:
    assert not {row.status for row in wire.TABLE.values()} & {grpc.StatusCode.OK, grpc.StatusCode.UNIMPLEMENTED}


@pytest.mark.parametrize("cls", [c for c, row in wire.TABLE.items() if not row.private], ids=lambda cls: cls.__name__)
def test_an_error_crosses_as_its_own_class(cls: type[VigieError]) -> None:
    if cls is Refused:
        error: VigieError = Refused("budget", expected="at most 5", found="6", hint="wait")
    elif cls is WitnessConflict:
        error = WitnessConflict("another size", size=7, hint="prove from there")
    else:
        error = cls("a sentence", hint="do this")
    found = crossed(error)
    assert type(found) is cls
    assert (str(found), found.hint) == (str(error), error.hint)
    assert getattr(found, "size", None) == getattr(error, "size", None)
    assert [getattr(found, key, None) for key in ("claim", "expected", "found")] == [
        getattr(error, key, None) for key in ("claim", "expected", "found")
    ]


@pytest.mark.parametrize("error", [ValueError("secret 552100554"), StateError("secret 552100554", hint="552100554")])
def test_the_text_of_an_internal_error_never_leaves(error: Exception) -> None:
    context = Context()
    with pytest.raises(grpc.aio.AbortError):
        asyncio.run(wire.abort(context, error))
    assert context.failure is not None
    assert "552100554" not in repr((context.failure.details(), context.failure.trailing_metadata()))
    assert "552100554" not in wire.describe(error)[1]
    assert type(crossed(error)) is Unavailable


def test_a_subclass_crosses_as_the_class_in_the_table() -> None:
    class Special(BadProof):
        pass

    assert type(crossed(Special("it does not verify"))) is BadProof


@pytest.mark.parametrize(
    ("status", "cls"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, Refused),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Refused),
        (grpc.StatusCode.UNIMPLEMENTED, Refused),
        (grpc.StatusCode.NOT_FOUND, errors.Missing),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Untrusted),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.Malformed),
    ],
)
def test_without_metadata_the_status_decides(status: grpc.StatusCode, cls: type[VigieError]) -> None:
    assert type(wire.from_rpc(Failure(status, "x", None))) is cls


@given(st.binary() | st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_the_peer_sends_becomes_one_of_our_errors(value: str | bytes) -> None:
    found = wire.from_rpc(Failure(grpc.StatusCode.INTERNAL, None, ((wire.METADATA_KEY, value),)))
    assert isinstance(found, VigieError)


@given(
    st.fixed_dictionaries(
        {"class": st.sampled_from([cls.__name__ for cls in wire.TABLE]) | st.text()},
        optional={
            key: st.text() | st.integers() | st.none()
            for key in ("message", "hint", "claim", "expected", "found", "size")
        },
    )
)
def test_whatever_fields_the_peer_names_become_bounded_printable_text(fields: dict[str, Any]) -> None:
    metadata = ((wire.METADATA_KEY, json.dumps(fields)),)
    found = wire.from_rpc(Failure(grpc.StatusCode.INTERNAL, "", metadata))
    assert isinstance(found, VigieError)
    assert str(found).isprintable() and len(str(found)) <= 4 * wire.MAX_TEXT
    assert found.hint.isprintable()


def test_an_unknown_class_is_retryable_and_a_known_one_is_revived() -> None:
    assert type(wire.revive("Surprise", "what")) is Unavailable
    assert type(wire.revive("BadProof", "no")) is BadProof
