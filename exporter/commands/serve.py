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
from exporter.config import ConfigError
from exporter.config.keys import LOG_FORMATS, LOG_LEVELS
from exporter.ledger.errors import LedgerError
from exporter.reports.exit_codes import ExitCode
from exporter.service.log_format import formatter
from exporter.service.log_writer import divert_stderr
from exporter.terminal.text import complain
from exporter.web.web_settings import WebSettings


def serve(
    file: Path,
    log_format: str | None = None,
    log_level: str | None = None,
    *,
    enable_lifecycle: bool = False,
    web_config_file: Path | None = None,
) -> int:
    """`mailcanary serve`; its options go before those of the file."""
    for option, word, words in (
        ("--log-format", log_format, LOG_FORMATS),
        ("--log-level", log_level, LOG_LEVELS),
    ):
        if word is not None and word not in words:
            complain(f"mailcanary: {option} {word}: it has to be one of {', '.join(words)}")
            return ExitCode.USAGE
    writer = divert_stderr()
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    if not has_place_for_ledger(file, config.service.ledger):
        return ExitCode.USAGE
    try:
        web = None if web_config_file is None else WebSettings.of(web_config_file)
    except ConfigError as error:
        complain(str(error))
        return ExitCode.USAGE
    form = log_format or config.service.log_format
    level = log_level or config.service.log_level
    set_up_logging(logging.getLevelNamesMapping()[level.upper()], form)
    writer.formatter = formatter(form)
    try:
        run_loop(run_service(config, writer.dropped, web, enable_lifecycle=enable_lifecycle))
    except (LedgerError, OSError) as error:
        return complain_and_fail(str(error))
    return ExitCode.OK
