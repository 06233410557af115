"""A limit for the lines of the log that clients can cause by bad requests."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from probes.clock import SYSTEM_CLOCK, Clock

MAX_LINES = 5
"""Lines of each such logger within LINES_SECONDS."""

LINES_SECONDS = 60.0

_LOGGERS = ("uvicorn.error", "asyncio")
"""Loggers of libraries that write a line for a mistake of a client, or for a failed accept."""


class LogLimit(logging.Filter):
    """Lets so many records through within a time; the next one tells how many were left out."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._since = clock.monotonic()
        self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        now = self._clock.monotonic()
        if now - self._since >= LINES_SECONDS:
            self._since, self._passed = now, 0
        if self._passed >= MAX_LINES:
            self._left_out += 1
            return False
        self._passed += 1
        if self._left_out:
            record.msg = f"{record.getMessage()} (lines left out before: {self._left_out})"
            record.args = ()
            self._left_out = 0
        return True


@contextmanager
def few_lines(clock: Clock = SYSTEM_CLOCK) -> Iterator[None]:
    """Limit what clients can make the libraries log, while the block runs."""
    limits = [(logging.getLogger(name), LogLimit(clock)) for name in _LOGGERS]
    for logger, limit in limits:
        logger.addFilter(limit)
    try:
        yield
    finally:
        for logger, limit in limits:
            logger.removeFilter(limit)
