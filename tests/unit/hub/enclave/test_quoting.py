"""An enclave on a host with hardware: it asks for a quote over what it is, and stops unless that quote holds."""

import pytest

from support.enclave_story import EnclaveFailed, Story
from support.panel import table
from support.simulated import RULE, Machine, pinned
from support.world import World
from vigie import attestation, bodies, evidence
from vigie.authority import judge
from vigie.bodies import Evidence
from vigie.errors import Refused
from vigie.hardware.bundle import digest_of
from vigie.v1 import enclave_pb2 as pb

A, B = "000000001", "900000002"
TABLES = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5), (B, "2018-01", 7), (A, "2020-12", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation", "opening")]),
    },
    "travail": {"short_time_work": table("short_time_work", [(A, "2020-12", 5.0)])},
}
SOFTWARE_AND_MORE = ["software", "sev-snp"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    overrides = {
        "pseudonyms.buckets": 4, "enclave.platforms": SOFTWARE_AND_MORE, "enclave.hardware": [RULE],
        "enclave.minimum_level": "A3", "enclave.layers": ["exit_after_run"],
    }  # fmt: skip
    return World.create(tmp_path_factory.mktemp("world"), overrides=overrides)


def story(world: World, machine: Machine | None) -> Story:
    return Story(world, TABLES, period="2020-12", machine=machine)


def stopped(told: Story) -> EnclaveFailed:
    with pytest.raises(EnclaveFailed) as caught:
        told.in_thread()
    assert caught.value.expected and caught.value.found
    return caught.value


def test_a_quote_that_binds_the_enclave_makes_its_level(world: World) -> None:
    machine = Machine()
    told = story(world, machine)
    with pinned():
        outcome = told.in_thread()
        said = bodies.read(outcome.evidence, Evidence)
        assert (said.platform, said.quote) == ("sev-snp", digest_of(told.quote))
        assert machine.asked == [attestation.binding(said)]
        proved = attestation.verify(said, world.convention, told.quote)
        assert evidence.check(said, world.convention, ["headcount"], proved) == "A3"
        judged = judge(outcome.run.raw, world.chain, kind="run", evidence=outcome.evidence, quote=told.quote)
        assert judged.body.level == "A3"
        with pytest.raises(Refused, match=r"A0, computed from the evidence .*quote"):
            judge(outcome.run.raw, world.chain, kind="run", evidence=outcome.evidence)
    _, about = outcome.opened(world, "acoss-list")
    assert about["level"] == "A3" and about["limits"][0].startswith("Niveau A3")
    assert any("liste de révocation" in sentence for sentence in about["limits"])


def test_outside_of_the_tests_the_same_machine_is_worth_nothing(world: World) -> None:
    assert stopped(story(world, Machine())).claim == "endorsement"


@pytest.mark.parametrize(
    ("machine", "claim"),
    [
        (Machine(spoil=lambda binding: bytes(64)), "quote"),
        (Machine(spoil=lambda binding: binding[:63] + bytes([binding[63] ^ 1])), "quote"),
        (Machine(at_0a=b"\x0b"), "debug"),
        (Machine(at_90=b"\x3d"), "launch measurement"),
        (Machine(at_30=b"\x01"), "vmpl"),
        (Machine(at_180=bytes([4, 1, 0, 0, 0, 0, 23, 217])), "tcb"),
    ],
    ids=["zeros", "one bit", "debug", "image", "vmpl", "firmware"],
)
def test_a_quote_that_does_not_hold_stops_the_enclave(world: World, machine: Machine, claim: str) -> None:
    with pinned():
        story(world, Machine()).in_thread()
        assert stopped(story(world, machine)).claim == claim


def test_a_quote_made_for_another_enclave_stops_it(world: World) -> None:
    """The host keeps a good quote and hands it out again: the keys of the next enclave are others."""
    first = story(world, Machine())

    class Replaying(Machine):
        def quote(self, binding: bytes) -> object:  # type: ignore[override]
            return first.machine and Machine().quote(first.machine.asked[0])

    with pinned():
        first.in_thread()
        assert stopped(story(world, Replaying())).claim == "quote"


def test_a_platform_that_nobody_knows_or_the_convention_does_not_describe_is_refused(world: World) -> None:
    for platform, claim in (("simulator", "platform"), ("SEV-SNP", "platform"), ("tdx", "platform")):
        told = story(world, Machine())

        def spoil(begin: pb.Begin, platform: str = platform) -> None:
            begin.platform = platform

        told.spoil_begin = spoil
        with pinned():
            assert stopped(told).claim == claim
