"""An optional Prometheus endpoint; off unless the configuration names an address. Counts only, no member's data."""

import asyncio
from typing import TYPE_CHECKING, Final

from prometheus_client import Gauge, start_http_server

from vigie.errors import ConfigError

if TYPE_CHECKING:
    from vigie_hub.server import Hub

EVERY_SECONDS: Final = 5.0

_ENTRIES: Final = Gauge("vigie_hub_journal_entries", "Entries in the journal")
_ATTENDING: Final = Gauge("vigie_hub_attending", "Members that attend")
_LOTS: Final = Gauge("vigie_hub_lots", "Lots by state", ["state"])
_BYTES: Final = Gauge("vigie_hub_segment_bytes", "Bytes of sealed segments held")


class Gauges:
    """Serves the endpoint from now on, and keeps the gauges of one hub up to date.

    Args:
        hub: what is counted.
        address: ``host:port``.

    Raises:
        ConfigError: the address cannot be had.
    """

    def __init__(self, hub: "Hub", address: str) -> None:
        self._hub = hub
        host, _, port = address.rpartition(":")
        try:
            self._server, self._thread = start_http_server(int(port), addr=host or "127.0.0.1")
        except (OSError, ValueError) as exc:
            raise ConfigError(f"metrics cannot be served on {address}", hint="is another process using it?") from exc

    async def run(self) -> None:
        """Update until cancelled; then the endpoint is closed."""
        try:
            while True:
                self._update()
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _update(self) -> None:
        committed, opened, held = self._hub.deposits.counts()
        _ENTRIES.set(self._hub.journal.size)
        _ATTENDING.set(len(self._hub.attendance.names()))
        _LOTS.labels("committed").set(committed)
        _LOTS.labels("open").set(opened)
        _BYTES.set(held)
