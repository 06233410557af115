"""Series as Prometheus would have scraped them, and the rules run over them by promtool.

A world is a table of series with one value a minute. `firing` tells every alert that ever fired in
it, so that a test proves what stays silent as well as what fires.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from exporter.rules import RuleOptions, groups
from exporter.rules.yaml_writer import as_yaml
from tests.servers.real import program

OUTCOMES = (
    *("arrived", "late", "junked", "rejected", "deferred", "send_failed", "bounced", "lost"),
    "untestable",
)
STATES = ("ok", "degraded", "failing", "untestable", "unknown")
LATE_AFTER, LOST_AFTER, ROUND_TRIP = 60, 900, 8
GONE = None
"""No sample: the scrape failed, or the series is not there."""

Value = float | None
Labels = Mapping[str, str]


def series(metric: str, /, **labels: str) -> str:
    """The text of a series."""
    labels = {"instance": "a:9587", "job": "mailcanary", **labels}
    inner = ", ".join(f"{key}={json.dumps(text)}" for key, text in sorted(labels.items()))
    return f"{metric}{{{inner}}}"


@dataclass
class World:
    """Series over some minutes."""

    minutes: int
    table: dict[str, Sequence[Value]] = field(default_factory=dict)

    def show(self, metric: str, value: Value | Callable[[int], Value], /, **labels: str) -> None:
        """Give a series one value for ever, or one for each minute."""
        give = value if callable(value) else lambda _: value
        self.table[series(metric, **labels)] = [give(minute) for minute in range(self.minutes + 1)]

    def monitor(self) -> None:
        """The series of a healthy process, without a path."""
        self.show("up", 1)
        self.show("mailcanary_build_info", 1, version="1", python="3")
        self.show("mailcanary_ledger_errors_total", 0)
        self.show("mailcanary_task_restarts_total", 0, task="scheduler")
        self.show("mailcanary_config_last_reload_successful", 1)
        self.show("mailcanary_event_loop_lag_max_seconds", 0.001)

    def without(self, gone: Callable[[int], bool], **labels: str) -> None:
        """Take away the samples of these minutes from each series with these labels."""
        wanted = [f"{key}={json.dumps(text)}" for key, text in labels.items()]
        for name, values in self.table.items():
            if all(word in name for word in wanted):
                self.table[name] = [
                    GONE if gone(minute) else value for minute, value in enumerate(values)
                ]

    def path(
        self,
        name: str,
        every: int,
        fate: Callable[[int], str] = lambda _: "arrived",
        *,
        born_at: int = 0,
        reason: str = "lost",
        **labels: str,
    ) -> None:
        """The series of a path; `fate` tells the outcome of the canary sent at a second.

        `born_at` is the minute from which the process counts: what was before is in the ledger.
        """
        canaries = [Canary(at, fate(at)) for at in range(10, self.minutes * 60 + 1, every)]
        told = {"path": name, **labels}
        self.show("mailcanary_interval_seconds", every, **told)
        self.show("mailcanary_late_after_seconds", LATE_AFTER, **told)
        self.show("mailcanary_path_info", 1, route="out", route_type="submission", **told)
        for outcome in OUTCOMES:
            counted = [one for one in canaries if one.outcome == outcome]
            self.show(
                "mailcanary_canaries_total",
                partial(settled, counted, born_at),
                outcome=outcome,
                **told,
            )
        self._gauges(canaries, told)
        self._failures(canaries, told, born_at, reason)

    def _gauges(self, canaries: Sequence["Canary"], told: Labels) -> None:
        self.show("mailcanary_oldest_in_flight_age_seconds", lambda m: oldest(canaries, m), **told)
        self.show(
            "mailcanary_last_success_timestamp_seconds", lambda m: reached(canaries, m), **told
        )
        self.show(
            "mailcanary_last_run_timestamp_seconds",
            lambda m: max((one.at for one in canaries if one.at <= m * 60), default=0),
            **told,
        )
        for state in STATES:
            self.show(
                "mailcanary_path_state",
                partial(is_in_state, canaries, state),
                state=state,
                **told,
            )

    def _failures(
        self, canaries: Sequence["Canary"], told: Labels, born_at: int, reason: str
    ) -> None:
        for owner, mine in (("monitor", True), ("receiver_mx", False)):
            failed = [
                one for one in canaries if one.is_bad and (one.outcome == "untestable") == mine
            ]
            if failed:
                self.show(
                    "mailcanary_failures_total",
                    partial(counted_since_first, failed, born_at),
                    phase="transit",
                    reason="untestable" if mine else reason,
                    owner=owner,
                    **told,
                )

    def document(self, *checks: Mapping[str, object]) -> dict[str, object]:
        """The test file of promtool for this world."""
        rows = [
            {"series": name, "values": " ".join(map(shown, values))}
            for name, values in self.table.items()
        ]
        return {"interval": "1m", "input_series": rows, "promql_expr_test": list(checks)}


@dataclass(frozen=True)
class Canary:
    """A canary by the second of its sending and its outcome."""

    at: int
    outcome: str

    @property
    def is_bad(self) -> bool:
        return self.outcome not in ("arrived", "late")

    @property
    def settled_at(self) -> int:
        """The second in which its outcome is known."""
        waits = {"lost": LOST_AFTER, "late": 2 * LATE_AFTER}
        return self.at + waits.get(self.outcome, ROUND_TRIP)


def settled(canaries: Iterable[Canary], born_at: int, minute: int) -> float:
    """How many were settled since the process began to count."""
    since = born_at * 60 if minute >= born_at else 0
    return sum(1 for one in canaries if since <= one.settled_at <= minute * 60)


def counted_since_first(canaries: Iterable[Canary], born_at: int, minute: int) -> Value:
    """The value of a failure counter, which is born with its first event."""
    return settled(canaries, born_at, minute) or GONE


def is_in_state(canaries: Iterable[Canary], state: str, minute: int) -> float:
    """1 while the path is in that state."""
    return float(state_at(canaries, minute) == state)


def oldest(canaries: Iterable[Canary], minute: int) -> float:
    """The age of the oldest canary in flight."""
    now = minute * 60
    return max((now - one.at for one in canaries if one.at <= now < one.settled_at), default=0)


def reached(canaries: Iterable[Canary], minute: int) -> float:
    """When a canary was last found in its inbox."""
    known = (one.settled_at for one in canaries if not one.is_bad)
    return max((at for at in known if at <= minute * 60), default=0)


def state_at(canaries: Iterable[Canary], minute: int) -> str:
    """The state of the path, by its newest settled canary."""
    known = [one for one in canaries if one.settled_at <= minute * 60]
    if not known:
        return "unknown"
    newest = max(known, key=lambda one: one.at)
    words = {"arrived": "ok", "late": "degraded", "junked": "degraded", "untestable": "untestable"}
    return words.get(newest.outcome, "failing")


def shown(value: Value) -> str:
    """A sample in promtool's notation."""
    return "_" if value is None else f"{value:g}" if value == int(value) else repr(value)


