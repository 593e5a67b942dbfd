"""``scripts/bench extracts``: what reading costs, beside DuckDB reading the same file with every column as text.

Each measurement is a process of its own; the two sides take turns. Rows are those of ``vigie synth``, repeated up to the
wanted number: both sides read the same bytes, and both leave a table in a database file.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS, kind_of
from vigie_node.extracts.sources import TextSource, file_source
from vigie_node.extracts.workspace import Workspace

MIB = 2**20


def ours(kind: str, path: Path, accounts: Path | None) -> int:
    """Read one extract as the node does."""
    with Workspace(path.parent) as workspace:
        if accounts is not None:
            read(KINDS["admin_urssaf"], [file_source(accounts)], workspace)
        return read(KINDS[kind], [file_source(path)], workspace).parsed


def theirs(kind: str, path: Path) -> int:
    """Read one file with every column as text."""
    dialect = KINDS[kind].layouts[0].dialect
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        connection = duckdb.connect(f"{scratch}/plain.duckdb", config={"threads": 2})
        connection.execute(
            "CREATE TABLE plain AS SELECT * FROM read_csv(?, delim = ?, header = true, all_varchar = true, quote = '\"', "
            "encoding = ?, strict_mode = false, null_padding = true)",
            [str(path), dialect.separator, "utf-8" if dialect.encoding == "utf-8" else "utf-16"],
        )
        ((rows,),) = connection.execute("SELECT count(*) FROM plain").fetchall()
        connection.close()
    return int(rows)


def child(side: str, kind: str, path: Path) -> None:
    """One measurement, printed as JSON."""
    began = time.perf_counter()
    rows = ours(kind, path, None) if side == "ours" else theirs(kind, path)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "peak": peak}))


def measured(side: str, kind: str, path: Path) -> dict[str, float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--child", side, kind, str(path)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def lengthened(source: Path, target: Path, rows: int) -> None:
    """Write a file with the header of ``source`` and its rows over and over, about ``rows`` of them."""
    wide = source.read_bytes().startswith(b"\xff\xfe")
    data = source.read_bytes().decode("utf-16" if wide else "utf-8")
    header, *body = data.removesuffix("\n").removesuffix("\r").split("\n")
    text = "\n".join(body) + "\n"
    with target.open("w", encoding="utf-16-le" if wide else "utf-8", newline="") as file:
        file.write(("\ufeff" if wide else "") + header + "\n")
        for _ in range(max(1, rows // len(body))):
            file.write(text)


def main() -> int:
    """Measure every reader of text and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side (default: %(default)s)")
    parser.add_argument("--only", help="one type of extract")
    parser.add_argument("--memory-at", type=int, default=0, help="rows of a second file, for the peak memory alone")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.child[1], Path(options.child[2]))
        return 0
    console = Console()
    figures = []
    table = Table(title=f"reading {options.rows:,} rows")
    for name in (
        "extract",
        "MiB",
        "seconds",
        "MiB/s",
        "peak MiB",
        "÷ plain DuckDB",
        "plain peak MiB",
        "peak at more rows",
    ):
        table.add_column(name, justify="left" if name == "extract" else "right")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run(
            ["vigie", "synth", "--companies", "300", "--months", "36", "--seed", "1", "--output", str(folder / "made")],
            check=True, capture_output=True,
        )  # fmt: skip
        for source in sorted(path for path in (folder / "made").rglob("*") if path.is_file()):
            opened = file_source(source)
            if not isinstance(opened, TextSource) or source.suffix == ".json":
                continue
            kind = kind_of(opened).name
            if options.only not in (None, kind):
                continue
            path = folder / f"{kind}.csv"
            lengthened(source, path, options.rows)
            turns = [(measured("ours", kind, path), measured("theirs", kind, path)) for _ in range(options.rounds)]
            seconds = statistics.median(one["seconds"] for one, _ in turns)
            ratio = statistics.median(one["seconds"] / other["seconds"] for one, other in turns)
            peak = max(one["peak"] for one, _ in turns)
            size = path.stat().st_size / MIB
            more = 0.0
            if options.memory_at:
                lengthened(source, path, options.memory_at)
                more = measured("ours", kind, path)["peak"]
            path.unlink()
            figures.append(
                {"extract": kind, "mib": size, "seconds": seconds, "ratio": ratio, "peak": peak, "peak_more": more}
            )
            table.add_row(
                kind, f"{size:.0f}", f"{seconds:.2f}", f"{size / seconds:.0f}", f"{peak:.0f}", f"{ratio:.2f}",
                f"{max(other['peak'] for _, other in turns):.0f}", f"{more:.0f}" if more else "-",
            )  # fmt: skip
            console.print(f"{kind}: {ratio:.2f}", style="dim")
    console.print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
