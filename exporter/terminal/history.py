"""The latest canaries or runs as a table."""

from collections.abc import Sequence
from typing import Literal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.reports.history import Entry, History
from exporter.reports.wording import milliseconds, owner_words, visible
from exporter.terminal.changes import changes_view
from exporter.terminal.text import style_of
from probes.canary.message import MARKER
from probes.catalogue import owner_of_finding
from probes.result import Status

_SHORT = 8

_NOTHING = "–"

_NARROW = 60
"""Columns below which the outcome and the duration may be cut, too."""


def history_view(history: History) -> RenderableType:
    """Show a table of one line an entry, then the changes of a job's target.

    Names made by others are cut, not folded.
    """
    entries = history.entries
    if not entries:
        return Text("nothing is kept of it yet", style="dim")
    if not history.changes:
        return _Entries(entries)
    title = Text("\nwhat changed about the target", style="bold underline")
    changes = Padding(changes_view(history.changes), (0, 0, 0, 2))
    return Group(_Entries(entries), title, changes)


class _Entries:
    """The table; the time and the name for `show` are whole at any width, others give way."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table(is_narrow=options.max_width < _NARROW)

    def _table(self, *, is_narrow: bool) -> Table:
        table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
        table.add_column("sent (UTC)", no_wrap=True)
        table.add_column("run", no_wrap=True)
        _add_column(table, "outcome", gives_way=is_narrow)
        _add_column(table, "took", gives_way=is_narrow, justify="right")
        _add_column(table, "what and whose")
        is_placed = any(entry.placement for entry in self._entries)
        has_hops = any(entry.slowest_hop for entry in self._entries)
        if is_placed:
            _add_column(table, "placed")
        if has_hops:
            _add_column(table, "slowest hop")
        for entry in self._entries:
            cells = [*_cells(entry)]
            if is_placed:
                cells.append(Text(entry.placement or _NOTHING))
            if has_hops:
                cells.append(Text(visible(entry.slowest_hop or _NOTHING)))
            for cell in cells:
                cell.no_wrap = True
            table.add_row(*cells)
        return table


def _add_column(
    table: Table,
    heading: str,
    *,
    gives_way: bool = True,
    justify: Literal["left", "right"] = "left",
) -> None:
    table.add_column(
        Text(heading, no_wrap=True), justify=justify, overflow="ellipsis", no_wrap=not gives_way
    )


def _cells(entry: Entry) -> tuple[Text, ...]:
    by_hand = " (hand)" if entry.is_by_hand else ""
    failure = entry.failure
    why = Text("")
    if failure is not None:
        why.append(f"{failure.phase} {failure.reason}")
        why.append(f", {owner_words(failure.owner)}", style="dim")
    elif entry.findings:
        gravest = max(entry.findings, key=lambda one: list(Status).index(one.status))
        why.append(f"{gravest.status} {gravest.code}")
        why.append(f", {owner_words(owner_of_finding(gravest))}", style="dim")
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
