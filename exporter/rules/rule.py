"""A rule and a group of rules, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import md5

from exporter.rules.options import RuleOptions


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    """Now: it wakes somebody."""
    WARNING = "warning"
    """In working hours."""
    INFO = "info"
    """Never; it explains other alerts."""
    UNTESTABLE = "untestable"
    """Nothing is known of the mail: for the team of the monitor."""


class Board(StrEnum):
    """The dashboard of an alert, by the name of its file."""

    OVERVIEW = "overview"
    PATH = "mail-path"
    MX = "mx-and-tls"
    SENDER = "sender"
    MONITOR = "mailcanary-itself"

    @property
    def uid(self) -> str:
        """The UID of a dashboard: it is made of the name of its file."""
        return md5(f"{self.value}.json".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording rule."""

    record: str
    expr: str
    labels: Mapping[str, str]

    def document(self, options: RuleOptions) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        del options  # the same for everybody
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"record": self.record, "expr": self.expr, **labels}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alerting rule.

    `about` are the labels that name the thing in trouble: they are variables of the dashboard.
    `owner` is None where the expression brings the label. `first_look` and `mend` are told in the
    runbook.
    """

    name: str
    expr: str
    wait: str
    severity: Severity
    summary: str
    description: str
    about: tuple[str, ...]
    board: Board
    owner: str | None = None
    team: str | None = None
    labels: Mapping[str, str] | None = None

    def document(self, options: RuleOptions) -> dict[str, object]:
        """Return the rule as Prometheus reads it."""
        wait = {"for": self.wait} if self.wait else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **wait,
            "labels": self._all_labels(),
            "annotations": self._annotations(options),
        }

    def _all_labels(self) -> dict[str, str]:
        given = {"severity": str(self.severity), "owner": self.owner, "team": self.team}
        return {name: text for name, text in given.items() if text} | dict(self.labels or {})

    def _annotations(self, options: RuleOptions) -> dict[str, str]:
        texts = {"summary": self.summary, "description": self.description}
        if options.runbook_url:
            texts["runbook_url"] = f"{_base(options.runbook_url)}/{self.name.lower()}.md"
        if options.grafana_url:
            query = "&".join(f"var-{name}={_quoted(name)}" for name in self.about)
            board = f"{_base(options.grafana_url)}/d/{self.board.uid}"
            texts["dashboard_url"] = f"{board}?{query}" if query else board
        if options.external_url and "path" in self.about:
            path = _quoted("path")
            texts["run_url"] = f"{_base(options.external_url)}/paths/{path}/last-failure"
        return texts


def _base(url: str) -> str:
    return url.rstrip("/")


def _quoted(label: str) -> str:
    return f"{{{{ $labels.{label} | urlquery }}}}"


Rule = Recording | Alert


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other."""

    name: str
    rules: tuple[Rule, ...]

    def document(self, options: RuleOptions) -> dict[str, object]:
        """Return the group as Prometheus reads it."""
        return {
            "name": self.name,
            "interval": "1m",
            "rules": [rule.document(options) for rule in self.rules],
        }
