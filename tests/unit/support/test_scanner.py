"""The scanner of the leak tests finds what it is asked for in every form, and nothing in noise."""

import base64
import gzip
import io
import random
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from support.canary import Canary
from support.scanner import Hit, Scanner, zstd_frame

SIREN = "483920176"
AMOUNT = 7345612.37
NAME = "Fonderie Désirée Tassart"
CANARIES = (Canary(siren=SIREN), Canary(amount=AMOUNT), Canary(name=NAME))
CENTS = 734561237


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def planted(form: bytes, at: int = 301) -> bytes:
    data = noise(600)
    return data[:at] + form + data[at:]


def around(form: bytes, shift: int) -> bytes:
    """What base64 is taken of when the canary stands between other bytes."""
    return b"xyz"[:shift] + form + b"tail"


BINARY = {
    "siren int32 LE": struct.pack("<i", int(SIREN)),
    "siren int32 BE": struct.pack(">i", int(SIREN)),
    "siren int64 LE": struct.pack("<q", int(SIREN)),
    "siren int64 BE": struct.pack(">q", int(SIREN)),
    "siren float64 LE": struct.pack("<d", float(SIREN)),
    "siren float64 BE": struct.pack(">d", float(SIREN)),
    "amount float64 LE": struct.pack("<d", AMOUNT),
    "amount float64 BE": struct.pack(">d", AMOUNT),
    "cents int32 LE": struct.pack("<i", CENTS),
    "cents int64 LE": struct.pack("<q", CENTS),
    "cents int64 BE": struct.pack(">q", CENTS),
    "siren varint": bytes.fromhex("b092e0e601"),
}
TEXT = {
    "siren": SIREN.encode(),
    "siren in groups": b"483 920 176",
    "siren UTF-16 LE": SIREN.encode("utf-16-le"),
    "siren UTF-16 BE": SIREN.encode("utf-16-be"),
    "amount": b"7345612.37",
    "amount in French": b"7345612,37",
    "name": NAME.encode(),
    "NAME": NAME.upper().encode(),
    "name Latin-1": NAME.encode("latin-1"),
    "name UTF-16": NAME.encode("utf-16-le"),
}
PLAIN = {**BINARY, **TEXT}
CODED = {
    f"{name} {code}": form
    for name, data in PLAIN.items()
    for code, form in {
        "hex": data.hex().encode(),
        "HEX": data.hex().upper().encode(),
        **{f"base64 {shift}": base64.b64encode(around(data, shift)) for shift in range(3)},
        **{f"base64url {shift}": base64.urlsafe_b64encode(around(data, shift)) for shift in range(3)},
    }.items()
}


SHORT = tuple(name for name in CODED if "int32" in name or "varint" in name)
"""What chance writes easily: found by the column, below."""


@pytest.mark.parametrize("form", [{**PLAIN, **CODED}[name] for name in (*PLAIN, *CODED) if name not in SHORT])
def test_every_form_is_found_in_noise(form: bytes) -> None:
    # Four bytes in a kilobyte are beyond chance only while few canaries are looked for.
    scanner = Scanner([canary for canary in CANARIES if _is_of(canary, form)] or CANARIES)
    assert scanner.scan(planted(form), "test"), "not found"
    assert not scanner.scan(planted(b""), "test"), "found where it is not"


def _is_of(canary: Canary, form: bytes) -> bool:
    return any(pattern.data in form for pattern in canary.patterns())


SIRENS = tuple(f"{random.Random(at).randrange(10**8, 10**9):09d}" for at in range(20))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "code, least",
    [
        (bytes, 20),
        (lambda column: column.hex().encode(), 20),
        # Four bytes badly cut leave four characters of base64: so few of those may be chance, and are not told.
        (base64.b64encode, 12),
        (base64.urlsafe_b64encode, 12),
    ],
    ids=["plain", "hex", "base64", "base64url"],
)
def test_a_column_of_short_numbers_is_found(order: str, code: Callable[[bytes], bytes], least: int) -> None:
    scanner = Scanner([Canary(siren=siren) for siren in SIRENS])
    column = code(b"".join(struct.pack(f"{order}i", int(siren)) for siren in SIRENS))
    sea = noise(100_000)
    assert len({hit.canary for hit in scanner.scan(sea + column + sea, "test")}) >= least
    assert not scanner.scan(sea + sea, "test")


