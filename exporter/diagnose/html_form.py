"""Reports as one HTML document that needs no other file; whatever is foreign is escaped."""

from collections.abc import Iterable, Iterator
from html import escape

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
from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import visible

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #999;padding:.2em .6em;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}"
    "h1,h2,h3,li,p{overflow-wrap:anywhere}pre{overflow-x:auto;background:#f3f3f3;padding:.6em}"
    ".ok{color:#06600f}.warning{color:#7a4b00}.failure{color:#a60000}.untestable{color:#6a0f8e}"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, whatever a mail client makes of the file."""


def page(reports: tuple[Report, ...], *, is_brief: bool = False) -> str:
    """Return one document for all of them."""
    title = str(reports[0].headline) if len(reports) == 1 else closing(reports)
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
            f"<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            *(line for one in reports for line in (_brief(one) if is_brief else _whole(one))),
            *([f"<p><strong>{_text(title)}</strong></p>"] if len(reports) > 1 else []),
            "</body>\n</html>",
        )
    )


def _text(text: str) -> str:
    return escape(visible(text))


def _verdict(report: Report, tag: str) -> str:
    line = report.headline
    return f'<{tag} class="{_class(line.code)}">{_text(str(line))}</{tag}>'


def _class(code: ExitCode) -> str:
    return WORDS[code].lower()


def _brief(report: Report) -> Iterator[str]:
    yield _verdict(report, "h1")
    if report.grave:
        yield _list(f"{one.status}: {one.summary} ({one.code})" for one in report.grave)


def _whole(report: Report) -> Iterator[str]:
    yield f"<section>\n{_verdict(report, 'h1')}\n<p>{_text(report.manner)}</p>"
    yield _table((WORDS[one.code], one.title, one.sentence) for one in report.areas)
    if report.senders:
        yield f"<h2>{_text(SENDERS)}</h2>"
        yield _table((one.sender, one.outcome, one.why) for one in report.senders)
    for compared in report.since_good:
        yield f"<h2>{_text(f'Changed since {good_run(compared)}')}</h2>"
        rows = ((one.aspect, one.subject, one.before, one.after) for one in compared.differences)
        yield _table(rows) if compared.differences else "<p>nothing</p>"
    for problem in report.told:
        yield from _problem(problem)
    if report.remarks:
        yield f"<h2>Remarks</h2>\n{_list(map(remark, report.remarks))}"
    for title, seen in report.seen:
        yield f"<h2>{_text(title)}: what was seen</h2>"
        yield _table((row.what, row.told) for row in seen)
    if report.transcript:
        yield f"<h2>SMTP transcript</h2>\n{_code(report.transcript)}"
    yield f"<p>{_text(report.ended)}</p>\n{_verdict(report, 'p')}\n</section>"


def _table(rows: Iterable[Iterable[str]]) -> str:
    lines = ("".join(f"<td>{_text(cell)}</td>" for cell in row) for row in rows)
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"


def _list(items: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{_text(item)}</li>" for item in items) + "\n</ul>"


def _code(lines: Iterable[str]) -> str:
    return "<pre>" + "\n".join(map(_text, lines)) + "</pre>"


def _problem(problem: Problem) -> Iterator[str]:
    yield f'<h2 class="{escape(str(problem.status))}">{_text(problem.summary)}</h2>'
    yield f"<p>{_text(about(problem))}</p>"
    cases = case_lines(problem)
    yield _list(f"{subject}: {evidence}" if subject else evidence for subject, evidence in cases)
    for name, text in advice_lines(problem):
        body = "<br>".join(map(_text, text.splitlines()))
        yield f"<p><strong>{name}:</strong> {body}</p>"
    if problem.reproduce:
        yield _code(problem.reproduce)
    if problem.reference:
        yield f"<p>{_text(problem.reference)}</p>"
