"""``vigie-hub status``: how the hub stands."""

import typer

from vigie.cli import console
from vigie.journal.checkpoint import witnessed_by
from vigie.note import parse
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("status")(status)


def status(folder: Folder, as_json: Json = False, passphrase_fd: Fd = None) -> None:
    """Show who attends, the journal and its witnesses, lots, and the enclave's measurement."""

    async def ask(desk: Desk) -> tuple[pb.StatusResponse, list[str]]:
        answer = await desk.operator.Status(pb.StatusRequest(), timeout=CALL_SECONDS)
        return answer, sorted(witnessed_by(parse(answer.checkpoint), desk.chain.current.witness_keys()))

    answer, witnesses = with_hub(folder, passphrase_fd, ask)
    found = {
        "attending": list(answer.attending),
        "journal_entries": answer.journal_size,
        "witnessed_by": witnesses,
        "lots": answer.lots,
        "open_lots": answer.open_lots,
        "segment_bytes": answer.segment_bytes,
        "convention": answer.convention.hex(),
        "enclave_measurement": answer.enclave_measurement,
    }
    if as_json:
        console.print_json(found)
        return
    rows = [[key, ", ".join(value) if isinstance(value, list) else str(value)] for key, value in found.items()]
    console.print_table("hub", ["", ""], rows)
