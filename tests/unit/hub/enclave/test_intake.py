"""A host that lies, at every place where it could: each lie stops the run under its claim."""

import dataclasses
import hashlib
import socket
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from support.enclave_story import EnclaveFailed, MadeLot, Story, pseudonym_of, pseudonymised
from support.panel import table
from support.world import World
from vigie import bodies, custody, segment, statement
from vigie.bodies import Release
from vigie.datasets import BUILT_IN, PSEUDONYM
from vigie.errors import MalformedFrame, MalformedSegment
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.main import Standing, run
from vigie_hub.enclave.stopping import failed

A, B = "000000001", "900000002"
TABLES = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5), (B, "2018-01", 7), (A, "2020-12", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation", "opening")]),
    },
    "travail": {"short_time_work": table("short_time_work", [(A, "2020-12", 5.0)])},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"), overrides={"pseudonyms.buckets": 4})


@pytest.fixture
def story(world: World) -> Story:
    return Story(world, TABLES, period="2020-12")


def stopped(story: Story) -> EnclaveFailed:
    with pytest.raises(EnclaveFailed) as caught:
        story.in_thread()
    return caught.value


def test_a_run_that_nobody_spoils_is_signed(story: Story, world: World) -> None:
    outcome = story.in_thread()
    table, about = outcome.opened(world, "acoss-list")
    assert table.num_rows == 2
    assert about["missing_partners"] == []
    assert set(outcome.body.releases) == {"acoss", "travail"}
    assert all(len(said) == 64 for said in outcome.body.releases.values())


# -- the order and its lots


def _unsigned_convention(story: Story, begin: pb.Begin) -> None:
    lines = begin.conventions[0].rstrip(b"\n").split(b"\n")
    begin.conventions[0] = b"\n".join(lines[:-1]) + b"\n"


def _order_of_a_partner(story: Story, begin: pb.Begin) -> None:
    text = statement.parse(begin.order).text
    begin.order = statement.sign_text(text, [story.world.signer("acoss")]).raw


def _one_lot_less(story: Story, begin: pb.Begin) -> None:
    del begin.lots[0]


def _lots_swapped(story: Story, begin: pb.Begin) -> None:
    lots = [pb.Lot.FromString(lot.SerializeToString()) for lot in begin.lots]
    for place, lot in enumerate((lots[1], lots[0], *lots[2:])):
        begin.lots[place].CopyFrom(lot)


def _lot_of_another(story: Story, begin: pb.Begin) -> None:
    text = statement.parse(begin.lots[0].statement).text
    begin.lots[0].statement = statement.sign_text(text, [story.world.signer("travail")]).raw


def _receipt_of_another(story: Story, begin: pb.Begin) -> None:
    begin.lots[0].receipt = begin.lots[1].receipt


def _no_receipt(story: Story, begin: pb.Begin) -> None:
    begin.lots[0].receipt = b""


def _other_segments(story: Story, begin: pb.Begin) -> None:
    begin.lots[0].segment_ids[0] = b"x" * 32


def _one_segment_less(story: Story, begin: pb.Begin) -> None:
    del begin.lots[0].segment_ids[-1]


def _parts_moved(story: Story, begin: pb.Begin) -> None:
    begin.lots[0].parts_per_bucket[0] += 1


def _empty_bucket(story: Story, begin: pb.Begin) -> None:
    begin.lots[0].parts_per_bucket[0] -= 1
    begin.lots[0].parts_per_bucket[1] += 1


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        (_unsigned_convention, "convention"),
        (_order_of_a_partner, "order"),
        (_one_lot_less, "lots"),
        (_lots_swapped, "lots"),
        (_lot_of_another, "lot"),
        (_receipt_of_another, "lot"),
        (_no_receipt, "lot"),
        (_other_segments, "lot"),
        (_one_segment_less, "lot"),
        (_parts_moved, "lot"),
        (_empty_bucket, "lot"),
    ],
)
def test_a_spoilt_beginning(story: Story, spoil: Callable[[Story, pb.Begin], None], claim: str) -> None:
    story.spoil_begin = lambda begin: spoil(story, begin)
    assert stopped(story).claim == claim


