"""The ledger's own time: microseconds that no step of the calendar moves.

It is the calendar plus an offset that is kept in the database. Each process counts it on with its
monotonic clock. The service stores a new offset when the calendar was stepped, and all others
follow. So instants in the rows mean the same in every process, and after a restart.
"""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from exporter.ledger.encoding import to_micros
from exporter.ledger.tables import STEADY_TIME
from probes.clock import Instant

STEP = 1_000_000
"""Microseconds between the calendar and the steady time that are taken for a step."""

MICROS = 1_000_000


class SteadyTime:
    """Reads instants of this process as steady time."""

    def __init__(self, offset: int, now: Instant) -> None:
        self.follow(offset, now)

    def follow(self, offset: int, now: Instant) -> None:
        """Take over an offset that another process stored."""
        self._followed = offset
        self._anchor = now
        self._base = _micros(now) + offset

    def is_followed(self, offset: int) -> bool:
        """True if that is the offset which this time follows."""
        return offset == self._followed

    def at(self, instant: Instant) -> int:
        """Return the steady time of an instant, by the monotonic clock alone."""
        return self._base + round((instant.monotonic - self._anchor.monotonic) * MICROS)

    def offset(self, now: Instant) -> int:
        """Return the offset from the calendar as it is now."""
        return self.at(now) - _micros(now)


class SteadyTimeStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        self._sql = str(select(STEADY_TIME.c.ahead).compile(dialect=connection.dialect))

    def offset(self) -> int:
        """Return the offset in force; 0 as long as nobody has stored one."""
        row = self._cursor.execute(self._sql).fetchone()
        return 0 if row is None else int(row[0])

    def put(self, offset: int) -> None:
        """Store the offset in force."""
        self._connection.execute(delete(STEADY_TIME))
        self._connection.execute(insert(STEADY_TIME).values(ahead=offset))

    def keep(self, time: SteadyTime, now: Instant) -> None:
        """Store the offset anew if the calendar was stepped."""
        offset = time.offset(now)
        if abs(offset - self.offset()) > STEP:
            self.put(offset)


def _micros(instant: Instant) -> int:
    micros = to_micros(instant.utc)
    if micros is None:
        raise ValueError("an instant that is none")
    return micros
