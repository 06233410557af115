"""Output of a diagnosis for people: the steps as they happen, verdicts, and remedies."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from exporter.diagnose.areas import Area
from exporter.diagnose.problems import Problem
from exporter.diagnose.report import (
    SENDERS,
    Report,
    about,
    advice_lines,
    case_lines,
    closing,
    good_run,
    remark,
)
from exporter.diagnose.request import shortened
from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import milliseconds
from exporter.terminal.changes import differences_view
from exporter.terminal.text import status_style, style_of
from probes.result import Failure, Phase, Status, one_line
from probes.trace import Step

MAX_LINES = 200
"""Hosts and addresses of one area that the tree shows."""

_STATUS = {
    Status.FAILURE: ("✗", status_style(Status.FAILURE)),
    Status.WARNING: ("!", status_style(Status.WARNING)),
    Status.UNTESTABLE: ("?", status_style(Status.UNTESTABLE)),
    Status.NOTICE: ("·", status_style(Status.NOTICE)),
    Status.INFO: ("·", status_style(Status.INFO)),
    Status.OK: ("✓", status_style(Status.OK)),
}
_CODE = {
    ExitCode.OK: ("✓", style_of(ExitCode.OK)),
    ExitCode.WARNING: ("!", style_of(ExitCode.WARNING)),
    ExitCode.FAILURE: ("✗", style_of(ExitCode.FAILURE)),
    ExitCode.UNTESTABLE: ("?", style_of(ExitCode.UNTESTABLE)),
}


@dataclass(slots=True)
class _Line:
    """The steps of one host and address, with the failure that one ended in."""

    done: list[tuple[Phase, float, Failure | None]] = field(default_factory=list)
    running: Phase | None = None

    def take(self, step: Step) -> None:
        if step.timing is None:
            self.running = step.phase
            return
        self.running = None
        self.done.append((step.phase, step.timing.seconds, step.failure))


class LiveTree:
    """A tree that grows while the areas run: area, host, address, steps with their times."""

    def __init__(self, console: Console, areas: tuple[Area, ...], *, is_kept: bool = True) -> None:
        """Without `is_kept` it is gone at the end, so that the verdict is what stands first."""
        self._console = console
        self._areas = {area.name: area for area in areas}
        self._lines: dict[str, dict[tuple[str, str], _Line]] = {name: {} for name in self._areas}
        self._live = Live(
            console=console, get_renderable=self.view, refresh_per_second=8, transient=not is_kept
        )

    def __enter__(self) -> "LiveTree":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def hear(self, area: str, step: Step) -> None:
        """One step of one area."""
        lines = self._lines[area]
        key = (step.host or "", step.address or "")
        if key in lines or len(lines) < MAX_LINES:
            lines.setdefault(key, _Line()).take(step)

    def view(self) -> RenderableType:
        """The tree as it stands."""
        return Group(*(self._area(name) for name in self._areas))

    def _area(self, name: str) -> Tree:
        tree = Tree(Text(self._areas[name].title, style="bold"), guide_style="dim")
        lines = self._lines[name]
        for host in dict.fromkeys(host for host, _ in lines):
            branch = tree.add(Text(one_line(host), style="bold")) if host else tree
            for (of, address), line in lines.items():
                if of == host:
                    branch.add(_steps(address, line))
        return tree


def _steps(address: str, line: _Line) -> Text:
    text = Text(f"{one_line(address)}  " if address else "", style="default")
    for phase, seconds, failure in line.done:
        text.append(f"{phase} ", style="dim")
        text.append(f"{milliseconds(seconds)}  ", style="cyan")
        if failure is not None:
            text.append(f"✗ {failure.reason}  ", style="red")
    if line.running is not None:
        text.append(f"{line.running} …", style="yellow")
    return text


class PlainLines:
    """The same for a file or a pipe: one line for each finished step."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> "PlainLines":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def hear(self, area: str, step: Step) -> None:
        """Print a step that has ended."""
        if step.timing is None:
            return
        where = " ".join(one_line(word) for word in (step.host, step.address) if word)
        took = milliseconds(step.timing.seconds)
        line = f"  {area:<12}{step.phase:<12}{took:>10}  {where}"
        if step.failure is not None:
            line += f"  {step.failure.reason}: {step.failure.detail}"
        self._console.print(Text(line.rstrip()), no_wrap=True, overflow="ellipsis")


def report(value: Report, width: int) -> RenderableType:
    """Show the verdict, the areas, problems with remedies, facts, and the verdict once more.

    Command lines are broken with backslashes to fit `width`, so that they can be pasted.
    """
    verdict = headline_view(value, width)
    blocks: list[RenderableType] = [verdict, Text(value.manner, style="dim"), Text("")]
    blocks += [_areas(value), *_senders(value), *_since_good(value)]
    for problem in value.told:
        blocks += [Text(""), _problem(problem, width)]
    if value.remarks:
        blocks += [Text(""), _remarks(value.remarks)]
    blocks += _seen(value, width)
    if value.transcript:
        blocks.append(Text("\nSMTP transcript", style="bold"))
        blocks += [Text(line, overflow="fold") for line in value.transcript]
    blocks += [Text(f"\n{value.ended}", style="dim"), verdict]
    return Group(*blocks)


