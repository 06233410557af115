"""DKIM selectors learnt from canaries: the statements behind them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from exporter.ledger.encoding import from_micros, to_micros
from exporter.ledger.statements import Prepared
from exporter.ledger.tables import SELECTORS
from probes.canary.dkim_selectors import KNOWN_FOR, LearntSelector, UsedSelector

SELECTORS_KEPT = 16
"""Selectors of one author domain that are kept, those that were seen last."""

ALL_SELECTORS_KEPT = 500
"""Selectors that are kept in all: a relay may write an author domain of its own into each copy."""

_ORDER = (SELECTORS.c.seen_at.desc(), SELECTORS.c.domain, SELECTORS.c.selector)
_KEYS = (SELECTORS.c.author, SELECTORS.c.domain, SELECTORS.c.selector)


class SelectorStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        dialect = connection.dialect
        here = [column == bindparam(f"of_{column.name}") for column in _KEYS]
        self._find = Prepared(select(SELECTORS.c.seen_at).where(*here), dialect)
        later = update(SELECTORS).where(*here, bindparam("at") > SELECTORS.c.seen_at)
        self._see_again = Prepared(later.values(seen_at=bindparam("at")), dialect)

    def learn(self, author: str, used: Iterable[UsedSelector], at: datetime) -> None:
        """A canary of that author domain, sent then, was signed with these."""
        for one in used:
            key = {"of_author": author, "of_domain": one.domain, "of_selector": one.selector}
            if self._find.run(self._cursor, key).fetchone() is None:
                self._add(author, one, at)
            else:  # copies are examined in any order: the later moment stays
                self._see_again.run(self._cursor, key | {"at": to_micros(at)})

    def known(self, author: str, now: datetime) -> tuple[LearntSelector, ...]:
        """Those of an author domain that were seen within KNOWN_FOR, the newest first."""
        query = select(SELECTORS).where(SELECTORS.c.author == author.lower())
        fresh = query.where(SELECTORS.c.seen_at >= to_micros(now - KNOWN_FOR))
        rows = self._connection.execute(fresh.order_by(*_ORDER).limit(SELECTORS_KEPT))
        return tuple(_learnt(row) for row in rows)

    def _add(self, author: str, used: UsedSelector, at: datetime) -> None:
        values = {
            "author": author,
            "domain": used.domain,
            "selector": used.selector,
            "seen_at": to_micros(at),
        }
        self._connection.execute(insert(SELECTORS).values(values))
        stale = SELECTORS.c.seen_at < to_micros(at - KNOWN_FOR)
        self._connection.execute(delete(SELECTORS).where(stale))
        keys = select(*_KEYS).order_by(*_ORDER)
        of_author = keys.where(SELECTORS.c.author == author).offset(SELECTORS_KEPT)
        for too_many in (of_author, keys.offset(ALL_SELECTORS_KEPT)):
            self._connection.execute(delete(SELECTORS).where(tuple_(*_KEYS).in_(too_many)))


def _learnt(row: Any) -> LearntSelector:
    seen = from_micros(row.seen_at)
    if seen is None:
        raise ValueError("a selector that was never seen")
    return LearntSelector(row.selector, row.domain, seen)
