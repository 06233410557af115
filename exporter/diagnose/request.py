"""The requests of `mailcanary diagnose`, read from the command line.

Loads nothing heavy, so that the first line and every complaint come at once.
"""

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import ip_address
from textwrap import wrap
from typing import Any
from urllib.parse import urlsplit

from exporter.reports.own_address import address_to_the_internet
from probes.records import RecordError
from probes.records.address import parse_address, parse_domain

MAX_TARGET = 1000
"""Characters of a domain or an address that are looked at."""

AREA_NAMES = ("mx", "policy", "sender", "nameservers")
"""The names of AREAS, which would load every probe: that takes half a second."""

WIDTH = 80
"""Columns of the first lines."""

MAX_TARGETS = 100
"""Domains of one call."""

MAX_SERVERS = 8
MAX_SECONDS = 600.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Format(StrEnum):
    """The form of the answer."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Shape:
    """The form of the answer, and how much it tells."""

    format: Format = Format.TEXT
    is_brief: bool = False
    is_verbose: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `options` are passed to every kind that has an option of the name.

    `servers` are the resolvers to ask, empty for the system's. `seconds` is the longest wait for
    one server. `note` tells how the typed text was read, "" if it needs no word. `config` is the
    file of the service whose ledger may know the domain. `allow_loopback`: also connect
    to this machine.
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

    @property
    def subject(self) -> str:
        """The address, or the domain where no address was given."""
        return self.address or self.domain

    @property
    def area_seconds(self) -> float:
        """The longest time of an area: one server may take its whole time, and leaves some."""
        return 2 * self.seconds


@dataclass(frozen=True, slots=True)
class Orders:
    """All that one call asks for."""

    requests: tuple[Request, ...]
    shape: Shape


@dataclass(frozen=True, slots=True)
class Typed:
    """The options of the command as they were typed, for one target.

    `rcpt` is None where nothing was said: then an address is asked for, and a domain is not.
    """

    target: str
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
    rcpt: bool | None = None
    catch_all: bool = False
    open_relay: bool = False
    allow_loopback: bool = False


def prepare(options: Mapping[str, Any]) -> Orders | None:
    """Read the command line and print how it was read; None after a complaint about it."""
    try:
        orders = read_orders(options)
    except ValueError as error:
        sys.stderr.write(f"mailcanary: {error}\n")
        return None
    if orders.shape.format is Format.TEXT and not orders.shape.is_brief:
        for request in orders.requests:
            sys.stderr.write(f"{opening(request)}\n")
        sys.stderr.flush()
    return orders


def read_orders(options: Mapping[str, Any]) -> Orders:
    """Read the command line. Raises ValueError with one line for people."""
    targets = options["targets"]
    if len(targets) > MAX_TARGETS:
        raise ValueError(f"{len(targets)} domains: at most {MAX_TARGETS} in one call")
    names = {field.name for field in fields(Typed)}
    shared = {name: value for name, value in options.items() if name in names}
    requests = tuple(read_request(Typed(target, **shared)) for target in targets)
    return Orders(requests, _shape(options))


def _shape(options: Mapping[str, Any]) -> Shape:
    typed = options.get("format") or (Format.JSON if options.get("as_json") else Format.TEXT)
    if typed not in frozenset(Format):
        raise ValueError(f"--format {typed[:40]!r}: the formats are {', '.join(Format)}")
    shape = Shape(Format(typed), bool(options.get("brief")), bool(options.get("verbose")))
    if options.get("as_json") and shape.format is not Format.JSON:
        raise ValueError("--json and --format: choose one of them")
    if shape.is_brief and shape.is_verbose:
        raise ValueError("--brief and --verbose: choose one of them")
    if shape.is_brief and shape.format is Format.JSON:
        raise ValueError("--brief: JSON has the whole tree")
    return shape


def opening(request: Request) -> str:
    """Return the first line: the domain, our EHLO name, and the resolver."""
    lines = [f"{shortened(request.subject, WIDTH // 2)}  {manner(request)}", request.note]
    return "\n".join(part for line in lines for part in wrap(line, WIDTH))


def shortened(text: str, width: int) -> str:
    """Return the text, cut in its middle if it is longer."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[head + 1 - width :]}"


def manner(request: Request) -> str:
    """Return how we ask: our EHLO name, and the resolver."""
    asked = ", ".join(address for address, _ in request.servers) or "the system's resolver"
    return f"as {request.ehlo_name}, asking {asked}"


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
        "recipient": None if typed.rcpt is False else address,
        "postmaster": typed.rcpt is True,
        "catch_all": typed.catch_all,
        "open_relay": typed.open_relay,
        "by_default": True,
    }
    if len(typed.resolver) > MAX_SERVERS:
        raise ValueError(f"--resolver: at most {MAX_SERVERS} servers")
    servers = tuple(map(read_server, typed.resolver))
    source = options["source_address"] or address_to_the_internet(servers)
    seconds = _seconds(typed.timeout)
    options |= {"address_timeout": seconds, "policy_timeout": seconds}
    return Request(
        typed.target,
        domain,
        address,
        _only(typed.only),
        options,
        servers,
        options["ehlo_name"] or own_name(source),
        seconds,
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
