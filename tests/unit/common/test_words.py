"""Seeds as words and back, the official vectors of SLIP-39, and what is refused."""

import json
import random
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import EncryptedMasterSecret, split_ems
from shamir_mnemonic.wordlist import WORDLIST

from support.vectors import FOLDER
from vigie import words
from vigie.card import Card
from vigie.errors import InputError, Malformed, Missing, Refused, VigieError
from vigie.keyring import Keyring
from vigie.restoring import keyring_of, restore_keyring
from vigie.words import Sheet

NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
OFFICIAL = json.loads((FOLDER / "slip39" / "vectors.json").read_text(encoding="utf-8"))
SEED = bytes(range(32))
USES = ("oprf", "signing", "witness", "sealing", "log", "host", "operator", "epoch/1", "epoch/12", "epoch/999999999")

bundles = st.lists(st.sampled_from(USES), unique=True, min_size=1, max_size=4).flatmap(
    lambda uses: st.tuples(
        *(
            st.tuples(st.just(use), st.binary(min_size=size, max_size=size))
            for use in uses
            for size in [96 if use == "sealing" else 32]
        )
    )
)
sharings = st.integers(2, 6).flatmap(lambda shares: st.tuples(st.integers(2, shares), st.just(shares)))


@cache
def ring() -> Keyring:
    return Keyring.create("acoss", "ACOSS", ["partner", "custodian", "witness"], "demo", now=NOW)


def one_seed(threshold: int = 1, shares: int = 1, use: str = "oprf", seed: bytes = SEED) -> list[Sheet]:
    return words.write_down("acoss", "demo", [(use, seed)], threshold=threshold, shares=shares)


def back(sheets: list[Sheet]) -> dict[str, bytes]:
    return {one.use: one.seed for one in words.restore([sheet.words for sheet in sheets], "acoss", "demo")}


# -- SLIP-39 itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, mnemonics, secret", [vector[:3] for vector in OFFICIAL], ids=lambda one: str(one)[:40])
def test_the_official_vectors(name: str, mnemonics: list[str], secret: str) -> None:
    if secret:
        assert words.recover(mnemonics, b"TREZOR").hex() == secret, name
        return
    with pytest.raises(Malformed) as refusal:
        words.recover(mnemonics, b"TREZOR")
    said = str(refusal.value)
    assert not {word for line in mnemonics for word in line.split()} & (set(said.split()) - {"one", "are", "valid"})


def test_there_are_as_many_vectors_as_there_should_be() -> None:
    assert (len(OFFICIAL), sum(bool(vector[2]) for vector in OFFICIAL)) == (45, 15)


# -- there and back -----------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(bundles, st.randoms(use_true_random=False))
def test_any_bundle_comes_back_in_any_order(bundle: tuple[tuple[str, bytes], ...], shuffle: random.Random) -> None:
    sheets = words.write_down("acoss", "demo", bundle)
    shuffle.shuffle(sheets)
    assert back(sheets) == dict(bundle)


@settings(max_examples=20, deadline=None)
@given(bundles, sharings, st.randoms(use_true_random=False))
def test_any_k_of_n_come_back_and_one_less_does_not(
    bundle: tuple[tuple[str, bytes], ...], sharing: tuple[int, int], choose: random.Random
) -> None:
    threshold, shares = sharing
    sheets = words.write_down("acoss", "demo", bundle, threshold=threshold, shares=shares)
    enough, fewer = [], []
    for use, _ in bundle:
        mine = [sheet for sheet in sheets if sheet.use == use]
        assert [sheet.number for sheet in mine] == list(range(1, shares + 1))
        chosen = choose.sample(mine, choose.randint(threshold, shares))
        enough += chosen
        fewer += chosen[: threshold - 1]
    choose.shuffle(enough)
    assert back(enough) == dict(bundle)
    with pytest.raises(Missing, match="more must be given"):
        back(fewer)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 2]), st.data())
