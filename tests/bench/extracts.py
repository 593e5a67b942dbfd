"""``scripts/bench extracts``: what reading costs, beside DuckDB reading the same file with every column as text.

Each measurement is a process of its own; the two sides take turns. Rows are those of ``vigie synth``, repeated up to the
wanted number: both sides read the same bytes, and both leave a table in a database file.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from vigie_node.extracts.reading import read, text_layout
from vigie_node.extracts.registry import KINDS, kind_of
from vigie_node.extracts.sources import TextSource, file_source
from vigie_node.extracts.workspace import Workspace

MIB = 2**20
_COLUMNS = (
    "extract", "MiB", "seconds", "MiB/s", "÷", "processor seconds", "÷", "peak MiB", "plain peak MiB", "peak at more rows",
)  # fmt: skip


def ours(kind: str, path: Path) -> int:
    """Read one extract as the node does."""
    with Workspace(path.parent) as workspace:
        return read(KINDS[kind], [file_source(path)], workspace).parsed


def theirs(kind: str, path: Path) -> int:
    """Read one file with every column as text."""
    source = file_source(path)
    assert isinstance(source, TextSource)
    dialect = text_layout(KINDS[kind], source.name, source.head()).dialect
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        connection = duckdb.connect(f"{scratch}/plain.duckdb", config={"threads": 2, "memory_limit": "1GB"})
        # Ours is spared it too, for it is deleted.
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(
            "CREATE TABLE plain AS SELECT * FROM "
            "read_csv(?, delim = ?, header = true, all_varchar = true, quote = '\"', encoding = ?)",
            [str(path), dialect.separator, "utf-8" if dialect.encoding == "utf-8" else "utf-16"],
        )
        ((rows,),) = connection.execute("SELECT count(*) FROM plain").fetchall()
        connection.close()
    return int(rows)


def child(side: str, kind: str, path: Path) -> None:
    """One measurement, printed as JSON; imports and the start of Python are not part of it."""
    before = os.times()
    rows = ours(kind, path) if side == "ours" else theirs(kind, path)
    after = os.times()
    found = {
        "rows": rows,
        "seconds": after.elapsed - before.elapsed,
        "cpu": after.user - before.user + after.system - before.system,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))


def measured(side: str, kind: str, path: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", side, kind, str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def compared(kind: str, path: Path, rounds: int) -> dict[str, float]:
    """Measure both sides in turns: medians of seconds, and of what ours costs as a multiple of theirs in the same turn."""
    turns = [(measured("ours", kind, path), measured("theirs", kind, path)) for _ in range(rounds)]
    if any(one["rows"] != other["rows"] for one, other in turns):
        raise SystemExit(f"{kind}: the two sides read different numbers of rows")

    def ratio(name: str) -> float:
        return statistics.median(one[name] / other[name] for one, other in turns)

    return {
        "rows": turns[0][0]["rows"],
        "mib": path.stat().st_size / MIB,
        "seconds": statistics.median(one["seconds"] for one, _ in turns),
        "cpu": statistics.median(one["cpu"] for one, _ in turns),
        "ratio": ratio("seconds"),
        "cpu_ratio": ratio("cpu"),
        "peak": max(one["peak"] for one, _ in turns),
        "plain_peak": max(other["peak"] for _, other in turns),
    }


def lengthened(source: Path, target: Path, rows: int) -> None:
    """Write a file with the header of ``source`` and its rows over and over, about ``rows`` of them."""
    wide = source.read_bytes().startswith(b"\xff\xfe")
    data = source.read_bytes().decode("utf-16" if wide else "utf-8")
    header, body = data.split("\n", 1)
    body = body if body.endswith("\n") else body + "\n"
    with target.open("w", encoding="utf-16-le" if wide else "utf-8", newline="") as file:
        file.write(("\ufeff" if wide else "") + header + "\n")
        for _ in range(max(1, rows // body.count("\n"))):
            file.write(body)


def main() -> int:
    """Measure every reader of text and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: %(default)s)")
    parser.add_argument("--only", action="append", help="a type of extract; may be repeated")
    parser.add_argument("--memory-at", type=int, default=0, help="rows of a second file, for the peak memory alone")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.child[1], Path(options.child[2]))
        return 0
    console = Console()
    figures = []
    table = Table(title=f"reading about {options.rows:,} rows; ÷: a multiple of what plain DuckDB takes")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name == "extract" else "right")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run(
            [str(Path(sys.executable).with_name("vigie")), "synth", "--companies", "300", "--months", "36", "--seed", "1",
             "--output", str(folder / "made")],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for source in sorted(path for path in (folder / "made").rglob("*.csv") if path.is_file()):
            opened = file_source(source)
            if not isinstance(opened, TextSource):
                continue
            kind = kind_of(opened).name
            if options.only and kind not in options.only:
                continue
            path = folder / f"{kind}.csv"
            lengthened(source, path, options.rows)
            one = compared(kind, path, options.rounds)
            if options.memory_at:
                lengthened(source, path, options.memory_at)
                one["peak_more"] = measured("ours", kind, path)["peak"]
            path.unlink()
            figures.append({"extract": kind} | one)
            more = f"{one['peak_more']:.0f}" if options.memory_at else "-"
            table.add_row(
                kind, f"{one['mib']:.0f}", f"{one['seconds']:.2f}", f"{one['mib'] / one['seconds']:.0f}",
                f"{one['ratio']:.2f}", f"{one['cpu']:.2f}", f"{one['cpu_ratio']:.2f}",
                f"{one['peak']:.0f}", f"{one['plain_peak']:.0f}", more,
            )  # fmt: skip
            console.print(f"{kind}: {one['ratio']:.2f} (processor time {one['cpu_ratio']:.2f})", style="dim")
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
