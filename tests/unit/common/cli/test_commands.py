"""The commands of members and signatories, each success beside its refusals."""

import json
import shutil
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from support.command import Vigie
from support.world import CHEAP, ORGANISATIONS, PARTNERS, PASSPHRASE, ROLES, SIGNATORIES, World, save_cheaply
from vigie import keyring_file, statement
from vigie.authority import judge
from vigie.card import parse_card
from vigie.chain import ConventionChain
from vigie.cli import convention as cli_convention
from vigie.convention import parse
from vigie.enclave_files import Contents, Distribution, encode_contents
from vigie.keyring import Keyring


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """A world in a folder of the test's own."""
    shutil.copytree(made.folder, tmp_path / "world")
    return World(tmp_path / "world", made.now, made.keyrings, made.cards, list(made.raws), made.chain)


@pytest.fixture
def draft(world: World) -> Path:
    """An unsigned draft of the demonstration's convention."""
    path = world.folder / "draft.toml"
    path.write_bytes(world.convention.text)
    return path


def cards(world: World) -> list[str]:
    return [flag for name in ROLES for flag in ("--card", str(world.card_path(name)))]


def terms(world: World) -> Path:
    path = world.folder / "terms.toml"
    path.write_bytes((resources.files("vigie") / "demo" / "terms.toml").read_bytes())
    return path


# -- member -------------------------------------------------------------------------------------------------------


