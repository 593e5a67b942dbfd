"""The figures of a run in the order in which the users of the lists live by them.

Lists first, then what an office can visit, then the ranking with its base rate, how early, how honest the announced
probabilities are, how steady the list is, and only then the area under the ROC curve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vigie.bodies import Order, Run, read
from vigie.statement import Statement

LANGUAGES: Final = ("fr", "en")

HIGH_LIST: Final = "Alerte seuil F1"
BOTH_LISTS: Final = "Alerte seuil F1 + F2"

_WITHHELD: Final = {"fr": "non publié", "en": "not published"}
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "run": ("Exécution", "Run"),
    "period": ("Période", "Period"),
    "model": ("Modèle", "Model"),
    "recipe": ("Apprentissage", "Training"),
    "measured": ("Mesuré sur", "Measured on"),
    "strong": ("Procédures déjà ouvertes", "Proceedings already open"),
    "left out": ("écartées de toute mesure", "left out of every figure"),
    HIGH_LIST: ("Liste rouge (seuil F1)", "Red list (threshold F1)"),
    BOTH_LISTS: ("Listes rouge et orange (seuils F1 et F2)", "Red and orange lists (thresholds F1 and F2)"),
    "top_1": ("Premier 1 %", "First 1 %"),
    "top_2": ("Premiers 2 %", "First 2 %"),
    "top_5": ("Premiers 5 %", "First 5 %"),
    "precision": ("précision", "precision"),
    "recall": ("rappel", "recall"),
    "share": ("taille", "size"),
    "aucpr": ("Précision moyenne (AUCPR)", "Average precision (AUCPR)"),
    "base": ("taux de base", "base rate"),
    "lead": ("Avance : défaillances vues", "Lead: failures seen"),
    "median": ("avance médiane", "median lead"),
    "months": ("mois", "months"),
    "ahead": ("Vues à 6, 12, 18 mois", "Seen 6, 12, 18 months ahead"),
    "brier": ("Score de Brier", "Brier score"),
    "ece": ("Écart de calibration (ECE)", "Calibration error (ECE)"),
    "stability": ("Stabilité de la liste d'un mois à l'autre", "Share of the list that stays from month to month"),
    "roc_auc": ("Aire sous la courbe ROC", "Area under the ROC curve"),
    "drift": ("Variables qui ont le plus dérivé (PSI)", "Features that drifted most (PSI)"),
    "importance": ("Variables qui comptent le plus", "Features that count most"),
    "not": ("non mesuré dans cette exécution", "not measured in this run"),
    "too few months": ("trop peu de mois", "too few months"),
    "too few failing companies": ("trop peu de défaillances", "too few failing companies"),
    "a declared outcome is learnt in the plain setting": (
        "une cible déclarée s'apprend sans mise de côté", "a declared outcome is learnt in the plain setting",
    ),
    "the model was trained in an earlier run": (
        "modèle appris lors d'une exécution antérieure", "the model was trained in an earlier run",
    ),
    "calibrated": ("calibré, mois et sociétés mis de côté", "calibrated, months and companies held out"),
    "plain": ("simple, non calibré", "plain, not calibrated"),
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """A run and what it publishes.

    Attributes:
        run: digest, hexadecimal.
        order: digest, hexadecimal.
        period, purpose: of the order.
        model: digest, hexadecimal.
        card, metrics: of the run (docs/spec/run.md sections 4 and 5).
    """

    run: str
    order: str
    period: str
    purpose: str
    model: str
    card: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, order: Statement, run: Statement) -> Self:
        """Read an order and its run.

        Raises:
            MalformedStatement: one of them is not what it should be.
        """
        wanted, said = read(order, Order), read(run, Run)
        return cls(
            run.digest.hex(), order.digest.hex(), wanted.period, wanted.purpose, said.model.hex(), said.model_card,
            said.metrics,
        )  # fmt: skip

    @property
    def measured(self) -> Mapping[str, Any] | None:
        """The figures on rows that were not seen; None when the run has none."""
        found = self.metrics.get("out_of_sample")
        return found if isinstance(found, Mapping) else None


def word(name: str, language: str) -> str:
    """A word of the report; the name itself when there is none."""
    return _WORDS[name][LANGUAGES.index(language)] if name in _WORDS else name


def percent(value: float | None, language: str) -> str:
    """A share for a person."""
    if value is None:
        return _WITHHELD[language]
    text = f"{value * 100:.1f} %"
    return text.replace(".", ",") if language == "fr" else text


def number(value: float | None, language: str) -> str:
    """A plain figure for a person."""
    if value is None:
        return _WITHHELD[language]
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return text.replace(".", ",") if language == "fr" else text


def figures(judged: Judged, language: str) -> list[tuple[str, str]]:
    """Label and text of each figure, in the order of importance."""
    card = judged.card
    rows = [
        (word("run", language), judged.run[:16]),
        (word("period", language), judged.period),
        (word("model", language), judged.model[:16]),
        (word("recipe", language), word("calibrated" if card.get("calibrated") else "plain", language)),
    ]
    found = judged.measured
    if found is None:
        reason = judged.metrics.get("reason")
        text = word("not", language) + (f" : {word(str(reason), language)}" if reason else "")
        rows.append((word("measured", language), text))
    else:
        rows += _measured(found, language)
    return [*rows, *_features(judged.metrics, language)]


def _measured(found: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    first, last = found["protocol"]["test"]
    rows = [
        (word("measured", language), f"{first} – {last}"),
        (word("strong", language), word("left out", language)),
    ]
    rows += [(word(name, language), _list(found["lists"].get(name), language)) for name in found["lists"]]
    base = percent((found["base_rate"] or [None])[0], language)
    rows.append((word("aucpr", language), f"{_interval(found['aucpr'], language)} ; {word('base', language)} {base}"))
    rows += _lead(found["lead_time"], language)
    rows += [(word(name, language), _interval(found[name], language)) for name in ("brier", "ece")]
    rows.append((word("stability", language), percent(found["stability"], language)))
    rows.append((word("roc_auc", language), _interval(found["roc_auc"], language)))
    return rows


def _list(cell: Mapping[str, Any] | None, language: str) -> str:
    if cell is None:
        return _WITHHELD[language]
    return " ; ".join(
        f"{word(part, language)} {_interval(cell[part], language, share=True)}"
        for part in ("precision", "recall", "share")
    )


def _interval(figure: list[float | None], language: str, *, share: bool = False) -> str:
    shown = percent if share else number
    value, low, high = figure
    return f"{shown(value, language)} [{shown(low, language)} – {shown(high, language)}]"


def _lead(lead: Mapping[str, Any] | None, language: str) -> list[tuple[str, str]]:
    if lead is None:
        return [(word("lead", language), _WITHHELD[language])]
    median = f"{word('median', language)} {number(lead['median_months'], language)} {word('months', language)}"
    ahead = ", ".join(percent(lead["flagged_months_ahead"][months], language) for months in ("6", "12", "18"))
    return [
        (word("lead", language), f"{percent(lead['flagged'], language)} ; {median}"),
        (word("ahead", language), ahead),
    ]


def _features(metrics: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    weights = list(metrics.get("importance", {}).items())[:5]
    drift = sorted(metrics.get("drift", {}).items(), key=lambda item: (-(item[1] or 0.0), item[0]))[:5]
    rows = []
    if weights:
        said = ", ".join(f"{name} {percent(gain, language)}" for name, (gain, _) in weights)
        rows.append((word("importance", language), said))
    if drift:
        said = ", ".join(f"{name} {number(value, language)}" for name, value in drift)
        rows.append((word("drift", language), said))
    return rows
