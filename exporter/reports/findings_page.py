"""The page of all findings, generated from the catalogue."""

from exporter.reports.advice import ANY_OPTIONS
from probes.catalogue import AREAS, Entry, filled
from probes.catalogue.failures import ALIKE
from probes.documents import to_json
from probes.result import Status

WIDTH = 100

_DOCUMENTED = (
    *("code", "summary", "why", "remedy", "verify", "reference", "owner", "severity", "ours"),
)
"""The fields of an entry that are told; the others are for the program."""

_PAGE_HEAD = """\
# Findings

A finding is a defect, or a doubt, that a run noticed without being stopped by it. Its code is
stable: alerts, metrics and JSON use it. `mailcanary findings CODE` prints one of these entries,
`mailcanary findings --json` all of them, and `mailcanary selftest --only CODE` shows where it is
made. A finding that is `untestable` is the monitor's own if no other owner is named for that,
whoever owns the others; a finding that comes of a failure has the failure's owner. Words in
capitals stand for the values of the case.

What ends a run has a code as well, of the phase and the reason; these stand at the end of the page.

This page is made by `mailcanary findings --markdown`.
"""

_ENDINGS_HEAD = """\
## What ends a run

A run, or one address of it, ends with a phase and a reason. `diagnose` tells them where no finding
says the same, `mailcanary findings PHASE.REASON` always. The owner may be another one where the run
knows better.
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


def entry_json(entry: Entry) -> dict[str, object]:
    """Return an entry as a JSON document, the texts with their open words as they are."""
    document = to_json(entry)
    return {name: document[name] for name in _DOCUMENTED}


def page() -> str:
    """The whole of docs/generated/findings.md."""
    parts = [_PAGE_HEAD]
    for area, entries in AREAS.items():
        parts.append(f"## {_AREA_TITLES.get(area, area)}\n")
        parts.extend(_section(entry) for entry in entries)
    parts.append(_ENDINGS_HEAD)
    parts.extend(_ending(entries) for entries in ALIKE)
    return "\n".join(parts)


def _ending(entries: tuple[Entry, ...]) -> str:
    first, *others = entries
    also = ", ".join(f"`{entry.code}`" for entry in others)
    return _section(first, f"- **The same in other phases:** {also}" if also else "")


def _section(entry: Entry, also: str = "") -> str:
    severity = "; ".join(f"{status}: {when}" for status, when in entry.severity.items())
    lines = [f"### {entry.code}", "", f"{entry.summary}. {entry.why}", ""]
    lines += [also] if also else []
    lines.append(f"- **Severity:** {severity}")
    lines.append(f"- **Owner:** {owners(entry)}")
    lines.append(f"- **What to do:** {filled(entry.remedy, ANY_OPTIONS)}")
    if entry.reference:
        lines.append(f"- **Reference:** {entry.reference}")
    if entry.verify:
        lines += ["", "```sh", filled(entry.verify, {}), "```"]
    return "\n".join((*lines, ""))


def owners(entry: Entry) -> str:
    """Return the owners in Markdown; an owner that depends on the status comes with the status."""
    ours = entry.owner_of(Status.UNTESTABLE)
    if Status.UNTESTABLE not in entry.severity or ours is entry.owner:
        return f"`{entry.owner}`"
    if len(entry.severity) == 1:
        return f"`{ours}`"
    return f"`{entry.owner}`; `{ours}` where it is {Status.UNTESTABLE}"
