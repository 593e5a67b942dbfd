import base64
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from vigie import keyring as module
from vigie import keyring_file, note
from vigie.errors import ConfigError, InputError, Malformed, Missing, StateError, WrongPassphrase
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase

NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
PHRASE = "éléphant correct horse"


def partner() -> Keyring:
    return Keyring.create("acoss", "ACOSS", ["partner", "custodian", "witness"], "demo", now=NOW)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keyring, Path]:
    ring, path = partner(), tmp_path_factory.mktemp("keys") / "acoss.keyring"
    ring.save(path, PHRASE, cost="interactive")
    return ring, path


def test_what_is_saved_is_loaded(saved: tuple[Keyring, Path]) -> None:
    ring, path = saved
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = Keyring.load(path, PHRASE)
    assert loaded.card() == ring.card()
    assert loaded.tls() == ring.tls()
    assert loaded.epoch_seed(1) == ring.epoch_seed(1)
    assert loaded.oprf_seed() == ring.oprf_seed()
    assert (loaded.member, loaded.organisation, loaded.convention_id) == ("acoss", "ACOSS", "demo")


def test_another_passphrase_does_not_open_it(saved: tuple[Keyring, Path]) -> None:
    for wrong in ("", PHRASE + " ", PHRASE.upper()):
        with pytest.raises(WrongPassphrase):
            Keyring.load(saved[1], wrong)


def test_an_altered_file_does_not_open(saved: tuple[Keyring, Path], tmp_path: Path) -> None:
    first, header, content, _ = saved[1].read_bytes().split(b"\n")
    fields = json.loads(header)
    sealed = bytearray(base64.b64decode(content))
    sealed[-1] ^= 1
    salted = json.dumps(fields | {"salt": "00" * 16}, separators=(",", ":"), sort_keys=True).encode()
    altered = tmp_path / "altered"
    for lines in ((first, header, base64.b64encode(sealed)), (first, salted, content)):
        altered.write_bytes(b"\n".join((*lines, b"")))
        with pytest.raises(WrongPassphrase):
            Keyring.load(altered, PHRASE)


def test_what_is_not_a_keyring_is_malformed_and_cannot_ask_for_much_memory(
    saved: tuple[Keyring, Path], tmp_path: Path
) -> None:
    good = saved[1].read_bytes()
    first, header, content, _ = good.split(b"\n")
    path = tmp_path / "file"

    def with_(**change: object) -> bytes:
        fields = json.loads(header) | change
        return b"\n".join((first, json.dumps(fields, separators=(",", ":"), sort_keys=True).encode(), content, b""))

    for wrong in (
        b"", b"\n", good[:-1], good + b"\n", b"vigie/keyring/v2" + good[16:], good.replace(b'"kdf"', b' "kdf"'),
        with_(memory=2**40), with_(memory=1), with_(memory="64"), with_(memory=True), with_(operations=0),
        with_(operations=10**6), with_(salt="00"), with_(kdf="scrypt"), with_(more=1), good.replace(b"\n", b"\r\n"),
        first + b"\n[]\n" + content + b"\n", first + b"\n" + header + b"\nno base64!\n",
    ):  # fmt: skip
        path.write_bytes(wrong)
        with pytest.raises(Malformed):
            Keyring.load(path, PHRASE)
    with pytest.raises(Missing):
        Keyring.load(tmp_path / "nothing", PHRASE)


@given(st.binary(max_size=200), st.booleans())
def test_only_our_errors_come_out_of_the_file_parser(data: bytes, headed: bool) -> None:
    with pytest.raises(Malformed):
        keyring_file._parse(b"vigie/keyring/v1\n" + data if headed else data)


def test_a_keyring_that_opens_but_is_not_understood_is_a_state_error() -> None:
    fields = partner()._fields()
    good = json.dumps(fields).encode()
    assert module._check_fields(good)
    for wrong in (
        b"", b"[]", b"{}", b"\xff", json.dumps(fields | {"seeds": {"signing": "00"}}).encode(),
        json.dumps(fields | {"seeds": {"unheard-of": "00" * 32}}).encode(),
        json.dumps(fields | {"member": "Not A Name"}).encode(), json.dumps(fields | {"epochs": ["1"]}).encode(),
    ):  # fmt: skip
        with pytest.raises(StateError):
            module._check_fields(wrong)


