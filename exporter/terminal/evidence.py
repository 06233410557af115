"""Evidence of a copy or a bounce, by its document: the one view of `show`, `run` and `explain`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from exporter.ledger.encoding import decode_finding
from exporter.reports.message_verdict import MessageVerdict
from exporter.reports.wording import Tone, milliseconds, visible
from exporter.terminal.runs import finding_line
from exporter.terminal.text import COLOURS, style_of
from exporter.terminal.waterfall import interval
from probes.result import Status

_TONES = {
    **dict.fromkeys(("pass", "success"), Tone.GOOD),
    **dict.fromkeys(("fail", "softfail", "permerror", "temperror", "hardfail"), Tone.BAD),
}


def evidence_view(document: Mapping[str, Any], number: int = 0) -> RenderableType:
    """Return the evidence of one message with its findings, the gravest first."""
    blocks = document_blocks(document, number)
    order = list(Status)
    findings = [decode_finding(one) for one in document["findings"]]
    findings.sort(key=lambda finding: order.index(finding.status), reverse=True)
    if findings:
        blocks.append(heading("findings"))
        blocks += [Padding(finding_line(finding), (0, 0, 0, 2)) for finding in findings]
    return Group(*(blocks or [Text("nothing in it tells anything", style="dim")]))


def verdict_view(verdict: MessageVerdict) -> RenderableType:
    """Return what `explain` says first: pass or fail, from, to, when and the total delay."""
    line = Text(f"{verdict.word} ", style=f"bold {style_of(verdict.code)}")
    return Group(line.append(visible(verdict.summary), style="bold"), _grid(("", ""), verdict.rows))


def document_blocks(document: Mapping[str, Any], number: int) -> list[RenderableType]:
    """Return the tables of one copy or of one bounce, each under its heading."""
    which = "" if number == 0 else f" (copy {number + 1})"
    whose = "" if document["bounce"] is None else " of the bounce itself"
    blocks: list[RenderableType] = []
    if document["bounce"] is not None:
        blocks += [
            heading(f"the bounce{which}: the fate of the message"),
            *_bounce(document["bounce"]),
        ]
    if document["hops"]:
        blocks += [heading(f"the hops{whose}{which}"), _hops(document)]
    rows = [*_authentication(document), *_dkim(document), *_spam(document)]
    if rows:
        blocks += [
            heading(f"the verdicts{whose or which}"),
            _grid(("who", "what", "result", ""), rows),
        ]
    if document["mutations"]:
        rows = [
            (one["kind"], one["detail"], _where(one), ", ".join(one.get("broke", ())))
            for one in document["mutations"]
        ]
        headings = ("what", "how", "where", "broke")
        blocks += [heading(f"what was changed{which}"), _grid(headings, rows)]
    return blocks


def heading(text: str) -> Padding:
    """Return the heading of a block."""
    return Padding(Text(text, style="bold underline"), (1, 0, 0, 0))


def _where(mutation: Mapping[str, Any]) -> str:
    between = mutation.get("between")
    return "" if between is None else f"between hop {between[0]} and {between[1]}"


def _grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Padding:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    table.show_header = any(headings)
    for word in headings:
        table.add_column(word, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell), style=_word_style(cell)) for cell in row))
    return Padding(table, (0, 0, 0, 2))


def _word_style(word: str) -> str:
    return COLOURS[_TONES[word]] if word in _TONES else "default"


def _hops(document: Mapping[str, Any]) -> Padding:
    rows = []
    for hop in document["hops"]:
        with_tls = " ".join(filter(None, (hop["with"], hop["tls"])))
        slowest = " ← slowest" if hop["position"] == document["slowest_hop"] else ""
        skew = " clock skewed" if hop["is_skewed"] else ""
        took = _bounds(hop["delay_seconds"]) + slowest + skew
        rows.append((str(hop["position"]), hop["from"] or "", hop["by"] or "", with_tls, took))
    if document.get("arrival_seconds") is not None:
        rows.append(("", "", "the mailbox", "", _bounds(document["arrival_seconds"])))
    return _grid(("", "from", "by", "with", "delay"), rows)


def _bounds(delay: Mapping[str, Any] | None) -> str:
    if delay is None:
        return ""
    if delay["max"] is None:
        return f"at least {milliseconds(delay['min'])}"
    return interval(delay["min"], delay["max"])


def _authentication(document: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for one in document["authentication"]:
        belief = "" if one["trusted"] else "not believed: no receiver of ours says so"
        yield one["authserv_id"] or "(unnamed)", one["method"], one["result"], belief


def _dkim(document: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    for one in document["dkim"] or ():
        what = "dkim" if one["domain"] is None else f"dkim d={one['domain']} s={one['selector']}"
        yield "mailcanary", what, one["result"], one["detail"]


def _spam(document: Mapping[str, Any]) -> Iterable[tuple[str, ...]]:
    words = {True: "spam", False: "not spam", None: "undecided"}
    for one in document["spam"]:
        score = "" if one["score"] is None else f"score {one['score']:g}"
        yield one["system"], "spam filter", words[one["is_spam"]], score


_SERVERS = ("remote_mta", "reporting_mta")


def _bounce(bounce: Mapping[str, Any]) -> list[RenderableType]:
    """Each recipient with its names and values; an unnamed server is not told."""
    names = ("recipient", "action", "status", "reason", "owner", *_SERVERS, "reply")
    reporting = {"reporting_mta": bounce["reporting_mta"]}
    recipients = bounce.get("recipients") or [bounce]
    return [
        _grid(
            ("", ""),
            [
                (name.replace("_", " "), str(value))
                for name in names
                if (value := {**one, **reporting}.get(name))
            ],
        )
        for one in recipients
    ]
