"""Nothing is lost, doubled or touched, however often the service dies; and the proof can fail."""

import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from exporter.ledger.tables import METADATA
from probes.canary.lifecycle import Outcome
from tests.integration.nothing_lost import proof
from tests.integration.nothing_lost.mailbox import Snapshot, Stored
from tests.integration.nothing_lost.proof import Book, Row
from tests.integration.nothing_lost.rig import Life, Scrape
from tests.integration.nothing_lost.story import run
from tests.support.ports import reserved_port
from tests.support.serving import QUIET, serving

LEAST = 200
"""Canaries that servers were given, at least."""
KILLS = int(os.environ.get("MAILCANARY_KILLS", "40"))


@pytest.mark.slow("starts the program as a process")
@pytest.mark.timeout(300 + KILLS * 5)
async def test_a_service_killed_at_random_settles_each_canary_once_and_sends_none_twice(
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("MAILCANARY_SEED", random.randrange(2**32)))
    sys.stdout.write(f"to repeat: MAILCANARY_SEED={seed} MAILCANARY_KILLS={KILLS}\n")
    figures = await run(tmp_path, kills=KILLS, seed=seed, given=LEAST)
    sys.stdout.write(f"{figures}\n")
    assert figures.kills >= KILLS
    assert figures.given >= LEAST
    assert figures.most_in_flight > 100
    assert figures.removed > 0
    assert {Outcome.ARRIVED, Outcome.LOST, Outcome.JUNKED, Outcome.UNTESTABLE} <= set(
        figures.outcomes
    )


LAST_STATEMENT = sum(1 + len(table.indexes) for table in METADATA.tables.values()) + 1


def cut_short(ledger: Path, statement: int) -> int:
    """A process that dies before that statement of the schema; its exit status."""
    module = "tests.integration.nothing_lost.cut"
    command = [sys.executable, "-m", module, str(ledger), str(statement)]
    return subprocess.run(command, check=False, timeout=60).returncode


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("statement", [None, 1, LAST_STATEMENT])
async def test_a_service_starts_well_where_another_died_making_the_ledger(
    tmp_path: Path, statement: int | None
) -> None:
    ledger, config = tmp_path / "ledger.sqlite", tmp_path / "c.yaml"
    ledger.touch()
    if statement is not None:
        assert cut_short(ledger, statement) == -SIGKILL
        assert ledger.stat().st_size > 0
    assert proof.unsettled(ledger) == 0
    with closing(sqlite3.connect(ledger)) as half:
        assert half.execute("select name from sqlite_master").fetchall() == []
    with reserved_port() as port:
        config.write_text(QUIET.format(port=port, ledger=ledger))
        async with serving(config, port) as service:
            await service.said("serving")
            assert await service.end(SIGTERM) == 0
    assert "Traceback" not in service.log.read_text()
    assert proof.read_ledger(ledger) == {}


def test_the_last_statement_of_the_schema_is_the_last(tmp_path: Path) -> None:
    assert cut_short(tmp_path / "ledger.sqlite", LAST_STATEMENT + 1) == 0


def row(outcome: str | None, path: str = "direct_0", accepted: float | None = 2.0) -> Row:
    settled = None if outcome is None else 3.0
    return Row("t", path, "state", outcome, 1.0, accepted, settled)


GIVEN = Counter({("mx", "t"): 1})
ARRIVED = Book(GIVEN, Counter({"t": 1}))
TAKEN = Book(GIVEN, Counter())
NEVER = Book(Counter(), Counter())


@pytest.mark.parametrize(
    ("told", "book"),
    [
        (row(None), ARRIVED),
        (row("lost"), ARRIVED),
        (row("untestable"), ARRIVED),
        (row("arrived", "junk_0"), ARRIVED),
        (row("arrived"), TAKEN),
        (row("untestable"), TAKEN),
        (row("lost", accepted=None), NEVER),
        (row("send_failed", accepted=None), NEVER),
        (row("rejected", accepted=None), NEVER),
    ],
)
def test_the_proof_notices_an_outcome_that_lies(told: Row, book: Book) -> None:
    with pytest.raises(AssertionError):
        proof.each_is_settled_as_it_went({"t": told}, book)


@pytest.mark.parametrize(
    "book", [Book(Counter({("mx", "t"): 2}), Counter()), Book(GIVEN, Counter({"t": 2}))]
)
def test_the_proof_notices_what_was_sent_twice(book: Book) -> None:
    with pytest.raises(AssertionError):
        proof.nothing_was_sent_twice(book)


@pytest.mark.parametrize(
    ("rows", "book"),
    [
        ({}, TAKEN),
        ({"t": Row("t", "p", "planned", None, None, None, None)}, TAKEN),
        ({"t": row("arrived")}, NEVER),
    ],
)
def test_the_proof_notices_what_was_not_written_down(rows: dict[str, Row], book: Book) -> None:
    with pytest.raises(AssertionError):
        proof.what_was_given_is_written_down(rows, book)


def test_the_proof_notices_a_counter_that_counts_twice() -> None:
    rows = {"t": row("arrived")}
    for count, is_wrong in ((1, False), (2, True)):
        scrape = Scrape(3.5, 3.6, Counter({("direct_0", "arrived"): count}))
        lives = [Life(0, "kill", 0.5, scrapes=[scrape])]
        if is_wrong:
            with pytest.raises(AssertionError):
                proof.counters_count_each_once(rows, lives)
        else:
            proof.counters_count_each_once(rows, lives)


def test_the_proof_notices_an_outcome_that_was_told_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = "INFO canary path=direct_0 outcome=arrived token=t round_trip=1\n"
    log.write_text(line)
    proof.each_was_told_once({"t": row("arrived")}, log)
    log.write_text(line * 2)
    with pytest.raises(AssertionError):
        proof.each_was_told_once({"t": row("arrived")}, log)


def test_the_proof_notices_a_mark_on_a_foreign_message() -> None:
    clean, seen = Stored(frozenset(), b"x"), Stored(frozenset({b"\\Seen"}), b"x")
    proof.nothing_foreign_changed({("INBOX", 1): clean}, {("INBOX", 1): clean}, {})
    for after in ({("INBOX", 1): seen}, {}):
        with pytest.raises(AssertionError):
            proof.nothing_foreign_changed({("INBOX", 1): clean}, after, {})


def test_the_proof_notices_a_canary_missing_marked_or_twice_in_the_mailbox() -> None:
    ours = Stored(frozenset(), b"X-Mailcanary: t\r\n\r\n")
    marked = Stored(frozenset({b"\\Seen"}), ours.content)
    rows = {"t": row("arrived")}
    proof.the_mailbox_holds_what_was_delivered({("INBOX", 1): ours}, rows, ARRIVED, 4.0)
    first, second = ("INBOX", 1), ("INBOX", 2)
    wrong: tuple[Snapshot, ...] = ({}, {first: marked}, {first: ours, second: ours})
    for after in wrong:
        with pytest.raises(AssertionError):
            proof.the_mailbox_holds_what_was_delivered(after, rows, ARRIVED, 4.0)
