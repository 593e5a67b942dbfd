"""The convention: what is read, what is asked of it, and one broken part at a time refused by its section and key."""

import base64
import hashlib
import ssl
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.perimeter import section
from support.world import ORIGIN, PARTNERS, SIGNATORIES, World, demo_keyrings, demo_terms
from vigie import statement
from vigie.card import parse_card
from vigie.convention import Convention, parse
from vigie.convention.drafting import amend, draft, member_table, read_terms, set_value
from vigie.convention.words import describe
from vigie.convention.writing import write
from vigie.errors import ConfigError, MalformedConvention, Missing
from vigie.note import ED25519, VerifierKey


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"))


@pytest.fixture
def data(world: World) -> dict[str, Any]:
    """The demonstration's convention as TOML data of one's own to break."""
    return tomllib.loads(world.convention.text.decode())


def read(data: dict[str, Any]) -> Convention:
    return parse(write(data).encode())


# -- reading and asking -------------------------------------------------------------------------------------------


def test_the_demonstration_reads_as_it_was_agreed(world: World) -> None:
    found = world.convention
    assert (found.id, found.origin, found.hub, found.version) == ("signaux-faibles-demo", ORIGIN, "hub", 1)
    assert found.signatories == SIGNATORIES and found.previous is None
    assert (found.start, found.end) == (date(2026, 1, 1), date(2028, 12, 31))
    assert found.partners() == PARTNERS
    assert list(found.members) == [*PARTNERS, "auditeur", "hub"]
    assert found.members["acoss"].population == 400 and found.members["hub"].population == 0
    assert found.buckets == 64 and [epoch.number for epoch in found.epochs] == [1]
    assert found.enclave.approvals == 2 and found.witness.release_quorum == 1 and found.custody.threshold == 2
    assert found.purposes["early-warning"].required == ("acoss",)
    assert list(found.grants) == ["acoss-list", "banque-de-france-list", "travail-list"]


def test_the_digest_is_that_of_the_statement(world: World) -> None:
    assert world.convention.digest == statement.parse(world.convention_raw).digest
    assert world.convention.text == statement.parse(world.convention_raw).payload


def test_dates_are_inclusive(world: World) -> None:
    found = world.convention
    assert found.in_force(datetime(2026, 1, 1, tzinfo=UTC)) and found.in_force(
        datetime(2028, 12, 31, 23, 59, tzinfo=UTC)
    )
    assert not found.in_force(datetime(2025, 12, 31, 23, 59, tzinfo=UTC))
    assert not found.in_force(datetime(2029, 1, 1, tzinfo=UTC))


def test_members_are_found_by_their_certificate_alone(world: World) -> None:
    certificate = world.cards["travail"].certificate
    found = world.convention.member_by_certificate(hashlib.sha256(certificate).digest())
    assert found is not None and found.name == "travail"
    assert world.convention.member_by_certificate(b"\0" * 32) is None
    assert ssl.PEM_cert_to_DER_cert(found.certificate_pem.decode()) == certificate


def test_keys_are_found_by_member_and_use(world: World) -> None:
    found = world.convention
    assert found.verifier("acoss", "signing") == world.signer("acoss").verifier
    assert found.verifier("hub", "host") == world.signer("hub/host").verifier
    assert found.log_key() == world.keyrings["hub"].log_signer(ORIGIN).verifier
    for member, use in (("acoss", "host"), ("hub", "signing"), ("nobody", "signing"), ("acoss", "sealing")):
        with pytest.raises(Missing):
            found.verifier(member, use)


def test_witnesses_count_for_their_organisation_and_never_for_the_hubs_or_ones_own(world: World) -> None:
    found = world.convention
    assert sorted(found.witness_keys().values()) == sorted(
        ["ACOSS", "Banque de France", "ministère du Travail", "Inspection générale des finances"]
    )
    assert set(found.counting_witnesses("acoss").values()) == {
        "ministère du Travail",
        "Inspection générale des finances",
    }
    assert set(found.counting_witnesses("banque-de-france").values()) == {
        "ACOSS", "ministère du Travail", "Inspection générale des finances",
    }  # fmt: skip
    assert found.organisation_of("hub") == found.organisation_of("banque-de-france")


