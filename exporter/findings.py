"""`mailcanary findings`: the catalogue of findings for a terminal, as JSON, and as the page."""

import json
import textwrap
from collections.abc import Iterator

from exporter.terminal import ExitCode, complain, say
from probes.catalogue import AREAS, ENTRIES, Entry, filled, nearest
from probes.result import Status, to_json

WIDTH = 100

_PAGE_HEAD = """\
# Findings

A finding is a defect, or a doubt, that a run noticed without being stopped by it. Its code is
stable: alerts, metrics and JSON use it. `mailcanary findings CODE` prints one of these entries,
`mailcanary findings --json` all of them, and `mailcanary selftest --only CODE` shows where it is
made. A finding that is `untestable` is the monitor's own,
whoever owns the others. Words in capitals stand for the values of the case.

This page is made by `mailcanary findings --markdown`.
"""

_AREA_TITLES = {
    "mx": "MX hosts and their addresses",
    "smtp": "SMTP dialogues",
    "sender": "Sender policy and reputation",
    "policy": "Transport policy and DNS",
    "nameservers": "Name servers",
    "mailbox": "Mailboxes",
    "evidence": "What an arrived copy shows",
    "monitor": "Ourselves",
}


def findings(code: str | None, as_json: bool, as_markdown: bool) -> int:  # noqa: FBT001
    """`mailcanary findings`: all codes, or one; what nobody knows is answered by the nearest."""
    if code is not None and code not in ENTRIES:
        alike = " or ".join(repr(known) for known in nearest(code))
        hint = f"did you mean {alike}?" if alike else "`mailcanary findings` lists all of them"
        complain(f"mailcanary: no finding has the code {code[:200]!r}; {hint}")
        return ExitCode.USAGE
    chosen = tuple(ENTRIES.values()) if code is None else (ENTRIES[code],)
    if as_json:
        documents = [entry_json(entry) for entry in chosen]
        say(json.dumps(documents if code is None else documents[0], indent=2))
    elif as_markdown:
        say(page().rstrip("\n"))
    elif code is None:
        say("\n".join(_listed()))
    else:
        say("\n".join(_told(chosen[0])))
    return ExitCode.OK


def entry_json(entry: Entry) -> dict[str, object]:
    """An entry as a JSON document: its fields, the texts with their open words as they are."""
    document: dict[str, object] = to_json(entry)
    return document


def page() -> str:
    """The whole of docs/findings.md."""
    parts = [_PAGE_HEAD]
    for area, entries in AREAS.items():
        parts.append(f"## {_AREA_TITLES.get(area, area)}\n")
        parts.extend(_section(entry) for entry in entries)
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    severity = "; ".join(f"{status}: {when}" for status, when in entry.severity.items())
    lines = [f"### {entry.code}", "", f"{entry.summary}. {entry.why}", ""]
    lines.append(f"- **Severity:** {severity}")
    lines.append(f"- **Owner:** {_owners(entry)}")
    lines.append(f"- **What to do:** {filled(entry.remedy, {})}")
    if entry.reference:
        lines.append(f"- **Reference:** {entry.reference}")
    if entry.verify:
        lines += ["", "```sh", filled(entry.verify, {}), "```"]
    return "\n".join((*lines, ""))


def _owners(entry: Entry) -> str:
    """Who has to act, in Markdown; where it depends on the status, with it."""
    ours = entry.owner_of(Status.UNTESTABLE)
    if Status.UNTESTABLE not in entry.severity or ours is entry.owner:
        return f"`{entry.owner}`"
    if len(entry.severity) == 1:
        return f"`{ours}`"
    return f"`{entry.owner}`; `{ours}` where it is {Status.UNTESTABLE}"


def _listed() -> Iterator[str]:
    width = max(map(len, ENTRIES))
    for entry in ENTRIES.values():
        yield f"{entry.code:<{width}}  {entry.summary}"


def _told(entry: Entry) -> Iterator[str]:
    yield f"{entry.code}: {entry.summary}"
    yield ""
    yield from textwrap.wrap(entry.why, WIDTH)
    yield ""
    severity = "; ".join(f"{status} ({when})" for status, when in entry.severity.items())
    rows = [("severity", severity), ("owner", _owners(entry).replace("`", ""))]
    rows += [("what to do", filled(entry.remedy, {})), ("reference", entry.reference)]
    for name, text in rows:
        if text:
            yield textwrap.fill(
                text, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12
            )
    for index, line in enumerate(filled(entry.verify, {}).splitlines()):
        yield f"{'verify' if index == 0 else '':<12}{line}"
