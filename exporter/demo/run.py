"""`mailcanary demo`: the embedded mail world, watched by the service itself, in one process."""

import asyncio
import logging
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from textwrap import fill

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from exporter.app import serving
from exporter.commands.common import run_loop, set_up_logging
from exporter.config import parse
from exporter.demo.faults import FAULTS, UnknownFault, find
from exporter.demo.scenario import EXAMPLE_PATHS
from exporter.demo.world import MailWorld
from exporter.ledger.ledger import Ledger
from exporter.model import CanaryRecord, Change, Config
from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import milliseconds, owner_words
from exporter.service.publisher import Subscriber
from exporter.service.service import Service
from exporter.terminal.text import complain, say
from probes.canary.lifecycle import Outcome
from probes.clock import SYSTEM_CLOCK
from probes.result import Failure

REFRESH_SECONDS = 0.25


def demo(
    once: bool,  # noqa: FBT001 - called by the command
    fault: str | None,
    port: int,
    host: str,
) -> int:
    """Run the demo; with `once` until every example path is settled, else until interrupted."""
    set_up_logging(logging.ERROR)
    if fault == "list":
        say(list_faults())
        return ExitCode.OK
    try:
        fault_found = find(fault) if fault is not None else None
    except UnknownFault as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    try:
        listen = f"{_in_brackets(host)}:{0 if once else port}"
    except ValueError:
        complain(f"mailcanary: --host {host}: give an IP address of this machine")
        return ExitCode.USAGE
    try:
        return run_loop(_demo(fault_found.name if fault_found else None, listen, once=once))
    except OSError as error:
        complain(f"mailcanary: {error} (another port: --port N, any free one: --port 0)")
        return ExitCode.FAILURE


def _in_brackets(host: str) -> str:
    """Write an address as `listen` has it. Raises ValueError if it is none."""
    address = ip_address(host)
    return f"[{address}]" if address.version == 6 else str(address)


@dataclass
class Board(Subscriber):
    """The state of each path's latest canary, and the outcomes of the settled ones."""

    intended: Mapping[str, Outcome]
    latest: dict[str, CanaryRecord] = field(default_factory=dict)
    settled: dict[str, list[Outcome]] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    def canary_changed(self, change: Change) -> None:
        """Take note of one step in a canary's life."""
        record = change.record
        newest = self.latest.get(record.path)
        if newest is None or record.tick >= newest.tick:
            self.latest[record.path] = record
        if change.outcome is not None:
            self.settled.setdefault(record.path, []).append(change.outcome)
        if all(self.settled.get(path) for path in self.intended):
            self.complete.set()

    @property
    def is_as_intended(self) -> bool:
        """True when the first canary of every path ended as the world intended."""
        return all(
            self.settled.get(path, [None])[0] == outcome for path, outcome in self.intended.items()
        )

    def view(self) -> RenderableType:
        """The board, and under each path the world's part and the reason of a failure.

        At most 20 lines: it fits a terminal of 80 columns and 24 lines.
        """
        return Group(*self._lines())

    def _lines(self) -> Iterator[RenderableType]:
        yield Text("mailcanary demo: one mail world, watched", style="italic")
        yield Text(_line("path", "latest canary", "took", "intended"), style="dim")
        for path in EXAMPLE_PATHS:
            state, took, wanted, mark = self._cells(path.name)
            line = Text(f"{path.name:<{_WIDTHS[0]}}", style="bold")
            state.pad_right(_WIDTHS[1] - len(state))
            line.append_text(state)
            line.append(f"{took:<{_WIDTHS[2]}}{wanted:<{_WIDTHS[3]}}", style="not bold default")
            yield line.append_text(mark)
            yield Text(f"  {path.summary}", style="dim")
            failure = self._failure(path.name)
            if failure is not None:
                why = f"  → {failure.phase} {failure.reason}, owner: {owner_words(failure.owner)}"
                yield Text(why, style="red", no_wrap=True, overflow="ellipsis")

    def _failure(self, path: str) -> Failure | None:
        record = self.latest.get(path)
        return None if record is None or record.outcome is None else record.failure

    def _cells(self, path: str) -> tuple[Text, str, str, Text]:
        record, outcomes = self.latest.get(path), self.settled.get(path, [])
        wanted = self.intended[path]
        if not outcomes:
            mark = Text("…", style="dim")
        else:
            mark = Text("✓", style="green") if outcomes[0] == wanted else Text("✗", style="red")
            if len(outcomes) > 1:
                mark.append(f" ×{len(outcomes)}", style="dim")
        if record is None:
            return Text("not sent yet", style="dim"), "", wanted, mark
        return _state(record), _took(record), wanted, mark


