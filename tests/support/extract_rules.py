"""The rules of aggregation once more, in plain Python over the text of the files, for tests alone.

Slow and literal on purpose: it shares no code with the generator or with the node's readers.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

Month = tuple[int, int]
Row = dict[str, str]


def rows(path: Path, separator: str = ";", encoding: str = "utf-8") -> Iterator[Row]:
    if not path.exists():  # nothing to deliver
        return
    with path.open(encoding=encoding, newline="") as file:
        yield from csv.DictReader(file, delimiter=separator)


def following(month: Month) -> Month:
    return (month[0] + month[1] // 12, month[1] % 12 + 1)


def first(month: Month) -> date:
    return date(*month, 1)


def months_of(code: str) -> list[Month]:
    """The months of an Urssaf period code."""
    year = int(code[:-2])
    if len(code) == 4:
        year += 2000 if year < 50 else 1900
    quarter, place = int(code[-2]), int(code[-1])
    start = 3 * (quarter - 1)
    return [(year, start + at) for at in ((place,) if place else (1, 2, 3))]


def aammjj(text: str) -> date:
    number = int(text) + 19_000_000
    return date(number // 10_000, number // 100 % 100, number % 100)


def upper(text: str) -> date:
    names = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    return date(int(text[5:]), names.index(text[2:5]) + 1, int(text[:2]))


def french(text: str) -> date:
    day, month, year = text.split("/")
    return date(int(year), int(month), int(day))


def euros(text: str) -> Fraction:
    return Fraction(text.replace(",", "."))


def contributions(path: Path) -> dict[tuple[str, date], tuple[Fraction, Fraction | None]]:
    due: dict[tuple[str, date], Fraction] = defaultdict(Fraction)
    paid: dict[tuple[str, date], Fraction | None] = {}
    for row in rows(path):
        months = months_of(row["periode"])
        for month in months:
            key = (row["Siret"][:9], first(month))
            due[key] += euros(row["cotis_due"]) / len(months)
            if row["enc_direct"]:
                before = paid.get(key) or Fraction()
                paid[key] = before + euros(row["enc_direct"]) / len(months)
    return {key: (value, paid.get(key)) for key, value in due.items()}


def debts(path: Path, months: list[Month]) -> dict[tuple[str, date], tuple[int, int]]:
    """Cents of both shares at the end of each month, for companies that owe something."""
    history: dict[tuple[str, str, str], list[tuple[Month, int, int, int]]] = defaultdict(list)
    for row in rows(path):
        treated = aammjj(row["Dt_trt_ecn"])
        month = (treated.year, treated.month)
        counts = month if treated.day <= 20 else following(month)
        history[row["Siret"], row["Periode"], row["Num_Ecn"]].append(
            (counts, int(row["Num_Hist_Ecn"]), int(row["Mt_PO"]), int(row["Mt_PP"]))
        )
    owed: dict[tuple[str, date], tuple[int, int]] = {}
    for (siret, _, _), events in history.items():
        for month in months:
            seen = [event for event in events if event[0] <= month]
            if seen:
                _, _, employee, employer = max(seen)
                key = (siret[:9], first(month))
                before = owed.get(key, (0, 0))
                owed[key] = (before[0] + employee, before[1] + employer)
    return owed


def headcount(path: Path) -> dict[tuple[str, date], int]:
    persons: dict[tuple[str, date], int] = defaultdict(int)
    for row in rows(path):
        for name, cell in row.items():
            if name.startswith("eff") and cell:
                (month,) = months_of(name[3:])
                persons[(row.get("siret") or row["siren"])[:9], first(month)] += int(cell)
    return dict(persons)


def plans(path: Path) -> set[tuple[str, date, date, int, Fraction, str, str]]:
    return {
        (
            row["Siret"][:9],
            french(row["Date_creation"]),
            french(row["Date_echeance"]),
            int(row["Duree_delai"]),
            Fraction(row["Montant_global_echeancier"]),
            row["Code_externe_action"],
            row["Code_externe_stade"],
        )
        for row in rows(path)
    }


def proceedings(path: Path) -> set[tuple[str, date, str, str]]:
    found = set()
    for row in rows(path):
        words = row["Lib_actx_stdx"].lower().split("_")
        (action,) = (word for word in words if word in ("liquidation", "redressement", "sauvegarde"))
        stage = "_".join(word for word in words if word != action)
        found.add((row["Siren"], upper(row["Dt_effet"]), action, stage))
    return found


def authorised(path: Path) -> dict[tuple[str, date], Fraction]:
    asked: dict[str, list[tuple[date, date, Fraction]]] = defaultdict(list)
    for row in rows(path, ","):
        if int(row["MOTIF_RECOURS_SE"]) < 6:
            begins, ends = date.fromisoformat(row["DATE_DEB"]), date.fromisoformat(row["DATE_FIN"][:10])
            asked[row["ETAB_SIRET"]].append((begins, ends, Fraction(row["HTA"])))
    hours: dict[tuple[str, date], Fraction] = defaultdict(Fraction)
    for siret, requests in asked.items():
        spans: list[tuple[date, date, Fraction]] = []
        for begins, ends, granted in sorted(requests):
            if spans and begins <= spans[-1][1]:
                start, end, before = spans.pop()
                spans.append((start, max(end, ends), before + granted))
            else:
                spans.append((begins, ends, granted))
        for start, end, granted in spans:
            days = (end - start).days + 1
            for at in range(days):
                hours[siret[:9], (start + timedelta(days=at)).replace(day=1)] += granted / days
    return hours


def consumed(path: Path) -> dict[tuple[str, date], tuple[Fraction, Fraction]]:
    used: dict[tuple[str, date], tuple[Fraction, Fraction]] = defaultdict(lambda: (Fraction(), Fraction()))
    for row in rows(path, ","):
        key = (row["ETAB_SIRET"][:9], date.fromisoformat(row["MOIS"]))
        before = used[key]
        used[key] = (before[0] + Fraction(row["HEURES"]), before[1] + Fraction(row["EFFECTIFS"]))
    return used


def ratios(path: Path) -> dict[tuple[str, date], tuple[int, list[float | None]]]:
    names = ("POIDS_FRNG", "TX_MARGE", "DELAI_FRS", "POIDS_DFISC_SOC", "POIDS_FIN_CT", "POIDS_FRAIS_FIN")
    return {
        (row["D1"].replace(" ", ""), upper(row["ARRETE_BILAN"])): (
            int(row["ANNEE"]) - 1,
            [float(row[name]) if row[name] else None for name in names],
        )
        for row in rows(path)
    }
