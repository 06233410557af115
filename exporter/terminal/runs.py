"""A run and a canary as a terminal shows them while they happen."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from exporter.ledger.canary_findings import canary_findings
from exporter.model import CanaryRecord
from exporter.reports.exit_codes import ExitCode, canary_code, result_code
from exporter.reports.timeline import timed, way
from exporter.reports.wording import milliseconds, visible
from exporter.terminal.failures import failure_view
from exporter.terminal.text import status_style, style_of
from exporter.terminal.waterfall import waterfall
from probes.result import Failure, Finding, Part, ProbeResult, all_findings
from probes.trace import Step


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


def result_view(result: ProbeResult, width: int, remedy: str = "") -> RenderableType:
    """A finished one-shot run: waterfall, parts, findings and the verdict."""
    blocks: list[RenderableType] = []
    if result.timings:
        blocks.append(waterfall(timed(result.timings, result.failure), width))
    for part in result.parts:
        blocks.append(part_view(part, width))
        if part.failure is not None:
            blocks.append(Padding(failure_view(part.failure), (0, 0, 0, 2)))
    blocks.extend(finding_line(finding) for finding in all_findings(result))
    code = result_code(result)
    blocks.append(_verdict(code, result.kind, result.failure, result.seconds, remedy))
    return Group(*blocks)


def canary_view(
    record: CanaryRecord,
    result: ProbeResult,
    evidence: Sequence[Mapping[str, Any]],
    width: int,
    remedy: str = "",
) -> RenderableType:
    """A canary's way from the first step of its sending to the mailbox."""
    code = canary_code(record, canary_findings(result, evidence))
    outcome = record.outcome or record.state
    blocks: list[RenderableType] = [waterfall(way(result, record, evidence), width)]
    blocks.extend(finding_line(finding) for finding in result.findings)
    if record.place is not None and record.resolution is not None:
        blocks.append(
            Text(
                f"found in {visible(record.place.folder)} ({record.placement}), "
                f"to within {milliseconds(record.resolution)}",
                style="dim",
            )
        )
    lasted = max(result.seconds, record.round_trip or 0.0, _until_settled(record))
    blocks.append(_verdict(code, f"{record.path}: {outcome}", record.failure, lasted, remedy))
    return Group(*blocks)


def _until_settled(record: CanaryRecord) -> float:
    """Seconds a canary was waited for in vain; 0 where it was found, its round trip says more."""
    if record.round_trip is not None or record.sending_at is None or record.settled_at is None:
        return 0.0
    return (record.settled_at - record.sending_at).total_seconds()


def part_view(part: Part, width: int) -> RenderableType:
    """Show one address of a run: its name, its TLS, and its waterfall."""
    mark, style = ("✓", "green") if part.ok else ("✗", "red")
    where = f"{visible(part.host)} {part.address or '(no address)'}"
    title = Text(f"{mark} {where}", style=f"bold {style}")
    facts = [str(part.facts[name]) for name in ("tls.version", "tls.cipher") if name in part.facts]
    if facts:
        title.append("  " + " ".join(map(visible, facts)), style="dim")
    return Group(title, waterfall(timed(part.timings, part.failure), width))


def finding_line(finding: Finding) -> Text:
    """One finding as a line: status, code, subject, evidence and where it is written."""
    line = Text(f"{finding.status}: ", style=status_style(finding.status))
    line.append(f"{finding.code} {visible(str(finding.subject))}", style="default")
    reference = f"  [{finding.reference}]" if finding.reference else ""
    line.append(f"  {visible(finding.evidence)}{reference}", style="dim")
    return line


def _verdict(
    code: ExitCode, title: str, failure: Failure | None, seconds: float, remedy: str = ""
) -> RenderableType:
    line = Text(f"{code.name} ", style=f"bold {style_of(code)}")
    line.append(f"{title} after {milliseconds(seconds)}", style="default")
    if failure is None:
        return line
    return Group(line, Padding(failure_view(failure, remedy), (0, 0, 0, 2)))
