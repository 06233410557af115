"""mailcanary status."""

import json
from pathlib import Path

from exporter.commands.common import ledger_trouble, load_config
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.reports.status import status_code, status_json, take_status
from exporter.terminal.console import Console
from exporter.terminal.status import status_view
from exporter.terminal.text import say
from probes.clock import SYSTEM_CLOCK


def status(file: Path, as_json: bool) -> int:  # noqa: FBT001 - called by the command
    """`mailcanary status`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            taken = take_status(reader, config, SYSTEM_CLOCK.utc())
    except LedgerError as error:
        return ledger_trouble(error)
    if as_json:
        say(json.dumps(status_json(taken), indent=2))
    else:
        Console().print(status_view(taken))
    return status_code(taken)
