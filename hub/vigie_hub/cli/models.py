"""``vigie-hub model list``: models that the hub holds, sealed, and which custodians keep their shares of the key."""

import re
from typing import Any

import typer

from vigie import statement
from vigie.bodies import Joint, Order, Run, read
from vigie.cli import console
from vigie.errors import InputError, Missing
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub


def register(verbs: typer.Typer) -> None:
    """Add the verb."""
    verbs.command("list")(models)


def models(folder: Folder, as_json: Json = False, passphrase_fd: Fd = None) -> None:
    """List the sealed models, oldest first, and who keeps a share of their key."""

    async def ask(desk: Desk) -> pb.ModelsResponse:
        return await desk.operator.Models(pb.ModelsRequest(), timeout=CALL_SECONDS)

    rows: list[dict[str, Any]] = []
    for record in with_hub(folder, passphrase_fd, ask).models:
        order = read(statement.parse(record.order, kind="order"), Order)
        joint = read(statement.parse(record.joint, kind="joint"), Joint)
        entry = statement.parse(record.run, kind="run")
        rows.append(
            {
                "model": read(entry, Run).model.hex(),
                "purpose": order.purpose,
                "period": order.period,
                "run": entry.digest.hex(),
                "key": joint.key.hex(),
                "threshold": joint.threshold,
                "custodians": [share.custodian for share in joint.shares],
                "confirmed": list(record.confirmed),
            }
        )
    if as_json:
        console.print_json(rows)
        return
    shown = [
        [
            str(row["model"])[:16], str(row["purpose"]), str(row["period"]), str(row["key"])[:8], str(row["threshold"]),
            ", ".join(f"{name}{'' if name in row['confirmed'] else ' (not yet)'}" for name in row["custodians"]),
        ]
        for row in rows
    ]  # fmt: skip
    console.print_table("models", ["model", "purpose", "period", "key", "shares needed", "custodians"], shown)


async def find_model(desk: Desk, begin: str) -> str:
    """The one model whose digest begins so.

    Raises:
        InputError: not the beginning of a digest.
        Missing: no model, or several, begin so.
    """
    if re.fullmatch(r"[0-9a-f]{8,64}", begin) is None:
        raise InputError(f"--model {begin[:20]!r} is not a digest", hint="8 hexadecimal digits or more, or train")
    answer = await desk.operator.Models(pb.ModelsRequest(), timeout=CALL_SECONDS)
    held = {read(statement.parse(record.run, kind="run"), Run).model.hex() for record in answer.models}
    found = sorted(one for one in held if one.startswith(begin))
    if len(found) != 1:
        what = f"{len(found)} models begin" if found else "no model begins"
        raise Missing(f"{what} with {begin[:16]}", hint="`vigie-hub model list` shows them")
    return found[0]
