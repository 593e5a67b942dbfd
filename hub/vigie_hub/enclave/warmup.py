"""Everything that the enclave will do, done once on made-up rows before it seals itself.

Libraries build thread pools, probe the processor and import lazily on first use; after the seal that would fail, or be a
channel.  So each code path runs here, on constants, before any key is drawn.
"""

import hashlib
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from vigie import attestation, joint, result, sealing, segment, words
from vigie.clock import parse_time, stamp
from vigie.convention import Disclosure
from vigie.datasets import PSEUDONYM_BYTES
from vigie.note import Signer
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.features import catalogue_of
from vigie_hub.enclave.model import Panel, PanelBuilder, split, train_and_score
from vigie_hub.enclave.rehearsal import COMPANIES, DECLARED, PERIOD, Rehearsal
from vigie_hub.enclave.usual import Usual


def warm_up(rehearsal: Rehearsal | None = None) -> None:
    """Run a whole small consolidation, and every seal and signature, on constants.

    Args:
        rehearsal: of the features, begun while other things were imported; by default it is begun here.

    Raises:
        StateError: the rehearsal failed.
    """
    features = (rehearsal or Rehearsal()).features()
    builder = PanelBuilder(target="failure", horizon=18, period=PERIOD)
    builder.add(features.group)
    panel = builder.build()
    trained = train_and_score(panel, features.catalogue)
    train_and_score(panel, features.catalogue, model=trained.model_bytes)
    Usual.of(panel, Disclosure(3, 0.85, 5)).range(0)
    _judge()
    _seals(features.headcount)
    attestation.warm_up()


def _judge() -> None:
    """Train with held-out rows, judge, publish, and score with the model's bytes, on a panel long enough for it."""
    months, companies = 36, 100
    company = np.repeat(np.arange(companies, dtype=np.int32), months)
    labels = (company % 2).astype(np.uint8)
    noise = np.arange(len(company)) * 7919 % 101 / 50.0
    # The held-out companies say the opposite of the others, so that training stops as soon as it may.
    same = np.arange(companies, dtype=np.int32)
    held = split.parts(same, same % 2 == 1)[company] == split.HELD
    panel = Panel(
        keys=pa.array([number.to_bytes(PSEUDONYM_BYTES, "big") for number in range(COMPANIES)]),
        scored=noise[:COMPANIES, None].copy(),
        strong=np.arange(COMPANIES) % 9 == 0,
        values=(np.where(held, 1 - labels, labels) + noise)[:, None],
        labels=labels,
        companies=companies,
        failing=companies // 2,
        months=(PERIOD - 17 - months, PERIOD - 18),
        company=company,
        month=np.tile(np.arange(PERIOD - 17 - months, PERIOD - 17, dtype=np.int32), companies),
        same=same,
        proceeding=np.full(companies, PERIOD - 10, np.int32),
        sector=np.arange(companies, dtype=np.int32) % 3,
        departement=np.arange(companies, dtype=np.int32) % 3,
    )
    catalogue = catalogue_of([DECLARED])
    scores = train_and_score(panel, catalogue)
    published(scores, panel, catalogue.names, Disclosure(3, 0.85, 5))
    train_and_score(panel, catalogue, model=scores.model_bytes)


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
