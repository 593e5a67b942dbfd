"""Everything that the enclave will do, done once on made-up rows before it seals itself.

Libraries build thread pools, probe the processor and import lazily on first use; after the seal that would fail, or be a
channel.  So each code path runs here, on constants, before any key is drawn.
"""

import hashlib
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import pyarrow as pa

from vigie import attestation, joint, result, sealing, segment, words
from vigie.clock import parse_time, stamp
from vigie.convention import Disclosure
from vigie.datasets import BUILT_IN, PSEUDONYM, PSEUDONYM_BYTES, Column, ColumnType, Dataset
from vigie.note import Signer
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.features import catalogue_of, compute, connect, place_in_sectors
from vigie_hub.enclave.model import Panel, PanelBuilder, train_and_score
from vigie_hub.enclave.months import parse_month
from vigie_hub.enclave.usual import Usual

_COMPANIES: Final = 120
_PERIOD: Final = parse_month("2020-12")
_DECLARED: Final = Dataset.declared(
    "warmup",
    1,
    "year",
    "month",
    [
        Column("month", ColumnType.MONTH, "month", frozenset()),
        Column("value", ColumnType.NUMBER, "EUR", frozenset()),
    ],
)


def warm_up() -> None:
    """Run a whole small consolidation, and every seal and signature, on constants."""
    keys = [number.to_bytes(PSEUDONYM_BYTES, "big") for number in range(_COMPANIES)]
    values = np.arange(_COMPANIES) % 7
    tables = {
        "headcount": _table("headcount", keys, {"month": date(2019, 1, 1), "headcount": pa.array(values)}),
        "proceedings": _table(
            "proceedings", keys[::3], {"effective_date": date(2019, 9, 1), "action": 0, "stage": None}
        ),
        "legal_units": _table("legal_units", keys, {"as_of": date(2018, 1, 1), "activity_division": pa.array(values)}),
        "warmup": pa.table(
            {
                PSEUDONYM: pa.array(keys, pa.binary(PSEUDONYM_BYTES)),
                "month": pa.array([date(2018, 1, 1)] * _COMPANIES, pa.date32()),
                "value": pa.array(values * 1.5),
            }
        ),
    }
    catalogue = catalogue_of([*BUILT_IN.values(), _DECLARED])
    builder = PanelBuilder(target="failure", horizon=18, period=_PERIOD)
    connection = connect()
    group = compute(
        connection,
        tables,
        perimeter={"headcount": tables["headcount"]},
        catalogue=catalogue,
        period=_PERIOD,
        last_training=_PERIOD - 18,
    )
    connection.close()
    place_in_sectors([group], catalogue)
    builder.add(group)
    panel = builder.build()
    trained = train_and_score(panel, catalogue)
    train_and_score(panel, catalogue, model=trained.model_bytes)
    Usual.of(panel, Disclosure(3, 0.85, 5)).range(0)
    _judge()
    _seals(tables["headcount"])
    attestation.warm_up()


def _judge() -> None:
    """Train with held-out rows, judge, publish, and score with the model's bytes, on a panel long enough for it."""
    months, companies = 36, 200
    company = np.repeat(np.arange(companies, dtype=np.int32), months)
    labels = (company % 2).astype(np.uint8)
    noise = np.arange(len(company)) * 7919 % 101 / 50.0
    panel = Panel(
        keys=pa.array([number.to_bytes(PSEUDONYM_BYTES, "big") for number in range(_COMPANIES)]),
        scored=noise[:_COMPANIES, None].copy(),
        strong=np.arange(_COMPANIES) % 9 == 0,
        values=(labels + noise)[:, None],
        labels=labels,
        companies=companies,
        failing=companies // 2,
        months=(_PERIOD - 17 - months, _PERIOD - 18),
        company=company,
        month=np.tile(np.arange(_PERIOD - 17 - months, _PERIOD - 17, dtype=np.int32), companies),
        same=np.arange(companies, dtype=np.int32),
        proceeding=np.full(companies, _PERIOD - 10, np.int32),
        sector=np.arange(companies, dtype=np.int32) % 3,
        departement=np.arange(companies, dtype=np.int32) % 3,
    )
    catalogue = catalogue_of([_DECLARED])
    scores = train_and_score(panel, catalogue)
    published(scores, panel, catalogue.names, Disclosure(3, 0.85, 5))
    train_and_score(panel, catalogue, model=scores.model_bytes)


def _table(name: str, keys: list[bytes], columns: dict[str, object]) -> pa.Table:
    schema = BUILT_IN[name].wire_schema()
    arrays = [pa.array(keys, schema.field(0).type)]
    for field in list(schema)[1:]:
        value = columns.get(field.name)
        arrays.append(
            value.cast(field.type) if isinstance(value, pa.Array) else pa.array([value] * len(keys), field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


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
