"""Diagnose a mail domain from where we stand: all areas at once, partial results always."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from datetime import datetime
from typing import Any

from exporter.analysis.target_changes import Values
from exporter.diagnose.areas import AREAS, Area
from exporter.diagnose.request import Request
from exporter.network import dialer_from, system_resolver
from probes.clock import Clock
from probes.lookups.mx_hosts import mx_records
from probes.net import Net, SessionCache
from probes.net.dns_answer import DnsStatus
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.registry.rows import KINDS
from probes.result import Failure, Phase, ProbeFailure, ProbeResult, Reason
from probes.run import run_once
from probes.trace import Line, LineListener, Listener, Step, Trace

MAX_TRANSCRIPT = 4_000
"""Lines of SMTP that are kept of one diagnosis."""


@dataclass(frozen=True, slots=True)
class AreaResult:
    """One area and the result of its run.

    `basis` is the failure of something that the area rests on, for an area that was not run.
    """

    area: Area
    result: ProbeResult
    basis: Failure | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """The values of a domain that a job of a service, of the kind of an area, stored in a good run.

    `good_at` is when that run began, None if that is not kept.
    """

    job: str
    kind: str
    good_at: datetime | None
    values: Values


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All results of a diagnosis; `is_interrupted` is True if a person ended it early.

    `remembered` are the stored values of a service, empty without one. `basis` is the failure that
    no area can be tested after: the domain does not exist, or our resolver answers nothing.
    `transcript` are the SMTP sessions, if they were wanted.
    """

    request: Request
    started_at: datetime
    seconds: float
    areas: tuple[AreaResult, ...]
    is_interrupted: bool
    remembered: tuple[Remembered, ...] = ()
    basis: Failure | None = None
    transcript: tuple[Line, ...] = ()


AreaListener = Callable[[str, Step], None]
"""Hears every step with the name of its area."""


def build_net(request: Request, clock: Clock) -> Net:
    """The network of a diagnosis."""
    servers, source = request.servers, request.options.get("source_address")
    resolver = Resolver(servers) if servers else system_resolver()
    dialer = dialer_from(source, allow_loopback=request.allow_loopback)
    return Net(resolver, dialer, TrustStore(clock=clock), clock, request.ehlo_name)


def areas_of(request: Request) -> tuple[Area, ...]:
    """Return those that are wanted."""
    return tuple(area for area in AREAS if not request.only or area.name in request.only)


async def diagnose(
    net: Net,
    request: Request,
    listener: AreaListener,
    stop: asyncio.Event,
    *,
    has_transcript: bool = False,
) -> Diagnosis:
    """Run every area at once. When `stop` is set they end where they are, and keep their results.

    Nothing is run for a domain that does not exist, or without a resolver. The areas share their
    sessions: one asks an address of an MX host, the others use the answer.
    """
    net = replace(net, sessions=SessionCache())
    started_at, began = net.clock.utc(), net.clock.monotonic()
    lines: list[Line] = []
    hear = _bounded(lines) if has_transcript else None
    rests_on = await _basis(net, request, stop)
    basis = None if _is_about_one_area(rests_on) else rests_on.failure
    wanted = areas_of(request)
    if basis is not None:
        areas = tuple(_not_run(area, rests_on, basis) for area in wanted)
    else:
        work = (_run(net, request, area, listener, stop, hear) for area in wanted)
        results = await asyncio.gather(*work)
        areas = tuple(AreaResult(*pair) for pair in zip(wanted, results, strict=True))
    return Diagnosis(
        request,
        started_at,
        net.clock.monotonic() - began,
        areas,
        stop.is_set(),
        basis=basis,
        transcript=tuple(lines),
    )


def _bounded(lines: list[Line]) -> LineListener:
    def hear(line: Line) -> None:
        if len(lines) < MAX_TRANSCRIPT:
            lines.append(line)

    return hear


async def _basis(net: Net, request: Request, stop: asyncio.Event) -> ProbeResult:
    """Run the questions that everything rests on: is there a resolver, does the domain exist?"""

    async def ask(trace: Trace) -> None:
        with trace.phase(Phase.DNS_MX):
            answer, root = await asyncio.gather(
                mx_records(net.resolver, request.domain), net.resolver.query(".", "NS")
            )
            if answer.status is DnsStatus.NXDOMAIN or (answer.is_ours and root.is_ours):
                answer.require()

    async def work(trace: Trace) -> None:
        await _until(stop, ask(trace), trace)

    return await run_once("domain", work, clock=net.clock, deadline=request.area_seconds)


def _is_about_one_area(result: ProbeResult) -> bool:
    """True if the areas can be run: then each meets with what there is to meet with."""
    failure = result.failure
    return failure is None or failure.reason in (Reason.UNTESTABLE, Reason.UNEXPECTED)


def _not_run(area: Area, result: ProbeResult, basis: Failure) -> AreaResult:
    return AreaResult(area, replace(result, kind=area.name, timings=()), basis)


def _for_area(listener: AreaListener, name: str) -> Listener:
    return lambda step: listener(name, step)


async def _run(
    net: Net,
    request: Request,
    area: Area,
    listener: AreaListener,
    stop: asyncio.Event,
    hear: LineListener | None,
) -> ProbeResult:
    kind = KINDS[area.name]
    target = build_target(kind.target, {"domain": request.domain, **request.options})

    async def work(trace: Trace) -> None:
        await _until(stop, kind.probe(net, target, trace), trace)

    return await run_once(
        area.name,
        work,
        clock=net.clock,
        deadline=request.area_seconds,
        listener=_for_area(listener, area.name),
        on_line=hear,
    )


def build_target(shape: type, values: Mapping[str, Any]) -> Any:
    """A target with those of `values` it has an option for and that are not None."""
    names = {field.name for field in fields(shape)}
    missing = [
        field.name
        for field in fields(shape)
        if field.default is MISSING and values.get(field.name) is None
    ]
    if missing:
        raise TypeError(f"{shape.__name__} needs {', '.join(missing)}")
    return shape(**{k: v for k, v in values.items() if k in names and v is not None})


async def _until(stop: asyncio.Event, work: Any, trace: Trace) -> None:
    """Do the work unless somebody stops it: then it is cancelled, and the run is untestable."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ProbeFailure(Reason.UNTESTABLE, "interrupted before its end", phase=trace.current)
        task.result()
    finally:
        task.cancel()
        stopped.cancel()
        await asyncio.gather(task, stopped, return_exceptions=True)
