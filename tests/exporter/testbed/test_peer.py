"""What a scripted peer leaves behind: nothing, whenever it goes."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Callable

import pytest

from exporter.demo.imap_server import ImapServer
from exporter.testbed.servers.dns_server import DnsServer
from exporter.testbed.servers.peer import Peer
from exporter.testbed.servers.smtp import SmtpPeer
from tests.servers.certificates import Authority
from tests.servers.streams import conversing


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("server", [SmtpPeer, lambda: DnsServer({})], ids=["smtp", "dns"])
@pytest.mark.parametrize("turns", range(6))
async def test_a_server_that_goes_takes_the_connections_of_this_moment_along(
    server: Callable[[], Peer | DnsServer], turns: int
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        async with server() as peer:
            clients = [socket.create_connection((peer.address, peer.port)) for _ in range(5)]
            for client in clients:
                client.close()
            for _ in range(turns):
                await asyncio.sleep(0)
        gc.collect()
    assert not told


@pytest.mark.parametrize("turns", range(6))
async def test_the_demos_mailbox_takes_the_connections_of_this_moment_along(
    turns: int, authority: Authority
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        server = ImapServer("mail.test", authority.context("mail.test"))
        await server.open()
        for _ in range(5):
            socket.create_connection(("127.0.0.1", server.port)).close()
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.close()
        gc.collect()
    assert not told


async def test_a_servers_conversations_end_with_it() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        async with conversing(_say_nothing) as port:
            with socket.create_connection(("127.0.0.1", port)):
                await asyncio.sleep(0)
        gc.collect()
    assert not told
