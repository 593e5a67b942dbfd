"""No bytes, however malformed, raise anything but our own errors, whatever the kind that they are read as."""

import io
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.errors import VigieError
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import TextSource
from vigie_node.extracts.workspace import Workspace

OURS = ("apconso", "apdemande", "filter", "inpi_bce", "pge", "sirene", "sirene_histo", "sirene_ul")
CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "1e99", "1,5", "732829320", "73282932000074", "00074", "2020-02-30", "2020-01-01", "true", "A",
         '"', '""', '"a"', "NAFRev2", "62.02A", "[ND]", "\x1f", "\r", "a\rb", "é", "\u202f1", "9" * 40]
    ),
    st.text(max_size=12),
)  # fmt: skip
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", ""])


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_rows_under_the_right_header_are_judged_or_refused(
    name: str, data: st.DataObject, lasting: Workspace
) -> None:
    kind = KINDS[name]
    layout = data.draw(st.sampled_from(kind.layouts))
    separator = layout.dialect.separator
    header = separator.join(field.header[0] for field in layout.fields)
    width = st.integers(len(layout.fields) - 1, len(layout.fields) + 1) | st.just(len(layout.fields))
    row = width.flatmap(lambda many: st.lists(CELLS, min_size=many, max_size=many)).map(separator.join)
    body = data.draw(st.lists(st.tuples(row, ENDS).map("".join), max_size=6)) or [""]
    judge(kind, (header + "\n" + "".join(body)).encode("utf-8", "surrogatepass"), lasting)


@pytest.mark.parametrize("name", OURS)
@settings(max_examples=15, deadline=None)
@given(noise=st.binary(max_size=200), kept=st.integers(0, 400))
def test_any_bytes_are_judged_or_refused(name: str, noise: bytes, kept: int, lasting: Workspace) -> None:
    kind = KINDS[name]
    layout = kind.layouts[0]
    header = layout.dialect.separator.join(field.header[0] for field in layout.fields).encode()
    judge(kind, (header + b"\n")[:kept] + noise, lasting)


def judge(kind: Kind, content: bytes, workspace: Workspace) -> None:
    def begin() -> BinaryIO:
        return io.BytesIO(content)

    try:
        found = read(kind, [TextSource("x.csv", begin)], workspace)
    except VigieError:
        return
    assert found.parsed == found.valid + found.rejected + found.skipped
    assert found.rejected == len(found.findings)