def test_deposits(world: World) -> None:
    found = world.convention
    assert found.may_deposit("acoss", "debts") and found.may_deposit("travail", "short_time_work")
    assert not found.may_deposit("travail", "debts")
    assert not found.may_deposit("hub", "debts") and not found.may_deposit("acoss", "nothing")
    assert found.owned_datasets("banque-de-france") == ("ratios",)


def test_epochs_by_number_and_day(world: World) -> None:
    found = world.convention
    epoch = found.epoch_at(date(2026, 1, 1))
    assert epoch is found.epoch(1) is found.epoch_at(date(2028, 12, 31))
    assert epoch.custodian("travail").key == world.keyrings["travail"].custodian(1).public
    for ask in (lambda: found.epoch(2), lambda: found.epoch_at(date(2029, 1, 1)), lambda: epoch.custodian("hub")):
        with pytest.raises(Missing):
            ask()


def test_what_a_grant_may_receive(world: World) -> None:
    found = world.convention
    for output in ("score", "level", "topics", "reasons"):
        assert found.may_receive("acoss-list", output)
    assert found.may_receive("acoss-list", {"urssaf"}) and found.may_receive("acoss-list", ())
    assert not found.may_receive("acoss-list", {"urssaf", "bdf"}) and not found.may_receive("acoss-list", {"bdf"})
    assert not found.may_receive("acoss-list", "turnover")
    assert not found.may_receive("nobody-list", "score") and not found.may_receive("nobody-list", ())


def test_without_a_declassification_a_score_needs_every_label(tmp_path: Path) -> None:
    closed = World.create(
        tmp_path, overrides={"declassification": [], "grant.travail-list.labels": ["urssaf", "bdf", "dgefp"]}
    ).convention
    assert not closed.may_receive("acoss-list", "score") and closed.may_receive("acoss-list", "reasons")
    labels = closed.purpose_labels("early-warning")
    assert {"urssaf", "bdf", "dgefp"} <= labels
    assert closed.may_receive("travail-list", "score") == (labels <= {"urssaf", "bdf", "dgefp"})


def test_a_column_that_is_not_granted_is_not_received_however_free_it_is(tmp_path: Path) -> None:
    found = World.create(tmp_path, overrides={"grant.acoss-list.columns": ["level"]}).convention
    assert found.may_receive("acoss-list", "level") and not found.may_receive("acoss-list", "score")


def test_a_dataset_declared_by_its_columns(data: dict[str, Any]) -> None:
    data["dataset"].append(
        {
            "name": "late_payments", "schema": 1, "owners": ["travail"], "maximum_rejected": 0, "minimum_level": "A1",
            "grain": "month", "time": "month",
            "column": [
                {"name": "month", "type": "month", "unit": "month", "label": []},
                {"name": "days", "type": "number", "unit": "day", "label": "dgefp", "minimum": 0, "maximum": 400.5},
                {"name": "kind", "type": "category", "unit": "-", "label": ["dgefp", "bdf"], "categories": ["a", "b"]},
            ],
        }
    )  # fmt: skip
    definition = read(data).datasets["late_payments"].definition
    assert definition.names == ("month", "days", "kind")
    assert definition.column("days").labels == {"dgefp"} and definition.column("month").labels == frozenset()
    assert definition.labels == {"dgefp", "bdf"}


def test_a_perimeter_is_agreed_on_or_not(world: World, data: dict[str, Any]) -> None:
    assert world.convention.perimeter is None
    data["perimeter"] = section(recent_months=3, excluded_activities=["84", "85.1", "85.10", "85.10Z"])
    rule = read(data).perimeter
    assert rule is not None
    assert (rule.owner, rule.shared_with) == ("acoss", ("banque-de-france", "travail"))
    assert (rule.minimum_headcount, rule.window_months, rule.recent_months) == (10, 36, 3)
    assert rule.excluded_activities == ("84", "85.1", "85.10", "85.10Z") and rule.head_office_in_france is True
    assert len(rule.excluded_legal_forms) == 17
    assert [name for name in world.convention.members if rule.binds(name)] == list(PARTNERS)
    data["perimeter"]["shared_with"] = ["travail"]
    narrow = read(data).perimeter
    assert narrow is not None and not narrow.binds("banque-de-france")


