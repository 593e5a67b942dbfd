"""The features and a model of made-up rows, computed in a thread while the rest of the enclave is still being imported.

What DuckDB does to plan the long statements of a history, and the rounds of a training, need no interpreter; importing
needs nothing but the interpreter.  This module imports what the features need and no more.  The thread has ended before
the process seals itself.
"""

import sys
import threading
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from vigie.datasets import BUILT_IN, PSEUDONYM, PSEUDONYM_BYTES, Column, ColumnType, Dataset
from vigie.errors import StateError
from vigie_hub.enclave.features import Catalogue, Group, catalogue_of, compute, connect, place_in_sectors
from vigie_hub.enclave.months import parse_month

COMPANIES: Final = 30
_PATIENCE: Final = 0.0002
"""Seconds after which a thread that imports lets the rehearsal have the interpreter."""

PERIOD: Final = parse_month("2020-12")
REHEARSED: Final = ("headcount", "proceedings", "legal_units")
"""The built-in datasets of which there are rows: planning the history of all of them takes three times as long, and
calls nothing that these do not."""

DECLARED: Final = Dataset.declared(
    "warmup",
    1,
    "year",
    "month",
    [
        Column("month", ColumnType.MONTH, "month", frozenset()),
        Column("value", ColumnType.NUMBER, "EUR", frozenset()),
    ],
)


@dataclass(frozen=True)
class Rehearsed:
    """What came of the features: their values, what they are, and a table that they were made of."""

    group: Group
    catalogue: Catalogue
    headcount: pa.Table


class Rehearsal:
    """Begins when it is made; everything that may import has to be imported before, or does so under Python's own locks."""

    def __init__(self) -> None:
        self._table: pa.Table | None = None
        self._patience = sys.getswitchinterval()
        # Each of many short statements comes back to the interpreter: 5 ms of waiting for each would be a tenth of the start.
        sys.setswitchinterval(_PATIENCE)
        self._thread = threading.Thread(target=self._run, name="rehearsal", daemon=True)
        self._thread.start()

    def table(self) -> pa.Table:
        """Wait for the end; a table with one row for each made-up company.

        Raises:
            StateError: it failed.
        """
        self._thread.join()
        sys.setswitchinterval(self._patience)
        if self._table is None:
            raise StateError(
                "the enclave could not compute features and a model of made-up rows",
                hint="vigie-hub enclave doctor; build the enclave root again",
            )
        return self._table

    def _run(self) -> None:
        features = rehearse()
        # Here, for LightGBM is imported by the other thread meanwhile.
        from vigie_hub.enclave.trial import try_model

        try_model(features.group, features.catalogue)
        self._table = features.headcount


def rehearse() -> Rehearsed:
    """Compute the features of some built-in datasets and of a declared one for made-up companies."""
    keys = [number.to_bytes(PSEUDONYM_BYTES, "big") for number in range(COMPANIES)]
    values = np.arange(COMPANIES) % 7
    tables = {
        "headcount": _table("headcount", keys, {"month": date(2019, 1, 1), "headcount": pa.array(values)}),
        "proceedings": _table(
            "proceedings", keys[::3], {"effective_date": date(2019, 9, 1), "action": 0, "stage": None}
        ),
        "legal_units": _table("legal_units", keys, {"as_of": date(2018, 1, 1), "activity_division": pa.array(values)}),
        "warmup": pa.table(
            {
                PSEUDONYM: pa.array(keys, pa.binary(PSEUDONYM_BYTES)),
                "month": pa.array([date(2018, 1, 1)] * COMPANIES, pa.date32()),
                "value": pa.array(values * 1.5),
            }
        ),
    }
    catalogue = catalogue_of([*(BUILT_IN[name] for name in REHEARSED), DECLARED])
    connection = connect()
    group = compute(
        connection,
        tables,
        perimeter={"headcount": tables["headcount"]},
        catalogue=catalogue,
        period=PERIOD,
        last_training=PERIOD - 18,
    )
    connection.close()
    place_in_sectors([group], catalogue)
    return Rehearsed(group, catalogue, tables["headcount"])


def _table(name: str, keys: list[bytes], columns: dict[str, object]) -> pa.Table:
    schema = BUILT_IN[name].wire_schema()
    arrays = [pa.array(keys, schema.field(0).type)]
    for field in list(schema)[1:]:
        value = columns.get(field.name)
        arrays.append(
            value.cast(field.type) if isinstance(value, pa.Array) else pa.array([value] * len(keys), field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)
