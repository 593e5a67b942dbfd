"""Rebuilds vigie-receipts.json: receipts of a small journal, good ones and one for each way to be bad.

Run it from the repository (``python tests/vectors/journal/make_receipts.py``, with ``common`` and ``tests`` on the
path); a test makes sure that it would change nothing. The keys are drawn from public strings: they protect nothing.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

from support.merkle_tree import MemoryTree
from vigie import note
from vigie.journal.checkpoint import Checkpoint, merge_cosignatures
from vigie.journal.merkle import inclusion_proof, root
from vigie.journal.proof import Receipt

FILE = Path(__file__).with_name("vigie-receipts.json")
ORIGIN = "vigie.example/exchange-log/2026"
TIME = 1_767_225_600  # 2026-01-01T00:00:00Z
ENTRIES = [f"entry {number}\n".encode() for number in range(13)]


def seed(name: str) -> bytes:
    return hashlib.sha256(f"vigie test vector {name}".encode()).digest()


LOG = note.Signer(ORIGIN, seed("log"))
WITNESSES = [note.Cosigner(f"{name}/witness", seed(name)) for name in ("acoss", "dares")]


def receipt(index: int, size: int) -> Receipt:
    tree = MemoryTree(ENTRIES[:size])
    text = Checkpoint(ORIGIN, size, root(size, tree.read)).text()
    checkpoint = note.assemble(text, [LOG.sign(text)])
    checkpoint = merge_cosignatures(checkpoint, [witness.cosign(text, TIME) for witness in WITNESSES])
    return Receipt(index, tuple(inclusion_proof(index, size, tree.read)), checkpoint)


def build() -> str:
    good = receipt(10, 13)
    encoded = good.encode().decode()
    entry = ENTRIES[10].decode()
    path_line = encoded.split("\n")[2]
    forged = note.Signer(ORIGIN, seed("another log"))
    text = note.parse(good.checkpoint).text
    log_line = LOG.sign(text).line()
    cases = [
        ("first of one", "ok", ENTRIES[0].decode(), receipt(0, 1).encode().decode()),
        ("eleventh of thirteen", "ok", entry, encoded),
        ("last of thirteen", "ok", ENTRIES[12].decode(), receipt(12, 13).encode().decode()),
        ("with extra", "ok", entry, dataclasses.replace(good, extra=b"not proved").encode().decode()),
        ("another entry", "BadProof", "entry 11\n", encoded),
        ("another index", "BadProof", entry, encoded.replace("index 10\n", "index 11\n")),
        ("index beyond the tree", "BadProof", entry, encoded.replace("index 10\n", "index 13\n")),
        ("hash left out", "BadProof", entry, encoded.replace(path_line + "\n", "")),
        ("hash sent twice", "BadProof", entry, encoded.replace(path_line, f"{path_line}\n{path_line}")),
        ("size changed", "BadSignature", entry, encoded.replace("\n13\n", "\n14\n")),
        ("no signature of the log", "BadSignature", entry, encoded.replace(log_line + "\n", "")),
        ("signed by another", "BadSignature", entry, encoded.replace(log_line, forged.sign(text).line())),
        ("another origin", "BadSignature", entry, encoded.replace(f"\n{ORIGIN}\n", "\nvigie.example/other\n")),
        ("another version", "MalformedNote", entry, encoded.replace("@v1", "@v2")),
        ("index with a leading zero", "MalformedNote", entry, encoded.replace("index 10", "index 010")),
        ("size with a leading zero", "MalformedNote", entry, encoded.replace("\n13\n", "\n013\n")),
        ("no index", "MalformedNote", entry, encoded.replace("index 10\n", "")),
        ("empty extra", "MalformedNote", entry, encoded.replace("index 10\n", "extra \nindex 10\n")),
        ("extra after the index", "MalformedNote", entry, encoded.replace("index 10\n", "index 10\nextra AAAA\n")),
        ("base64 without padding", "MalformedNote", entry, encoded.replace(path_line, path_line.rstrip("="))),
        ("short hash", "MalformedNote", entry, encoded.replace(path_line, "AAAA")),
        ("carriage returns", "MalformedNote", entry, encoded.replace("\n", "\r\n")),
        ("no checkpoint", "MalformedNote", entry, encoded.partition("\n\n")[0] + "\n\n"),
    ]
    return (
        json.dumps(
            {
                "log": LOG.verifier.vkey(),
                "witnesses": [witness.verifier.vkey() for witness in WITNESSES],
                "cases": [
                    {"name": name, "expect": expect, "entry": entry, "receipt": data}
                    for name, expect, entry, data in cases
                ],
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


if __name__ == "__main__":
    FILE.write_text(build(), encoding="utf-8")
