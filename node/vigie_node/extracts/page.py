"""The reference page of the extracts, made from their declarations so that it cannot drift from them."""

from collections.abc import Iterable
from typing import Final

from vigie_node.extracts.kind import Field, Kind, Layout

_HEAD: Final = """\
# Extracts

<!-- Made by `python -m vigie_node.extracts`; a test compares. Edit the modules in node/vigie_node/extracts/ instead. -->

The files that partners deliver, as a node reads them: plain or gzipped, from a file, a folder or standard input; as Parquet
or as a query that yields the same columns. Columns are found by name, whatever their order; upper and lower case and
repeated spaces do not count. A required column that is missing refuses the file; other columns are not read. Each row is
judged by itself: the first cell, in the order below, that breaks its rule rejects the row, and the report says where. An
empty cell is null. What is a *warning* is counted and kept. Of every kind, a date before its first plausible year or from
2100 on is a warning (`date_out_of_range`); of some, two rows of one key are (`repeated_row`, `repeated_key`).
"""


def page(kinds: Iterable[Kind]) -> str:
    """The page as Markdown, one section a kind in the order given."""
    return _HEAD + "".join(_section(kind) for kind in kinds)


def _section(kind: Kind) -> str:
    lines = [
        "",
        f"## {kind.name}: {kind.title}",
        "",
        f"- delivered as {', '.join(f'`{one}`' for one in kind.delivered_as) or 'no fixed name'}; {kind.titre}",
        f"- owner: {kind.owner or 'public'}; "
        + ("a new file replaces all earlier data (stock)" if kind.stock else "a new file adds to earlier data (flux)"),
    ]
    for name, checks in (("rejects", kind.rejects), ("skipped", kind.skips), ("warnings", kind.warnings)):
        if checks:
            listed = ", ".join(
                dict.fromkeys(f"`{one.rule}`" + (f" ({one.column})" if one.column else "") for one in checks)
            )
            lines.append(f"- {name}: {listed}")
    for layout in kind.layouts:
        lines += _layout(layout)
    lines.append("")
    return "\n".join(lines)


def _layout(layout: Layout) -> list[str]:
    dialect = layout.dialect
    separator = {"\t": "tab", "|": "\\|"}.get(dialect.separator, dialect.separator)
    form = f"separator `{separator}`, {dialect.encoding.upper()}"
    lines = ["", f"Layout *{layout.name}*: {form}" + (", wide rows made tall" if layout.reshape else "") + ".", ""]
    lines += ["| column | holds | cell | must be there | may be empty |", "|---|---|---|---|---|"]
    return lines + [_row(field) for field in layout.fields]


def _row(field: Field) -> str:
    names = " or ".join(f"`{name}`" for name in field.header)
    meaning = f"`{field.name}`" + (f": {field.meaning}" if field.meaning else "")
    cells = (names, meaning, field.cell.wanted, "yes" if field.required else "no", "yes" if field.nullable else "no")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