def test_an_amendment_brings_a_perimeter_and_takes_it_away(tmp_path: Path) -> None:
    changed = World.create(tmp_path)
    first = changed.amend({"perimeter": section()})
    assert first.perimeter is not None and "# up to the last month" in first.text.decode()
    assert changed.amend({"perimeter.window_months": 120}).perimeter != first.perimeter
    with pytest.raises(ConfigError, match="there is no"):
        amend(World.create(tmp_path / "without").convention, {"perimeter.window_months": 120})


@pytest.mark.parametrize(
    "language, words",
    [
        (
            "fr",
            ("Périmètre", "d'au moins 10 salariés un mois sur les 36", "7389", "66.19A", "sous pseudonyme", "français"),
        ),
        ("en", ("Perimeter", "at least 10 persons employed", "last 36 months", "7389", "66.19A", "French département")),
    ],
)
def test_a_perimeter_is_said_in_words(tmp_path: Path, language: Any, words: tuple[str, ...]) -> None:
    said = "\n".join(describe(World.create(tmp_path / "with", overrides={"perimeter": section()}).convention, language))
    without = "\n".join(describe(World.create(tmp_path / "without").convention, language))
    assert all(word in said for word in words) and words[0] not in without and "{" not in said
    plain = section(recent_months=2, excluded_legal_forms=[], excluded_activities=[], head_office_in_france=False)
    less = "\n".join(describe(World.create(tmp_path / "less", overrides={"perimeter": plain}).convention, language))
    assert "NAF" not in less and words[-1] not in less
    assert "2 derniers mois" in less or "last 2 months" in less


# -- refusals: one broken part at a time --------------------------------------------------------------------------

Breakage = tuple[str, Any, str]

