"""Quotes of the host's own hardware: a kernel that behaves, one that does not, and none at all."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from support.maker import report
from support.simulated import CHIP, TCB, maker
from vigie.errors import Unavailable
from vigie_hub import quoting

VCEK = UUID("63da758d-e664-4564-adc5-f4b93be8accd").bytes
LIST = UUID("92f81bc3-5811-4d3d-97ff-d19f88dc67ea").bytes
ROOT = UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae").bytes


class Kernel:
    """configfs-tsm: a folder that is made holds files at once, which go with it."""

    def __init__(self, folder: Path, provider: str = "sev_guest", **files: bytes) -> None:
        self.reports = folder / "report"
        self.reports.mkdir()
        self.files = {"provider": provider.encode() + b"\n", "generation": b"1\n", "outblob": b"quote", **files}
        self.asked: list[bytes] = []

    def made(self, place: Path) -> None:
        for name, data in self.files.items():
            (place / name).write_bytes(data)

    def removed(self, place: Path) -> None:
        if (place / "inblob").exists():
            self.asked.append((place / "inblob").read_bytes())
        for file in place.iterdir():
            file.unlink()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Kernel]:
    def make(provider: str = "sev_guest", **files: bytes) -> Kernel:
        made = Kernel(tmp_path, provider, **files)
        mkdir, rmdir = Path.mkdir, Path.rmdir

        def making(self: Path, mode: int = 0o777) -> None:
            mkdir(self, mode)
            if self.parent == made.reports:
                made.made(self)

        def removing(self: Path) -> None:
            if self.parent == made.reports:
                made.removed(self)
            rmdir(self)

        monkeypatch.setattr(Path, "mkdir", making)
        monkeypatch.setattr(Path, "rmdir", removing)
        return made

    return make


def table(*entries: tuple[bytes, bytes]) -> bytes:
    at = 24 * (len(entries) + 1)
    head, data = b"", b""
    for guid, content in entries:
        head += guid + (at + len(data)).to_bytes(4, "little") + len(content).to_bytes(4, "little")
        data += content
    return head + bytes(24) + data


def test_a_host_without_a_device_has_none(tmp_path: Path) -> None:
    assert quoting.find(tmp_path, reports=tmp_path / "nothing") is None
    assert quoting.find(tmp_path) is None or quoting.REPORTS.is_dir()


@pytest.mark.parametrize(("provider", "platform"), [("sev_guest", "sev-snp"), ("tdx_guest", "tdx")])
def test_the_device_is_found_and_asked(
    tmp_path: Path, kernel: Callable[..., Kernel], provider: str, platform: str
) -> None:
    made = kernel(provider)
    device = quoting.find(tmp_path, reports=made.reports)
    assert device is not None and device.platform == platform
    given = device.quote(b"b" * 64)
    assert (given.platform, given.evidence, made.asked) == (platform, b"quote", [b"b" * 64])
    device.quote(b"b" * 32)
    assert made.asked[-1] == b"b" * 32 + bytes(32)
    assert list(made.reports.iterdir()) == []


@pytest.mark.parametrize("provider", ["arm_cca_guest", "", "sev_guest_simulated"])
def test_a_provider_that_is_not_verified_is_no_device(
    tmp_path: Path, kernel: Callable[..., Kernel], provider: str
) -> None:
    assert quoting.find(tmp_path, reports=kernel(provider).reports) is None


def test_certificates_come_with_the_report_and_what_is_beside(tmp_path: Path, kernel: Callable[..., Kernel]) -> None:
    beside = tmp_path / quoting.FOLDER
    beside.mkdir()
    for name, data in (("ask.der", b"ask"), ("vcek.pem", b"vcek"), ("kds.crl", b"list"), ("collateral.json", b"{}")):
        (beside / name).write_bytes(data)
    made = kernel(auxblob=table((VCEK, b"vcek"), (ROOT, b"root"), (LIST, b"other"), (bytes(15) + b"x", b"?")))
    device = quoting.find(tmp_path, reports=made.reports)
    assert device is not None
    given = device.quote(b"b" * 64).endorsements
    assert (given.certificates, given.revocation_lists) == ((b"vcek", b"ask"), (b"other", b"list"))
    assert given.collateral == b"" and given.keys == ()


def test_intels_collateral_goes_with_a_td_quote(tmp_path: Path, kernel: Callable[..., Kernel]) -> None:
    (tmp_path / quoting.FOLDER).mkdir()
    (tmp_path / quoting.FOLDER / "collateral.json").write_bytes(b"{}")
    device = quoting.find(tmp_path, reports=kernel("tdx_guest", auxblob=table((VCEK, b"vcek"))).reports)
    assert device is not None
    given = device.quote(b"b" * 64).endorsements
    assert (given.collateral, given.certificates) == (b"{}", ())


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"generation": b"2\n"}, "somebody else wrote"),
        ({"outblob": b""}, "empty"),
    ],
)
def test_a_report_that_somebody_meddled_with_is_not_passed_on(
    tmp_path: Path, kernel: Callable[..., Kernel], files: dict[str, bytes], why: str
) -> None:
    device = quoting.find(tmp_path, reports=kernel(**files).reports)
    assert device is not None
    with pytest.raises(Unavailable, match=why):
        device.quote(b"b" * 64)


def test_a_kernel_that_changes_or_fails_is_said(tmp_path: Path, kernel: Callable[..., Kernel]) -> None:
    made = kernel()
    device = quoting.find(tmp_path, reports=made.reports)
    assert device is not None
    made.files["provider"] = b"tdx_guest\n"
    with pytest.raises(Unavailable, match="answers as"):
        device.quote(b"b" * 64)
    del made.files["generation"]
    with pytest.raises(Unavailable, match="gave no report"):
        device.quote(b"b" * 64)
    made.reports.rmdir()
    with pytest.raises(Unavailable, match="can be asked for"):
        device.quote(b"b" * 64)


def test_a_table_that_does_not_hold_together_gives_what_can_be_read() -> None:
    whole = table((VCEK, b"vcek"), (LIST, b"list"))
    assert quoting.certificates_of(whole) == ((b"vcek",), (b"list",))
    for cut in range(len(whole)):
        certificates, lists = quoting.certificates_of(whole[:cut])
        assert set(certificates) <= {b"vcek"} and set(lists) <= {b"list"}
    assert quoting.certificates_of(b"") == quoting.certificates_of(bytes(4096)) == ((), ())
    assert quoting.certificates_of(VCEK + b"\xff" * 8 + bytes(24)) == ((), ())


def test_a_real_chip_certificate_passes_through(tmp_path: Path, kernel: Callable[..., Kernel]) -> None:
    _, _, chip = maker()
    signed = report(chip, at_180=TCB, at_1a0=CHIP)
    made = kernel(outblob=signed, auxblob=table((VCEK, chip.der)))
    device = quoting.find(tmp_path, reports=made.reports)
    assert device is not None
    given = device.quote(b"b" * 64)
    assert given.evidence == signed and given.endorsements.certificates == (chip.der,)
    assert len(given.encode()) > len(signed)
