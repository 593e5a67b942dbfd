"""Quotes of this host's own hardware, over bytes that an enclave gives.

What the host has is found once, at the start: :func:`find` gives a :class:`Quoter`, or None on a host without a device. One
device is served here: the kernel's ``configfs-tsm`` (Linux 6.7 and later; Documentation/ABI/testing/configfs-tsm), by which a
confidential machine on AMD SEV-SNP or Intel TDX asks for its own report. Nothing is fetched from a network: what the device
does not give – revocation lists, Intel's collateral, an AMD certificate where the host withholds it – the operator puts into
the hub's folder ``endorsements``, and it is archived with each quote.

A quote is worth what its verifier makes of it; nothing here is trusted by anybody.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from vigie.errors import Unavailable, VigieError
from vigie.hardware import Endorsements
from vigie.hardware.bundle import QuoteBundle

REPORTS: Final = Path("/sys/kernel/config/tsm/report")
"""Where the kernel makes reports."""
FOLDER: Final = "endorsements"
"""Folder below the hub's: ``*.der`` and ``*.pem`` certificates, ``*.crl`` revocation lists (DER), ``collateral.json``."""

_PROVIDERS: Final = {"sev_guest": "sev-snp", "tdx_guest": "tdx"}
_BINDING: Final = 64
_MOST: Final = 65_536
# GHCB 2.03, section 4.1.8.1: entries of GUID (16 bytes as written), offset and length (little-endian), ended by zeros.
_ENTRY: Final = 24
_CERTIFICATES: Final = frozenset(
    UUID(text).bytes
    for text in (
        "63da758d-e664-4564-adc5-f4b93be8accd",  # VCEK
        "a8074bc2-a25a-483e-aae6-39c045a0b8a1",  # VLEK
        "4ab7b379-bbac-4fe4-a02f-05aef327c782",  # ASK
    )
)
_LIST: Final = UUID("92f81bc3-5811-4d3d-97ff-d19f88dc67ea").bytes


class Quoter(Protocol):
    """A device that signs what it is given. ``platform``: the name under which its quotes verify."""

    @property
    def platform(self) -> str:
        """One of the platforms of `vigie.convention.HARDWARE`."""

    def quote(self, binding: bytes) -> QuoteBundle:
        """A quote over 32 or 64 bytes, with its endorsements; blocks.

        Raises:
            Unavailable: the device does not answer as it must.
        """


class TsmQuoter:
    """Reports of ``configfs-tsm``.

    Args:
        platform: what the kernel's provider is.
        endorsements: folder of what the operator has put beside.
        reports: where the kernel makes reports.
    """

    def __init__(self, platform: str, endorsements: Path, reports: Path = REPORTS) -> None:
        self._platform = platform
        self._endorsements = endorsements
        self._reports = reports

    @property
    def platform(self) -> str:
        """``sev-snp`` or ``tdx``."""
        return self._platform

    def quote(self, binding: bytes) -> QuoteBundle:
        """A report over 64 bytes (fewer are followed by zeros), in a folder of its own so that nobody writes between.

        Raises:
            Unavailable: no report, one of another provider, or one that somebody else's writing went into.
        """
        with _instance(self._reports) as place:
            try:
                (place / "inblob").write_bytes(binding.ljust(_BINDING, b"\0"))
                evidence, auxiliary = (_read(place / name) for name in ("outblob", "auxblob"))
                provider, written = ((place / name).read_text().strip() for name in ("provider", "generation"))
            except OSError as exc:
                raise Unavailable(
                    f"the hardware gave no report: {exc.strerror}", hint="look into the kernel's messages"
                ) from exc
        if _PROVIDERS.get(provider) != self._platform:
            raise Unavailable(f"the hardware answers as {provider[:40]!r}, not as {self._platform}")
        if written != "1" or not evidence:
            raise Unavailable(
                "the hardware's report is empty, or somebody else wrote into it", hint="it is tried again"
            )
        beside = endorsements_in(self._endorsements)
        given, lists = certificates_of(auxiliary) if self._platform == "sev-snp" else ((), ())
        return QuoteBundle(
            self._platform,
            evidence,
            Endorsements(
                certificates=(*given, *(one for one in beside.certificates if one not in given)),
                revocation_lists=(*lists, *(one for one in beside.revocation_lists if one not in lists)),
                collateral=beside.collateral if self._platform == "tdx" else b"",
            ),
        )


def find(folder: Path, *, reports: Path = REPORTS) -> Quoter | None:
    """What this host can quote with, or None: ``no device``.

    Args:
        folder: the hub's folder.
        reports: where the kernel makes reports.
    """
    if not reports.is_dir():
        return None
    try:
        with _instance(reports) as place:
            platform = _PROVIDERS.get((place / "provider").read_text().strip())
    except (OSError, VigieError):
        return None
    return None if platform is None else TsmQuoter(platform, folder / FOLDER, reports)


def endorsements_in(folder: Path) -> Endorsements:
    """What the operator has put beside the hardware; nothing where there is no such folder.

    Raises:
        Unavailable: a file in it cannot be read.
    """
    try:
        files = {path: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    except OSError as exc:
        raise Unavailable(f"the folder {folder} cannot be read: {exc.strerror}") from exc
    return Endorsements(
        certificates=tuple(data for path, data in files.items() if path.suffix in (".der", ".pem")),
        revocation_lists=tuple(data for path, data in files.items() if path.suffix == ".crl"),
        collateral=next((data for path, data in files.items() if path.name == "collateral.json"), b""),
    )


def certificates_of(table: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The chip's and its authority's certificates, and revocation lists, in the table that a host gives beside an SNP report.

    The root is left out, since it is pinned. A table that does not hold together gives what could be read: what is missing is
    refused by the verifier, by name.
    """
    certificates: list[bytes] = []
    lists: list[bytes] = []
    for start in range(0, len(table) - _ENTRY + 1, _ENTRY):
        guid = table[start : start + 16]
        if not any(guid):
            break
        at, size = (int.from_bytes(table[start + off : start + off + 4], "little") for off in (16, 20))
        data = table[at : at + size]
        if len(data) != size or not data:
            continue
        if guid in _CERTIFICATES:
            certificates.append(data)
        elif guid == _LIST:
            lists.append(data)
    return tuple(certificates), tuple(lists)


@contextlib.contextmanager
def _instance(reports: Path) -> Iterator[Path]:
    """A report of one's own: a folder that the kernel fills, and that is removed again.

    Raises:
        Unavailable: it cannot be made.
    """
    place = reports / f"vigie-{secrets.token_hex(8)}"
    try:
        place.mkdir()
    except OSError as exc:
        raise Unavailable(
            f"no hardware report can be asked for: {exc.strerror}", hint="the hub needs to write below " + str(reports)
        ) from exc
    try:
        yield place
    finally:
        # The files in it are the kernel's and go with the folder.
        with contextlib.suppress(OSError):
            place.rmdir()


def _read(path: Path) -> bytes:
    """A blob of the kernel; one that this provider does not have is empty."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST)
    except FileNotFoundError:
        return b""