BROKEN: list[Breakage] = [
    # path, value (None removes), what the message says
    ("convention.id", "Signaux Faibles", r"\[convention\] \(line \d+\): 'id'"),
    ("convention.id", None, "'id' is missing"),
    ("convention.title", "", "'title' is empty"),
    ("convention.title", "x" * 501, "'title' is empty, longer"),
    ("convention.version", 0, "'version' is not a whole number"),
    ("convention.version", True, "'version' is not a whole number"),
    ("convention.version", 2, "every later version names the digest"),
    ("convention.previous", "00" * 32, "version 1 has an empty 'previous'"),
    ("convention.previous", "zz", "'previous'"),
    ("convention.from", "2026-02-30", "day that does not exist"),
    ("convention.from", date(2026, 1, 1), "'from' is not a day in quotes"),
    ("convention.from", "2029-01-01", "'from' is after 'to'"),
    ("convention.to", "31/12/2028", "'to' is not a day"),
    ("convention.hub", "acoss", "not a member with the role hub"),
    ("convention.hub", "nobody", "not a member with the role hub"),
    ("convention.origin", "acoss/signing", "'origin'"),
    ("convention.origin", "vigie.demo/" + "x" * 200, "longer than"),
    ("convention.signatories", [], "'signatories'"),
    ("convention.signatories", ["acoss", "acoss"], "twice"),
    ("convention.signatories", ["acoss", "nobody"], "'nobody' is not a member"),
    ("convention.signatories", ["acoss", "hub"], "'hub' has no signing key"),
    ("convention.signatories", ["acoss", "banque-de-france", "auditeur"], "must be a signatory"),
    ("convention.threshold", 3, "unknown key 'threshold'"),
    ("member.acoss.organisation", 1, "'organisation' is not a text"),
    ("member.acoss.roles", ["partner", "king"], "'roles' holds 'king'"),
    ("member.acoss.roles", ["partner", "custodian"], "neither the role witness nor auditor"),
    ("member.acoss.roles", [], "a witness key"),
    ("member.hub.roles", ["hub", "auditor"], "the role auditor needs a key 'signing'"),
    ("member.acoss.population", -1, "'population'"),
    (
        "member.acoss.certificate",
        "AAAA",
        r"\[\[member\]\] 'acoss' \(line \d+\): the certificate of acoss cannot be read",
    ),
    ("member.acoss.certificate", "AAA", "base64"),
    ("member.acoss.signing", "acoss/signing", "'signing'"),
    ("member.acoss.signing", None, "'acoss' has no signing key"),
    ("member.acoss.sealing", None, "a partner needs a key 'sealing'"),
    ("member.acoss.sealing", "AAAA", "3 bytes instead of 1216"),
    ("member.acoss.log", base64.b64encode(b"\x07" * 32).decode(), "the hub, and only the hub, has a key 'log'"),
    ("member.hub.log", None, "the hub, and only the hub, has a key 'log'"),
    ("member.hub.log", base64.b64encode(b"\0" * 32).decode(), "'log'"),
    ("member.hub.host", None, "the role hub needs a key 'host'"),
    ("member.auditeur.witness", None, "needs a key 'witness'"),
    ("member.acoss.colour", "red", "unknown key 'colour'"),
    ("dataset.debts.schema", 2, "no built-in dataset 'debts' with schema 2"),
    ("dataset.debts.owners", [], "'owners'"),
    ("dataset.debts.owners", ["auditeur"], "not a member with the role partner"),
    ("dataset.debts.maximum_rejected", 1.5, "'maximum_rejected'"),
    ("dataset.debts.maximum_rejected", float("nan"), "'maximum_rejected'"),
    ("dataset.debts.maximum_rejected", True, "'maximum_rejected'"),
    ("dataset.debts.minimum_level", "A9", "'minimum_level' is 'A9'"),
    ("dataset.debts.column", [{"name": "x"}], "cannot be declared anew"),
    ("dataset.debts.name", "debits", "no built-in dataset 'debits'"),
    ("dataset.debts.name", "ratios", "already used"),
    ("purpose.early-warning.datasets", ["debts", "secrets"], "no dataset 'secrets'"),
    ("purpose.early-warning.datasets", ["ratios"], "owns none of the datasets"),
    ("purpose.early-warning.required", ["auditeur"], "not a member with the role partner"),
    ("purpose.early-warning.perimeter", "hub", "not a member with the role partner"),
    ("purpose.early-warning.target", "profit", "'target' is 'profit'"),
    ("purpose.early-warning.target", "panel.y.z", "'target' is 'panel.y.z'"),
    ("purpose.early-warning.target", "panel.y", "the target's dataset 'panel' is none of this purpose"),
    ("purpose.early-warning.target", "debts.employee_share", "a column of the built-in dataset 'debts'"),
    ("purpose.early-warning.outputs", ["score", "names"], "'outputs' holds 'names'"),
    ("purpose.early-warning.outputs", ["score"], "has no output"),
    ("purpose.early-warning.horizon", 0, "'horizon'"),
    ("grant.acoss-list.recipient", "auditeur", "the recipient is 'auditeur'"),
    ("grant.acoss-list.purpose", "fishing", "no purpose 'fishing'"),
    ("grant.acoss-list.rows", "some", "'rows' is 'some'"),
    ("grant.acoss-list.columns", [], "'columns'"),
    ("grant.acoss-list.labels", ["medical"], "'labels' holds 'medical'"),
    ("declassification", [{"purpose": "fishing", "output": "score"}], "no purpose 'fishing'"),
    ("declassification", [{"purpose": "early-warning", "output": "reasons"}], "'output' is 'reasons'"),
    ("declassification", [{"purpose": "early-warning", "output": "score"}] * 2, "stands above"),
    ("pseudonyms.buckets", 48, "not a power of two"),
    ("pseudonyms.buckets", 0, "'buckets'"),
    ("pseudonyms.epoch", [], "there is no epoch"),
    ("pseudonyms.epoch.1.from", "2029-01-01", "'from' is after 'to'"),
    ("pseudonyms.epoch.1.custodian.acoss.key", "00", "'key'"),
    ("pseudonyms.epoch.1.custodian.acoss.member", "auditeur", "not a member with the role custodian"),
    ("pseudonyms.epoch.1.custodian.acoss.member", "travail", "stands twice"),
    ("pseudonyms.epoch.1.custodian", [{"member": "acoss", "key": "ab" * 32}], "one organisation alone"),
    ("custody.threshold", 4, "'threshold' is 4, of 3 organisations"),
    ("enclave.approvals", 5, "5 approvals are asked for, of 4 organisations"),
    ("enclave.approvals", 0, "'approvals'"),
    ("enclave.platforms", [], "'platforms'"),
    ("enclave.platforms", ["sgx2"], "'platforms' holds 'sgx2'"),
    ("enclave.minimum_level", "B1", "'minimum_level'"),
    ("enclave.layers", ["Seccomp"], "'layers'"),
    ("witness.release_quorum", 3, "'release_quorum' is 3, but for acoss only 2 count"),
    ("witness.release_quorum", 0, "'release_quorum'"),
    ("retention.lots_months", 0, "'lots_months'"),
    ("disclosure.minimum_cell", 2, "'minimum_cell'"),
    ("disclosure.dominance", 0.9, "'dominance'"),
    ("disclosure.rounding", None, "'rounding' is missing"),
    ("disclosure", None, r"section \[disclosure\] is missing"),
    ("surprise", {"a": 1}, "unknown section 'surprise'"),
    ("perimeter", [section()], r"section \[perimeter\] is missing, or is not one table"),
    (
        "perimeter.owner",
        "auditeur",
        r"\[perimeter\]: the owner is 'auditeur', which is not a member with the role partner",
    ),
    ("perimeter.owner", "travail", "'shared_with' names 'travail', its owner"),
    ("perimeter.owner", None, r"\[perimeter\] \(line \d+\): the key 'owner' is missing"),
    ("perimeter.shared_with", [], "'shared_with'"),
    ("perimeter.shared_with", ["travail", "travail"], "'shared_with' has fewer"),
    ("perimeter.shared_with", ["travail", "auditeur"], "not a member with the role partner"),
    ("perimeter.minimum_headcount", 0, "'minimum_headcount'"),
    ("perimeter.minimum_headcount", "10", "'minimum_headcount'"),
    ("perimeter.window_months", 0, "'window_months'"),
    ("perimeter.recent_months", 37, "'recent_months' is not a whole number from 0 to 36"),
    ("perimeter.recent_months", -1, "'recent_months'"),
    ("perimeter.recent_months", None, "'recent_months' is missing"),
    ("perimeter.excluded_legal_forms", ["711"], "'excluded_legal_forms'"),
    ("perimeter.excluded_legal_forms", [7110], "'excluded_legal_forms' is not a list of texts"),
    ("perimeter.excluded_activities", ["84.11ZZ"], "'excluded_activities'"),
    ("perimeter.excluded_activities", ["8411Z"], "'excluded_activities'"),
    ("perimeter.excluded_activities", ["84", "84"], "'excluded_activities' has fewer"),
    ("perimeter.head_office_in_france", "yes", "'head_office_in_france' is not true or false"),
    ("perimeter.head_office_in_france", None, "'head_office_in_france' is missing"),
    ("perimeter.excluded_regions", ["11"], "unknown key 'excluded_regions'"),
]


