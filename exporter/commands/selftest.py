"""`mailcanary selftest`: furnish, choose, run, tell."""

import asyncio
import json
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from exporter.reports.exit_codes import ExitCode
from exporter.selftest.all_cases import all_cases
from exporter.selftest.case import Case, chosen
from exporter.selftest.fixtures import make_props
from exporter.selftest.report import document, exit_code
from exporter.selftest.runner import Outcome, run_all
from exporter.terminal.console import Console
from exporter.terminal.selftest import progress, report
from exporter.terminal.text import complain, say
from exporter.testbed.servers.peer import LOOPBACK
from probes.catalogue import AREAS, nearest

_LONGEST_CALL = 5.0
"""Seconds a connection to ourselves may take."""


def selftest(only: str | None, as_json: bool) -> int:  # noqa: FBT001
    """All cases, or those that `only` chooses, in this process and on loopback."""
    try:
        _reach_ourselves()
        with tempfile.TemporaryDirectory(prefix="mailcanary-selftest-") as folder:
            cases = all_cases(make_props(Path(folder)))
            if only is not None:
                cases = chosen(cases, only)
            if not cases:
                complain(
                    f"mailcanary: no case is about {(only or '')[:200]!r}; {_hint(only or '')}"
                )
                return ExitCode.USAGE
            return tell(cases, Console(quiet=as_json, highlight=False), as_json=as_json)
    except OSError as error:
        complain(f"mailcanary: the selftest cannot be run here: {error}")
        return ExitCode.UNTESTABLE


def tell(cases: Sequence[Case], console: Console, *, as_json: bool) -> int:
    """Run the cases and show their outcomes."""
    began = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcomes = runner.run(_watched(cases, console))
    seconds = time.monotonic() - began
    if as_json:
        say(json.dumps(document(outcomes, seconds), indent=2))
    else:
        console.print(report(outcomes, seconds))
    return exit_code(outcomes)


async def _watched(cases: Sequence[Case], console: Console) -> tuple[Outcome, ...]:
    with progress(console, cases) as view:
        return await run_all(cases, view.hear)


def _reach_ourselves() -> None:
    """Raises OSError on a machine without a working loopback."""
    with socket.socket() as listening, socket.socket() as calling:
        listening.bind((LOOPBACK, 0))
        listening.listen()
        calling.settimeout(_LONGEST_CALL)
        calling.connect(listening.getsockname())


def _hint(word: str) -> str:
    alike = " or ".join(repr(code) for code in nearest(word))
    return f"did you mean {alike}?" if alike else f"areas are {', '.join(AREAS)}"
