"""Filling the cache with the help of two other custodians: real desks, caches and worker processes, no hub between."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.custodians import NOW, PARTNERS, Site, Sites
from vigie import bodies, statement
from vigie.bodies import Evaluation, Reason, Refusal
from vigie.errors import BadProof, BadSignature, Missing, Refused, StateError, Unavailable, Untrusted
from vigie.pseudonym import combine
from vigie_node.pseudonyms.cache import siren_numbers
from vigie_node.pseudonyms.pseudonymise import Pseudonymised, pseudonymise

IDS = [f"{number:09d}" for number in (0, 7, 552100554, 999999999, 123456789, 552100555, 42, 43, 44, 45)]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    made = Sites(tmp_path_factory.mktemp("sites"))
    yield made
    made.close()


def arguments(sites: Sites, site: Site, **change: Any) -> dict[str, Any]:
    return {
        "epoch": 1, "convention": sites.convention, "member": site.name, "cache": site.cache, "workers": site.workers,
        "ask": sites.ask, "signer": site.ring.signer(), "now": lambda: NOW, "batch": 4,
    } | change  # fmt: skip


def fresh(sites: Sites, folder: Path) -> Site:
    """The same member with an empty cache of its own."""
    return Site(folder, "acoss", sites.rings, sites.convention, sites["acoss"].workers)


def run(sites: Sites, site: Site, ids: list[str], **change: Any) -> Pseudonymised:
    return asyncio.run(pseudonymise(ids, **arguments(sites, site, **change)))


def expected(sites: Sites, siren: str) -> bytes:
    return combine(1, [sites.rings[name].custodian(1).evaluate([siren])[0] for name in PARTNERS])


def test_every_partner_gets_the_pseudonym_that_all_custodians_make(sites: Sites) -> None:
    seen: list[tuple[int, int]] = []
    assert run(sites, sites["acoss"], IDS, progress=lambda done, total: seen.append((done, total))) == Pseudonymised(
        0, 10
    )
    assert seen[0] == (0, 30)
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert run(sites, sites["travail"], IDS[2:4]) == Pseudonymised(0, 2)
    table = sites["acoss"].cache.table(1)
    made = dict(zip(table["siren"].to_pylist(), table["pseudonym"].to_pylist(), strict=True))
    assert made == {siren: expected(sites, siren) for siren in IDS}
    other = sites["travail"].cache.table(1)
    assert other.to_pylist() == [{"siren": one, "pseudonym": made[one]} for one in sorted(IDS[2:4])]


def test_only_new_companies_are_asked_for_and_repetitions_do_not_count(sites: Sites) -> None:
    site = sites["banque-de-france"]
    run(sites, site, IDS[:3])
    sites.asked.clear()
    assert run(sites, site, [*IDS[:3], *IDS[:3]]) == Pseudonymised(3, 0)
    assert sites.asked == []
    assert run(sites, site, [*IDS[:3], IDS[4], IDS[4]]) == Pseudonymised(3, 1)
    assert sorted(sites.asked) == ["acoss", "travail"]


def test_a_run_that_was_cut_off_goes_on_after_the_last_durable_batch(sites: Sites, tmp_path: Path) -> None:
    site = fresh(sites, tmp_path)
    charged = {name: sites[name].desk.charged("acoss", 1) for name in ("banque-de-france", "travail")}
    answered: list[str] = []

    async def dying(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        if answered.count(custodian) == 1:
            raise StateError("the node is killed here")
        answered.append(custodian)
        return await sites.ask(custodian, data, elements)

    with pytest.raises(StateError, match="killed here"):
        run(sites, site, IDS, ask=dying, batch=3)
    site.close()
    again = fresh(sites, tmp_path)
    sites.asked.clear()
    assert run(sites, again, IDS, batch=3) == Pseudonymised(0, 10)
    # Four batches of at most three to each; one of each custodian was durable and is not asked again.
    kept = {name: answered.count(name) for name in charged}
    assert {name: sites.asked.count(name) for name in charged} == {name: 4 - kept[name] for name in charged}
    for name, before in charged.items():
        assert sites[name].desk.charged("acoss", 1) == before + 10
    assert {row["siren"]: row["pseudonym"] for row in again.cache.table(1).to_pylist()} == {
        siren: expected(sites, siren) for siren in IDS
    }
    again.close()


def test_a_custodian_that_is_away_for_a_while_is_asked_the_same_again(sites: Sites, tmp_path: Path) -> None:
    site, sent, waited = fresh(sites, tmp_path), [], []
    before = sites["travail"].desk.charged("acoss", 1)

    async def flaky(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        answer = await sites.ask(custodian, data, elements)
        if custodian == "travail":
            sent.append(data)
            if len(sent) < 3:
                raise Unavailable("the answer was lost on its way")
        return answer

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    assert run(sites, site, IDS[:2], ask=flaky, pause=pause) == Pseudonymised(0, 2)
    assert len(set(sent)) == 1
    assert waited == [0.5, 1.0]
    assert sites["travail"].desk.charged("acoss", 1) == before + 2
    site.close()


def test_a_custodian_that_stays_away_is_named_and_nothing_is_lost(sites: Sites, tmp_path: Path) -> None:
    site = fresh(sites, tmp_path)

    async def away(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        if custodian == "travail":
            raise Unavailable("not attending")
        return await sites.ask(custodian, data, elements)

    async def pause(seconds: float) -> None:
        """Time passes."""

    with pytest.raises(Unavailable, match="travail cannot be reached"):
        run(sites, site, IDS[:2], ask=away, pause=pause)
    assert site.cache.count(1) == 0
    sites.asked.clear()
    assert run(sites, site, IDS[:2]) == Pseudonymised(0, 2)
    assert sites.asked == ["travail"]
    site.close()


def test_a_refusal_is_raised_with_its_reason(sites: Sites, tmp_path: Path) -> None:
    site = fresh(sites, tmp_path)
    sites["travail"].now = NOW.replace(year=2028)
    try:
        with pytest.raises(Refused) as caught:
            run(sites, site, IDS[:2])
    finally:
        sites["travail"].now = NOW
    assert caught.value.claim == "epoch"
    assert "2028" in caught.value.expected
    assert "travail" in caught.value.hint
    site.close()


def resigned(sites: Sites, data: bytes, signer: str, **change: Any) -> bytes:
    body = replace(bodies.read(statement.parse(data), Evaluation), **change)
    return statement.sign_text(bodies.text_for(body), [sites.rings[signer].signer()]).raw


LIES: dict[str, tuple[type[Exception], Callable[[Sites, bytes, bytes, bytes], tuple[bytes, bytes]]]] = {
    "signed by another": (BadSignature, lambda s, q, a, o: (resigned(s, a, "banque-de-france"), o)),
    "not signed again": (BadSignature, lambda s, q, a, o: (q, o)),
    "another count": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", count=1), o)),
    "another epoch": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", epoch=2), o)),
    "other elements": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", elements=bytes(32)), o)),
    "another request": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", request=bytes(32)), o)),
    "a total too small": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", total=1), o)),
    "no total": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", total=None), o)),
    "still a request": (Untrusted, lambda s, q, a, o: (resigned(s, a, "travail", stage="requested"), o)),
    "an altered output": (BadProof, lambda s, q, a, o: (a, o[:-1] + bytes([o[-1] ^ 1]))),
    "a short output": (BadProof, lambda s, q, a, o: (a, o[:-32])),
    "no output": (BadProof, lambda s, q, a, o: (a, b"")),
}  # fmt: skip


@pytest.mark.parametrize("lie", sorted(LIES))
def test_an_answer_that_proves_nothing_stops_the_run(sites: Sites, tmp_path: Path, lie: str) -> None:
    error, alter = LIES[lie]
    site = fresh(sites, tmp_path)

    async def lying(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        answer, output = await sites.ask(custodian, data, elements)
        return alter(sites, data, answer, output) if custodian == "travail" else (answer, output)

    with pytest.raises(error):
        run(sites, site, IDS[:2], ask=lying)
    assert site.cache.count(1) == 0
    assert len(site.cache.unanswered(1, "travail", siren_numbers(IDS[:2]))) == 2
    site.close()


@pytest.mark.parametrize(
    "by,subject,signer,error",
    [
        ("travail", None, "travail", Refused),
        ("travail", bytes(32), "travail", Untrusted),
        ("acoss", None, "travail", Untrusted),
        ("travail", None, "acoss", BadSignature),
    ],
)
def test_a_refusal_counts_only_from_the_custodian_and_about_this_batch(
    sites: Sites, tmp_path: Path, by: str, subject: bytes | None, signer: str, error: type[Exception]
) -> None:
    site = fresh(sites, tmp_path)

    async def refusing(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        if custodian != "travail":
            return await sites.ask(custodian, data, elements)
        about = statement.parse(data).digest if subject is None else subject
        reason = Reason("budget", "less", "more")
        refusal = Refusal(sites.convention.digest, by, "acoss", about, reason, 1, "2026-03-20T09:30:00Z")
        return statement.sign_text(bodies.text_for(refusal), [sites.rings[signer].signer()]).raw, b""

    with pytest.raises(error):
        run(sites, site, IDS[:2], ask=refusing)
    site.close()


@pytest.mark.parametrize("place", [0, 2])
def test_a_custodian_whose_key_is_not_the_one_in_the_convention_never_gives_a_pseudonym(
    sites: Sites, tmp_path: Path, place: int
) -> None:
    site = fresh(sites, tmp_path)
    epoch = sites.convention.epochs[0]
    custodians = list(epoch.custodians)
    custodians[place] = replace(custodians[place], key=sites.rings["acoss"].custodian(2).public)
    convention = replace(sites.convention, epochs=(replace(epoch, custodians=tuple(custodians)),))
    with pytest.raises(BadProof):  # 0 is this node's own key, 2 another custodian's
        run(sites, site, IDS[:2], convention=convention)
    assert site.cache.count(1) == 0
    site.close()


def test_keys_that_change_within_an_epoch_are_refused_before_anything_is_asked(sites: Sites) -> None:
    epoch = sites.convention.epochs[0]
    run(sites, sites["acoss"], IDS[:1])
    changed = replace(sites.convention, epochs=(replace(epoch, custodians=epoch.custodians[::-1]),))
    sites.asked.clear()
    with pytest.raises(StateError, match="keys changed"):
        run(sites, sites["acoss"], IDS[:1], convention=changed)
    with pytest.raises(Missing):
        run(sites, sites["acoss"], IDS[:1], epoch=9)
    assert sites.asked == []


def test_workers_that_die_are_started_again_and_the_batch_is_blinded_anew(sites: Sites, tmp_path: Path) -> None:
    site = Site(tmp_path, "acoss", sites.rings, sites.convention)
    killed: list[str] = []

    async def killing(custodian: str, data: bytes, elements: bytes, /) -> tuple[bytes, bytes]:
        answer = await sites.ask(custodian, data, elements)
        if custodian not in killed:
            killed.append(custodian)
            process = site.workers.asking(custodian)._process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait, 30)
        return answer

    sites.asked.clear()
    assert run(sites, site, IDS[:3], ask=killing) == Pseudonymised(0, 3)
    assert sorted(killed) == ["banque-de-france", "travail"]
    assert len(sites.asked) == 4
    assert {row["siren"]: row["pseudonym"] for row in site.cache.table(1).to_pylist()} == {
        siren: expected(sites, siren) for siren in IDS[:3]
    }
    site.close()


def test_workers_end_with_the_node_and_write_nothing_when_a_proof_fails(
    sites: Sites, capfd: pytest.CaptureFixture[str]
) -> None:
    async def act() -> int:
        worker = sites["travail"].workers.asking("nobody")
        batch = await worker.blind(IDS[:2])
        output = await sites["acoss"].workers.blind_evaluate(1, batch.elements)
        with pytest.raises(BadProof):
            await worker.finalize(batch, output, sites.rings["travail"].custodian(1).public)
        with pytest.raises(Missing):
            await worker.finalize(batch, output, sites.rings["acoss"].custodian(1).public)
        with pytest.raises(ValueError, match="nine digits"):
            await worker.blind(["x"])
        with pytest.raises(Missing, match="not a custodian"):
            await worker.evaluate(1, IDS[:1])
        process = worker._process
        assert process is not None
        worker.close()
        return process.wait(30)

    assert asyncio.run(act()) == 0
    assert capfd.readouterr().err == ""


def test_a_batch_size_out_of_bounds_and_a_bad_siren_are_mistakes_of_the_caller(sites: Sites) -> None:
    for batch in (0, 4097):
        with pytest.raises(ValueError, match="1 to 4096"):
            run(sites, sites["acoss"], IDS, batch=batch)
    with pytest.raises(ValueError, match="nine digits"):
        run(sites, sites["acoss"], ["12345678"])
