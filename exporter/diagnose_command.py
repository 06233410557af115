"""`mailcanary diagnose`: run and show; Ctrl-C ends it with what is known."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvloop
from rich.console import Console

from exporter.config import ConfigError, load
from exporter.diagnose import Diagnosis, areas_of, build_net, diagnose, exit_code
from exporter.diagnose_advice import document, problems
from exporter.diagnose_request import Request
from exporter.diagnose_view import LiveTree, PlainLines, report
from exporter.learnt import selectors_in
from exporter.ledger import LedgerError
from exporter.terminal import ExitCode, complain, say
from probes.clock import SYSTEM_CLOCK
from probes.net import Net


def diagnose_now(request: Request, as_json: bool) -> int:  # noqa: FBT001
    """`mailcanary diagnose`, of which the first line has been printed."""
    try:
        request = _informed(request)
    except ConfigError as error:
        complain(str(error))
        return ExitCode.USAGE
    net = build_net(request, SYSTEM_CLOCK)
    console = Console(stderr=as_json, quiet=as_json, highlight=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        diagnosis = runner.run(_watched(net, request, console))
    if as_json:
        say(json.dumps(document(diagnosis, net), indent=2))
    else:
        console.print(report(diagnosis, problems(diagnosis, net), console.width))
    return exit_code(diagnosis)


def _informed(request: Request) -> Request:
    """With what the canaries of a service taught about the domain. Raises ConfigError."""
    if request.config is None:
        return request
    config = load(Path(request.config), os.environ)
    try:
        learnt = selectors_in(config.service.ledger, request.domain, SYSTEM_CLOCK.utc())
    except LedgerError as error:
        complain(f"mailcanary: {error}")  # what it knows is missing, the rest can be diagnosed
        return request
    return replace(request, options={**request.options, "learnt": learnt})


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
