"""Everything that the enclave will do, done once on made-up rows before it seals itself.

Libraries build thread pools, probe the processor and import lazily on first use; after the seal that would fail, or be a
channel.  So each code path runs here, on constants, before any key is drawn.
"""

from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import pyarrow as pa

from vigie import result, sealing, segment
from vigie.clock import parse_time, stamp
from vigie.datasets import BUILT_IN, PSEUDONYM, PSEUDONYM_BYTES, Column, ColumnType, Dataset
from vigie.note import Signer
from vigie_hub.enclave.features import catalogue_of, compute, connect
from vigie_hub.enclave.model import PanelBuilder, train_and_score
from vigie_hub.enclave.months import parse_month

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
    builder.add(
        compute(
            connection,
            tables,
            perimeter={"headcount": tables["headcount"]},
            catalogue=catalogue,
            period=_PERIOD,
            last_training=_PERIOD - 18,
        )
    )
    connection.close()
    train_and_score(builder.build(), catalogue)
    _seals(tables["headcount"])


def _table(name: str, keys: list[bytes], columns: dict[str, object]) -> pa.Table:
    schema = BUILT_IN[name].wire_schema()
    arrays = [pa.array(keys, schema.field(0).type)]
    for field in list(schema)[1:]:
        value = columns[field.name]
        arrays.append(
            value.cast(field.type) if isinstance(value, pa.Array) else pa.array([value] * len(keys), field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _seals(table: pa.Table) -> None:
    key = sealing.SealingPrivateKey.from_seed(sealing.generate())
    for part in segment.cut(table):
        plain = key.open(b"warm-up", sealing.seal(key.public, b"warm-up", part))
        segment.read(plain, table.schema)
    result.encode(result.schema().empty_table(), dict.fromkeys(result.ABOUT))
    Signer("warm-up", bytes(32)).sign(b"warm-up\n")
    parse_time(stamp(datetime(2020, 12, 1, tzinfo=UTC)))  # its first use imports
