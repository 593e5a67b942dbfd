"""A list at the terminal: for each company its level, what changed, and its reasons as sentences."""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from vigie.datasets import SIREN
from vigie.result import REASONS
from vigie_node import export
from vigie_node.changes import CHANGE

_IN_PROCEEDINGS: Final = {"fr": "procédure collective connue", "en": "a collective proceeding is known"}
"""What a row without a level is about, where levels are not withheld (docs/spec/result.md)."""


def lines(
    table: pa.Table, about: Mapping[str, Any], *, language: str, company: str | None = None, top: int = 10
) -> list[str]:
    """Return the lines that show the first companies of a list, or one of them; none when it has none of those.

    Args:
        table: of an opened result, most alarming first.
        about: what it says of itself.
        language: ``fr`` or ``en``.
        company: a SIREN; then ``top`` does not count.
        top: most companies.
    """
    chosen = table.slice(0, top) if company is None else table.filter(pc.equal(table.column(SIREN), company))
    headings, rows = export.rows_for_people(chosen, about, language)
    names = export.without_sentences(chosen).column_names
    reasons = {f"reason_{number}" for number in range(1, REASONS + 1)}
    said: list[str] = []
    for row in rows:
        cells = dict(zip(names, zip(headings, row, strict=True), strict=True))
        first = [str(cells[name][1]) for name in (SIREN, "level", CHANGE) if name in cells and cells[name][1]]
        if len(first) == 1 and "level" in cells and "level" not in about.get("withheld", {}):
            first.append(_IN_PROCEEDINGS[language])
        said.append("  ".join(first))
        said += [f"  {heading} – {cell}" for name, (heading, cell) in cells.items() if name in reasons and cell]
    return said
