"""The steps of one canary as bars on a line of time."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from exporter.reports.timeline import Step
from exporter.reports.wording import milliseconds, visible

LEAST_BAR, MOST_BAR = 16, 72
_NAME_WIDTH = 28

_SLOWEST = " ← slowest"


def waterfall(steps: Sequence[Step], width: int) -> Table:
    """One row a step: when it began, how long it took, and a bar; dashes where it may lie."""
    rows = [
        (visible(one.name), f"+{milliseconds(one.begin)}", interval(one.shortest, one.longest))
        for one in steps
    ]
    names, begins, times = (max((cell_len(row[i]) for row in rows), default=0) for i in range(3))
    mark = cell_len(_SLOWEST) if any(one.is_slowest for one in steps) else 0
    room = width - min(names, _NAME_WIDTH) - begins - times - 3 - mark
    bar = max(LEAST_BAR, min(MOST_BAR, room))
    total = max((one.end for one in steps), default=0.0)
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=_NAME_WIDTH)
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(justify="right", no_wrap=True, style="cyan")
    table.add_column(no_wrap=True)
    for one, (name, begin, took) in zip(steps, rows, strict=True):
        style = "default" if one.is_hop else "bold"
        table.add_row(Text(name, style=style), begin, took, _bar(one, total, bar))
    return table


def interval(least: float, most: float) -> str:
    """`41 ms`, or `0 to 1.02 s` where it is not known better."""
    if milliseconds(least) == milliseconds(most):
        return milliseconds(most)
    return f"{'0' if least == 0 else milliseconds(least)} to {milliseconds(most)}"


def _bar(step: Step, total: float, width: int) -> Text:
    """Solid for the time it surely took, dashes for the time it may have taken."""
    scale = width / total if total > 0 else 0.0

    def column(seconds: float) -> int:
        return max(0, min(width - 1, int(seconds * scale)))

    first, last = column(step.begin), max(column(step.begin), column(step.end))
    style = "red" if step.is_failed else "yellow" if step.is_slowest else "green"
    line = Text(" " * first)
    for place in range(first, last + 1):
        is_sure = not step.is_hop or column(step.begun) <= place <= column(step.ended)
        is_core = is_sure and (not step.is_hop or step.shortest > 0)
        line.append("━" if is_core else "╌", style=style if is_core else f"dim {style}")
    if step.is_slowest:
        line.append(_SLOWEST, style="yellow")
    return line
