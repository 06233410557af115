"""`mailcanary diagnose`: run and show; Ctrl-C ends it with the results so far."""

import asyncio
import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporter.commands.common import run_loop
from exporter.config import ConfigError, load_to_look
from exporter.diagnose.comparison import remembered_in
from exporter.diagnose.diagnosis import Diagnosis, Remembered, areas_of, build_net, diagnose
from exporter.diagnose.document import document
from exporter.diagnose.problems import problems
from exporter.diagnose.request import Request
from exporter.diagnose.verdicts import exit_code
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.terminal.console import Console
from exporter.terminal.diagnosis import LiveTree, PlainLines, report
from exporter.terminal.text import complain, say
from probes.clock import SYSTEM_CLOCK
from probes.net import Net


def diagnose_now(request: Request, as_json: bool) -> int:  # noqa: FBT001
    """`mailcanary diagnose`, of which the first line has been printed."""
    try:
        request, remembered = _with_known_selectors(request)
    except ConfigError as error:
        complain(str(error))
        return ExitCode.USAGE
    net = build_net(request, SYSTEM_CLOCK)
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    diagnosis = run_loop(_watched(net, request, console))
    diagnosis = replace(diagnosis, remembered=remembered)
    if as_json:
        say(json.dumps(document(diagnosis, net), indent=2))
    else:
        console.print(report(diagnosis, problems(diagnosis, net), console.width))
    return exit_code(diagnosis)


def _with_known_selectors(request: Request) -> tuple[Request, tuple[Remembered, ...]]:
    """Add the stored values of a service's canaries and jobs. Raises ConfigError."""
    if request.config is None:
        return request, ()
    config, _ = load_to_look(Path(request.config))  # no secret is needed to read the ledger
    try:
        with reading(config.service.ledger) as reader:
            learnt = reader.selectors(request.domain, SYSTEM_CLOCK.utc())
            remembered = remembered_in(reader, config, request.domain)
    except LedgerError as error:
        complain(f"mailcanary: {error}")  # what it knows is missing, the rest can be diagnosed
        return request, ()
    return replace(request, options={**request.options, "learnt": learnt}), remembered


async def _watched(net: Net, request: Request, console: Console) -> Diagnosis:
    """Run it under a view; the first SIGINT stops the areas, the second one everything."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, _once(loop, stop))
    view = LiveTree(console, areas_of(request)) if console.is_terminal else PlainLines(console)
    try:
        with view:
            return await diagnose(net, request, view.hear, stop)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _once(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Callable[[], None]:
    def handle() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    return handle
