"""Reports as Markdown, to be pasted into a ticket; whatever is foreign is escaped."""

import re
from collections.abc import Iterable, Iterator

from exporter.analysis.target_changes import Difference
from exporter.diagnose.headline import WORDS
from exporter.diagnose.problems import Problem
from exporter.diagnose.report import (
    SENDERS,
    Report,
    about,
    advice_lines,
    case_lines,
    closing,
    good_run,
    remark,
)
from exporter.reports.wording import visible

_SPECIAL = re.compile(r"([\\`*_\[\]<>#!|~&$@]|:(?=//))")


def markdown(reports: tuple[Report, ...], *, is_brief: bool = False) -> str:
    """Return one document for all of them."""
    lines: list[str] = []
    for report in reports:
        lines += [*(_brief(report) if is_brief else _whole(report)), ""]
    if len(reports) > 1:
        lines += [f"**{escaped(closing(reports))}**"]
    return "\n".join(lines).rstrip("\n")


def escaped(text: str) -> str:
    """Return foreign text on one line, without meaning for Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))


def _verdict(report: Report) -> str:
    return f"**{escaped(str(report.headline))}**"


def _brief(report: Report) -> Iterator[str]:
    yield _verdict(report)
    if report.grave:
        yield ""
        yield from (f"- {_named(problem)}" for problem in report.grave)


def _named(problem: Problem) -> str:
    return escaped(f"{problem.status}: {problem.summary} ({problem.code})")


def _whole(report: Report) -> Iterator[str]:
    yield _verdict(report)
    yield ""
    yield escaped(report.manner)
    yield ""
    rows = ((WORDS[one.code], one.title, one.sentence) for one in report.areas)
    yield from _table(("", "Area", "Verdict"), rows)
    if report.senders:
        outcomes = ((one.sender, one.outcome, one.why) for one in report.senders)
        yield from _headed(SENDERS, _table(("", "Outcome", "Reason"), outcomes))
    for compared in report.since_good:
        changed = map(_difference, compared.differences)
        yield from _headed(f"Changed since {good_run(compared)}", _list(changed))
    for problem in report.told:
        yield from _problem(problem)
    if report.remarks:
        yield from _headed("Remarks", _list(map(remark, report.remarks)))
    for title, seen in report.seen:
        facts = ((row.what, row.told) for row in seen)
        yield from _headed(f"{title}: what was seen", _table(("", ""), facts))
    if report.transcript:
        yield from _headed("SMTP transcript", _code(report.transcript))
    yield ""
    yield escaped(report.ended)
    yield ""
    yield _verdict(report)


def _difference(one: Difference) -> str:
    return f"{one.aspect} {one.subject}: {one.before} → {one.after}"


def _headed(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from ("", f"### {escaped(title)}", "")
    yield from lines


def _list(items: Iterable[str]) -> Iterator[str]:
    told = list(items)
    yield from (f"- {escaped(item)}" for item in told or ["nothing"])


def _table(heads: tuple[str, ...], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(escaped, row))} |"


def _code(lines: Iterable[str]) -> Iterator[str]:
    """Yield an indented block: it has no end that a foreign line could write."""
    yield from (f"    {visible(line)}" for line in lines)


def _problem(problem: Problem) -> Iterator[str]:
    yield from ("", f"### {escaped(problem.summary)}", "", escaped(about(problem)), "")
    for subject, evidence in case_lines(problem):
        yield f"- {escaped(f'{subject}: {evidence}' if subject else evidence)}"
    for name, text in advice_lines(problem):
        yield ""
        yield f"**{name}:** {escaped(text)}"
    if problem.reproduce:
        yield from ("", *_code(problem.reproduce))
    if problem.reference:
        yield from ("", escaped(problem.reference))
