"""mailcanary serve."""

import logging
from pathlib import Path

from exporter.app import run_service
from exporter.commands.common import (
    complain_and_fail,
    has_place_for_ledger,
    load_config,
    run_loop,
    set_up_logging,
)
from exporter.ledger.errors import LedgerError
from exporter.reports.exit_codes import ExitCode
from exporter.service.log_writer import divert_stderr


def serve(file: Path) -> int:
    """`mailcanary serve`."""
    writer = divert_stderr()
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    if not has_place_for_ledger(file, config.service.ledger):
        return ExitCode.USAGE
    set_up_logging(logging.INFO)
    try:
        run_loop(run_service(config, writer.dropped))
    except (LedgerError, OSError) as error:
        return complain_and_fail(str(error))
    return ExitCode.OK
