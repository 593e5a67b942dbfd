"""The joint key in the enclave: drawn, used by shares, shared anew; and every lie about it stops the run by name."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from support.enclave_story import MEASUREMENT, EnclaveFailed, Journal, Outcome, Story
from support.panel import table
from support.world import PARTNERS, World
from vigie import bodies, joint
from vigie.bodies import Joint, Run
from vigie.statement import Statement
from vigie.v1 import enclave_pb2 as pb

A, B = "000000001", "900000002"
TABLES = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5), (B, "2018-01", 7), (A, "2020-12", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation", "opening")]),
    },
}


@dataclass
class Trained:
    """A world in which a model was trained, and what everybody holds of it."""

    world: World
    order: Statement
    outcome: Outcome

    @property
    def joint(self) -> Joint:
        assert self.outcome.joint is not None
        return bodies.read(self.outcome.joint, Joint)

    @property
    def run(self) -> Run:
        return self.outcome.body

    def words(self) -> dict[str, str]:
        """Each custodian's share, opened with its own key."""
        return {
            said.custodian: joint.open_share(
                self.world.keyrings[said.custodian].sealing(), self.joint.key, said, self.outcome.shares[said.custodian]
            )
            for said in self.joint.shares
        }

    def given(self, *, model: bool = True) -> pb.GivenJoint:
        """What an honest host tells an enclave."""
        assert self.outcome.joint is not None
        entries = [self.outcome.joint.raw, self.outcome.run.raw]
        journal = Journal(self.world, entries)
        given = pb.GivenJoint(
            statement=entries[0],
            receipt=journal.receipt(entries[0]),
            evidence=self.outcome.evidence.raw,
            approvals=[one.raw for one in self.world.approvals],
        )
        if model:
            given.run, given.run_receipt = entries[1], journal.receipt(entries[1])
            given.run_evidence, given.run_order = self.outcome.evidence.raw, self.order.raw
        return given

    def story(self, **changed: Any) -> Story:
        """An order that scores with the model, everybody helping."""
        story = Story(self.world, TABLES, period="2020-12")
        story.order_changed = {"model": self.run.model.hex()}
        story.joint, story.model_parts, story.given = self.given(), self.outcome.model, self.words()
        story.helpers = PARTNERS
        return replace(story, **changed) if changed else story


def train(world: World) -> Trained:
    world.approve(MEASUREMENT)
    story = Story(world, TABLES, period="2020-12")
    order = story.order()
    story.order = lambda: order  # type: ignore[method-assign]
    return Trained(world, order, story.in_thread())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(World.create(tmp_path_factory.mktemp("world"), overrides={"pseudonyms.buckets": 4}))


def stopped(story: Story) -> EnclaveFailed:
    with pytest.raises(EnclaveFailed) as caught:
        story.in_thread()
    return caught.value


def test_the_first_training_draws_a_key_and_seals_the_model_to_it(trained: Trained) -> None:
    said, run = trained.joint, trained.run
    assert (said.previous, said.epoch, said.threshold) == (None, 1, 2)
    assert trained.outcome.joint is not None
    assert run.joint == trained.outcome.joint.digest
    assert (said.evidence, said.order) == (run.evidence, run.order)
    assert joint.blobs_fit(said, trained.outcome.shares)
    words = trained.words()
    for left_out in words:
        two = [share for name, share in words.items() if name != left_out]
        seed = joint.combine(said, trained.world.convention.id, two)
        private = joint.key_of(seed, trained.world.convention.id, 1)
        model = joint.open_model(private, run.model, trained.outcome.model)
        assert model.startswith(b"tree")
    assert run.sealed is not None
    assert run.sealed.parts == len(trained.outcome.model)


def test_a_later_training_seals_to_the_key_that_there_is(trained: Trained) -> None:
    story = Story(trained.world, TABLES, period="2020-12", joint=trained.given(model=False))
    outcome = story.in_thread()
    assert outcome.joint is None
    assert outcome.body.joint == trained.run.joint
    seed = joint.combine(trained.joint, trained.world.convention.id, list(trained.words().values()))
    private = joint.key_of(seed, trained.world.convention.id, 1)
    assert hashlib.sha256(joint.open_model(private, outcome.body.model, outcome.model)).digest() == trained.run.model


