"""Evidence for people: one line a claim, expected and found where it does not hold, the level and its sentences."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.attestation import samples
from support.quotes import bundle_of, rule_of
from support.simulated import RULE, Machine, pinned
from support.world import World
from vigie import attestation, bodies, statement
from vigie.appraisal import Appraisal, appraise
from vigie.authority import ENCLAVE_KEY_NAME
from vigie.bodies import Evidence
from vigie.cli import app
from vigie.clock import stamp
from vigie.errors import MalformedStatement, Refused
from vigie.note import Signer

SIGNER = Signer(ENCLAVE_KEY_NAME, b"e" * 32)
D = b"\x11" * 32


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    sample = next(one for one in samples() if one.name == "snp-vcek")
    overrides = {
        "enclave.platforms": ["software", "sev-snp"],
        "enclave.hardware": [RULE, rule_of(sample, name="real")],
        "convention.from": "2023-01-01",
    }
    return World.create(tmp_path_factory.mktemp("world"), overrides=overrides)


def said(world: World, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "convention": world.chain.digest, "order": D, "enclave_key": b"\x33" * 1216,
        "enclave_signing_key": SIGNER.verifier.public, "challenges": {"acoss": D}, "measurement": D, "policy": D,
        "platform": "software", "layers": dict.fromkeys(world.convention.enclave.layers, "enforced"), "host": {},
        "quote": None, "created": stamp(world.now),
    }  # fmt: skip
    return Evidence(**{**fields, **changes})


def signed(world: World, body: Evidence, *signers: Signer) -> bytes:
    return statement.sign_text(bodies.text_for(body), signers or (world.signer("hub/host"), SIGNER)).raw


def on_hardware(world: World, machine: Machine, **changes: Any) -> tuple[bytes, bytes]:
    body = said(world, platform="sev-snp", quote=D, **changes)
    quote = machine.quote(attestation.binding(body)).encode()
    return signed(world, replace(body, quote=statement.digest_of(quote))), quote


def line(found: Appraisal, claim: str, number: int = 0) -> str:
    return [one.text() for one in found.lines if one.claim == claim][number]


def test_software_is_the_hubs_own_word(world: World) -> None:
    found = appraise(signed(world, said(world)), world.chain, None)
    assert found.holds and found.level == "A1" and found.sentences[0].startswith("Level A1")
    assert "enclave/signing and hub/host" in line(found, "instance-identity")
    assert "no hardware" in line(found, "hardware") and "could read" in line(found, "runtime-opaque")
    assert D.hex() in line(found, "executables")
    layers = [one for one in found.lines if one.claim == "configuration" and "layer" in one.found]
    assert len(layers) == len(world.convention.enclave.layers)


def test_hardware_that_holds_is_shown_claim_by_claim(world: World) -> None:
    with pinned():
        raw, quote = on_hardware(world, Machine(list_end=world.now + timedelta(days=90)))
        found = appraise(raw, world.chain, quote, language="fr")
        assert found.holds and found.level == "A3" and found.sentences[0].startswith("Niveau A3")
        shown = [line(found, "hardware", number) for number in range(5)]
        assert "Milan, signed by VCEK" in shown[0] and "accepted as simulated" in shown[1]
        assert "launch measurement 3c3c" in shown[2] and "debug mode off" in shown[3] and "hold until" in shown[4]
        assert "does not read the memory" in line(found, "runtime-opaque")
        later = appraise(raw, world.chain, quote, at=world.now + timedelta(days=84))
        assert line(later, "hardware", 4).split()[1] == "warning"
        ended = appraise(raw, world.chain, quote, at=world.now + timedelta(days=91))
        assert not ended.holds and ended.level == "A0"


@pytest.mark.parametrize(
    ("changes", "claim", "expected", "found"),
    [
        ({"layers": {}}, "configuration", "layer environment enforced", "not named"),
        ({"platform": "tdx", "quote": D}, "configuration", "platform software or sev-snp", "tdx"),
        ({"platform": "tdx", "quote": D}, "hardware", f"quote: the quote bundle {D.hex()}", "none beside"),
        (
            {"platform": "sev-snp", "quote": None},
            "instance-identity",
            "quote: a quote on every platform",
            "no quote on",
        ),
        ({"created": "2031-01-01T00:00:00Z"}, "instance-identity", "created: a time from", "2031-01-01"),
    ],
)
def test_a_claim_that_does_not_hold_says_what_was_expected_and_found(
    world: World, changes: dict[str, Any], claim: str, expected: str, found: str
) -> None:
    told = appraise(signed(world, said(world, **changes)), world.chain, None)
    (wrong,) = [one for one in told.lines if one.claim == claim and one.status == "contraindicated"][:1]
    assert expected in wrong.expected and found in wrong.found
    assert not told.holds and told.level == "A0" and "expected" in wrong.text()


def test_a_real_report_is_refused_for_what_it_binds(world: World) -> None:
    sample = next(one for one in samples() if one.name == "snp-vcek")
    quote = bundle_of(sample)
    body = said(world, platform="sev-snp", quote=statement.digest_of(quote), created=stamp(sample.at))
    found = appraise(signed(world, body), world.chain, quote)
    assert "quote: a quote that binds this evidence" in line(found, "hardware")
    assert attestation.binding(body).hex() in line(found, "hardware") and found.level == "A0"


def test_without_its_signatures_evidence_is_worth_nothing(world: World) -> None:
    found = appraise(signed(world, said(world), SIGNER), world.chain, None)
    assert not found.holds and found.level == "A0" and found.sentences[0].startswith("Level A0")
    with pytest.raises(MalformedStatement):
        appraise(world.raws[0], world.chain, None)
    with pytest.raises(Refused, match="convention"):
        appraise(signed(world, said(world, convention=D)), world.chain, None)


def test_the_command_prints_the_claims_the_level_and_the_sentences(world: World, tmp_path: Path) -> None:
    run = CliRunner()
    with pinned():
        raw, quote = on_hardware(world, Machine())
        (tmp_path / "e.note").write_bytes(raw)
        (tmp_path / "q.bundle").write_bytes(quote)
        base = ["evidence", "verify", str(tmp_path / "e.note"), "--convention", str(world.convention_path)]
        good = run.invoke(app, [*base, "--bundle", str(tmp_path / "q.bundle")])
        assert good.exit_code == 0, good.output
        lines = good.stdout.splitlines()
        assert "level A3" in lines and lines[-1].startswith("Layers that were unavailable")
        assert [text for text in lines if text.startswith("Level A3")] and [
            text for text in lines if "hub alone" in text
        ]
        missing = run.invoke(app, base)
        assert missing.exit_code == 5 and "expected quote: the quote bundle" in missing.stdout
        told = run.invoke(app, [*base, "--bundle", str(tmp_path / "q.bundle"), "--json", "--fr"])
        found = json.loads(told.stdout)
        assert found["level"] == "A3" and found["holds"] and found["limits"][0].startswith("Niveau A3")
        assert {one["status"] for one in found["claims"]} <= {"affirming", "warning", "none"}
        later = run.invoke(app, [*base, "--bundle", str(tmp_path / "q.bundle"), "--at", "2041-01-01T00:00:00Z"])
        assert later.exit_code == 5 and "level A0, as of 2041" in later.stdout
        wrong = run.invoke(app, [*base, "--at", "tomorrow"])
        assert wrong.exit_code != 0
