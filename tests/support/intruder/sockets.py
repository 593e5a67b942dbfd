"""A way out: sockets of every family, other channels, and the channel itself used for what it is not."""

import ctypes
import socket
import struct
from typing import Final

from .attempt import CHANNEL, call, probe, simple

_FAMILIES: Final = {"inet": 2, "inet6": 10, "unix": 1, "vsock": 40}

for _name, _family in _FAMILIES.items():
    simple(f"socket_{_name}", "socket", _family, 1, 0)
simple("socket_netlink", "socket", 16, 3, 0)
simple("socket_inet_datagram", "socket", 2, 2, 0)
simple("socket_inet_raw", "socket", 2, 3, 1, privileged=True)
simple("socket_packet", "socket", 17, 3, 0, privileged=True)
simple("socketpair", "socketpair", 1, 1, 0, ctypes.create_string_buffer(8))
simple("pipe", "pipe2", ctypes.create_string_buffer(8), 0)
simple("io_uring", "io_uring_setup", 4, ctypes.create_string_buffer(128))
simple("asynchronous_io", "io_setup", 4, ctypes.create_string_buffer(8))
simple("message_on_the_channel", "sendto", CHANNEL, ctypes.create_string_buffer(b"x"), 1, 0x40, None, 0)
simple("channel_shut_down", "shutdown", CHANNEL, 0)
simple("duplicate_the_channel", "dup", CHANNEL)
simple("settings_of_the_channel", "fcntl", CHANNEL, 3, 0)
simple("input_output_control", "ioctl", CHANNEL, 0x541B, ctypes.create_string_buffer(8))


@probe("python_socket")
def _python_socket() -> None:
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


@probe("descriptor_passed_over_the_channel")
def _pass_descriptor() -> None:
    content = ctypes.create_string_buffer(b"x")
    vector = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(content), 1), 16)
    control = ctypes.create_string_buffer(struct.pack("Qiii", 20, 1, 1, CHANNEL), 24)
    head = struct.pack("QQQQQQi", 0, 0, ctypes.addressof(vector), 1, ctypes.addressof(control), 24, 0)
    call("sendmsg", CHANNEL, ctypes.create_string_buffer(head, 56), 0)