def test_saving_again_replaces_the_file_whole(tmp_path: Path) -> None:
    ring, path = partner(), tmp_path / "k"
    ring.save(path, "first phrase", cost="interactive")
    ring.save(path, "second phrase", cost="interactive")
    assert Keyring.load(path, "second phrase").card() == ring.card()
    with pytest.raises(WrongPassphrase):
        Keyring.load(path, "first phrase")
    assert os.listdir(tmp_path) == ["k"]  # noqa: PTH208 - dot files count here


def test_no_secret_is_in_its_text_form_or_in_clear_on_disk(saved: tuple[Keyring, Path]) -> None:
    ring, path = saved
    shown = repr(ring) + str(ring) + repr(ring.signer()) + repr(ring.custodian(1)) + repr(ring.sealing())
    shown += ring.card().text() + repr(ring.card()) + path.read_text()
    for use, seed in ring._seeds.items():
        assert seed.hex() not in shown, use
        assert base64.b64encode(seed).decode() not in shown, use
        assert repr(seed)[2:-1] not in shown, use
    assert "PRIVATE" not in shown


def test_each_role_has_the_keys_that_it_needs_and_no_others() -> None:
    ring = partner()
    assert ring.signer().verifier.name == "acoss/signing"
    assert ring.cosigner().verifier.name == "acoss/witness"
    assert ring.cosigner().verifier.type == note.COSIGNATURE_V1
    assert len(ring.sealing().public) == 1216
    hub = Keyring.create("hub", "Banque de France", ["hub"], "demo", now=NOW)
    assert hub.signer("host").verifier.name == "hub/host"
    assert hub.signer("operator").verifier.name == "hub/operator"
    assert hub.log_signer("vigie.demo/log").verifier.name == "vigie.demo/log"
    auditor = Keyring.create("auditeur", "IGF", ["auditor"], "demo", now=NOW)
    assert {key.public for key in auditor.card().keys.values()} == {
        auditor.signer().verifier.public, auditor.cosigner().verifier.public,
    }  # fmt: skip
    for refused in (
        hub.signer, hub.cosigner, hub.sealing, hub.oprf_seed,
        lambda: hub.epoch_seed(1), auditor.sealing, lambda: auditor.custodian(1),
        lambda: ring.log_signer("x"), lambda: ring.signer("host"), lambda: ring.signer("witness"),
        lambda: ring.epoch_seed(2),
    ):  # fmt: skip
        with pytest.raises(Missing):
            refused()
    every = [seed for one in (ring, hub, auditor) for seed in one._seeds.values()]
    assert len(set(every)) == len(every)


def test_forgetting_an_epoch_withdraws_its_lots_for_good(tmp_path: Path) -> None:
    ring, path = partner(), tmp_path / "k"
    first = ring.epoch_seed(1)
    ring.add_epoch(2)
    ring.add_epoch(1)
    assert ring.epoch_seed(1) == first != ring.epoch_seed(2)
    assert set(ring.card().oprf) == {1, 2}
    ring.forget_epoch(1)
    ring.save(path, PHRASE, cost="interactive")
    loaded = Keyring.load(path, PHRASE)
    assert loaded.epochs() == (2,)
    for act in (loaded.epoch_seed, loaded.forget_epoch):
        with pytest.raises(Missing):
            act(1)
    with pytest.raises(ValueError, match="count from 1"):
        ring.add_epoch(0)


def test_the_certificate_is_a_leaf_for_both_ends_and_can_be_rotated() -> None:
    ring = partner()
    certificate = x509.load_pem_x509_certificate(ring.tls()[1])
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (certificate.not_valid_after_utc - NOW).days == 800
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    before = ring.card()
    ring.rotate_tls(NOW)
    assert ring.card().certificate != before.certificate
    assert ring.card().keys == before.keys


@pytest.mark.parametrize(
    "arguments",
    [("Acoss", "A", ["partner"]), ("a b", "A", ["partner"]), ("acoss", "", ["partner"]), ("acoss", "A\n", ["partner"]),
     ("acoss", "A", []), ("acoss", "A", ["king"]), ("acoss", "A", ["hub", "hub"])],
)  # fmt: skip
def test_a_member_without_a_proper_name_or_role_gets_no_keys(arguments: tuple[str, str, list[str]]) -> None:
    with pytest.raises(Malformed):
        Keyring.create(*arguments, "demo", now=NOW)


