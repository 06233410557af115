"""Diagnose a mail domain from where we stand: all areas at once, partial results always."""

import asyncio
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from exporter.terminal import ExitCode
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.records import RecordError
from probes.records.address import parse_address, parse_domain
from probes.registry import KINDS
from probes.result import Finding, Owner, ProbeFailure, ProbeResult, Reason, Status
from probes.run import run_once
from probes.trace import Listener, Step, Trace

MAX_TARGET = 1000
"""Characters of a domain or an address that are looked at."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Area:
    """What is diagnosed by one kind of probe, and the sentences for its good and its bad end."""

    name: str
    title: str
    good: str
    bad: str


AREAS = (
    Area(
        "mx",
        "Receiving mail",
        "mail for {domain} is taken",
        "mail for {domain} cannot be delivered",
    ),
    Area(
        "policy",
        "Transport security",
        "what {domain} promises about TLS is kept",
        "senders that hold {domain} to its word do not deliver",
    ),
    Area(
        "sender",
        "Sending mail",
        "receivers can tell mail of {domain} from forged mail",
        "mail of {domain} is refused or taken for forged",
    ),
    Area(
        "nameservers",
        "Name servers",
        "the name servers of {domain} agree",
        "the name servers of {domain} are in trouble",
    ),
)
"""The areas in the order of the report; one whose kind is not registered is left out."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be diagnosed. `options` are passed to every kind that has an option of the name.

    `seconds` bounds each area. `note` says what was made of the text that was typed, "" for
    nothing worth saying.
    """

    typed: str
    domain: str
    address: str | None
    only: tuple[str, ...]
    options: Mapping[str, Any]
    seconds: float
    note: str = ""

    @property
    def areas(self) -> tuple[Area, ...]:
        """Those that are wanted and whose kind there is."""
        return tuple(
            area
            for area in AREAS
            if area.name in KINDS and (not self.only or area.name in self.only)
        )


@dataclass(frozen=True, slots=True)
class AreaResult:
    """One area and what its run said."""

    area: Area
    result: ProbeResult


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was found; `is_interrupted` says that somebody did not wait for the end."""

    request: Request
    started_at: datetime
    seconds: float
    areas: tuple[AreaResult, ...]
    is_interrupted: bool


AreaListener = Callable[[str, Step], None]
"""Hears every step with the name of its area."""


def read_target(typed: str) -> tuple[str, str | None, str]:
    """The domain, the address (None for a domain alone) and what was made of the text.

    Brackets, `mailto:`, a final dot and the rest of a URL are taken off; any script is taken.
    Raises ValueError with one line for people.
    """
    if len(typed) > MAX_TARGET:
        raise ValueError(f"{len(typed)} characters are no domain (255 is the longest)")
    text, note = typed.strip(), ""
    if _URL.match(text):
        text = _host_of_url(text)
        note = f"a URL was given; its host is {text!r}"
    if text.lower().startswith("mailto:"):
        text = text[7:]
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    text = text.removesuffix(".")
    _refuse_ip(text.rpartition("@")[2])
    try:
        address = str(parse_address(text)) if "@" in text else None
        domain = parse_address(text).domain if address else parse_domain(text)
    except RecordError as error:
        raise ValueError(str(error)) from error
    if not text.isascii():
        note = f"asked for in A-labels: {domain}"
    return domain, address, note


def _host_of_url(text: str) -> str:
    try:
        host = urlsplit(text).hostname
    except ValueError as error:
        raise ValueError(f"not a domain, and no URL either: {text[:80]!r}") from error
    if not host:
        raise ValueError(f"a URL without a host: {text[:80]!r}")
    return host


def _refuse_ip(text: str) -> None:
    bare = text.strip("[]").removeprefix("IPv6:")
    try:
        ip_address(bare)
    except ValueError:
        return
    raise ValueError(f"{bare} is an IP address, which has no MX records; name a mail domain")


def read_server(text: str) -> tuple[str, int]:
    """A DNS server of `IP`, `IP:PORT` or `[IPv6]:PORT`. Raises ValueError."""
    address, separator, port = text.rpartition(":")
    if not separator or (":" in address and not address.startswith("[")):
        address, port = text, "53"
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise ValueError(f"--resolver {text[:80]!r}: {port[:20]!r} is no port")
    address = address.strip("[]")
    try:
        ip_address(address)
    except ValueError as error:
        raise ValueError(f"--resolver {text[:80]!r}: no IP address") from error
    return address, int(port)


def build_net(
    servers: tuple[tuple[str, int], ...], source: str | None, ehlo_name: str | None, clock: Any
) -> Net:
    """The network of a diagnosis; without servers those of the system are asked."""
    resolver = Resolver(servers, clock) if servers else Resolver.from_system(clock=clock)
    is_v6 = source is not None and ":" in source
    dialer = Dialer(source_v4=None if is_v6 else source, source_v6=source if is_v6 else None)
    name = ehlo_name or own_name(source or local_address(resolver.servers[0]))
    return Net(resolver, dialer, TrustStore(clock=clock), clock, name)