def test_member_init_makes_a_keyring_and_its_card(
    vigie: Vigie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(keyring_file.COSTS, "interactive", CHEAP)
    folder = tmp_path / "acoss"
    arguments = (
        "member", "init", "acoss", "--organisation", "ACOSS", "--role", "partner", "--role", "custodian",
        "--convention", "demo", "--folder", folder, "--cost", "interactive",
    )  # fmt: skip
    done = vigie(*arguments)
    assert done.code == 0
    ring = Keyring.load(folder / "keyring.vigie", PASSPHRASE)
    card = parse_card((folder / "card.toml").read_text())
    assert card == ring.card() and (card.name, card.organisation, card.roles) == (
        "acoss",
        "ACOSS",
        ("partner", "custodian"),
    )
    assert card.fingerprint in done.out and "only copy" in done.err
    assert (folder / "keyring.vigie").stat().st_mode & 0o777 == 0o600
    # Never replaced.
    before = (folder / "keyring.vigie").read_bytes()
    again = vigie(*arguments)
    assert again.code == 2 and "exists" in again.err
    assert (folder / "keyring.vigie").read_bytes() == before


@pytest.mark.parametrize(
    "name, role, passphrase, code",
    [("Acoss", "partner", PASSPHRASE, 2), ("acoss", "king", PASSPHRASE, 2), ("acoss", "partner", "short", 2)],
)
def test_member_init_refuses_and_leaves_nothing(
    vigie: Vigie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, role: str, passphrase: str, code: int
) -> None:
    monkeypatch.setenv("VIGIE_PASSPHRASE", passphrase)
    folder = tmp_path / "new"
    done = vigie(
        "member", "init", name, "--organisation", "ACOSS", "--role", role, "--convention", "demo", "--folder", folder,
        "--cost", "interactive",
    )  # fmt: skip
    assert done.code == code and not folder.exists()


def test_member_card_prints_the_card(vigie: Vigie, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done = vigie("member", "card", "--keyring", world.keyring_path("travail"))
    assert done.code == 0 and parse_card(done.out) == world.cards["travail"]
    monkeypatch.setenv("VIGIE_PASSPHRASE", "not the passphrase")
    assert vigie("member", "card", "--keyring", world.keyring_path("travail")).code == 2
    assert vigie("member", "card", "--keyring", world.folder / "nothing").code == 6


# -- convention draft and show ------------------------------------------------------------------------------------


def test_draft_makes_a_convention_of_cards_and_terms(vigie: Vigie, world: World) -> None:
    output = world.folder / "new.toml"
    done = vigie("convention", "draft", "--terms", terms(world), *cards(world), "--output", output)
    assert done.code == 0 and output.read_bytes() == world.convention.text
    assert world.cards["acoss"].fingerprint in done.err
    again = vigie("convention", "draft", "--terms", terms(world), *cards(world), "--output", output)
    assert again.code == 2 and "exists" in again.err


@pytest.mark.parametrize("absent", ["acoss", "hub"])
def test_draft_refuses_without_a_card(vigie: Vigie, world: World, absent: str) -> None:
    output = world.folder / "new.toml"
    some = [flag for name in ROLES if name != absent for flag in ("--card", str(world.card_path(name)))]
    done = vigie("convention", "draft", "--terms", terms(world), *some, "--output", output)
    assert done.code in (2, 3) and not output.exists()


def test_draft_refuses_what_is_no_card_and_no_terms(vigie: Vigie, world: World) -> None:
    output = world.folder / "new.toml"
    bad = world.folder / "bad"
    bad.write_bytes(b"\xff")
    for arguments in (("--terms", bad, *cards(world)), ("--terms", terms(world), "--card", bad)):
        assert vigie("convention", "draft", *arguments, "--output", output).code in (2, 3)
    assert not output.exists()


@pytest.mark.parametrize("language, word", [("fr", "Membres"), ("en", "Members")])
def test_show_reads_drafts_and_signed_conventions_alike(
    vigie: Vigie, world: World, draft: Path, language: str, word: str
) -> None:
    one, two = (vigie("convention", "show", path, "--language", language) for path in (draft, world.convention_path))
    assert one.code == 0 and one == two and word in one.out
    assert all(organisation in one.out for organisation in ORGANISATIONS.values())
    toml = vigie("convention", "show", world.convention_path, "--toml")
    assert toml.out.encode() == world.convention.text


def test_show_refuses_what_is_no_convention(vigie: Vigie, world: World, draft: Path) -> None:
    draft.write_text(draft.read_text() + "[surprise]\n")
    done = vigie("convention", "show", draft)
    assert done.code == 3 and "surprise" in done.err and done.out == ""
    assert vigie("convention", "show", world.folder / "nothing").code == 2


# -- convention sign and verify -----------------------------------------------------------------------------------


def test_each_signatory_adds_a_line_until_it_is_complete(vigie: Vigie, world: World, draft: Path) -> None:
    before = set(world.folder.iterdir())
    for place, name in enumerate(SIGNATORIES):
        verified = vigie("convention", "verify", draft)
        assert verified.code == 4 and verified.out.count("MISSING") == len(SIGNATORIES) - place
        done = vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path(name))
        assert done.code == 0
        left = SIGNATORIES[place + 1 :]
        assert all(f"{other}/signing" in done.err for other in left) and ("every signatory" in done.err) == (not left)
    verified = vigie("convention", "verify", draft)
    assert verified.code == 0 and "complete, and in force" in verified.out
    assert ConventionChain.open([draft.read_bytes()]).digest == world.chain.digest
    assert set(world.folder.iterdir()) == before  # nothing temporary is left


def test_sign_refuses_twice_and_leaves_the_file(vigie: Vigie, world: World, draft: Path) -> None:
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss")).code == 0
    before = draft.read_bytes()
    done = vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss"))
    assert done.code == 5 and "not signed yet" in done.err and draft.read_bytes() == before


@pytest.mark.parametrize("who", ["hub", "stranger", "impostor"])
def test_sign_refuses_a_foreign_key_and_leaves_the_file(vigie: Vigie, world: World, draft: Path, who: str) -> None:
    path = world.keyring_path("hub")
    if who != "hub":
        name = "dgfip" if who == "stranger" else "acoss"
        path = world.folder / "foreign" / "keyring.vigie"
        save_cheaply(Keyring.create(name, "X", ["partner"], world.convention.id, now=world.now), path, PASSPHRASE)
    before = draft.read_bytes()
    done = vigie("convention", "sign", draft, "--words-kept", "--keyring", path)
    assert done.code in (5, 6) and draft.read_bytes() == before


def test_sign_refuses_a_draft_that_is_none_or_was_changed_after_signing(
    vigie: Vigie, world: World, draft: Path
) -> None:
    text = draft.read_bytes()
    draft.write_bytes(text.replace(b"approvals = 2", b"approvals = 9"))
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss")).code == 3
    draft.write_bytes(text)
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss")).code == 0
    changed = draft.read_bytes().replace(b"approvals = 2", b"approvals = 1")
    draft.write_bytes(changed)
    done = vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("travail"))
    assert done.code == 4 and "does not fit" in done.err and draft.read_bytes() == changed


