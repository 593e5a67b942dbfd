"""How commands end: one code for each family of errors, words on standard error, nothing of a foreign error's text."""

import sys

import pytest
import typer

from vigie import errors
from vigie.cli import console


def ends(error: BaseException | None) -> int:
    app = typer.Typer(add_completion=False)

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["test"])
        with pytest.raises(SystemExit) as ending:
            console.run(app)
    assert isinstance(ending.value.code, int)
    return ending.value.code


@pytest.mark.parametrize(
    "error, code",
    [
        (None, 0),
        (errors.ExtractError("x"), 2),
        (errors.WrongPassphrase("x"), 2),
        (errors.MalformedConvention("x"), 3),
        (errors.BadSignature("x"), 4),
        (errors.Refused("claim", expected="a", found="b"), 5),
        (errors.Missing("x"), 6),
        (errors.Unavailable("x"), 7),
        (errors.StateError("x"), 8),
        (errors.VigieError("x"), 1),
        (FileNotFoundError(2, "No such file", "name"), 2),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (typer.Exit(9), 9),
        (ZeroDivisionError("secret"), 70),
        (OSError(5, "secret"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_each_family_has_its_code(error: BaseException | None, code: int) -> None:
    assert ends(error) == code


def test_what_is_wrong_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    ends(errors.ConfigError("the file [name] is wrong", hint="mend it"))
    said = capsys.readouterr()
    assert said.out == "" and said.err == "error: the file [name] is wrong\nhint: mend it\n"


def test_a_defect_names_its_place_and_not_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    ends(ZeroDivisionError("siren 732829320"))
    said = capsys.readouterr()
    assert "ZeroDivisionError in command" in said.err and "732829320" not in said.err + said.out


def test_results_are_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    console.show("a result")
    console.print_json({"é": 1})
    console.say("beside it")
    said = capsys.readouterr()
    assert said.out == 'a result\n{\n  "é": 1\n}\n' and said.err == "beside it\n"


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress() as bars:
        bars.step("sealing", 1, 2)
        bars.step("sealing", 2, 2)
    assert capsys.readouterr() == ("", "")
    assert not sys.stderr.isatty()
