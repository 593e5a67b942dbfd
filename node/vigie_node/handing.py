"""Arrow rows handed to the scratch database, and taken back.

DuckDB keeps whatever is registered until its transaction ends, taken off again or not: a file read in one transaction
would stay in memory block after block. Here the view is registered once, and what it shows is exchanged.
"""

import duckdb
import pyarrow as pa


class Handed:
    """A view over Arrow rows, which are exchanged at will.

    Args:
        connection: the scratch database.
        name: of the view.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._schema: pa.Schema | None = None
        self._table: pa.Table | None = None

    def show(self, table: pa.Table) -> None:
        """Let the view show these rows, in place of those before; the view is made when there is none of their columns."""
        self._table = table
        if self._schema != table.schema:
            self._connection.register(self._name, self)
            self._schema = table.schema

    def release(self) -> None:
        """Let go of the rows; the view is of no use until it shows others."""
        self._table = None

    def remove(self) -> None:
        """Take the view off the database, if there is one."""
        self.release()
        if self._schema is not None:
            self._connection.unregister(self._name)
            self._schema = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows over, by the interface of Arrow's C streams; called by the database for each query."""
        if self._table is None:
            raise RuntimeError(f"the view {self._name} shows nothing")
        return self._table.__arrow_c_stream__(requested_schema)
