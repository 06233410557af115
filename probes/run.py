"""The one caller of every probe: the deadline, the classification, always a ProbeResult."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from probes.catalogue import monitor
from probes.clock import Clock
from probes.result import Failure, Finding, ProbeFailure, ProbeResult, Status
from probes.tasks import UntoldEnd
from probes.trace import LineListener, Listener, Standstill, Trace, cause_of, failure_of

Work = Callable[[Trace], Awaitable[None]]
"""A kind or a route with its network and target bound: the protocol in order, told to a Trace."""

Lag = Callable[[float], float]
"""By how many seconds the event loop was late at worst since a monotonic instant."""

LAGGED = 0.02
"""Seconds of lag from which on a run's times are to be doubted, and it says so."""


async def run_once(
    kind: str,
    work: Work,
    *,
    clock: Clock,
    deadline: float | None,
    listener: Listener | None = None,
    on_bug: Callable[[BaseException], None] | None = None,
    lag: Lag | None = None,
    on_line: LineListener | None = None,
) -> ProbeResult:
    """Run `work` for at most `deadline` seconds (None: without one) and say what happened.

    Seconds in which the work waited for another run of ours do not count. With `lag`, a run during
    which the event loop was late has the finding `monitor.loop_lagged`, and one of whose deadline
    the loop took half (the process was stopped, say) is untestable: its peer never had that time.
    `on_line` hears the dialogues of SMTP.

    Only the cancellation of the caller passes through; everything else becomes the result, also a
    CancelledError that the work met by itself, from a task or a library. A bug
    becomes the reason `unexpected`, and its exception goes to `on_bug` with its traceback.
    """
    started_at = clock.utc()
    limit = asyncio.timeout(deadline)
    standstill = Standstill(clock, partial(_put_off, limit))
    trace = Trace(clock, listener, standstill=standstill, on_line=on_line)
    failure: Failure | None = None
    caller = asyncio.current_task()
    told = 0 if caller is None else caller.cancelling()
    try:
        async with limit:
            await work(trace)
    except asyncio.CancelledError as error:
        if caller is None or caller.cancelling() > told:
            raise
        untold = UntoldEnd("it was cancelled, but nobody ended it")
        failure = failure_of(untold, trace.reached, trace.party)
        if on_bug is not None:
            on_bug(error)
    except Exception as error:  # noqa: BLE001 - the one place where anything becomes a result
        if isinstance(error, TimeoutError) and limit.expired():
            failure = trace.deadline_passed(by_us=_stood_still(deadline, lag, trace.origin))
        elif isinstance(cause_of(error), ProbeFailure):
            failure = failure_of(error, trace.current, trace.party)
        else:
            failure = failure_of(error, trace.reached, trace.party)
            if on_bug is not None:
                on_bug(error)
    if lag is not None:
        trace.findings.extend(_doubts(lag(trace.origin)))
    return ProbeResult(
        kind=kind,
        started_at=started_at,
        seconds=clock.monotonic() - trace.origin,
        timings=tuple(trace.timings),
        failure=failure,
        findings=trace.told,
        parts=trace.parts,
        facts=dict(trace.facts),
        known=tuple(trace.known),
        handover=trace.handover,
    )


def _put_off(limit: asyncio.Timeout, seconds: float) -> None:
    when = limit.when()
    if when is not None and not limit.expired():
        limit.reschedule(when + seconds)


def _stood_still(deadline: float | None, lag: Lag | None, since: float) -> bool:
    return deadline is not None and lag is not None and lag(since) >= deadline / 2


def _doubts(worst: float) -> Iterator[Finding]:
    if worst >= LAGGED:
        evidence = f"it was up to {worst * 1000:.0f} ms late while this was measured"
        yield monitor.LOOP_LAGGED.found(Status.NOTICE, "event loop", evidence)
