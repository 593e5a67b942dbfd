"""The real process: what it says it is, what it gives, and that the federated scores are the centralised ones."""

import socket

import numpy as np
import pytest

from support import enclave_story
from support.enclave_story import DEMO, MEASUREMENT, Outcome, Story, load, pseudonym_of, receive_frame, spawned
from support.panel import DEMO_CATALOGUE, group
from support.world import PARTNERS, World
from vigie import bodies, evidence, sealing, segment, sizes, statement
from vigie.authority import judge
from vigie.bodies import Evidence
from vigie.datasets import PSEUDONYM
from vigie.result import LEVELS, TOPICS
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames, sandbox
from vigie_hub.enclave.model import PanelBuilder, Scores, train_and_score
from vigie_hub.enclave.months import parse_month

PERIOD = "2021-04"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"), overrides={"pseudonyms.buckets": 8})


@pytest.fixture(scope="module")
def story(world: World) -> Story:
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    return Story(world, load(DEMO, definitions), PERIOD)


@pytest.fixture(scope="module")
def outcome(story: Story) -> Outcome:
    return story.in_process()


@pytest.fixture(scope="module")
def reference(story: Story) -> Scores:
    """All tables in one place, in clear, sorted by SIREN, in one group."""
    clear = {name: table for tables in story.tables.values() for name, table in tables.items()}
    builder = PanelBuilder(target="failure-or-default", horizon=18, period=parse_month(PERIOD))
    builder.add(group(clear, PERIOD, catalogue=DEMO_CATALOGUE))
    return train_and_score(builder.build(), DEMO_CATALOGUE)


def test_the_federated_scores_are_the_centralised_ones_bit_for_bit(
    outcome: Outcome, reference: Scores, world: World
) -> None:
    table, _ = outcome.opened(world, "acoss-list")
    expected = dict(zip(map(pseudonym_of, reference.keys.to_pylist()), reference.score.tolist(), strict=True))
    found = dict(zip(table.column(PSEUDONYM).to_pylist(), table.column("score").to_pylist(), strict=True))
    assert found == expected
    assert len(found) == 400
    assert outcome.body.model == reference.model
    named = [LEVELS[level] if level >= 0 else None for level in reference.level]
    levels = dict(zip(map(pseudonym_of, reference.keys.to_pylist()), named, strict=True))
    assert levels == dict(zip(table.column(PSEUDONYM).to_pylist(), table.column("level").to_pylist(), strict=True))
    assert set(levels.values()) == {None, *LEVELS}


def test_reasons_and_topics_are_the_centralised_ones_too(outcome: Outcome, reference: Scores, world: World) -> None:
    rows = {row[PSEUDONYM]: row for row in outcome.opened(world, "acoss-list")[0].to_pylist()}
    keys = reference.keys.to_pylist()
    for place, contributions in zip(
        reference.explanation.rows.tolist(), reference.explanation.contributions, strict=True
    ):
        row = rows[pseudonym_of(keys[place])]
        by_name = dict(zip(DEMO_CATALOGUE.names, contributions.tolist(), strict=True))
        assert row["reason_1_contribution"] == by_name[row["reason_1"]]
        whole = sum(row[topic] for topic in TOPICS)
        assert whole == pytest.approx(contributions.sum(), abs=1e-9)
    assert len(reference.explanation.rows) == sum(row["reason_1"] is not None for row in rows.values())


def test_the_run_is_signed_by_the_enclave_of_its_evidence(outcome: Outcome, story: Story, world: World) -> None:
    judged = judge(outcome.run.raw, world.chain, kind="run", evidence=outcome.evidence)
    assert judged.signers == {"enclave/signing"}
    assert judged.body.level == "A1"
    assert judged.body.order == story.order().digest
    assert set(judged.body.releases) == set(PARTNERS)
    card = judged.body.model_card
    assert card["training_months"] == ["2019-05", "2019-10"]
    assert card["training_companies"] % world.convention.disclosure.rounding == 0
    assert judged.body.metrics["out_of_sample"] == "not measured in this run"


