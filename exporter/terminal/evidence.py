"""What an arrived copy proves, as tables."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from exporter.reports.wording import milliseconds, visible
from exporter.terminal.runs import finding_line
from probes.canary.clocks import Interval
from probes.canary.evidence import Evidence
from probes.records.bounces.values import Bounce
from probes.result import Finding, Status


def evidence_view(evidence: Evidence) -> RenderableType:
    """The evidence for people: what came when, who said what, and what is to be made of it."""
    blocks: list[RenderableType] = []
    if evidence.bounce is not None:
        blocks.append(_bounce_view(evidence.bounce))
    if evidence.chain.hops:
        blocks.append(_hops_view(evidence))
    if evidence.mutations:
        blocks.append(
            _table(
                "changes on the way", ("what", "detail", "where", "broke"), _mutation_rows(evidence)
            )
        )
    rows = [*_authentication_rows(evidence), *_dkim_rows(evidence), *_spam_rows(evidence)]
    if rows:
        blocks.append(_table("verdicts", ("who", "what", "result", "detail"), rows))
    blocks.extend(finding_line(finding) for finding in _by_gravity(evidence.findings))
    if not blocks:
        blocks.append(Text("nothing in it tells anything", style="dim"))
    return Group(*blocks)


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def _hops_view(evidence: Evidence) -> Table:
    rows = []
    for hop in evidence.chain.hops:
        slowest = "  ← slowest" if hop.position == evidence.chain.slowest else ""
        skew = "  clock skewed" if hop.is_skewed else ""
        rows.append(
            (
                str(hop.position),
                hop.from_ or "",
                hop.by or "",
                hop.with_ or "",
                _delay(hop.delay) + slowest + skew,
            )
        )
    if evidence.chain.arrival is not None:
        rows.append(("", "", "the mailbox", "", _delay(evidence.chain.arrival)))
    return _table("hops, first to last", ("", "from", "by", "with", "delay"), rows)


def _delay(delay: Interval | None) -> str:
    if delay is None:
        return "unknown"
    least = milliseconds(delay.min)
    if delay.min == 0 and delay.max is not None:
        return f"at most {milliseconds(delay.max)}"
    return f"at least {least}" if delay.max is None else f"{least} to {milliseconds(delay.max)}"


def _authentication_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    return [
        (
            one.authserv_id or "(unnamed)",
            one.result.method,
            one.result.result,
            "" if one.is_trusted else "not believed: no receiver of ours says so",
        )
        for one in evidence.authentication
    ]


def _dkim_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in evidence.dkim or ():
        signature = one.signature
        what = "dkim" if signature is None else f"dkim d={signature.domain} s={signature.selector}"
        rows.append(("mailcanary", what, str(one.status), one.detail))
    return rows


def _mutation_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    return [
        (
            one.kind,
            one.detail,
            "" if one.between is None else f"hop {one.between[0]} to {one.between[1]}",
            ", ".join(one.broke),
        )
        for one in evidence.mutations
    ]


def _spam_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    words = {True: "spam", False: "not spam", None: "undecided"}
    return [
        (str(one.system), "spam", words[one.is_spam], "" if one.score is None else f"{one.score}")
        for one in evidence.spam
    ]


def _bounce_view(bounce: Bounce) -> Table:
    rows = [
        (
            one.recipient or "(unnamed)",
            str(one.action or ""),
            ".".join(map(str, one.status)) if one.status else "",
            str(one.reason or ""),
            one.reply or "",
        )
        for one in bounce.recipients
    ]
    title = f"a bounce from {bounce.reporting_mta or 'an unnamed server'}"
    return _table(title, ("recipient", "action", "status", "reason", "reply"), rows)


def _by_gravity(findings: Sequence[Finding]) -> list[Finding]:
    order = list(Status)
    return sorted(findings, key=lambda finding: order.index(finding.status), reverse=True)
