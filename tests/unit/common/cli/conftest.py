"""Running ``vigie`` in this process as an operator types it."""

from datetime import UTC, datetime

import pytest

from support.command import Outcome, Vigie
from support.world import PASSPHRASE
from vigie.cli import approve, convention, main

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def vigie(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Vigie:
    """A function that runs ``vigie`` with its arguments, on a day in 2026, every passphrase in the environment."""
    monkeypatch.setenv("VIGIE_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("COLUMNS", "200")
    for module in (approve, convention):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["vigie", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            main()
        said = capsys.readouterr()
        return Outcome(int(ending.value.code or 0), said.out, said.err)

    return run
