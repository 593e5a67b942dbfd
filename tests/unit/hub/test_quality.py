"""The report on a model: the order of its figures, both languages, and a page that needs nothing from elsewhere."""

import re
from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest

from support.histories import FEATURES, Town
from vigie.convention import Disclosure
from vigie.errors import InputError, Missing
from vigie_hub.cli.model import choose
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.model import train_and_score
from vigie_hub.quality import Judged, figures, page

CARD = {
    "calibrated": True, "freshness": {"debts": {"partner": "acoss", "period": "2021-04", "as_of": "2021-04-30"}},
}  # fmt: skip


@cache
def judged(months: int = 60, run: str = "ab" * 32, order: str = "cd" * 32) -> Judged:
    panel = Town.made(months=months).panel()
    catalogue: Any = SimpleNamespace(names=FEATURES)
    metrics = published(train_and_score(panel, catalogue), panel, FEATURES, Disclosure(3, 0.85, 5))
    return Judged(run, order, "2021-04", "early-<warning>", "ef" * 32, {**CARD, "calibrated": months == 60}, metrics)


class Reader(HTMLParser):
    """Checks that every element is closed, and keeps what there is."""

    void = frozenset({"meta", "rect", "line", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("months", [60, 24])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(language: str, months: int) -> None:
    reader = read(page(judged(months), language))
    assert "script" not in reader.seen
    assert not {name for name, _ in reader.attributes} & {"src", "href", "onload", "onclick"}
    assert not any("//" in (value or "") or "url(" in (value or "") for _, value in reader.attributes)
    assert "early-<warning>" in "".join(reader.text)
    assert reader.seen.count("svg") == (5 if months == 60 else 2)
    assert ("lang", language) in reader.attributes


def test_two_runs_stand_beside_each_other() -> None:
    alone, both = page(judged(), "fr"), page(judged(), "fr", judged(60, "12" * 32))
    assert "1212121212121212" in both
    assert "1212121212121212" not in alone
    assert len(re.findall("<td>abab", both)) == 1


def test_figures_come_in_the_order_that_users_live_by() -> None:
    labels = [label for label, _ in figures(judged(), "fr")]
    wanted = [
        "Liste rouge (seuil F1)", "Listes rouge et orange (seuils F1 et F2)", "Premier 1 %", "Premiers 5 %",
        "Précision moyenne (AUCPR)", "Avance : défaillances vues", "Score de Brier", "Stabilité de la liste d'un mois à l'autre",
        "Aire sous la courbe ROC",
    ]  # fmt: skip
    assert [label for label in labels if label in wanted] == wanted


def test_a_run_that_measured_nothing_says_why() -> None:
    assert dict(figures(judged(24), "fr"))["Mesuré sur"] == "non mesuré dans cette exécution : trop peu de mois"
    assert dict(figures(judged(24), "en"))["Measured on"] == "not measured in this run : too few months"


def test_what_is_withheld_is_said_and_never_zero() -> None:
    metrics = {**judged().metrics, "out_of_sample": {**(judged().measured or {}), "lead_time": None, "stability": None}}
    withheld = Judged("a", "b", "2021-04", "p", "c", CARD, metrics)
    told = dict(figures(withheld, "fr"))
    assert told["Avance : défaillances vues"] == told["Stabilité de la liste d'un mois à l'autre"] == "non publié"
    read(page(withheld, "fr"))


def test_the_run_that_is_meant_is_chosen() -> None:
    runs = [judged(24, "aa" * 32, "01" * 32), judged(24, "ab" * 32, "02" * 32)]
    assert choose(runs, run=None, order=None) is runs[1]
    assert choose(runs, run="aa", order=None) is runs[0]
    assert choose(runs, run=None, order="01") is runs[0]
    with pytest.raises(Missing):
        choose(runs, run="ff", order=None)
    with pytest.raises(InputError, match="2 runs"):
        choose(runs, run="a", order=None)