@pytest.mark.parametrize("path, value, message", BROKEN, ids=[f"{path}={value!r}"[:60] for path, value, _ in BROKEN])
def test_one_broken_part_is_refused(data: dict[str, Any], path: str, value: Any, message: str) -> None:
    data["perimeter"] = section()
    read(data)  # the twin: unbroken, it is read
    if value is None:
        *steps, last = path.split(".")
        set_value(data, path, None)
        place = data
        for step in steps:
            place = place[step] if isinstance(place, dict) else next(one for one in place if one["name"] == step)
        del place[last]
    else:
        set_value(data, path, value)
    with pytest.raises(MalformedConvention, match=message):
        read(data)


def test_keys_are_those_of_their_member_and_use(world: World, data: dict[str, Any]) -> None:
    for use, key in (
        ("signing", world.convention.verifier("travail", "signing")),  # another member's
        ("signing", world.convention.verifier("acoss", "witness")),  # another use
        ("signing", VerifierKey("acoss/host", ED25519, b"\x05" * 31 + b"\x01")),
    ):
        broken = {**data, "member": [dict(member) for member in data["member"]]}
        set_value(broken, f"member.acoss.{use}", key.vkey())
        with pytest.raises(MalformedConvention, match="not a key called acoss/signing"):
            read(broken)


@pytest.mark.parametrize("roles", [["partner", "custodian"], ["partner"], ["custodian"]])
def test_a_partner_or_custodian_that_witnesses_nothing_is_refused(data: dict[str, Any], roles: list[str]) -> None:
    set_value(data, "member.acoss.roles", roles)
    acoss = next(one for one in data["member"] if one["name"] == "acoss")
    del acoss["witness"]
    with pytest.raises(MalformedConvention, match="must be a witness") as refused:
        read(data)
    assert "--role witness" in refused.value.hint


