"""`mailcanary diagnose`: run and show; Ctrl-C ends it with the results so far."""

import asyncio
import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from exporter.commands.common import run_loop
from exporter.config import ConfigError, load_to_look
from exporter.diagnose.comparison import remembered_in
from exporter.diagnose.diagnosis import Diagnosis, Remembered, areas_of, build_net, diagnose
from exporter.diagnose.document import document, several
from exporter.diagnose.html_form import page
from exporter.diagnose.markdown_form import markdown
from exporter.diagnose.report import Report, code_of, report_of
from exporter.diagnose.request import Format, Orders, Request, Shape
from exporter.ledger.errors import LedgerError
from exporter.ledger.reader import reading
from exporter.reports.exit_codes import ExitCode
from exporter.terminal.console import Console
from exporter.terminal.diagnosis import LiveTree, PlainLines, brief_report, closing_view, report
from exporter.terminal.text import complain, say
from probes.clock import SYSTEM_CLOCK
from probes.net import Net


def diagnose_now(orders: Orders) -> int:
    """`mailcanary diagnose`: one diagnosis after the other, each told as soon as it is there."""
    shape = orders.shape
    taken: list[_Taken] = []
    for request in orders.requests:
        try:
            taken.append(_taken(request, shape))
        except ConfigError as error:
            complain(str(error))
            return ExitCode.USAGE
        if shape.format is Format.TEXT:
            _print(taken[-1].report, shape, is_first=len(taken) == 1)
        if taken[-1].diagnosis.is_interrupted:
            break
    reports = tuple(one.report for one in taken)
    if shape.format is not Format.TEXT:
        say(_formed(taken, shape))
    elif len(reports) > 1:
        console = Console(highlight=False)
        console.print(closing_view(reports, console.width, is_brief=shape.is_brief))
    return code_of(reports)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A diagnosis with its network and its report."""

    diagnosis: Diagnosis
    net: Net
    report: Report


def _taken(request: Request, shape: Shape) -> _Taken:
    """Run one, under a view of its steps on standard error. Raises ConfigError."""
    request, remembered = _with_known_selectors(request)
    net = build_net(request, SYSTEM_CLOCK)
    is_quiet = shape.format is not Format.TEXT or shape.is_brief
    console = Console(stderr=True, quiet=is_quiet, highlight=False)
    diagnosis = run_loop(_watched(net, request, console, shape))
    diagnosis = replace(diagnosis, remembered=remembered)
    return _Taken(diagnosis, net, report_of(diagnosis, net))


def _print(value: Report, shape: Shape, *, is_first: bool) -> None:
    console = Console(highlight=False)
    if shape.is_brief:
        console.print(brief_report(value, console.width))
        return
    if not is_first:
        console.print()
    console.print(report(value, console.width))


def _formed(taken: Sequence[_Taken], shape: Shape) -> str:
    """Return the answer in another form than text, which comes whole."""
    reports = tuple(one.report for one in taken)
    if shape.format is Format.MARKDOWN:
        return markdown(reports, is_brief=shape.is_brief)
    if shape.format is Format.HTML:
        return page(reports, is_brief=shape.is_brief)
    documents = [document(one.diagnosis, one.net) for one in taken]
    whole = documents[0] if len(documents) == 1 else several(documents, code_of(reports))
    return json.dumps(whole, indent=2)


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


async def _watched(net: Net, request: Request, console: Console, shape: Shape) -> Diagnosis:
    """Run it under a view; the first SIGINT stops the areas, the second one everything."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, _once(loop, stop))
    view: LiveTree | PlainLines = PlainLines(console)
    if console.is_terminal:
        view = LiveTree(console, areas_of(request), is_kept=shape.is_verbose)
    try:
        with view:
            has_transcript = shape.is_verbose
            return await diagnose(net, request, view.hear, stop, has_transcript=has_transcript)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _once(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Callable[[], None]:
    def handle() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    return handle
