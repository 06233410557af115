"""`mailcanary diagnose`: read what was typed, run, show; Ctrl-C ends it with what is known."""

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import uvloop
from rich.console import Console

from exporter.diagnose import (
    AREAS,
    Diagnosis,
    Request,
    build_net,
    diagnose,
    exit_code,
    read_server,
    read_target,
)
from exporter.diagnose_advice import document, problems
from exporter.diagnose_view import LiveTree, PlainLines, opening, report
from exporter.terminal import ExitCode, complain, say
from probes.clock import SYSTEM_CLOCK
from probes.net import Net
from probes.records import RecordError
from probes.records.address import parse_address, parse_domain

MAX_SECONDS = 600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}


@dataclass(frozen=True, slots=True)
class Typed:
    """The options of the command as they were typed."""

    target: str
    as_json: bool = False
    mail_from: str | None = None
    sending_ip: tuple[str, ...] = ()
    helo: str | None = None
    selector: tuple[str, ...] = ()
    resolver: tuple[str, ...] = ()
    smtp_port: int = 25
    source_address: str | None = None
    timeout: str = "30s"
    only: str | None = None
    rcpt: bool = False
    catch_all: bool = False
    open_relay: bool = False


def diagnose_now(options: Mapping[str, Any]) -> int:
    """`mailcanary diagnose`; `options` are the fields of `Typed`."""
    typed = Typed(**options)
    try:
        request = read_request(typed)
        servers = tuple(read_server(text) for text in typed.resolver[:8])
        net = build_net(servers, typed.source_address, typed.helo, SYSTEM_CLOCK)
    except ValueError as error:
        complain(f"mailcanary: {error}")
        return ExitCode.USAGE
    console = Console(stderr=typed.as_json, quiet=typed.as_json, highlight=False)
    resolvers = ", ".join(address for address, _ in net.resolver.servers)
    console.print(opening(request, net.ehlo_name, resolvers))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        diagnosis = runner.run(_watched(net, request, console))
        found = problems(diagnosis, net)
    if typed.as_json:
        say(json.dumps(document(diagnosis, net), indent=2))
    else:
        console.print(report(diagnosis, found, console.width))
    return exit_code(diagnosis)


async def _watched(net: Net, request: Request, console: Console) -> Diagnosis:
    """Run it under a view; the first SIGINT stops the areas, the second one everything."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, _once(loop, stop))
    view = LiveTree(console, request.areas) if console.is_terminal else PlainLines(console)
    try:
        with view:
            return await diagnose(net, request, view.hear, stop)
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _once(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Callable[[], None]:
    def handle() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    return handle


def read_request(typed: Typed) -> Request:
    """What is to be done. Raises ValueError with one line for people."""
    domain, address, note = read_target(typed.target)
    options: dict[str, Any] = {
        "port": _port(typed.smtp_port),
        "source_address": _ip("--source-address", typed.source_address),
        "ehlo_name": _ehlo_name(typed.helo),
        "mail_from": _address("--from", typed.mail_from),
        "sending_ips": tuple(filter(None, (_ip("--sending-ip", ip) for ip in typed.sending_ip))),
        "selectors": tuple(_domain("--selector", name) for name in typed.selector),
        "recipient": address if typed.rcpt else None,
        "postmaster": typed.rcpt,
        "catch_all": typed.catch_all,
        "open_relay": typed.open_relay,
    }
    return Request(
        typed.target, domain, address, _only(typed.only), options, _seconds(typed.timeout), note
    )


def _only(text: str | None) -> tuple[str, ...]:
    known = [area.name for area in AREAS]
    chosen = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    unknown = [word for word in chosen if word not in known]
    if unknown:
        raise ValueError(f"--only {unknown[0][:40]!r}: the areas are {', '.join(known)}")
    return chosen


def _seconds(text: str) -> float:
    number = text.rstrip("ms")
    unit = text[len(number) :]
    try:
        seconds = float(number) * _UNITS[unit]
    except (KeyError, ValueError) as error:
        raise ValueError(f"--timeout {text[:40]!r}: write 500ms, 30s or 2m") from error
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"--timeout {text[:40]!r}: more than 0 and at most {MAX_SECONDS:g} s")
    return seconds


def _port(port: int) -> int:
    if not 0 < port < 65536:
        raise ValueError(f"--smtp-port {port}: 1 to 65535")
    return port


def _ip(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ValueError(f"{option} {text[:80]!r}: no IP address") from error


def _ehlo_name(text: str | None) -> str | None:
    """RFC 5321 §4.1.1.1: a domain, or an address literal."""
    if text is None or (text.startswith("[") and text.endswith("]")):
        return _literal(text) if text else None
    return _domain("--helo", text)


def _literal(text: str) -> str:
    _ip("--helo", text[1:-1].removeprefix("IPv6:"))
    return text


def _domain(option: str, text: str) -> str:
    try:
        return parse_domain(text)
    except RecordError as error:
        raise ValueError(f"{option}: {error}") from error


def _address(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(parse_address(text))
    except RecordError as error:
        raise ValueError(f"{option}: {error}") from error
