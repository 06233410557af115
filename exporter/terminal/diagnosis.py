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
from exporter.diagnose.comparison import compared
from exporter.diagnose.diagnosis import Diagnosis
from exporter.diagnose.facts import seen
from exporter.diagnose.problems import MAX_CASES, Problem
from exporter.diagnose.verdicts import area_code, verdict
from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import instant, milliseconds, owner_words
from exporter.terminal.changes import differences_view
from exporter.terminal.text import status_style, style_of
from probes.kinds.policy.consequences import Sender
from probes.result import Failure, Phase, Status, one_line
from probes.trace import Step

MAX_LINES = 200
"""Hosts and addresses of one area that the tree shows."""

_STATUS = {
    Status.FAILURE: ("✗", status_style(Status.FAILURE), "failure"),
    Status.WARNING: ("!", status_style(Status.WARNING), "warning"),
    Status.UNTESTABLE: ("?", status_style(Status.UNTESTABLE), "untestable"),
    Status.NOTICE: ("·", status_style(Status.NOTICE), "notice"),
    Status.INFO: ("·", status_style(Status.INFO), "info"),
    Status.OK: ("✓", status_style(Status.OK), "ok"),
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

    def __init__(self, console: Console, areas: tuple[Area, ...]) -> None:
        self._console = console
        self._areas = {area.name: area for area in areas}
        self._lines: dict[str, dict[tuple[str, str], _Line]] = {name: {} for name in self._areas}
        self._live = Live(console=console, get_renderable=self.view, refresh_per_second=8)

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
        self._console.print(Text(line.rstrip()), soft_wrap=True)


def report(diagnosis: Diagnosis, found: tuple[Problem, ...], width: int) -> RenderableType:
    """Show verdicts, outcomes for senders, problems with remedies, remarks, and the facts.

    Command lines are broken with backslashes to fit `width`, so that they can be pasted.
    """
    told = [problem for problem in found if problem.status in (*_GRAVE, Status.NOTICE)]
    remarks = [problem for problem in found if problem not in told]
    blocks: list[RenderableType] = [Text(""), _verdicts(diagnosis)]
    blocks += _consequences(diagnosis)
    blocks += _since_good(diagnosis)
    for problem in told:
        blocks += [Text(""), _problem(problem, width)]
    if remarks:
        blocks += [Text(""), _remarks(remarks)]
    blocks += _seen(diagnosis, width)
    ended = "interrupted" if diagnosis.is_interrupted else "done"
    blocks.append(Text(f"\n{ended} after {milliseconds(diagnosis.seconds)}", style="dim"))
    return Group(*blocks)


_INDENT = 13  # what stands left of a row's text
_GRAVE = (Status.FAILURE, Status.WARNING, Status.UNTESTABLE)


def _verdicts(diagnosis: Diagnosis) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for one in diagnosis.areas:
        mark, style = _CODE[area_code(one)]
        said = one_line(verdict(one, diagnosis.request.domain))
        table.add_row(Text(mark, style=f"bold {style}"), one.area.title, Text(said))
    return table


def _consequences(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """Yield the outcome for each kind of sender of mail for the domain now, with its reason."""
    facts = {name: fact for one in diagnosis.areas for name, fact in one.result.facts.items()}
    if f"consequence.{Sender.OPPORTUNISTIC}" not in facts:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for sender, words in _SENDERS.items():
        outcome = str(facts[f"consequence.{sender}"]).replace("_", " ")
        why = one_line(str(facts[f"consequence.{sender}.why"]))
        table.add_row(words, outcome, Text(why))
    yield Text("\nMail from a sender that ...", style="bold")
    yield Padding(table, (0, 0, 0, 2))


def _since_good(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """Yield the differences from the last good run of each job of the service."""
    for one in compared(diagnosis):
        when = "" if one.good_at is None else f" of {instant(one.good_at)}"
        run = f"the good run{when} (job {one.job})"
        yield Text("")
        if one.differences:
            yield differences_view(f"Changed since {run}", one.differences)
        else:
            yield Text(f"Nothing that is compared has changed since {run}", style="dim")


_SENDERS = {
    Sender.OPPORTUNISTIC: "verifies nothing",
    Sender.MTA_STS: "honours MTA-STS",
    Sender.DANE: "honours DANE",
    Sender.REQUIRETLS: "requires TLS",
}


def _problem(problem: Problem, width: int) -> RenderableType:
    mark, style, word = _STATUS[problem.status]
    head = Text(f"{mark} {problem.summary}", style=f"bold {style}")
    about = Text(f"{word} · {problem.code} · owner: {owner_words(problem.owner)}", style="dim")
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True, min_width=9)
    rows.add_column(overflow="fold")
    for name, text in _rows(problem, max(30, width - _INDENT)):
        rows.add_row(name, text)
    return Group(head, Padding(Group(about, rows), (0, 0, 0, 2)))


def _rows(problem: Problem, width: int) -> Iterator[tuple[str, Text]]:
    for number, case in enumerate(problem.cases[:MAX_CASES]):
        text = Text(case.subject, style="cyan")
        text.append(f"  {case.evidence}", style="default")
        yield ("seen" if number == 0 else "", text)
    if len(problem.cases) > MAX_CASES:
        yield "", Text(f"and {len(problem.cases) - MAX_CASES} more", style="dim")
    if problem.why:
        yield "why", Text(problem.why)
    if problem.remedy:
        yield "do", Text(problem.remedy)
    if problem.visible_by is not None and problem.status is not Status.INFO:
        yield "then", Text(f"everybody sees it by {instant(problem.visible_by)}, if done now")
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


def _seen(diagnosis: Diagnosis, width: int) -> Iterator[RenderableType]:
    """The facts of every area: one or two lines for each host, record and server."""
    for title, rows in seen(diagnosis):
        table = Table.grid(padding=(0, 2))
        table.add_column(style="cyan", overflow="fold", max_width=width // 2 - 4)
        table.add_column(style="dim", overflow="fold")
        before = ""
        for row in rows:
            table.add_row(Text("" if row.what == before else row.what), Text(row.told))
            before = row.what
        yield Text(f"\n{title}: what was seen", style="bold")
        yield Padding(table, (0, 0, 0, 2))


def _remarks(remarks: list[Problem]) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(overflow="fold")
    for problem in remarks:
        mark, style, _ = _STATUS[problem.status]
        text = Text(f"{problem.summary}: ", style="dim")
        subjects = ", ".join(case.subject for case in problem.cases[:MAX_CASES])
        text.append(f"{subjects} ({problem.code})", style="dim")
        table.add_row(Text(mark, style=style), text)
    return table
