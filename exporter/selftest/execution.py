"""A case executed: its world runs, the real code runs in it, and its findings come back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from exporter.ledger.encoding import decode_finding, pack_document, unpack_document
from exporter.model import ArrivedCopy, CanaryRecord
from exporter.selftest.case import Case, Copy, HandOver, Probe, Step
from exporter.service.examiner import examine_copy
from exporter.service.loop_monitor import LoopMonitor
from exporter.testbed.servers.world import World, running
from probes.canary.lifecycle import Outcome, State
from probes.canary.message import MARKER
from probes.mailboxes.imap.places import place
from probes.mailboxes.interface import Content, Message, News, Placement
from probes.registry.rows import KINDS, MAILBOXES, ROUTES
from probes.result import Phase, ProbeResult
from probes.run import Lag, run_once
from probes.trace import Trace

DEADLINE = 30.0
"""Seconds that one run may take; the cases that wait for a timeout have shorter ones."""

MESSAGE = Message(MARKER + "a" * 26, place("INBOX", 7, 1))
"""Where the copy lies that a case has examined: the scripted mailbox says so."""

Work = Callable[[Trace], Awaitable[None]]


async def perform(case: Case) -> tuple[ProbeResult, ...]:
    """Every run of the case. Raises OSError where its world cannot stand on this machine."""
    async with running(case.spec) as world:
        act = case.act
        if isinstance(act, Probe) and act.holds is not None:
            return (await _held_up(act, act.holds, world),)
        times = act.times if isinstance(act, Probe) else 1
        return tuple(await asyncio.gather(*(_run(act, world) for _ in range(times))))


async def _held_up(act: Probe, seconds: float, world: World) -> ProbeResult:
    """A run during which somebody does not let the event loop go on."""
    async with LoopMonitor(lambda _: None) as monitor:
        asyncio.get_running_loop().call_later(0.001, time.sleep, seconds)
        return await _run(act, world, monitor.worst_since)


async def _run(act: Step, world: World, lag: Lag | None = None) -> ProbeResult:
    name, work = _work(act, world)
    return await run_once(name, work, clock=world.net.clock, deadline=DEADLINE, lag=lag)


def _work(act: Step, world: World) -> tuple[str, Work]:
    net = world.net
    match act:
        case Probe(kind, target):
            if act.port_option is not None:
                target = replace(target, **{act.port_option: world.name_server_port})
            probe = KINDS[kind].probe
            return kind, lambda trace: probe(net, target, trace)
        case HandOver(route, target, canary):
            hand_over = ROUTES[route].hand_over
            return route, lambda trace: hand_over(net, target, canary, trace)
        case Copy():
            return "evidence", lambda trace: _examine(world, act, trace)


async def _examine(world: World, act: Copy, trace: Trace) -> None:
    """Return the evidence that the ledger would keep of a copy in the mailbox."""
    with trace.phase(Phase.FETCH):
        content = await _fetched(world, act)
    copy = ArrivedCopy(_record(), 0, False, Placement.INBOX, act.sent, act.times)
    trusted = MAILBOXES["imap"].trusted_authserv_ids(act.target)
    with trace.phase(Phase.EVALUATE):
        evidence = await examine_copy(world.net, copy, content, trusted)
    kept = unpack_document(pack_document(evidence))
    trace.findings.extend(map(decode_finding, kept["findings"]))


async def _fetched(world: World, act: Copy) -> Content:
    """The copy, as the watch of its mailbox fetches it."""
    wanting = _Wanting()
    watching = asyncio.ensure_future(
        MAILBOXES["imap"].watch(world.net, act.target, wanting, {}, wanting.report)
    )
    awaited: set[asyncio.Future[Any]] = {watching, wanting.content}
    try:
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        if not wanting.content.done():
            watching.result()
        return wanting.content.result()
    finally:
        watching.cancel()
        wanting.content.cancel()
        with suppress(asyncio.CancelledError):
            await watching


class _Wanting:
    """An `Interest` that waits for no canary and wants the copy of one that has arrived."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.room = asyncio.Semaphore()
        self.content: asyncio.Future[Content] = asyncio.get_running_loop().create_future()
        self._places = [MESSAGE]

    def tokens(self) -> Mapping[str, datetime]:
        return {}

    def is_fresh(self) -> bool:
        return False

    async def next_copy(self) -> Message:
        if not self._places:
            await asyncio.Event().wait()
        return self._places.pop()

    async def report(self, report: News) -> None:
        if isinstance(report, Content) and not self.content.done():
            self.content.set_result(report)


def _record() -> CanaryRecord:
    now = datetime.now(UTC)
    settled = (State.ARRIVED, Outcome.ARRIVED)
    return CanaryRecord(
        MESSAGE.token, "selftest", "inbox", 0, *settled, now, now, now, now, 60.0, 600.0
    )
