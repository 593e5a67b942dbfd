"""Columns that a source has typed already: those types that can be judged, and what becomes of the others."""

import pyarrow as pa
import pyarrow.compute as pc

from vigie.errors import ExtractError


def readable(column: pa.Array, name: str, source: str) -> pa.Array:
    """Return a column in a type that can be judged: text, number, truth, day or time of day without zone.

    Args:
        column: as the source gives it.
        name: of the column, for messages.
        source: its name, for messages.

    Raises:
        ExtractError: its type has no such form; the hint says what to write in the query.
    """
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        # How a driver hands over what it has no type for; PostgreSQL's numeric comes so, as text, and whole with zeros.
        storage = column.storage
        if getattr(kind, "type_name", "") == "numeric" and pa.types.is_string(storage.type):
            storage = pc.replace_substring_regex(storage, r"^(-?[0-9]+)\.0+$", r"\1")
        return readable(storage, name, source)
    if pa.types.is_dictionary(kind):
        return readable(column.dictionary_decode(), name, source)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        raise ExtractError(
            f"{source}: column {name[:40]!r} has a time zone, and its days depend on it",
            hint="cast it to date in the query, in the zone that is meant",
        )
    if any(accepts(kind) for accepts in _JUDGED):
        return column
    if any(accepts(kind) for accepts in _TEXT):
        try:
            return column.cast(pa.string())
        except pa.ArrowException as error:
            raise _refusal(source, name) from error
    raise _refusal(source, name)


_JUDGED = (
    pa.types.is_string, pa.types.is_integer, pa.types.is_float32, pa.types.is_float64, pa.types.is_decimal128,
    pa.types.is_boolean, pa.types.is_date, pa.types.is_timestamp, pa.types.is_null,
)  # fmt: skip
_TEXT = (
    pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary, pa.types.is_large_binary,
    pa.types.is_binary_view, pa.types.is_time, pa.types.is_decimal,
)  # fmt: skip


def _refusal(source: str, name: str) -> ExtractError:
    return ExtractError(
        f"{source}: column {name[:40]!r} has a type that cannot be read as cells", hint="cast it to text in the query"
    )