def test_no_key_serves_two_members(world: World, data: dict[str, Any]) -> None:
    public = world.convention.verifier("travail", "signing").public
    set_value(data, "member.acoss.signing", VerifierKey("acoss/signing", ED25519, public).vkey())
    with pytest.raises(MalformedConvention, match="also stands under acoss"):
        read(data)


def test_the_name_of_the_enclaves_key_is_reserved(world: World) -> None:
    text = world.convention.text.decode().replace('"auditeur"', '"enclave"').replace('"auditeur/', '"enclave/')
    with pytest.raises(MalformedConvention):
        parse(text.encode())


def test_only_the_hub_operates(world: World, data: dict[str, Any]) -> None:
    public = world.keyrings["hub"].log_signer("x.y/z").verifier.public
    set_value(data, "member.acoss.operator", VerifierKey("acoss/operator", ED25519, public).vkey())
    with pytest.raises(MalformedConvention, match="only the hub has a key 'operator'"):
        read(data)


def test_epochs_do_not_overlap(data: dict[str, Any]) -> None:
    first = data["pseudonyms"]["epoch"][0]
    first["to"] = "2027-12-31"
    second = first | {"number": 2, "from": "2028-01-01", "to": "2028-12-31"}
    data["pseudonyms"]["epoch"].append(second)
    assert read(data).epoch_at(date(2028, 1, 1)).number == 2
    for change in ({"from": "2027-12-31"}, {"number": 1}):
        data["pseudonyms"]["epoch"][1] = second | change
        with pytest.raises(MalformedConvention, match="do not overlap"):
            read(data)


@pytest.mark.parametrize(
    "text, message",
    [
        (b"\xff\n", "UTF-8"), (b"a = 1", "line end"), (b"", "line end"), (b"[convention\n", "not TOML"),
        (b"a = 1\na = 2\n", "not TOML"), (b"# \xe2\x80\xae hidden\n", r"line 1 holds the character U\+202E"),
        (b"ok = 1\n# \xe2\x80\xa8threshold = 1\n", r"line 2 holds the character U\+2028"),
        (b"a =\t1\n", r"U\+0009"), (b"a = 1\r\n", r"U\+000D"), (b"\xef\xbb\xbfa = 1\n", r"U\+FEFF"),
        (b"a = " + b"[" * 5000 + b"\n", "not TOML"), (b"a = " + b"9" * 5000 + b"\n", "not TOML"),
        (b"\n", r"\[convention\] is missing"), (b"convention = 1\n", r"\[convention\] is missing"),
    ],
)  # fmt: skip
def test_what_is_not_such_a_text_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(MalformedConvention, match=message):
        parse(text)


def test_a_message_names_the_line_of_its_section(world: World) -> None:
    text = world.convention.text.decode().replace('owners = ["travail"]', 'owners = "travail"')
    line = 1 + text[: text.index('[[dataset]]\nname = "short_time_work"')].count("\n")
    with pytest.raises(MalformedConvention, match=rf"\[\[dataset\]\] 'short_time_work' \(line {line}\): 'owners'"):
        parse(text.encode())


@given(st.data())
def test_a_convention_with_any_line_changed_is_read_or_refused_by_our_own_error(data: st.DataObject) -> None:
    lines = TEXT.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = data.draw(st.text(max_size=60) | st.sampled_from(lines) | st.just(""))
    try:
        found = parse(("\n".join(lines) + "\n").encode(errors="surrogatepass"))
    except MalformedConvention:
        return
    assert found.digest


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_by_our_own_error(data: bytes) -> None:
    with pytest.raises(MalformedConvention):
        parse(data)


# -- drafting -----------------------------------------------------------------------------------------------------

TEXT = draft([ring.card() for ring in demo_keyrings().values()], demo_terms())


def test_a_draft_says_what_cards_and_terms_say(world: World) -> None:
    found = parse(TEXT.encode())
    assert found.members["acoss"].keys == world.cards["acoss"].keys
    assert found.members["acoss"].sealing == world.cards["acoss"].sealing
    assert found.epochs[0].custodian("acoss").key == world.cards["acoss"].oprf[1]
    assert "# never changes" in TEXT and all(len(line) < 121 or "=" in line for line in TEXT.splitlines())