def own_name(address: str) -> str:
    """The machine's name where it is a qualified one, else the address as a literal."""
    name = socket.gethostname().rstrip(".")
    if "." in name and name.isascii():
        return name
    # RFC 5321 §4.1.1.1: a client without a name gives an address literal
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def local_address(server: tuple[str, int]) -> str:
    """The address from which packets to `server` leave; sends none. 127.0.0.1 without a route."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(server)
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])


async def diagnose(
    net: Net, request: Request, listener: AreaListener, stop: asyncio.Event
) -> Diagnosis:
    """Run every area at once. When `stop` is set they end where they are, with what they know."""
    started_at, began = net.clock.utc(), net.clock.monotonic()
    results = await asyncio.gather(
        *(_run(net, request, area, _for_area(listener, area.name), stop) for area in request.areas)
    )
    return Diagnosis(
        request,
        started_at,
        net.clock.monotonic() - began,
        tuple(AreaResult(*pair) for pair in zip(request.areas, results, strict=True)),
        stop.is_set(),
    )


def _for_area(listener: AreaListener, name: str) -> Listener:
    return lambda step: listener(name, step)


async def _run(
    net: Net, request: Request, area: Area, listener: Listener, stop: asyncio.Event
) -> ProbeResult:
    kind = KINDS[area.name]
    target = build_target(kind.target, {"domain": request.domain, **request.options})

    async def work(trace: Trace) -> None:
        await _until(stop, kind.probe(net, target, trace), trace)

    return await run_once(
        area.name, work, clock=net.clock, deadline=request.seconds, listener=listener
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


def findings_of(result: ProbeResult) -> tuple[Finding, ...]:
    """The findings of a run and its parts."""
    return (*result.findings, *(f for part in result.parts for f in part.findings))


def takes_no_mail(result: ProbeResult) -> bool:
    """True when the domain says so itself: that is an answer, not a defect."""
    return result.failure is not None and result.failure.reason is Reason.NULL_MX


def area_code(one: AreaResult) -> ExitCode:
    """How an area ended: 2 where something is broken, 1 a warning, 3 it could not be tested."""
    failure = one.result.failure
    if failure is not None and not takes_no_mail(one.result):
        return ExitCode.UNTESTABLE if failure.is_untestable else ExitCode.FAILURE
    return _code_of({finding.status for finding in findings_of(one.result)})


def _code_of(statuses: Iterable[Status]) -> ExitCode:
    found = set(statuses)
    if Status.FAILURE in found:
        return ExitCode.FAILURE
    return ExitCode.WARNING if Status.WARNING in found else ExitCode.OK


def exit_code(diagnosis: Diagnosis) -> ExitCode:
    """The gravest of the areas; what could not be tested counts where nothing is broken."""
    codes = {area_code(one) for one in diagnosis.areas}
    for code in (ExitCode.FAILURE, ExitCode.UNTESTABLE, ExitCode.WARNING):
        if code in codes:
            return code
    return ExitCode.OK


def verdict(one: AreaResult, domain: str) -> str:
    """A plain sentence about an area."""
    result, area, code = one.result, one.area, area_code(one)
    if takes_no_mail(result):
        return f"{domain} says that it takes no mail (null MX)."
    if result.failure is not None and code is ExitCode.UNTESTABLE:
        return f"This could not be tested from here: {result.failure.detail}."
    if result.failure is not None:
        return f"{_sentence(area.bad, domain)}: {result.failure.detail}."
    counts = _counted(result)
    said = _sentence(area.good, domain)
    if area.name == "mx" and result.parts:
        said += _how_many(result)
    return f"{said}{'; ' + counts if counts else ''}."


def _sentence(text: str, domain: str) -> str:
    if text.startswith("{domain}"):
        return text.format(domain=domain)
    return text[0].upper() + text[1:].format(domain=domain)


def _how_many(result: ProbeResult) -> str:
    good = [part for part in result.parts if part.ok]
    secure = sum(part.facts.get("tls.version") is not None for part in good)
    trusted = sum(bool(part.facts.get("tls.trusted")) for part in good)
    return (
        f" at {len(good)} of {len(result.parts)} addresses, at {secure} of them under TLS, "
        f"at {trusted} with a certificate to be trusted"
    )


def _counted(result: ProbeResult) -> str:
    statuses = [finding.status for finding in findings_of(result)]
    words = {
        Status.FAILURE: ("thing is broken", "things are broken"),
        Status.WARNING: ("warning", "warnings"),
        Status.UNTESTABLE: ("thing could not be tested", "things could not be tested"),
    }
    counted = ((statuses.count(status), *forms) for status, forms in words.items())
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted if n)


def owner_words(owner: Owner) -> str:
    """An owner for people."""
    return {
        Owner.US: "us, the sender",
        Owner.OUR_DNS: "our resolver",
        Owner.NETWORK: "the network between",
        Owner.THEIR_DNS: "their DNS",
        Owner.THEIR_MX: "their mail server",
        Owner.THEIR_FILTER: "their filter",
        Owner.THEIR_MAILBOX: "their mailbox",
        Owner.MONITOR: "this monitor",
    }[owner]
