"""Bodies: encoding and decoding are inverse, and every departure from a body's form is refused by the key's name."""

import dataclasses
from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import bodies, body_codec, statement
from vigie.bodies import (
    BODIES,
    Approval,
    Body,
    Delivery,
    Erasure,
    Evaluation,
    Evidence,
    Joint,
    JointShare,
    Lot,
    Order,
    Perimeter,
    PerimeterShare,
    Quality,
    Reason,
    Refusal,
    Release,
    Run,
    RunResult,
    SealedModel,
)
from vigie.errors import MalformedStatement
from vigie.note import Signer

D, ID, KEY, TIME = b"\x11" * 32, b"\x22" * 16, b"\x33" * 1216, "2026-03-20T09:30:00Z"

EXAMPLES: dict[str, Body] = {
    "approval": Approval(D, D, "acoss", TIME),
    "lot": Lot(
        D, 1, ID, KEY, "acoss", "debts", 1, "2026-03", "2026-03-20", "snapshot", None, ID, False, 12, 8, 4096, 64, D,
        Quality(10, 9, 1, 0, 2), TIME,
    ),
    "evaluation": Evaluation(D, 1, "acoss", "travail", 7, D, 512, "evaluated", D, 1024, TIME),
    "order": Order(D, 1, "2026-03", "early-warning", (D, b"\x12" * 32), (), "train", TIME, TIME),
    "evidence": Evidence(
        D, D, KEY, D, {"acoss": D}, D, D, "software", {"dumpable": "enforced"}, {"kernel": "6.1"}, None, TIME
    ),
    "release": Release(D, D, D, "acoss", "released", (D,), D, None, TIME, D),
    "run": Run(
        D, D, D, {"acoss": "11" * 32, "travail": "none"}, D, {"seed": 1, "parts": ["x", None]}, {},
        (RunResult("acoss-list", "acoss", D, 2, 8192),), "A1", TIME, D, SealedModel(D, 2, 8192), {"acoss": "sound"},
    ),
    "delivery": Delivery(D, D, "acoss-list", "acoss", D, "A1", TIME),
    "refusal": Refusal(D, "hub", "acoss", None, Reason("budget", "at most 16384 elements", "17000"), 1, TIME),
    "perimeter": Perimeter(D, 1, ID, "2026-03", "acoss", {"travail": PerimeterShare(D, 5232, 1)}, 96, None, TIME),
    "joint": Joint(D, 1, ID, b"\x44" * 1216, 2, D, D, None, (JointShare("acoss", 1, D, D, D),), TIME),
    "erasure": Erasure(D, "acoss", 1, (D, b"\x02" * 32), "a mistake in the extract", TIME),
}  # fmt: skip


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_comes_back_from_its_statement(kind: str) -> None:
    body = EXAMPLES[kind]
    assert bodies.kind_of(body) == kind and type(body) is BODIES[kind]
    signed = statement.sign_text(bodies.text_for(body), [Signer("acoss/signing", b"\x01" * 32)])
    assert signed.kind == kind
    assert bodies.read(signed, type(body)) == body


def test_every_json_kind_has_a_body_and_every_body_a_kind() -> None:
    assert set(BODIES) == statement.KINDS - {"convention"} == set(EXAMPLES)
    assert set(BODIES.values()) == set(get_args(Body))


def test_a_body_is_read_as_its_own_class_only() -> None:
    signed = statement.sign_text(bodies.text_for(EXAMPLES["order"]), [Signer("hub/operator", b"\x01" * 32)])
    with pytest.raises(MalformedStatement, match="kind order, not lot"):
        bodies.read(signed, Lot)


def keys() -> list[tuple[str, str]]:
    return [(kind, field.name) for kind, cls in BODIES.items() for field in dataclasses.fields(cls)]


@pytest.mark.parametrize("kind, key", keys())
def test_a_missing_key_is_refused(kind: str, key: str) -> None:
    value = body_codec.encode(EXAMPLES[kind])
    del value[key]
    with pytest.raises(MalformedStatement, match=f"lacks the key '{key}'"):
        body_codec.decode(BODIES[kind], value)


@pytest.mark.parametrize("kind, key", keys())
@pytest.mark.parametrize("junk", [-1, 1.5, True, 2**53, [], [[]], "", "\x00", "é" * 600, {"": 1}, {"a b": {}}])
def test_a_value_of_the_wrong_form_is_refused(kind: str, key: str, junk: Any) -> None:
    free = {("run", "model_card"), ("run", "metrics")}
    allowed = {
        ("lot", "shrink_confirmed"): junk is True,
        ("order", "lots"): junk == [],
        ("order", "states"): junk == [],
        ("release", "lots"): junk == [],
        ("run", "results"): junk == [],
        ("erasure", "lots"): junk == [],
    }
    value = body_codec.encode(EXAMPLES[kind]) | {key: junk}
    if allowed.get((kind, key)) or ((kind, key) in free and isinstance(junk, dict)):
        body_codec.decode(BODIES[kind], value)
        return
    with pytest.raises(MalformedStatement):
        body_codec.decode(BODIES[kind], value)