def brief_report(value: Report, width: int) -> RenderableType:
    """Show the verdict, and a line for each thing that is wrong."""
    lines: list[RenderableType] = [headline_view(value, width)]
    for problem in value.grave:
        mark, style = _STATUS[problem.status]
        subject = problem.cases[0].subject if problem.cases else ""
        text = Text(f"  {mark} {problem.summary}: {subject}", style=style, no_wrap=True)
        text.truncate(width, overflow="ellipsis")
        lines.append(text)
    return Group(*lines)


def headline_view(value: Report, width: int) -> Text:
    """Return the verdict on one line: a long subject is cut in its middle, a reason at its end."""
    line = value.headline
    mark, style = _CODE[line.code]
    subject = shortened(line.subject, max(16, width // 2))
    text = Text(f"{mark} {subject}: {line.word}: {line.clause}", style=f"bold {style}")
    text.no_wrap = True
    text.truncate(width, overflow="ellipsis")
    return text


def closing_view(
    values: tuple[Report, ...], width: int, *, is_brief: bool = False
) -> RenderableType:
    """Return the last lines of several reports: every verdict, and how many there are of each.

    Brief reports are little more than their verdicts, which are not repeated.
    """
    count = Text(closing(values), style="bold")
    if is_brief:
        return count
    return Group(Text(""), *(headline_view(value, width) for value in values), count)


_INDENT = 13  # what stands left of a row's text


def _areas(value: Report) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for one in value.areas:
        mark, style = _CODE[one.code]
        table.add_row(Text(mark, style=f"bold {style}"), one.title, Text(one.sentence))
    return table


def _senders(value: Report) -> Iterator[RenderableType]:
    """Yield the outcome for each kind of sender of mail for the domain now, with its reason."""
    if not value.senders:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for one in value.senders:
        table.add_row(one.sender, one.outcome, Text(one.why))
    yield Text(f"\n{SENDERS}", style="bold")
    yield Padding(table, (0, 0, 0, 2))


def _since_good(value: Report) -> Iterator[RenderableType]:
    """Yield the differences from the last good run of each job of the service."""
    for one in value.since_good:
        run = good_run(one)
        yield Text("")
        if one.differences:
            yield differences_view(f"Changed since {run}", one.differences)
        else:
            yield Text(f"Nothing that is compared has changed since {run}", style="dim")


def _problem(problem: Problem, width: int) -> RenderableType:
    mark, style = _STATUS[problem.status]
    head = Text(f"{mark} {problem.summary}", style=f"bold {style}")
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True, min_width=9)
    rows.add_column(overflow="fold")
    for name, text in _rows(problem, max(30, width - _INDENT)):
        rows.add_row(name, text)
    return Group(head, Padding(Group(Text(about(problem), style="dim"), rows), (0, 0, 0, 2)))


def _rows(problem: Problem, width: int) -> Iterator[tuple[str, Text]]:
    for number, (subject, evidence) in enumerate(case_lines(problem)):
        text = Text(subject, style="cyan")
        text.append(f"  {evidence}" if subject else evidence, style="default")
        yield ("seen" if number == 0 else "", text)
    for name, said in advice_lines(problem):
        yield name, Text(said)
    for number, line in enumerate(problem.reproduce):
        yield ("try" if number == 0 else "", Text(pasteable(line, width), style="green"))
    if problem.reference:
        yield "see", Text(problem.reference, style="dim")


def pasteable(command: str, width: int) -> str:
    """A shell command in lines of at most `width` where its words permit, to be pasted whole."""
    lines: list[str] = [""]
    for word in shlex.split(command, posix=False):
        if lines[-1] and len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append("  " + word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return "\n".join(lines)


def _seen(value: Report, width: int) -> Iterator[RenderableType]:
    """The facts of every area: one or two lines for each host, record and server."""
    for title, rows in value.seen:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", overflow="fold", max_width=width // 2 - 4)
        table.add_column(style="dim", overflow="fold")
        before = ""
        for row in rows:
            table.add_row(Text("" if row.what == before else row.what), Text(row.told))
            before = row.what
        yield Text(f"\n{title}: what was seen", style="bold")
        yield Padding(table, (0, 0, 0, 2))


def _remarks(remarks: tuple[Problem, ...]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for problem in remarks:
        mark, style = _STATUS[problem.status]
        table.add_row(Text(mark, style=style), Text(remark(problem), style="dim"))
    return table
