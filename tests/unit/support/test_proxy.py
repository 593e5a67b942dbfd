"""The proxy of the leak tests passes on every byte, writes it down, and cuts where it is told."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.proxy import Proxy

ANSWER = b"heard: "


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that answers every connection's bytes with themselves."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def talk(peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(65536):
                    peer.sendall(ANSWER + data)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=talk, args=(peer,), daemon=True))
            threads[-1].start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    host, port = listener.getsockname()
    yield f"{host}:{port}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def connect(address: str) -> socket.socket:
    host, port = address.rsplit(":", 1)
    peer = socket.create_connection((host, int(port)), timeout=5)
    peer.settimeout(5)
    return peer


def broken(peer: socket.socket) -> bool:
    """Whether the other side is gone; waits for it."""
    try:
        return peer.recv(100) == b""
    except ConnectionError:
        return True


def test_bytes_pass_both_ways_and_are_written_down(echo: str, tmp_path: Path) -> None:
    with Proxy(echo, tmp_path) as proxy:
        for word in (b"one", b"two"):
            with connect(proxy.address) as peer:
                peer.sendall(word)
                assert peer.recv(100) == ANSWER + word
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "001-up.bin": b"one",
        "001-down.bin": ANSWER + b"one",
        "002-up.bin": b"two",
        "002-down.bin": ANSWER + b"two",
    }
    assert proxy.recorded() == 2 * (3 + len(ANSWER) + 3)


def test_a_cut_breaks_what_is_open_and_nothing_else(echo: str, tmp_path: Path) -> None:
    with Proxy(echo, tmp_path) as proxy:
        with connect(proxy.address) as peer:
            peer.sendall(b"one")
            peer.recv(100)
            assert proxy.open_connections == 1
            assert proxy.cut() == 1
            assert broken(peer)
        with connect(proxy.address) as peer:
            peer.sendall(b"two")
            assert peer.recv(100) == ANSWER + b"two"


def test_a_connection_is_cut_at_a_byte_once(echo: str, tmp_path: Path) -> None:
    with Proxy(echo, tmp_path, cut_after_up=5) as proxy:
        with connect(proxy.address) as peer:
            peer.sendall(b"0123456789")
            while not broken(peer):
                continue
        with connect(proxy.address) as peer:
            peer.sendall(b"0123456789")
            assert peer.recv(100) == ANSWER + b"0123456789"
        assert proxy.cuts == 1
    assert (tmp_path / "001-up.bin").read_bytes() == b"01234"


def test_a_refusing_proxy_and_a_missing_hub_break_the_connection(echo: str, tmp_path: Path) -> None:
    with Proxy(echo, tmp_path / "a", refusing=True) as proxy, connect(proxy.address) as peer:
        assert broken(peer)
    free = socket.create_server(("127.0.0.1", 0))
    host, port = free.getsockname()
    free.close()
    with Proxy(f"{host}:{port}", tmp_path / "b") as proxy, connect(proxy.address) as peer:
        assert broken(peer)


def test_a_large_transfer_is_complete(echo: str, tmp_path: Path) -> None:
    sent = bytes(range(256)) * 8192
    with Proxy(echo, tmp_path) as proxy, connect(proxy.address) as peer:
        writer = threading.Thread(target=peer.sendall, args=(sent,))
        writer.start()
        got = bytearray()
        while len(got.replace(ANSWER, b"")) < len(sent):
            got += peer.recv(65536)
        writer.join(5)
    assert (tmp_path / "001-up.bin").read_bytes() == sent
