"""Few lines of the log for many mistakes of clients, and none is left out in silence."""

import logging
from collections.abc import Iterator

import pytest

from exporter.web.log_limit import LINES_SECONDS, MAX_LINES, few_lines
from tests.support.clock import FakeClock

LOGGER = logging.getLogger("uvicorn.error")


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    clock = FakeClock()
    with few_lines(clock.clock):
        yield clock


def test_a_flood_leaves_a_few_lines_and_the_next_one_tells_how_many_are_missing(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(1000):
        LOGGER.warning("bad request from %s", "a client")
    assert [record.getMessage() for record in caplog.records] == (
        ["bad request from a client"] * MAX_LINES
    )
    caplog.clear()
    clock.elapse(LINES_SECONDS)
    LOGGER.warning("100 %% bad request from %s", "another")
    LOGGER.warning("and one more")
    assert [record.getMessage() for record in caplog.records] == [
        f"100 % bad request from another (lines left out before: {1000 - MAX_LINES})",
        "and one more",
    ]


def test_the_limit_ends_with_its_block(caplog: pytest.LogCaptureFixture) -> None:
    with few_lines(FakeClock().clock):
        pass
    for _ in range(MAX_LINES * 3):
        LOGGER.warning("bad request")
    assert len(caplog.records) == MAX_LINES * 3
