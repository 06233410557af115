"""The statements behind the sent messages and the evidence of their copies."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, literal, select
from sqlalchemy.dialects.sqlite import insert

from exporter.ledger.dkim_selectors import SelectorStore
from exporter.ledger.encoding import from_micros, pack_document, to_micros, unpack, unpack_document
from exporter.ledger.statements import Prepared, upsert
from exporter.ledger.tables import CANARIES, COPIES, EVIDENCE, PLACE, SENT
from exporter.model import ArrivedCopy, CanaryRecord, Run
from probes.canary.dkim_selectors import used_selectors
from probes.canary.evidence import Evidence
from probes.canary.hops import OurTimes
from probes.mailboxes.interface import Message, Place
from probes.result import Phase

_IS_EXAMINED = and_(
    EVIDENCE.c.token == COPIES.c.token,
    EVIDENCE.c.is_bounce == COPIES.c.is_bounce,
    EVIDENCE.c.number == COPIES.c.number,
)


class EvidenceStore:
    """A part of the store: to be used on its thread, inside its transactions."""

    def __init__(self, connection: Connection, cursor: Any) -> None:
        self._connection = connection
        self._cursor = cursor
        self._keep_sent = Prepared(insert(SENT), connection.dialect)
        self._upsert = Prepared(upsert(EVIDENCE), connection.dialect)
        self.selectors = SelectorStore(connection, cursor)

    def keep_sent(self, token: str, packed: bytes, at: datetime) -> None:
        """Keep the message as it was sent, compressed."""
        values = {"token": token, "kept_at": to_micros(at), "content": packed}
        self._keep_sent.run(self._cursor, values)

    def drop_sent(self, before: datetime, limit: int) -> int:
        """Delete messages sent before that instant, except those of unsettled canaries."""
        settled = select(SENT.c.token).join_from(SENT, CANARIES, SENT.c.token == CANARIES.c.token)
        old = settled.where(SENT.c.kept_at < to_micros(before), CANARIES.c.settled_at.is_not(None))
        query = delete(SENT).where(SENT.c.token.in_(old.limit(limit)))
        return self._connection.execute(query).rowcount

    def unexamined(self, mailbox: str, limit: int, slots: int) -> tuple[Message, ...]:
        """Return messages without evidence that are in the mailbox, as far as we know.

        A canary is left out if a later one has taken its slot: its evidence was dropped, and stays
        so.
        """
        slot = (CANARIES.c.tick % slots + slots) % slots  # SQL's remainder may be negative
        later = _later_holder(CANARIES.c.path, slot, CANARIES.c.planned_at)
        query = (
            select(COPIES.c.token, *PLACE)
            .select_from(COPIES.outerjoin(EVIDENCE, _IS_EXAMINED))
            .join(CANARIES, CANARIES.c.token == COPIES.c.token)
            .where(COPIES.c.mailbox == mailbox, COPIES.c.gone_at.is_(None))
            .where(EVIDENCE.c.token.is_(None), ~later.exists())
            .order_by(COPIES.c.seen_at.desc())
            .limit(limit)
        )
        return tuple(Message(row[0], Place(*row[1:])) for row in self._connection.execute(query))

    def copy_at(self, record: CanaryRecord, place: Place, run: Run | None) -> ArrivedCopy | None:
        """The copy that lies there; `run` is the canary's sending."""
        columns = (COPIES.c.is_bounce, COPIES.c.number, COPIES.c.missed_at, COPIES.c.seen_at)
        query = select(*columns, COPIES.c.placement).where(
            COPIES.c.token == record.token,
            COPIES.c.folder == place.folder,
            COPIES.c.epoch == place.epoch,
            COPIES.c.id == place.id,
        )
        row = self._connection.execute(query).first()
        if row is None:
            return None
        times = OurTimes(
            began_at=record.sending_at,
            accepted_at=_answered_at(run) or record.accepted_at,
            missed_at=from_micros(row.missed_at),
            seen_at=from_micros(row.seen_at),
        )
        is_bounce = bool(row.is_bounce)
        sent = None if is_bounce else self._sent(record.token)
        return ArrivedCopy(record, row.number, is_bounce, row.placement, sent, times)

    def put(self, copy: ArrivedCopy, evidence: Evidence, slots: int) -> bool:
        """Keep the evidence of a copy, and drop that of an earlier canary in the same slot.

        The selectors with which the copy was signed for its author domain are learnt with it. False
        if the copy had been examined before, or if a later canary has the slot.
        """
        record, number = copy.record, copy.number
        slot = record.tick % slots
        later = _later_holder(literal(record.path), literal(slot), to_micros(record.planned_at))
        if self._connection.execute(later).first() is not None:
            return False
        others = and_(EVIDENCE.c.path == record.path, EVIDENCE.c.slot == slot)
        self._connection.execute(delete(EVIDENCE).where(others, EVIDENCE.c.token != record.token))
        known = select(EVIDENCE.c.number).where(
            EVIDENCE.c.token == record.token,
            EVIDENCE.c.is_bounce == int(copy.is_bounce),
            EVIDENCE.c.number == number,
        )
        is_new = self._connection.execute(known).first() is None
        values = {
            "token": record.token,
            "is_bounce": int(copy.is_bounce),
            "number": number,
            "path": record.path,
            "slot": slot,
            "document": pack_document(evidence),
        }
        self._upsert.run(self._cursor, values)
        self._learn(copy, evidence)
        return is_new

    def documents(self, token: str) -> tuple[dict[str, Any], ...]:
        """The canary's documents: its copies in order, then its bounces."""
        query = select(EVIDENCE.c.document).where(EVIDENCE.c.token == token)
        rows = self._connection.execute(query.order_by(EVIDENCE.c.is_bounce, EVIDENCE.c.number))
        return tuple(unpack_document(row.document) for row in rows)

    def _learn(self, copy: ArrivedCopy, evidence: Evidence) -> None:
        author = evidence.alignment.author_domain
        if author is not None and not copy.is_bounce:
            used = used_selectors(evidence.dkim, evidence.alignment)
            sent_at = copy.record.sending_at or copy.record.planned_at
            self.selectors.learn(author, used, sent_at)

    def _sent(self, token: str) -> bytes | None:
        query = select(SENT.c.content).where(SENT.c.token == token)
        packed = self._connection.execute(query).scalar()
        return None if packed is None else unpack(packed)


def _later_holder(path: Any, slot: Any, planned_at: Any) -> Select[Any]:
    """The canary that holds a slot of the path, if it was planned after that instant."""
    holder, held = CANARIES.alias("holder"), EVIDENCE.alias("held")
    return (
        select(held.c.token)
        .join_from(held, holder, held.c.token == holder.c.token)
        .where(held.c.path == path, held.c.slot == slot, holder.c.planned_at > planned_at)
        .limit(1)
    )


def _answered_at(run: Run | None) -> datetime | None:
    """When the end of data was answered, by the run's own stopwatch."""
    if run is None or not run.result.ok:
        return None
    ends = [one for one in run.result.timings if one.phase is Phase.END_OF_DATA]
    if not ends:
        return None
    return run.result.started_at + timedelta(seconds=ends[-1].start + ends[-1].seconds)
