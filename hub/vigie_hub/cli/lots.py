"""``vigie-hub lots``: the lots that the hub holds. What the hub may know of them: statements, no row."""

from typing import Annotated

import typer

from vigie.bodies import Lot, read
from vigie.cli import console
from vigie.statement import parse
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("lots")(lots)


def lots(
    folder: Folder,
    everything: Annotated[bool, typer.Option("--all", help="Those that were replaced too.")] = False,
    as_json: Json = False,
    passphrase_fd: Fd = None,
) -> None:
    """List the lots that the hub holds."""

    async def ask(desk: Desk) -> pb.AllLotsResponse:
        return await desk.operator.AllLots(pb.AllLotsRequest(current_only=not everything), timeout=CALL_SECONDS)

    rows = []
    for record in with_hub(folder, passphrase_fd, ask).lots:
        entry = parse(record.statement, kind="lot")
        lot = read(entry, Lot)
        rows.append(
            {
                "statement": entry.digest.hex(), "lot": lot.lot.hex(), "partner": lot.partner, "dataset": lot.dataset,
                "period": lot.period, "as_of": lot.as_of, "delivery": lot.delivery, "epoch": lot.epoch,
                "rows_class": lot.rows_class, "segments": lot.segments, "bytes": lot.bytes, "current": record.current,
            }
        )  # fmt: skip
    if as_json:
        console.print_json(rows)
        return
    columns = ["partner", "dataset", "period", "delivery", "segments", "bytes"] + ["current"] * everything
    console.print_table("lots", columns, [[str(row[column]) for column in columns] for row in rows])
