import asyncio

import pytest

from exporter.demo.listener import LOOPBACK, Listener


class Greeter(asyncio.Protocol):
    """Says hello and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def greeting(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_listener_comes_back_on_the_same_port() -> None:
    listener = Listener(Greeter)
    try:
        await listener.open()
        assert await greeting(listener.port) == b"hello"
        await listener.close()
        with pytest.raises(ConnectionRefusedError):
            await greeting(listener.port)
        await listener.open()
        assert await greeting(listener.port) == b"hello"
    finally:
        await listener.release()


async def test_a_listener_refuses_until_it_is_opened() -> None:
    listener = Listener(Greeter)
    try:
        assert not listener.is_open
        with pytest.raises(ConnectionRefusedError):
            await greeting(listener.port)
    finally:
        await listener.release()


async def test_opening_and_closing_twice_is_the_same_as_once() -> None:
    listener = Listener(Greeter)
    await listener.open()
    await listener.open()
    assert await greeting(listener.port) == b"hello"
    await listener.close()
    await listener.close()
    await listener.release()
    await listener.release()
