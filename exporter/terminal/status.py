"""`mailcanary status` for people."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.analysis.judgement import PathState
from exporter.analysis.suspects import PartKind, Suspect
from exporter.reports.in_flight import HandRun
from exporter.reports.status import JobStatus, MailboxStatus, PathStatus, Status
from exporter.reports.wording import Tone, age, milliseconds, owner_words, visible
from exporter.terminal.changes import last_good_view
from exporter.terminal.history import short
from exporter.terminal.runs import finding_line
from exporter.terminal.text import COLOURS
from probes.result import Failure

STYLES = {
    PathState.OK: COLOURS[Tone.GOOD],
    PathState.DEGRADED: COLOURS[Tone.WARNING],
    PathState.FAILING: COLOURS[Tone.BAD],
    PathState.UNTESTABLE: COLOURS[Tone.UNTESTABLE],
    PathState.UNKNOWN: COLOURS[Tone.FAINT],
}
_MARKS = {
    PathState.OK: "●",
    PathState.DEGRADED: "◐",
    PathState.FAILING: "✗",
    PathState.UNTESTABLE: "?",
    PathState.UNKNOWN: "○",
}
_NOTHING = "–"
_LONGEST_REASON = 300
_MOST_FINDINGS = 5
_PART_WORDS = {
    PartKind.ROUTE: ("route", "along it", "into the same mailboxes along other routes"),
    PartKind.MAILBOX: ("mailbox", "into it", "along the same routes into other mailboxes"),
    PartKind.MX_HOST: ("MX host", "to it", "of the same paths and jobs to other hosts"),
    PartKind.ADDRESS_FAMILY: ("", "over it", "to the same hosts over the other family"),
}


def status_view(status: Status) -> RenderableType:
    """Show the service, the paths with their failures, mailboxes, jobs and suspects."""
    blocks: list[RenderableType] = [_title(status)]
    if status.suspects:
        blocks += [_heading("suspects"), *(_suspect(one, status.at) for one in status.suspects)]
    if status.paths:
        blocks += [_heading("paths"), _paths(status.paths, status.at)]
        blocks += _reasons(status.paths)
        blocks += [
            _by_hand(one.name, one.by_hand, status.at)
            for one in status.paths
            if one.by_hand is not None
        ]
    if status.mailboxes:
        blocks += [_heading("mailboxes"), _mailboxes(status.mailboxes, status.at)]
        blocks += _reasons(one for one in status.mailboxes if one.is_readable is False)
    if status.jobs:
        blocks += [_heading("jobs"), _jobs(status.jobs, status.at)]
        for one in status.jobs:
            blocks += _reasons((one,))
            if one.failure is not None and one.last_good is not None:
                blocks.append(Padding(last_good_view(one.last_good), (0, 0, 0, 4)))
    return Group(*blocks)


def _since(at: datetime | None, now: datetime) -> str:
    return _NOTHING if at is None else age((now - at).total_seconds())


def _title(status: Status) -> Text:
    line = Text("mailcanary  ", style="bold")
    holder = status.holder
    if holder is None:
        line.append("whether the service runs cannot be told: no right to ask", style="yellow")
    elif holder.is_there:
        process = f" (process {holder.process})" if holder.process is not None else ""
        line.append(f"the service runs{process}", style="green")
    else:
        line.append("the service does not run: this is what it saw last", style="bold red")
    line.append(f"  {status.at:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    return line.append(f"\n{visible(status.config)}", style="dim")


def _heading(text: str) -> Padding:
    return Padding(Text(text, style="bold underline"), (1, 0, 0, 0))


def _grid(headings: Sequence[str], right: Iterable[int] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for index, heading in enumerate(headings):
        justify = "right" if index in set(right) else "left"
        table.add_column(heading, justify=justify, no_wrap=index > 0, overflow="fold")  # type: ignore[arg-type]
    return table


def _marked(name: str, state: PathState) -> Text:
    return Text(f"{_MARKS[state]} ", style=STYLES[state]).append(name, style="default")


def _paths(paths: Iterable[PathStatus], now: datetime) -> Table:
    headings = ("path", "state", "last canary", "ago", "in flight", "took", "median")
    table = _grid(headings, right=(3, 5, 6))
    for one in paths:
        table.add_row(
            _marked(one.name, one.state),
            Text(one.state, style=STYLES[one.state]),
            one.outcome or _NOTHING,
            _since(one.outcome_at, now),
            _flight(one),
            _took(one.round_trip),
            _took(one.median_round_trip),
        )
    return table


def _flight(one: PathStatus) -> str:
    if one.oldest_in_flight is None:
        return _NOTHING
    oldest = age(one.oldest_in_flight)
    return oldest if one.in_flight == 1 else f"{one.in_flight}, oldest {oldest}"


def _took(seconds: float | None) -> str:
    return _NOTHING if seconds is None else milliseconds(seconds)


def _by_hand(name: str, run: HandRun, now: datetime) -> Padding:
    line = Text(name, style="bold").append(f"  by hand, {_since(run.at, now)} ago: ", style="dim")
    line.append(run.outcome or run.state, style="default")
    if run.round_trip is not None:
        line.append(f" in {milliseconds(run.round_trip)}")
    line.append(f"  ({short(run.token)})", style="dim")
    return Padding(line, (0, 0, 0, 2))


def _reasons(
    those: Iterable[PathStatus | MailboxStatus | JobStatus],
) -> Iterable[RenderableType]:
    """Why, a line for each that has a reason."""
    lines = list[RenderableType]()
    for one in those:
        if one.failure is not None:
            lines.append(_reason(one.name, one.failure))
        findings = () if isinstance(one, MailboxStatus) else one.findings
        for finding in findings[:_MOST_FINDINGS]:
            line = Text(f"{one.name}  ", style="bold").append_text(finding_line(finding))
            lines.append(Padding(line, (0, 0, 0, 2)))
    return lines


def _reason(name: str, failure: Failure) -> Padding:
    line = Text(name, style="bold").append(f"  {failure.phase} {failure.reason}", style="red")
    line.append(f", owner: {owner_words(failure.owner)}: ", style="dim")
    reply = failure.reply
    said = failure.detail if reply is None or reply.text in failure.detail else str(reply)
    line.append(visible(said[:_LONGEST_REASON]), style="default")
    return Padding(line, (0, 0, 0, 2))


def _mailboxes(mailboxes: Iterable[MailboxStatus], now: datetime) -> Table:
    words = {True: "readable", False: "unreadable", None: "unknown"}
    states = {True: PathState.OK, False: PathState.UNTESTABLE, None: PathState.UNKNOWN}
    table = _grid(("mailbox", "state", "last look", "told"), right=(2, 3))
    for one in mailboxes:
        state = states[one.is_readable]
        word = Text(words[one.is_readable], style=STYLES[state])
        looked, told = _since(one.looked_at, now), _since(one.told_at, now)
        table.add_row(_marked(one.name, state), word, looked, told)
    return table


def _jobs(jobs: Iterable[JobStatus], now: datetime) -> Table:
    table = _grid(("job", "state", "kind", "ago", "took"), right=(3, 4))
    for one in jobs:
        word = Text(one.state, style=STYLES[one.state])
        ran = _since(one.ran_at, now)
        table.add_row(_marked(one.name, one.state), word, one.kind, ran, _took(one.seconds))
    return table


def _suspect(one: Suspect, now: datetime) -> Padding:
    kind, through, beside = _PART_WORDS[one.part]
    line = Text(" ".join(filter(None, (kind, visible(one.name)))), style="bold red")
    since = age((now - one.since).total_seconds())
    line.append(f"  {one.failed} {through} failed in the last {since}, none succeeded; ")
    line.append(f"{one.succeeded} {beside} succeeded")
    line.append(f"  ({', '.join(one.sources)})", style="dim")
    return Padding(line, (0, 0, 0, 2))
