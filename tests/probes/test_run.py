"""The one caller: whatever the work does, one classified result comes out in time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from probes.clock import SYSTEM_CLOCK
from probes.result import Handover, HandoverState, Owner, Phase, ProbeFailure, ProbeResult, Reason
from probes.run import Work, run_once
from probes.trace import Trace

SHORT = 0.02
LONG = 30.0


async def run(
    work: Work,
    deadline: float | None = LONG,
    on_bug: Callable[[BaseException], None] | None = None,
) -> ProbeResult:
    return await run_once("test", work, clock=SYSTEM_CLOCK, deadline=deadline, on_bug=on_bug)


def in_phase(phase: Phase, then: Callable[[], Awaitable[object]]) -> Work:
    async def work(trace: Trace) -> None:
        with trace.phase(phase):
            await then()

    return work


async def forever() -> None:
    await asyncio.Event().wait()


def raising(error: BaseException) -> Callable[[], Awaitable[object]]:
    async def raise_it() -> None:
        raise error

    return raise_it


async def test_work_that_ends_well_gives_a_good_result_with_what_was_noted() -> None:
    async def work(trace: Trace) -> None:
        with trace.phase(Phase.CONNECT):
            trace.facts["dns.serial"] = 25

    result = await run(work)
    assert result.ok
    assert result.kind == "test"
    assert [timing.phase for timing in result.timings] == [Phase.CONNECT]
    assert result.facts == {"dns.serial": 25}
    assert result.seconds >= result.timings[0].seconds >= 0
    assert result.started_at.utcoffset() is not None


async def test_no_deadline_is_possible() -> None:
    assert (await run(in_phase(Phase.EHLO, lambda: asyncio.sleep(0)), deadline=None)).ok


async def test_the_deadline_names_the_phase_that_hung() -> None:
    result = await run(in_phase(Phase.GREETING, forever), SHORT)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.GREETING, Reason.TIMEOUT)
    assert result.failure.is_transient
    assert [timing.phase for timing in result.timings] == [Phase.GREETING]
    assert result.timings[0].seconds >= SHORT / 2


@pytest.mark.parametrize(
    ("lag", "reason", "owner"),
    [(SHORT * 0.4, Reason.TIMEOUT, Owner.RECEIVER_MX), (SHORT, Reason.UNTESTABLE, Owner.MONITOR)],
)
async def test_a_deadline_of_which_our_own_standstill_took_half_blames_nobody(
    lag: float, reason: Reason, owner: Owner
) -> None:
    async def work(trace: Trace) -> None:
        with trace.part("mx.test", "192.0.2.1") as part, part.phase(Phase.GREETING):
            await forever()

    result = await run_once(
        "test", work, clock=SYSTEM_CLOCK, deadline=SHORT, lag=lambda _since: lag
    )
    for failure in (result.failure, result.parts[0].failure):
        assert failure is not None
        assert (failure.phase, failure.reason, failure.owner) == (Phase.GREETING, reason, owner)


@pytest.mark.parametrize("phase", [Phase.DNS_MX, Phase.DNS_ADDRESS, Phase.EVALUATE])
@pytest.mark.parametrize("tested", [Owner.RESOLVER, Owner.RECEIVER_DNS, None])
async def test_a_look_up_that_the_deadline_ends_is_nobodys_until_the_resolver_was_tested(
    phase: Phase, tested: Owner | None
) -> None:
    def told() -> tuple[Owner, str]:
        assert tested is not None
        return tested, "it was tested"

    async def work(trace: Trace) -> None:
        trace.silent_party = None if tested is None else told
        with trace.part("a.test", None) as part, part.phase(phase):
            await forever()

    result = await run(work, SHORT)
    failure = result.failure
    assert failure is not None
    assert result.parts[0].failure == failure
    assert (failure.reason, failure.owner) == (Reason.TIMEOUT, tested or Owner.MONITOR)
    assert ("it was tested" in failure.detail) == (tested is not None)


async def test_look_ups_that_hang_are_the_peers_where_another_is_asked() -> None:
    async def work(trace: Trace, peer: Owner | None) -> None:
        with trace.part("a.test", None) as part, part.phase(Phase.EVALUATE, peer):
            await forever()

    ours = await run(lambda trace: work(trace, None), SHORT)
    theirs = await run(lambda trace: work(trace, Owner.RECEIVER_DNS), SHORT)
    for result, owner in ((ours, Owner.MONITOR), (theirs, Owner.RECEIVER_DNS)):
        (part,) = result.parts
        assert result.failure == part.failure
        assert part.failure is not None
        assert (part.failure.reason, part.failure.owner) == (Reason.TIMEOUT, owner)


async def test_the_deadline_names_the_phase_in_which_a_part_hung() -> None:
    async def part(
        trace: Trace, host: str, phase: Phase, then: Callable[[], Awaitable[object]]
    ) -> None:
        with trace.part(host, "192.0.2.1") as notes, notes.phase(phase):
            await then()

    async def work(trace: Trace) -> None:
        with trace.phase(Phase.DNS_MX):
            await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(part(trace, "a.test", Phase.CONNECT, raising(refused())))
            group.create_task(part(trace, "b.test", Phase.END_OF_DATA, forever))

    result = await run(work, SHORT)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.END_OF_DATA, Reason.TIMEOUT)
    first, second = result.parts
    assert first.failure is not None
    assert first.failure.reason is Reason.CONNECTION_REFUSED
    assert second.failure is not None
    assert (second.failure.phase, second.failure.reason) == (Phase.END_OF_DATA, Reason.TIMEOUT)


def refused() -> ProbeFailure:
    return ProbeFailure(Reason.CONNECTION_REFUSED, "refused")


async def test_a_failure_is_the_result_with_the_phase_it_was_raised_in() -> None:
    bugs: list[BaseException] = []
    result = await run(in_phase(Phase.CONNECT, raising(refused())), on_bug=bugs.append)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (
        Phase.CONNECT,
        Reason.CONNECTION_REFUSED,
    )
    assert result.failure.owner is Owner.RECEIVER_MX
    assert bugs == []


async def test_what_was_learnt_before_a_failure_survives_it() -> None:
    async def work(trace: Trace) -> None:
        trace.facts["mx.hosts"] = ("a.test",)
        with trace.phase(Phase.DNS_MX):
            pass
        with trace.phase(Phase.CONNECT):
            raise refused()

    result = await run(work)
    assert [timing.phase for timing in result.timings] == [Phase.DNS_MX, Phase.CONNECT]
    assert result.facts == {"mx.hosts": ("a.test",)}


async def test_a_failure_in_a_task_group_is_no_bug() -> None:
    bugs: list[BaseException] = []

    async def work(trace: Trace) -> None:
        with trace.phase(Phase.DNS_ADDRESS):
            async with asyncio.TaskGroup() as group:
                group.create_task(forever())
                group.create_task(raise_later(ProbeFailure(Reason.SERVFAIL, "broken zone")))

    result = await run(work, on_bug=bugs.append)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.DNS_ADDRESS, Reason.SERVFAIL)
    assert bugs == []


async def raise_later(error: Exception) -> None:
    await asyncio.sleep(0)
    raise error


async def test_a_bug_becomes_unexpected_and_is_handed_on_with_its_traceback() -> None:
    bugs: list[BaseException] = []
    error = ZeroDivisionError("division by\r\nzero")
    result = await run(in_phase(Phase.EHLO, raising(error)), on_bug=bugs.append)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.EHLO, Reason.UNEXPECTED)
    assert result.failure.owner is Owner.MONITOR
    assert result.failure.is_untestable
    assert result.failure.detail == "unexpected ZeroDivisionError: division by zero"
    assert bugs == [error]
    assert bugs[0].__traceback__ is not None


async def test_a_bug_beside_a_failure_in_a_task_group_is_the_bug() -> None:
    bugs: list[BaseException] = []

    async def work(trace: Trace) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(raise_later(refused()))
            group.create_task(raise_later(KeyError("oops")))

    result = await run(work, on_bug=bugs.append)
    assert result.failure is not None
    assert result.failure.reason is Reason.UNEXPECTED
    assert "KeyError" in result.failure.detail
    assert len(bugs) == 1


async def test_a_bug_in_a_part_names_the_phase_the_part_had_reached() -> None:
    async def work(trace: Trace) -> None:
        with trace.phase(Phase.DNS_MX):
            pass
        with trace.part("a.test", "192.0.2.1") as notes, notes.phase(Phase.END_OF_DATA):
            raise KeyError("oops")

    result = await run(work)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.END_OF_DATA, Reason.UNEXPECTED)


async def test_parts_that_a_bug_elsewhere_cut_short_blame_nobody() -> None:
    async def hanging(trace: Trace) -> None:
        with trace.part("a.test", "192.0.2.1") as notes, notes.phase(Phase.EHLO):
            await forever()

    async def work(trace: Trace) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(hanging(trace))
            group.create_task(raise_later(KeyError("oops")))

    (part,) = (await run(work)).parts
    assert part.failure is not None
    assert part.failure.reason is Reason.UNTESTABLE
    assert part.failure.owner is Owner.MONITOR


async def test_a_timeout_that_is_not_ours_is_a_bug_and_no_deadline() -> None:
    bugs: list[BaseException] = []
    result = await run(in_phase(Phase.TLS, raising(TimeoutError("leaked"))), on_bug=bugs.append)
    assert result.failure is not None
    assert result.failure.reason is Reason.UNEXPECTED
    assert len(bugs) == 1


async def test_the_callers_cancellation_passes_through() -> None:
    reached = asyncio.Event()

    async def work(trace: Trace) -> None:
        with trace.phase(Phase.CONNECT):
            reached.set()
            await forever()

    task = asyncio.create_task(run(work))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_callers_own_timeout_is_not_taken_for_the_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SHORT):
            await run(in_phase(Phase.CONNECT, forever))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_is_no_exception_of_the_work_passes_through(
    error: type[BaseException],
) -> None:
    async def work(trace: Trace) -> None:
        raise error

    coroutine = run(work)
    try:
        coroutine.send(None)
    except error:
        return
    pytest.fail("it was turned into a result")


@pytest.mark.parametrize(
    "then", [forever, raising(RuntimeError("ours")), raising(asyncio.CancelledError())]
)
@pytest.mark.parametrize("state", list(HandoverState))
async def test_the_last_report_of_a_route_counts_whatever_ends_the_run(
    then: Callable[[], Awaitable[object]], state: HandoverState
) -> None:
    async def work(trace: Trace) -> None:
        trace.handover = Handover(HandoverState.UNCERTAIN)
        trace.handover = Handover(state)
        await then()

    result = await run(work, deadline=0.01)
    assert result.failure is not None
    assert result.handover == Handover(state)
