"""check-config and serve look at the place of the ledger before anything else is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.commands.config import check_config
from exporter.commands.serve import serve
from exporter.reports.exit_codes import ExitCode

FILE = """\
ehlo_name: monitor.example.test

"ledger": {ledger}
jobs:
  mx: {{kind: mx, domain: example.test, every: 1h}}
"""


@pytest.mark.parametrize("command", [check_config, serve])
def test_a_ledger_without_a_directory_is_told_with_its_line(
    command: Callable[[Path], int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.commands.serve.divert_stderr", lambda: None)
    file = tmp_path / "m.yaml"
    file.write_text(FILE.format(ledger=tmp_path / "none" / "l.sqlite"))
    assert command(file) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert told.startswith(f"{file}:3: ledger {tmp_path}/none/l.sqlite: there is no directory ")


def test_a_ledger_that_can_be_made_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(FILE.format(ledger=tmp_path / "l.sqlite"))
    assert check_config(file) == ExitCode.OK
    assert not (tmp_path / "l.sqlite").exists()
