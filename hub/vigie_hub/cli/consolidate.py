"""``vigie-hub consolidate``: order a consolidation and follow it to its run."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import grpc
import grpc.aio
import typer

from vigie import durable, statement
from vigie.bodies import Lot, Order, Run, read, text_for
from vigie.cli import console
from vigie.client import translate
from vigie.clock import stamp, utc_now
from vigie.errors import InputError, Missing, Refused, Unavailable
from vigie.statement import Statement
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub
from vigie_hub.cli.models import find_model

_DURATION = re.compile(r"([1-9][0-9]{0,5})([smh])")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("consolidate")(consolidate)


def consolidate(
    folder: Folder,
    purpose: Annotated[str, typer.Option("--purpose", help="A purpose of the convention.")],
    period: Annotated[str, typer.Option("--period", help="Month of the scores, YYYY-MM.")],
    model: Annotated[
        str, typer.Option("--model", help="Score with this model, by its digest or how that begins; else train anew.")
    ] = "train",
    deadline: Annotated[
        str, typer.Option("--deadline", help="How long members may take to answer: 90s, 15m, 2h.")
    ] = "15m",
    order: Annotated[
        Path | None, typer.Option("--order", help="Keep the signed order here; when it is there already, follow it.")
    ] = None,
    as_json: Json = False,
    passphrase_fd: Fd = None,
) -> None:
    """Order a consolidation over all current lots of a purpose, and follow it until its run is signed.

    The run trains a model, or scores with one that an earlier run trained; `vigie-hub model list` shows those. Shares of the
    models' key come from the custodians then, and are made anew when the convention names other ones.
    """
    match = _DURATION.fullmatch(deadline)
    if match is None:
        raise InputError(f"{deadline!r} is not a duration", hint="for instance 90s, 15m or 2h")
    if re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period) is None:
        raise InputError(f"--period {period[:20]!r} is not a month", hint="write it as YYYY-MM, for example 2021-04")
    kept = statement.parse(order.read_bytes(), kind="order") if order is not None and order.exists() else None
    lasting = timedelta(**{_UNIT[match[2]]: int(match[1])})

    async def ask(desk: Desk) -> tuple[Statement, pb.WatchResponse]:
        made = kept or await _order(desk, purpose, period, lasting, model)
        if order is not None and kept is None:
            # Kept before it is submitted: whatever is cut from here on, the same order is followed.
            await asyncio.to_thread(durable.write_file, order, made.raw)
        await desk.operator.SubmitOrder(pb.SubmitOrderRequest(order=made.raw), timeout=CALL_SECONDS)
        return made, await _follow(desk, made)

    made, last = with_hub(folder, passphrase_fd, ask)
    if last.stage != "done":
        raise Refused(
            "consolidation", expected="a run", found=last.message.removeprefix("refused: ") or "none",
            hint="partners' refusals stand in the journal with their reasons; the hub's log has the rest",
        )  # fmt: skip
    _show(made, last, as_json=as_json)


async def _order(desk: Desk, purpose: str, period: str, lasting: timedelta, model: str) -> Statement:
    convention = desk.chain.current
    if purpose not in convention.purposes:
        raise InputError(f"the convention has no purpose {purpose!r}", hint=f"it has: {', '.join(convention.purposes)}")
    now = utc_now()
    answer = await desk.operator.AllLots(pb.AllLotsRequest(current_only=True), timeout=CALL_SECONDS)
    entries = [statement.parse(record.statement, kind="lot") for record in answer.lots]
    lots = [entry.digest for entry in entries if read(entry, Lot).dataset in convention.purposes[purpose].datasets]
    if not lots:
        raise Missing("the hub holds no current lot for this purpose", hint="partners send them with: vigie-node send")
    body = Order(
        convention=convention.digest,
        epoch=convention.epoch_at(now.date()).number,
        period=period,
        purpose=purpose,
        lots=tuple(lots),
        states=(),
        model=await find_model(desk, model) if model != "train" else model,
        deadline=stamp(now + lasting),
        created=stamp(now),
    )
    return statement.sign_text(text_for(body), [desk.keyring.signer("operator")])


async def _follow(desk: Desk, order: Statement) -> pb.WatchResponse:
    """Watch to the last step; a stream that breaks is opened again."""
    last = pb.WatchResponse()
    with console.progress() as bars:
        broken, said = 0, ("", "")
        while not last.last:
            try:
                async for last in desk.operator.Watch(pb.WatchRequest(order=order.digest)):
                    broken = 0
                    bars.step(last.stage, last.done, max(last.total, 1))
                    if (last.stage, last.message) != said:
                        said = (last.stage, last.message)
                        console.say(f"{last.stage}: {last.message}")
            except grpc.aio.AioRpcError as exc:
                error = translate(exc)
                broken += 1
                if not isinstance(error, Unavailable) or broken > 30:
                    raise error from exc
                await asyncio.sleep(1)
    return last


def _show(order: Statement, last: pb.WatchResponse, *, as_json: bool) -> None:
    entry = statement.parse(last.run, kind="run")
    run = read(entry, Run)
    if as_json:
        console.print_json(
            {
                "order": order.digest.hex(), "run": entry.digest.hex(), "evidence": run.evidence.hex(), "level": run.level,
                "model": run.model.hex(), "shares": dict(run.shares), "releases": dict(run.releases), "metrics": dict(run.metrics),
                "results": [{"grant": item.grant, "recipient": item.recipient, "parts": item.parts} for item in run.results],
            }
        )  # fmt: skip
        return
    console.print_table(
        f"run {entry.digest.hex()[:16]}, level {run.level}",
        ["grant", "recipient", "parts"],
        [[item.grant, item.recipient, str(item.parts)] for item in run.results],
    )
    console.say(f"model {run.model.hex()}")
    if wrong := sorted(name for name, said in run.shares.items() if said == "wrong"):
        console.say(f"the share of {', '.join(wrong)} was wrong and was left out: restore it from paper there")
    console.show(entry.digest.hex())
