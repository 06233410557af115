"""The request of a diagnosis, read from the command line.

Loads nothing heavy, so that the first line and every complaint come at once.
"""

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from exporter.reports.own_address import local_address
from probes.records import RecordError
from probes.records.address import parse_address, parse_domain

MAX_TARGET = 1000
"""Characters of a domain or an address that are looked at."""

AREA_NAMES = ("mx", "policy", "sender", "nameservers")
"""The names of AREAS, which would load every probe: that takes half a second."""

MAX_SERVERS = 8
MAX_SECONDS = 600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ANYWHERE = ("192.0.2.1", 53)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `options` are passed to every kind that has an option of the name.

    `servers` are the resolvers to ask, empty for the system's. `seconds` bounds each area. `note`
    tells how the typed text was read, "" if it needs no word. `config` is the file of the service
    whose ledger may know the domain. `allow_loopback`: also connect to this machine.
    """

    typed: str
    domain: str
    address: str | None
    only: tuple[str, ...]
    options: Mapping[str, Any]
    servers: tuple[tuple[str, int], ...]
    ehlo_name: str
    seconds: float
    note: str = ""
    config: str | None = None
    allow_loopback: bool = False


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
    config: str | None = None
    broken_name: str | None = None
    rcpt: bool = False
    catch_all: bool = False
    open_relay: bool = False
    allow_loopback: bool = False


def prepare(options: Mapping[str, Any]) -> Request | None:
    """Read the command line and print the first line; None after a complaint about it."""
    typed = Typed(**options)
    try:
        request = read_request(typed)
    except ValueError as error:
        sys.stderr.write(f"mailcanary: {error}\n")
        return None
    if not typed.as_json:
        sys.stdout.write(f"{opening(request)}\n")
        sys.stdout.flush()
    return request


def opening(request: Request) -> str:
    """Return the first line: the domain, our EHLO name, and the resolver."""
    asked = ", ".join(address for address, _ in request.servers) or "the system's resolver"
    line = f"{request.address or request.domain}  as {request.ehlo_name}, asking {asked}"
    return f"{line}\n{request.note}" if request.note else line


def read_request(typed: Typed) -> Request:
    """Return the request. Raises ValueError with one line for people."""
    domain, address, note = read_target(typed.target)
    options: dict[str, Any] = {
        "port": _port(typed.smtp_port),
        "source_address": _ip("--source-address", typed.source_address),
        "ehlo_name": _ehlo_name(typed.helo),
        "mail_from": _address("--from", typed.mail_from),
        "sending_ips": tuple(filter(None, (_ip("--sending-ip", ip) for ip in typed.sending_ip))),
        "selectors": tuple(_domain("--selector", name) for name in typed.selector),
        "broken_name": typed.broken_name and _domain("--broken-name", typed.broken_name),
        "recipient": address if typed.rcpt else None,
        "postmaster": typed.rcpt,
        "catch_all": typed.catch_all,
        "open_relay": typed.open_relay,
    }
    if len(typed.resolver) > MAX_SERVERS:
        raise ValueError(f"--resolver: at most {MAX_SERVERS} servers")
    servers = tuple(map(read_server, typed.resolver))
    source = options["source_address"] or local_address(servers[0] if servers else _ANYWHERE)
    return Request(
        typed.target,
        domain,
        address,
        _only(typed.only),
        options,
        servers,
        options["ehlo_name"] or own_name(source),
        _seconds(typed.timeout),
        note,
        typed.config,
        typed.allow_loopback,
    )


def _only(text: str | None) -> tuple[str, ...]:
    chosen = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    unknown = [word for word in chosen if word not in AREA_NAMES]
    if unknown:
        raise ValueError(f"--only {unknown[0][:40]!r}: the areas are {', '.join(AREA_NAMES)}")
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
        return parse_domain(text.strip().removesuffix("."))
    except RecordError as error:
        raise ValueError(f"{option}: {error}") from error


def _address(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(parse_address(text))
    except RecordError as error:
        raise ValueError(f"{option}: {error}") from error


def read_target(typed: str) -> tuple[str, str | None, str]:
    """Return the domain, the address (None for a domain alone) and a note on how the text was read.

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


def own_name(address: str) -> str:
    """The machine's name where it is a qualified one, else the address as a literal."""
    name = socket.gethostname().rstrip(".")
    if "." in name and name.isascii():
        return name
    # RFC 5321 §4.1.1.1: a client without a name gives an address literal
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