def test_scoring_with_the_model_gives_the_same_bits(trained: Trained) -> None:
    outcome = trained.story().in_thread()
    assert (outcome.joint, outcome.model, outcome.body.sealed) == (None, [], None)
    assert outcome.body.model == trained.run.model
    assert outcome.body.shares == dict.fromkeys(PARTNERS, "sound")
    assert outcome.body.model_card["trained_by"] == trained.outcome.run.digest.hex()
    assert set(outcome.body.releases) == set(PARTNERS)
    first = trained.outcome.opened(trained.world, "acoss-list")[0]
    assert outcome.opened(trained.world, "acoss-list")[0].equals(first)


@pytest.mark.parametrize("wrong", PARTNERS)
def test_a_wrong_share_names_its_custodian_and_the_run_goes_on(trained: Trained, wrong: str) -> None:
    words = trained.words()
    first, second, *rest = words[wrong].split(" ")
    outcome = trained.story(given={**words, wrong: " ".join([second, first, *rest])}).in_thread()
    assert outcome.body.shares == {name: "wrong" if name == wrong else "sound" for name in PARTNERS}
    assert outcome.body.model == trained.run.model


def test_too_few_shares_are_refused_and_the_refusal_names_whose(trained: Trained) -> None:
    words = trained.words()
    alone = stopped(trained.story(given={"travail": words["travail"]}))
    assert (alone.claim, alone.expected) == ("shares", "sound shares of 2 organisations")
    assert alone.found == "1; none of: acoss, banque-de-france"
    swapped = {"travail": words["travail"], "acoss": words["banque-de-france"]}
    assert stopped(trained.story(given=swapped)).found == "1; wrong: acoss; none of: banque-de-france"
    assert stopped(trained.story(silent=("travail", "banque-de-france"))).claim == "shares"
    assert stopped(trained.story(withhold=("travail", "banque-de-france"))).claim == "shares"
    assert trained.story(silent=("travail",)).in_thread().body.shares["travail"] == "none"


def test_shares_of_two_splits_do_not_mix_and_are_named(trained: Trained) -> None:
    seed = joint.combine(trained.joint, trained.world.convention.id, list(trained.words().values()))
    other = joint.split(seed, 2, 3)
    number = {said.custodian: said.index for said in trained.joint.shares}["acoss"]
    mixed = {"acoss": other[number - 1], "travail": trained.words()["travail"]}
    assert "wrong: acoss" in stopped(trained.story(given=mixed)).found


def test_bytes_that_the_host_puts_in_are_not_held_against_a_custodian(trained: Trained) -> None:
    def spoil(release: pb.Release) -> None:
        if release.partner == "acoss":
            release.share = b"x" * len(release.share)

    outcome = trained.story(spoil_release=spoil).in_thread()
    assert outcome.body.shares == {"acoss": "none", "banque-de-france": "sound", "travail": "sound"}


def _no_receipt(trained: Trained, given: pb.GivenJoint) -> None:
    given.receipt = given.run_receipt


def _no_approvals(trained: Trained, given: pb.GivenJoint) -> None:
    del given.approvals[1:]


def _approvals_of_another(trained: Trained, given: pb.GivenJoint) -> None:
    approved = [
        trained.world.sign(name, bodies.Approval(trained.world.chain.digest, b"?" * 32, name, trained.joint.created))
        for name in PARTNERS
    ]
    del given.approvals[:]
    given.approvals.extend(one.raw for one in approved)


def _another_evidence(trained: Trained, given: pb.GivenJoint) -> None:
    other = Story(trained.world, TABLES, period="2020-12").in_thread()
    given.evidence = other.evidence.raw


def _signed_by_a_member(trained: Trained, given: pb.GivenJoint) -> None:
    given.statement = trained.world.sign("acoss", trained.joint).raw


def _run_without_receipt(trained: Trained, given: pb.GivenJoint) -> None:
    given.run_receipt = given.receipt


def _another_order(trained: Trained, given: pb.GivenJoint) -> None:
    given.run_order = Story(trained.world, TABLES, period="2020-11").order().raw


