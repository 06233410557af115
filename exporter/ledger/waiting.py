"""The waiting list: canaries that wait for their copy, and when one is given up."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select, update

from exporter.ledger.statements import Prepared
from exporter.ledger.steady_time import MICROS
from exporter.ledger.tables import WAITING
from exporter.model import CanaryRecord
from probes.canary.lifecycle import UNSETTLED, Event, State

GIVE_UP_AFTER = 2.0
"""Times `lost_after` that a canary waits, in all, for a mailbox that cannot be read."""

HANDED_OVER = frozenset({State.ACCEPTED, State.UNCERTAIN})


class WaitingList:
    """A part of the store: to be used on its thread, inside its transactions.

    Every unsettled canary has a row. All instants are steady time.
    """

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        dialect = connection.dialect
        self._insert = Prepared(insert(WAITING), dialect)
        here = WAITING.c.token == bindparam("of_token")
        times = ("began", "due", "give_up", "is_sending")
        values: dict[str, Any] = {name: bindparam(name) for name in times}
        self._begin = Prepared(update(WAITING).where(here).values(values), dialect)
        del values["began"]
        self._wait_anew = Prepared(update(WAITING).where(here).values(values), dialect)
        handed_over = update(WAITING).where(here).values(is_sending=0)
        self._hand_over = Prepared(handed_over, dialect)
        self._delete = Prepared(delete(WAITING).where(here), dialect)
        self._began = Prepared(select(WAITING.c.began).where(here), dialect)
        self._missed = Prepared(_missed(), dialect)

    def add(self, record: CanaryRecord, at: int) -> None:
        """Put a planned canary on the list."""
        values = {"token": record.token, "mailbox": record.mailbox, "began": at}
        self._insert.run(self._cursor, {**values, **_limits(record, at), "is_sending": 1})

    def follow(self, record: CanaryRecord, event: Event, at: int) -> None:
        """Update the row of a canary after an event; a settled one leaves the list."""
        key = {"of_token": record.token}
        if record.state not in UNSETTLED:
            self._delete.run(self._cursor, key)
        elif event is Event.SEND_STARTED:
            times = {"began": at, **_limits(record, at), "is_sending": 1}
            self._begin.run(self._cursor, key | times)
        elif event is Event.HANDED_OVER:
            self._wait_anew.run(self._cursor, key | _limits(record, at) | {"is_sending": 0})
        elif record.state in HANDED_OVER:
            self._hand_over.run(self._cursor, key)

    def remove(self, token: str) -> None:
        """Take a canary off the list."""
        self._delete.run(self._cursor, {"of_token": token})

    def began(self, token: str) -> int | None:
        """When its sending began (until then: when it was planned); None if it is not waiting."""
        row = self._began.run(self._cursor, {"of_token": token}).fetchone()
        return None if row is None else int(row[0])

    def newest(self) -> int | None:
        """Return the latest instant in the list at which something began; None if it is empty."""
        since = 2 * WAITING.c.due - WAITING.c.give_up  # both lie `lost_after` apart
        newest = self._connection.execute(select(func.max(since))).scalar()
        return None if newest is None else int(newest)

    def over(
        self, now: int, looked: Mapping[str, int], only: Collection[str] | None, limit: int
    ) -> list[tuple[str, Event]]:
        """Return canaries whose waiting is over, with the event that ends it.

        `looked`: mailbox -> when the last look at all its folders began.
        """
        found = self._over(now, looked)
        if only is not None:
            found = ((token, event) for token, event in found if token in only)
        return list(islice(found, limit))

    def _over(self, now: int, looked: Mapping[str, int]) -> Iterator[tuple[str, Event]]:
        for token in self._tokens(_query().where(WAITING.c.due <= now, WAITING.c.is_sending == 1)):
            yield token, Event.SENDER_GONE
        for mailbox, at in looked.items():
            where = {"of_mailbox": mailbox, "by": min(at, now)}
            for row in self._missed.run(self._cursor, where).fetchall():
                yield row[0], Event.LOOKED_IN_VAIN
        given_up = _query().where(WAITING.c.give_up <= now, WAITING.c.is_sending == 0)
        unread = given_up.where(WAITING.c.mailbox.not_in(list(looked)))
        for token in self._tokens(unread):
            yield token, Event.COULD_NOT_LOOK

    def _tokens(self, query: Select[Any]) -> list[str]:
        return list(self._connection.execute(query).scalars())


def _limits(record: CanaryRecord, since: int) -> dict[str, int]:
    """When the waiting may end, and when it ends at the latest."""
    wait = record.lost_after * MICROS
    return {"due": since + round(wait), "give_up": since + round(wait * GIVE_UP_AFTER)}


def _query() -> Select[Any]:
    return select(WAITING.c.token)


def _missed() -> Select[Any]:
    """Canaries that the last look at their mailbox did not find, and that were due by then."""
    return _query().where(
        WAITING.c.mailbox == bindparam("of_mailbox"),
        WAITING.c.due <= bindparam("by"),
        WAITING.c.is_sending == 0,
    )