@pytest.mark.parametrize("kind", BODIES)
def test_an_unknown_key_is_refused(kind: str) -> None:
    value = body_codec.encode(EXAMPLES[kind])
    body_codec.decode(BODIES[kind], value)
    with pytest.raises(MalformedStatement, match="unknown key 'extra'"):
        body_codec.decode(BODIES[kind], value | {"extra": 1})


def test_an_unknown_key_below_is_refused_with_its_place() -> None:
    value = body_codec.encode(EXAMPLES["lot"])
    with pytest.raises(MalformedStatement, match="quality has the unknown key 'extra'"):
        body_codec.decode(Lot, value | {"quality": value["quality"] | {"extra": 1}})
    with pytest.raises(MalformedStatement, match=r"quality\.valid"):
        body_codec.decode(Lot, value | {"quality": value["quality"] | {"valid": "9"}})


@pytest.mark.parametrize(
    "kind, key, bad",
    [
        ("lot", "lot", "22" * 15), ("lot", "lot", "22" * 17), ("lot", "lot", "2" * 31), ("lot", "lot", "2g" * 16),
        ("lot", "lot", "AA" * 16), ("lot", "lot", "22" * 16 + "\n"), ("lot", "lot_key", "33" * 1215),
        ("lot", "period", "2026-13"), ("lot", "period", "2026-3"), ("lot", "period", "٢٠٢٦-03"),
        ("lot", "period", "2026-03\n"), ("lot", "as_of", "2026-00-01"), ("lot", "as_of", "2026-01-32"),
        ("lot", "created", "2026-03-20T24:00:00Z"), ("lot", "created", "2026-03-20 09:30:00Z"),
        ("lot", "created", "2026-03-20T09:30:00+00:00"), ("lot", "delivery", "full"), ("lot", "partner", "Acoss"),
        ("lot", "partner", "a" * 64), ("lot", "dataset", "debts "), ("lot", "schema", "1"), ("lot", "epoch", None),
        ("order", "model", "best"), ("order", "lots", ["11" * 31]), ("order", "lots", "11" * 32),
        ("order", "lots", {"0": "11" * 32}), ("evidence", "platform", "SOFTWARE"),
        ("evidence", "challenges", {"acoss": "11"}), ("evidence", "challenges", {"Acoss": "11" * 32}),
        ("evidence", "layers", {"dumpable": "a\nb"}), ("evidence", "layers", {"dumpable": None}),
        ("evidence", "layers", {"dumpable": "x" * 201}), ("run", "releases", {"acoss": "None"}),
        ("run", "releases", {"acoss": "11" * 31}), ("run", "level", "A5"), ("run", "model_card", []),
        ("run", "results", [{}]), ("release", "decision", "maybe"), ("release", "reason", {}),
        ("refusal", "reason", None), ("refusal", "about", 1),
    ],
)  # fmt: skip
def test_a_wrong_length_pattern_or_word_is_refused_without_its_value(kind: str, key: str, bad: Any) -> None:
    value = body_codec.encode(EXAMPLES[kind])
    assert body_codec.decode(BODIES[kind], value) == EXAMPLES[kind]
    with pytest.raises(MalformedStatement, match=key) as refused:
        body_codec.decode(BODIES[kind], value | {key: bad})
    assert not isinstance(bad, str) or len(bad) < 4 or bad not in str(refused.value)


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_what_is_not_an_object_is_refused(value: Any) -> None:
    with pytest.raises(MalformedStatement, match="is not an object"):
        body_codec.decode(Lot, value)


def test_only_bodies_are_encoded() -> None:
    with pytest.raises(TypeError):
        body_codec.encode({"a": 1})


Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_any_json_in_any_place_is_read_back_alike_or_refused(kind: str, data: st.DataObject) -> None:
    value = body_codec.encode(EXAMPLES[kind])
    key = data.draw(st.sampled_from(sorted(value)))
    value[key] = data.draw(Json)
    read: Callable[[], Body] = lambda: body_codec.decode(BODIES[kind], value)  # noqa: E731 - one line, used twice
    try:
        body = read()
    except MalformedStatement:
        with pytest.raises(MalformedStatement):
            read()
        return
    assert body_codec.encode(body) == value


digests = st.binary(min_size=32, max_size=32)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)


@given(
    st.builds(
        Order,
        convention=digests,
        epoch=st.integers(0, 2**53 - 1),
        period=st.from_regex(r"[0-9]{4}-(0[1-9]|1[0-2])", fullmatch=True),
        purpose=names,
        lots=st.lists(digests, max_size=5).map(tuple),
        states=st.lists(digests, max_size=2).map(tuple),
        model=st.just("train"),
        deadline=st.just(TIME),
        created=st.just(TIME),
    )
)
def test_any_order_survives(order: Order) -> None:
    signed = statement.sign_text(bodies.text_for(order), [Signer("hub/operator", b"\x01" * 32)])
    assert bodies.read(statement.parse(signed.raw), Order) == order
