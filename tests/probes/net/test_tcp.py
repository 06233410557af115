"""What our own busy loop adds to a dialogue, told apart from the server's time by the kernel."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import uvloop

from probes.clock import SYSTEM_CLOCK
from probes.net.dial import Dialer
from probes.net.smtp_session import SmtpSession
from probes.net.tcp import Exchange, last_exchange, quickack
from probes.result import Phase
from probes.trace import Trace

pytestmark = [
    pytest.mark.alone("it compares times of the kernel"),
    pytest.mark.slow("waits, and waits to be alone"),
]

TAKES = 0.2
"""Seconds the server thinks about each command."""

BUSY = 1.0
"""Seconds for which our loop is held up."""

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


@contextmanager
def thinking_server() -> Iterator[int]:
    """An SMTP server on a thread of its own, which our loop cannot hold up; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=_serve, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join()


def _serve(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        connection.sendall(b"220 here\r\n")
        for _ in lines:
            time.sleep(TAKES)
            connection.sendall(b"250 here\r\n")


async def _ehlo(port: int, hold_up: Callable[[asyncio.AbstractEventLoop], None]) -> float:
    """The seconds of an EHLO during which the loop was held up."""
    loop = asyncio.get_running_loop()
    trace = Trace(SYSTEM_CLOCK)
    session = await SmtpSession.connect(Dialer(), "127.0.0.1", port, on_reply=trace.heard)
    async with session:
        await session.greeting()
        hold_up(loop)
        with trace.phase(Phase.EHLO):
            await session.ehlo("probe.test")
    await session.wait_closed()
    return trace.timings[0].seconds


def while_it_is_written(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(time.sleep, BUSY)


def while_it_is_answered(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_later(TAKES / 2, time.sleep, BUSY)


@pytest.mark.parametrize("hold_up", [while_it_is_written, while_it_is_answered])
@pytest.mark.parametrize("new_loop", LOOPS)
def test_what_holds_our_loop_up_is_not_the_servers_time(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    hold_up: Callable[[asyncio.AbstractEventLoop], None],
) -> None:
    with thinking_server() as port, asyncio.Runner(loop_factory=new_loop) as runner:
        assert TAKES * 0.9 < runner.run(_ehlo(port, hold_up)) < BUSY


@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_server_that_thinks_has_its_time(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with thinking_server() as port, asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(_ehlo(port, lambda _: None)) > TAKES * 0.9


def test_the_kernel_notes_when_data_went_either_way() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    with ours, theirs:
        ours.sendall(b"question")
        time.sleep(0.3)
        theirs.sendall(b"answer")
        time.sleep(0.1)
        noted = last_exchange(ours)
    assert noted is not None
    assert noted.sent_ago > noted.heard_ago + 0.2
    assert noted.heard_ago > 0.05
    assert not noted.was_repeated


@pytest.mark.parametrize("ask", [quickack, last_exchange])
def test_a_connection_that_is_gone_is_asked_nothing(
    ask: Callable[[socket.socket | None], Exchange | None],
) -> None:
    with socket.socket() as never_connected:
        ask(never_connected)
    assert ask(never_connected) is None
    assert ask(None) is None
