"""A canary that a real Postfix cannot deliver, and what comes back for it into a real Dovecot."""

import pwd
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from exporter.testbed.servers.script import Send
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.canary.message import Canary
from probes.clock import SYSTEM_CLOCK
from probes.mailboxes.imap.watch import ImapMailbox
from probes.mailboxes.interface import Sighting
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, Port, Seconds, Secret
from probes.records.bounces.reason import BounceReason
from probes.records.bounces.values import Bounce
from probes.result import ProbeResult
from probes.routes.submission import SubmissionRoute, hand_over
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.servers.postfix import Postfix, postfix
from tests.support.messages import composed
from tests.support.network import net
from tests.support.watching import Waiting, watched

pytestmark = [
    pytest.mark.real("postfix", "dovecot-imapd"),
    pytest.mark.asyncio(loop_scope="module"),
]

USER = "us"
_MASTER = """
smtp unix - - n - - smtp
virtual unix - n n - - virtual
"""
_MAIN = r"""
recipient_delimiter = +
virtual_mailbox_domains = sender.test
virtual_transport = virtual
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = inline:{{ {{ out@sender.test = us/ }} {{ fussy@sender.test = us/ }} }}
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
mynetworks = 127.0.0.0/8
relay_domains = refused.test, slow.test, stripped.test
transport_maps = inline:{{
    {{ refused.test = smtp:[127.0.0.1]:{refusing} }}
    {{ stripped.test = smtp:[127.0.0.1]:{refusing} }}
    {{ slow.test = smtp:[127.0.0.1]:{deferring} }} }}
smtp_tls_security_level = none
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
delay_warning_time = 1s
internal_mail_filter_classes = bounce
body_checks = regexp:{{
    {{ /^(Return-Path|X-Mailcanary|Message-ID|Subject|Token):.*mailcanary-/ IGNORE }} }}
nested_header_checks = $body_checks
smtpd_command_filter = regexp:{{
    {{ /^(MAIL FROM:<fussy[^>]*>.*) RET=HDRS(.*)$$/ $$1 X-UNKNOWN=1$$2 }} }}
"""
"""Postfix delivers what comes back into Dovecot's Maildir. Of what it returns the lines
that name the canary are taken away; a MAIL of `fussy` with DSN parameters is not understood."""


@dataclass(frozen=True, slots=True)
class World:
    """A submission server whose next hops take nothing, and the mailbox of the sender."""

    postfix: Postfix
    dovecot: Dovecot
    net: Net

    def mailbox(self) -> ImapMailbox:
        return ImapMailbox(
            Host("127.0.0.1"),
            USER,
            Secret(self.dovecot.password),
            port=Port(self.dovecot.tls_port),
            ca_file=FilePath(str(self.dovecot.ca_file)),
            poll=Seconds(1),
        )

    async def send(self, canary: Canary) -> ProbeResult:
        route = SubmissionRoute(Host("127.0.0.1"), port=Port(self.postfix.port), tls="none")
        return await run_once(
            "submission",
            lambda trace: hand_over(self.net, route, canary, trace),
            clock=SYSTEM_CLOCK,
            deadline=20,
        )

    async def news_of(self, canary: Canary) -> tuple[ProbeResult, Sighting, Bounce]:
        """Hand it over and wait for what is said of it in the sender's mailbox."""
        waiting = Waiting({canary.token: datetime.now(UTC)}, fresh=True)
        async with watched(self.net, self.mailbox(), waiting) as told:
            await told.looks(1)
            result = await self.send(canary)
            assert result.ok, (result.failure, self.postfix.log())
            sighting = await told.sighting(canary.token)
        assert sighting.bounce is not None
        return result, sighting, sighting.bounce


@asynccontextmanager
async def running_world(authority: Authority) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        dovecot = await stack.enter_async_context(running_dovecot())
        refusing, deferring = [
            await stack.enter_async_context(SmtpPeer(Script(on={"RCPT": (Send(reply),)})))
            for reply in (b"550 5.1.1 no such user here\r\n", b"451 4.7.1 come back later\r\n")
        ]
        owner = pwd.getpwnam(dovecot.user)
        main = _MAIN.format(
            home=dovecot.home,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            refusing=refusing.port,
            deferring=deferring.port,
        )
        server = stack.enter_context(postfix(authority.pem("mx.test"), main, master=_MASTER))
        yield World(server, dovecot, net(TrustStore()))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(authority: Authority) -> AsyncIterator[World]:
    async with running_world(authority) as running:
        yield running


def canary(domain: str, sender: str = "out", *, dsn: bool = True, verp: bool = False) -> Canary:
    return composed(f"{sender}@sender.test", f"box@{domain}", dsn=dsn, verp=verp)


async def test_a_bounce_that_returns_nothing_of_the_canary_is_known_by_its_envelope_id(
    world: World,
) -> None:
    message = canary("stripped.test")
    result, _, bounce = await world.news_of(message)
    assert result.facts["smtp.dsn"] is True
    assert bounce.envid == message.token
    assert b"mailcanary-" not in bounce.returned
    assert b"automatic test message" not in bounce.returned, "RET=HDRS returns the header alone"
    assert "mailcanary-" not in bounce.explanation
    (one,) = bounce.failed
    assert (one.status, one.reply_code) == ((5, 1, 1), 550)
    assert one.original_recipient == "box@stripped.test"
    assert one.reason is BounceReason.UNKNOWN_USER


async def test_without_dsn_and_without_a_trace_the_tagged_sender_is_enough(world: World) -> None:
    message = canary("stripped.test", dsn=False, verp=True)
    result, sighting, bounce = await world.news_of(message)
    assert result.facts["smtp.dsn"] is False
    assert bounce.envid is None
    assert b"mailcanary-" not in bounce.returned
    assert f"out+{message.token}@sender.test".encode() in sighting.header
    assert len(bounce.failed) == 1


async def test_a_delay_is_news_that_settles_nothing(world: World) -> None:
    message = canary("slow.test")
    _, _, bounce = await world.news_of(message)
    assert bounce.failed == ()
    (one,) = bounce.delayed
    assert (one.status, one.reply_code) == ((4, 7, 1), 451)
    assert one.retried_until is not None
    assert bounce.envid == message.token


async def test_a_server_that_refuses_the_request_takes_the_canary_without_it(
    world: World,
) -> None:
    message = canary("refused.test", "fussy", verp=True)
    result, sighting, bounce = await world.news_of(message)
    assert result.facts["smtp.dsn"] is False
    (finding,) = result.findings
    assert finding.code == "smtp.dsn.refused"
    assert "555 5.5.4" in finding.evidence
    assert bounce.envid is None
    assert bounce.failed
    assert sighting.token == message.token