@pytest.mark.parametrize(
    ("changed", "claim"),
    [({"purpose": "other"}, "purpose"), ({"states": (b"s" * 32,)}, "states"), ({"epoch": 2}, "epoch")],
)
def test_an_order_that_the_convention_does_not_allow(story: Story, changed: dict[str, Any], claim: str) -> None:
    story.order_changed = changed
    assert stopped(story).claim == claim


def test_an_order_under_an_amended_convention(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    amended = World.create(tmp_path_factory.mktemp("amended"), overrides={"pseudonyms.buckets": 4})
    story = Story(amended, TABLES, period="2020-12")
    story.make_lots()
    old = amended.chain.digest
    amended.amend({"convention.title": "Another"})
    assert story.in_thread().body.convention == amended.chain.digest  # the lots name the ancestor
    story.order_changed = {"convention": old}
    assert stopped(story).claim == "convention"


def test_a_dataset_that_the_purpose_does_not_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    overrides = {"pseudonyms.buckets": 4, "purpose.early-warning.datasets": ["headcount", "proceedings"]}
    overrides |= {"purpose.early-warning.target": "failure"}
    story = Story(World.create(tmp_path_factory.mktemp("narrow"), overrides=overrides), TABLES, period="2020-12")
    assert stopped(story).claim == "lot"


def test_two_snapshots_of_one_dataset(story: Story) -> None:
    story.make_lots()
    story.lots.append(story.make_lot("acoss", "headcount", TABLES["acoss"]["headcount"], period="2020-11"))
    assert stopped(story).claim == "lots"


def test_a_delta_of_another_snapshot(story: Story) -> None:
    story.make_lots()
    changed = {"delivery": "delta", "base": b"z" * 16}
    story.lots.append(story.make_lot("acoss", "headcount", TABLES["acoss"]["headcount"], **changed))
    assert stopped(story).claim == "lots"


# -- evidence and releases


def _only_the_enclaves_signature(go: pb.Go) -> None:
    lines = go.evidence.rstrip(b"\n").split(b"\n")
    go.evidence = b"\n".join(line for line in lines if not line.startswith("— hub/host".encode())) + b"\n"


def test_evidence_without_the_hosts_signature(story: Story) -> None:
    story.spoil_go = _only_the_enclaves_signature
    assert stopped(story).claim == "evidence"


def test_the_evidence_of_another_enclave(story: Story) -> None:
    other = Story(story.world, TABLES, period="2020-12").in_thread().evidence

    def spoil(go: pb.Go) -> None:
        go.evidence = other.raw

    story.spoil_go = spoil
    assert stopped(story).claim == "evidence"


def _signed_by_another(story: Story, release: pb.Release) -> None:
    text = statement.parse(release.statement).text
    release.statement = statement.sign_text(text, [story.world.signer("banque-de-france")]).raw


def _changed(story: Story, release: pb.Release, **changed: Any) -> None:
    body = bodies.read(statement.parse(release.statement), Release)
    release.statement = story.world.sign(release.partner, dataclasses.replace(body, **changed)).raw


def _to_another_order(story: Story, release: pb.Release) -> None:
    _changed(story, release, order=b"o" * 32)


def _to_other_evidence(story: Story, release: pb.Release) -> None:
    _changed(story, release, evidence=b"e" * 32)


def _of_fewer_lots(story: Story, release: pb.Release) -> None:
    _changed(story, release, lots=(story.lots[0].statement.digest,))


def _another_blob(story: Story, release: pb.Release) -> None:
    release.blob = release.blob[:-1] + bytes([release.blob[-1] ^ 1])


def _for_another_partner(story: Story, release: pb.Release) -> None:
    release.partner = "travail" if release.partner == "acoss" else "acoss"


def _for_nobody(story: Story, release: pb.Release) -> None:
    release.partner = "banque-de-france"


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (_signed_by_another, False), (_to_another_order, False), (_to_other_evidence, False), (_of_fewer_lots, False),
        (_another_blob, True),
    ],
)  # fmt: skip
def test_a_spoilt_release_makes_its_partner_a_missing_one(
    story: Story, world: World, spoil: Callable[[Story, pb.Release], None], named: bool
) -> None:
    def only(partner: str) -> None:
        story.spoil_release = lambda release: spoil(story, release) if release.partner == partner else None

    only("travail")
    outcome = story.in_thread()
    assert outcome.body.model_card["missing_partners"] == ["travail"]
    assert (outcome.body.releases["travail"] != "none") is named
    assert outcome.opened(world, "travail-list")[0].num_rows == 0
    only("acoss")
    assert stopped(story).claim == "required"


