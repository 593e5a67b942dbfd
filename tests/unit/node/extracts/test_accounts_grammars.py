"""Grammars of accounts against plain twins, and bytes of any kind."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.account_files import (
    BDF_HEADER,
    PAYDEX_HEADER,
    bdf,
    diane_bytes,
    diane_text,
    piped,
)
from support.golden import sample
from support.readings import cell_value
from vigie.errors import VigieError
from vigie_node.extracts import cells
from vigie_node.extracts.bdf import BDF
from vigie_node.extracts.dgfip import DGFIP
from vigie_node.extracts.diane import DIANE
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace


@settings(max_examples=150)
@given(st.one_of(st.from_regex(r"[0-9 \u00a0\u202f]{1,12}", fullmatch=True), st.text(max_size=12)))
def test_loose_sirens_are_those_of_a_plain_twin(text: str) -> None:
    digits = re.sub("[ \u00a0\u202f]", "", text)
    sound = re.fullmatch("[0-9]{1,9}", digits) and text[0] in "0123456789" and text[-1] in "0123456789"
    assert cell_value(cells.LOOSE_SIREN, text) == (digits.zfill(9) if sound else None)


@settings(max_examples=150)
@given(st.one_of(st.from_regex(r"[0-9]{1,5}", fullmatch=True), st.text(max_size=5)))
def test_years_and_paydex_are_those_of_plain_twins(text: str) -> None:
    assert cell_value(cells.YEAR, text) == (int(text) if re.fullmatch("(19|20)[0-9]{2}", text, re.ASCII) else None)
    assert cell_value(cells.PAYDEX, text) == (text if re.fullmatch("[0-9]{3}", text) else None)


SEEDS = {
    BDF: (BDF_HEADER + bdf()).encode(),
    PAYDEX_DELAYS: (PAYDEX_HEADER + "000000001,Actif,078,3,20,1,,,2023-01-15\n").encode(),
    DIANE: diane_bytes(diane_text()),
    ELLISPHERE: sample("ellisphere", "ellisphereTestData.excel").read_bytes(),
    **{kind: piped(kind, {}).encode() for kind in DGFIP},
}


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("kind", SEEDS, ids=lambda kind: kind.name)
def test_no_bytes_however_malformed_raise_anything_but_our_own_error(
    kind: Kind, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, lasting: Workspace
) -> None:
    seed = SEEDS[kind]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    cut = data.draw(st.sampled_from((start, min(start + 3, end), end)))
    spoilt = seed[:start] + data.draw(st.binary(max_size=8)) + seed[cut:]
    path = tmp_path_factory.getbasetemp() / f"spoilt-{kind.name}"
    path.write_bytes(spoilt)
    try:
        found = read(kind, [file_source(path)], lasting)
    except VigieError:
        return
    assert found.parsed == found.valid + found.rejected + found.skipped


def test_every_kind_here_is_registered() -> None:
    assert all(KINDS[kind.name] is kind for kind in SEEDS)
