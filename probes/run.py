"""The one caller of every probe: the deadline, the classification, always a ProbeResult."""

import asyncio
from collections.abc import Awaitable, Callable

from probes.clock import Clock
from probes.result import Failure, ProbeFailure, ProbeResult
from probes.trace import Listener, Trace, cause_of, failure_of

Work = Callable[[Trace], Awaitable[None]]
"""A kind or a route with its network and target bound: the protocol in order, told to a Trace."""


async def run_once(
    kind: str,
    work: Work,
    *,
    clock: Clock,
    deadline: float | None,
    listener: Listener | None = None,
    on_bug: Callable[[BaseException], None] | None = None,
) -> ProbeResult:
    """Run `work` for at most `deadline` seconds (None: without one) and say what happened.

    Only the cancellation of the caller passes through; everything else becomes the result. A bug
    becomes the reason `unexpected`, and its exception goes to `on_bug` with its traceback.
    """
    started_at = clock.utc()
    trace = Trace(clock, listener)
    failure: Failure | None = None
    try:
        async with asyncio.timeout(deadline) as limit:
            await work(trace)
    except Exception as error:  # noqa: BLE001 - the one place where anything becomes a result
        if isinstance(error, TimeoutError) and limit.expired():
            failure = trace.deadline_passed()
        elif isinstance(cause_of(error), ProbeFailure):
            failure = failure_of(error, trace.current)
        else:
            failure = failure_of(error, trace.reached)
            if on_bug is not None:
                on_bug(error)
    return ProbeResult(
        kind=kind,
        started_at=started_at,
        seconds=clock.monotonic() - trace.origin,
        timings=tuple(trace.timings),
        failure=failure,
        findings=tuple(trace.findings),
        parts=trace.parts,
        facts=dict(trace.facts),
    )
