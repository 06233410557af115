"""What all tests share: markers, workers, the authority, and who left what open."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import Scheduling

from probes.net.tls import TrustStore
from tests.parallel import Hall, Schedule, is_long, longest_first, workers
from tests.servers.certificates import Authority
from tests.servers.real import SKIP_PREFIX, require

HALL = pytest.StashKey[Hall]()

# An example's time says nothing where other tests have the processor; pytest-timeout ends a hang.
settings.register_profile(
    "mailcanary", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("quick", settings.get_profile("mailcanary"), max_examples=20)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certification authority of the tests."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trust(authority: Authority) -> TrustStore:
    """The trust store that believes in it alone."""
    return authority.trust


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`: what one wants to know after every change."""
    parser.addoption("--quick", action="store_true", help="leave out tests marked real or slow")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples hypothesis makes where a test does not say it."""
    settings.load_profile("quick" if config.option.quick else "mailcanary")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` means here."""
    return workers(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Our own schedule unless the user has chosen one by `--dist`."""
    return Schedule(config, log) if config.option.dist == "load" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not quick; where there are several workers, bring long tests forward."""
    if config.option.quick:
        config.hook.pytest_deselected(items=[item for item in items if is_long(item)])
        items[:] = [item for item in items if not is_long(item)]
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep what is collected, which is there to stay, away from the collector of garbage.

    To go through it takes half a second, each time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """The workers of one run meet in the folder above their temporary folders."""
    if hasattr(session.config, "workerinput"):
        factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        session.config.stash[HALL] = Hall(factory.getbasetemp().parent)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave the meeting place."""
    if HALL in session.config.stash:
        session.config.stash[HALL].close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """`@pytest.mark.alone` waits until no other worker runs a test; no test's time runs then."""
    hall = item.config.stash.get(HALL, None)
    alone = item.get_closest_marker("alone") is not None
    with nullcontext() if hall is None else hall.entered(alone=alone):
        return (yield)


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
