"""The runbooks: a page for each alert and for each reason, made of the rules and the catalogue."""

import re
from collections.abc import Iterable, Iterator, Mapping

from exporter.reports.advice import ANY_OPTIONS
from exporter.reports.wording import OWNER_TEXTS
from exporter.rules.options import RuleOptions
from exporter.rules.rule import Alert, Severity
from exporter.rules.rule_file import alerts
from exporter.rules.runbook_texts import ADVICE
from probes.catalogue import Entry, filled
from probes.catalogue.failures import ALIKE
from probes.result import OURS, Owner, Reason

_SEVERITIES: Mapping[Severity, str] = {
    Severity.CRITICAL: "critical: look now",
    Severity.WARNING: "warning: look in working hours",
    Severity.INFO: "info: it explains other alerts",
    Severity.UNTESTABLE: "untestable: nothing is known of the mail",
}
_ANY_OWNER = "The alert's label `owner` names the party: see [owners](../owners.md)."


def pages() -> dict[str, str]:
    """Return every page of docs/runbooks/ by its name in that folder."""
    found = {"README.md": _contents()}
    for name, members in _by_name().items():
        found[f"{name.lower()}.md"] = _alert_page(name, members)
    for reason in Reason:
        found[f"reasons/{reason}.md"] = _reason_page(reason)
    return found


def _by_name() -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in alerts(RuleOptions()):
        found.setdefault(alert.name, []).append(alert)
    return found


def _contents() -> str:
    alert_rows = (
        f"- [{name}]({name.lower()}.md): {members[0].summary}"
        for name, members in _by_name().items()
    )
    reason_rows = (f"- [{reason}](reasons/{reason}.md)" for reason in Reason)
    return _joined(
        "# Runbooks",
        "One page for each alert, and one for each reason. An alert's description names the reason "
        "that was seen most. These pages are made by `exporter/rules/runbooks.py`.",
        "## Alerts",
        "\n".join(alert_rows),
        "## Reasons",
        "\n".join(reason_rows),
    )


def _alert_page(name: str, members: list[Alert]) -> str:
    advice, first = ADVICE[name], members[0]
    severities = dict.fromkeys(_SEVERITIES[one.severity] for one in members)
    return _joined(
        f"# {name}",
        f"Severity: {'; '.join(severities)}.",
        "## Meaning",
        f"{first.summary} {_condition(members)}",
        "## Impact",
        advice.impact,
        "## Whose",
        _ANY_OWNER if first.owner is None else _whose((Owner(first.owner),)),
        "## First look",
        _commands(advice.look),
        "## Mend",
        advice.mend,
        "## When to escalate",
        advice.escalate,
    )


def _condition(members: list[Alert]) -> str:
    rules = "\n\n".join(f"```promql\n{one.expr}\n```" for one in members)
    one = "The alert fires" if len(members) == 1 else "The alert fires for one of these conditions"
    waits = " or ".join(dict.fromkeys(alert.wait or "no time" for alert in members))
    return f"{one}, after {waits}:\n\n{rules}"


def _reason_page(reason: Reason) -> str:
    groups = [group for group in ALIKE if group[0].code.partition(".")[2] == reason]
    owners = dict.fromkeys(entry.owner for group in groups for entry in group)
    impact = dict.fromkeys(group[0].why for group in groups)
    remedies = dict.fromkeys(filled(group[0].remedy, ANY_OPTIONS) for group in groups)
    verify = dict.fromkeys(
        line for group in groups for line in filled(group[0].verify, {}).splitlines()
    )
    return _joined(
        f"# Reason {reason}",
        "## Meaning",
        "\n".join(_meaning(group) for group in groups),
        "## Impact",
        _bullets(impact),
        "## Whose",
        _whose(owners),
        "## First look",
        _commands(("mailcanary history PATH", "mailcanary show PATH", *verify)),
        "## Mend",
        _bullets(remedies),
        "## When to escalate",
        _escalation(owners),
    )


def _meaning(group: tuple[Entry, ...]) -> str:
    phases = ", ".join(f"`{entry.code.partition('.')[0]}`" for entry in group)
    return f"- {re.sub(r'[.]$', '', group[0].summary)}. (Phase {phases}.)"


def _whose(owners: Iterable[Owner]) -> str:
    rows = (
        f"- `{owner}`, {OWNER_TEXTS[owner].name}. Call: {OWNER_TEXTS[owner].call}"
        for owner in owners
    )
    return "\n".join(rows)


def _escalation(owners: Iterable[Owner]) -> str:
    if set(owners) <= OURS:
        return "Nothing is known of the mail while it lasts. Within the day: the owner above."
    return (
        "If a MailcanaryPathDown or MailcanaryDomainDown alert fires with this reason: at once. "
        "Else if it lasts for an hour. Give the owner the output of `mailcanary show`."
    )


def _bullets(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def _commands(lines: Iterable[str]) -> str:
    return "\n".join(("```sh", *lines, "```"))


def _joined(*parts: str) -> str:
    return "\n\n".join(_parts(parts)) + "\n"


def _parts(parts: Iterable[str]) -> Iterator[str]:
    yield from (part for part in parts if part)
