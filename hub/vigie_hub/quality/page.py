"""The report on a model: one HTML file that opens offline, with nothing in it but what the run publishes."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from vigie_hub.quality.charts import Line, bars, lines
from vigie_hub.quality.figures import LANGUAGES, Judged, figures, number, percent, word

_CHANGE, _GREAT_CHANGE = 0.1, 0.25
"""PSI from which on a feature is commonly said to have changed."""
_MOST_BARS: Final = 15

_NOTE_FR: Final = (
    "Chiffres publics d'une exécution signée, sous la règle de divulgation de la convention : cellules d'au moins "
    "trois sociétés, comptes arrondis, une case vide veut dire non publié. Intervalles à 95 % par rééchantillonnage "
    "des sociétés. Les sociétés déjà en procédure sont écartées. Rien ici ne dit la qualité sur des données réelles "
    "si les fichiers étaient fabriqués."
)
_NOTE_EN: Final = (
    "Public figures of a signed run under the convention's disclosure rule: cells of three companies at least, counts "
    "rounded, an empty cell means not published. 95 % intervals by resampling companies. Companies already in "
    "proceedings are left out. Nothing here tells the quality on real data where the files were made up."
)

_TEXT: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Qualité du modèle", "Quality of the model"),
    "curve": ("Précision et rappel", "Precision and recall"),
    "recall": ("Rappel", "Recall"),
    "precision": ("Précision", "Precision"),
    "base": ("taux de base", "base rate"),
    "model": ("modèle", "model"),
    "calibration": ("Calibration : observé contre annoncé", "Calibration: observed against announced"),
    "announced": ("Annoncé", "Announced"),
    "observed": ("Observé", "Observed"),
    "perfect": ("parfaite", "perfect"),
    "lead": ("Avance : part des défaillances déjà sur la liste", "Lead: share of failures already on the list"),
    "ahead": ("mois avant la défaillance", "months before the failure"),
    "importance": ("Variables qui comptent le plus (part du gain)", "Features that count most (share of gain)"),
    "drift": ("Dérive des variables (PSI)", "Drift of the features (PSI)"),
    "drift_note": (
        "Entre la dernière année étiquetée et les sociétés scorées. Traits : 0,1 changement, 0,25 grand changement.",
        "Between the last labelled year and the companies scored. Lines: 0.1 a change, 0.25 a great change.",
    ),
    "sectors": ("Par secteur", "By sector"),
    "departements": ("Par département", "By département"),
    "code": ("Code", "Code"),
    "companies": ("Sociétés", "Companies"),
    "share": ("Part listée", "Share listed"),
    "fresh": ("Fraîcheur des sources", "Freshness of the sources"),
    "left_out": ("Non publié faute de place", "Not published for lack of room"),
    "note": (_NOTE_FR, _NOTE_EN),
}  # fmt: skip

_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left;"
    "vertical-align:top}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:1.6rem}.charts{display:flex;flex-wrap:wrap;"
    "gap:1.5rem}figure{margin:0}figcaption{font-weight:bold}small{color:#555}"
)


def page(judged: Judged, language: str, against: Judged | None = None) -> str:
    """The report as HTML, with a second run beside the first where one is given."""

    def say(name: str) -> str:
        return escape(_TEXT[name][LANGUAGES.index(language)])

    title = f"{say('title')} – {escape(judged.purpose)}, {escape(judged.period)}"
    found = judged.measured
    charts = [*(_measured(found, language) if found is not None else []), *_features(judged.metrics, language)]
    content = [
        f"<h1>{title}</h1>",
        f"<p><small>{say('note')}</small></p>",
        _figures([judged] if against is None else [judged, against], language),
        '<div class="charts">',
        *(f"<figure><figcaption>{escape(name)}</figcaption>{chart}</figure>" for name, chart in charts),
        "</div>",
        f"<p><small>{say('drift_note')}</small></p>",
    ]
    for name in ("sectors", "departements"):
        cells = (found or {}).get(name) or {}
        if cells:
            content.append(f"<h2>{say(name)}</h2>{_cells(cells, language)}")
    content.append(f"<h2>{say('fresh')}</h2>{_fresh(judged.card)}")
    if judged.metrics.get("left_out"):
        content.append(f"<p>{say('left_out')} : {escape(', '.join(judged.metrics['left_out']))}</p>")
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(content)}</body></html>\n"
    )


def _figures(runs: Sequence[Judged], language: str) -> str:
    columns = [dict(figures(one, language)) for one in runs]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    rows = "".join(
        f"<tr><th>{escape(label)}</th>{''.join(f'<td>{escape(column.get(label, chr(8211)))}</td>' for column in columns)}</tr>"
        for label in labels
    )
    return f"<table>{rows}</table>"


def _measured(found: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    def say(name: str) -> str:
        return _TEXT[name][LANGUAGES.index(language)]

    base = found["base_rate"][0] or 0.0
    curve = [(recall, precision) for _, precision, recall in found.get("curve", []) if None not in (precision, recall)]
    cells = [(announced, observed) for _, announced, observed in found["calibration"]]
    highest = max([value for cell in cells for value in cell], default=1.0) or 1.0
    charts = [
        (
            say("curve"),
            lines(
                say("recall"), say("precision"),
                [Line(say("model"), curve), Line(say("base"), [(0, base), (1, base)], dots=False, dashed=True)],
                top=_rounded(max([precision for _, precision in curve], default=1.0)),
            ),
        ),
        (
            say("calibration"),
            lines(
                f"{say('announced')} (× {percent(_rounded(highest), language)})", say("observed"),
                [
                    Line(say("model"), [(one / _rounded(highest), other) for one, other in cells]),
                    Line(say("perfect"), [(0, 0), (1, _rounded(highest))], dots=False, dashed=True),
                ],
                top=_rounded(highest),
            ),
        ),
    ]  # fmt: skip
    if found["lead_time"] is not None:
        ahead = found["lead_time"]["flagged_months_ahead"]
        rows = [(f"{months} {say('ahead')}", value or 0.0, percent(value, language)) for months, value in ahead.items()]
        charts.append((say("lead"), bars(rows, title=say("lead"))))
    return charts


def _features(metrics: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    def say(name: str) -> str:
        return _TEXT[name][LANGUAGES.index(language)]

    charts = []
    weights = [
        (name, gain or 0.0, percent(gain, language))
        for name, (gain, _) in metrics.get("importance", {}).items()
        if gain
    ]
    if weights:
        charts.append((say("importance"), bars(weights[:_MOST_BARS], title=say("importance"))))
    drift = sorted(metrics.get("drift", {}).items(), key=lambda item: (-(item[1] or 0.0), item[0]))[:_MOST_BARS]
    if drift:
        rows = [(name, value or 0.0, number(value, language)) for name, value in drift]
        charts.append((say("drift"), bars(rows, title=say("drift"), marks=(_CHANGE, _GREAT_CHANGE))))
    return charts


def _rounded(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten, at most 1: a quiet upper edge."""
    for edge in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        if value <= edge:
            return edge
    return 1.0


def _cells(cells: Mapping[str, Mapping[str, float | None] | None], language: str) -> str:
    def say(name: str) -> str:
        return escape(_TEXT[name][LANGUAGES.index(language)])

    head = "".join(
        f"<th>{text}</th>"
        for text in (
            say("code"),
            say("companies"),
            escape(word("base", language)),
            say("share"),
            say("precision"),
            say("recall"),
        )
    )
    rows = []
    for code, cell in sorted(cells.items(), key=lambda item: (len(item[0]), item[0])):
        values = ["" if cell is None else str(cell["companies"])]
        values += [
            "" if cell is None or cell[name] is None else percent(cell[name], language)
            for name in ("base_rate", "share", "precision", "recall")
        ]
        rows.append(f"<tr><th>{escape(code)}</th>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _fresh(card: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(dataset)}</th><td>{escape(str(said.get('partner')))}</td><td>{escape(str(said.get('as_of')))}</td></tr>"
        for dataset, said in sorted(card.get("freshness", {}).items())
    )
    return f"<table>{rows}</table>"