def zstd(data: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    compressed: bytes = out.getvalue().to_pybytes()
    return compressed


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member.txt", data)
    return out.getvalue()


DIGITS = b"".join(b"%d;" % number for number in range(2000))
WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstd,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "zip": zipped,
}


@pytest.mark.parametrize("outer", WRAPPINGS)
@pytest.mark.parametrize("inner", [None, *WRAPPINGS])
def test_wrapped_canaries_are_found_anywhere(outer: str, inner: str | None) -> None:
    # Enough digits that the code of the outer wrapping is shorter than bytes, so that nothing stands in it as it was.
    data = DIGITS + SIREN.encode() + DIGITS
    if inner:
        data = DIGITS + WRAPPINGS[inner](data) + DIGITS
    wrapped = WRAPPINGS[outer](data)
    assert SIREN.encode() not in wrapped
    assert [hit.canary for hit in Scanner(CANARIES).scan(planted(wrapped), "test")]


def test_wrappings_are_taken_off_to_a_bounded_depth() -> None:
    data = SIREN.encode()
    for _ in range(3):
        data = zlib.compress(DIGITS + data + DIGITS)
    assert Scanner(CANARIES).scan(data, "test")
    assert not Scanner(CANARIES).scan(zlib.compress(DIGITS + data + DIGITS), "test")


def test_a_compressed_arrow_stream_shows_its_amounts() -> None:
    table = pa.table({"amount": pa.array([float(i) for i in range(500)] + [AMOUNT] + [0.0] * 500)})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    assert [hit.canary for hit in Scanner(CANARIES).scan(out.getvalue(), "test")] == [str(AMOUNT)]


def test_a_bomb_is_bounded() -> None:
    bomb = zlib.compress(bytes(200 * 1024 * 1024), 9)
    assert not Scanner(CANARIES).scan(bomb, "test")


def test_a_cut_zstd_frame_is_no_frame() -> None:
    whole = zstd(b"content " * 100)
    assert zstd_frame(whole + b"more", 0) == whole
    assert all(zstd_frame(whole[:size], 0) == b"" for size in range(4, len(whole)))


def test_four_bytes_count_only_in_numbers() -> None:
    scanner = Scanner([Canary(siren=siren) for siren in SIRENS])
    sea = noise(2_000_000)
    column = b"".join(struct.pack("<i", int(siren)) for siren in SIRENS)
    assert not scanner.scan(sea + column[:4], "test"), "one find of four bytes may be chance"
    assert {hit.canary for hit in scanner.scan(sea[:999] + column + sea, "test")} == set(SIRENS)


def test_noise_gives_nothing_and_is_fast() -> None:
    sirens = [f"{random.Random(at).randrange(10**8, 10**9):09d}" for at in range(40)]
    scanner = Scanner([*CANARIES, *(Canary(siren=siren) for siren in sirens)])
    data = noise(10_000_000)
    started = time.process_time()
    assert not scanner.scan(data, "test")
    assert time.process_time() - started < 6, "a hundred megabytes must take no more than a minute"


def test_a_canary_across_two_windows_is_found() -> None:
    from support import scanner as module

    for back in range(12):
        data = bytes(module._WINDOW - back) + SIREN.encode() + bytes(100)
        found = Scanner([Canary(siren=SIREN)]).scan(data, "test")
        assert [hit.offset for hit in found if hit.form.startswith("text")] == [module._WINDOW - back]


def test_a_folder_is_scanned_with_the_names_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "clean.bin").write_bytes(noise(5000))
    scanner = Scanner(CANARIES)
    assert scanner.scan_tree(tmp_path) == []
    (tmp_path / "deep" / "dirty.bin").write_bytes(planted(SIREN.encode()))
    assert scanner.scan_tree(tmp_path) == [
        Hit(SIREN, f"text {SIREN!r}, plain", str(tmp_path / "deep" / "dirty.bin"), 301)
    ]
    (tmp_path / "deep" / "dirty.bin").rename(tmp_path / "deep" / SIREN)
    assert len(scanner.scan_tree(tmp_path)) > 1
