"""TLS at once where the server begins in clear, and the other way round: explained in words."""

from typing import Literal

import pytest

from exporter.testbed.servers.script import Send, Wait
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import Mailbox, Server, WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds.mailbox_reading import MailboxTarget
from probes.kinds.mailbox_reading import probe as read_mailbox
from probes.kinds.submission import SubmissionTarget
from probes.kinds.submission import probe as submit
from probes.net.tls import TrustStore
from probes.options import Host, Port, Seconds, Secret
from probes.result import Failure, Owner, Phase
from probes.run import run_once
from probes.sessions.tls_way import explained, is_unusual, silence_hint
from probes.trace import Trace
from tests.servers.certificates import Authority

Way = Literal["starttls", "implicit", "none"]
ADDRESS = "192.0.2.1"


async def failure_of(
    trust: TrustStore, server: Server, kind: str, tls: Way, port: int, deadline: float = 20
) -> Failure:
    spec = WorldSpec(
        trust=trust, zones={"example.test": f"mail A {ADDRESS}\n"}, servers={ADDRESS: server}
    )
    name, secret = Host("mail.example.test"), Secret("x")
    async with running(spec) as world:

        async def work(trace: Trace) -> None:
            if kind == "imap":
                short = Seconds(min(deadline, 1.0))
                box = MailboxTarget(name, "us", secret, Port(port), tls, short)
                await read_mailbox(world.net, box, trace)
            else:
                await submit(world.net, SubmissionTarget(name, Port(port), tls), trace)

        result = await run_once(kind, work, clock=SYSTEM_CLOCK, deadline=deadline)
    assert result.failure is not None
    return result.failure


@pytest.mark.parametrize("port", [587, 143, 25, 465, 5000])
@pytest.mark.parametrize("kind", ["imap", "smtp"])
async def test_tls_at_once_to_a_server_in_clear_names_the_remedy(
    trust: TrustStore, kind: str, port: int
) -> None:
    server: Server = Mailbox() if kind == "imap" else Script()
    failure = await failure_of(trust, server, kind, "implicit", port)
    assert failure.phase is Phase.TLS
    assert f"speaks in clear at port {port}" in failure.detail
    assert "`tls: starttls`" in failure.detail
    assert (failure.owner is Owner.CONFIGURATION) is (port in (587, 143, 25))


@pytest.mark.parametrize("port", [465, 993, 587])
@pytest.mark.parametrize("kind", ["imap", "smtp"])
@pytest.mark.parametrize("tls", ["starttls", "none"])
async def test_a_server_that_waits_for_tls_names_the_remedy(
    authority: Authority, trust: TrustStore, kind: str, tls: Way, port: int
) -> None:
    context = authority.context("mail.example.test")
    server: Server = (
        Mailbox(context=context) if kind == "imap" else Script(tls=context, implicit_tls=True)
    )
    failure = await failure_of(trust, server, kind, tls, port, deadline=0.5)
    assert failure.phase is Phase.GREETING
    assert "`tls: implicit`" in failure.detail
    assert (failure.owner is Owner.CONFIGURATION) is (port in (465, 993))


async def test_a_server_that_greets_by_a_tls_alert_is_explained(trust: TrustStore) -> None:
    alert = Script(on={"connect": (Send(b"\x15\x03\x01\x00\x02\x02\x0a\r\n"), Wait())})
    failure = await failure_of(trust, alert, "smtp", "starttls", 465)
    assert "`tls: implicit`" in failure.detail
    assert failure.owner is Owner.CONFIGURATION


def test_other_failures_are_left_as_they_are() -> None:
    assert not is_unusual("starttls", 587)
    assert not is_unusual("implicit", 465)
    assert silence_hint("implicit", 465) == ""
    with pytest.raises(ValueError, match="x"), explained("implicit", 465, Phase.TLS):
        raise ValueError("x")