def test_the_evidence_names_every_layer(outcome: Outcome, world: World) -> None:
    said = bodies.read(outcome.evidence, Evidence)
    assert tuple(said.layers) == tuple(sorted(sandbox.NAMES))
    assert evidence.missing_layers(said, world.convention) == ()
    for name in ("network", "pids", "ipc", "uts", "cgroups", "mounts"):
        assert said.layers[name] == "not enforced: mode B has no namespaces"
    assert said.measurement == MEASUREMENT
    assert said.policy == sandbox.policy_digest()
    assert evidence.level(said, world.convention) == "A1"
    assert set(said.host) >= {"kernel", "python", "duckdb", "lightgbm"}


def test_results_are_padded_and_their_digests_are_in_the_run(outcome: Outcome) -> None:
    for said in outcome.body.results:
        parts = outcome.parts[said.grant]
        assert said.parts == len(parts)
        assert said.digest == segment.segment_root([segment.segment_id(part) for part in parts])
        plain = [len(part) - sealing.OVERHEAD for part in parts]
        assert plain == [sizes.size_class(size) for size in plain]
        assert said.size_class == sum(plain)


def test_each_recipient_gets_what_its_grant_says(outcome: Outcome, story: Story, world: World) -> None:
    for partner, labels in zip(PARTNERS, ("urssaf", "bdf", "dgefp"), strict=True):
        table, about = outcome.opened(world, f"{partner}-list")
        named = {name for number in (1, 2, 3) for name in table.column(f"reason_{number}").to_pylist()} - {None}
        features = {feature.name: feature for feature in DEMO_CATALOGUE.features}
        assert named == set(about["features"])
        assert named
        assert all(DEMO_CATALOGUE.labels(features[name]) <= {labels} for name in named)
        sent = {siren for one in story.tables[partner].values() for siren in one.column(0).to_pylist()}
        assert set(table.column(PSEUDONYM).to_pylist()) == {pseudonym_of(siren) for siren in sent}
        assert (about["recipient"], about["period"], about["level"]) == (partner, PERIOD, "A1")
        assert about["withheld"] == {}


@pytest.fixture(scope="module")
def overheard(story: Story) -> tuple[Outcome, bytes]:
    """A second run of the order, and every byte that the enclave sent in it."""
    seen = bytearray()
    receive = enclave_story.receive_frame

    def listening(connection: socket.socket, kind: int) -> bytes:
        payload = receive(connection, kind)
        seen.extend(payload)
        return payload

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enclave_story, "receive_frame", listening)
        return story.in_process(), bytes(seen)


def test_the_same_order_again_gives_the_same_rows_under_other_evidence(
    outcome: Outcome, overheard: tuple[Outcome, bytes], world: World
) -> None:
    again, _ = overheard
    assert again.evidence.digest != outcome.evidence.digest
    for grant in world.convention.grants:
        assert again.opened(world, grant)[0].equals(outcome.opened(world, grant)[0])


def test_nothing_of_the_data_leaves_in_clear(overheard: tuple[Outcome, bytes], world: World) -> None:
    """Every byte that the enclave sends, held against keys, values, and the words of a result."""
    outcome, seen = overheard
    table, _ = outcome.opened(world, "acoss-list")
    assert len(seen) > 50_000
    assert outcome.run.raw in seen
    for key in table.column(PSEUDONYM).to_pylist():
        assert key not in seen
    for score in table.column("score").to_pylist():
        assert np.float64(score).tobytes() not in seen
    for word in ("reason_1", "Alerte seuil F1\0", "topic_effectif", PSEUDONYM):
        assert word.encode() not in seen


@pytest.mark.parametrize("extra", [{"HOME": "/nowhere"}])
def test_another_environment_is_told_and_worth_nothing(story: Story, world: World, extra: dict[str, str]) -> None:
    with spawned({**sandbox.ENVIRONMENT, **extra}) as connection:
        message = pb.Control(begin=story.begin(story.order()))
        connection.sendall(frames.encode(frames.CONTROL, message.SerializeToString()))
        claim = pb.Control.FromString(receive_frame(connection, frames.CONTROL)).claim
        said = bodies.read(statement.parse(claim.statement, kind="evidence"), Evidence)
        assert said.layers["environment"] == sandbox.FAILED
        assert evidence.level(said, world.convention) == "A0"


def test_the_process_ends_when_its_host_goes_away() -> None:
    with spawned() as connection:
        connection.shutdown(socket.SHUT_WR)
        control = pb.Control.FromString(receive_frame(connection, frames.CONTROL))
        assert (control.failed.claim, control.failed.found) == ("channel", "the channel ended")
        assert connection.recv(1) == b""
