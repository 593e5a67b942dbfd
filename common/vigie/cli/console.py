"""What the commands say and how they end: results to standard output, everything else to standard error.

One place turns our errors into ``error:`` and ``hint:`` lines and into an exit code, so that an operator's script can tell
"mend your input" from "try again". An error that is not ours is a defect: it is shown with its place, and ends with 70.
"""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from vigie import errors
from vigie.errors import VigieError

EXIT_CODES: Final = (
    (errors.InputError, 2),
    (errors.Malformed, 3),
    (errors.Untrusted, 4),
    (errors.Refused, 5),
    (errors.Missing, 6),
    (errors.Unavailable, 7),
    (errors.StateError, 8),
)
"""Exit code of each family of errors; docs/exit-codes.md explains each. A code is never given another meaning."""

EXIT_DEFECT: Final = 70
"""An error that Vigie did not foresee (EX_SOFTWARE)."""

EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141
"""Whoever read our output stopped reading, as the shell counts it (128 + SIGPIPE)."""

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def show(text: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(f"{text}\n")


def say(text: str) -> None:
    """Tell a person something beside the result."""
    _err.print(text, markup=False)


def print_json(value: Any) -> None:
    """Print a result for a program; keys and their meaning are stable."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a result as a table for a person."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # A file or a pipe has no width of its own; eighty columns would break every cell.
    width = None if sys.stdout.isatty() else 160
    Console(markup=False, highlight=False, width=width).print(table)


class Bars:
    """Progress of several steps, one bar each; silent where nobody watches."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def step(self, name: str, done: int, total: int) -> None:
        """Say how far a step is; a step that begins again starts its bar again."""
        task = self._tasks.get(name)
        if task is None:
            task = self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(task, completed=done, total=total)


@contextmanager
def progress() -> Iterator[Bars]:
    """Show progress bars on standard error while the block runs."""
    columns = (TextColumn("{task.description:>14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as shown:
        yield Bars(shown)


def exit_code(error: VigieError) -> int:
    """Return the exit code of an error."""
    return next((code for family, code in EXIT_CODES if isinstance(error, family)), 1)


def explain(error: VigieError) -> None:
    """Print an error and what to do about it."""
    _err.print(f"error: {error}", markup=False, style="bold red")
    if error.hint:
        _err.print(f"hint: {error.hint}", markup=False)


def run(app: typer.Typer) -> None:
    """Run a command line and end the process with its exit code."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that went away is understood
    except VigieError as error:
        explain(error)
        sys.exit(exit_code(error))
    except (typer.Abort, KeyboardInterrupt):
        _err.print("stopped", style="bold red")
        sys.exit(EXIT_INTERRUPTED)
    except typer.Exit as ending:
        sys.exit(ending.exit_code)
    except typer.TyperException as error:  # what was typed is no command; without words when the help was shown already
        if said := error.format_message():
            _err.print(f"error: {said.replace('Value error, ', '')}", markup=False, style="bold red")
            _err.print("hint: --help after the command shows what it takes", markup=False)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_PIPE)
    except OSError as error:
        if not error.filename:
            _defect(error)
        _err.print(f"error: {error.filename} cannot be used: {error.strerror}", markup=False, style="bold red")
        sys.exit(EXIT_CODES[0][1])
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person must not be left with a bare trace
        _defect(error)
    sys.exit(code if isinstance(code, int) else 0)


def _defect(error: Exception) -> NoReturn:
    # The message of a foreign error may quote data; its class and place are enough to report the defect.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _err.print(
        f"error: a defect in Vigie: {type(error).__name__} in {frame.name}, line {frame.lineno}", style="bold red"
    )
    _err.print("hint: nothing half-done counts; report this with the command that you typed", markup=False)
    sys.exit(EXIT_DEFECT)
