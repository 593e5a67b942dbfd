"""Real panels of companies, cut among three partners: scores equal those of one process on the whole table, bit for bit.

The reference is plain LightGBM on the table in the file's order of columns (tests/support/panels.py). Nothing of it
is the product's. All sets, folds and cases: ``scripts/bench scoring --panels``.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from support.exchange import make_enclave
from support.panel_exchange import OUTCOME_OWNER, PERIOD, PanelExchange, compared, dataset_of
from support.panels import LABELS, Panel, auc, aucpr, brier
from vigie.demo.programs import CommandFailed

pytestmark = pytest.mark.timeout(1800)

Make = Callable[[Panel, list[int]], PanelExchange]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    base = tmp_path_factory.getbasetemp()
    enclave = make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
    running: list[PanelExchange] = []

    def told(panel: Panel, folds: list[int]) -> PanelExchange:
        exchange = PanelExchange.of(panel, folds, tmp_path_factory.mktemp(panel.name) / "exchange", enclave)
        running.append(exchange)
        exchange.begin()
        exchange.deliver()
        return exchange

    yield told
    for exchange in running:
        exchange.stop()


def scored(exchange: PanelExchange, partners: list[str]) -> None:
    for fold in exchange.folds:
        exchange.score(fold)
    exchange.fetch(partners)


def test_every_fold_of_a_panel_has_the_bits_of_one_process(make: Make) -> None:
    panel = Panel.read("polish_1year")
    exchange = make(panel, list(range(panel.folds)))
    scored(exchange, [OUTCOME_OWNER])
    exchange.stop()
    whole = np.full(len(panel.sirens), np.nan)
    for fold in exchange.folds:
        found, reference, _ = compared(exchange, fold, [OUTCOME_OWNER])
        assert found.tobytes() == reference.tobytes()
        whole[panel.fold == fold] = found
    rows = [panel.fold == fold for fold in exchange.folds]
    # Published figures have four decimals; half of the last one is theirs.
    assert np.mean([auc(panel.outcome[one], whole[one]) for one in rows]) >= panel.published.auc - 0.00005
    assert np.mean([aucpr(panel.outcome[one], whole[one]) for one in rows]) >= panel.published.aucpr - 0.00005
    assert brier(panel.outcome, whole) <= panel.published.brier + 0.00005


def test_gaps_stay_gaps_where_partners_do_not_know_each_others_companies(make: Make) -> None:
    panel = Panel.read("taiwan").withheld(0.2, seed=5)
    exchange = make(panel, [0])
    scored(exchange, list(LABELS))
    found, reference, known = compared(exchange, 0, list(LABELS))
    assert 0.9 < known.mean() < 1
    assert found[known].tobytes() == reference[known].tobytes()
    # The outcome's owner has said when each company is to be scored, and no more of those that nobody else knows.
    assert np.isnan(found[~known]).all()


@pytest.fixture(scope="module")
def taiwan(make: Make) -> PanelExchange:
    """95 columns with names that no convention allows, values up to 1e10; nothing is scored yet."""
    return make(Panel.read("taiwan"), [0])


def test_other_orders_and_another_kind_of_file_are_the_same_lot(taiwan: PanelExchange) -> None:
    """A lot's id is of its content: what would change a score would be another lot."""
    random = np.random.default_rng(8)
    for partner in LABELS:
        before = taiwan.lots(partner)
        table = taiwan.renamed(partner, taiwan.table(partner))
        table = table.take(pa.array(random.permutation(table.num_rows)))
        table = table.select(random.permutation(table.column_names).tolist())
        folder = taiwan.folder / "again" / partner
        folder.mkdir(parents=True)
        path = folder / f"{dataset_of(partner)}.csv"
        pa_csv.write_csv(table, path)
        taiwan.run(
            [
                "vigie-node", "send", "--folder", str(taiwan.node(partner)), "--period", PERIOD, "--delivery",
                "snapshot", str(path),
            ],
            partner,
        )  # fmt: skip
        assert taiwan.lots(partner) == before


def test_single_precision_is_refused_and_nothing_is_sent(taiwan: PanelExchange) -> None:
    before = taiwan.lots("acoss")
    table = taiwan.renamed("acoss", taiwan.table("acoss"))
    narrow = pa.schema([pa.field(one.name, _narrowed(one.type)) for one in table.schema])
    folder = taiwan.folder / "narrow"
    folder.mkdir()
    path = folder / f"{dataset_of('acoss')}.parquet"
    pq.write_table(table.cast(narrow, safe=False), path)
    for verb in ("check", "send"):
        argv = ["vigie-node", verb, "--folder", str(taiwan.node("acoss")), "--period", PERIOD, str(path)]
        with pytest.raises(CommandFailed, match="single-precision numbers are not accepted"):
            taiwan.run([*argv, *(["--delivery", "snapshot"] if verb == "send" else [])], "acoss")
    assert taiwan.lots("acoss") == before


def test_what_is_not_a_number_is_refused_rather_than_made_a_gap(taiwan: PanelExchange) -> None:
    before = taiwan.lots("travail")
    table = taiwan.renamed("travail", taiwan.table("travail"))
    place = table.schema.get_field_index(table.column_names[-1])
    spoilt = pc.if_else(pa.array(np.arange(table.num_rows) == 3), float("nan"), table.column(place))
    folder = taiwan.folder / "spoilt"
    folder.mkdir()
    path = folder / f"{dataset_of('travail')}.parquet"
    pq.write_table(table.set_column(place, table.column_names[-1], spoilt), path)
    with pytest.raises(CommandFailed):
        taiwan.run(
            [
                "vigie-node", "send", "--folder", str(taiwan.node("travail")), "--period", PERIOD, "--delivery",
                "snapshot", str(path),
            ],
            "travail",
        )  # fmt: skip
    assert taiwan.lots("travail") == before


def test_after_all_that_the_scores_are_those_of_one_process(taiwan: PanelExchange) -> None:
    scored(taiwan, [OUTCOME_OWNER])
    found, reference, known = compared(taiwan, 0, [OUTCOME_OWNER])
    assert known.all()
    assert found.tobytes() == reference.tobytes()


def _narrowed(kind: pa.DataType) -> pa.DataType:
    return pa.float32() if pa.types.is_float64(kind) else kind
