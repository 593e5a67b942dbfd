"""``[[enclave.hardware]]``: each platform has its own keys, and what is not said is not accepted."""

from pathlib import Path
from typing import Any

import pytest

from support.quotes import WHOLE, convention_of, rule_of
from support.simulated import RULE
from support.world import World
from vigie.attestation import policy_of
from vigie.convention import HARDWARE, PLATFORMS, parse
from vigie.convention.drafting import amend
from vigie.convention.words import describe
from vigie.errors import MalformedConvention

TDX: dict[str, Any] = {
    "name": "td", "platform": "tdx", "measurements": ["ab" * 48], "registers": [f"1={'cd' * 48}"],
    "tcb_statuses": ["UpToDate"], "refused_generations": ["b0c06f000000"],
}  # fmt: skip
TPM: dict[str, Any] = {
    "name": "box", "platform": "tpm", "registers": [f"7={'cd' * 32}"], "keys": ["QUJD" * 20], "refused_generations": [],
}  # fmt: skip


def refused(folder: Path, *rules: dict[str, Any], **overrides: Any) -> str:
    with pytest.raises(MalformedConvention) as caught:
        convention_of(folder, *rules, **overrides)
    return str(caught.value)


@pytest.mark.parametrize("sample", WHOLE, ids=lambda one: one.name)
def test_a_rule_is_read_as_it_is_written(tmp_path: Path, sample: Any) -> None:
    world = convention_of(tmp_path, rule_of(sample))
    (rule,) = world.convention.enclave.hardware
    assert (rule.name, rule.platform) == ("accepted", sample.platform)
    assert policy_of(rule).vlek == sample.policy.vlek
    assert parse(world.convention.text) == world.convention
    assert all(describe(world.convention, language) for language in ("fr", "en"))


def test_words_say_what_is_accepted_in_both_languages(tmp_path: Path) -> None:
    world = convention_of(
        tmp_path,
        {**RULE, "vlek": True, "operator": "OVH", "machines": ["ab" * 64]},
        {**TDX, "machines": ["0a" * 16]},
        TPM,
    )
    english, french = ("\n".join(describe(world.convention, language)) for language in ("en", "fr"))
    for text in (
        "“simulated” (sev-snp)",
        "Milan snp 24",
        "level A4",
        "lent to a cloud provider",
        "UpToDate",
        "no other",
    ):
        assert text in english
    for text in ("« simulated » (sev-snp)", "OVH, et non par la plate-forme", "générations refusées : b0c06f000000"):
        assert text in french


def test_every_hardware_platform_must_be_described_and_every_description_be_of_use(tmp_path: Path) -> None:
    for number, platform in enumerate(HARDWARE):
        with pytest.raises(MalformedConvention, match="says what of it is accepted"):
            World.create(tmp_path / str(number), overrides={"enclave.platforms": ["software", platform]})
    with pytest.raises(MalformedConvention, match="does not name sev-snp"):
        World.create(tmp_path / "x", overrides={"enclave.hardware": [RULE]})
    assert ("software", *HARDWARE) == PLATFORMS


@pytest.mark.parametrize("missing", ["name", "platform", "measurements", "minimum_tcb", "refused_generations", "vlek"])
def test_nothing_of_a_rule_may_be_left_out(tmp_path: Path, missing: str) -> None:
    convention_of(tmp_path / "good", RULE)
    with pytest.raises(MalformedConvention, match=missing):
        World.create(
            tmp_path / "bad",
            overrides={
                "enclave.platforms": ["software", "sev-snp"],
                "enclave.hardware": [{key: value for key, value in RULE.items() if key != missing}],
            },
        )


@pytest.mark.parametrize(
    ("rule", "changes", "why"),
    [
        (RULE, {"measurements": []}, "measurements"),
        (RULE, {"measurements": ["ab" * 32]}, "measurements"),
        (RULE, {"minimum_tcb": []}, "minimum_tcb"),
        (RULE, {"minimum_tcb": ["Naples snp 1"]}, "minimum_tcb"),
        (RULE, {"minimum_tcb": ["Milan snp 1", "Milan snp 2"]}, "two floors"),
        (RULE, {"registers": [f"1={'cd' * 48}"]}, "no 'registers'"),
        (RULE, {"keys": ["QUJD" * 20]}, "unknown key 'keys'"),
        (RULE, {"tcb_statuses": ["UpToDate"]}, "unknown key"),
        (RULE, {"root": "QUJD"}, "unknown key 'root'"),
        (RULE, {"platform": "simulator"}, "platform"),
        (RULE, {"operator": "OVH"}, "without 'machines'"),
        (RULE, {"operator": "Banque de France", "machines": ["ab" * 64]}, "own organisation"),
        (RULE, {"machines": []}, "machines"),
        (RULE, {"maximum_vmpl": 4}, "maximum_vmpl"),
        (TDX, {"registers": []}, "registers"),
        (TDX, {"registers": [f"32={'cd' * 48}"]}, "registers"),
        (TDX, {"registers": [f"1={'cd' * 48}", f"1={'ce' * 48}"]}, "twice"),
        (TDX, {"tcb_statuses": ["Revoked"]}, "tcb_statuses"),
        (TDX, {"tcb_statuses": []}, "tcb_statuses"),
        (TDX, {"vlek": True}, "unknown key"),
        (TPM, {"keys": []}, "keys"),
        (TPM, {"keys": ["QUJ" + "=" * 60]}, "keys"),
        (TPM, {"measurements": ["ab" * 32]}, "unknown key"),
        (TPM, {"machines": ["abcdefgh"]}, "named by its key"),
    ],
)
def test_a_rule_that_is_not_right_is_refused(
    tmp_path: Path, rule: dict[str, Any], changes: dict[str, Any], why: str
) -> None:
    convention_of(tmp_path / "good", rule)
    with pytest.raises(MalformedConvention) as caught:
        World.create(
            tmp_path / "bad",
            overrides={
                "enclave.platforms": ["software", rule["platform"]],
                "enclave.hardware": [{**rule, **changes}],
            },
        )
    assert why in str(caught.value)


def test_two_rules_have_two_names(tmp_path: Path) -> None:
    assert "already used" in refused(tmp_path / "a", RULE, {**RULE})
    world = convention_of(tmp_path / "b", RULE, {**RULE, "name": "next"})
    assert [rule.name for rule in world.convention.enclave.hardware] == ["simulated", "next"]
    amended = amend(world.convention, {"enclave.hardware.next.measurements": ["ab" * 48]})
    assert parse(amended.encode()).enclave.hardware[1].measurements == {bytes.fromhex("ab" * 48)}
