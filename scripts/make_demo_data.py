"""Turn the randomised dump of datapi into canonical files, one folder per partner.

Upstream randomised the identifiers, names and amounts of 400 real companies and kept joins and value shapes.  Here
establishments are summed to companies, and nothing is invented: a month, event or amount that the dump lacks is absent.
Sums are exact before their one rounding (``math.fsum``), so the bytes do not depend on the order of rows.
"""

import argparse
import csv
import gzip
import hashlib
import io
import math
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from vigie.datasets import BUILT_IN, SIREN
from vigie.datasets.payment_plans import ACTIONS as PLAN_ACTIONS
from vigie.datasets.payment_plans import STAGES as PLAN_STAGES
from vigie.datasets.proceedings import ACTIONS as PROCEEDING_ACTIONS
from vigie.datasets.proceedings import STAGES as PROCEEDING_STAGES
from vigie.datasets.ratios import available_from
from vigie.datasets.short_time_work import authorised_by_month
from vigie.demo.generate import PARTNERS

ROOT: Final = Path(__file__).resolve().parent.parent
TABLES: Final = {
    "urssaf": "etablissement_periode_urssaf.csv.gz",
    "plans": "etablissement_delai.csv",
    "proceedings": "etablissement_procol.csv",
    "consumed": "etablissement_apconso.csv.gz",
    "requested": "etablissement_apdemande.csv.gz",
    "ratios": "entreprise_bdf.csv.gz",
}
RATIO_COLUMNS: Final = (
    "poids_frng",
    "taux_marge",
    "delai_fournisseur",
    "dette_fiscale",
    "financier_court_terme",
    "frais_financier",
)

Row = tuple[object, ...]
Record = dict[str, str]


def main() -> None:
    """Read the options, convert, and say what was made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source",
        type=Path,
        default=ROOT.parent / "shared/data/signaux-faibles/datapi-randomized",
        help="folder with the tables of the dump as CSV (default: %(default)s)",
    )
    parser.add_argument("--licence", type=Path, help="its licence (default: ../LICENSES/datapi.txt beside the source)")
    parser.add_argument("--out", type=Path, default=ROOT / "tests/data/demo", help="default: %(default)s")
    options = parser.parse_args()
    licence = options.licence or options.source.parent / "LICENSES/datapi.txt"
    for needed in (licence, *(options.source / name for name in TABLES.values())):
        if not needed.is_file():
            parser.error(f"{needed} is not there; give the folder of the dump with --source")
    print(convert(options.source, licence, options.out))


def convert(source: Path, licence: Path, out: Path) -> str:
    """Write every canonical file, LICENSE and SOURCE.md under ``out``; return one line per file."""
    read = {key: list(records(source / name)) for key, name in TABLES.items()}
    rows = {
        "contributions": contributions(read["urssaf"]),
        "debts": debts(read["urssaf"]),
        "headcount": headcount(read["urssaf"]),
        "payment_plans": payment_plans(read["plans"]),
        "proceedings": proceedings(read["proceedings"]),
        "ratios": ratios(read["ratios"]),
        "short_time_work": short_time_work(
            read["consumed"], read["requested"], last=max(day(row["periode"]) for row in read["urssaf"])
        ),
    }
    made = []
    for partner, names in PARTNERS.items():
        (out / partner).mkdir(parents=True, exist_ok=True)
        for name in names:
            path = out / partner / f"{name}.parquet"
            count = write(path, name, rows[name])
            companies = len({row[0] for row in rows[name]})
            made.append(f"| {partner}/{name}.parquet | {count} | {companies} | `{digest(path)}` |")
    shutil.copyfile(licence, out / "LICENSE")
    inputs = [f"| {name} | `{digest(source / name)}` |" for name in sorted(TABLES.values())]
    page = SOURCE.format(inputs="\n".join(inputs), outputs="\n".join(made))
    (out / "SOURCE.md").write_text(page, encoding="utf-8")
    return "\n".join(made)


def contributions(urssaf: list[Record]) -> list[Row]:
    """Contribution due per company and month; the dump has none paid."""
    return [(*key, total(row["cotisation"] for row in group), None) for key, group in by_month(urssaf)]


def debts(urssaf: list[Record]) -> list[Row]:
    """Both shares of the debt per company and month."""
    return [
        (*key, total(row["part_salariale"] for row in group), total(row["part_patronale"] for row in group))
        for key, group in by_month(urssaf)
    ]


def headcount(urssaf: list[Record]) -> list[Row]:
    """Persons per company and month; null when no establishment has a figure."""
    counts = ((key, total(row["effectif"] for row in group)) for key, group in by_month(urssaf))
    return [(*key, None if count is None else int(count)) for key, count in counts]


def payment_plans(plans: list[Record]) -> list[Row]:
    """Distinct plans; the dump blanks every amount to 0, kept as delivered."""
    return list(
        {
            (
                row["siren"],
                day(row["date_creation"]),
                day(row["date_echeance"]),
                int(row["duree_delai"]),
                float(row["montant_echeancier"]),
                PLAN_ACTIONS.get(row["action"], "other"),
                PLAN_STAGES.get(row["stade"], "other"),
            )
            for row in plans
        }
    )


def proceedings(log: list[Record]) -> list[Row]:
    """Distinct events per company; the dump repeats one for each establishment."""
    return list(
        {
            (
                row["siren"],
                day(row["date_effet"]),
                PROCEEDING_ACTIONS[row["action_procol"]],
                PROCEEDING_STAGES.get(row["stade_procol"], "other"),
            )
            for row in log
        }
    )


def ratios(accounts: list[Record]) -> list[Row]:
    """The accounts of a fiscal year that close last, with the day from which they are known."""
    latest: dict[tuple[str, int], tuple[date, Row]] = {}
    for row in accounts:
        closing, fiscal_year = day(row["arrete_bilan_bdf"]), int(row["annee_bdf"]) - 1
        values = tuple(total([row[name]]) for name in RATIO_COLUMNS)
        key = (row["siren"], fiscal_year)
        if key not in latest or latest[key][0] < closing:
            latest[key] = (closing, (row["siren"], closing, available_from(closing), fiscal_year, *values))
    return [row for _, row in latest.values()]


def short_time_work(consumed: list[Record], requested: list[Record], *, last: date) -> list[Row]:
    """Consumption as delivered and authorisations spread by day, up to the month ``last`` of the dump.

    Whatever their reason code: the dump has 0 to 5 only, and the programme leaves out 6 and above.
    """
    per_site: dict[tuple[str, str], list[tuple[date, date, float]]] = defaultdict(list)
    for row in requested:
        span = (day(row["periode_start"]), day(row["periode_end"]), float(row["hta"]))
        per_site[row["siren"], row["siret"]].append(span)
    authorised: dict[tuple[str, date], list[float]] = defaultdict(list)
    for (siren, _), requests in per_site.items():
        for month, hours in authorised_by_month(requests).items():
            if month <= last:
                authorised[siren, month].append(hours)
    used = dict(by_month(consumed))
    return [
        (
            *key,
            total(row["heure_consomme"] for row in used.get(key, [])),
            math.fsum(authorised[key]) if key in authorised else None,
            total(row["effectif"] for row in used.get(key, [])),
        )
        for key in used.keys() | authorised.keys()
    ]


def records(path: Path) -> Iterator[Record]:
    """The rows of one CSV of the dump, gzipped or not, by column name."""
    raw = path.read_bytes()
    text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    return csv.DictReader(io.StringIO(text.decode("utf-8"), newline=""))


def day(text: str) -> date:
    """``2020-03-16``, with or without a time of day after it."""
    return date.fromisoformat(text[:10])


def by_month(rows: Iterable[Record]) -> Iterator[tuple[tuple[str, date], list[Record]]]:
    """Rows of all establishments of a company for a month together."""
    groups: dict[tuple[str, date], list[Record]] = defaultdict(list)
    for row in rows:
        groups[row["siren"], day(row["periode"]).replace(day=1)].append(row)
    yield from groups.items()


def total(cells: Iterable[str]) -> float | None:
    """Exact sum of the cells that are filled; None when none is."""
    values = [float(cell) for cell in cells if cell]
    return math.fsum(values) if values else None


def write(path: Path, name: str, rows: list[Row]) -> int:
    """One canonical file, ordered by company, time and the rest; returns its number of rows."""
    schema = BUILT_IN[name].file_schema()
    width = len(schema.names)
    ordered = sorted(rows, key=lambda row: tuple((cell is not None, cell) for cell in by_time(name, row)))
    if any(len(row) != width for row in ordered):
        raise SystemExit(f"a row of {name} does not have {width} cells")
    table = pa.table(
        [pa.array([row[at] for row in ordered], field.type) for at, field in enumerate(schema)], schema=schema
    )
    pq.write_table(table, path, compression="zstd")
    return len(ordered)


def by_time(name: str, row: Row) -> Row:
    """The cells of a row, company and time first."""
    at = 1 + BUILT_IN[name].names.index(BUILT_IN[name].time)
    return (row[0], row[at], *row[1:])


def digest(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


SOURCE: Final = f"""\
# Demonstration data: source and licence

