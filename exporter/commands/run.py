"""`mailcanary run`: one path or job, once, now. Returns its exit code; errors of ours are one line
on stderr.
"""

import json
import logging
from pathlib import Path

from exporter.commands.common import load_config, run_loop, set_up_logging
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.errors import LedgerError
from exporter.ledger.lock import holder, sqlite_path
from exporter.model import CanaryRecord, Config
from exporter.reports.exit_codes import ExitCode, canary_code, result_code
from exporter.reports.in_flight import left_behind
from exporter.reports.story import failure_remedy, story_now
from exporter.service.manual_run import (
    CanaryStory,
    Progress,
    Waiting,
    run_job,
    run_path,
    story_json,
)
from exporter.terminal.console import Console
from exporter.terminal.evidence import evidence_view
from exporter.terminal.failures import failure_view
from exporter.terminal.runs import canary_view, result_view, show_step
from exporter.terminal.text import complain, say
from exporter.terminal.waiting import WaitingLine
from probes.canary.evidence import evidence_json
from probes.clock import SYSTEM_CLOCK
from probes.documents import to_json
from probes.result import Failure, ProbeResult
from probes.trace import Step

INTERRUPTED = 130


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
    view = _View(config, name, as_json=as_json)
    try:
        if name in config.jobs:
            return view.tell_result(run_loop(run_job(config, name, view.step)))
        return view.tell_story(run_loop(run_path(config, name, view.step, view)))
    except (LedgerError, OSError) as error:  # ours: it says nothing about the mail
        view.line.clear()
        complain(f"mailcanary: {error}")
        return ExitCode.UNTESTABLE
    except KeyboardInterrupt:
        view.line.clear()
        complain(view.left_behind())
        return INTERRUPTED


class _View(Progress):
    """Shows a run while it happens, and its end."""

    def __init__(self, config: Config, name: str, *, as_json: bool) -> None:
        self._config = config
        self._name = name
        self._as_json = as_json
        self._console = Console(stderr=as_json)
        self.line = WaitingLine()

    def step(self, step: Step) -> None:
        """Show a step of the sending."""
        if not self._as_json:
            show_step(self._console, step)

    def waiting(self, waiting: Waiting) -> None:
        """Show the wait for the canary."""
        self.line.show(waiting)

    def left_behind(self) -> str:
        """Say what an interrupted run leaves behind."""
        if self._name in self._config.jobs:
            return "mailcanary: interrupted; a job leaves nothing behind"
        ledger = sqlite_path(self._config.service.ledger)
        service = None if ledger is None else holder(ledger)
        return left_behind(self.record, service, self._config.source, SYSTEM_CLOCK.utc())

    def tell_result(self, result: ProbeResult) -> int:
        """Show the result of a job; return the exit code."""
        if self._as_json:
            team = self._config.jobs[self._name].team
            say(json.dumps(to_json(result) | {"team": team}, indent=2))
        else:
            remedy = self._remedy(None, result, result.failure)
            self._console.print(result_view(result, self._console.width, remedy))
        return result_code(result)

    def tell_story(self, story: CanaryStory) -> int:
        """Show what became of a canary; return the exit code."""
        self.line.clear()
        record, result = story.record, story.result
        if self._as_json:
            say(json.dumps(story_json(story), indent=2))
        if record is None or result is None:
            if story.mailbox_failure is not None and not self._as_json:
                self._console.print("nothing was sent: the mailbox cannot be read")
                self._console.print(failure_view(story.mailbox_failure))
            return ExitCode.UNTESTABLE
        if not self._as_json:
            self._print(story, record, result)
        documents = tuple(map(evidence_json, story.evidence))
        return canary_code(record, canary_findings(result, documents))

    def _print(self, story: CanaryStory, record: CanaryRecord, result: ProbeResult) -> None:
        documents = tuple(map(evidence_json, story.evidence))
        remedy = self._remedy(record, result, record.failure)
        view = canary_view(record, result, documents, self._console.width, remedy)
        self._console.print(view)
        for number, document in enumerate(documents):
            self._console.print(evidence_view(document, number))

    def _remedy(
        self, record: CanaryRecord | None, result: ProbeResult, failure: Failure | None
    ) -> str:
        if failure is None:
            return ""
        return failure_remedy(story_now(self._config, self._name, record, result), failure)
