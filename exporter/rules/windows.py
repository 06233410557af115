"""The windows of burn rates, by the interval at which a path sends.

A short window has to hold three canaries; the long one is twelve times as long. A slower path has
fewer pairs: its fast windows would hold one canary or none.
"""

from dataclasses import dataclass

from exporter.rules.options import RuleOptions
from exporter.rules.rule import Severity

HIGHEST_SHARE = 0.9
"""A low objective would ask for more failures than there are canaries; this share is enough."""

LEAST_FAILURES = 1.5
"""More than one canary must have failed. `increase` extrapolates: one may count as 1.3."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A long and a short window, and the factor by which the budget burns.

    It is for paths with an interval above `above` seconds, up to `up_to`.
    """

    long: str
    short: str
    factor: float
    severity: Severity
    wait: str
    above: int = 0
    up_to: int | None = None

    def threshold(self, options: RuleOptions) -> float:
        """The share of failed canaries above which it burns too fast."""
        return min(round(self.factor * options.objective.budget, 6), HIGHEST_SHARE)


PAIRS = (
    Pair("1h", "5m", 14.4, Severity.CRITICAL, "2m", up_to=100),
    Pair("3h", "15m", 9.6, Severity.CRITICAL, "2m", above=100, up_to=600),
    Pair("6h", "30m", 6, Severity.CRITICAL, "5m", up_to=600),
    Pair("9h", "45m", 4.8, Severity.CRITICAL, "5m", above=600, up_to=1200),
    Pair("36h", "3h", 2, Severity.CRITICAL, "10m", above=1200),
    Pair("1d", "2h", 3, Severity.WARNING, "15m", up_to=1200),
    Pair("3d", "6h", 1, Severity.WARNING, "30m"),
)

_SLOTH = ("5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d")
_UNITS = {"m": 1, "h": 60, "d": 1440}


def minutes(window: str) -> int:
    """The length of a window."""
    return int(window[:-1]) * _UNITS[window[-1]]


WINDOWS = tuple(
    sorted(
        {*_SLOTH} | {window for pair in PAIRS for window in (pair.long, pair.short)},
        key=minutes,
    )
)
"""Every window that is recorded, the shortest first; the dashboards of Sloth know eight of them."""
