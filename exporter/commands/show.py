"""The commands that only look: `status`, `history` and `show`. Each returns its exit code."""

import json
from pathlib import Path

from exporter.commands.common import config_to_look, ledger_trouble, unknown_name
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.reports.story import UnknownRun, story_code, take_story
from exporter.reports.story_document import story_json
from exporter.terminal.console import Console
from exporter.terminal.story import story_view
from exporter.terminal.text import say


def show(run: str, file: Path, as_json: bool) -> int:  # noqa: FBT001 - called by the command
    """`mailcanary show`."""
    config = config_to_look(file)
    if config is None:
        return ExitCode.USAGE
    try:
        with reading(config.service.ledger) as reader:
            story = take_story(reader, config, run)
    except UnknownRun as error:
        return unknown_name(str(error), run.partition("/")[0], (*config.paths, *config.jobs))
    except LedgerError as error:
        return ledger_trouble(error)
    if as_json:
        say(json.dumps(story_json(story), indent=2))
    else:
        console = Console()
        console.print(story_view(story, console.width))
    return story_code(story)