def test_one_word_changed_is_refused_and_named(shares: int, data: st.DataObject) -> None:
    typed = [list(sheet.words) for sheet in one_seed(shares, shares)]
    place = data.draw(st.integers(0, shares - 1))
    at = data.draw(st.integers(0, len(typed[place]) - 1))
    typed[place][at] = data.draw(st.sampled_from([word for word in WORDLIST if word != typed[place][at]]))
    with pytest.raises(Malformed, match=f"share {place + 1} has 41 words, of which at least one is missing, wrong"):
        words.restore(typed, "acoss", "demo")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_two_words_exchanged_or_one_left_out_are_refused(one: int, two: int) -> None:
    good = list(one_seed()[0].words)
    swapped = list(good)
    swapped[one], swapped[two] = swapped[two], swapped[one]
    for wrong in ([*good[:one], *good[one + 1 :]], [*good, good[0]], *([swapped] if swapped != good else [])):
        with pytest.raises((Malformed, Refused)):
            words.restore([wrong], "acoss", "demo")


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDLIST), max_size=60).map(" ".join)))
def test_only_our_errors_come_out_of_what_is_typed(text: str) -> None:
    with pytest.raises(VigieError):
        words.restore(words.parse_sheets(text), "acoss", "demo")


# -- what is printed ----------------------------------------------------------------------------------------------


def test_a_printed_sheet_is_read_back() -> None:
    sheets = one_seed(2, 3)
    text = "\n".join(words.format_sheet(sheet, "acoss, demo, 2026-03-20") for sheet in sheets)
    assert "# acoss, demo, 2026-03-20: oprf, share 2 of 3, any 2 restore it, 41 words" in text
    assert words.parse_sheets(text) == [sheet.words for sheet in sheets]
    assert words.parse_sheets(text.upper()) == [sheet.words for sheet in sheets]
    assert words.parse_sheets(text.replace("\n", "\r\n")) == [sheet.words for sheet in sheets]
    short = "\n\n".join(" ".join(word[:4] for word in sheet.words) for sheet in sheets)
    assert words.parse_sheets(short) == [sheet.words for sheet in sheets]


def test_how_many_words_a_seed_has() -> None:
    assert len(one_seed()[0].words) == 41
    assert len(one_seed(use="sealing", seed=bytes(96))[0].words) == 92


@pytest.mark.parametrize("wrong", ["aca", "zzzz", "academicx", "académic", "acad-emic", "1234"])
def test_a_word_that_is_none_is_named_by_its_place(wrong: str) -> None:
    with pytest.raises(Malformed, match="share 2, word 3 is not in the list of words") as refusal:
        words.parse_sheets(f"1. academic acid acne\n\nacademic acid {wrong}")
    assert wrong not in str(refusal.value) + refusal.value.hint


def test_no_word_and_no_seed_is_in_a_text_form() -> None:
    (sheet,) = one_seed()
    (restored,) = words.restore([sheet.words], "acoss", "demo")
    for shown in (repr(sheet), repr(restored)):
        assert not set(sheet.words) & set(shown.replace("'", " ").split()) and SEED.hex() not in shown
        assert "\\x" not in shown


@pytest.mark.parametrize("threshold, shares", [(0, 1), (1, 2), (3, 2), (2, 17), (17, 17), (1, 0)])
def test_shares_that_cannot_be_made(threshold: int, shares: int) -> None:
    with pytest.raises(InputError, match="shares cannot be made"):
        one_seed(threshold, shares)


def test_far_too_much_is_refused() -> None:
    with pytest.raises(InputError, match="far more"):
        words.parse_sheets("acid " * 60_000)
    with pytest.raises(Malformed, match="share 1 has 300 words"):
        words.parse_sheets("acid " * 300)


# -- wrong and mixed sets -----------------------------------------------------------------------------------------


