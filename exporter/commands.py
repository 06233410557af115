"""What the commands do. Each returns its exit code; errors of ours are one line on stderr."""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from rich.console import Console

from exporter.app import run_service
from exporter.by_hand import CanaryStory, run_job, run_path, story_json
from exporter.config import ConfigError, load, schema
from exporter.diagnose_request import read_server
from exporter.explain import evidence_code, evidence_view, explain_message, read_bounded
from exporter.ledger.errors import LedgerError
from exporter.log_writer import LINE_FORMAT, divert_stderr
from exporter.model import Config
from exporter.terminal import (
    ExitCode,
    canary_view,
    complain,
    failure_view,
    outcome_code,
    result_code,
    result_view,
    say,
    show_step,
)
from probes.canary.evidence import evidence_json
from probes.net.resolver import Resolver
from probes.result import to_json
from probes.trace import Step

T = TypeVar("T")


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine on uvloop: less CPU and memory per TLS session."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def serve(file: Path) -> int:
    """`mailcanary serve`."""
    writer = divert_stderr()
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    set_up_logging(logging.INFO)
    try:
        run_loop(run_service(config, writer.dropped))
    except (LedgerError, OSError) as error:
        return _complain(str(error))
    return ExitCode.OK


def check_config(file: Path) -> int:
    """`mailcanary check-config`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    say(
        f"{file}: {len(config.paths)} paths, {len(config.jobs)} jobs, "
        f"{len(config.mailboxes)} mailboxes, {len(config.routes)} routes: no problem found"
    )
    return ExitCode.OK


def config_schema() -> int:
    """`mailcanary config-schema`."""
    say(json.dumps(schema(), indent=2))
    return ExitCode.OK


def run_now(name: str, file: Path, as_json: bool) -> int:  # noqa: FBT001
    """`mailcanary run`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    if name not in config.paths and name not in config.jobs:
        known = ", ".join([*config.paths, *config.jobs])
        complain(f"mailcanary: no path or job is called {name!r}; there are: {known}")
        return ExitCode.USAGE
    set_up_logging(logging.WARNING)
    console = Console(stderr=as_json)

    def listener(step: Step) -> None:
        if not as_json:
            show_step(console, step)

    try:
        if name in config.jobs:
            result = run_loop(run_job(config, name, listener))
            if as_json:
                say(json.dumps(to_json(result), indent=2))
            else:
                console.print(result_view(result))
            return result_code(result)
        return _tell_story(run_loop(run_path(config, name, listener)), console, as_json=as_json)
    except (LedgerError, OSError) as error:  # ours: it says nothing about the mail
        complain(f"mailcanary: {error}")
        return ExitCode.UNTESTABLE


def explain(file: str, as_json: bool, resolver: str | None, offline: bool) -> int:  # noqa: FBT001
    """`mailcanary explain`."""
    try:
        asked = None if offline else _resolver(resolver)
        message = read_bounded(file)
    except (OSError, ValueError) as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    evidence = run_loop(explain_message(message, asked))
    if as_json:
        say(json.dumps(evidence_json(evidence), indent=2))
    else:
        Console().print(evidence_view(evidence))
    return evidence_code(evidence)


def _resolver(server: str | None) -> Resolver:
    """The resolver at `server`, the system's for None. Raises ValueError."""
    return Resolver.from_system() if server is None else Resolver((read_server(server),))


def set_up_logging(level: int) -> None:
    """One line per event on stderr; the libraries only when they warn."""
    # Nobody shows where a line was logged: not looking for it costs a quarter less per line.
    logging._srcfile = ""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter(LINE_FORMAT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("mailcanary").setLevel(level)


class _LineFormatter(logging.Formatter):
    """Reads the calendar once a second: that is a quarter of what a line costs."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self._second = -1
        self._text = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - overrides
        second = int(record.created)
        if second != self._second:
            self._text = time.strftime(self.default_time_format, self.converter(second))
            self._second = second
        return f"{self._text},{int(record.msecs):03}"


def _tell_story(story: CanaryStory, console: Console, *, as_json: bool) -> int:
    record, result = story.record, story.result
    if as_json:
        say(json.dumps(story_json(story), indent=2))
    if record is None or result is None:
        if story.mailbox_failure is not None and not as_json:
            console.print("nothing was sent: the mailbox cannot be read")
            console.print(failure_view(story.mailbox_failure))
        return ExitCode.UNTESTABLE
    if not as_json:
        console.print(canary_view(record, result))
        for evidence in story.evidence:
            console.print(evidence_view(evidence))
    return outcome_code(record.outcome)


def load_config(file: Path) -> Config | None:
    """The configuration, or None after saying on stderr what is wrong with it."""
    try:
        return load(file, os.environ)
    except ConfigError as error:
        complain(str(error))
        return None


def _complain(message: str) -> int:
    complain(f"mailcanary: {message}")
    return ExitCode.FAILURE
