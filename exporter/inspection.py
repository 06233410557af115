"""The commands that only look: `status`, `history` and `show`. Each returns its exit code."""

import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from exporter.commands import load_config
from exporter.config.problems import suggestion
from exporter.history import history_json, history_view, take_history
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.status import status_code, status_json, take_status
from exporter.status_view import status_view
from exporter.story import UnknownRun, story_json, take_story
from exporter.story_view import story_code, story_view
from exporter.terminal import ExitCode, complain, say
from probes.clock import SYSTEM_CLOCK

MOST_ENTRIES = 1_000
"""As many runs as the ledger keeps of a name."""


def status(file: Path, as_json: bool) -> int:  # noqa: FBT001 - called by the command
    """`mailcanary status`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            taken = take_status(reader, config, SYSTEM_CLOCK.utc())
    except LedgerError as error:
        return _ours(error)
    if as_json:
        say(json.dumps(status_json(taken), indent=2))
    else:
        Console().print(status_view(taken))
    return status_code(taken)


def history(name: str, file: Path, limit: int, as_json: bool) -> int:  # noqa: FBT001
    """`mailcanary history`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    if name not in config.paths and name not in config.jobs:
        return _unknown(f"no path or job is called {name!r}", name, (*config.paths, *config.jobs))
    if not 0 < limit <= MOST_ENTRIES:
        complain(f"mailcanary: --limit {limit}: it has to be between 1 and {MOST_ENTRIES}")
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            taken = take_history(reader, config, name, limit)
    except LedgerError as error:
        return _ours(error)
    if as_json:
        say(json.dumps(history_json(taken), indent=2))
    else:
        Console().print(history_view(taken))
    return ExitCode.OK


def show(run: str, file: Path, as_json: bool) -> int:  # noqa: FBT001 - called by the command
    """`mailcanary show`."""
    config = load_config(file)
    if config is None:
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            story = take_story(reader, config, run)
    except UnknownRun as error:
        return _unknown(str(error), run.partition("/")[0], (*config.paths, *config.jobs))
    except LedgerError as error:
        return _ours(error)
    if as_json:
        say(json.dumps(story_json(story), indent=2))
    else:
        console = Console()
        console.print(story_view(story, console.width))
    return story_code(story)


def _unknown(what: str, name: str, known: Iterable[str]) -> int:
    names = tuple(known)
    remedy = "" if name in names else f"; {suggestion(name, names)}"
    complain(f"mailcanary: {what}{remedy}")
    return ExitCode.USAGE


def _ours(error: LedgerError) -> int:
    """What we cannot read says nothing about the mail."""
    complain(f"mailcanary: {error}")
    return ExitCode.UNTESTABLE
