"""One run of a path or of a job: the straight line from a finished configuration to the ledger."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from exporter.ledger.errors import LedgerError
from exporter.ledger.ledger import Ledger
from exporter.model import Job, Path, Run
from exporter.service.publisher import Publisher
from exporter.service.run_buffer import RunBuffer
from probes.canary.lifecycle import Event, ImpossibleEvent, sending_ended
from probes.canary.message import Canary, compose, new_token
from probes.mailboxes.interface import Sighting
from probes.net import Net
from probes.registry.rows import KINDS, ROUTES
from probes.result import Owner, ProbeFailure, ProbeResult, Reason
from probes.run import Lag, run_once
from probes.trace import LineListener, Listener, Trace

LOG = logging.getLogger("mailcanary.run")

LONGEST_LEDGER_PAUSE = 30.0

T = TypeVar("T")


async def send(
    path: Path,
    tick: int,
    net: Net,
    ledger: Ledger,
    publisher: Publisher,
    listener: Listener | None = None,
    lag: Lag | None = None,
) -> str | None:
    """Send one canary along `path` and return its token, None when there was nothing to send.

    That is when the tick was claimed already, or when this process was stopped so long after the
    claim that the canary has been given up.

    The ledger knows of each step before it is taken: a canary that could not be written down is
    not sent (LedgerError), and one that was sent is written down however long that takes.
    """
    token = new_token(path.site)
    canary = _composed(path, token, net)
    content = canary.content if isinstance(canary, Canary) else b""
    claimed = await ledger.claim(
        path.name, path.mailbox.name, tick, token, path.late_after, path.lost_after, content
    )
    if not claimed:
        return None
    try:
        started = await ledger.record(token, Event.SEND_STARTED, net.clock.now())
    except ImpossibleEvent:
        LOG.warning("path %s: its slot is over, the canary is not sent", path.name)
        return None
    if started is not None:
        publisher.canary_changed(started)
    result = await _hand_over(path, canary, net, listener, lag)
    ended = await _written_down(
        lambda: ledger.record(token, sending_ended(result), net.clock.now(), result=result),
        publisher,
    )
    if ended is not None:
        publisher.canary_changed(ended)
    publisher.run_finished(Run(path.name, tick, result))
    return token


async def probe(
    job: Job,
    tick: int,
    net: Net,
    listener: Listener | None = None,
    lag: Lag | None = None,
    on_line: LineListener | None = None,
) -> Run:
    """Run one one-shot probe."""
    kind = KINDS[job.kind]
    result = await run_once(
        job.kind,
        lambda trace: kind.probe(net, job.target, trace),
        clock=net.clock,
        deadline=job.deadline,
        listener=listener,
        on_bug=log_bug,
        lag=lag,
        on_line=on_line,
    )
    return Run(job.name, tick, result)


def finish(run: Run, buffer: RunBuffer, publisher: Publisher) -> None:
    """Store and publish a finished run of a job."""
    buffer.add(run)
    publisher.run_finished(run)


def event_of(sighting: Sighting) -> Event | None:
    """Return the event of a message for its canary; None for a notice of success."""
    bounce = sighting.bounce
    if bounce is None:
        return Event.SEEN
    if bounce.failed:
        return Event.BOUNCE_SEEN
    return Event.DELAY_SEEN if bounce.delayed else None


def unstored(error: LedgerError) -> ProbeFailure:
    """Return the failure of a watch after the ledger refused its report.

    The next session of the watch sees the same again.
    """
    return ProbeFailure(Reason.UNTESTABLE, str(error), owner=Owner.MONITOR)


def path_host(path: Path) -> str:
    """The host a path's sending loads, by which it is paced."""
    envelope = Canary("", "", path.message.mail_from, path.message.rcpt_to, b"")
    return ROUTES[path.route.kind].host(path.route.target, envelope)


def log_bug(error: BaseException) -> None:
    """A bug of ours is the one thing a run logs with its traceback."""
    LOG.error("unexpected error in a run", exc_info=error)


def _composed(path: Path, token: str, net: Net) -> Canary | ValueError:
    """The canary; or why it cannot be written, which its run will say."""
    try:
        return compose(path.message, token, net.clock.utc())
    except ValueError as error:
        return error


async def _hand_over(
    path: Path,
    canary: Canary | ValueError,
    net: Net,
    listener: Listener | None,
    lag: Lag | None,
) -> ProbeResult:
    row = ROUTES[path.route.kind]

    async def work(trace: Trace) -> None:
        trace.party = row.party
        trace.facts["handover.party"] = row.party.server.value
        if isinstance(canary, ValueError):
            raise canary
        await row.hand_over(net, path.route.target, canary, trace)

    return await run_once(
        path.route.kind,
        work,
        clock=net.clock,
        deadline=path.deadline,
        listener=listener,
        on_bug=log_bug,
        lag=lag,
    )


async def _written_down(write: Callable[[], Awaitable[T]], publisher: Publisher) -> T:
    """Repeat `write` until the ledger takes it: the end of a sending is never dropped."""
    pause = 0.5
    while True:
        with publisher.attempting("the end of a sending is not stored yet"):
            return await write()
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_LEDGER_PAUSE)