def _no_run(trained: Trained, given: pb.GivenJoint) -> None:
    given.run = b""


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        (_no_receipt, "joint"),
        (_no_approvals, "approvals"),
        (_approvals_of_another, "approvals"),
        (_another_evidence, "evidence"),
        (_signed_by_a_member, "joint"),
        (_run_without_receipt, "model"),
        (_another_order, "model"),
        (_no_run, "model"),
    ],
)
def test_a_lie_about_key_or_model_stops_the_run(
    trained: Trained, spoil: Callable[[Trained, pb.GivenJoint], None], claim: str
) -> None:
    given = trained.given()
    spoil(trained, given)
    assert stopped(trained.story(joint=given)).claim == claim


def test_other_parts_and_other_models_stop_the_run(trained: Trained) -> None:
    parts = trained.outcome.model
    spoilt = [bytes([parts[0][0] ^ 1]) + parts[0][1:], *parts[1:]]
    assert stopped(trained.story(model_parts=spoilt)).claim == "model"
    assert stopped(trained.story(order_changed={"model": "ab" * 32})).claim == "model"
    assert stopped(trained.story(joint=None)).claim == "joint"


def test_a_changed_threshold_shares_the_same_key_anew(tmp_path_factory: pytest.TempPathFactory) -> None:
    trained = train(World.create(tmp_path_factory.mktemp("anew"), overrides={"pseudonyms.buckets": 4}))
    before = trained.words()
    trained.world.amend({"custody.threshold": 3})
    trained.world.approve(MEASUREMENT)
    outcome = trained.story().in_thread()
    assert outcome.joint is not None
    said = bodies.read(outcome.joint, Joint)
    assert (said.key, said.public, said.threshold) == (trained.joint.key, trained.joint.public, 3)
    assert said.previous == trained.run.joint
    assert outcome.body.joint == outcome.joint.digest
    anew = replace(trained, outcome=replace(trained.outcome, joint=outcome.joint, shares=outcome.shares))
    assert set(anew.words().values()).isdisjoint(before.values())
    convention = trained.world.convention.id
    again = joint.combine(said, convention, list(anew.words().values()))
    assert again == joint.combine(trained.joint, convention, list(before.values()))
    # Old shares under the new statement are wrong shares, and named.
    story = anew.story(given={**anew.words(), "travail": before["travail"]})
    story.joint = _after(anew, outcome)
    assert "wrong: travail" in stopped(story).found
    story = anew.story()
    story.joint = _after(anew, outcome)
    assert story.in_thread().joint is None


def _after(anew: Trained, outcome: Outcome) -> pb.GivenJoint:
    """As `Trained.given`, with the statement of another run than the one that trained the model."""
    assert outcome.joint is not None
    given = anew.given()
    given.evidence = outcome.evidence.raw
    return given


def test_a_custodian_that_joins_gets_a_share_and_one_that_left_has_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    world = World.create(
        tmp_path_factory.mktemp("joins"),
        custodians=("acoss", "banque-de-france"),
        overrides={"pseudonyms.buckets": 4},
    )
    world.amend({"member.travail.roles": ["partner", "witness"]})
    trained = train(world)
    assert set(trained.words()) == {"acoss", "banque-de-france"}
    world.amend({"member.travail.roles": ["partner", "custodian", "witness"]})
    world.approve(MEASUREMENT)
    outcome = trained.story(helpers=("acoss", "banque-de-france")).in_thread()
    assert outcome.joint is not None
    said = bodies.read(outcome.joint, Joint)
    assert [(share.custodian, share.index) for share in said.shares] == list(joint.holders(world.convention).items())
    anew = replace(trained, outcome=replace(trained.outcome, joint=outcome.joint, shares=outcome.shares))
    world.amend({"member.travail.roles": ["partner", "witness"]})
    world.approve(MEASUREMENT)
    story = anew.story()
    story.joint = _after(anew, outcome)
    last = story.in_thread()
    assert last.joint is not None
    assert [share.custodian for share in bodies.read(last.joint, Joint).shares] == ["acoss", "banque-de-france"]
    assert bodies.read(last.joint, Joint).previous == outcome.joint.digest
