"""The perimeter from its owner to the partners that filter by it: a real hub, real nodes, cuts, commands."""

import json
from datetime import date
from pathlib import Path

import pytest

from support.canary import Canary
from support.hub import connected, hub_world, make_folder, served
from support.nodes import attending, make_node
from support.perimeter import section
from support.processes import command
from support.scanner import Scanner
from support.town import CANARY, INSIDE, OUTSIDE, PERIOD, Cut, Town, hours, pseudonyms, refusals, run, site, table, town
from support.world import PARTNERS
from vigie import statement as statements
from vigie.audit.export import fetch as fetch_journal
from vigie.audit.verify import verify
from vigie.client_journal import JournalClient
from vigie.clock import utc_now
from vigie.datasets import BUILT_IN
from vigie.errors import (
    ExtractError,
    Missing,
    Refused,
    Unavailable,
    VigieError,
)
from vigie.journal.proof import Receipt, verify_receipt
from vigie.perimeter import Place
from vigie_node.extracts.canonical import check
from vigie_node.outbox import Spool
from vigie_node.perimeter.store import RULE, PerimeterStore, binding, drop_outside
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.sending import Terms

# -- the good story -----------------------------------------------------------------------------------------------


def test_the_owner_shares_and_a_partner_fetches_filters_and_sends(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            shared = await at.acoss.sharer().share(pseudonyms([*INSIDE, CANARY]), PERIOD)
            assert (shared.again, shared.parts_sent, shared.kept.body.companies_class) == (False, 2, 32)
            verify_receipt(Receipt.parse(shared.kept.receipt), shared.kept.statement, at.world.convention.log_key())
            kept, fresh = await at.travail.fetcher().fetch()
            assert fresh and kept.digest == shared.kept.digest and kept.receipt == shared.kept.receipt
            assert len(kept.marks) == 32 * 16
            sirens = [*INSIDE[:20], *OUTSIDE]
            checked = hours(tmp_path, sirens)
            sent = await at.travail.sender().send(checked, Terms(PERIOD, date(2021, 4, 30)), table(sirens))
            quality = sent.lot.body.quality
            assert (quality.parsed, quality.valid, quality.rejected, quality.skipped) == (60, 40, 0, 20)
            assert checked.report.rules == {RULE: 20} and checked.report.companies == 20
            assert sent.lot.body.companies_class == 24
            assert checked.sirens().to_pylist() == INSIDE[:20]

    run(test)


def test_the_same_companies_again_change_nothing_byte_for_byte(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            first = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            size = at.hub.journal.size
            again = await at.acoss.sharer().share(pseudonyms(reversed(INSIDE)), PERIOD)
            assert again.again and again.parts_sent == 0
            assert (again.kept.statement, again.kept.receipt) == (first.kept.statement, first.kept.receipt)
            async with site(at.world, "acoss", at.hub.address, tmp_path / "fresh") as fresh:
                lost = await fresh.sharer().share(pseudonyms(INSIDE), PERIOD)
                assert (lost.again, lost.kept.receipt, lost.kept.marks) == (
                    True, first.kept.receipt, first.kept.marks,
                )  # fmt: skip
            # Whatever came after, the statement itself has one receipt for ever.
            shares = ids_of(at, first.kept.statement)
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            begun = await at.acoss.hub.begin(first.kept.statement, shares)
            assert (begun.receipt, begun.statement, begun.missing) == (first.kept.receipt, first.kept.statement, ())
            assert await at.acoss.hub.commit(first.kept.body.perimeter) == first.kept.receipt
            assert at.hub.journal.size == size + 1

    run(test)


def test_a_later_perimeter_takes_the_place_and_the_parts_before_are_gone(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            first = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            before, _ = await at.travail.fetcher().fetch()
            held = [path for path in (tmp_path / "hub" / "perimeters").rglob("*") if path.is_file()]
            second = await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            assert second.kept.body.supersedes == first.kept.body.perimeter
            after, fresh = await at.travail.fetcher().fetch()
            assert fresh and after.body.period == "2021-05"
            assert before.marks[:16] not in after.marks, "marks of two perimeters have nothing in common"
            assert len(held) == 1 and not held[0].exists()
            assert (await at.travail.fetcher().fetch())[1] is False
            with pytest.raises(Missing):
                await at.travail.hub.fetch(first.kept.digest, most=9)
            sirens = INSIDE[:2]
            checked = hours(tmp_path, sirens)
            await at.travail.sender().send(checked, Terms("2021-05", date(2021, 5, 31)), table(sirens))
            assert checked.sirens().to_pylist() == [INSIDE[1]]
            # Back to the first companies, in the same month: a new perimeter, not an old receipt.
            third = await at.acoss.sharer().share(pseudonyms(INSIDE), "2021-05")
            assert not third.again and third.kept.body.supersedes == second.kept.body.perimeter

    run(test)


@pytest.mark.parametrize("lose_spool", [False, True])
def test_a_cut_goes_on_where_it_was_and_gives_one_perimeter(tmp_path: Path, lose_spool: bool) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "acoss") as channel:
            with pytest.raises(Unavailable):
                await at.acoss.sharer(Cut(channel)).share(pseudonyms(INSIDE), PERIOD)
            with pytest.raises(Missing):
                await at.travail.fetcher().fetch()
            if lose_spool:
                (only,) = (tmp_path / "acoss" / "perimeters").iterdir()
                Spool(tmp_path / "acoss" / "perimeters").forget(bytes.fromhex(only.name))
            shared = await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert shared.parts_sent == (2 if lose_spool else 1)
            assert list((tmp_path / "acoss" / "perimeters").iterdir()) == []
            for member in (at.travail, at.bank):
                assert (await member.fetcher().fetch())[0].digest == shared.kept.digest
            assert len(at.hub.journal.find("perimeter")) == 1
            assert len([path for path in (tmp_path / "hub" / "perimeters").rglob("*") if path.is_file()]) == 1

    run(test)


def test_a_hub_that_was_stopped_in_between_goes_on(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path, perimeter=section())
        config = make_folder(tmp_path / "hub", world)
        async with (
            served(config, world) as hub,
            site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
            connected(hub.address, world, "acoss") as channel,
        ):
            with pytest.raises(Unavailable):
                await acoss.sharer(Cut(channel)).share(pseudonyms(INSIDE), PERIOD)
        (tmp_path / "hub" / "perimeters" / "acoss" / "left-over").write_bytes(b"x")
        async with (
            served(config, world) as hub,
            site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
            site(world, "travail", hub.address, tmp_path / "travail") as travail,
        ):
            shared = await acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            assert shared.parts_sent == 1
            assert (await travail.fetcher().fetch())[0].digest == shared.kept.digest
            assert not (tmp_path / "hub" / "perimeters" / "acoss" / "left-over").exists()
        async with (
            served(config, world) as hub,
            site(world, "travail", hub.address, tmp_path / "other") as travail,
        ):
            assert (await travail.fetcher().fetch())[0].receipt == shared.kept.receipt

    run(test)


def test_the_whole_is_in_the_journal_and_an_audit_finds_no_fault(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at, connected(at.hub.address, at.world, "auditeur") as channel:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await at.acoss.sharer().share(pseudonyms(INSIDE[1:]), "2021-05")
            with pytest.raises(Refused):
                await at.travail.hub.begin(at.acoss.store.find(1).statement, {})  # type: ignore[union-attr]
            export = await fetch_journal(JournalClient(channel), at.world.convention.log_key())
            report = verify(export, at.world.convention_raw)
            assert report.ok, [check for check in report.checks if check.failures]
            assert report.check("perimeters").count == 2 and report.check("receipts").count == 2
            told = [event.sentence for event in report.events if event.kind == "perimeter"]
            assert (
                told[0]
                == f"acoss shared the perimeter for {PERIOD} with banque-de-france, travail: at most 32 companies"
            )
            assert ("travail", "owner") in refusals(at.hub)

    run(test)


# -- sending without a perimeter, and around it -------------------------------------------------------------------


def test_without_a_perimeter_nothing_is_sent_by_whom_it_binds(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path, shared_with=["travail"]) as at:
            checked = hours(tmp_path, INSIDE)
            terms = Terms(PERIOD, date(2021, 4, 30))
            with pytest.raises(Refused, match="perimeter of acoss for epoch 1") as refused:
                await at.travail.sender().send(checked, terms, table(INSIDE))
            assert "perimeter fetch" in refused.value.hint
            with pytest.raises(Refused, match="perimeter"):
                at.travail.sender().admit(checked)
            assert await at.travail.calls.lots() == []
            debts = tmp_path / "debts.csv"
            debts.write_text(
                "siren,month,employee_share,employer_share\n100000000,2021-01-01,1,2\n200000000,2021-01-01,1,2\n"
            )
            own = check(debts, BUILT_IN["debts"])
            with pytest.raises(Refused) as refused:
                await at.acoss.sender().send(own, terms, table([INSIDE[0], OUTSIDE[0]]))
            assert "perimeter share" in refused.value.hint
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            sent = await at.acoss.sender().send(own, terms, table([INSIDE[0], OUTSIDE[0]]))
            assert (sent.lot.body.quality.valid, sent.lot.body.quality.skipped) == (1, 1)
            # The convention does not name the bank: it sends as it always did.
            assert binding(at.world.convention, "banque-de-france", utc_now().date(), at.bank.store) is None
            with pytest.raises(Refused, match="perimeter"):
                await at.bank.fetcher().fetch()

    run(test)


def test_an_extract_of_other_companies_alone_is_not_sent(tmp_path: Path) -> None:
    async def test() -> None:
        async with town(tmp_path) as at:
            await at.acoss.sharer().share(pseudonyms(INSIDE), PERIOD)
            await at.travail.fetcher().fetch()
            checked = hours(tmp_path, OUTSIDE)
            with pytest.raises(ExtractError, match="every company is outside the perimeter"):
                await at.travail.sender().send(checked, Terms(PERIOD, date(2021, 4, 30)), table(OUTSIDE))
            assert await at.travail.calls.lots() == []
            kept = at.travail.store.find(1)
            assert kept is not None
            assert drop_outside(hours(tmp_path, INSIDE), kept, table(INSIDE)) == 0
            with pytest.raises(VigieError, match="has no pseudonym"):
                drop_outside(hours(tmp_path, INSIDE), kept, table(INSIDE[1:]))

    run(test)


def ids_of(at: Town, raw: bytes) -> dict[str, list[bytes]]:
    """The part ids of a perimeter, as the hub's database has them."""
    rows = at.hub.store.reader.execute(
        "SELECT recipient, p.id FROM perimeter_part p JOIN perimeter m ON m.id = p.perimeter WHERE m.digest = ? "
        "ORDER BY recipient, part",
        (statements.parse(raw).digest,),
    ).fetchall()
    found: dict[str, list[bytes]] = {}
    for name, id_ in rows:
        found.setdefault(name, []).append(id_)
    return found


# -- the commands -------------------------------------------------------------------------------------------------


def test_the_commands_from_a_file_to_a_filtered_lot_and_a_canary_stays_unknown(tmp_path: Path) -> None:
    """Real pseudonyms, real processes. What the partner's node holds never names a company that it did not have."""

    async def test() -> None:
        world = hub_world(tmp_path, perimeter=section())
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folders = {name: make_node(world, name, tmp_path / name, hub.address) for name in PARTNERS}
            acoss, travail = folders["acoss"].root, folders["travail"].root
            listed = tmp_path / "filter_siren_2104.csv"
            listed.write_text("siren\n" + "\n".join([*INSIDE[:5], CANARY]) + "\n")
            hours(tmp_path, [*INSIDE[:3], *OUTSIDE[:2]])
            extract = tmp_path / "short_time_work.csv"
            send = (
                "vigie-node", "send", extract, "--folder", travail, "--period", PERIOD, "--delivery", "snapshot", "--json",
            )  # fmt: skip
            async with (
                attending(folders["acoss"], hub),
                attending(folders["banque-de-france"], hub),
                attending(folders["travail"], hub),
            ):
                before = await command(*send)
                assert (before.code, "perimeter fetch" in before.err) == (5, True), before.err
                nothing = await command("vigie-node", "perimeter", "show", "--folder", travail, passphrase=None)
                assert (nothing.code, "hint:" in nothing.err) == (6, True)
                shared = await command(
                    "vigie-node", "perimeter", "share", listed, "--folder", acoss, "--period", PERIOD
                )
                assert shared.code == 0, shared.err
                assert "6 companies: shared; the receipt is kept" in shared.err + shared.out
                again = await command(
                    "vigie-node", "perimeter", "share", listed, "--folder", acoss, "--period", PERIOD, "--json"
                )
                assert again.json()["again"] is True and again.json()["companies_class"] == 6
                fetched = await command("vigie-node", "perimeter", "fetch", "--folder", travail, "--json")
                assert fetched.code == 0, fetched.err
                assert fetched.json()["new"] is True and fetched.json()["receipt"] == again.json()["receipt"]
                sent = await command(*send)
                assert sent.code == 0, sent.err
            (said,) = sent.json()
            assert said["quality"]["rules"] == {RULE: 4} and said["quality"]["lines_valid"] == 6
            report = json.loads(next((travail / "reports").iterdir()).read_text())
            assert report[0]["lines_skipped"] == 4 and report[0]["rules"] == {RULE: 4}
            shown = (
                await command("vigie-node", "perimeter", "show", "--folder", travail, "--json", passphrase=None)
            ).json()
            assert (shown["inside"], shown["outside"], shown["period"], shown["owner"]) == (3, 2, PERIOD, "acoss")
            own = (
                await command("vigie-node", "perimeter", "show", "--folder", acoss, "--json", passphrase=None)
            ).json()
            assert (own["inside"], own["outside"]) == (6, 0)
            words = await command("vigie-node", "perimeter", "show", "--folder", travail, passphrase=None)
            assert "3 inside, 2 outside" in words.out + words.err
        scanner = Scanner([Canary(siren=CANARY)])
        assert scanner.scan_tree(travail) == [] == scanner.scan_tree(tmp_path / "hub")
        assert scanner.scan_files([listed]), "the scanner finds it where it is"
        with PseudonymCache(acoss / "pseudonyms.sqlite") as cache:
            known = dict(zip(*(column.to_pylist() for column in cache.table(1).columns), strict=True))
        with PseudonymCache(travail / "pseudonyms.sqlite") as cache:
            assert cache.table(1)["siren"].to_pylist() == sorted([*INSIDE[:3], *OUTSIDE[:2]])
        with PerimeterStore(travail / "perimeter.sqlite", utc_now) as store:
            kept = store.find(1)
        assert kept is not None
        (mark,) = Place(world.convention.id, kept.body.perimeter, 1, PERIOD, "travail").marks([known[CANARY]])
        assert mark in kept.marks and known[INSIDE[0]] != mark
        held = b"".join(path.read_bytes() for path in sorted(travail.rglob("*")) if path.is_file())
        assert known[INSIDE[0]] in held, "its own companies it knows by their pseudonyms"
        assert known[CANARY] not in held, "of others it has not even the pseudonym"

    run(test)
