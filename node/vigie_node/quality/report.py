"""The report of one extract or one dataset, and its form as JSON.

The counts keep the real system's rule, parsed = valid + rejected + skipped. Every rejection is in the saved report, with
its place and the shape of its cell (digits as 9, letters as a); counts per rule cover all rows.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from vigie_node.extracts.reading import Reading
from vigie_node.findings import SHAPE_LENGTH, Finding, Findings

SHOWN: Final = 20
"""How many rejections a printed report lists; the saved one lists all."""


def shape_of(cell: str | None, *, limit: int = SHAPE_LENGTH) -> str:
    """Return the shape of a cell, without its content.

    >>> shape_of("12 a-é")
    '99 a-a'
    """
    if cell is None:
        return "(empty)"
    masked = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", cell[:limit]))
    return masked + ("…" if len(cell) > limit else "")


@dataclass
class Report:
    """What checking one extract or one dataset found.

    Attributes:
        dataset: name of the dataset, or of the type of an extract.
        files: names of the files, without their folders.
        made_from: types of the extracts that a dataset was made from; none for a canonical file.
        extract: it is about an extract as delivered; else about a canonical dataset.
        layouts: forms in which the files of an extract came.
        parsed: rows read; always ``valid + rejected + skipped``.
        valid: rows read that are in what will be sent.
        rows: rows of the dataset that will be sent; for a dataset made from extracts another number than ``valid``, because
            rows are summed or spread over months.
        rules: rejections and skips per rule (a row counts once, under the first rule that it breaks).
        warnings: rows per warning; they are sent all the same.
        notes: what a person should know, in sentences: freshness, drift, columns new or missing.
        rejections: where rejected rows are, all of them, by file and line.
        companies: distinct companies among the valid rows.
        first: first month or date among valid rows, ISO.
        last: last month or date among valid rows, ISO.
        columns: name, type, unit, share of empty cells and meaning of what will be sent; none for an extract.
    """

    dataset: str
    files: tuple[str, ...] = ()
    extract: bool = False
    layouts: tuple[str, ...] = ()
    parsed: int = 0
    valid: int = 0
    rejected: int = 0
    skipped: int = 0
    rows: int = 0
    made_from: tuple[str, ...] = ()
    rules: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    rejections: list[Finding] | Findings = field(default_factory=list)
    companies: int = 0
    first: str = ""
    last: str = ""
    columns: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of_reading(cls, reading: Reading) -> "Report":
        """The report of an extract that was read."""
        kind = reading.kind
        report = cls(
            kind.name, tuple(reading.files), True, tuple(reading.layouts), reading.parsed, reading.valid,
            reading.rejected, reading.skipped, rejections=reading.findings, warnings=Counter(reading.warnings),
        )  # fmt: skip
        for (rule, column), rows in reading.rules.items():
            report.rules[f"{rule}:{column}" if column else rule] += rows
        if kind.company:
            ((report.companies,),) = reading.connection.execute(
                f"SELECT count(DISTINCT {kind.company}) FROM {reading.table}"
            ).fetchall()
        if kind.time:
            ((first, last),) = reading.connection.execute(
                f"SELECT CAST(min({kind.time}) AS VARCHAR), CAST(max({kind.time}) AS VARCHAR) FROM {reading.table}"
            ).fetchall()
            report.first, report.last = first or "", last or ""
        report.notes += [f"no file has the optional column {name}" for name in reading.absent]
        if reading.extra:
            report.notes.append(f"columns that are not read and stay here: {', '.join(reading.extra[:40])}")
        return report

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

    def shown(self, most: int = SHOWN) -> list[Finding]:
        """The first rejections."""
        return self.rejections.first(most) if isinstance(self.rejections, Findings) else self.rejections[:most]

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, without the rejections and without the content of any cell."""
        return {
            "dataset": self.dataset,
            "about": "extract" if self.extract else "dataset",
            "files": list(self.files),
            "layouts": list(self.layouts),
            "made_from": list(self.made_from),
            "lines_parsed": self.parsed,
            "lines_valid": self.valid,
            "lines_rejected": self.rejected,
            "lines_skipped": self.skipped,
            "rows": self.rows,
            "is_fatal": False,
            "summary": self.summary(),
            "rules": dict(sorted(self.rules.items())),
            "warnings": dict(sorted(self.warnings.items())),
            "notes": list(self.notes),
            "companies": self.companies,
            "first": self.first,
            "last": self.last,
            "columns": [dict(column) for column in self.columns],
        }


def write_json(reports: Iterable[Report], stream: TextIO) -> None:
    """Write reports as a JSON array, every rejection included, one a line; nothing is gathered in memory."""
    between = "[\n"
    for report in reports:
        head = json.dumps(report.to_json(), ensure_ascii=False, indent=2)
        stream.write(f'{between}{head.removesuffix("}").rstrip()},\n  "rejections": [')
        comma = "\n"
        for finding in report.rejections:
            stream.write(f"{comma}    {json.dumps(finding.__dict__, ensure_ascii=False)}")
            comma = ",\n"
        stream.write("]\n}" if comma == "\n" else "\n  ]\n}")
        between = ",\n"
    stream.write("[]\n" if between == "[\n" else "\n]\n")