def test_the_share_of_another_day_is_named_where_enough_others_are_there() -> None:
    good, other = one_seed(2, 3), one_seed(2, 3)
    with pytest.raises(Missing, match="share 3 of a set that needs 2 different shares: 1 more"):
        back([good[0], good[2], other[1]])
    with pytest.raises(Missing, match="shares 1 and 2 of a set that needs 2 different shares: 1 more"):
        back([good[0], good[0]])
    assert back([good[0], good[0], good[1]]) == {"oprf": SEED}


def planted(content: bytes, identifier: int, threshold: int = 2, shares: int = 4) -> list[tuple[str, ...]]:
    sealed = EncryptedMasterSecret.from_master_secret(content, b"", identifier, True, 0)
    return [tuple(share.words()) for share in split_ems(1, [(threshold, shares)], sealed)[0]]


def test_a_forged_share_of_the_same_set_is_named_where_enough_others_are_there() -> None:
    header = words._header("oprf", "acoss", "demo")
    good, forged = planted(header + SEED, 7), planted(header + bytes(32), 7)
    (found,) = words.restore([good[0], good[1], good[3]], "acoss", "demo")
    assert found.seed == SEED and found.shares == (1, 2, 3)
    for place in (1, 2, 3):
        given = [good[0], good[1]]
        given.insert(place - 1, forged[2])
        with pytest.raises(Malformed, match=f"share {place} does not fit the others of its set"):
            words.restore(given, "acoss", "demo")
    with pytest.raises(Malformed, match="shares 1 and 2 do not fit together") as refusal:
        words.restore([good[0], forged[2]], "acoss", "demo")
    assert "one share more" in refusal.value.hint


def test_two_sets_that_have_one_number_by_chance_are_told_apart() -> None:
    one = planted(words._header("oprf", "acoss", "demo") + SEED, 7)
    two = planted(words._header("witness", "acoss", "demo") + bytes(32), 7)
    found = words.restore([one[0], two[1], one[2], two[3]], "acoss", "demo")
    assert {each.use: (each.seed, each.shares) for each in found} == {
        "oprf": (SEED, (1, 3)), "witness": (bytes(32), (2, 4)),
    }  # fmt: skip


def test_two_sheets_of_one_use_that_differ_are_refused_and_equal_ones_are_not() -> None:
    assert back([*one_seed(), *one_seed()]) == {"oprf": SEED}
    with pytest.raises(Malformed, match="share 1 and share 2 are both for oprf, and differ"):
        back([*one_seed(), *one_seed(seed=bytes(32))])


@pytest.mark.parametrize("member, convention", [("travail", "demo"), ("acoss", "other"), ("acos", "sdemo")])
def test_the_words_of_somebody_else_are_refused(member: str, convention: str) -> None:
    with pytest.raises(Refused, match="another member or convention for epoch/1 in share 1"):
        words.restore([one_seed(use="epoch/1")[0].words], member, convention)


@pytest.mark.parametrize(
    "content",
    [
        bytes(42), bytes([2, 4]) + bytes(40), bytes([1, 9]) + bytes(40), bytes([1, 5]) + bytes(40),
        bytes([1, 4, 0, 0, 0, 1]) + bytes(36), bytes([1, 5, 255, 255, 255, 255]) + bytes(36), SEED, bytes([1, 3]) + bytes(40),
    ],
)  # fmt: skip
def test_the_words_of_another_program_or_version_are_refused(content: bytes) -> None:
    with pytest.raises(Refused, match="another content in share"):
        words.restore(planted(content, 9, 2, 2), "acoss", "demo")


def test_the_words_of_a_wallet_are_refused() -> None:
    for name, mnemonics, secret, _ in OFFICIAL:
        if secret:
            with pytest.raises((Refused, Missing)):
                words.restore([line.split() for line in mnemonics], "acoss", "demo")
            assert name


