"""Output of a selftest for people: the areas as they fill, every disagreement, the figures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import milliseconds, visible
from exporter.selftest.case import Case
from exporter.selftest.report import codes_of, exit_code, figures
from exporter.selftest.runner import Outcome
from exporter.terminal.failures import failure_view
from exporter.terminal.text import style_of
from probes.catalogue import AREAS
from probes.result import Finding

_MARKS = {ExitCode.OK: "✓", ExitCode.UNTESTABLE: "?"}
_WIDTH = max(map(len, AREAS))
_MOST_UNTRIED = 5
"""Cases that could not be performed, of which the reason is told."""


class Progress(Protocol):
    """Hears of every outcome while its block runs."""

    def hear(self, outcome: Outcome) -> None:
        """One case is over."""

    def __enter__(self) -> "Progress": ...

    def __exit__(self, *_: object) -> None: ...


def progress(console: Console, cases: Sequence[Case]) -> Progress:
    """Lines that fill at a terminal, elsewhere one for each area when it is over."""
    return LiveAreas(console, cases) if console.is_terminal else AreaLines(console, cases)


class AreaLines:
    """A line for each area, when its last case is over."""

    def __init__(self, console: Console, cases: Sequence[Case]) -> None:
        self._console = console
        self._wanted = Counter(case.area for case in cases)
        self._outcomes: list[Outcome] = []
        self._expected = [Outcome(case) for case in cases]

    def __enter__(self) -> "AreaLines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def hear(self, outcome: Outcome) -> None:
        """One case is over, and perhaps its area."""
        self._outcomes.append(outcome)
        area = outcome.case.area
        own = [one for one in self._outcomes if one.case.area == area]
        if len(own) == self._wanted[area]:
            self._console.print(_area_line(area, own, codes_of(area, self._expected)))


class LiveAreas:
    """A line for each area, in which its cases are counted."""

    def __init__(self, console: Console, cases: Sequence[Case]) -> None:
        self._wanted = Counter(case.area for case in cases)
        self._expected = [Outcome(case) for case in cases]
        self._outcomes: list[Outcome] = []
        self._live = Live(console=console, get_renderable=self.view, refresh_per_second=8)

    def __enter__(self) -> "LiveAreas":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def hear(self, outcome: Outcome) -> None:
        """One case is over."""
        self._outcomes.append(outcome)

    def view(self) -> RenderableType:
        """As it stands now."""
        return Group(*(self._line(area) for area in AREAS if area in self._wanted))

    def _line(self, area: str) -> Text:
        own = [one for one in self._outcomes if one.case.area == area]
        if len(own) == self._wanted[area]:
            return _area_line(area, own, codes_of(area, self._expected))
        line = Text(f"  {area:<{_WIDTH}}", style="bold")
        return line.append(f"  {len(own)} of {_counted(self._wanted[area], 'case')}", style="dim")


def _area_line(area: str, own: Sequence[Outcome], codes: int) -> Text:
    code = exit_code(own)
    line = Text(f"{_MARKS.get(code, '✗')} ", style=style_of(code))
    line.append(f"{area:<{_WIDTH}}", style="bold")
    line.append(f"  {_counted(codes, 'code')}, {_counted(len(own), 'case')}")
    wrong = sum(not one.is_right for one in own)
    untried = sum(bool(one.untried) for one in own)
    if wrong:
        line.append(f"; {_counted(wrong, 'case')} disagree{'s' if wrong == 1 else ''}", "red")
    if untried:
        line.append(f"; {_counted(untried, 'case')} could not be performed here", "magenta")
    return line


def report(outcomes: Sequence[Outcome], seconds: float) -> RenderableType:
    """Show every disagreement in full, the cases that could not be performed, and the figures."""
    blocks: list[RenderableType] = []
    for one in outcomes:
        if not one.is_right:
            blocks += [Text(""), *_disagreement(one)]
    untried = [one for one in outcomes if one.untried]
    blocks += [Text(""), *_untried(untried)] if untried else []
    return Group(*blocks, Text(""), _last_line(outcomes, seconds))


def _disagreement(one: Outcome) -> Iterator[RenderableType]:
    yield Text(f"✗ {one.case.area}: {one.case.name}", style="bold red")
    for code, status in one.missing:
        line = Text("expected and not found: ", style="red")
        yield Padding(line.append(f"{code} ({status})", style="default"), (0, 0, 0, 4))
    for finding in one.unexpected:
        yield Padding(_said("found and not expected: ", "red", finding), (0, 0, 0, 4))
    for finding in one.found:
        if finding not in one.unexpected:
            yield Padding(_said("found as expected: ", "dim", finding), (0, 0, 0, 4))
    if one.bug:
        line = Text("it broke: ", style="red").append(visible(one.bug), style="default")
        yield Padding(line, (0, 0, 0, 4))
    stopped = (one.stopped,) if one.stopped is not None else ()
    for failure in stopped or one.failures:
        words = "the run had to succeed: " if failure in stopped else "the run ended: "
        line = Text(words, style="red" if failure in stopped else "dim")
        yield Padding(line.append_text(failure_view(failure)), (0, 0, 0, 4))


def _said(words: str, style: str, finding: Finding) -> Text:
    line = Text(words, style=style)
    line.append(f"{finding.code} ({finding.status}) ", style="default")
    return line.append(f"{visible(str(finding.subject))}: {visible(finding.evidence)}", style="dim")


def _untried(untried: Sequence[Outcome]) -> Iterator[RenderableType]:
    for one in untried[:_MOST_UNTRIED]:
        line = Text(f"? {one.case.area}: {one.case.name}: ", style="magenta")
        yield line.append(visible(one.untried), style="default")
    if len(untried) > _MOST_UNTRIED:
        yield Text(f"? and {_counted(len(untried) - _MOST_UNTRIED, 'case')} more", style="magenta")


def _last_line(outcomes: Sequence[Outcome], seconds: float) -> Text:
    counted, code = figures(outcomes), exit_code(outcomes)
    line = Text(
        f"{counted.fired} of {_counted(counted.codes, 'code')} "
        f"fire{'s' if counted.codes == 1 else ''} where they should; ",
        style=f"bold {style_of(code)}",
    )
    line.append(f"{counted.silences:,} times a code stayed silent where it should")
    if counted.outbursts:
        line.append(f", {_counted(counted.outbursts, 'time')} not")
    return line.append(f" ({milliseconds(seconds)})", style="dim")


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
