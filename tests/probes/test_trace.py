"""The notebook of a run: timings by phase, parts side by side, a listener that hears it live."""

import asyncio

import pytest

from probes.result import Phase, PhaseTiming, ProbeFailure, Reason
from probes.trace import Step, Trace
from tests.support.clock import FakeClock


def fail(error: Exception) -> None:
    raise error


def test_a_phase_is_timed_from_the_beginning_of_the_run() -> None:
    time = FakeClock()
    trace = Trace(time.clock)
    time.elapse(1.0)
    with trace.phase(Phase.CONNECT):
        time.elapse(0.25)
    assert trace.timings == [PhaseTiming(Phase.CONNECT, 1.0, 0.25)]


def test_a_phase_that_fails_is_timed_too_and_the_failure_passes_on() -> None:
    time = FakeClock()
    heard: list[Step] = []
    trace = Trace(time.clock, heard.append)

    def closed() -> None:
        time.elapse(2.0)
        raise ProbeFailure(Reason.CONNECTION_CLOSED, "gone")

    with pytest.raises(ProbeFailure), trace.phase(Phase.GREETING):
        closed()
    timing = PhaseTiming(Phase.GREETING, 0.0, 2.0)
    assert trace.timings == [timing]
    assert [(step.timing, step.failure and step.failure.reason) for step in heard] == [
        (None, None),
        (timing, Reason.CONNECTION_CLOSED),
    ]


def test_after_a_phase_the_run_still_stands_in_it() -> None:
    trace = Trace(FakeClock().clock)
    stood = [trace.current]
    with trace.phase(Phase.END_OF_DATA):
        pass
    stood.append(trace.current)
    assert stood == [Phase.EVALUATE, Phase.END_OF_DATA]


def test_a_failure_ends_its_part_and_not_the_run() -> None:
    time = FakeClock()
    trace = Trace(time.clock)
    time.elapse(3.0)
    with trace.part("a.test", None) as notes:
        notes.facts["dns.serial"] = 1
        with notes.phase(Phase.DNS_ADDRESS):
            fail(ProbeFailure(Reason.NXDOMAIN, "no such name"))
    with trace.part("b.test", "192.0.2.1"):
        pass
    first, second = trace.parts
    assert (first.host, first.address, first.facts) == ("a.test", None, {"dns.serial": 1})
    assert first.failure is not None
    assert (first.failure.phase, first.failure.reason) == (Phase.DNS_ADDRESS, Reason.NXDOMAIN)
    assert first.timings == (PhaseTiming(Phase.DNS_ADDRESS, 3.0, 0.0),)
    assert second.ok
    assert trace.timings == []


def test_a_failure_in_a_task_group_ends_its_part_only() -> None:
    trace = Trace(FakeClock().clock)
    with trace.part("a.test", "192.0.2.1") as notes, notes.phase(Phase.TLS):
        fail(ExceptionGroup("tasks", [ProbeFailure(Reason.CERTIFICATE_EXPIRED, "old")]))
    (part,) = trace.parts
    assert part.failure is not None
    assert (part.failure.phase, part.failure.reason) == (Phase.TLS, Reason.CERTIFICATE_EXPIRED)


def test_a_bug_in_a_part_is_recorded_there_and_passes_on() -> None:
    trace = Trace(FakeClock().clock)
    with pytest.raises(KeyError), trace.part("a.test", None) as notes, notes.phase(Phase.EHLO):
        raise KeyError("oops")
    (part,) = trace.parts
    assert part.failure is not None
    assert (part.failure.phase, part.failure.reason) == (Phase.EHLO, Reason.UNEXPECTED)
    assert trace.reached is Phase.EHLO


async def test_parts_stand_in_the_order_in_which_they_were_begun() -> None:
    trace = Trace(FakeClock().clock)
    second_is_done = asyncio.Event()

    async def first() -> None:
        with trace.part("a.test", None):
            await second_is_done.wait()

    async def second() -> None:
        with trace.part("b.test", None):
            pass
        second_is_done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        group.create_task(second())
    assert [part.host for part in trace.parts] == ["a.test", "b.test"]


def test_the_listener_hears_of_a_part_by_host_and_address() -> None:
    heard: list[Step] = []
    trace = Trace(FakeClock().clock, heard.append)
    with trace.part("a.test", "192.0.2.1") as notes, notes.phase(Phase.CONNECT):
        pass
    assert [(step.host, step.address, step.phase) for step in heard] == [
        ("a.test", "192.0.2.1", Phase.CONNECT)
    ] * 2


def test_a_phase_ends_when_its_answer_is_heard_not_when_its_task_comes_round() -> None:
    time = FakeClock()
    trace = Trace(time.clock)
    with trace.phase(Phase.EHLO):
        time.elapse(3.0)
        trace.heard(0.0, 1.0)
        time.elapse(5.0)
    with trace.phase(Phase.QUIT):
        time.elapse(4.0)
    assert [timing.seconds for timing in trace.timings] == [2.0, 4.0]


def test_a_phase_begins_when_its_question_is_sent_not_when_it_is_given_to_the_loop() -> None:
    time = FakeClock()
    trace = Trace(time.clock)
    with trace.phase(Phase.EHLO):
        time.elapse(8.0)
        trace.heard(5.0, 1.0)
    with trace.phase(Phase.QUIT):
        time.elapse(4.0)
    assert [(timing.start, timing.seconds) for timing in trace.timings] == [(5.0, 2.0), (8.0, 4.0)]


def test_an_answer_that_was_there_before_its_phase_takes_no_time() -> None:
    time = FakeClock()
    trace = Trace(time.clock)
    with trace.phase(Phase.GREETING):
        trace.heard(0.0, 2.5)
    assert [timing.seconds for timing in trace.timings] == [0.0]
