"""mailcanary status."""

import json
from pathlib import Path

from exporter.commands.common import config_to_look, ledger_trouble
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.reports.nagios import nagios_text, nagios_unknown
from exporter.reports.status import status_code, status_json, take_status
from exporter.terminal.console import Console
from exporter.terminal.status import status_view
from exporter.terminal.text import say
from probes.clock import SYSTEM_CLOCK


def status(file: Path, as_json: bool, as_nagios: bool = False) -> int:  # noqa: FBT001, FBT002
    """`mailcanary status`."""
    config = config_to_look(file)
    if config is None:
        return _unknown(f"{file} is no usable configuration") if as_nagios else ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            taken = take_status(reader, config, SYSTEM_CLOCK.utc())
    except LedgerError as error:
        return _unknown(str(error)) if as_nagios else ledger_trouble(error)
    if as_json:
        say(json.dumps(status_json(taken), indent=2))
    elif as_nagios:
        say(nagios_text(taken, config))
    else:
        Console().print(status_view(taken))
    return status_code(taken)


def _unknown(why: str) -> int:
    """Nagios reads standard output, and knows no exit code above 3."""
    say(nagios_unknown(why))
    return ExitCode.UNTESTABLE