Canonical files (docs/spec/datasets.md) for three partners, made by `scripts/make-demo-data` from the randomised test
database of *datapi*: `test/initDB/01_testData.sql.gz` of github.com/signaux-faibles/datapi at commit
`0f2de414b1ac19e71ecfc9409a2e340d8959d302`, its tables first copied to CSV. Licence: MIT-style, (c) 2019 Christophe
Ninucci, in `LICENSE`. Upstream randomised identifiers, names and amounts and kept joins and value shapes; no line is
about a real company. {SIREN.upper()}s mostly fail the Luhn check and some begin with 0.

## How
- Establishments are summed to their company, exactly, then rounded once to float64. Nothing is filled in or invented.
- contributions, debts, headcount: 2019-05 to 2021-04. Surcharges (all 0) are left out; no payment is in the dump, so
  `contribution_paid` is null. A headcount is null when no establishment has one.
- payment_plans: distinct rows. Every amount is 0 in the dump and is kept so; their stage `PRO PR` becomes `pro_pr`.
- proceedings: distinct by company, date, action and stage (the dump repeats an event per establishment).
- ratios: `fiscal_year` = `annee_bdf` - 1; of several accounts for one year those that close last; `available_from` =
  first day of the eighth month after the closing month. Extreme values are kept.
- short_time_work: hours and persons summed over requests and establishments; authorised hours (`hta`) spread over
  the days of merged requests and cut after the last month of the Urssaf table. All reason codes (0 to 5) are
  kept. Randomisation separated what was authorised from what was consumed: do not compare the two.

## From
| table | sha256 |
|---|---|
{{inputs}}

## To
| file | rows | companies | sha256 |
|---|---|---|---|
{{outputs}}
"""

if __name__ == "__main__":
    main()
