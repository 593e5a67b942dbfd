"""A query as a source: a DuckDB file, or PostgreSQL through ADBC. A warehouse is where extracts come from.

The query gives the columns that a file would have. It can only read: a DuckDB file is opened for reading, with no way to
other files; a PostgreSQL transaction is read only. Whatever a driver says in words may hold a password, the query or a
cell, so none of it is passed on: our errors tell the kind of failure, by the driver's own codes.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

import duckdb
import pyarrow as pa

from vigie.errors import ExtractError
from vigie_node.extracts.sources import TableSource

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

DUCKDB: Final = "duckdb:"
POSTGRESQL: Final = ("postgresql://", "postgres://")
ENVIRONMENT: Final = "env:"
"""Prefixes of addresses; ``env:NAME`` is an address that stands in an environment variable, to keep it out of sight."""

CONNECT_SECONDS: Final = 10
_BATCH_ROWS: Final = 1 << 16
_DATABASE: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")


def is_database(address: str) -> bool:
    """Whether an argument is the address of a database rather than a path."""
    return address.startswith((DUCKDB, ENVIRONMENT, *POSTGRESQL))


def query_source(address: str, query: str, environment: Mapping[str, str] = MappingProxyType({})) -> TableSource:
    """The source that a query on a database is; nothing is connected before it is read.

    Args:
        address: ``duckdb:FILE``, ``postgresql://…``, or ``env:NAME`` with one of those in the variable ``NAME``.
        query: one SELECT.
        environment: where variables are looked up.

    Raises:
        ExtractError: no such variable, or an address of no known form.
    """
    if address.startswith(ENVIRONMENT):
        name = address.removeprefix(ENVIRONMENT)
        address = environment.get(name, "")
        if not address:
            raise ExtractError(
                f"the environment variable {name[:63]!r} is empty or not set",
                hint="it holds the address: postgresql://USER:PASSWORD@HOST/DATABASE",
            )
    query = query.strip().rstrip(";").strip()
    if not query:
        raise ExtractError("a database is read by a query, and there is none", hint="give a SELECT with --query")
    if address.startswith(DUCKDB):
        return duckdb_source(Path(address.removeprefix(DUCKDB)), query)
    if address.startswith(POSTGRESQL):
        return postgresql_source(address, query)
    # The address itself may hold a password.
    raise ExtractError(
        "not the address of a database that can be read", hint="addresses are duckdb:FILE and postgresql://…"
    )


# ------------------------------------------------------------------------------------------------------------- DuckDB


def duckdb_source(path: Path, query: str) -> TableSource:
    """A query on the tables of a DuckDB file, which is opened for reading only."""
    name = f"{DUCKDB}{path.name}"

    @contextmanager
    def asked() -> Iterator[duckdb.DuckDBPyRelation]:
        with _duckdb(path, name) as connection:
            try:
                statements = connection.extract_statements(query)
                if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                    raise ExtractError(f"{name}: the query is not one SELECT", hint=_ONE_SELECT)
                relation = connection.sql(query)
            except duckdb.Error as error:
                raise _duckdb_failure(name, error) from None
            yield relation

    @contextmanager
    def begin() -> Iterator[pa.RecordBatchReader]:
        with asked() as relation:
            try:
                reader = relation.to_arrow_reader(_BATCH_ROWS)
            except duckdb.Error as error:
                raise _duckdb_failure(name, error) from None
            yield pa.RecordBatchReader.from_batches(reader.schema, _duckdb_batches(name, reader))

    def columns() -> list[str]:
        with asked() as relation:
            return list(relation.columns)

    return TableSource(name, columns, begin)


@contextmanager
def _duckdb(path: Path, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
    if not path.is_file():
        raise ExtractError(f"{name}: there is no such file", hint="check the path")
    try:
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={
                "enable_external_access": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "lock_configuration": "true",
            },
        )
    except duckdb.Error as error:
        locked = "lock" in str(error).casefold()
        raise ExtractError(
            f"{name}: cannot be opened",
            hint="another program has it open for writing: close that, or copy the file"
            if locked
            else f"is it a database of DuckDB {duckdb.__version__} or before?",
        ) from None
    with connection:
        yield connection


def _duckdb_batches(name: str, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _duckdb_failure(name, error) from None


def _duckdb_failure(name: str, error: Exception) -> ExtractError:
    match error:
        case duckdb.ParserException():
            said, hint = "the query is no SQL that DuckDB understands", _TRY
        case duckdb.CatalogException() | duckdb.BinderException():
            said, hint = "the query names a table, a column or a function that is not there, or mixes types", _TRY
        case duckdb.PermissionException():
            said, hint = "the query reaches outside of the database", "it may read the tables of this file only"
        case duckdb.OutOfMemoryException():
            said, hint = "the query needs more memory than there is", "store its result as a table, and read that"
        case duckdb.ConversionException() | duckdb.OutOfRangeException():
            said, hint = "the query fails on a value that it converts", "leave the value as text: cells are judged here"
        case _:
            said, hint = "the query fails", _TRY
    return ExtractError(f"{name}: {said}", hint=hint)


# --------------------------------------------------------------------------------------------------------- PostgreSQL


def postgresql_source(uri: str, query: str) -> TableSource:
    """A query on PostgreSQL, in a transaction that can only read.

    Args:
        uri: as libpq takes it; what it may leave out (password, host) libpq looks up in its own places.
        query: one SELECT.
    """
    name = _postgresql_name(uri)

    @contextmanager
    def begin() -> Iterator[pa.RecordBatchReader]:
        with _postgresql(uri, name) as cursor:
            errors = _adbc_errors()
            try:
                cursor.execute(query)
                handle = cursor.fetch_arrow()  # kept: the rows stand behind it
                reader = _with_states(handle.address)
            except errors as error:
                raise _postgresql_failure(name, error) from None

            def batches() -> Iterator[pa.RecordBatch]:
                try:
                    yield from reader
                except errors as error:
                    raise _postgresql_failure(name, error) from None

            yield pa.RecordBatchReader.from_batches(reader.schema, batches())

    def columns() -> list[str]:
        with _postgresql(uri, name) as cursor:
            try:
                return list(cursor.adbc_execute_schema(query).names)
            except _adbc_errors() as error:
                raise _postgresql_failure(name, error) from None

    return TableSource(name, columns, begin)


def _with_states(address: int) -> pa.RecordBatchReader:
    """The rows at an address, read by the driver's own reader: Arrow's would lose the SQLSTATE of what fails midway."""
    from adbc_driver_manager._reader import AdbcRecordBatchReader

    return AdbcRecordBatchReader._import_from_c(address)  # noqa: SLF001 - the package has no other door


def _postgresql_name(uri: str) -> str:
    """The database's name, when it surely is no part of a password that was not escaped."""
    try:
        database = urlsplit(uri).path.removeprefix("/")
    except ValueError:
        database = ""
    return f"postgresql:{database}" if _DATABASE.fullmatch(database) else "postgresql"


