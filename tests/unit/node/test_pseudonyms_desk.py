"""The custodian's side: what is answered, what is charged and what is refused, with its signed reason."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.custodians import NOW, Sites, agreement
from vigie import bodies, note, statement
from vigie.bodies import Evaluation, Refusal
from vigie.durable import open_database
from vigie.errors import BadSignature, MalformedStatement, Unavailable
from vigie.pseudonym import Blinder
from vigie_node.pseudonyms.evaluator import SCHEMA, EvaluationDesk, budget_of

BATCH = Blinder.blind(["552100554", "000000000"])


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    made = Sites(tmp_path_factory.mktemp("desk"))
    yield made
    made.close()


def requested(sites: Sites, elements: bytes = BATCH.elements, **change: Any) -> Evaluation:
    body = Evaluation(
        convention=sites.convention.digest, epoch=1, requester="acoss", evaluator="travail", sequence=1,
        elements=hashlib.sha256(elements).digest(), count=len(elements) // 32, stage="requested", request=None,
        total=None, created="2026-03-20T09:30:00Z",
    )  # fmt: skip
    return replace(body, **change)


def signed(sites: Sites, body: Evaluation, by: str = "acoss", use: str = "signing") -> bytes:
    return statement.sign_text(bodies.text_for(body), [sites.rings[by].signer(use)]).raw


Desks = Callable[..., EvaluationDesk]


@pytest.fixture
def desk(sites: Sites, tmp_path: Path) -> Iterator[Desks]:
    """Makes desks of travail that share one ledger of their own."""
    site, opened = sites["travail"], []

    def made(**change: Any) -> EvaluationDesk:
        opened.append(open_database(tmp_path / "evaluations.sqlite", SCHEMA))
        settings: dict[str, Any] = {
            "convention": lambda: sites.convention, "member": "travail", "signer": site.ring.signer(),
            "evaluate": site.workers.blind_evaluate, "now": lambda: NOW,
        }  # fmt: skip
        return EvaluationDesk(opened[-1], **(settings | change))

    yield made
    for database in opened:
        database.close()


def refusal_of(sites: Sites, answer: tuple[bytes, bytes]) -> Refusal:
    data, output = answer
    assert output == b""
    opened = statement.parse(data, kind="refusal")
    key = sites.convention.verifier("travail", "signing")
    assert key in note.verify(opened.note, [key])
    body = bodies.read(opened, Refusal)
    assert body.by == "travail"
    assert body.convention == sites.convention.digest
    return body


def test_an_answer_is_signed_charged_and_fits_the_custodians_key(sites: Sites, desk: Desks) -> None:
    one = desk()
    request = signed(sites, requested(sites))
    data, output = asyncio.run(one.answer(request, BATCH.elements))
    public = sites.rings["travail"].custodian(1).public
    assert BATCH.finalize(output, public) == sites.rings["travail"].custodian(1).evaluate(["552100554", "000000000"])
    opened = statement.parse(data, kind="evaluation")
    key = sites.convention.verifier("travail", "signing")
    assert key in note.verify(opened.note, [key])
    digest = statement.parse(request).digest
    assert bodies.read(opened, Evaluation) == requested(sites, stage="evaluated", request=digest, total=2)
    assert one.charged("acoss", 1) == 2
    assert one.charged("acoss", 2) == one.charged("banque-de-france", 1) == 0


def test_the_same_elements_get_the_same_statement_and_no_new_charge_even_after_a_restart(
    sites: Sites, desk: Desks
) -> None:
    first, _ = asyncio.run(desk().answer(signed(sites, requested(sites)), BATCH.elements))
    again = desk()
    for body in (requested(sites), requested(sites, sequence=2, created="2026-03-20T10:00:00Z")):
        data, output = asyncio.run(again.answer(signed(sites, body), BATCH.elements))
        assert data == first
        assert BATCH.finalize(output, sites.rings["travail"].custodian(1).public)
    assert again.charged("acoss", 1) == 2


def test_another_requester_of_the_same_elements_is_charged_itself(sites: Sites, desk: Desks) -> None:
    one = desk()
    asyncio.run(one.answer(signed(sites, requested(sites)), BATCH.elements))
    body = requested(sites, requester="banque-de-france")
    asyncio.run(one.answer(signed(sites, body, "banque-de-france"), BATCH.elements))
    assert one.charged("acoss", 1) == one.charged("banque-de-france", 1) == 2


def test_two_identical_requests_at_once_are_one_charge(sites: Sites, desk: Desks) -> None:
    one, request = desk(), signed(sites, requested(sites))

    async def twice() -> list[tuple[bytes, bytes]]:
        return await asyncio.gather(*(one.answer(request, BATCH.elements) for _ in range(4)))

    assert len({data for data, _ in asyncio.run(twice())}) == 1
    assert one.charged("acoss", 1) == 2


def test_the_charge_is_durable_before_anything_is_evaluated(sites: Sites, desk: Desks) -> None:
    async def dying(epoch: int, elements: bytes) -> bytes:
        assert desk().charged("acoss", epoch) == 2  # as another process would find it now
        raise Unavailable("the worker dies here")

    request = signed(sites, requested(sites))
    with pytest.raises(Unavailable):
        asyncio.run(desk(evaluate=dying).answer(request, BATCH.elements))
    after = desk()
    assert after.charged("acoss", 1) == 2
    data, output = asyncio.run(after.answer(request, BATCH.elements))
    assert bodies.read(statement.parse(data), Evaluation).total == 2
    assert output
    assert after.charged("acoss", 1) == 2


def test_a_budget_is_kept_to_the_last_element(sites: Sites, desk: Desks) -> None:
    small = agreement(sites.rings, population=0)

    async def counted(epoch: int, elements: bytes) -> bytes:
        return bytes(64 + len(elements))  # twenty thousand evaluations would say no more about the budget

    one = desk(convention=lambda: small, evaluate=counted)
    element = BATCH.elements[:32]
    # Distinct batches of 4096 elements: the last element tells them apart.
    tails = [Blinder.blind(["000000001"]).elements for _ in range(5)]
    for number, tail in enumerate(tails[:4], start=1):
        elements = element * 4095 + tail
        data, output = asyncio.run(one.answer(signed(sites, requested(sites, elements)), elements))
        assert bodies.read(statement.parse(data), Evaluation).total == 4096 * number
        assert len(output) == 64 + 32 * 4096
    body = refusal_of(sites, asyncio.run(one.answer(signed(sites, requested(sites, tails[4])), tails[4])))
    assert (body.reason.claim, body.about) == ("budget", "acoss")
    assert "16384" in body.reason.expected
    assert "16385" in body.reason.found
    assert one.charged("acoss", 1) == 16384
    elements = element * 4095 + tails[0]
    data, _ = asyncio.run(one.answer(signed(sites, requested(sites, elements)), elements))
    assert bodies.read(statement.parse(data), Evaluation).total == 4096


def test_the_budget_is_the_larger_of_a_fifth_more_and_a_fixed_margin() -> None:
    assert budget_of(0) == 16_384
    assert budget_of(400) == 16_784
    assert budget_of(81_920) == 98_304 == 81_920 * 12 // 10
    assert budget_of(1_500_000) == 1_800_000


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "asked of another": ("evaluator", {"evaluator": "banque-de-france"}, "acoss"),
    "an epoch that nobody knows": ("epoch", {"epoch": 7}, "acoss"),
    "an epoch that is not current": ("epoch", {"epoch": 2}, "acoss"),
    "another convention": ("convention", {"convention": bytes(32)}, "acoss"),
    "a count too small": ("elements", {"count": 1}, "acoss"),
    "a count too large": ("elements", {"count": 3}, "acoss"),
    "a count of nothing": ("elements", {"count": 0}, "acoss"),
    "another digest": ("elements", {"elements": bytes(32)}, "acoss"),
    "the auditor": ("requester", {"requester": "auditeur"}, "auditeur"),
    "a stranger": ("requester", {"requester": "nobody"}, "acoss"),
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_what_is_not_allowed_is_refused_with_a_signed_reason_and_not_charged(
    sites: Sites, desk: Desks, name: str
) -> None:
    claim, change, by = REFUSALS[name]
    one = desk()
    request = signed(sites, requested(sites, **change), by)
    body = refusal_of(sites, asyncio.run(one.answer(request, BATCH.elements)))
    assert body.reason.claim == claim
    assert body.subject == statement.parse(request).digest
    assert body.about == (None if name == "a stranger" else change.get("requester", "acoss"))
    assert one.charged("acoss", 1) == 0


@pytest.mark.parametrize(
    "elements",
    [
        b"",
        BATCH.elements[:-1],
        BATCH.elements[:32] * 4097,
        bytes(32),
        b"\xff" * 64,
        BATCH.elements + b"\x01" + bytes(31),
    ],
    ids=["none", "cut", "too many", "identity", "not canonical", "one not canonical"],
)
def test_elements_that_are_none_or_too_many_are_refused(sites: Sites, desk: Desks, elements: bytes) -> None:
    one = desk()
    request = signed(sites, requested(sites, elements))
    assert refusal_of(sites, asyncio.run(one.answer(request, elements))).reason.claim == "elements"
    assert one.charged("acoss", 1) == 0


def test_a_member_that_is_no_custodian_of_the_epoch_refuses(sites: Sites, desk: Desks) -> None:
    without = agreement(sites.rings, custodians=("acoss", "banque-de-france"))
    one = desk(convention=lambda: without)
    body = refusal_of(sites, asyncio.run(one.answer(signed(sites, requested(sites)), BATCH.elements)))
    assert body.reason.claim == "epoch"


def test_nobody_is_answered_without_the_requesters_own_signature(sites: Sites, desk: Desks) -> None:
    one = desk()
    forged = signed(sites, requested(sites)).replace(b"acoss/signing", b"acoss/signinh")
    for data in (signed(sites, requested(sites), "banque-de-france"), signed(sites, requested(sites), "hub", "host")):
        with pytest.raises(BadSignature):
            asyncio.run(one.answer(data, BATCH.elements))
    with pytest.raises(BadSignature):
        asyncio.run(one.answer(forged, BATCH.elements))
    assert one.charged("acoss", 1) == 0


def test_what_is_no_request_is_malformed(sites: Sites, desk: Desks) -> None:
    one = desk()
    answered = requested(sites, stage="evaluated", request=bytes(32), total=2)
    wrong = [
        b"",
        signed(sites, answered),
        signed(sites, requested(sites, total=1)),
        signed(sites, requested(sites))[:-2],
    ]
    for data in wrong:
        with pytest.raises(MalformedStatement):
            asyncio.run(one.answer(data, BATCH.elements))


@given(st.binary(max_size=300))
def test_any_bytes_are_our_error(data: bytes) -> None:
    async def never(epoch: int, elements: bytes) -> bytes:
        raise AssertionError

    nothing: Any = None
    unused = EvaluationDesk(nothing, convention=nothing, member="", signer=nothing, evaluate=never, now=nothing)
    with pytest.raises(MalformedStatement):
        asyncio.run(unused.answer(data, b""))
