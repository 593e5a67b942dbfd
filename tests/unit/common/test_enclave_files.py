"""The list of files behind a measurement: one form, bound to the measurement, in words, and the difference of two."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from vigie import bytecode, enclave_files
from vigie.enclave_files import (
    CONTENTS,
    INTERPRETER,
    LIBRARIES,
    Contents,
    Distribution,
    Entry,
    FileList,
    decode,
    decode_contents,
    difference,
    encode,
    encode_contents,
    groups,
    of_root,
)
from vigie.errors import ConfigError, MalformedStatement
from vigie.evidence import measure_tree, measurement

LAUNCH: dict[str, Any] = {"arguments": ["bin/python3", "-I"], "environment": {"TZ": "UTC"}, "policy": "none"}
SAID = Contents(
    {
        "numpy": Distribution("2.4.6", "BSD-3-Clause", ("numpy", "numpy.libs")),
        "vigie": Distribution("0.1.0", "MIT", ("vigie", "vigie_hub")),
        "typing-extensions": Distribution("4", "PSF-2.0", ("typing_extensions.py",)),
    },
    python="3.11.7",
    libc="glibc 2.36",
    machine="x86_64",
)
PATHS = (
    "bin/python3", "lib/libc.so.6", "lib/libpython3.11.so.1.0", "lib/python3.11/os.py", "lib/python3.11/numpy/core.py",
    "lib/python3.11/numpy.libs/blas.so", "lib/python3.11/vigie/note.py", "lib/python3.11/__pycache__/os.cpython-311.pyc",
    "lib/python3.11/typing_extensions.py", "lib/python3.11/__pycache__/typing_extensions.cpython-311.pyc",
)  # fmt: skip


def listing(paths: tuple[str, ...] = PATHS, contents: Contents = SAID, launch: dict[str, Any] = LAUNCH) -> FileList:
    page = encode_contents(contents)
    files = [Entry(path, hashlib.sha256(path.encode()).digest(), len(path)) for path in paths]
    files.append(Entry(CONTENTS, hashlib.sha256(page).digest(), len(page)))
    return FileList(tuple(sorted(files, key=lambda one: one.path.encode())), launch, contents)


names = st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="/"), min_size=1, max_size=8).filter(
    lambda text: text not in (".", "..")
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
texts = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
pages = st.builds(
    Contents,
    st.dictionaries(
        texts, st.builds(Distribution, texts, texts, st.lists(texts, max_size=3).map(tuple)), max_size=3
    ),
    texts, texts, texts,
)  # fmt: skip
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts, st.lists, max_leaves=6)


@given(st.sets(paths, max_size=8), pages, st.dictionaries(texts, values, max_size=4))
def test_what_is_written_is_read_again(found: set[str], contents: Contents, launch: dict[str, Any]) -> None:
    listed = listing(tuple(found - {CONTENTS}), contents, launch)
    written = encode(listed)
    again = decode(written)
    assert again == listed and encode(again) == written
    assert again.measurement == measurement([(one.path, one.sha256) for one in listed.files], launch)
    assert sorted(one for group in groups(again) for one in group.files) == sorted(listed.files)


@given(st.binary(max_size=200))
def test_noise_is_refused_with_an_error_of_ours(noise: bytes) -> None:
    for read in (decode, decode_contents):
        with pytest.raises(MalformedStatement):
            read(noise)


@given(st.data())
def test_a_list_with_one_changed_byte_is_no_list(data: st.DataObject) -> None:
    """But for the sizes, which are not measured: a list with another size is another list of the same measurement."""
    written = bytearray(encode(listing()))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != written[place]))
    try:
        changed = decode(bytes(written))
    except MalformedStatement:
        return
    assert changed.measurement == listing().measurement
    assert [one[:2] for one in changed.files] == [one[:2] for one in listing().files]


def body(**changes: Any) -> bytes:
    return rfc8785.dumps({**json.loads(encode(listing())), **changes}) + b"\n"


FILE = "0" * 64


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "vigie/enclave-files/v2"},
        {"more": 1},
        {"measurement": FILE},
        {"files": {}},
        {"files": [["a", FILE]]},
        {"files": [["a", FILE, -1]]},
        {"files": [["a", FILE, True]]},
        {"files": [["a", FILE.replace("0", "A"), 1]]},
        {"files": [["a", FILE, 1], ["a", FILE, 1]]},
        {"files": [["b", FILE, 1], ["a", FILE, 1]]},
        {"files": [["../a", FILE, 1]]},
        {"files": [["/a", FILE, 1]]},
        {"files": [["a//b", FILE, 1]]},
        {"files": [["", FILE, 1]]},
        {"files": [["a\nb", FILE, 1]]},
        {"launch": []},
        {"contents": {}},
        {"contents": {"distributions": {"x": {}}, "libc": "a", "machine": "b", "python": "c"}},
        {"contents": {"distributions": {}, "libc": "", "machine": "b", "python": "c"}},
        {"contents": {"distributions": [], "libc": "a", "machine": "b", "python": "c"}},
    ],
)
def test_a_list_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    assert decode(body()) == listing()
    with pytest.raises(MalformedStatement):
        decode(body(**changes))


def test_a_list_cannot_lie_about_what_is_in_the_root() -> None:
    lie = replace(listing(), contents=replace(SAID, python="3.12.0"))
    with pytest.raises(MalformedStatement, match="other contents than those that are measured"):
        decode(encode(lie))
    with pytest.raises(MalformedStatement, match="other contents"):
        decode(encode(FileList((), LAUNCH, SAID)))


def test_a_list_in_another_spelling_or_too_long_is_refused() -> None:
    for content in (encode(listing())[:-1], encode(listing()) + b"\n", b" " + encode(listing()), b"[" * 100_000):
        with pytest.raises(MalformedStatement):
            decode(content)
    with pytest.raises(MalformedStatement, match="too long"):
        decode(b"{" * (enclave_files.MOST_BYTES + 1))


def test_files_stand_in_the_group_that_they_belong_to() -> None:
    found = {group.name: [one.path for one in group.files] for group in groups(listing())}
    assert list(found) == [INTERPRETER, LIBRARIES, "numpy", "typing-extensions", "vigie"]
    assert found[LIBRARIES] == ["lib/libc.so.6"]
    assert found["numpy"] == ["lib/python3.11/numpy.libs/blas.so", "lib/python3.11/numpy/core.py"]
    assert found["vigie"] == ["lib/python3.11/vigie/note.py"]
    assert found["typing-extensions"] == [PATHS[9], PATHS[8]]
    assert "bin/python3" in found[INTERPRETER] and PATHS[7] in found[INTERPRETER]
    about = {group.name: group.about for group in groups(listing())}
    assert about["numpy"] == "2.4.6, licence BSD-3-Clause" and about[LIBRARIES] == "glibc 2.36"


def test_the_difference_names_every_file_and_setting() -> None:
    before = listing()
    assert not any(difference(before, listing()))
    files = {one.path: one for one in before.files}
    del files["lib/libc.so.6"]
    files["bin/python3"] = Entry("bin/python3", bytes(32), 1)
    files["bin/sh"] = Entry("bin/sh", bytes(32), 1)
    launch = {**LAUNCH, "arguments": ["bin/python3"], "uid": 7}
    del launch["policy"]
    found = difference(before, FileList(tuple(sorted(files.values())), launch, SAID))
    assert found.added == ("bin/sh",) and found.removed == ("lib/libc.so.6",) and found.changed == ("bin/python3",)
    assert found.launch == (
        'arguments: ["bin/python3", "-I"] → ["bin/python3"]', 'policy: "none" → nothing', "uid: nothing → 7",
    )  # fmt: skip


def test_a_root_is_listed_as_it_is_measured(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("print(1)\n")
    (tmp_path / "b.py").symlink_to("lib/a.py")
    assert decode(encode(of_root(tmp_path, LAUNCH))).contents == Contents()
    (tmp_path / CONTENTS).write_bytes(encode_contents(SAID))
    listed = of_root(tmp_path, LAUNCH)
    assert listed.measurement == measurement(measure_tree(tmp_path), LAUNCH)
    assert decode(encode(listed)) == listed and listed.contents == SAID
    assert {one.path: one.size for one in listed.files}["lib/a.py"] == 9
    (tmp_path / CONTENTS).write_bytes(b"{}\n")
    with pytest.raises(ConfigError, match="not a page of contents"):
        of_root(tmp_path, LAUNCH)
    (tmp_path / CONTENTS).unlink()
    (tmp_path / "lib" / "b.pyc").write_bytes(b"")
    with pytest.raises(ConfigError, match="byte code"):
        of_root(tmp_path, LAUNCH, byte_code=bytecode.paired)


def test_settings_without_a_canonical_form_are_refused() -> None:
    with pytest.raises(ConfigError):
        encode(listing(launch={"huge": 2**60}))
