"""What all tests share: the `real` marker's condition and its cost, and who left what open."""

import gc
from collections import Counter

import pytest

from probes.net.tls import TrustStore
from tests.servers.certificates import Authority
from tests.servers.real import SKIP_PREFIX, require


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certification authority of the tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trust(authority: Authority) -> TrustStore:
    """The trust store that believes in it alone."""
    return authority.trust


def pytest_runtest_setup(item: pytest.Item) -> None:
    """`@pytest.mark.real("postfix")` names the Debian packages a test cannot do without."""
    for mark in item.iter_markers("real"):
        require(*mark.args)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What a file's tests left open is found at its end, and not in some innocent later test."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()


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
