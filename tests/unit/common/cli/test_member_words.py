"""``vigie member words`` and ``restore``, and that nobody signs a convention unasked."""

import os
import pty
import re
import shutil
import stat
import subprocess
from io import StringIO
from pathlib import Path

import pytest

from support.command import Outcome, Vigie
from support.world import CHEAP, PASSPHRASE, World
from vigie import keyring_file, words
from vigie.card import parse_card
from vigie.demo.programs import BINARIES, environment
from vigie.keyring import Keyring

SEEDS = ("oprf", "signing", "witness", "sealing", "epoch/1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in a folder of the test's own, whose keyrings are written quickly."""
    monkeypatch.setitem(keyring_file.COSTS, "interactive", CHEAP)
    shutil.copytree(made.folder, tmp_path / "world")
    return World(tmp_path / "world", made.now, made.keyrings, made.cards, list(made.raws), made.chain)


@pytest.fixture
def draft(world: World) -> Path:
    path = world.folder / "draft.toml"
    path.write_bytes(world.convention.text)
    return path


def unwritten(world: World, name: str = "acoss") -> tuple[str, ...]:
    return Keyring.load(world.keyring_path(name), PASSPHRASE).unwritten()


def print_words(vigie: Vigie, world: World, *more: object, name: str = "acoss") -> tuple[Outcome, Path]:
    output = world.folder / "words.txt"
    return vigie("member", "words", "--keyring", world.keyring_path(name), "--output", output, *more), output


def restore(vigie: Vigie, world: World, text: str, *, card: str = "acoss") -> Outcome:
    file = world.folder / "typed.txt"
    file.write_text(text, encoding="utf-8")
    with file.open("rb") as opened:
        return vigie(
            "member", "restore", "--card", world.card_path(card), "--folder", world.folder / "restored",
            "--words-fd", opened.fileno(), "--cost", "interactive",
        )  # fmt: skip


# -- words --------------------------------------------------------------------------------------------------------


def test_words_are_not_shown_where_there_is_no_terminal(vigie: Vigie, world: World) -> None:
    before = world.keyring_path("acoss").read_bytes()
    done = vigie("member", "words", "--keyring", world.keyring_path("acoss"))
    assert done.code == 2 and "at a terminal only" in done.err and "--output" in done.err and done.out == ""
    assert world.keyring_path("acoss").read_bytes() == before


def test_words_go_into_a_file_that_only_the_owner_reads(vigie: Vigie, world: World) -> None:
    done, output = print_words(vigie, world)
    assert done.code == 0 and stat.S_IMODE(output.stat().st_mode) == 0o600
    shares = words.parse_sheets(output.read_text())
    assert [len(share) for share in shares] == [41, 41, 41, 92, 41]
    found = words.restore(shares, "acoss", world.convention.id)
    assert tuple((one.use, one.seed) for one in found) == world.keyrings["acoss"].seeds()
    assert unwritten(world) == () and set(unwritten(world, "travail")) == set(SEEDS)
    said = set((done.out + done.err).split())
    assert not [share for share in shares if len(said & set(share)) > 2]
    again, _ = print_words(vigie, world)
    assert again.code == 2 and "exists" in again.err


def test_words_of_some_seeds_only(vigie: Vigie, world: World) -> None:
    done, output = print_words(vigie, world, "--use", "epoch/1", "--use", "oprf")
    assert done.code == 0 and unwritten(world) == ("signing", "witness", "sealing")
    assert len(words.parse_sheets(output.read_text())) == 2
    output.unlink()
    done, output = print_words(vigie, world, "--use", "log")
    assert done.code == 2 and "no seed for 'log'" in done.err and not output.exists()


@pytest.mark.parametrize("threshold, shares", [(1, 3), (3, 2), (2, 17)])
def test_words_refuse_shares_that_cannot_be_made(vigie: Vigie, world: World, threshold: int, shares: int) -> None:
    done, output = print_words(vigie, world, "--threshold", threshold, "--shares", shares)
    assert done.code == 2 and "cannot be made" in done.err and not output.exists() and len(unwritten(world)) == 5


@pytest.mark.parametrize("answer, kept", [("y", True), ("n", False)])
def test_words_are_shown_at_a_terminal_and_recorded_when_they_are_kept(world: World, answer: str, kept: bool) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        [BINARIES / "vigie", "member", "words", "--keyring", world.keyring_path("acoss"), "--use", "oprf"],
        stdin=side, stdout=side, stderr=side, env=environment({"VIGIE_PASSPHRASE": PASSPHRASE}),
    )  # fmt: skip
    os.close(side)
    seen, answered = "", False
    with os.fdopen(main, "r+b", buffering=0) as terminal:
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # how a terminal says that nobody is at its other side any more
                break
            seen += part.decode()
            if not answered and "[y/N]" in seen:
                terminal.write(answer.encode() + b"\n")
                answered = True
    assert process.wait(60) == 0, seen
    shown = seen[seen.index("#") : seen.index("are all")]
    (found,) = words.restore(words.parse_sheets(shown), "acoss", world.convention.id)
    assert found.seed == world.keyrings["acoss"].oprf_seed()
    assert ("oprf" not in unwritten(world)) == kept
    assert ("not recorded" in seen) == (not kept)