@pytest.mark.parametrize("spoil", [_for_another_partner, _for_nobody])
def test_an_answer_that_is_given_as_anothers(story: Story, spoil: Callable[[Story, pb.Release], None]) -> None:
    story.spoil_release = lambda release: spoil(story, release) if release.partner == "acoss" else None
    assert stopped(story).claim == "release"


def _seal_again(story: Story, release: pb.Release, keys: dict[bytes, bytes]) -> None:
    """The partner itself releases other keys than the ones that it says."""
    body = bodies.read(statement.parse(release.statement), Release)
    evidence = story.sent_evidence
    key = bodies.read(evidence, bodies.Evidence).enclave_key
    release.blob = custody.seal_release(key, evidence.digest, body.order, keys)
    _changed(story, release, blob=hashlib.sha256(release.blob).digest())


@pytest.mark.parametrize("what", ["one missing", "one too many", "swapped"])
def test_released_keys_are_exactly_those_of_the_lots(story: Story, what: str) -> None:
    def spoil(release: pb.Release) -> None:
        own = [lot for lot in story.lots if lot.body.partner == release.partner]
        if len(own) < 2:
            return
        keys = {lot.body.lot: lot.seed for lot in own}
        first, second = own
        if what == "one missing":
            del keys[first.body.lot]
        elif what == "one too many":
            keys[b"t" * 16] = first.seed
        else:
            keys = {first.body.lot: second.seed, second.body.lot: first.seed}
        _seal_again(story, release, keys)

    story.spoil_release = spoil
    assert stopped(story).claim == "required"


def test_a_required_partner_that_refuses_or_is_silent(story: Story) -> None:
    story.withhold = ["acoss"]
    assert stopped(story).claim == "required"
    story.withhold, story.silent = (), ["acoss"]
    assert stopped(story).claim == "required"


@pytest.mark.parametrize("silent", [True, False])
def test_a_run_goes_on_without_a_partner_that_is_not_required(story: Story, world: World, silent: bool) -> None:
    story.silent, story.withhold = (["travail"], []) if silent else ([], ["travail"])
    outcome = story.in_thread()
    assert (outcome.body.releases["travail"] == "none") is silent
    table, about = outcome.opened(world, "acoss-list")
    assert about["missing_partners"] == ["travail"]
    assert "short_time_work" not in about["freshness"]
    assert table.num_rows == 2
    # Its own result has no row: nothing that it sent was opened.
    assert outcome.opened(world, "travail-list")[0].num_rows == 0


# -- segments and rows


def test_segments_are_taken_only_as_signed(story: Story) -> None:
    story.spoil_segment = lambda head, data: data[:-1] + bytes([data[-1] ^ 1])
    assert stopped(story).claim == "segment"


def test_a_segment_may_not_be_moved(story: Story) -> None:
    """The partner signs for the list, but two of its parts were sealed for each other's place."""
    story.make_lots()
    lot = story.lots[0]
    first, second = list(lot.segments)[:2]
    lot.segments[first], lot.segments[second] = lot.segments[second], lot.segments[first]
    body = dataclasses.replace(lot.body, segment_root=segment.segment_root(lot.ids))
    story.lots[0] = dataclasses.replace(lot, body=body, statement=story.world.sign("acoss", body))
    assert stopped(story).claim == "segment"


def _headcount(rows_in: list[tuple[Any, ...]]) -> pa.Table:
    return pseudonymised(table("headcount", rows_in), BUILT_IN["headcount"])


def _replace_lot(story: Story, dataset: str, content: pa.Table, **options: Any) -> MadeLot:
    lots = story.make_lots()
    place = next(number for number, lot in enumerate(lots) if lot.body.dataset == dataset)
    lots[place] = story.seal_lot(lots[place].body.partner, BUILT_IN[dataset], content, **options)
    return lots[place]


