"""The latest canaries or runs as a table."""

from rich.console import Group, RenderableType
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


def history_view(history: History) -> RenderableType:
    """Show a table of one line an entry, then the changes of a job's target.

    Names made by others are cut, not folded.
    """
    entries = history.entries
    if not entries:
        return Text("nothing is kept of it yet", style="dim")
    table = Table(box=None, padding=(0, 1, 0, 0), show_edge=False, header_style="dim")
    for heading, width in (("sent (UTC)", 14), ("run", 8), ("outcome", 11)):
        table.add_column(heading, no_wrap=True, min_width=min(width, 12))
    table.add_column("took", justify="right", no_wrap=True, min_width=7)
    table.add_column("what and whose", no_wrap=True, overflow="ellipsis", ratio=3)
    if any(entry.placement for entry in entries):
        table.add_column("placed", no_wrap=True)
    has_hops = any(entry.slowest_hop for entry in entries)
    if has_hops:
        table.add_column("slowest hop", no_wrap=True, overflow="ellipsis", ratio=2)
    for entry in entries:
        cells = [*_cells(entry)]
        if any(one.placement for one in entries):
            cells.append(Text(entry.placement or _NOTHING))
        if has_hops:
            cells.append(Text(visible(entry.slowest_hop or _NOTHING)))
        table.add_row(*cells)
    if not history.changes:
        return table
    title = Text("\nwhat changed about the target", style="bold underline")
    return Group(table, title, Padding(changes_view(history.changes), (0, 0, 0, 2)))


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
        Text(short(entry.run), style="bold"),
        Text(
            f"{entry.outcome}{by_hand}",
            style="cyan" if entry.code is None else style_of(entry.code),
        ),
        Text(_NOTHING if entry.seconds is None else milliseconds(entry.seconds)),
        why,
    )


def short(run: str) -> str:
    """Return the short token for `mailcanary show`; for a job's run the number of its tick."""
    if run.startswith(MARKER):
        return run.removeprefix(MARKER)[:_SHORT]
    return run.rpartition("/")[2]
