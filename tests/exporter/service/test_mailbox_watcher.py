"""The mailbox watcher: when it calls a mailbox readable, and what it does when it is not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from exporter.service.mailbox_watcher import (
    FRESH_SECONDS,
    MAX_SESSIONS_PER_COPY,
    MAX_WANTED,
    MailboxWatcher,
    WatchState,
)
from probes.clock import Instant
from probes.mailboxes.interface import (
    Content,
    Cursor,
    Following,
    Look,
    Message,
    News,
    Place,
    Placement,
    Remark,
    Report,
)
from probes.result import Failure, Owner, Phase, ProbeFailure, Reason
from tests.support.clock import START, FakeClock

Session = Callable[[MailboxWatcher, Mapping[str, Cursor], Report], Awaitable[None]]


class Rig:
    """A watcher over sessions that the test writes, one after the other; the last one stays."""

    def __init__(self, *sessions: Session) -> None:
        self.time = FakeClock()
        self.states: list[WatchState] = []
        self.reports: list[object] = []
        self.cursors_given: list[dict[str, Cursor]] = []
        self.sessions_begun = 0
        self.news = asyncio.Condition()
        self._sessions = sessions
        self.watcher = MailboxWatcher(
            "inbox",
            self._watch,
            self.time.clock,
            report=self._report,
            changed_state=self.states.append,
            cursors={},
        )

    async def _watch(
        self, watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report
    ) -> None:
        self.cursors_given.append(dict(cursors))
        session = self._sessions[min(self.sessions_begun, len(self._sessions) - 1)]
        self.sessions_begun += 1
        async with self.news:
            self.news.notify_all()
        await session(watcher, cursors, report)

    async def _report(self, report: News) -> None:
        self.reports.append(report)
        async with self.news:
            self.news.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        task = asyncio.create_task(self.watcher.run())
        try:
            async with asyncio.timeout(10), self.news:
                await self.news.wait_for(condition)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def instant(seconds: float) -> Instant:
    return Instant(START + timedelta(seconds=seconds), seconds)


def look(folder: str, seconds: float) -> Look:
    placement = Placement.INBOX if folder == "INBOX" else Placement.JUNK
    return Look(folder, placement, instant(seconds), instant(seconds + 0.01))


INBOX_ALONE = Following(frozenset({"INBOX"}))
BOTH = Following(frozenset({"INBOX", "Junk"}))


async def forever(*_: object) -> None:
    await asyncio.Event().wait()


async def test_a_mailbox_is_up_after_its_first_look_and_not_before() -> None:
    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        assert not watcher.settled.is_set()
        await report(INBOX_ALONE)
        await report(look("INBOX", 1))
        await forever()

    rig = Rig(session)
    await rig.until(lambda: bool(rig.reports))
    assert [state.is_up for state in rig.states] == [True]


async def test_the_last_complete_look_is_the_oldest_of_the_folders_latest() -> None:
    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        await report(BOTH)
        await report(look("Junk", 1))
        await report(look("INBOX", 2))
        await report(look("INBOX", 5))
        await forever()

    rig = Rig(session)
    await rig.until(lambda: len(rig.reports) == 3)
    assert rig.watcher.looked == instant(1)


async def test_a_mailbox_was_not_looked_at_before_each_of_its_folders_was() -> None:
    """A canary that lies in Junk would be called lost by a look at the inbox alone."""
    seen: list[tuple[bool, object]] = []

    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        for news in (BOTH, look("INBOX", 1), look("INBOX", 2), look("Junk", 2.5)):
            await report(news)
            seen.append((watcher.state.is_up, watcher.looked))
        await report(Following(BOTH.folders | {"Lists"}))
        seen.append((watcher.state.is_up, watcher.looked))
        await report(look("Lists", 3))
        seen.append((watcher.state.is_up, watcher.looked))
        await forever()

    rig = Rig(session)
    await rig.until(lambda: len(seen) == 6)
    assert seen[:3] == [(False, None)] * 3
    assert seen[3:] == [(True, instant(2)), (True, None), (True, instant(2))]


async def test_a_new_session_begins_without_the_looks_of_the_one_before() -> None:
    looked: list[object] = []

    async def first(watcher: MailboxWatcher, _: object, report: Report) -> None:
        for news in (BOTH, look("INBOX", 1), look("Junk", 1)):
            await report(news)
        raise ProbeFailure(Reason.CONNECTION_RESET, "gone")

    async def second(watcher: MailboxWatcher, _: object, report: Report) -> None:
        for news in (BOTH, look("INBOX", 9)):
            await report(news)
        looked.append(watcher.looked)
        await forever()

    rig = Rig(first, second)
    await rig.until(lambda: len(rig.reports) == 3)
    assert looked in ([], [None])
    assert rig.watcher.looked is None


# Whole messages


def message(folder: str, position: int) -> Message:
    return Message("token", Place(folder, "1", str(position), position))


@pytest.mark.slow("holds many sessions")
async def test_a_message_is_wanted_until_it_was_had_or_has_ended_two_sessions() -> None:
    first, second = message("INBOX", 5), message("Junk", 6)
    asked: list[list[Message]] = []

    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        asked.append([])
        for _number in range(2 if len(asked) == 1 else 1):
            asked[-1].append(await watcher.next_copy())
        if len(asked) == 1:
            await report(Content(second, b"octets"))
        raise ProbeFailure(Reason.CONNECTION_RESET, "the server choked on it")

    rig = Rig(session)
    for place in (first, second, first):
        rig.watcher.want(place)
    await rig.until(lambda: rig.sessions_begun == MAX_SESSIONS_PER_COPY + 1)
    assert asked == [[first, second], [first], []]
    assert rig.reports == [Content(second, b"octets")]


async def test_what_is_wanted_is_bounded() -> None:
    rig = Rig(forever)
    for uid in range(MAX_WANTED + 5):
        rig.watcher.want(message("INBOX", uid))
    had = [await rig.watcher.next_copy() for _ in range(MAX_WANTED)]
    assert len(set(had)) == MAX_WANTED
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await rig.watcher.next_copy()


async def test_a_failed_session_is_down_with_its_reason_and_is_begun_anew_from_the_cursor() -> None:
    cursor = Cursor("INBOX", "7:42")

    async def broken(watcher: MailboxWatcher, _: object, report: Report) -> None:
        await report(INBOX_ALONE)
        await report(look("INBOX", 1))
        await report(cursor)
        raise ProbeFailure(Reason.CONNECTION_RESET, "gone")

    rig = Rig(broken, forever)
    await rig.until(lambda: rig.sessions_begun == 2)
    assert [state.is_up for state in rig.states] == [True, False]
    failure = rig.states[-1].failure
    assert failure is not None
    assert (failure.phase, failure.reason) == (Phase.ARRIVAL, Reason.CONNECTION_RESET)
    assert failure.owner is Owner.RECEIVER_MAILBOX
    assert rig.cursors_given == [{}, {"INBOX": cursor}]
    assert rig.watcher.looked is None


async def test_a_bug_in_a_watch_is_ours_and_does_not_end_the_watching() -> None:
    async def buggy(*_: object) -> None:
        raise KeyError("oops")

    rig = Rig(buggy, forever)
    await rig.until(lambda: rig.sessions_begun == 2)
    failure = rig.states[0].failure
    assert failure is not None
    assert (failure.reason, failure.owner) == (Reason.UNEXPECTED, Owner.MONITOR)


async def test_a_watch_that_just_ends_is_not_taken_for_a_healthy_one() -> None:
    async def ends(*_: object) -> None:
        return

    rig = Rig(ends, forever)
    await rig.until(lambda: rig.sessions_begun == 2)
    assert rig.states[0].failure is not None


async def test_a_canary_is_fresh_only_for_a_while_and_only_while_it_is_waited_for() -> None:
    rig = Rig(forever)
    watcher = rig.watcher
    assert not watcher.is_fresh()
    watcher.expect("token", rig.time.clock.utc())
    assert watcher.is_fresh()
    assert watcher.changed.is_set()
    rig.time.elapse(FRESH_SECONDS + 1)
    assert not watcher.is_fresh()
    assert list(watcher.tokens()) == ["token"]
    watcher.expect("other", rig.time.clock.utc())
    assert watcher.is_fresh()
    watcher.forget("token")
    watcher.forget("other")
    assert not watcher.is_fresh()


async def test_a_canary_of_an_earlier_process_is_not_fresh_again() -> None:
    rig = Rig(forever)
    rig.watcher.expect("old", rig.time.clock.utc() - timedelta(hours=1))
    assert not rig.watcher.is_fresh()


async def test_a_report_that_cannot_be_stored_ends_the_session_and_keeps_the_cursor() -> None:
    stored: list[object] = []

    async def refuse(report: News) -> None:
        if isinstance(report, Cursor) and not stored:
            stored.append(report)
            raise ProbeFailure(Reason.UNTESTABLE, "the ledger is full")

    begun: list[dict[str, Cursor]] = []
    second = asyncio.Event()

    async def watch(watcher: MailboxWatcher, cursors: Mapping[str, Cursor], report: Report) -> None:
        begun.append(dict(cursors))
        if len(begun) == 2:
            second.set()
            await forever()
        await report(Cursor("INBOX", "1:9"))

    time = FakeClock()
    watcher = MailboxWatcher(
        "inbox", watch, time.clock, report=refuse, changed_state=lambda state: None, cursors={}
    )
    task = asyncio.create_task(watcher.run())
    async with asyncio.timeout(10):
        await second.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert begun == [{}, {}]


def failure_of_login(*, is_transient: bool = False) -> Failure:
    return Failure(
        Phase.AUTH,
        Reason.AUTHENTICATION_FAILED,
        "no",
        Owner.CONFIGURATION,
        is_transient=is_transient,
    )


async def test_a_refused_login_is_tried_again_only_after_minutes() -> None:
    watcher = Rig(forever).watcher
    pauses = [watcher.next_pause(failure_of_login()) for _ in range(8)]
    assert pauses == [60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0, 1800.0]


async def test_any_other_failure_is_tried_again_soon() -> None:
    watcher = Rig(forever).watcher
    reset = Failure(Phase.CONNECT, Reason.CONNECTION_RESET, "", Owner.NETWORK, is_transient=True)
    for failure in (reset, failure_of_login(is_transient=True)):
        assert max(watcher.next_pause(failure) for _ in range(4)) <= 60.0


async def test_an_oddity_of_the_server_is_logged_once_and_goes_no_further(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        await report(INBOX_ALONE)
        for _ in range(3):
            await report(Remark("a search is not possible: NO"))
            await report(look("INBOX", 1))
        await forever()

    rig = Rig(session)
    await rig.until(lambda: len(rig.reports) == 3)
    assert [record.message for record in caplog.records].count(
        "mailbox inbox: a search is not possible: NO"
    ) == 1
    assert not any(isinstance(report, Remark) for report in rig.reports)


async def test_the_folders_that_are_read_are_told_with_the_one_that_is_missing() -> None:
    async def session(watcher: MailboxWatcher, _: object, report: Report) -> None:
        await report(Following(frozenset({"INBOX", "Lists"}), has_junk=False))
        await report(look("INBOX", 1))
        await report(look("Lists", 1))
        await forever()

    rig = Rig(session)
    await rig.until(lambda: len(rig.reports) == 2)
    assert rig.watcher.reading == "no Junk folder known, folders read: INBOX, Lists"
