"""Results: every proof is checked before a byte is opened, and only the right recipient's node opens them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from support.merkle_tree import MemoryTree
from support.world import ORIGIN, PURPOSE, World
from vigie import result, sealing, segment, statement
from vigie.authority import ENCLAVE_KEY_NAME
from vigie.bodies import Body, Evidence, Order, Run, RunResult, text_for
from vigie.clock import stamp
from vigie.errors import BadProof, BadSeal, BadSignature, Malformed, Refused, VigieError
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import inclusion_proof, root
from vigie.journal.proof import Receipt
from vigie.note import Signer, assemble
from vigie.sealing import SealingPrivateKey
from vigie.statement import Statement
from vigie_node.results import check, open_result
from vigie_node.wire import FetchedResult

NOW = datetime(2026, 6, 1, tzinfo=UTC)
GRANT = "acoss-list"
COMPANIES = {bytes([number]) * 16: f"{number:09d}" for number in range(1, 6)}


@dataclass
class Made:
    """What the hub would hand over for ``acoss``, and what it takes to make variants of it."""

    world: World
    fetched: FetchedResult
    order: Statement
    evidence: Statement
    run: Statement
    body: Run
    enclave: Signer


def signed(body: Body, *signers: Signer) -> Statement:
    return statement.sign_text(text_for(body), signers)


def receipt(world: World, entry: bytes) -> bytes:
    tree = MemoryTree((b"first", entry, b"last"))
    text = Checkpoint(ORIGIN, 3, root(3, tree.read)).text()
    checkpoint = assemble(text, [world.keyrings["hub"].log_signer(ORIGIN).sign(text)])
    return Receipt(1, tuple(inclusion_proof(1, 3, tree.read)), checkpoint, None).encode()


def about(made_of: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recipient": "acoss", "purpose": PURPOSE, "period": "2026-05", "level": "A1", "limits": [], "withheld": {},
        "missing_partners": [], "freshness": {}, "features": {}, "notice_fr": "", "notice_en": "", **made_of,
    }  # fmt: skip


def parts(world: World, order: bytes, evidence: bytes, *, to: str = "acoss", grant: str = GRANT) -> list[bytes]:
    rows: dict[str, list[Any]] = {name: [None] * len(COMPANIES) for name in result.schema().names}
    rows["pseudonym"] = list(COMPANIES)
    rows["score"] = [number / 10 for number in range(len(COMPANIES))]
    rows["level"] = [result.LEVELS[0]] * len(COMPANIES)
    table = pa.table(rows, schema=result.schema())
    plain = result.encode(table, about({"grant": grant, "order": order.hex(), "evidence": evidence.hex()}))
    public = world.convention.member(to).sealing
    assert public is not None
    return [
        sealing.seal(public, sealing.result_info(order, evidence, grant, number), part)
        for number, part in enumerate(plain)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    world = World.create(tmp_path_factory.mktemp("world"), now=NOW)
    enclave = Signer(ENCLAVE_KEY_NAME, bytes(range(32)))
    order = signed(
        Order(
            world.chain.digest, 1, "2026-05", PURPOSE, (bytes(32),), (), "train", stamp(NOW + timedelta(minutes=15)), stamp(NOW),
        ),
        world.signer("hub/operator"),
    )  # fmt: skip
    layers = dict.fromkeys(world.convention.enclave.layers, "enforced")
    evidence = signed(
        Evidence(
            world.chain.digest, order.digest, SealingPrivateKey.from_seed(bytes(96)).public, enclave.verifier.public,
            {"acoss": bytes(32)}, bytes(32), bytes(32), "software", layers, {}, None, stamp(NOW),
        ),
        world.signer("hub/host"), enclave,
    )  # fmt: skip
    sealed = parts(world, order.digest, evidence.digest)
    named = segment.segment_root([segment.segment_id(one) for one in sealed])
    body = Run(
        world.chain.digest, evidence.digest, order.digest, {"acoss": "none"}, bytes(32), {}, {},
        (RunResult(GRANT, "acoss", named, len(sealed), sum(map(len, sealed))),), "A1", stamp(NOW),
    )  # fmt: skip
    run = signed(body, enclave)
    ids = tuple(segment.segment_id(one) for one in sealed)
    fetched = FetchedResult(run.raw, receipt(world, run.raw), evidence.raw, order.raw, ids, (), tuple(sealed))
    return Made(world, fetched, order, evidence, run, body, enclave)


def identify(pseudonyms: pa.Array) -> pa.Array:
    return pa.array([COMPANIES.get(one) for one in pseudonyms.to_pylist()], pa.string())


def judge(made: Made, fetched: FetchedResult, *, grant: str = GRANT, member: str = "acoss") -> None:
    checked = check(fetched, grant, member=member, chain=made.world.chain)
    open_result(checked, made.world.keyrings[member].sealing(), identify)


def rerun(made: Made, **changes: Any) -> FetchedResult:
    """The same hand-over with another run, properly signed and journaled."""
    run = signed(replace(made.body, **changes), made.enclave)
    return replace(made.fetched, run=run.raw, run_receipt=receipt(made.world, run.raw))


def resealed(made: Made, sealed: list[bytes]) -> FetchedResult:
    """The same hand-over with other parts, named by the run as an enclave gone wrong would."""
    named = segment.segment_root([segment.segment_id(one) for one in sealed])
    changed = rerun(made, results=(RunResult(GRANT, "acoss", named, len(sealed), sum(map(len, sealed))),))
    return replace(changed, parts=tuple(sealed))


def test_a_result_is_opened_by_its_recipient_and_names_its_companies(made: Made) -> None:
    checked = check(made.fetched, GRANT, member="acoss", chain=made.world.chain)
    opened = open_result(checked, made.world.keyrings["acoss"].sealing(), identify)
    assert opened.table.column_names[0] == "siren"
    assert opened.table.column("siren").to_pylist() == ["000000005", "000000004", "000000003", "000000002", "000000001"]
    assert opened.level == "A1"


def other_order(made: Made) -> FetchedResult:
    body = statement.parse(made.order.raw).body
    changed = {**body, "period": "2026-04"}
    again = statement.make("order", changed, [made.world.signer("hub/operator")])
    return replace(made.fetched, order=again.raw)


def by_the_wrong_operator(made: Made) -> FetchedResult:
    return replace(made.fetched, order=statement.sign_text(made.order.text, [made.world.signer("acoss")]).raw)


def without_the_host(made: Made) -> FetchedResult:
    return replace(made.fetched, evidence=statement.sign_text(made.evidence.text, [made.enclave]).raw)


def by_another_enclave(made: Made) -> FetchedResult:
    run = signed(made.body, Signer(ENCLAVE_KEY_NAME, bytes(32)))
    return replace(made.fetched, run=run.raw, run_receipt=receipt(made.world, run.raw))


def not_in_the_journal(made: Made) -> FetchedResult:
    return replace(made.fetched, run_receipt=receipt(made.world, b"another entry"))


def a_level_that_was_not_reached(made: Made) -> FetchedResult:
    return rerun(made, level="A3")


def a_part_altered(made: Made) -> FetchedResult:
    first, *rest = made.fetched.parts
    return replace(made.fetched, parts=(first[:-1] + bytes([first[-1] ^ 1]), *rest))


def a_part_dropped(made: Made) -> FetchedResult:
    return replace(made.fetched, parts=made.fetched.parts[:-1])


def parts_exchanged(made: Made) -> FetchedResult:
    return replace(made.fetched, parts=tuple(reversed(made.fetched.parts)))


def no_part_at_all(made: Made) -> FetchedResult:
    return replace(made.fetched, parts=())


def sealed_to_another_partner(made: Made) -> FetchedResult:
    return resealed(made, parts(made.world, made.order.digest, made.evidence.digest, to="travail"))


def sealed_for_another_grant(made: Made) -> FetchedResult:
    return resealed(made, parts(made.world, made.order.digest, made.evidence.digest, grant="travail-list"))


def of_an_earlier_enclave(made: Made) -> FetchedResult:
    return resealed(made, parts(made.world, made.order.digest, bytes(32)))


def not_named_in_the_run(made: Made) -> FetchedResult:
    return rerun(made, results=())


def garbage(made: Made) -> FetchedResult:
    return replace(made.fetched, run=b"nothing")


@pytest.mark.parametrize(
    "fault, error",
    [
        (other_order, Refused),
        (by_the_wrong_operator, BadSignature),
        (without_the_host, BadSignature),
        (by_another_enclave, BadSignature),
        (not_in_the_journal, BadProof),
        (a_level_that_was_not_reached, VigieError),
        (a_part_altered, BadProof),
        (a_part_dropped, BadProof),
        (parts_exchanged, BadProof),
        (no_part_at_all, BadProof),
        (sealed_to_another_partner, BadSeal),
        (sealed_for_another_grant, BadSeal),
        (of_an_earlier_enclave, BadSeal),
        (not_named_in_the_run, VigieError),
        (garbage, Malformed),
    ],
)
def test_what_does_not_prove_itself_is_refused(
    made: Made, fault: Callable[[Made], FetchedResult], error: type[VigieError]
) -> None:
    with pytest.raises(error):
        judge(made, fault(made))


@pytest.mark.parametrize("grant, member", [("travail-list", "acoss"), (GRANT, "travail"), ("unheard-of", "acoss")])
def test_a_grant_to_somebody_else_is_refused(made: Made, grant: str, member: str) -> None:
    with pytest.raises(Refused, match="recipient"):
        judge(made, made.fetched, grant=grant, member=member)


def test_companies_that_this_node_never_declared_are_refused(made: Made) -> None:
    checked = check(made.fetched, GRANT, member="acoss", chain=made.world.chain)
    with pytest.raises(Refused, match="companies"):
        open_result(checked, made.world.keyrings["acoss"].sealing(), lambda keys: pa.nulls(len(keys), pa.string()))


def test_nothing_is_opened_before_everything_is_checked(made: Made, tmp_path: Path) -> None:
    """A hand-over whose run is not in the journal is refused even by a node that has no key to open it with."""
    with pytest.raises(BadProof):
        check(not_in_the_journal(made), GRANT, member="acoss", chain=made.world.chain)
