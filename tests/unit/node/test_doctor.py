"""What the doctor says: for each condition one finding that is wrong and says what to do, and none when all is well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.release_case import chain
from vigie.errors import Refused, StateError, WrongPassphrase
from vigie_node.doctor import Attendance, Knock, Observations, diagnose

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONVENTION = chain().current
HUB = CONVENTION.member("hub").certificate_sha256
KNOCK = Knock("hub.example:7443", presented=HUB)
ATTENDING = Attendance(True, "attending", "2026-03-01T11:00:00Z", "", 1, CONVENTION.digest)

WELL = Observations(
    now=NOW,
    member="acoss",
    convention=CONVENTION,
    certificate=CONVENTION.member("acoss").certificate_sha256,
    certificate_ends=NOW + timedelta(days=700),
    knock=KNOCK,
    attendance=ATTENDING,
    measurement=b"m" * 32,
    approved=True,
)


def test_all_is_well() -> None:
    findings = diagnose(WELL)
    assert not any(finding.wrong for finding in findings)
    assert {finding.name for finding in findings} == {
        "node", "convention", "certificate", "hub", "attending", "clock", "hub-convention", "approval",
    }  # fmt: skip


def at(**changed: Any) -> dict[str, Any]:
    return {"attendance": replace(ATTENDING, **changed)}


@pytest.mark.parametrize(
    ("name", "said", "changed"),
    [
        ("convention", "ended on 2028-12-31", {"now": datetime(2029, 1, 1, tzinfo=UTC), "certificate_ends": None}),
        ("convention", "begins on 2026-01-01", {"now": datetime(2025, 12, 31, tzinfo=UTC)}),
        ("certificate", "not the one that the convention names", {"certificate": b"?" * 32}),
        ("certificate", "ran out on 2026-02-28", {"certificate_ends": NOW - timedelta(days=1)}),
        ("hub", "nothing listens there", {"knock": Knock("hub.example:7443", unreachable="nothing listens there")}),
        ("hub-certificate", "another certificate", {"knock": Knock("hub.example:7443", presented=b"?" * 32)}),
        (
            "hub",
            "refuses this node",
            {"knock": replace(KNOCK, refused=Refused("permission", expected="a member", found="nobody"))},
        ),
        ("attending", "no process runs it", at(running=False)),
        ("attending", "not connected: the hub ended", at(state="lost", reason="the hub ended the stream")),
        ("clock", "120 seconds behind", at(clock_offset=120)),
        ("clock", "31 seconds ahead", at(clock_offset=-31)),
        ("hub-convention", "another version", at(hub_convention=b"?" * 32)),
        ("journal", "2 checkpoints", {"contradictions": 2}),
        ("withdrawal", "epoch 2 was withdrawn", {"restored": (2,)}),
        ("approval", "has not approved the enclave in use, measurement 6d6d", {"approved": False}),
        ("release", "was refused: lots: expected all", {"refusals": (("ab" * 32, "lots: expected all, found none"),)}),
    ],
)
def test_each_condition_is_named_with_a_remedy(name: str, said: str, changed: dict[str, Any]) -> None:
    wrong = [finding for finding in diagnose(replace(WELL, **changed)) if finding.wrong]
    assert [finding.name for finding in wrong] == [name]
    assert said in wrong[0].said
    assert wrong[0].todo


@pytest.mark.parametrize(
    "error",
    [
        WrongPassphrase("the keyring does not open with this passphrase", hint="check it"),
        StateError("the database state.sqlite cannot be opened", hint="restore it"),
        Refused("convention", expected="the newest convention", found="an older one"),
    ],
)
def test_a_node_that_does_not_open_is_the_only_finding(error: Any) -> None:
    (finding,) = diagnose(Observations(now=NOW, opening=error))
    assert finding.wrong
    assert finding.said == str(error)
    assert finding.todo


def test_collateral_is_told_by_its_own_end_and_never_by_an_age() -> None:
    """A calendar of two months around its end, whatever day it was made."""
    end = NOW + timedelta(days=30)

    def state(day: int) -> str:
        now = NOW + timedelta(days=day, hours=1)
        (found,) = [one for one in diagnose(replace(WELL, now=now, collateral_ends=end)) if one.name == "collateral"]
        assert bool(found.todo) == found.wrong
        return "ended" if "ended" in found.said else "soon" if "soon" in found.said else "holds"

    assert [state(day) for day in range(60)] == ["holds"] * 23 + ["soon"] * 7 + ["ended"] * 30
    assert not [one for one in diagnose(WELL) if one.name == "collateral"]


def test_what_soon_ends_and_what_waits_is_said_but_not_wrong() -> None:
    soon = replace(
        WELL,
        now=datetime(2028, 12, 1, tzinfo=UTC),
        certificate_ends=datetime(2028, 12, 20, tzinfo=UTC),
        waiting=("cd" * 32,),
    )
    findings = diagnose(soon)
    assert not any(finding.wrong for finding in findings)
    said = " ".join(finding.said for finding in findings)
    assert "ends soon" in said
    assert "runs out soon" in said
    assert "cdcdcdcdcdcd" in said


def test_without_a_daemon_nothing_is_said_of_clocks_that_were_not_compared() -> None:
    findings = diagnose(replace(WELL, attendance=Attendance(False)))
    assert [finding.name for finding in findings if finding.wrong] == ["attending"]
    assert "clock" not in {finding.name for finding in findings}
