"""``vigie synth``: files, faults on request, and refusals before anything is written."""

import json
from pathlib import Path

import pytest

from support.command import Vigie
from vigie.synth.faults import catalogue
from vigie.synth.layout import LAYOUTS

WORLD = ("--companies", "900", "--months", "12", "--seed", "2")


def test_files_of_each_partner_are_written(vigie: Vigie, tmp_path: Path) -> None:
    outcome = vigie("synth", *WORLD, "--last-month", "2024-06", "-o", tmp_path)
    assert outcome.code == 0
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert len(found) == len(LAYOUTS)
    assert {path.split("/")[0] for path in found} == {"acoss", "banque-de-france", "travail", "public"}
    for path in found:
        assert path in outcome.out
    header = (tmp_path / "acoss/sigfaible_effectif_siren.csv").read_text().splitlines()[0]
    assert header.split(";")[-2] == "eff202423"


def test_older_layouts_are_written_on_request(vigie: Vigie, tmp_path: Path) -> None:
    outcome = vigie("synth", *WORLD, "--legacy-urssaf", "--old-paydex", "--late-headcount", "0", "-o", tmp_path)
    assert outcome.code == 0
    assert (tmp_path / "acoss/sigfaible_etablissement_utf8.csv").exists()
    assert "Siret" not in (tmp_path / "acoss/sigfaible_debits.csv").read_text().splitlines()[0]
    (paydex,) = (tmp_path / "banque-de-france").glob("E_*.csv")
    assert paydex.read_text().startswith("SIREN;NB_JOURS;")
    assert ";;" not in (tmp_path / "acoss/sigfaible_effectif_siren.csv").read_text().splitlines()[0]


def test_all_faults_are_planted_beside_the_files(vigie: Vigie, tmp_path: Path) -> None:
    outcome = vigie("synth", *WORLD, "--faults", "all", "-o", tmp_path)
    assert outcome.code == 0
    listed = json.loads((tmp_path / "faults/catalogue.json").read_text(encoding="utf-8"))
    assert f"{len(listed)} faults are planted" in outcome.err
    planted = {entry["name"] for entry in listed}
    left_out = {fault.kind for fault in catalogue() if fault.name not in planted}
    assert len(planted) > 100
    for kind in left_out:
        assert f"faults of {kind} are left out" in outcome.err


def test_a_seed_plants_one_fault_for_each_file(vigie: Vigie, tmp_path: Path) -> None:
    assert vigie("synth", *WORLD, "--faults", "5", "-o", tmp_path).code == 0
    listed = json.loads((tmp_path / "faults/catalogue.json").read_text(encoding="utf-8"))
    kinds = [entry["kind"] for entry in listed]
    assert len(set(kinds)) == len(kinds) > 10


@pytest.mark.parametrize(
    "wrong",
    [
        ("--companies", "0"),
        ("--months", "601"),
        ("--last-month", "2024-13"),
        ("--late-headcount", "7"),
        ("--faults", "some"),
        ("--faults", "9" * 30),
        ("--faults", "all", "--legacy-urssaf"),
        ("--faults", "1", "--old-paydex"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_written(
    vigie: Vigie, tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    outcome = vigie("synth", *WORLD, *wrong, "-o", tmp_path / "out")
    assert outcome.code != 0
    assert "hint" in outcome.err
    assert not (tmp_path / "out").exists()
