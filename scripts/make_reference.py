"""Make the reference tables of codes in common/vigie/datasets/reference from the programme's own files.

The programme's golden outputs say which codes there are, but cut labels at twenty bytes; whole labels come from its other
tables, or from ``WHOLE`` for the few codes that those lack or misspell.  The name
of a département that does not begin as the golden one is refused.
"""

import argparse
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
GOLDEN: Final = "golden/test-import.sql.{}.golden.txt"

WHOLE: Final = {
    "975": "Saint-Pierre-et-Miquelon",
    "977": "Saint-Barthélemy",
    "981": "Île des Faisans",
    "984": "Terres australes et antarctiques françaises",
    "986": "Wallis-et-Futuna",
    "987": "Polynésie française",
    "988": "Nouvelle-Calédonie",
    "989": "La Passion-Clipperton",
    "2800": "Assujetti unique à la TVA",
}
"""Labels that no table of the programme spells out, or that one misspells."""

OVERSEAS: Final = ("00", "Collectivité d'outre-mer")


def main() -> None:
    """Read the options, make the tables, and say what was made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, default=ROOT / "tests/data/signaux-faibles", help="default: %(default)s")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "common/vigie/datasets/reference", help="default: %(default)s"
    )
    options = parser.parse_args()
    for name, text in tables(options.source).items():
        (options.out / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {text.count(chr(10)) - 1} codes")


def tables(source: Path) -> dict[str, str]:
    """File name → CSV text (UTF-8, LF), rows in the order of their codes."""
    return {
        "activities.csv": _csv(("code", "label"), activities(source)),
        "departments.csv": _csv(("code", "name", "region", "region_name"), departments(source)),
        "legal_forms.csv": _csv(("code", "label"), legal_forms(source)),
    }


def activities(source: Path) -> list[Sequence[str]]:
    """The 732 codes of the NAF, revision 2, with their labels."""
    rows = list(csv.reader(io.StringIO(_text(source / "naf/naf5.csv")), delimiter=";"))[1:]
    return [(f"{code[:2]}.{code[2:]}", label) for code, label in sorted(rows)]


def departments(source: Path) -> list[Sequence[str]]:
    """Code, name, region and its name of every département."""
    names = {row["code"]: row["libelle"] for row in _records(source / "datapi-randomized/departements.csv")} | WHOLE
    regions = {row["code"]: row["libelle"] for row in _records(source / "datapi-randomized/regions.csv")}
    regions |= dict([OVERSEAS])
    return [
        (code, _whole(names[code], name), region, _whole(regions[region], region_name))
        for code, name, region, region_name in _golden(source, "labels_departement_region")
    ]


def legal_forms(source: Path) -> list[Sequence[str]]:
    """Every four-digit legal form of the golden output or of the older table, whose wording is taken where it has one."""
    older = {row["code"]: row["libelle"] for row in _records(source / "datapi-randomized/categorie_juridique.csv")}
    whole = {code: label for code, label in (older | WHOLE).items() if len(code) == 4}
    if missing := {code for code, _ in _golden(source, "categories_juridiques")} - whole.keys():
        raise SystemExit(f"legal forms without a label: {', '.join(sorted(missing))}")
    return sorted(whole.items())


def _golden(source: Path, name: str) -> Iterator[list[str]]:
    """Rows of a golden table: tab between cells, each padded or cut to twenty bytes, even inside a character."""
    text = (source / GOLDEN.format(name)).read_bytes().decode("utf-8", "ignore")
    for line in text.splitlines()[1:]:
        yield [cell.strip() for cell in line.split("\t")]


def _whole(label: str, cut: str) -> str:
    if not label.casefold().startswith(cut.casefold()):
        raise SystemExit(f"the label {label!r} does not begin as the golden one, {cut!r}")
    return label


def _records(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_text(path))))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


if __name__ == "__main__":
    main()