# -- restore ------------------------------------------------------------------------------------------------------


def test_restore_makes_the_keyring_again(vigie: Vigie, world: World) -> None:
    _, output = print_words(vigie, world, "--threshold", "2", "--shares", "3")
    sheets = output.read_text().split("\n\n")
    done = restore(vigie, world, "\n\n".join(sheets[5:]))  # the second and third envelope
    assert done.code == 0, done.err
    folder = world.folder / "restored"
    found = Keyring.load(folder / "keyring.vigie", PASSPHRASE)
    assert found.seeds() == world.keyrings["acoss"].seeds() and found.unwritten() == ()
    assert parse_card((folder / "card.toml").read_text()) == found.card()
    assert found.card().fingerprint in done.out and "amended with the new certificate" in done.err
    assert stat.S_IMODE((folder / "keyring.vigie").stat().st_mode) == 0o600
    again = restore(vigie, world, output.read_text())
    assert again.code == 2 and "exists" in again.err


def test_restore_refuses_and_leaves_nothing(vigie: Vigie, world: World) -> None:
    _, output = print_words(vigie, world)
    good = output.read_text()
    sheets = good.split("\n\n")
    wrong = words.parse_sheets(good)[1][10]
    cases = (
        ("", "acoss", 6, "no words"),
        ("\n\n".join(sheets[1:]), "acoss", 6, "the words of oprf are missing"),
        ("\n\n".join(sheets[:1]), "acoss", 6, "the words of sealing, signing, witness are missing"),
        (good, "travail", 5, "the words of travail"),
        (good.replace("academic", "academy"), "acoss", 3, "share 1, word 3 is not in the list"),
        (
            re.sub(rf"\b{wrong}\b", "acid" if wrong != "acid" else "acne", good),
            "acoss",
            3,
            "at least one is missing, wrong",
        ),
        (good + "\n\n" + sheets[0] + " acid", "acoss", 3, "share 6 has 42 words"),
    )
    for text, card, code, said in cases:
        done = restore(vigie, world, text, card=card)
        assert done.code == code and said in done.err, (done.err, said)
        assert "hint:" in done.err and not (world.folder / "restored").exists()


