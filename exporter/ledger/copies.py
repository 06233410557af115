"""The copies and bounces of canaries: the statements behind them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, or_, select, update

from exporter.ledger.encoding import Copy, canary_record, place_columns, to_micros
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import CANARIES, COPIES, PLACE
from exporter.model import CanaryRecord
from probes.canary.lifecycle import State
from probes.mailboxes.interface import Place, Placement, Sighting


class CopyStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        dialect = connection.dialect
        known = select(*PLACE, COPIES.c.digest).where(
            COPIES.c.token == bindparam("token"), COPIES.c.is_bounce == bindparam("is_bounce")
        )
        self._select = Prepared(known.order_by(COPIES.c.number), dialect)
        self._overtaker = Prepared(_overtaker(), dialect)
        self._upsert = Prepared(upsert(COPIES), dialect)

    def all(self, token: str, *, is_bounce: bool) -> list[Copy]:
        """Every copy (or bounce) of a canary that was seen, the first one first."""
        values = {"token": token, "is_bounce": int(is_bounce)}
        rows = self._select.run(self._cursor, values).fetchall()
        return [Copy(Place(*row[:4]), row[4]) for row in rows]

    def put(
        self,
        token: str,
        number: int,
        copy: Copy,
        sighting: Sighting,
        *,
        mailbox: str,
        is_bounce: bool,
    ) -> None:
        """Store the copy as the canary's `number`th; it lies in `mailbox`."""
        missed = sighting.not_before
        values = {
            "token": token,
            "is_bounce": int(is_bounce),
            "number": number,
            "mailbox": mailbox,
            **place_columns(copy.place),
            "digest": copy.digest,
            "gone_at": None,
            "missed_at": to_micros(None if missed is None else missed.utc),
            "seen_at": to_micros(sighting.seen.utc),
            "placement": sighting.placement.value,
        }
        self._upsert.run(self._cursor, values)

    def move(
        self, token: str, number: int, copy: Copy, placement: Placement, *, is_bounce: bool
    ) -> None:
        """The copy lies elsewhere now; when it was seen first stays as it is."""
        where = (COPIES.c.token == token, COPIES.c.number == number)
        change = update(COPIES).where(*where, COPIES.c.is_bounce == int(is_bounce))
        values = {"placement": placement.value, "digest": copy.digest, "gone_at": None}
        values |= place_columns(copy.place)
        self._connection.execute(change.values(values))

    def is_overtaken(self, record: CanaryRecord, sighting: Sighting) -> bool:
        """True if a later canary of the path came before this copy of `record`.

        That must be certain: the other one was sent by a later tick, after this one had been
        accepted. It also has a lower position in the same folder, or was seen when this one was
        looked for and not there.
        """
        if record.accepted_at is None or record.tick < 0:
            return False
        missed = sighting.not_before
        values = {
            "of_path": record.path,
            "after_tick": record.tick,
            "accepted_at": to_micros(record.accepted_at),
            "in_folder": sighting.place.folder,
            "in_epoch": sighting.place.epoch,
            "below_position": sighting.place.position,
            "missed_at": to_micros(None if missed is None else missed.utc),
        }
        return self._overtaker.run(self._cursor, values).fetchone() is not None

    def removable(self, mailbox: str, before: datetime, limit: int) -> tuple[CanaryRecord, ...]:
        """One record for every copy that is still in the mailbox, with that copy's place."""
        query = (
            select(CANARIES, *PLACE)
            .join_from(COPIES, CANARIES, COPIES.c.token == CANARIES.c.token)
            .where(COPIES.c.mailbox == mailbox, COPIES.c.is_bounce == 0, COPIES.c.gone_at.is_(None))
            .where(CANARIES.c.settled_at < to_micros(before))
            .limit(limit)
        )
        rows = self._connection.execute(query)
        return tuple(map(canary_record, rows))

    def mark_gone(self, tokens: Iterable[str], folder: str | None, at: datetime) -> None:
        """The canaries' copies (those in one folder, or all) are no longer in the mailbox."""
        change = update(COPIES).where(COPIES.c.token == bindparam("key"), COPIES.c.is_bounce == 0)
        if folder is not None:
            change = change.where(COPIES.c.folder == folder)
        keys = [{"key": token} for token in tokens]
        if keys:
            self._connection.execute(change.values(gone_at=to_micros(at)), keys)


def _overtaker() -> Select[Any]:
    """A canary that overtook another one, see `CopyStore.is_overtaken`."""
    is_first = and_(
        COPIES.c.token == CANARIES.c.token, COPIES.c.number == 0, COPIES.c.is_bounce == 0
    )
    lies_before = and_(
        COPIES.c.folder == bindparam("in_folder"),
        COPIES.c.epoch == bindparam("in_epoch"),
        COPIES.c.position < bindparam("below_position"),
    )
    was_seen_before = and_(
        CANARIES.c.state == State.ARRIVED.value,
        CANARIES.c.settled_at <= bindparam("missed_at"),
    )
    return (
        select(CANARIES.c.token)
        .join_from(CANARIES, COPIES, is_first)
        .where(CANARIES.c.path == bindparam("of_path"), CANARIES.c.tick > bindparam("after_tick"))
        .where(CANARIES.c.sending_at >= bindparam("accepted_at"), or_(lies_before, was_seen_before))
        .limit(1)
    )
