"""What is odd about the valid rows of a kind taken together: dates that cannot be meant, and rows that repeat a key.

Neither makes a row wrong by itself, so both are counted as warnings and change nothing. Sound files pay for one pass over
their dates and one over the hashes of their keys.
"""

from collections import Counter
from typing import Final

import duckdb

from vigie_node.extracts.kind import Kind

UNTIL: Final = 2100
"""First year that no date of an extract can be of."""


def count_oddities(kind: Kind, connection: duckdb.DuckDBPyConnection) -> Counter[str]:
    """Count the rows of a kind's table for each oddity.

    Args:
        kind: what was read.
        connection: the scratch database, which has its table.

    Returns:
        ``date_out_of_range:<column>``, ``repeated_row`` (it repeats another in every column) and ``repeated_key`` (it
        repeats the key of another and differs elsewhere), those that there are.
    """
    table = f'"{kind.store}"'
    found = Counter[str]()
    if dates := [name for name, type_ in kind.stored().items() if type_ == "DATE"]:
        counts = ", ".join(
            f'count(*) FILTER (WHERE year("{name}") NOT BETWEEN {kind.since} AND {UNTIL - 1})' for name in dates
        )
        ends = ", ".join(
            f"min(\"{name}\") < '{kind.since:04d}-01-01' OR max(\"{name}\") >= '{UNTIL}-01-01'" for name in dates
        )
        (beyond,) = connection.execute(f"SELECT {ends} FROM {table}").fetchall()
        if any(beyond):
            (rows,) = connection.execute(f"SELECT {counts} FROM {table}").fetchall()
            found.update({f"date_out_of_range:{name}": int(count) for name, count in zip(dates, rows, strict=True)})
    if kind.key and (repeated := _repeats(connection, table, kind.key)):
        same = _repeats(connection, table, tuple(kind.stored()))
        found.update({"repeated_row": same, "repeated_key": repeated - same})
    return +found


def _repeats(connection: duckdb.DuckDBPyConnection, table: str, columns: tuple[str, ...]) -> int:
    # Of hashes: eight bytes a row, whatever the key holds. Two keys of one hash are too rare to matter to a warning.
    key = ", ".join(f'"{name}"' for name in columns)
    ((repeated,),) = connection.execute(f"SELECT count(*) - count(DISTINCT hash({key})) FROM {table}").fetchall()
    return int(repeated)
