"""Everything that the enclave will do, done once on made-up rows before it seals itself.

Libraries build thread pools, probe the processor and import lazily on first use; after the seal that would fail, or be a
channel.  So each code path runs here, on constants, before any key is drawn.
"""

import hashlib
from datetime import UTC, datetime

import pyarrow as pa

from vigie import attestation, joint, result, sealing, segment, words
from vigie.clock import parse_time, stamp
from vigie.note import Signer
from vigie_hub.enclave.rehearsal import Rehearsal


def warm_up(rehearsal: Rehearsal | None = None) -> None:
    """Run a whole small consolidation, and every seal and signature, on constants.

    Args:
        rehearsal: of features and model, begun while other things were imported; by default it is begun here.

    Raises:
        StateError: the rehearsal failed.
    """
    headcount = (rehearsal or Rehearsal()).table()
    _seals(headcount)
    attestation.warm_up()


def _seals(table: pa.Table) -> None:
    key = sealing.SealingPrivateKey.from_seed(sealing.generate())
    for part in segment.cut(table):
        plain = key.open(b"warm-up", sealing.seal(key.public, b"warm-up", part))
        segment.read(plain, table.schema)
    seed = bytes(joint.SEED_BYTES)
    model_key = joint.key_of(seed, "warm-up", 1)
    words.recover(joint.split(seed, 2, 3)[1:])
    joint.open_model(model_key, hashlib.sha256(b"warm-up").digest(), joint.seal_model(model_key.public, b"warm-up"))
    result.encode(result.schema().empty_table(), dict.fromkeys(result.ABOUT))
    Signer("warm-up", bytes(32)).sign(b"warm-up\n")
    parse_time(stamp(datetime(2020, 12, 1, tzinfo=UTC)))  # its first use imports
