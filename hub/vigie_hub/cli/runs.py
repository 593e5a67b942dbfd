"""``vigie-hub runs``: orders and what became of them."""

import typer

from vigie import statement
from vigie.bodies import Order, Run, read
from vigie.cli import console
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("runs")(runs)


def runs(folder: Folder, as_json: Json = False, passphrase_fd: Fd = None) -> None:
    """List the orders, oldest first, with their runs."""

    async def ask(desk: Desk) -> pb.RunsResponse:
        return await desk.operator.Runs(pb.RunsRequest(), timeout=CALL_SECONDS)

    rows = []
    for record in with_hub(folder, passphrase_fd, ask).runs:
        entry = statement.parse(record.order, kind="order")
        order = read(entry, Order)
        run = statement.parse(record.run, kind="run") if record.run else None
        rows.append(
            {
                "order": entry.digest.hex(),
                "purpose": order.purpose,
                "period": order.period,
                "created": order.created,
                "stage": record.stage,
                "run": run.digest.hex() if run else None,
                "level": read(run, Run).level if run else None,
            }
        )
    if as_json:
        console.print_json(rows)
        return
    columns = ["created", "purpose", "period", "stage", "level", "run"]
    shown = [{**row, "run": row["run"] and str(row["run"])[:16]} for row in rows]
    console.print_table("runs", columns, [[str(row[column] or "-") for column in columns] for row in shown])
