"""mailcanary history."""

import json
from pathlib import Path

from exporter.commands.common import MOST_ENTRIES, config_to_look, ledger_trouble, unknown_name
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.reports.history import history_json, take_history
from exporter.terminal.console import Console
from exporter.terminal.history import history_view
from exporter.terminal.text import complain, say


def history(name: str, file: Path, limit: int, as_json: bool) -> int:  # noqa: FBT001
    """`mailcanary history`."""
    config = config_to_look(file)
    if config is None:
        return ExitCode.USAGE
    if name not in config.paths and name not in config.jobs:
        return unknown_name(
            f"no path or job is called {name!r}", name, (*config.paths, *config.jobs)
        )
    if not 0 < limit <= MOST_ENTRIES:
        complain(f"mailcanary: --limit {limit}: it has to be between 1 and {MOST_ENTRIES}")
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            taken = take_history(reader, config, name, limit)
    except LedgerError as error:
        return ledger_trouble(error)
    if as_json:
        say(json.dumps(history_json(taken), indent=2))
    else:
        Console().print(history_view(taken))
    return ExitCode.OK