@contextmanager
def _postgresql(uri: str, name: str) -> Iterator["dbapi.Cursor"]:
    try:
        from adbc_driver_postgresql import dbapi as driver
    except ImportError:
        raise ExtractError(
            f"{name}: the driver for PostgreSQL is not installed", hint="install vigie[node], which brings it"
        ) from None
    try:
        connection = driver.connect(_with_timeout(uri))
    except _adbc_errors() as error:
        raise ExtractError(f"{name}: cannot connect", hint=_why_not_connected(str(error))) from None
    with closing(connection), closing(connection.cursor()) as cursor:
        try:
            cursor.execute("SET TRANSACTION READ ONLY")
        except _adbc_errors() as error:
            raise _postgresql_failure(name, error) from None
        yield cursor


def _with_timeout(uri: str) -> str:
    try:
        query = urlsplit(uri).query
    except ValueError:
        return uri
    if "connect_timeout" in parse_qs(query):
        return uri
    return f"{uri}{'&' if query else '?'}connect_timeout={CONNECT_SECONDS}"


def _adbc_errors() -> tuple[type[Exception], ...]:
    """What the driver raises, and what Arrow makes of it when it happens in the middle of a stream."""
    try:
        from adbc_driver_manager import Error
    except ImportError:
        return (pa.ArrowException, OSError)
    return (Error, pa.ArrowException, OSError)


_REASONS: Final = (
    ("password authentication failed", "the server refuses this user or password"),
    ("no password supplied", "the server wants a password: put it in the address, or in libpq's password file"),
    ("no pg_hba.conf entry", "the server does not let this user in from this machine (pg_hba.conf)"),
    ("does not exist", "there is no such database or user on the server"),
    ("could not translate host name", "there is no such host: check the address"),
    ("connection refused", "nothing listens there: check host and port, and whether the server runs"),
    ("timeout", "the server does not answer: check host, port and firewall"),
    ("invalid uri", "the address is not of the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=…"),
    ("in uri", "signs such as @ / : ? # within a password are written %40 %2F %3A %3F %23"),
)
"""Words of libpq (without the values around them) → what we say of them."""


def _why_not_connected(said: str) -> str:
    said = said.casefold()
    return next((hint for words, hint in _REASONS if words in said), "try the address with psql")


_STATES: Final = {
    "42601": ("the query is no SQL that PostgreSQL understands, or more than one statement", None),
    "42P01": ("the query names a table that is not there", None),
    "42703": ("the query names a column that is not there", None),
    "42883": ("the query names a function that is not there, or gives it values of another type", None),
    "42501": ("this user may not read what the query names", "ask for SELECT on those tables, and for nothing more"),
    "25006": ("the query writes", "it may only read: the transaction is read only"),
    "57014": (
        "the query was cancelled, perhaps for the time that it took",
        "store its result as a table, and read that",
    ),
}
_CLASSES: Final = {
    "08": ("the connection was lost", "try again"),
    "22": ("the query fails on a value that it converts", "leave the value as text: cells are judged here"),
    "53": ("the server lacks memory, disk or connections for the query", "ask its administrator"),
    "57": ("the server was stopped", "try again"),
}
"""SQLSTATE, or its class, → what we say of it (PostgreSQL, appendix A)."""


def _postgresql_failure(name: str, error: Exception) -> ExtractError:
    state = getattr(error, "sqlstate", None) or ""
    said, hint = _STATES.get(state) or _CLASSES.get(state[:2]) or ("the query fails", None)
    return ExtractError(f"{name}: {said}{f' (SQLSTATE {state})' if state else ''}", hint=hint or _TRY)


_TRY: Final = "try it in the database's own client"
_ONE_SELECT: Final = "write one SELECT (or WITH … SELECT) that gives the columns of the file"
