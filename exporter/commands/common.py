"""Shared by several commands: configuration, event loop, log, complaints."""

import asyncio
import logging
import os
import re
import sys
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from exporter.config import ConfigError, load, load_to_look
from exporter.config.problems import suggestion
from exporter.ledger.errors import LedgerError
from exporter.ledger.place import require_place
from exporter.model import Config
from exporter.reports.exit_codes import ExitCode
from exporter.service.log_format import formatter
from exporter.terminal.text import complain

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on uvloop: less CPU and memory per TLS session."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def set_up_logging(level: int, form: str = "text") -> None:
    """One line per event on stderr; the libraries only when they warn."""
    # Nobody shows where a line was logged: not looking for it costs a quarter less per line.
    logging._srcfile = ""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("mailcanary").setLevel(level)


def load_config(file: Path, *, reads_secrets: bool = True) -> Config | None:
    """Return the configuration, or None after its errors were written to stderr."""
    try:
        return load(file, os.environ, reads_secrets=reads_secrets)
    except ConfigError as error:
        complain(str(error))
        return None


def config_to_look(file: Path) -> Config | None:
    """Return what can be read of the configuration, or None after its error was written to stderr.

    For commands that only look: they need no secret. Mistakes are counted on stderr.
    """
    try:
        config, mistakes = load_to_look(file)
    except ConfigError as error:
        complain(str(error))
        return None
    if mistakes:
        many = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        complain(f"mailcanary: {file} has {many}; see: mailcanary check-config {file}")
    return config


def complain_and_fail(message: str) -> int:
    complain(f"mailcanary: {message}")
    return ExitCode.FAILURE


MOST_ENTRIES = 1_000
"""As many runs as the ledger keeps of a name."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> int:
    names = tuple(known)
    remedy = "" if name in names else f"; {suggestion(name, names)}"
    complain(f"mailcanary: {what}{remedy}")
    return ExitCode.USAGE


def has_place_for_ledger(file: Path, ledger: str) -> bool:
    """Complain, with the line of the file, about a ledger that this user cannot keep."""
    try:
        require_place(ledger)
    except LedgerError as error:
        complain(f"{_line_of_ledger(file)}: {error}")
        return False
    return True


def _line_of_ledger(file: Path) -> str:
    """The file, and the line in which it names the ledger."""
    lines = file.read_text("utf-8", "replace").splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if _NAMES_LEDGER.match(line)]
    return f"{file}:{numbers[0]}" if numbers else str(file)


_NAMES_LEDGER = re.compile(r"""["']?ledger["']?\s{0,20}:""")


def ledger_trouble(error: LedgerError) -> int:
    """A ledger that cannot be read says nothing about the mail."""
    complain(f"mailcanary: {error}")
    return ExitCode.UNTESTABLE
