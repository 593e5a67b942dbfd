"""Companies whose reasons a partner asks for, beside those with an alert: its lots of ``explanation_requests``.

What a partner asks is its own: it brings no company into the perimeter, makes none known to anybody, and no other
recipient's result depends on it (docs/spec/result.md, "Who is explained").
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vigie.datasets import PSEUDONYM
from vigie.datasets.explanation_requests import EXPLANATION_REQUESTS
from vigie_hub.enclave.intake import NamedLot
from vigie_hub.enclave.reading import LotRows, merge

REQUESTS: Final = EXPLANATION_REQUESTS.name

Mask = npt.NDArray[np.bool_]


def asks(lot: NamedLot) -> bool:
    """Whether a lot is what its partner asks, and tells nothing of companies."""
    return lot.body.dataset == REQUESTS


def asked(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[LotRows], partner: str, keys: pa.Array, period: int
) -> tuple[Mask, list[pa.Table]]:
    """Which of ``keys`` a partner asks about for a period, and the tables made on the way, which the caller wipes.

    Args:
        connection: with the macro ``month_of``.
        rows: of all lots of a group of companies.
        partner: who asks; what others ask is not looked at.
        keys: the companies that are scored; length n.
        period: month of the scores.

    Raises:
        Refused: claim ``rows``: two rows of one company and month in one lot.
    """
    own = [one for one in rows if asks(one.lot) and one.lot.body.partner == partner]
    if not own:
        return np.zeros(len(keys), np.bool_), []
    merged = merge(connection, own)
    connection.register("requests", merged)
    try:
        wanted = connection.sql(
            f'SELECT "{PSEUDONYM}" FROM requests WHERE month_of("{EXPLANATION_REQUESTS.time}") = {period}'
        ).to_arrow_table()
    finally:
        connection.unregister("requests")
    names = wanted.column(0).combine_chunks().cast(keys.type)
    return pc.is_in(keys, value_set=names).to_numpy(zero_copy_only=False), [merged, wanted]


def seen(asked: Mapping[str, Mask], known: Mapping[str, Mask]) -> dict[str, Mask]:
    """What each partner asks of companies that it knows: of no others does it get a row."""
    return {partner: mask & known[partner] for partner, mask in asked.items()}


def by_anybody(asked: Iterable[Mask], companies: int) -> Mask:
    """Companies that somebody asks about; length ``companies``."""
    found = np.zeros(companies, np.bool_)
    for mask in asked:
        found |= mask
    return found
