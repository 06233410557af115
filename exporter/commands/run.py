"""`mailcanary run`: one path or job, once, now. Returns its exit code; errors of ours are one line
on stderr.
"""

import json
import logging
from pathlib import Path

from exporter.commands.common import load_config, run_loop, set_up_logging
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.errors import LedgerError
from exporter.reports.exit_codes import ExitCode, canary_code, result_code
from exporter.service.manual_run import CanaryStory, run_job, run_path, story_json
from exporter.terminal.console import Console
from exporter.terminal.evidence import evidence_view
from exporter.terminal.runs import canary_view, failure_view, result_view, show_step
from exporter.terminal.text import complain, say
from probes.canary.evidence import evidence_json
from probes.documents import to_json
from probes.trace import Step


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
                console.print(result_view(result, console.width))
            return result_code(result)
        return _tell_story(run_loop(run_path(config, name, listener)), console, as_json=as_json)
    except (LedgerError, OSError) as error:  # ours: it says nothing about the mail
        complain(f"mailcanary: {error}")
        return ExitCode.UNTESTABLE


def _tell_story(story: CanaryStory, console: Console, *, as_json: bool) -> int:
    record, result = story.record, story.result
    if as_json:
        say(json.dumps(story_json(story), indent=2))
    if record is None or result is None:
        if story.mailbox_failure is not None and not as_json:
            console.print("nothing was sent: the mailbox cannot be read")
            console.print(failure_view(story.mailbox_failure))
        return ExitCode.UNTESTABLE
    documents = tuple(map(evidence_json, story.evidence))
    if not as_json:
        console.print(canary_view(record, result, documents, console.width))
        for number, document in enumerate(documents):
            console.print(evidence_view(document, number))
    return canary_code(record, canary_findings(result, documents))
