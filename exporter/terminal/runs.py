"""A run and a canary as a terminal shows them while they happen."""

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.model import CanaryRecord
from exporter.reports.exit_codes import ExitCode, outcome_code, result_code
from exporter.reports.wording import milliseconds, visible
from exporter.terminal.text import CODE_STYLES
from probes.result import (
    Failure,
    Finding,
    Part,
    Phase,
    PhaseTiming,
    ProbeResult,
    Status,
    all_findings,
)
from probes.trace import Step

BAR_WIDTH = 44


def show_step(console: Console, step: Step) -> None:
    """Print one finished step of a live run as a line."""
    if step.timing is None:
        return
    where = visible(" ".join(filter(None, (step.host, step.address))))
    line = Text(f"  {step.phase:<12}", style="bold")
    line.append(f"{milliseconds(step.timing.seconds):>10}", style="cyan")
    if where:
        line.append(f"  {where}", style="dim")
    if step.failure is not None:
        line.append(f"  {step.failure.reason}: {step.failure.detail}", style="red")
    console.print(line, soft_wrap=True)


def result_view(result: ProbeResult) -> RenderableType:
    """A finished one-shot run: waterfall, parts, findings and the verdict."""
    blocks: list[RenderableType] = []
    if result.timings:
        blocks.append(waterfall(result.timings, result.seconds, result.failure))
    blocks.extend(_part_view(part, result.seconds) for part in result.parts)
    blocks.extend(finding_line(finding) for finding in all_findings(result))
    blocks.append(_verdict(result_code(result), result.kind, result.failure, result.seconds))
    return Group(*blocks)


def canary_view(record: CanaryRecord, result: ProbeResult) -> RenderableType:
    """A canary's way from the first step of its sending to the mailbox."""
    timings, total = list(result.timings), result.seconds
    if record.round_trip is not None:
        total = max(record.round_trip, total)
        timings += _travel(record, result)
    code = outcome_code(record.outcome)
    outcome = record.outcome or record.state
    blocks: list[RenderableType] = [waterfall(timings, total, result.failure)]
    blocks.extend(finding_line(finding) for finding in result.findings)
    if record.place is not None and record.resolution is not None:
        blocks.append(
            Text(
                f"found in {visible(record.place.folder)} ({record.placement}), "
                f"to within {milliseconds(record.resolution)}",
                style="dim",
            )
        )
    lasted = max(total, _until_settled(record))
    blocks.append(_verdict(code, f"{record.path}: {outcome}", record.failure, lasted))
    return Group(*blocks)


def _until_settled(record: CanaryRecord) -> float:
    """Seconds a canary was waited for in vain; 0 where it was found, its round trip says more."""
    if record.round_trip is not None or record.sending_at is None or record.settled_at is None:
        return 0.0
    return (record.settled_at - record.sending_at).total_seconds()


def _travel(record: CanaryRecord, result: ProbeResult) -> Iterable[PhaseTiming]:
    """From the accepted final dot to the copy: on the way for certain, then found by a look."""
    sent = _end_of(result.timings, Phase.END_OF_DATA)
    if sent is None or record.round_trip is None:
        return
    travelling = max(0.0, record.round_trip - sent)
    resolution = min(record.resolution or 0.0, travelling)
    yield PhaseTiming(Phase.TRANSIT, sent, travelling - resolution)
    yield PhaseTiming(Phase.ARRIVAL, record.round_trip - resolution, resolution)


def _end_of(timings: Sequence[PhaseTiming], phase: Phase) -> float | None:
    ends = [timing.start + timing.seconds for timing in timings if timing.phase is phase]
    return ends[-1] if ends else None


def waterfall(
    timings: Sequence[PhaseTiming], total: float, failure: Failure | None
) -> RenderableType:
    """The phases one under the other, each bar where it lay in the run."""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold", min_width=12)
    table.add_column(justify="right", style="cyan", min_width=10)
    table.add_column()
    scale = BAR_WIDTH / total if total > 0 else 0.0
    last = len(timings) - 1
    for number, timing in enumerate(timings):
        failed = failure is not None and failure.phase is timing.phase and number == last
        indent = min(BAR_WIDTH - 1, int(timing.start * scale))
        length = max(1, min(BAR_WIDTH - indent, round(timing.seconds * scale)))
        bar = Text(" " * indent + "━" * length, style="red" if failed else "green")
        table.add_row(timing.phase, milliseconds(timing.seconds), bar)
    return table


def _part_view(part: Part, total: float) -> RenderableType:
    mark, style = ("✓", "green") if part.ok else ("✗", "red")
    where = f"{visible(part.host)} {part.address or '(no address)'}"
    title = Text(f"{mark} {where}", style=f"bold {style}")
    facts = [str(part.facts[name]) for name in ("tls.version", "tls.cipher") if name in part.facts]
    if facts:
        title.append("  " + " ".join(facts), style="dim")
    blocks: list[RenderableType] = [title, waterfall(part.timings, total, part.failure)]
    if part.failure is not None:
        blocks.append(failure_view(part.failure))
    return Group(*blocks)


def finding_line(finding: Finding) -> Text:
    """One finding as a line: status, code, subject, evidence and where it is written."""
    styles = {Status.WARNING: "yellow", Status.FAILURE: "red", Status.UNTESTABLE: "magenta"}
    line = Text(f"{finding.status}: ", style=styles.get(finding.status, "dim"))
    line.append(f"{finding.code} {visible(str(finding.subject))}", style="default")
    reference = f"  [{finding.reference}]" if finding.reference else ""
    line.append(f"  {visible(finding.evidence)}{reference}", style="dim")
    return line


def failure_view(failure: Failure) -> Text:
    """Phase, reason, owner, detail and the reply of a failure."""
    line = Text(f"{failure.phase}: {failure.reason}", style="red")
    line.append(f" (owner: {failure.owner}) {visible(failure.detail)}", style="default")
    if failure.reply is not None:
        line.append(f"\n    {visible(str(failure.reply))}", style="dim")
    return line


def _verdict(code: ExitCode, title: str, failure: Failure | None, seconds: float) -> RenderableType:
    style = CODE_STYLES.get(code, "red")
    line = Text(f"{code.name} ", style=f"bold {style}")
    line.append(f"{title} after {milliseconds(seconds)}", style="default")
    if failure is None:
        return line
    return Group(line, failure_view(failure))
