"""The stream under every session: bounded, one change to TLS, one end with its reason."""

import asyncio
import socket
import struct

import pytest
import uvloop

from probes.net.dial import Dialer
from probes.net.errors import NetError
from probes.net.stream import MAX_UNREAD, OctetStream
from probes.net.tls import SHUTDOWN_TIMEOUT
from probes.result import Reason
from tests.servers.certificates import Authority
from tests.servers.streams import conversing

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

NAME = "pop.example.test"
ONE_READ = 256 * 1024
"""Octets that an event loop hands over at once, at the most."""


class Watched(OctetStream):
    """Notes how many octets it held at most, and how often it was told of an end."""

    def __init__(self, awaited: int = 0) -> None:
        super().__init__("peer")
        self._awaited = awaited
        self.all_came = asyncio.Event()
        self.taken = 0
        self.came = 0
        self.most = 0
        self.ends = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.came += len(data)
        self.most = max(self.most, self.came - self.taken)
        if self.came >= self._awaited:
            self.all_came.set()

    def ended(self, failure: object) -> None:
        self.ends += 1

    async def read(self, size: int) -> bytes:
        data = await super().read(size)
        self.taken += len(data)
        return data


async def test_a_flood_waits_with_the_peer_and_nothing_of_it_is_lost() -> None:
    size = 4 * 1024 * 1024

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * size)
        await writer.drain()
        writer.close()

    async with asyncio.timeout(20), conversing(flood) as port:
        stream = await Dialer().open(Watched, "127.0.0.1", port)
        while await stream.read(4096):
            assert stream.most <= MAX_UNREAD + ONE_READ
        assert stream.taken == size
        stream.close()
        await stream.wait_gone(SHUTDOWN_TIMEOUT)
        assert stream.ends == 1


async def test_tls_does_not_begin_behind_octets_that_were_not_asked_for(
    authority: Authority,
) -> None:
    said = b"+OK begin\r\n+OK forged\r\n"

    async def inject(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(said)
        await reader.read()

    async with asyncio.timeout(20), conversing(inject) as port:
        stream = await Dialer().open(lambda: Watched(len(said)), "127.0.0.1", port)
        stream.write(b"STLS\r\n")
        assert await stream.read(1) == b"+"
        await stream.all_came.wait()
        assert await stream.read(len("OK begin\r\n")) == b"OK begin\r\n"
        with pytest.raises(NetError) as caught:
            await stream.start_tls(authority.trust.verifying, NAME)
        assert caught.value.reason is Reason.VALIDATION_FAILURE
        with pytest.raises(NetError) as again:
            stream.write(b"PASS secret\r\n")
        assert again.value is caught.value
        await stream.wait_gone(SHUTDOWN_TIMEOUT)
        assert stream.ends == 1


async def test_octets_in_clear_that_were_not_read_yet_are_a_failed_handshake(
    authority: Authority,
) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK no TLS here\r\n")
        await reader.read()

    async with asyncio.timeout(20), conversing(speak) as port:
        stream = await Dialer().open(Watched, "127.0.0.1", port)
        with pytest.raises(NetError) as caught:
            await stream.start_tls(authority.trust.verifying, NAME)
        assert caught.value.reason is Reason.VALIDATION_FAILURE
        assert not stream.has_unread
        await stream.wait_gone(0)
        assert stream.ends == 1


async def test_under_tls_octets_go_both_ways_and_the_certificate_is_judged(
    authority: Authority,
) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    late: list[tuple[float, float]] = []

    def heard(held: float, ago: float) -> None:
        late.append((held, ago))

    async with asyncio.timeout(20), conversing(echo, tls=authority.context(NAME)) as port:
        stream = await Dialer().open(lambda: OctetStream("peer", heard), "127.0.0.1", port)
        facts = await stream.start_tls(authority.trust.verifying, NAME)
        assert facts.trusted
        assert late[0][0] == 0.0
        assert late[0][1] > 0.0, "judging a certificate takes time that is ours"
        stream.write(b"NOOP\r\n")
        assert await _until_end(stream) == b"NOOP\r\n"
        stream.close()
        await stream.wait_gone(SHUTDOWN_TIMEOUT)


async def _until_end(stream: OctetStream) -> bytes:
    read = b""
    while data := await stream.read(100):
        read += data
    return read


async def test_a_handshake_that_is_cancelled_leaves_no_connection(authority: Authority) -> None:
    met = asyncio.Event()
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        met.set()
        try:
            while await reader.read(4096):
                pass
        finally:
            left.set()

    async with asyncio.timeout(20), conversing(silent) as port:
        stream = await Dialer().open(Watched, "127.0.0.1", port)
        handshake = asyncio.create_task(stream.start_tls(authority.trust.verifying, NAME))
        await met.wait()
        handshake.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handshake
        await left.wait()
        await stream.wait_gone(0)
        assert stream.ends == 1
        assert stream.failure is not None
        assert stream.failure.reason is Reason.CONNECTION_CLOSED


async def test_a_reset_is_told_once_with_its_reason() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with asyncio.timeout(20), conversing(reset) as port:
        stream = await Dialer().open(Watched, "127.0.0.1", port)
        with pytest.raises(NetError) as caught:
            await stream.read(100)
        assert caught.value.reason is Reason.CONNECTION_RESET
        await stream.wait_gone(0)
        assert stream.ends == 1
