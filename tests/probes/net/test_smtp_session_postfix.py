"""The SMTP session against a stock Postfix: manners, and whose time is measured."""

import asyncio
import statistics
import time
from collections.abc import Iterator

import pytest
import uvloop

from probes.net.dial import Dialer
from probes.net.smtp_session import SmtpSession
from tests.servers.certificates import Authority
from tests.servers.postfix import Postfix, postfix
from tests.servers.real import require, require_root_and_namespaces

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
pytestmark = pytest.mark.real("postfix")

DELAYED_ACK = 0.040
"""Seconds the kernel may hold an acknowledgement back, tcp(7)."""


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Postfix]:
    """One Postfix for all tests here."""
    require("postfix")
    require_root_and_namespaces()
    with postfix(authority.pem("mx.test")) as running:
        yield running


async def handshake(server: Postfix, authority: Authority) -> float:
    """A handshake up to EHLO after TLS and QUIT; seconds of that last EHLO."""
    async with await SmtpSession.connect(Dialer(), "127.0.0.1", server.port) as session:
        await session.greeting()
        await session.ehlo("probe.test")
        await session.starttls()
        facts = await session.handshake(authority.trust.verifying, "mx.test")
        assert facts.version == "TLSv1.3"
        began = time.perf_counter()
        await session.ehlo("probe.test")
        taken = time.perf_counter() - began
        await session.quit()
    await session.wait_closed()
    return taken


@pytest.mark.alone("it is about 20 ms")
async def test_the_kernels_delayed_acknowledgement_is_not_measured_as_the_servers_time(
    server: Postfix, authority: Authority
) -> None:
    taken = [await handshake(server, authority) for _ in range(15)]
    assert statistics.median(taken) < DELAYED_ACK / 2


async def test_postfix_takes_a_message_and_finds_nothing_to_complain_about(
    server: Postfix, authority: Authority
) -> None:
    async with await SmtpSession.connect(Dialer(), "127.0.0.1", server.port) as session:
        await session.greeting()
        await session.ehlo("probe.test")
        await session.mail("", size=20)
        await session.rcpt("canary@mx.test")
        await session.data()
        reply = await session.end_of_data(b"Subject: x\r\n\r\n.\r\n")
        assert "queued as" in reply.text
        await session.quit()
    await session.wait_closed()
    await handshake(server, authority)
    log = server.log()
    assert "disconnect from" in log
    for complaint in ("lost connection", "timeout", "improper", "warning", "error", "non-SMTP"):
        assert complaint not in log
