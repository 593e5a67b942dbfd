"""The report as a page that opens without a network: one HTML file, nothing loaded from anywhere."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final, TextIO

from vigie_node.quality.report import Report

ON_PAGE: Final = 1000
"""Rejections of one extract that the page lists; the JSON beside it has all."""

_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Vigie: quality report</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-top: 2px solid #000091; padding-top: .6rem }
table { border-collapse: collapse; margin: .6rem 0; width: 100% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
th { background: #f5f5fe } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
code { background: #f4f4f4; padding: 0 .2rem } .bad { color: #b34000 } .good { color: #18753c }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
</style></head><body>
"""


def write_page(reports: Iterable[Report], stream: TextIO) -> None:
    """Write reports as one HTML page.

    Args:
        reports: of extracts and datasets, in the order in which they are to be read.
        stream: of text, UTF-8.
    """
    listed = list(reports)
    stream.write(_HEAD)
    stream.write(
        "<h1>Quality report</h1>\n<p>Cells are masked: digits as 9, letters as a. Nothing here left this site.</p>"
    )
    rows = [
        [report.dataset, "extract" if report.extract else "dataset", *_counts(report), report.companies, report.last]
        for report in listed
    ]
    _table(
        stream,
        "At a glance",
        ("what", "", "parsed", "valid", "rejected", "skipped", "companies", "newest"),
        rows,
        numbers=range(2, 7),
    )
    for report in listed:
        _section(report, stream)
    stream.write("</body></html>\n")


def _counts(report: Report) -> tuple[int, int, int, int]:
    return report.parsed, report.valid, report.rejected, report.skipped


def _section(report: Report, stream: TextIO) -> None:
    what = "extract" if report.extract else "dataset"
    stream.write(f"\n<h2>{escape(report.dataset)} <small>({what})</small></h2>\n<p>{escape(report.summary())}</p>\n")
    mood = "good" if not report.rejected else "bad"
    stream.write(
        f'<p class="{mood}">parsed {report.parsed} = valid {report.valid} + rejected {report.rejected} '
        f"+ skipped {report.skipped}; {report.rejected_share:.2%} rejected</p>\n"
    )
    if report.notes:
        stream.write("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in report.notes) + "</ul>\n")
    _table(stream, "Rejected or skipped, by rule", ("rule", "rows"), report.rules.most_common(), numbers=(1,))
    _table(stream, "Warnings (sent all the same)", ("warning", "rows"), report.warnings.most_common(), numbers=(1,))
    places = [[one.file, one.line, one.column or "(row)", one.rule, one.shape] for one in report.shown(ON_PAGE)]
    more = report.rejected - len(places)
    title = "Rejected rows" + (f": the first {ON_PAGE}; {more} more are in the JSON report" if more > 0 else "")
    _table(stream, title, ("file", "line", "column", "rule", "cell like"), places, numbers=(1,))
    _table(stream, "What will be sent, under a pseudonym", _SENT, [_sent(column) for column in report.columns])


_SENT: Final = ("column", "type", "unit", "empty", "meaning", "sens")


def _sent(column: Mapping[str, Any]) -> list[object]:
    return [column["name"], column["type"], column["unit"], f"{column['empty']:.1%}", column["en"], column["fr"]]


def _table(
    stream: TextIO,
    caption: str,
    heads: Iterable[str],
    rows: Iterable[Iterable[object]],
    numbers: Iterable[int] = (),
) -> None:
    listed = [list(row) for row in rows]
    if not listed:
        return
    right = set(numbers)

    def cell(tag: str, place: int, value: object) -> str:
        return f"<{tag}{' class=n' if place in right else ''}>{escape(str(value))}</{tag}>"

    stream.write(f"<table><caption>{escape(caption)}</caption>\n<tr>")
    stream.write("".join(cell("th", place, head) for place, head in enumerate(heads)) + "</tr>\n")
    stream.writelines(
        "<tr>" + "".join(cell("td", place, value) for place, value in enumerate(row)) + "</tr>\n" for row in listed
    )
    stream.write("</table>\n")
