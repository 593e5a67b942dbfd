"""An exchange of files as partners deliver them, by the demonstration's own steps: what an agent reads at the end."""

import json
import re
from collections.abc import Iterator, Sequence

import pytest

from support.exchange import PERIOD, Exchange, make_enclave
from vigie.datasets.departments import DEPARTMENTS
from vigie.demo.story import HUB, KEEPER, OWNER
from vigie.synth.extracts import write_extracts

pytestmark = pytest.mark.timeout(900)

COMPANIES = 3000
MONTHS = 60
"""Of 400 companies over as long, too few fail for the model to be measured at all."""
ASKED = 40
"""Companies whose reasons are asked for, alert or not."""

RANGE = re.compile(r"\(habituel dans le secteur : -?[\d,\u202f]+ à -?[\d,\u202f]+")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    base = tmp_path_factory.getbasetemp()
    enclave = make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
    place = tmp_path_factory.mktemp("delivered")
    write_extracts(place / "data", companies=COMPANIES, months=MONTHS, seed=3, last_month=PERIOD)
    made = Exchange.make(place / "exchange", place / "data", enclave)
    made.population = COMPANIES
    try:
        made.begin()
        made.perimeter(PERIOD)
        made.send_all()
        ask(made, OWNER, inside(made)[:ASKED])
        made.consolidate(PERIOD)
        made.results(OWNER)
        yield made
    finally:
        made.stop()


def inside(exchange: Exchange) -> list[str]:
    """The companies of the perimeter, as its owner's file names them."""
    (perimeter,) = (exchange.folder / "perimeter").glob("*.csv")
    return perimeter.read_text(encoding="utf-8").splitlines()[1:]


def ask(exchange: Exchange, partner: str, companies: Sequence[str]) -> None:
    """Ask for the reasons of some companies, as docs/roles/partner.md says."""
    file = exchange.folder / "asked" / "explanation_requests.csv"
    file.parent.mkdir()
    file.write_text("siren,month\n" + "".join(f"{siren},{PERIOD}-01\n" for siren in companies), encoding="utf-8")
    node = ["--folder", str(exchange.node(partner)), "--period", PERIOD, "--delivery", "snapshot"]
    exchange.run(["vigie-node", "send", *node, str(file)], partner)


def test_reasons_stand_beside_what_is_usual_in_the_sector(exchange: Exchange) -> None:
    said = exchange.show(OWNER, 10).splitlines()
    reasons = [line for line in said if line.startswith("  Motif ")]
    assert len(reasons) > 10
    assert [line for line in reasons if RANGE.search(line)], reasons


def test_the_register_came_from_one_partner_and_only_the_perimeter_is_in(exchange: Exchange) -> None:
    assert "legal_units" in exchange.receipts(KEEPER) and "legal_units" not in exchange.receipts(OWNER)
    listed = exchange.result(OWNER).num_rows
    assert 0 < listed <= len(inside(exchange)) < COMPANIES


def test_the_partner_that_asked_reads_why_a_company_has_no_alert(exchange: Exchange) -> None:
    lists = {name: {row["siren"]: row for row in exchange.result(name).to_pylist()} for name in (OWNER, KEEPER)}
    quiet = {siren for siren, row in lists[OWNER].items() if row["level"] == "Pas d'alerte"}
    asked = quiet & set(inside(exchange)[:ASKED])
    assert asked and quiet - asked
    explained = {
        name: {siren for siren in quiet & set(rows) if rows[siren]["topic_dettes_sociales"] is not None}
        for name, rows in lists.items()
    }
    assert explained == {OWNER: asked, KEEPER: set()}
    assert any(lists[OWNER][siren]["reason_1"] for siren in asked)


def test_one_company_is_shown_in_english_too(exchange: Exchange) -> None:
    company = next(line.split()[0] for line in exchange.show(OWNER, 1).splitlines())
    folder = ["--folder", str(exchange.node(OWNER)), "--company", company, "--language", "en"]
    assert "usual in the sector" in exchange.run(["vigie-node", "results", "show", *folder])


def test_the_model_is_measured_by_sector_and_by_departement(exchange: Exchange) -> None:
    told = exchange.run(["vigie-hub", "model", "evaluate", "--folder", str(exchange.hub), "--json"], HUB)
    (run,) = json.loads(told)
    metrics = run["metrics"]
    assert not metrics["left_out"]
    sectors, departements = (metrics["out_of_sample"][name] for name in ("sectors", "departements"))
    assert all(re.fullmatch(r"\d\d", name) for name in sectors) and set(departements) <= set(DEPARTMENTS)
    for cells in (sectors, departements):
        some = [cell for cell in cells.values() if cell is not None]
        # Small cells are withheld, never one alone: it would follow from the rest. Counts are rounded to five.
        assert some and len(cells) - len(some) > 1
        assert all(cell["companies"] >= 5 and cell["companies"] % 5 == 0 for cell in some)
        assert any(cell["base_rate"] > 0 for cell in some)