@dataclass(frozen=True)
class Judge:
    """promtool with the rules of some options, in a scratch folder."""

    folder: Path
    options: RuleOptions = field(default_factory=RuleOptions)
    left_out: frozenset[str] = frozenset({"mailcanary-words"})
    """Groups that are not needed: the words alone are a third of the work."""

    def ask(self, world: World, *questions: tuple[str, int]) -> list[list[dict[str, str]]]:
        """The labels of all series that each expression has in the world at a minute.

        promtool only compares: the answer stands in its complaint about an impossible series.
        """
        impossible = [{"labels": '{never="1"}', "value": 1}]
        checks = [
            {"expr": expression, "eval_time": f"{at}m", "exp_samples": impossible}
            for expression, at in questions
        ]
        (self.folder / "rules.yaml").write_text(self._rules(), "utf-8")
        document = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": "1m",
            "tests": [world.document(*checks)],
        }
        (self.folder / "test.yaml").write_text(json.dumps(document), "utf-8")
        told = subprocess.run(
            [program("promtool"), "test", "rules", str(self.folder / "test.yaml")],
            capture_output=True,
            text=True,
            check=False,
        )
        text = told.stdout + told.stderr
        answers = re.findall(r"\n +got: ?(.*)", text)
        assert len(answers) == len(questions), text[-3000:]
        return [[_labels(row) for row in re.findall(r"\{(.*?)\} \S+", one)] for one in answers]

    def _rules(self) -> str:
        kept = [one for one in groups(self.options) if one.name not in self.left_out]
        return as_yaml({"groups": [one.document(self.options) for one in kept]})

    def fired(self, world: World, *times: tuple[int, int]) -> list[set[str]]:
        """The names and severities of the alerts that fired between two minutes, by pair."""
        questions = [(fired_between(since, until), until) for since, until in times]
        return [
            {f"{row['alertname']} {row['severity']}" for row in rows}
            for rows in self.ask(world, *questions)
        ]

    def firing(self, world: World, at: int) -> list[dict[str, str]]:
        """The labels of all alerts that fire at a minute."""
        return self.ask(world, ('ALERTS{alertstate="firing"}', at))[0]


def fired_between(since: int, until: int, by: str = "alertname, severity") -> str:
    """The expression for all alerts that fired in that time."""
    return f'count by ({by}) (count_over_time(ALERTS{{alertstate="firing"}}[{until - since}m]))'


def _labels(row: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="(.*?)"', row))
