"""What all tests share: the `real` marker's condition and one closing line about what it cost."""

from collections import Counter

import pytest

from tests.servers.real import SKIP_PREFIX, require


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.real("postfix")` names the Debian packages a test cannot do without."""
    for mark in item.iter_markers("real"):
        require(*mark.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line which tests a missing real server cost."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        _, found, rest = reason.partition(SKIP_PREFIX)
        if found:
            reasons[rest] += 1
    if reasons:
        told = "; ".join(f"{count} ({reason})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"Skipped for want of real servers: {told}")