def test_nothing_given() -> None:
    with pytest.raises(Missing, match="no words"):
        words.restore(words.parse_sheets("\n# a title\n12.\n"), "acoss", "demo")
    with pytest.raises(Malformed, match="no words"):
        words.recover([])


# -- whole keyrings -----------------------------------------------------------------------------------------------


def sheets_of(keyring: Keyring, threshold: int = 1, shares: int = 1) -> list[Sheet]:
    return words.write_down(keyring.member, keyring.convention_id, keyring.seeds(), threshold=threshold, shares=shares)


@pytest.mark.parametrize("roles", [["partner", "custodian", "witness"], ["custodian"], ["auditor", "witness"], ["hub"]])
def test_a_keyring_comes_back_whole(roles: list[str]) -> None:
    made = Keyring.create("acoss", "ACOSS", roles, "demo", now=NOW)
    made.add_epoch(2)
    sheets = sheets_of(made, 2, 3)
    found = restore_keyring(made.card(), [sheet.words for sheet in sheets if sheet.number != 2], now=NOW)
    assert found.seeds() == made.seeds() and found.epochs() == made.epochs() and found.unwritten() == ()
    old, new = made.card().as_dict(), found.card().as_dict()
    assert old.pop("certificate") != new.pop("certificate")
    assert old == new
    assert found.tls() != made.tls()


def test_a_keyring_comes_back_without_a_withdrawn_epoch_and_not_without_another_seed() -> None:
    card, sheets = ring().card(), sheets_of(ring())
    found = restore_keyring(card, [sheet.words for sheet in sheets if sheet.use != "epoch/1"], now=NOW)
    assert found.epochs() == () and found.oprf_seed() == ring().oprf_seed()
    for use in ("oprf", "signing", "witness", "sealing"):
        with pytest.raises(Missing, match=f"the words of {use} are missing"):
            restore_keyring(card, [sheet.words for sheet in sheets if sheet.use != use], now=NOW)


@pytest.mark.parametrize("use", ["oprf", "signing", "witness", "sealing"])
def test_a_seed_that_is_not_the_one_of_the_card_is_named(use: str) -> None:
    card = ring().card()
    other = Keyring.create("acoss", "ACOSS", ["partner", "custodian", "witness"], "demo", now=NOW)
    mixed = [sheet for sheet in sheets_of(ring()) if sheet.use != use]
    mixed += [sheet for sheet in sheets_of(other) if sheet.use == use]
    with pytest.raises(Refused, match=f"found others: {use} in share {len(mixed)}"):
        restore_keyring(card, [sheet.words for sheet in mixed], now=NOW)


def test_seeds_that_the_card_does_not_call_for_are_refused() -> None:
    auditor = Keyring.create("acoss", "ACOSS", ["auditor", "witness"], "demo", now=NOW)
    for use, size in (("epoch/1", 32), ("sealing", 96), ("log", 32)):
        with pytest.raises(Refused, match=f"others for {use}"):
            keyring_of(auditor.card(), {**dict(auditor.seeds()), use: bytes(size)}, now=NOW)


def test_the_card_of_another_member_is_refused() -> None:
    other: Card = Keyring.create("travail", "T", ["partner", "custodian", "witness"], "demo", now=NOW).card()
    with pytest.raises(Refused, match="expected the words of travail for demo"):
        restore_keyring(other, [sheet.words for sheet in sheets_of(ring())], now=NOW)


# -- the page of the specification --------------------------------------------------------------------------------


def test_the_words_of_the_page_are_read() -> None:
    page = (FOLDER.parents[1] / "docs" / "spec" / "words.md").read_text(encoding="utf-8")
    shares = words.parse_sheets(page.split("```\n")[1])
    (found,) = words.restore(shares, "acoss", "signaux-faibles-demo")
    assert (found.use, found.seed) == ("epoch/1", SEED)
    assert f"Version {words.VERSION}." in page
    assert all(f"{code} `{use}`" in page for use, code in words._CODES.items())
