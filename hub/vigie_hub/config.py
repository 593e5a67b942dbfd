"""The hub's configuration: ``hub.toml`` in its folder, read once at the start into frozen dataclasses.

Unknown keys are refused, so that a misspelt limit is not a silent default. Every number has a default that is safe for
a hub of a few dozen partners.
"""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vigie.errors import ConfigError

FILE_NAME: Final = "hub.toml"


@dataclass(frozen=True)
class Limits:
    """Bounds on what members may ask for (protocol section 10)."""

    open_lots: int = 16
    """Lots that one partner may have open at a time."""
    lot_bytes: int = 64 * 1024**3
    """The largest lot, in sealed bytes."""
    lot_segments: int = 100_000
    """The most segments in one lot: their list must fit in one message."""
    perimeter_parts: int = 4096
    """The most sealed parts in one perimeter, of all recipients together."""
    stale_days: int = 7
    """An open lot that was not touched for so many days gives way when its partner has too many open."""
    batch: int = 4096
    """Elements in one blind batch."""
    refusals_per_hour: int = 60
    """Refusals of one member in an hour that get an entry of their own; the rest are counted in one summary."""
    unary_seconds: int = 60
    """How long an ordinary call may take."""
    evaluate_seconds: int = 120
    """How long a relayed blind batch may take."""
    put_idle_seconds: int = 120
    """How long a stream of segments may be silent."""
    answer_seconds: int = 60
    """How long an attending member may take to answer a question of the hub."""
    announce_seconds: int = 2
    """Time between two announcements of an order to members that have not decided."""
    claim_seconds: int = 180
    """How long an enclave may take to start and to say what it is."""
    silence_seconds: int = 3600
    """How long a running enclave may say nothing."""
    quorum_seconds: int = 200
    """How long an attempt waits for witnesses; the members' challenges are valid for 300 seconds."""
    attempts: int = 3
    """How often an enclave is started for one order."""


@dataclass(frozen=True)
class HubConfig:
    """Where the hub is and what it uses. Paths are relative to the hub's folder.

    Attributes:
        folder: the hub's folder; not in the file.
        member: the hub's name in the convention.
        listen: address and port; port 0 takes a free one and ``serve`` prints it.
        keyring: the hub's keyring, made by ``vigie member init --role hub``.
        enclave: folder that holds ``root/`` and ``launch.json``, built by ``vigie-hub init``.
        isolation: how enclaves are started: "auto" for the best that this host gives, "C" or "B" for nothing else.
        enclave_uids: users that enclaves may have, as FIRST-LAST; nobody else may have them.
        enclave_launcher: socket of `vigie-hub enclave launcher`, which then starts the enclaves; empty: this process does.
        metrics: address and port of the Prometheus endpoint; empty for none.
        limits: section ``[limits]``.
    """

    folder: Path
    member: str
    listen: str = "127.0.0.1:7443"
    keyring: Path = Path("hub.keyring")
    enclave: Path = Path("enclave")
    isolation: str = "auto"
    enclave_uids: str = "60800-60863"
    enclave_launcher: str = ""
    metrics: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def conventions(self) -> Path:
        """Folder with the convention and its ancestors as signed files; read in the order of their names."""
        return self.folder / "conventions"


def load(folder: Path) -> HubConfig:
    """Read ``hub.toml`` in ``folder``.

    Raises:
        ConfigError: no such file, not TOML, an unknown key or a value of the wrong type.
    """
    path = folder / FILE_NAME
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"there is no hub in {folder}", hint="make one with: vigie-hub init --folder …") from exc
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    limits = _fill(Limits, table.pop("limits", {}), f"{path}: [limits]")
    hub = table.pop("hub", None)
    if table or not isinstance(hub, dict):
        raise ConfigError(f"{path} must have a section [hub], perhaps [limits], and nothing else")
    paths = {key: hub.pop(key) for key in ("keyring", "enclave") if key in hub}
    if any(not isinstance(value, str) for value in paths.values()):
        raise ConfigError(f"{path}: [hub]: keyring and enclave must be paths")
    resolved = {
        "keyring": folder / paths.get("keyring", "hub.keyring"),
        "enclave": folder / paths.get("enclave", "enclave"),
    }
    config: HubConfig = _fill(HubConfig, hub, f"{path}: [hub]", folder=folder, limits=limits, **resolved)
    return config


def text_of(member: str, *, listen: str, keyring: str, enclave: str) -> str:
    """Return the text of a new ``hub.toml``."""
    return (
        "# The hub of the exchange. Paths are relative to this file. See docs for every limit.\n"
        "[hub]\n"
        f'member = "{member}"\n'
        f'listen = "{listen}"        # port 0 takes a free port; serve prints it\n'
        f'keyring = "{keyring}"\n'
        f'enclave = "{enclave}"\n'
        'metrics = ""                # for instance "127.0.0.1:9464"; empty: none\n'
        "\n"
        "[limits]\n"
    )


def _fill(cls: type[Any], table: Any, where: str, **given: Any) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table")
    known = {item.name: item for item in dataclasses.fields(cls) if item.name not in given}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{where} has an unknown key {key!r}", hint=f"it knows: {', '.join(known)}")
        wanted = int if known[key].type is int else str
        if type(value) is not wanted or (isinstance(value, int) and value < 1):
            raise ConfigError(f"{where}: {key} must be {'a whole number above 0' if wanted is int else 'text'}")
    missing = [name for name, item in known.items() if name not in table and _required(item)]
    if missing:
        raise ConfigError(f"{where} lacks {missing[0]!r}")
    return cls(**table, **given)


def _required(item: "dataclasses.Field[Any]") -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