def test_a_passphrase_comes_from_one_place_and_never_from_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(data: bytes) -> int:
        reading, writing = os.pipe()
        os.write(writing, data)
        os.close(writing)
        return reading

    monkeypatch.delenv("VIGIE_PASSPHRASE", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    fd = piped("mot de passe é\n".encode())
    assert read_passphrase(fd, "?") == "mot de passe é"
    os.close(fd)
    with pytest.raises(ConfigError, match="can be read"):
        read_passphrase(fd, "?")
    with pytest.raises(InputError, match="no terminal"):
        read_passphrase(None, "?")
    fd = piped(b"\n")
    with pytest.raises(InputError, match="empty"):
        read_passphrase(fd, "?")
    os.close(fd)
    monkeypatch.setenv("VIGIE_PASSPHRASE", "short")
    assert read_passphrase(None, "?") == "short"
    with pytest.raises(InputError, match="at least"):
        read_passphrase(None, "?", confirm=True)
    with pytest.raises(ConfigError, match="twice"):
        read_passphrase(0, "?")


# -- changing a file, and the record of words ---------------------------------------------------------------------


def test_a_change_is_saved_under_the_same_passphrase_and_cost(tmp_path: Path) -> None:
    path = tmp_path / "k"
    partner().save(path, PHRASE, cost="interactive")
    header = json.loads(path.read_bytes().split(b"\n")[1])
    with Keyring.changing(path, PHRASE) as ring:
        ring.add_epoch(2)
    assert Keyring.load(path, PHRASE).epochs() == (1, 2)
    after = json.loads(path.read_bytes().split(b"\n")[1])
    assert (after["memory"], after["operations"]) == (header["memory"], header["operations"])
    assert after["salt"] != header["salt"]
    assert os.listdir(tmp_path) == ["k"]  # noqa: PTH208 - dot files count here


def test_a_change_that_fails_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "k"
    partner().save(path, PHRASE, cost="interactive")
    before = path.read_bytes()
    with pytest.raises(Missing), Keyring.changing(path, PHRASE) as ring:
        ring.forget_epoch(1)
        ring.forget_epoch(1)
    with pytest.raises(WrongPassphrase), Keyring.changing(path, "another phrase"):
        pass
    assert path.read_bytes() == before
    for nothing in (tmp_path / "nothing", tmp_path / "nowhere" / "k", path / "k"):
        with pytest.raises(Missing, match="there is no keyring"), Keyring.changing(nothing, PHRASE):
            pass


def test_two_changes_at_once_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "k"
    partner().save(path, PHRASE, cost="interactive")

    def change(epoch: int) -> None:
        with Keyring.changing(path, PHRASE) as ring:
            ring.add_epoch(epoch)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(change, (2, 3, 4)))
    assert Keyring.load(path, PHRASE).epochs() == (1, 2, 3, 4)


def test_the_record_of_words_lasts_and_a_forgotten_seed_loses_it(tmp_path: Path) -> None:
    ring, path = partner(), tmp_path / "k"
    everything = ("oprf", "signing", "witness", "sealing", "epoch/1")
    assert ring.unwritten() == tuple(use for use, _ in ring.seeds()) == everything
    ring.record_words(["oprf", "epoch/1"], NOW)
    ring.save(path, PHRASE, cost="interactive")
    ring = Keyring.load(path, PHRASE)
    assert ring.unwritten() == ("signing", "witness", "sealing")
    ring.forget_epoch(1)
    ring.add_epoch(1)
    assert ring.unwritten() == ("signing", "witness", "sealing", "epoch/1")
    with pytest.raises(Missing, match="no key for log"):
        ring.record_words(["signing", "log"], NOW)


def test_a_keyring_of_before_the_record_opens_and_a_false_record_does_not() -> None:
    fields = partner()._fields()
    del fields["words"]
    assert len(Keyring(module._check_fields(json.dumps(fields).encode())).unwritten()) == 5
    records: tuple[object, ...] = ([], {"oprf": 1}, "oprf", {"oprf": None})
    for wrong in records:
        with pytest.raises(StateError):
            module._check_fields(json.dumps(fields | {"words": wrong}).encode())