_WIDTHS = (12, 15, 14, 13)


def _line(*words: str) -> str:
    return "".join(f"{word:<{width}}" for word, width in zip(words, _WIDTHS, strict=True))


def _state(record: CanaryRecord) -> Text:
    if record.outcome is None:
        return Text(record.state, style="yellow")
    return Text(record.outcome, style="green" if record.outcome is Outcome.ARRIVED else "red")


def _took(record: CanaryRecord) -> str:
    if record.round_trip is not None:
        return milliseconds(record.round_trip)
    if record.outcome is None and record.sending_at is not None:
        age = (SYSTEM_CLOCK.utc() - record.sending_at).total_seconds()
        return f"{age:.0f} s so far"
    return ""


async def _demo(fault: str | None, listen: str, *, once: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="mailcanary-demo-") as scratch:
        async with MailWorld() as world:
            if fault is not None:
                await world.apply(find(fault))
            text = world.config_text(ledger=str(Path(scratch, "demo.sqlite")), listen=listen)
            board = Board(world.intended)
            config = parse(text, "demo.yaml", {})
            async with _watched(config, board) as (service, url):
                console = Console()
                _introduce(console, url, fault, scratch, text)
                if once:
                    return await _settle_once(service, board, console)
                return await _watch_on(service, board, console)


@asynccontextmanager
async def _watched(config: Config, board: Board) -> AsyncIterator[tuple[Service, str]]:
    ledger = await Ledger.open(config.service.ledger, SYSTEM_CLOCK)
    try:
        service = Service(config, ledger, subscribers=(board,))
        options = config.service
        async with serving(service, options.listen_address, options.listen_port) as url:
            yield service, url
    finally:
        await ledger.close()


def _introduce(console: Console, url: str, fault: str | None, scratch: str, text: str) -> None:
    file = Path(scratch, "demo.yaml")
    file.write_text(text, encoding="utf-8")
    lines = [f"metrics  {url}/metrics", f"config   {file}"]
    if fault is not None:
        lines.append(f"fault    {fault}: {FAULTS[fault].summary}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _say_what_next(console: Console, file: Path | None) -> None:
    """Name the commands to go on with; `file` is there as long as the demo runs."""
    lines = ["try      mailcanary demo --fault list"]
    if file is not None:
        lines = [
            f"look     mailcanary status -c {file}",
            f"         mailcanary show slow -c {file}",
            *lines,
            "press Ctrl-C to end",
        ]
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, style="dim")


def list_faults() -> str:
    """The faults of the world, one after the other."""
    width = max(map(len, FAULTS)) + 2
    return "\n".join(
        fill(f"{name:<{width}}{one.summary}", 80, subsequent_indent=" " * width)
        for name, one in FAULTS.items()
    )


async def _settle_once(service: Service, board: Board, console: Console) -> int:
    """Run everything, wait until every path has a settled canary, say whether as intended."""
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop, at_once=True, scheduled=False))
    complete = asyncio.create_task(board.complete.wait())
    try:
        with _live(board, console) as live:
            while not (complete.done() or running.done()):
                await asyncio.wait(
                    {running, complete},
                    timeout=REFRESH_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                live.update(board.view(), refresh=True)
    finally:
        stop.set()
        complete.cancel()
        await running
    if not console.is_terminal:
        console.print()  # without a terminal the table ends without a line end
    if board.is_as_intended:
        console.print("every path ended as the world intended", style="green")
        _say_what_next(console, None)
        return ExitCode.OK
    console.print("not every path ended as the world intended", style="red")
    return ExitCode.FAILURE


async def _watch_on(service: Service, board: Board, console: Console) -> int:
    """Keep the board on the screen until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.create_task(service.run(stop, at_once=True))
    _say_what_next(console, Path(service.config.service.ledger).with_name("demo.yaml"))
    with _live(board, console) as live:
        while not running.done():
            await asyncio.wait({running}, timeout=REFRESH_SECONDS)
            live.update(board.view(), refresh=True)
    await running
    return ExitCode.OK


def _live(board: Board, console: Console) -> Live:
    """The board on the screen; without a terminal it is printed once, at the end."""
    return Live(board.view(), console=console, auto_refresh=False, transient=False)