def test_a_company_in_another_bucket(story: Story) -> None:
    _replace_lot(story, "headcount", _headcount([(A, "2018-01", 5)]), bucket=lambda key, buckets: 3 - (key[0] >> 6))
    assert stopped(story).claim == "rows"


def test_companies_out_of_order(story: Story) -> None:
    many = _headcount([(f"{number:09d}", "2018-01", 5) for number in range(40)])
    _replace_lot(story, "headcount", many.take(pa.array(range(39, -1, -1))))
    assert stopped(story).claim == "rows"


@pytest.mark.parametrize("column", ["action", "effective_date"])
def test_categories_and_dates_that_do_not_exist(story: Story, column: str) -> None:
    content = pseudonymised(TABLES["acoss"]["proceedings"], BUILT_IN["proceedings"])
    place = content.schema.get_field_index(column)
    wrong = pa.array([7], pa.int16()) if column == "action" else pa.array([2_000_000], pa.int32()).cast(pa.date32())
    _replace_lot(story, "proceedings", content.set_column(place, content.schema.field(place), wrong))
    assert stopped(story).claim == "rows"


def test_two_rows_of_one_company_and_month(story: Story) -> None:
    _replace_lot(story, "headcount", _headcount([(A, "2018-01", 5), (A, "2018-01", 6)]))
    found = stopped(story)
    assert (found.claim, found.found) == ("rows", "two")


def test_a_table_of_another_form(story: Story) -> None:
    content = _headcount([(A, "2018-01", 5)])
    other = content.set_column(2, "headcount", pa.array([5.0]))
    _replace_lot(story, "headcount", other)
    assert stopped(story).claim == "rows"


def test_a_delta_takes_the_place_of_the_rows_that_it_repeats(story: Story, world: World) -> None:
    """The same clear content, once as one snapshot and once as a snapshot with two deltas, gives the same bits."""
    companies = [f"{number:09d}" for number in range(60)]
    old = [(siren, month, 5) for siren in companies for month in ("2018-01", "2020-10")]
    new = [(siren, "2020-10", 9) for siren in companies[:20]]
    newest = [(siren, "2020-10", 1) for siren in companies[:5]] + [(siren, "2020-11", 2) for siren in companies[5:9]]
    final = {row[:2]: row for row in (*old, *new, *newest)}
    judged = table("proceedings", [(siren, "2018-09-01", "liquidation", "opening") for siren in companies[::7]])

    def play(*contents: list[tuple[Any, ...]]) -> pa.Table:
        one = Story(world, {"acoss": {"headcount": table("headcount", contents[0]), "proceedings": judged}}, "2020-12")
        base = one.make_lots()[0]
        for number, content in enumerate(contents[1:]):
            changed = {"delivery": "delta", "base": base.body.lot, "period": f"2020-1{number + 1}"}
            delta = one.make_lot("acoss", "headcount", table("headcount", content), **changed)
            one.lots.insert(0, delta)
        return one.in_thread().opened(world, "acoss-list")[0]

    assert play(list(final.values())).equals(play(old, new, newest))


def test_a_row_is_for_a_company_that_the_recipient_said_something_about(story: Story, world: World) -> None:
    nothing = table("short_time_work", [(A, "2020-12", None, None, None), (B, "2020-11", None, 1.0, None)])
    tables = {"acoss": TABLES["acoss"], "travail": {"short_time_work": nothing}}
    found = Story(world, tables, period="2020-12").in_thread().opened(world, "travail-list")[0]
    assert found.column(PSEUDONYM).to_pylist() == [pseudonym_of(B)]


# -- the protocol, and what may be said of a failure


def test_a_first_message_other_than_begin(world: World) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.encode(frames.CONTROL, pb.Control(go=pb.Go(evidence=b"e")).SerializeToString()))
        with pytest.raises(MalformedFrame, match="another message"):
            run(Channel(theirs), clock=lambda: world.now, standing=Standing({}, {}))


SECRET = "123456789"


@pytest.mark.parametrize("error", [ValueError(SECRET), MemoryError(SECRET), KeyError(SECRET), MalformedSegment(SECRET)])
def test_a_fault_tells_its_kind_and_nothing_else(error: Exception) -> None:
    told = failed(error)
    assert SECRET not in f"{told.claim} {told.expected} {told.found}"
    assert type(error).__name__ in told.found or told.claim == "memory"