def test_sign_takes_a_draft_that_has_its_first_line_already(vigie: Vigie, world: World, draft: Path) -> None:
    draft.write_bytes(b"vigie/convention/v1\n" + draft.read_bytes())
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss")).code == 0
    assert statement.parse(draft.read_bytes()).digest == world.chain.digest


def test_sign_does_not_open_with_a_wrong_passphrase(
    vigie: Vigie, world: World, draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIE_PASSPHRASE", "not the passphrase")
    before = draft.read_bytes()
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss")).code == 2
    assert draft.read_bytes() == before


def test_verify_tells_programs_too(vigie: Vigie, world: World) -> None:
    done = vigie("convention", "verify", world.convention_path, "--json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "id": world.convention.id, "version": 1, "digest": world.chain.digest.hex(),
        "signed": [f"{name}/signing" for name in SIGNATORIES], "missing": [], "in_force": True,
    }  # fmt: skip


def test_verify_refuses_an_extra_signature(vigie: Vigie, world: World) -> None:
    signed = statement.parse(world.convention_raw)
    world.convention_path.write_bytes(statement.countersign(signed, [world.signer("hub/host")]).raw)
    done = vigie("convention", "verify", world.convention_path)
    assert done.code == 4 and "hub/host" in done.err and "does not call for" in done.err


@pytest.mark.parametrize("now", [datetime(2025, 12, 31, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)])
def test_verify_refuses_out_of_its_dates(
    vigie: Vigie, world: World, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setattr(cli_convention, "utc_now", lambda: now)
    done = vigie("convention", "verify", world.convention_path)
    assert done.code == 5 and "dates" in done.err and "2026-01-01 to 2028-12-31" in done.err


def test_verify_refuses_an_older_one_than_the_newest_seen(vigie: Vigie, world: World) -> None:
    first = world.convention_path
    world.amend(enclave__approvals=3)
    newest = world.chain.digest.hex()
    assert vigie("convention", "verify", world.convention_path, "--amends", first, "--newest", newest).code == 0
    done = vigie("convention", "verify", first, "--newest", newest)
    assert done.code == 5 and "newest" in done.err
    assert vigie("convention", "verify", first, "--newest", "xyz").code == 2


# -- convention amend ---------------------------------------------------------------------------------------------


def test_an_amendment_is_signed_by_all_and_verified_with_what_it_amends(vigie: Vigie, world: World) -> None:
    output = world.folder / "second.toml"
    done = vigie(
        "convention", "amend", world.convention_path, "--set", "enclave.approvals=3", "--set", "convention.to=2029-12-31",
        "--set", 'dataset.debts.owners=["acoss", "travail"]', "--output", output,
    )  # fmt: skip
    assert done.code == 0, done.err
    found = parse(output.read_bytes())
    assert (found.version, found.enclave.approvals, found.end.year) == (2, 3, 2029)
    assert found.datasets["debts"].owners == ("acoss", "travail") and found.previous == world.chain.digest
    for name in SIGNATORIES:
        assert vigie("convention", "verify", output, "--amends", world.convention_path).code == 4
        signed = vigie(
            "convention",
            "sign",
            output,
            "--words-kept",
            "--keyring",
            world.keyring_path(name),
            "--amends",
            world.convention_path,
        )
        assert signed.code == 0
    assert vigie("convention", "verify", output, "--amends", world.convention_path).code == 0
    alone = vigie("convention", "verify", output)
    assert alone.code == 2 and "--amends" in alone.err


def test_an_amendment_needs_the_one_who_leaves(vigie: Vigie, world: World) -> None:
    output = world.folder / "second.toml"
    staying = [name for name in SIGNATORIES if name != "auditeur"]
    setting = f"convention.signatories={json.dumps(staying)}"
    assert vigie("convention", "amend", world.convention_path, "--set", setting, "--output", output).code == 0
    for name in staying:
        vigie(
            "convention",
            "sign",
            output,
            "--words-kept",
            "--keyring",
            world.keyring_path(name),
            "--amends",
            world.convention_path,
        )
    done = vigie("convention", "verify", output, "--amends", world.convention_path)
    assert done.code == 4 and "auditeur/signing" in done.err
    vigie(
        "convention",
        "sign",
        output,
        "--words-kept",
        "--keyring",
        world.keyring_path("auditeur"),
        "--amends",
        world.convention_path,
    )
    assert vigie("convention", "verify", output, "--amends", world.convention_path).code == 0


@pytest.mark.parametrize("setting", ["nothing", "=1", "enclave.approvals=9", "dataset.none.owners=[]", "a.b=1"])
def test_amend_refuses_and_writes_nothing(vigie: Vigie, world: World, setting: str) -> None:
    output = world.folder / "second.toml"
    done = vigie("convention", "amend", world.convention_path, "--set", setting, "--output", output)
    assert done.code in (2, 3) and not output.exists()


def test_amend_refuses_what_is_not_wholly_signed(vigie: Vigie, world: World, draft: Path) -> None:
    vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss"))
    output = world.folder / "second.toml"
    done = vigie("convention", "amend", draft, "--output", output)
    assert done.code == 4 and not output.exists()


# -- evidence and approve -----------------------------------------------------------------------------------------


def test_measure_and_approve(vigie: Vigie, world: World) -> None:
    root = world.folder / "enclave" / "root"
    root.mkdir(parents=True)
    (root / "main.py").write_text("print(1)\n")
    (root.parent / "launch.json").write_text('{"arguments": []}')
    measured = vigie("evidence", "measure", "--root", root)
    assert measured.code == 0
    measurement = measured.out.strip()
    assert json.loads(vigie("evidence", "measure", "--root", root, "--json").out)["measurement"] == measurement
    assert "main.py" in vigie("evidence", "measure", "--root", root, "--files").out
    for name in PARTNERS:
        output = world.folder / name / "approvals" / "enclave.note"
        done = vigie(
            "approve", "--measurement", measurement, "--convention", world.convention_path,
            "--keyring", world.keyring_path(name), "--output", output,
        )  # fmt: skip
        assert done.code == 0
        judged = judge(output.read_bytes(), world.chain, kind="approval", current_only=True)
        assert judged.body.member == name and judged.body.measurement.hex() == measurement
        before = output.read_bytes()
        again = vigie(
            "approve", "--measurement", measurement, "--convention", world.convention_path,
            "--keyring", world.keyring_path(name), "--output", output,
        )  # fmt: skip
        assert again.code == 2 and output.read_bytes() == before


@pytest.mark.parametrize("launch", [None, "{", "[]", "1", "[" * 100_000])
def test_measure_refuses_without_launch_settings(vigie: Vigie, world: World, launch: str | None) -> None:
    root = world.folder / "enclave" / "root"
    root.mkdir(parents=True)
    if launch is not None:
        (root.parent / "launch.json").write_text(launch)
    done = vigie("evidence", "measure", "--root", root)
    assert done.code == 2 and done.out == ""


def small_root(folder: Path, text: str = "print(1)\n") -> Path:
    """A folder with a root and launch settings, as `vigie-hub init` makes one."""
    (folder / "root" / "lib" / "python3.11" / "vigie").mkdir(parents=True)
    (folder / "root" / "lib" / "python3.11" / "vigie" / "main.py").write_text(text)
    (folder / "launch.json").write_text('{"arguments": ["bin/python3"], "environment": {"TZ": "UTC"}, "policy": "p"}')
    vigie = Distribution("0.1.0", "MIT", ("vigie",))
    (folder / "root" / "contents.json").write_bytes(encode_contents(Contents({"vigie": vigie}, "3.11", "glibc", "x86")))
    return folder


def test_explain_lists_saves_and_compares(vigie: Vigie, tmp_path: Path) -> None:
    one, two = small_root(tmp_path / "one"), small_root(tmp_path / "two", "print(2)\n")
    measurement = vigie("evidence", "measure", "--root", one / "root").out.strip()
    saved = tmp_path / "list.json"
    done = vigie("evidence", "explain", one, "--save", saved, "--files")
    assert done.code == 0 and f"measurement {measurement}" in done.out
    assert "0.1.0, licence MIT" in done.out and "lib/python3.11/vigie/main.py" in done.out and "TZ=UTC" in done.out
    assert vigie("evidence", "measure", "--list", saved).out.strip() == measurement
    assert json.loads(vigie("evidence", "explain", saved, "--json").out)["measurement"] == measurement
    assert "the same files" in vigie("evidence", "explain", saved, one / "root").out
    (two / "root" / "more").write_text("")
    (two / "launch.json").write_text(
        '{"arguments": ["bin/python3", "-O"], "environment": {"TZ": "UTC"}, "policy": "p"}'
    )
    differ = vigie("evidence", "explain", saved, two).out
    assert "changed  lib/python3.11/vigie/main.py" in differ and "added    more" in differ
    assert 'launch   arguments: ["bin/python3"] → ["bin/python3", "-O"]' in differ
    assert json.loads(vigie("evidence", "explain", saved, two, "--json").out)["added"] == ["more"]


def test_explain_and_measure_refuse(vigie: Vigie, tmp_path: Path) -> None:
    one = small_root(tmp_path / "one")
    saved = tmp_path / "list.json"
    assert vigie("evidence", "explain", one, one, "--save", saved).code == 2 and not saved.exists()
    assert vigie("evidence", "explain", one, "--save", saved).code == 0
    assert vigie("evidence", "measure").code == 2
    assert vigie("evidence", "measure", "--root", one / "root", "--list", saved).code == 2
    assert vigie("evidence", "explain", tmp_path / "nothing").code == 2
    saved.write_bytes(saved.read_bytes().replace(b"bin/python3", b"bin/python4"))
    done = vigie("evidence", "measure", "--list", saved)
    assert done.code == 3 and "another measurement" in done.err and done.out == ""
    (one / "root" / "main.pyc").write_bytes(b"")
    for arguments in (("explain", one, "--no-check"), ("measure", "--root", one / "root", "--no-verify")):
        done = vigie("evidence", *arguments)
        assert done.code == 2 and "main.pyc" in done.err


def test_approve_shows_what_is_approved_from_its_list(vigie: Vigie, world: World, tmp_path: Path) -> None:
    saved, other = tmp_path / "list.json", tmp_path / "other.json"
    vigie("evidence", "explain", small_root(tmp_path / "one"), "--save", saved)
    vigie("evidence", "explain", small_root(tmp_path / "two", "print(2)\n"), "--save", other)
    measurement = vigie("evidence", "measure", "--list", saved).out.strip()
    output = tmp_path / "approval.note"
    rest = ("--convention", world.convention_path, "--keyring", world.keyring_path("acoss"), "--output", output)
    refused = vigie("approve", "--measurement", measurement, "--files", other, *rest)
    assert refused.code == 5 and not output.exists()
    assert "0.1.0" not in refused.err  # nothing is shown as approved that is not
    done = vigie("approve", "--measurement", measurement, "--files", saved, *rest)
    assert done.code == 0 and "0.1.0, licence MIT" in done.err and output.exists()


def test_approve_refuses(vigie: Vigie, world: World) -> None:
    output = world.folder / "approval.note"
    foreign = world.folder / "foreign" / "keyring.vigie"
    save_cheaply(Keyring.create("acoss", "X", ["partner"], world.convention.id, now=world.now), foreign, PASSPHRASE)
    good = "ab" * 32
    cases = (
        ("ab", world.convention_path, world.keyring_path("acoss"), 2),
        (good.upper(), world.convention_path, world.keyring_path("acoss"), 2),
        (good, world.folder / "nothing", world.keyring_path("acoss"), 2),
        (good, world.convention_path, foreign, 5),
        (good, world.convention_path, world.keyring_path("hub"), 5),
    )
    for measurement, convention, keyring, code in cases:
        done = vigie(
            "approve",
            "--measurement",
            measurement,
            "--convention",
            convention,
            "--keyring",
            keyring,
            "--output",
            output,
        )
        assert done.code == code and not output.exists()


def test_a_wrong_command_is_not_a_defect(vigie: Vigie) -> None:
    for arguments in (("convention", "bogus"), ("convention", "sign"), ("bogus",), ("convention", "show", "a", "b")):
        done = vigie(*arguments)
        assert done.code == 2 and "defect" not in done.err
