"""An authoritative DNS server on loopback: zones as data, failures as data."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone

from exporter.testbed.servers.connection import stop_serving
from exporter.testbed.servers.dns_messages import (
    MUTE,
    NO_EDNS,
    TRUNCATING,
    TRUTHFUL,
    UNCHECKED,
    Misbehaviour,
    before_edns,
    guesses,
    truncated,
    untrue,
)

MAX_QUERIES_KEPT = 1000
"""Queries `DnsServer.queries` remembers; the oldest are forgotten first."""

_MAX_DELAYED = 1000
_MAX_CHAIN = 16
_TCP_IDLE_SECONDS = 10.0
_BIND_ATTEMPTS = 16
_GUESSES = 150
_DRIP_SECONDS = 0.2

_COMMON_RECORDS = """\
$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""


@dataclass(frozen=True, slots=True)
class DnsFault:
    """How one name misbehaves: after `delay` seconds, with `misbehaviour` (None: the truth)."""

    misbehaviour: Misbehaviour | None = None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Query:
    """One question the server was asked; `name` in lower case without final dot."""

    name: str
    rdtype: str
    over_tcp: bool
    wants_dnssec: bool


@dataclass(frozen=True, slots=True)
class _Response:
    """Response to one query: `messages` after `delay` seconds, sent as `misbehaviour` has it."""

    messages: tuple[bytes, ...] = ()
    delay: float = 0.0
    misbehaviour: Misbehaviour | None = None


Faults = Mapping[tuple[str, str], DnsFault]
"""Faults by (name, type); "*" as a type or as a name stands for every one of them."""


