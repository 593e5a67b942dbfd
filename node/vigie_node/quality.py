"""The validation report: what was read, what is wrong with it and where, what will be sent.

The counts keep the real system's rule, parsed = valid + rejected + skipped. A report never holds the content of a cell:
only its *shape* (digits as 9, letters as a), so that it can be shown, saved and mailed.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20
"""How many rejections a printed report lists; the saved one lists all that were kept."""

KEPT = 10_000
"""How many rejections keep their place; the counts per rule go on above it."""


def shape_of(cell: str | None, *, limit: int = 24) -> str:
    """Return the shape of a cell, without its content.

    >>> shape_of("12 a-é")
    '99 a-a'
    """
    if cell is None:
        return "(empty)"
    masked = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", cell[:limit]))
    return masked + ("…" if len(cell) > limit else "")


@dataclass(frozen=True)
class Finding:
    """One cell or row that breaks a rule.

    Attributes:
        file: name of the file, without its folder.
        line: place in the file; for CSV the line with the header as 1, for Parquet the row from 1.
        column: name of the column, empty when the row as a whole is meant.
        rule: a stable word.
        shape: the masked cell.
    """

    file: str
    line: int
    column: str
    rule: str
    shape: str


@dataclass
class Report:
    """What checking one dataset found.

    Attributes:
        dataset: name of the dataset.
        parsed: rows read; always ``valid + rejected + skipped``.
        valid: rows read that are in what will be sent.
        rows: rows that will be sent; the same for a canonical file, another number where rows are summed or spread.
        without: extracts that would add to the dataset and were not given.
        rules: rejections and skips per rule (a row counts once, under the first rule that it breaks).
        warnings: rows per warning; they are sent all the same.
        rejections: where rejected rows are, at most :data:`KEPT`.
        companies: distinct companies among the valid rows.
        first: first month or date among valid rows, ISO.
        last: last month or date among valid rows, ISO.
        columns: name, type, unit, share of empty cells, of what will be sent.
    """

    dataset: str
    files: tuple[str, ...] = ()
    parsed: int = 0
    valid: int = 0
    rejected: int = 0
    skipped: int = 0
    rows: int = 0
    without: tuple[str, ...] = ()
    rules: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    rejections: list[Finding] = field(default_factory=list)
    companies: int = 0
    first: str = ""
    last: str = ""
    columns: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def rejected_share(self) -> float:
        """Share of the parsed rows that were rejected, 0 when nothing was parsed."""
        return self.rejected / self.parsed if self.parsed else 0.0

    def summary(self) -> str:
        """One sentence in the real system's own shape (``import_logs``), in French as its operators know it."""
        return (
            f"{', '.join(self.files)}: intégration terminée, {self.parsed} lignes traitées, 0 erreurs fatales, "
            f"{self.rejected} lignes rejetées, {self.skipped} lignes filtrées, {self.valid} lignes valides"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, without the content of any cell."""
        return {
            "dataset": self.dataset,
            "files": list(self.files),
            "lines_parsed": self.parsed,
            "lines_valid": self.valid,
            "lines_rejected": self.rejected,
            "lines_skipped": self.skipped,
            "rows": self.rows,
            "without": list(self.without),
            "is_fatal": False,
            "summary": self.summary(),
            "rules": dict(sorted(self.rules.items())),
            "warnings": dict(sorted(self.warnings.items())),
            "companies": self.companies,
            "first": self.first,
            "last": self.last,
            "columns": [dict(column) for column in self.columns],
            "rejections": [finding.__dict__ for finding in self.rejections],
        }


def dump(reports: Iterable[Report]) -> bytes:
    """Return reports as indented JSON, UTF-8, for a person and for tools."""
    return (json.dumps([report.to_json() for report in reports], ensure_ascii=False, indent=2) + "\n").encode()
