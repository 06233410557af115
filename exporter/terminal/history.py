"""The latest canaries or runs as a table."""

from typing import Literal

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.reports.history import Entry, History
from exporter.reports.wording import milliseconds, visible
from exporter.terminal.changes import changes_view
from exporter.terminal.text import style_of
from probes.canary.message import MARKER

_SHORT = 8

_NOTHING = "–"


def history_view(history: History) -> RenderableType:
    """Show a table of one line an entry, then the changes of a job's target.

    Names made by others are cut, not folded.
    """
    entries = history.entries
    if not entries:
        return Text("nothing is kept of it yet", style="dim")
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    # The time and the name for `show` are whole at any width: only the others give way.
    table.add_column("sent (UTC)", no_wrap=True)
    table.add_column("run", no_wrap=True)
    _yielding(table, "outcome")
    _yielding(table, "took", right=True)
    _yielding(table, "what and whose")
    if any(entry.placement for entry in entries):
        _yielding(table, "placed")
    has_hops = any(entry.slowest_hop for entry in entries)
    if has_hops:
        _yielding(table, "slowest hop")
    for entry in entries:
        cells = [*_cells(entry)]
        if any(one.placement for one in entries):
            cells.append(Text(entry.placement or _NOTHING))
        if has_hops:
            cells.append(Text(visible(entry.slowest_hop or _NOTHING)))
        for cell in cells:
            cell.no_wrap = True
        table.add_row(*cells)
    if not history.changes:
        return table
    title = Text("\nwhat changed about the target", style="bold underline")
    return Group(table, title, Padding(changes_view(history.changes), (0, 0, 0, 2)))


def _yielding(table: Table, heading: str, *, right: bool = False) -> None:
    """Add a column that is cut where the terminal is too narrow for all."""
    justify: Literal["left", "right"] = "right" if right else "left"
    table.add_column(Text(heading, no_wrap=True), justify=justify, overflow="ellipsis")


def _cells(entry: Entry) -> tuple[Text, ...]:
    by_hand = " (hand)" if entry.is_by_hand else ""
    failure = entry.failure
    why = Text("")
    if failure is not None:
        why.append(f"{failure.phase} {failure.reason}").append(f", {failure.owner}", style="dim")
    return (
        Text(f"{entry.at:%m-%d %H:%M:%S}", style="dim"),
        Text(short(entry.run), style="bold").append(by_hand, style="not bold"),
        Text(entry.outcome, style="cyan" if entry.code is None else style_of(entry.code)),
        Text(_NOTHING if entry.seconds is None else milliseconds(entry.seconds)),
        why,
    )


def short(run: str) -> str:
    """Return the short token for `mailcanary show`; for a job's run the number of its tick."""
    if run.startswith(MARKER):
        return run.rpartition("-")[2][:_SHORT]
    return run.rpartition("/")[2]
