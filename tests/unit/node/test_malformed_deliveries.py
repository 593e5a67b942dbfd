"""Whatever becomes of a file on its way, a delivery of it ends in reports and datasets, or in one of our own errors.

Sound files of every kind are cut, flipped, joined and mixed up, plain or gzipped, and go the whole way: recognised or read as
the type that they are said to be, put together into datasets, and reported as JSON and as a page.
"""

import gzip
import io
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.faulty import MONTH, Partner
from vigie.datasets import BUILT_IN
from vigie.errors import VigieError
from vigie.synth.layout import LAYOUTS
from vigie_node.delivery import Asked, Delivery
from vigie_node.extracts.registry import KINDS
from vigie_node.quality import write_json, write_page

VALUES = ("", "0", "-1", "1e999", "9" * 60, "1,5", "NaN", "99991231", "0001-01-01", "9999-12-31", "31DEC9999", "201711",
          '"', "\ufeff", "é", "\x00", "\r", "00000000000000", "73282932000074", "true", "A")  # fmt: skip


@cache
def header_only(kind: str) -> bytes:
    """A file of a kind of which there is no made one: its header, and a row of nothing much."""
    layout = KINDS[kind].layouts[0]
    separator = layout.dialect.separator
    names = layout.required() if layout.reshape else [field.header[0] for field in layout.fields]
    text = f"{separator.join(names)}\n" + f"{separator.join(['0'] * len(names))}\n" * 3
    return text.replace("YYYYQM", "202011").encode(layout.dialect.encoding)


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small sound file of every kind that is made, and a header with empty rows of the others."""
    made = Partner(tmp_path_factory.mktemp("malformed")).samples
    return {kind: made.get(kind) or header_only(kind) for kind in KINDS}


@st.composite
def changes(draw: st.DrawFn, data: bytes, encoding: str) -> bytes:
    """The bytes of a file after one to three accidents."""
    for _ in range(draw(st.integers(1, 3))):
        lines = data.splitlines(keepends=True) or [b""]
        at, row = draw(st.integers(0, len(data))), draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["flip", "cut", "noise", "line", "twice", "swap", "separator", "cell", "tail"])):
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "noise":
                data = data[:at] + draw(st.binary(max_size=12)) + data[at:]
            case "line":
                data = b"".join(lines[:row] + lines[row + 1 :])
            case "twice":
                data = b"".join([*lines[:row], lines[row], lines[row], *lines[row + 1 :]])
            case "swap":
                data = b"".join(reversed(lines))
            case "separator":
                one, other = draw(st.permutations([b";", b",", b"\t", b"|", b'"', b"\n"]))[:2]
                data = data.replace(one, other)
            case "cell":
                cell = draw(st.sampled_from(VALUES) | st.text(max_size=8)).encode(encoding, "surrogatepass")
                edges = [place for place, byte in enumerate(data) if byte in b";,\n"]
                if len(edges) > 1:
                    edge = draw(st.integers(0, len(edges) - 2))
                    data = data[: edges[edge] + 1] + cell + data[edges[edge + 1] :]
            case _:
                data = data[at:]
    return data


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_delivery_ends_in_reports_or_in_our_own_error(
    kind: str, data: st.DataObject, sound: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    encoding = KINDS[kind].layouts[0].dialect.encoding
    content = data.draw(changes(sound[kind], encoding))
    zipped = data.draw(st.booleans())
    if zipped:
        content = gzip.compress(content)
        if data.draw(st.booleans()):
            content = content[: data.draw(st.integers(0, len(content)))]
    said = kind if data.draw(st.booleans()) else None
    path = tmp_path_factory.mktemp("one") / ("file.csv.gz" if zipped else "file.csv")
    path.write_bytes(content)
    deliver(path, said)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {layout.kind for layout in LAYOUTS}))
def test_kinds_that_are_not_made_have_a_file_to_change_too(kind: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(sound[kind])
    deliver(path, kind)


def deliver(path: Path, kind: str | None) -> None:
    """Take a file and report it; or be refused with a hint."""
    refused: VigieError | None = None
    try:
        with Delivery.take([str(path)], BUILT_IN, Asked(MONTH, kind), scratch=path.parent) as taken:
            for one in taken.reports:
                assert one.parsed == one.valid + one.rejected + one.skipped
            for write in (write_json, write_page):
                write(taken.reports, io.StringIO())
    except VigieError as error:
        refused = error
    assert refused is None or refused.hint
    assert not [left for left in path.parent.iterdir() if left != path]