def test_hub_and_signatories_follow_from_the_cards() -> None:
    terms = demo_terms()
    del terms["convention"]["signatories"]
    found = parse(draft([ring.card() for ring in demo_keyrings().values()], terms).encode())
    assert found.hub == "hub" and found.signatories == SIGNATORIES


def test_what_is_written_is_what_was_given(world: World) -> None:
    data = tomllib.loads(TEXT)
    assert tomllib.loads(write(data)) == data
    assert write(data) == TEXT


@pytest.mark.parametrize(
    "change, message",
    [
        ({"convention.version": 1}, "'version'"),
        ({"convention.id": "another"}, "for the convention 'signaux-faibles-demo', not 'another'"),
        ({"member": [{"name": "dgfip", "population": 1}]}, "no card"),
        ({"member": [{"name": "acoss", "roles": ["partner"]}]}, "'roles' of member acoss"),
        ({"pseudonyms.epoch.1.number": 2}, "no card holds a pseudonym key of acoss for epoch 2"),
        ({"pseudonyms.epoch.1.custodians": ["auditeur", "acoss"]}, "no card holds a pseudonym key of auditeur"),
        ({"enclave.approval": 2}, "unknown key 'approval'"),
        ({"convention": 3}, r"\[convention\] is missing"),
    ],
)
def test_terms_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    terms = demo_terms()
    for path, value in change.items():
        set_value(terms, path, value)
    with pytest.raises((ConfigError, MalformedConvention), match=message):
        draft([ring.card() for ring in demo_keyrings().values()], terms)


def test_two_cards_of_one_member_are_refused() -> None:
    cards = [ring.card() for ring in demo_keyrings().values()]
    with pytest.raises(ConfigError, match="two cards of acoss"):
        draft([*cards, cards[0]], demo_terms())


def test_terms_that_are_not_toml_are_refused() -> None:
    assert read_terms("a = 1\n") == {"a": 1}
    with pytest.raises(MalformedConvention, match="not TOML"):
        read_terms("a = = 1\n")


def test_an_amendment_differs_where_it_was_changed(world: World) -> None:
    text = amend(world.convention, {"enclave.approvals": 3, "dataset.debts.maximum_rejected": 0.02})
    before, after = world.convention.text.decode().splitlines(), text.splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 4  # version, previous, approvals, maximum_rejected
    found = parse(text.encode())
    assert found.version == 2 and found.previous == world.convention.digest
    assert found.datasets["debts"].maximum_rejected == 0.02 and found.enclave.approvals == 3


def test_an_amendment_takes_new_keys_from_a_card_and_keeps_what_was_agreed_of_the_member(world: World) -> None:
    ring = demo_keyrings()["acoss"]
    fresh = type(ring).create("acoss", "ACOSS", ring.roles, world.convention.id, now=datetime(2026, 1, 1, tzinfo=UTC))
    found = parse(amend(world.convention, {}, cards=[fresh.card()]).encode())
    assert found.verifier("acoss", "signing") == fresh.signer().verifier
    assert found.members["acoss"].population == 400
    assert found.epochs == world.convention.epochs  # pseudonym keys are another matter


@pytest.mark.parametrize(
    "path", ["enclave.approvals.x", "dataset.nothing.owners", "nowhere.at", "pseudonyms.epoch.9.to"]
)
def test_a_path_that_leads_nowhere_is_refused(world: World, path: str) -> None:
    with pytest.raises(ConfigError, match="there is no"):
        amend(world.convention, {path: 1})


def test_a_card_stands_in_a_convention_as_on_the_card(world: World) -> None:
    card = parse_card(world.card_path("acoss").read_text())
    table = member_table(card)
    assert {use: table[use] for use in ("signing", "witness")} == {use: key.vkey() for use, key in card.keys.items()}


@pytest.mark.parametrize("language, words", [("fr", "entreprises en alerte"), ("en", "companies under alert")])
def test_words_follow_from_the_values(tmp_path: Path, language: Any, words: str) -> None:
    calm = World.create(tmp_path / "calm").convention
    alert = World.create(tmp_path / "alert", overrides={"grant.acoss-list.rows": "alerted"}).convention
    assert words not in "\n".join(describe(calm, language))
    said = "\n".join(describe(alert, language))
    assert words in said and "acoss-list" in said and alert.digest.hex() in said and "{" not in said