def test_restore_asks_again_for_a_share_that_is_wrong(
    vigie: Vigie, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets = words.write_down("auditeur", world.convention.id, world.keyrings["auditeur"].seeds())
    lines = [" ".join(sheet.words) for sheet in sheets]
    typed = StringIO("\n\n".join([lines[0], lines[1].replace(" ", " zzz ", 1), lines[1], "", ""]))
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", typed)
    folder = world.folder / "restored"
    done = vigie(
        "member", "restore", "--card", world.card_path("auditeur"), "--folder", folder, "--cost", "interactive"
    )
    assert done.code == 0, done.err
    assert "share 2, word 2 is not in the list" in done.err and done.err.count("type it again") == 1
    assert Keyring.load(folder / "keyring.vigie", PASSPHRASE).seeds() == world.keyrings["auditeur"].seeds()


def test_restore_needs_a_terminal_or_a_descriptor_and_a_card(vigie: Vigie, world: World) -> None:
    target = ("--folder", world.folder / "restored")
    for card, more, code, said in (
        ("acoss/card.toml", (), 2, "no terminal to ask"),
        ("convention.note", ("--words-fd", 0), 3, "is not a member's card"),
        ("acoss/card.toml", ("--words-fd", 987), 2, "no words can be read from file descriptor 987"),
        ("acoss/card.toml", ("--words-fd", 9, "--passphrase-fd", 9), 2, "from one file descriptor"),
    ):
        done = vigie("member", "restore", "--card", world.folder / card, *target, *more)
        assert done.code == code and said in done.err and not (world.folder / "restored").exists()


# -- before a convention is signed --------------------------------------------------------------------------------


def test_nobody_signs_before_the_words_are_kept(vigie: Vigie, world: World, draft: Path) -> None:
    before = draft.read_bytes()
    done = vigie("convention", "sign", draft, "--keyring", world.keyring_path("acoss"))
    assert done.code == 2 and "the words of oprf, signing, witness, sealing, epoch/1 are in a safe" in done.err
    assert "vigie member words" in done.err and "--words-kept" in done.err and draft.read_bytes() == before
    assert print_words(vigie, world)[0].code == 0
    assert vigie("convention", "sign", draft, "--keyring", world.keyring_path("acoss")).code == 0


def test_an_answer_is_recorded_and_covers_the_seeds_of_that_day(vigie: Vigie, world: World, draft: Path) -> None:
    path = world.keyring_path("acoss")
    assert vigie("convention", "sign", draft, "--words-kept", "--keyring", path).code == 0
    assert unwritten(world) == ()
    output = world.folder / "second.toml"
    assert vigie("convention", "amend", world.convention_path, "--output", output).code == 0
    signing = ("convention", "sign", output, "--amends", world.convention_path, "--keyring", path)
    with Keyring.changing(path, PASSPHRASE) as ring:
        ring.add_epoch(2)
    done = vigie(*signing)
    assert done.code == 2 and "the words of epoch/2 are in a safe" in done.err
    with Keyring.changing(path, PASSPHRASE) as ring:
        ring.forget_epoch(2)
    assert vigie(*signing).code == 0


@pytest.mark.parametrize("answer, code", [("y", 0), ("n", 2)])
def test_a_person_is_asked(
    vigie: Vigie, world: World, draft: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    before = draft.read_bytes()
    typed = StringIO(f"{answer}\n")
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", typed)
    done = vigie("convention", "sign", draft, "--keyring", world.keyring_path("acoss"))
    assert done.code == code and "written down and in a safe?" in done.err
    assert (draft.read_bytes() == before) == (code == 2) and (unwritten(world) == ()) == (code == 0)


def test_whoever_need_not_sign_is_not_asked(vigie: Vigie, world: World) -> None:
    done = vigie("convention", "sign", world.convention_path, "--keyring", world.keyring_path("acoss"))
    assert done.code == 5 and "not signed yet" in done.err
    assert len(unwritten(world)) == 5


def test_a_signature_stands_where_the_answer_cannot_be_recorded(
    vigie: Vigie, world: World, draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Keyring, "save", full)
    done = vigie("convention", "sign", draft, "--words-kept", "--keyring", world.keyring_path("acoss"))
    assert done.code == 0 and "will be asked about again" in done.err
    assert len(unwritten(world)) == 5