class DnsServer:
    """Serves `zones` (origin -> master file text) over UDP and TCP on one port of `address`.

    SOA, NS and the name server's address are added to a zone's text. A name outside of the zones is
    REFUSED. `faults` may be changed while the server runs, and `load` replaces a zone. Answers from
    the origins in `authenticated` carry the AD flag, as if a validating resolver had spoken. Raises
    dns.exception.DNSException for a zone that cannot be read.
    """

    def __init__(
        self,
        zones: Mapping[str, str],
        faults: Faults | None = None,
        *,
        authenticated: Collection[str] = (),
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.address = address
        self.port = port
        self.faults: dict[tuple[str, str], DnsFault] = dict(faults or {})
        self.queries: deque[Query] = deque(maxlen=MAX_QUERIES_KEPT)
        self._heard = asyncio.Event()
        self._authenticated = {dns.name.from_text(origin) for origin in authenticated}
        self._zones: dict[dns.name.Name, dns.zone.Zone] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._delayed: set[asyncio.TimerHandle] = set()
        for origin, text in zones.items():
            self.load(origin, text)

    def load(self, origin: str, text: str) -> None:
        """Serve `text` as the zone `origin` from now on."""
        zone = dns.zone.from_text(_COMMON_RECORDS + text, origin, relativize=False)
        self._zones[dns.name.from_text(origin)] = zone

    async def asked(self) -> None:
        """Wait for the next query; one that came since the last such wait is that query."""
        await self._heard.wait()
        self._heard.clear()

    async def __aenter__(self) -> Self:
        udp, tcp = _bound_pair(self.address, self.port)
        self.port = udp.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._hear), sock=udp)
        self._tcp = await asyncio.start_server(self._accept, sock=tcp)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            await stop_serving(self._tcp)
        for handle in self._delayed:
            handle.cancel()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # the event loop drops aborted connections in its next turn

    def _hear(self, wire: bytes, peer: tuple[str, int]) -> None:
        """A datagram came in."""
        response = self._respond(wire, over_tcp=False)
        if response.delay == 0:
            self._send(response, peer)
        elif len(self._delayed) < _MAX_DELAYED:
            loop = asyncio.get_running_loop()
            handle = loop.call_later(response.delay, self._send_late, response, peer)
            self._delayed.add(handle)

    def _send_late(self, response: _Response, peer: tuple[str, int]) -> None:
        now = asyncio.get_running_loop().time()
        self._delayed = {handle for handle in self._delayed if handle.when() > now}
        self._send(response, peer)

    def _send(self, response: _Response, peer: tuple[str, int]) -> None:
        if self._udp is None or self._udp.is_closing():
            return
        if response.misbehaviour is Misbehaviour.WRONG_SOURCE:
            _send_from_elsewhere(response.messages, peer)
            return
        for message in response.messages:
            self._udp.sendto(message, peer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(lambda _: writer.transport.abort())  # it may end before it begins
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (OSError, EOFError, TimeoutError):
            return  # the client has gone, or says nothing more

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every message of one TCP connection until it is closed, idle or cut by a fault."""
        while True:
            async with asyncio.timeout(_TCP_IDLE_SECONDS):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                wire = await reader.readexactly(length)
            response = self._respond(wire, over_tcp=True)
            await asyncio.sleep(response.delay)
            if not response.messages:
                return
            framed = b"".join(struct.pack("!H", len(m)) + m for m in response.messages)
            if response.misbehaviour in _TCP_ENDINGS:
                await _TCP_ENDINGS[response.misbehaviour](framed, reader, writer)
                return
            writer.write(framed)
            await writer.drain()

    def _respond(self, wire: bytes, *, over_tcp: bool) -> _Response:
        """Return the response to a query; it has no message at all for silence."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, ValueError, IndexError):
            return _Response()
        name = question.name.to_text(omit_final_dot=True).lower()
        rdtype = dns.rdatatype.to_text(question.rdtype)
        self.queries.append(Query(name, rdtype, over_tcp, bool(query.ednsflags & dns.flags.DO)))
        self._heard.set()
        fault = self._fault(name, rdtype)
        message = self._message(fault.misbehaviour, query, over_tcp=over_tcp)
        messages = () if message is None else (message,)
        if fault.misbehaviour is Misbehaviour.FORGERIES and not over_tcp:
            messages = (*guesses(query, _GUESSES), *messages)
        return _Response(messages, fault.delay, fault.misbehaviour)

    def _fault(self, name: str, rdtype: str) -> DnsFault:
        for key in ((name, rdtype), (name, "*"), ("*", rdtype), ("*", "*")):
            if key in self.faults:
                return self.faults[key]
        return DnsFault()

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the answer of the zones, following CNAMEs as far as they lead inside of them."""
        response = dns.message.make_response(query, recursion_available=True)
        question = query.question[0]
        name = question.name
        for _ in range(_MAX_CHAIN):
            zone = self._zone_of(name)
            if zone is None:
                if name == question.name:
                    response.set_rcode(dns.rcode.REFUSED)
                return response
            self._mark(response, zone)
            found = _find(zone, name, question.rdtype)
            if found is None:
                _deny(response, zone, name)
                return response
            response.answer.append(found)
            if found.rdtype == question.rdtype:
                return response
            name = found[0].target
        return response

    def _mark(self, response: dns.message.Message, zone: dns.zone.Zone) -> None:
        response.flags |= dns.flags.AA
        is_first = not response.answer  # AD speaks of the whole chain, RFC 4035 §3.2.3
        if zone.origin in self._authenticated and (is_first or response.flags & dns.flags.AD):
            response.flags |= dns.flags.AD
        else:
            response.flags &= ~dns.flags.AD

    def _zone_of(self, name: dns.name.Name) -> dns.zone.Zone | None:
        """The closest zone above (or at) a name."""
        origins = [origin for origin in self._zones if name.is_subdomain(origin)]
        return self._zones[max(origins, key=len)] if origins else None

    def _message(
        self, misbehaviour: Misbehaviour | None, query: dns.message.Message, *, over_tcp: bool
    ) -> bytes | None:
        """Return the message to send, None for nothing."""
        if misbehaviour in NO_EDNS:
            if query.edns >= 0 and misbehaviour is not Misbehaviour.NO_EDNS_IGNORED:
                return before_edns(misbehaviour, query)
            query.use_edns(False)
            misbehaviour = None
        if misbehaviour in TRUNCATING and not over_tcp:
            return truncated(query)
        if misbehaviour in MUTE or (misbehaviour is Misbehaviour.UDP_ONLY and over_tcp):
            return None
        is_unchecked = bool(query.flags & dns.flags.CD) and misbehaviour in UNCHECKED
        if misbehaviour is None or misbehaviour in TRUTHFUL or is_unchecked:
            return _sized(self._answer(query), query, over_tcp=over_tcp)
        return untrue(misbehaviour, query)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._hear(data, addr)


def _bound_pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A UDP and a listening TCP socket on the same port; OSError when there is no such port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for attempt in range(_BIND_ATTEMPTS):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            udp.bind((address, port))
            tcp.bind((address, udp.getsockname()[1]))
            tcp.listen()
        except OSError:
            udp.close()
            tcp.close()
            if port or attempt == _BIND_ATTEMPTS - 1:
                raise
        else:
            udp.setblocking(False)
            tcp.setblocking(False)
            return udp, tcp
    raise AssertionError("the loop returns or raises")


def _find(
    zone: dns.zone.Zone, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
) -> dns.rrset.RRset | None:
    """The records asked for, or the CNAME that stands in their place."""
    for kind in (rdtype, dns.rdatatype.CNAME):
        with suppress(KeyError):
            return zone.find_rrset(name, kind)
    return None


def _deny(response: dns.message.Message, zone: dns.zone.Zone, name: dns.name.Name) -> None:
    """NODATA or NXDOMAIN, with the SOA that says for how long, RFC 2308 §2."""
    if zone.origin is None:
        raise ValueError("a zone without an origin")
    if not any(known.is_subdomain(name) for known in zone.nodes):
        response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(zone.find_rrset(zone.origin, dns.rdatatype.SOA))


def _sized(response: dns.message.Message, query: dns.message.Message, *, over_tcp: bool) -> bytes:
    """The message, or only its beginning with TC where the client cannot take it, RFC 6891 §6.2."""
    room = 0xFFFF if over_tcp else max(512, query.payload if query.edns >= 0 else 512)
    try:
        return response.to_wire(max_size=room)
    except dns.exception.TooBig:
        return truncated(query)


def _send_from_elsewhere(messages: Collection[bytes], peer: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for message in messages:
            sock.sendto(message, peer)


async def _tcp_silence(_: bytes, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await reader.read()


async def _tcp_drip(framed: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for index in range(len(framed)):
        if writer.is_closing():
            return
        writer.write(framed[index : index + 1])
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)


async def _tcp_cut(framed: bytes, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(framed[: len(framed) // 2])
    await writer.drain()


async def _tcp_long(
    framed: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(b"\xff\xff" + framed[2:])
    await writer.drain()
    await reader.read()


_TCP_ENDINGS = {
    Misbehaviour.TCP_SILENCE: _tcp_silence,
    Misbehaviour.TCP_DRIP: _tcp_drip,
    Misbehaviour.TCP_CUT: _tcp_cut,
    Misbehaviour.TCP_LONG: _tcp_long,
}
"""Misbehaviours after which a TCP connection is of no use."""
