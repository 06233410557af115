"""The addresses and the objective a user gives for the rules."""

from dataclasses import dataclass
from urllib.parse import urlsplit

LEAST, MOST = 90.0, 99.99
"""Below the least the fast windows cannot burn fast enough. Above the most, one canary a month is
more than the budget."""


@dataclass(frozen=True, slots=True)
class Objective:
    """The share of canaries, in percent, that arrive in an inbox within thirty days."""

    percent: float = 99.0

    def __post_init__(self) -> None:
        if not LEAST <= self.percent <= MOST:
            raise ValueError(f"--objective is {self.percent:g}; it must be {LEAST:g} to {MOST:g}")

    @property
    def ratio(self) -> float:
        """The objective as a part of one."""
        return round(self.percent / 100, 6)

    @property
    def budget(self) -> float:
        """The part of all canaries that may fail."""
        return round(1 - self.percent / 100, 6)


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """Everything the rules depend on. An address that is None makes no annotation."""

    objective: Objective = Objective()
    external_url: str | None = None
    grafana_url: str | None = None
    runbook_url: str | None = None

    def __post_init__(self) -> None:
        named = {
            "--external-url": self.external_url,
            "--grafana-url": self.grafana_url,
            "--runbook-url": self.runbook_url,
        }
        for option, url in named.items():
            if url is not None:
                _check(option, url)


def _check(option: str, url: str) -> None:
    """Raise ValueError if `url` is no address a browser opens as it stands in a rule."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not url.isprintable() or any(char in url for char in " {}\"'<>\\?#"):
        raise ValueError(f"{option} is {url[:200]!r}; it must be http:// or https:// and a host")
