"""From the header of a table to its declaration in a convention: names, types, units, labels.

A table that one partner has, or that a study has published, becomes a ``[[dataset]]`` with one column for each of its own.
Names that a convention does not allow are made over, and the name that the table had stays as what the column means.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from vigie.convention.writing import value_text
from vigie.errors import InputError

LONGEST: Final = 63
RESERVED: Final = frozenset({"siren", "pseudonym"})


def identifiers(names: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """Names as a convention allows them, one for each name given, in order and all different.

    Accents and capitals are dropped, everything else that is not a letter or digit becomes an underscore; ``%`` is told as
    ``percent``. Of two names that would be one, the later has a number behind it.

    Args:
        names: as the table has them.
        taken: names that none may have.
    """
    found: list[str] = []
    used = set(taken) | RESERVED
    for name in names:
        text = unicodedata.normalize("NFKD", name.replace("%", " percent ")).encode("ascii", "ignore").decode().lower()
        text = re.sub(r"[^a-z0-9]+", "_", text).strip("_") or "column"
        text = (text if text[0].isalpha() else f"c_{text}")[:LONGEST].rstrip("_")
        one, number = text, 2
        while one in used:
            one = f"{text[: LONGEST - len(str(number)) - 1]}_{number}"
            number += 1
        used.add(one)
        found.append(one)
    return found


def column_type(name: str, found: pa.DataType) -> str:
    """The type that a convention gives a column of a table.

    Raises:
        InputError: a column of text or of another type that no convention knows; the hint says what to do.
    """
    if pa.types.is_boolean(found):
        return "boolean"
    if pa.types.is_integer(found):
        return "integer"
    if pa.types.is_floating(found):
        return "number"
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        return "date"
    raise InputError(
        f"the column {name[:80]!r} is {found}: no free text crosses, and no type of a convention fits it",
        hint="leave it out with --leave-out, or turn it into numbers first",
    )


def declaration(
    schema: pa.Schema,
    *,
    name: str,
    owner: str,
    labels: Sequence[str],
    unit: str,
    grain: str = "year",
    time: str = "month",
    positions: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The ``[[dataset]]`` of a table, as tomllib would read it; the time column is added in the first place.

    Args:
        schema: the table's columns without its key and its time.
        name: of the dataset.
        owner: the partner that has the table.
        labels: of every column; none for public data.
        unit: of every column, for people.
        grain: ``month`` or ``year``.
        time: name of the time column.
        positions: place among the features of all datasets of a purpose, by name in the table.

    Raises:
        InputError: a column whose type does not fit.
    """
    label: Any = labels[0] if len(labels) == 1 else list(labels)
    columns: list[dict[str, Any]] = [{"name": time, "type": "month", "unit": "month", "label": []}]
    for field, made in zip(schema, identifiers(schema.names, [time]), strict=True):
        one: dict[str, Any] = {"name": made, "type": column_type(field.name, field.type), "unit": unit, "label": label}
        if made != field.name:
            meaning = "".join(character for character in field.name if character.isprintable())[:500]
            one |= {"meaning_fr": meaning, "meaning_en": meaning} if meaning.strip() else {}
        if positions and field.name in positions:
            one["position"] = positions[field.name]
        columns.append(one)
    return {
        "name": name, "schema": 1, "owners": [owner], "maximum_rejected": 0.0, "minimum_level": "A1", "grain": grain,
        "time": time, "column": columns,
    }  # fmt: skip


def dataset_text(data: Mapping[str, Any]) -> str:
    """A declared dataset as the lines of a file of terms, ended by a line end."""
    lines = ["[[dataset]]", *_settings(data, without="column")]
    for column in data["column"]:
        lines += ["", "[[dataset.column]]", *_settings(column)]
    return "\n".join(lines) + "\n"


def _settings(data: Mapping[str, Any], without: str = "") -> list[str]:
    return [f"{key} = {value_text(value)}" for key, value in data.items() if key != without]
