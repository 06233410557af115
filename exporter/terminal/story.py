"""`mailcanary show` for people: the waterfall with the hops in it, then facts and evidence."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.model import CanaryRecord
from exporter.reports.story import Advice, Story, advice, failure_remedy, story_code
from exporter.reports.timeline import timeline
from exporter.reports.wording import milliseconds, owner_words, visible
from exporter.terminal.changes import changes_view, last_good_view
from exporter.terminal.evidence import document_blocks, heading
from exporter.terminal.failures import failure_view
from exporter.terminal.runs import part_view
from exporter.terminal.text import status_style, style_of
from exporter.terminal.waterfall import waterfall
from probes.result import Failure, ProbeResult, Status

_FACTS = (
    *("mx.host", "address", "tls.version", "tls.cipher", "tls.trusted", "ehlo.name"),
    *("smtp.greeting", "smtp.reply"),
)


def story_view(story: Story, width: int) -> RenderableType:
    """The whole story, for a terminal of that many columns."""
    blocks: list[RenderableType] = [_title(story)]
    steps = timeline(story)
    if steps:
        blocks += [heading("the way"), waterfall(steps, width)]
    for part in () if story.result is None else story.result.parts:
        blocks.append(Padding(part_view(part, width), (1, 0, 0, 0)))
        if part.failure is not None:
            blocks.append(_failure(part.failure))
    failure = _failure_of(story)
    if failure is not None:
        remedy = failure_remedy(story, failure)
        blocks += [heading("what stopped it"), _failure(failure, remedy)]
    blocks += _memory(story)
    if story.result is not None:
        blocks += _facts(story.result)
    for number, document in enumerate(story.evidence):
        blocks += document_blocks(document, number)
    found = advice(story)
    if found:
        blocks += [heading("findings"), *map(_advice, found)]
    return Group(*blocks)


def _memory(story: Story) -> Iterator[RenderableType]:
    """Yield the changes of a job's target, and its differences since it was good."""
    if story.changes:
        yield heading("what changed about the target")
        yield Padding(changes_view(story.changes), (0, 0, 0, 2))
    if story.last_good is not None:
        yield heading("beside the last good run")
        yield Padding(last_good_view(story.last_good), (0, 0, 0, 2))


def _failure_of(story: Story) -> Failure | None:
    if story.record is not None and story.record.failure is not None:
        return story.record.failure
    return None if story.result is None else story.result.failure


def _title(story: Story) -> RenderableType:
    code = story_code(story)
    record = story.record
    if record is None:
        line = Text(f"{code.name} ", style=f"bold {style_of(code)}")
        if story.result is None:
            return line.append(story.name, style="bold")
        took = milliseconds(story.result.seconds)
        line.append(f"{story.name}", style="bold").append(f"  {story.result.kind} after {took}")
        return line.append(f"\n{story.result.started_at:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    outcome = str(record.outcome or record.state).upper()
    line = Text(f"{outcome} ", style=f"bold {style_of(code)}")
    line.append(record.path, style="bold")
    line.append(f"  {story.route or '(no longer configured)'} → {record.mailbox}")
    if record.round_trip is not None and story.is_measured:
        line.append(f"  in {milliseconds(record.round_trip)}", style="bold")
    return line.append(_particulars(story, record), style="dim")


def _particulars(story: Story, record: CanaryRecord) -> str:
    sent = record.sending_at or record.planned_at
    by_hand = ", by hand" if record.tick < 0 else ""
    lines = [record.token, f"sent {sent:%Y-%m-%d %H:%M:%S.%f} UTC{by_hand}"]
    if record.settled_at is not None:
        lines.append(f"settled {record.settled_at:%Y-%m-%d %H:%M:%S.%f} UTC")
    if record.place is not None and record.resolution is not None:
        within = milliseconds(record.resolution)
        lines.append(
            f"found in {visible(record.place.folder)} ({record.placement}), to within {within}"
        )
    if record.round_trip is not None and record.resolution is not None and not story.is_measured:
        low, high = record.round_trip - record.resolution, record.round_trip
        lines.append(
            "we did not look in time: it arrived between "
            f"{milliseconds(low)} and {milliseconds(high)} after it was sent"
        )
        lines += _received(story)
    return "".join(f"\n{line}" for line in lines)


def _received(story: Story) -> Iterator[str]:
    """Say how narrowly the Received fields of the first copy bound the arrival."""
    steps = [step for step in timeline(story) if step.is_hop and step.name.startswith("hop ")]
    if steps:
        last = steps[-1]
        yield (
            f"its Received fields say: {visible(last.name)} had it between "
            f"{milliseconds(last.ended)} and {milliseconds(last.end)}"
        )


def _failure(failure: Failure, remedy: str = "") -> RenderableType:
    return Padding(failure_view(failure, remedy), (0, 0, 0, 2))


def _facts(result: ProbeResult) -> list[RenderableType]:
    told = [(name, result.facts[name]) for name in _FACTS if result.facts.get(name) is not None]
    if not told:
        return []
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in told:
        table.add_row(name, Text(visible(str(value))))
    return [heading("what the servers said"), Padding(table, (0, 0, 0, 2))]


def _advice(one: Advice) -> Padding:
    finding = one.finding
    line = Text(f"{finding.status} ", style=f"bold {status_style(finding.status)}")
    line.append(finding.code, style="bold").append(f"  {visible(str(finding.subject))}")
    line.append(f"  owner: {owner_words(one.owner)}", style="dim")
    line.append(f"  {finding.reference}" if finding.reference else "", style="dim")
    line.append(f"\n{visible(finding.evidence)}", style="default")
    if finding.status not in (Status.OK, Status.INFO):
        for word, text in (("why", one.why), ("do", one.remedy), ("verify", one.verify)):
            if text:
                line.append(f"\n{word}: ", style="cyan").append(_lines(text))
    return Padding(line, (0, 0, 1, 2))


def _lines(text: str) -> str:
    return "\n        ".join(visible(line) for line in text.splitlines())
