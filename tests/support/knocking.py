"""Members that all connect at the same moment, again and again."""

import socket
import ssl
import tempfile
import threading
from pathlib import Path

from support.world import World

_TOGETHER = 8
_SECONDS = 20


def knock_together(address: str, world: World, *, times: int, threads: int = 4) -> int:
    """Make ``times`` TLS connections, many of them at the same moment; return how many handshakes were completed."""
    host, _, port = address.rpartition(":")
    context = _context(world)
    done = []

    def knocking() -> None:
        count = 0
        for _ in range(times // (threads * _TOGETHER)):
            try:
                # All connect before any shakes hands, so that the hub begins with them at the same moment.
                waiting = [socket.create_connection((host, int(port)), _SECONDS) for _ in range(_TOGETHER)]
            except OSError:
                break
            for connection in waiting:
                try:
                    with context.wrap_socket(connection):
                        count += 1
                except OSError:
                    connection.close()
        done.append(count)

    running = [threading.Thread(target=knocking) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(done)


def _context(world: World) -> ssl.SSLContext:
    key, certificate = world.keyrings["acoss"].tls()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=world.convention.member(world.convention.hub).certificate_pem.decode())
    context.set_alpn_protocols(["h2"])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "both.pem").write_bytes(key + certificate)
        context.load_cert_chain(Path(folder) / "both.pem")
    return context
