"""Hostile code for the inside of an enclave: what it tries, one small attempt each, and how it tells what came of it."""

from . import files, kernel, libraries, memory, processes, sockets
from .attempt import PROBES, Probe, Refused, Unavailable, tell

__all__ = [
    "PROBES",
    "Probe",
    "Refused",
    "Unavailable",
    "files",
    "kernel",
    "libraries",
    "memory",
    "processes",
    "sockets",
    "tell",
]
