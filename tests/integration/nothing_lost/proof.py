"""That nothing was lost, doubled or touched: ledger, mailbox, server's log and counters agree.

Each function proves one sentence and says in its AssertionError which canary belies it.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from probes.canary.lifecycle import Outcome
from tests.integration.nothing_lost.mailbox import FORGED, Snapshot
from tests.integration.nothing_lost.plan import KEEP, fate_of
from tests.integration.nothing_lost.rig import Life

BESIDE = {
    Outcome.RECOVERED,
    Outcome.DUPLICATED,
    Outcome.BOUNCED_AFTER_ARRIVAL,
    Outcome.DELAYED,
    Outcome.OUT_OF_ORDER,
}
_SETTLED_LINE = re.compile(r"INFO canary path=(\S+) outcome=(\S+) token=(\S+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A canary in the ledger; instants in seconds since the epoch."""

    token: str
    path: str
    state: str
    outcome: str | None
    sending_at: float | None
    accepted_at: float | None
    settled_at: float | None


@dataclass(frozen=True, slots=True)
class Book:
    """What the servers wrote down: how often each token was given to each, and delivered."""

    given: Counter[tuple[str, str]]
    delivered: Counter[str]

    @property
    def tokens(self) -> set[str]:
        """Every token any server was given."""
        return {token for _, token in self.given}


def read_ledger(path: Path) -> dict[str, Row]:
    """Token -> row."""
    query = "select token, path, state, outcome, sending_at, accepted_at, settled_at from canaries"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(query).fetchall()
    return {
        row[0]: Row(*row[:4], *(None if micros is None else micros / 1e6 for micros in row[4:]))
        for row in rows
    }


def unsettled(path: Path) -> int:
    """How many canaries have no outcome yet; 0 for a file whose maker died before its tables."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        made = "select count(*) from sqlite_master where type = 'table' and name = 'canaries'"
        if ledger.execute(made).fetchone()[0] == 0:
            return 0
        query = "select count(*) from canaries where settled_at is null"
        count: int = ledger.execute(query).fetchone()[0]
        return count


def read_book(path: Path) -> Book:
    """The world's own log, mail that is nobody's canary left out."""
    given: Counter[tuple[str, str]] = Counter()
    delivered: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        what, token = line.split()
        if token in ("foreign", FORGED):
            continue
        if what == "delivered":
            delivered[token] += 1
        else:
            given[what, token] += 1
    return Book(given, delivered)


def nothing_was_sent_twice(book: Book) -> None:
    """No server was given a token twice, and none delivered one twice."""
    assert [key for key, count in book.given.items() if count > 1] == []
    assert [token for token, count in book.delivered.items() if count > 1] == []


def what_was_given_is_written_down(rows: Mapping[str, Row], book: Book) -> None:
    """The ledger knew of each canary before any server did; accepted means that one took it."""
    assert book.tokens - rows.keys() == set()
    unannounced = [t for t in book.tokens if rows[t].sending_at is None]
    assert unannounced == []
    accepted = {row.token for row in rows.values() if row.accepted_at is not None}
    assert accepted - book.tokens == set()


def each_is_settled_as_it_went(rows: Mapping[str, Row], book: Book) -> None:
    """No canary is without an outcome, and each has the one that the servers' books bear out.

    What was delivered arrived. What a server took and did not deliver is lost, or untestable where
    we ended before we knew; what no server had is untestable, unless the server refused it.
    """
    wrong = [
        row
        for row in rows.values()
        if row.outcome not in allowed(row, book) or row.settled_at is None
    ]
    assert wrong == []


def allowed(row: Row, book: Book) -> set[Outcome]:
    """The outcomes that do not lie about this canary."""
    fate = fate_of(row.path)
    if row.token in book.delivered:
        return {fate.outcome}
    if row.token in book.tokens:
        return {Outcome.LOST} | ({Outcome.UNTESTABLE} if row.accepted_at is None else set())
    return {Outcome.UNTESTABLE} | ({fate.outcome} & {Outcome.REJECTED})


def each_was_told_once(rows: Mapping[str, Row], log: Path) -> None:
    """Over all processes together no canary's outcome was published twice, nor another one."""
    told: Counter[str] = Counter()
    for path, outcome, token in _SETTLED_LINE.findall(log.read_text()):
        if outcome not in BESIDE:
            told[token] += 1
            assert (rows[token].path, rows[token].outcome) == (path, outcome)
    assert [token for token, count in told.items() if count > 1] == []


def counters_count_each_once(rows: Mapping[str, Row], lives: Sequence[Life]) -> None:
    """No process counted more of an outcome than it settled while it lived."""
    for life in lives:
        for scrape in life.scrapes:
            settled = settled_between(rows.values(), life.born, scrape.ended)
            over = {k: n for k, n in scrape.counts.items() if n > settled[k] and n}
            assert over == {}, life


def settled_between(rows: Iterable[Row], begin: float, end: float) -> Counter[tuple[str, str]]:
    """(path, outcome) -> how many the ledger says were settled in that time."""
    return Counter(
        (row.path, row.outcome)
        for row in rows
        if row.outcome and row.settled_at is not None and begin <= row.settled_at <= end
    )


def last_life_counted_all(rows: Mapping[str, Row], life: Life) -> None:
    """At rest, the counters are exactly what was settled since the process was born."""
    counted = +life.scrapes[-1].counts
    assert counted == settled_between(rows.values(), life.born, life.scrapes[-1].ended)


def nothing_foreign_changed(before: Snapshot, after: Snapshot, rows: Mapping[str, Row]) -> None:
    """Everybody else's mail is what it was, flags and all."""
    foreign = {key: stored for key, stored in before.items() if stored.token not in rows}
    assert foreign
    assert {key: after.get(key) for key in foreign} == foreign


def the_mailbox_holds_what_was_delivered(
    after: Snapshot, rows: Mapping[str, Row], book: Book, end: float
) -> None:
    """Our own mail lies there once and unmarked, or was removed `keep` after it was settled."""
    ours = [stored for stored in after.values() if stored.token in rows]
    present = Counter(stored.token for stored in ours)
    assert [token for token, count in present.items() if count > 1] == []
    assert [stored for stored in ours if stored.flags] == []
    assert present.keys() - book.delivered.keys() == set()
    removed = book.delivered.keys() - present.keys()
    too_soon = [t for t in removed if (rows[t].settled_at or end) + KEEP > end]
    assert too_soon == []
