"""`mailcanary findings`: the catalogue of findings for a terminal, as JSON, and as the page."""

import json
import textwrap
from collections.abc import Iterator

from exporter.reports.advice import ANY_OPTIONS
from exporter.reports.exit_codes import ExitCode
from exporter.reports.findings_page import WIDTH, entry_json, owners, page
from exporter.terminal.text import complain, say
from probes.catalogue import ENTRIES, Entry, filled, nearest
from probes.catalogue.failures import FAILURES


def findings(code: str | None, as_json: bool, as_markdown: bool) -> int:  # noqa: FBT001
    """`mailcanary findings`: all codes, or one; an unknown code is answered by the nearest."""
    known = {**ENTRIES, **FAILURES}
    if code is not None and code not in known:
        alike = " or ".join(repr(one) for one in nearest(code, known))
        hint = f"did you mean {alike}?" if alike else "`mailcanary findings` lists all of them"
        complain(f"mailcanary: no finding has the code {code[:200]!r}; {hint}")
        return ExitCode.USAGE
    chosen = tuple(known.values()) if code is None else (known[code],)
    if as_json:
        documents = [entry_json(entry) for entry in chosen]
        say(json.dumps(documents if code is None else documents[0], indent=2))
    elif as_markdown:
        say(page().rstrip("\n"))
    elif code is None:
        say("\n".join(_listed(chosen)))
    else:
        say("\n".join(_told(chosen[0])))
    return ExitCode.OK


def _listed(entries: tuple[Entry, ...]) -> Iterator[str]:
    width = max(len(entry.code) for entry in entries)
    for entry in entries:
        yield f"{entry.code:<{width}}  {entry.summary}"


def _told(entry: Entry) -> Iterator[str]:
    yield f"{entry.code}: {entry.summary}"
    yield ""
    yield from textwrap.wrap(entry.why, WIDTH)
    yield ""
    severity = "; ".join(f"{status} ({when})" for status, when in entry.severity.items())
    rows = [("severity", severity), ("owner", owners(entry).replace("`", ""))]
    rows += [("what to do", filled(entry.remedy, ANY_OPTIONS)), ("reference", entry.reference)]
    for name, text in rows:
        if text:
            yield textwrap.fill(
                text, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12
            )
    for index, line in enumerate(filled(entry.verify, {}).splitlines()):
        yield f"{'verify' if index == 0 else '':<12}{line}"
