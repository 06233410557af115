"""One connection to one address."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest
import uvloop

from probes.net.dial import Dialer
from probes.net.errors import NetError
from probes.result import Owner, Reason

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    """A listening socket on loopback that nobody accepts from."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1)
        yield sock


def _port(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


async def test_a_connection_is_made_without_delay_and_without_blocking(
    listener: socket.socket,
) -> None:
    with await Dialer().connect("127.0.0.1", _port(listener)) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getblocking() is False
        assert sock.getpeername() == listener.getsockname()


async def test_a_connection_comes_from_the_address_it_is_told_to(listener: socket.socket) -> None:
    dialer = Dialer(source_v4="127.0.0.2")
    with await dialer.connect("127.0.0.1", _port(listener)) as sock:
        assert sock.getsockname()[0] == "127.0.0.2"
    with await dialer.connect("127.0.0.1", _port(listener), source="127.0.0.3") as sock:
        assert sock.getsockname()[0] == "127.0.0.3"


async def test_a_route_leads_elsewhere_without_the_caller_seeing_it(
    listener: socket.socket,
) -> None:
    dialer = Dialer(route=lambda address, port: ("127.0.0.1", _port(listener)))
    with await dialer.connect("192.0.2.1", 25) as sock:
        assert sock.getpeername() == listener.getsockname()


async def test_a_closed_port_refuses() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(NetError, match=r"127\.0\.0\.1 port \d+: connection refused") as raised:
            await Dialer().connect("127.0.0.1", _port(sock))
    assert raised.value.reason is Reason.CONNECTION_REFUSED


async def test_a_source_address_that_is_not_ours_is_our_problem() -> None:
    with pytest.raises(NetError) as raised:
        await Dialer().connect("127.0.0.1", 9, source="192.0.2.1")
    assert (raised.value.reason, raised.value.owner) == (Reason.UNTESTABLE, Owner.CONFIGURATION)


async def test_a_source_address_of_the_other_family_is_our_problem() -> None:
    with pytest.raises(NetError, match="another family") as raised:
        await Dialer().connect("127.0.0.1", 9, source="::1")
    assert raised.value.owner is Owner.CONFIGURATION


async def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(NetError, match="not an IP address: 'localhost'") as raised:
        await Dialer().connect("localhost", 25)
    assert raised.value.owner is Owner.MONITOR


async def test_a_cancelled_connection_leaves_no_socket_behind(listener: socket.socket) -> None:
    held = []
    port = _port(listener)
    for _ in range(4):  # more than the backlog holds: the last one is never answered
        task = asyncio.create_task(Dialer().connect("127.0.0.1", port))
        done, _ = await asyncio.wait([task], timeout=0.2)
        if not done:
            break
        held.append(task.result())
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for sock in held:
        sock.close()


@pytest.mark.parametrize("source", [None, "127.0.0.4"])
async def test_a_protocol_is_opened_on_the_connection(
    listener: socket.socket, source: str | None
) -> None:
    protocol = await Dialer().open(Remember, "127.0.0.1", _port(listener), source=source)
    peer, _ = listener.accept()
    assert protocol.transport is not None
    assert peer.getpeername()[0] == source or source is None
    number = protocol.transport.get_extra_info("socket").fileno()
    with socket.socket(fileno=os.dup(number)) as own:
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    protocol.transport.abort()
    with peer:
        await protocol.lost.wait()


@pytest.mark.parametrize("source", [None, "127.0.0.4"])
async def test_a_protocol_is_not_opened_on_a_closed_port(source: str | None) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(NetError, match=r"127\.0\.0\.1 port \d+: connection refused") as raised:
            await Dialer().open(Remember, "127.0.0.1", _port(sock), source=source)
    assert raised.value.reason is Reason.CONNECTION_REFUSED


async def test_a_protocol_is_opened_to_an_address_only() -> None:
    with pytest.raises(NetError, match="not an IP address"):
        await Dialer().open(Remember, "localhost", 25)


class Remember(asyncio.Protocol):
    """Keeps its transport and says when it is gone."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
