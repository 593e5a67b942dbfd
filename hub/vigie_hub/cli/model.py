"""``vigie-hub model``: what the signed runs say of their models; the hub itself sees no row and no model."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vigie import durable, statement
from vigie.cli import console
from vigie.errors import InputError, Missing
from vigie.v1 import exchange_pb2 as pb
from vigie_hub.cli import models
from vigie_hub.cli.connecting import CALL_SECONDS, Desk, Fd, Folder, Json, with_hub
from vigie_hub.quality import Judged, figures, page

verbs = typer.Typer(
    help="Models: which there are, sealed, and the published figures of their runs.", no_args_is_help=True
)

RunChoice = Annotated[str | None, typer.Option("--run", help="Beginning of the run's digest; else the newest run.")]
OrderChoice = Annotated[str | None, typer.Option("--order", help="Beginning of the order's digest.")]
Against = Annotated[str | None, typer.Option("--against", help="Beginning of the digest of a run to compare with.")]
Report = Annotated[Path | None, typer.Option("--report", help="Write an HTML page too; it opens offline.")]
Language = Annotated[Literal["fr", "en"], typer.Option("--language", help="Language of figures and page.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the page.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    models.register(verbs)
    app.add_typer(verbs, name="model")


@verbs.command("evaluate")
def evaluate(
    folder: Folder,
    run: RunChoice = None,
    order: OrderChoice = None,
    against: Against = None,
    report: Report = None,
    language: Language = "fr",
    force: Force = False,
    as_json: Json = False,
    passphrase_fd: Fd = None,
) -> None:
    """Show how good a run's model is, on months and companies that it had not seen."""
    if report is not None and report.exists() and not force:
        raise InputError(f"{report.name} exists", hint="give another --report, or --force to replace it")

    async def ask(desk: Desk) -> pb.RunsResponse:
        return await desk.operator.Runs(pb.RunsRequest(), timeout=CALL_SECONDS)

    runs = [
        Judged.of(statement.parse(record.order, kind="order"), statement.parse(record.run, kind="run"))
        for record in with_hub(folder, passphrase_fd, ask).runs
        if record.run
    ]
    chosen = choose(runs, run=run, order=order)
    other = None if against is None else choose(runs, run=against, order=None)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        durable.write_file(report, page(chosen, language, other).encode())
    shown = [chosen] if other is None else [chosen, other]
    if as_json:
        console.print_json(
            [
                {"run": one.run, "order": one.order, "card": dict(one.card), "metrics": dict(one.metrics)}
                for one in shown
            ]
        )
        return
    columns = [dict(figures(one, language)) for one in shown]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    console.print_table(
        f"{chosen.purpose} {chosen.period}",
        ["", *(one.run[:16] for one in shown)],
        [[label, *(column.get(label, "-") for column in columns)] for label in labels],
    )


def choose(runs: list[Judged], *, run: str | None, order: str | None) -> Judged:
    """The newest run that is meant.

    Args:
        runs: oldest first.
        run, order: beginnings of digests, or None for any.

    Raises:
        Missing: there is none.
        InputError: the beginning fits several runs of different digests.
    """
    fitting = [one for one in runs if one.run.startswith(run or "") and one.order.startswith(order or "")]
    if not fitting:
        raise Missing("there is no such run", hint="`vigie-hub runs` lists the orders and their runs")
    if run is not None and len(fitting) > 1:
        raise InputError(f"{len(fitting)} runs begin with {run[:64]}", hint="give more of the digest")
    return fitting[-1]
