"""Whatever the interval and the objective: one lost canary wakes nobody, a dead path does."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.rules import Objective, RuleOptions
from tests.support.rule_rig import LATE_AFTER, Judge, World, fired_between

pytestmark = [
    pytest.mark.real("prometheus"),
    pytest.mark.slow("promtool judges hours of scrapes"),
    pytest.mark.timeout(300),
]

PATHS_ONLY = frozenset(
    {"mailcanary-words", "mailcanary-target-alerts", "mailcanary-monitor-alerts"}
)
INTERVALS = (60, 300, 900, 3600)
OBJECTIVES = (95, 99, 99.5, 99.9)


@dataclass(frozen=True)
class Times:
    """The minutes of a world for an interval of `every` seconds."""

    every: int

    @property
    def breaks(self) -> int:
        """The minute in which the canary is sent that is the first to be lost."""
        return max(60, 3 * self.every // 60)

    @property
    def down_by(self) -> int:
        """The minute by which a dead path has paged: two slots, late, and a few evaluations."""
        return self.breaks + (2 * self.every + LATE_AFTER) // 60 + 4

    @property
    def end(self) -> int:
        """The canary that was lost is counted long ago, and the windows have seen it."""
        return self.breaks + max(60, 5 * self.every // 60)


def world(times: Times) -> World:
    """A path that loses one canary, one that loses all, and one whose mail is refused."""
    made = World(times.end)
    first = times.breaks * 60 + 10
    made.path("one", times.every, lambda at: "lost" if at == first else "arrived")
    made.path("dead", times.every, lambda at: "lost" if at >= first else "arrived")
    made.path("refused", times.every, lambda at: "rejected" if at >= first else "arrived")
    return made


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("every", INTERVALS)
def test_one_lost_canary_wakes_nobody_and_a_dead_path_does_in_time(
    every: int, objective: float, tmp_path: Path
) -> None:
    times = Times(every)
    judge = Judge(tmp_path, RuleOptions(Objective(objective)), PATHS_ONLY)
    ever, early, down = judge.ask(
        world(times),
        (fired_between(0, times.end, "path, severity"), times.end),
        (fired_between(0, times.breaks, "path, severity"), times.breaks),
        ('ALERTS{alertstate="firing", alertname="MailcanaryPathDown"}', times.down_by),
    )
    assert early == []
    assert {row["path"] for row in ever} == {"dead", "refused"}
    assert {row["path"] for row in down} == {"dead", "refused"}
    assert {row["severity"] for row in down} == {"critical"}
