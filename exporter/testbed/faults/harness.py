"""A real probe with a real network stack against one server that has a fault.

    async with Harness(fault, authority) as harness:
        result = await harness.run()
    assert not fault.verdict.objections(result)

A harness is complete in itself: its own DNS server, its own loopback ports, addresses of RFC
5737 that are redirected there. Nothing leaves the machine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from exporter.testbed.faults.fault import (
    DOMAIN,
    HOSTS,
    IMAP_HOST,
    PASSWORD,
    SUBMISSION_HOST,
    USER,
    WEB_HOST,
    Fault,
    Listening,
    ProbeUnderTest,
)
from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.dns_server import DnsServer
from exporter.testbed.servers.https import HttpsPeer, page
from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Read, Say, Send, Steps, Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.canary.message import Canary
from probes.clock import SYSTEM_CLOCK
from probes.kinds import mx, submission
from probes.mailboxes.imap import watch as imap_mailbox
from probes.mailboxes.interface import Message, News, Sighting
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.options import Domain, EmailAddress, Host, Seconds, Secret
from probes.result import Phase, ProbeResult, Reason
from probes.routes import direct
from probes.routes import submission as submission_route
from probes.run import run_once
from probes.sessions import https as fetch
from probes.trace import Trace

DEADLINE = 3.0
"""A run may take the harness's patience so many times."""

UNHURRIED = 6.0
"""A probe that is to end by itself waits a fault's patience so many times: a busy machine is not a
fault."""

TOKEN = "mailcanary-abcdefghijklmnopqrstuvwxyz"  # noqa: S105 - no secret
PAGE = "/policy.txt"
CONTENT = f"Subject: a canary\r\nX-Mailcanary: {TOKEN}\r\n\r\n.dots\r\n".encode() + b"x\r\n" * 100


class Harness:
    """The world of one fault. `server` has it, or its DNS does; `net` reaches no other."""

    server: Listening
    dns: DnsServer
    net: Net

    def __init__(self, fault: Fault, authority: Authority, trust: TrustStore | None = None) -> None:
        self.fault = fault
        self._authority = authority
        self._trust = trust
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            fault = self.fault
            self.dns = await stack.enter_async_context(
                DnsServer({DOMAIN: fault.zone}, dict(fault.dns))
            )
            factory = fault.server or well_mannered(fault.under_test)
            self.server = await stack.enter_async_context(factory(self._authority))
            self.net = Net(
                Resolver(((self.dns.address, self.dns.port),), timeout=0.3, lifetime=0.6),
                Dialer(route=lambda _, __: ("127.0.0.1", self.server.port)),
                self._trust or TrustStore(str(self._authority.file)),
                SYSTEM_CLOCK,
                f"probe.{DOMAIN}",
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def patience(self) -> float:
        """Seconds the probe waits for one address or one answer."""
        is_waiting = self.fault.verdict.reason is Reason.TIMEOUT
        return self.fault.patience * (1 if is_waiting else UNHURRIED)

    @property
    def deadline(self) -> float:
        """Seconds a run may take."""
        return DEADLINE * self.patience

    async def run(self) -> ProbeResult:
        """Run the real probe against the fault."""
        under_test = self.fault.under_test
        work = _PROBES[under_test](self.net, Seconds(self.patience))
        return await run_once(under_test, work, clock=self.net.clock, deadline=self.deadline)


Work = Callable[[Trace], Awaitable[None]]


def _mx(net: Net, patience: Seconds) -> Work:
    target = mx.MxTarget(Domain(DOMAIN), address_timeout=patience)
    return lambda trace: mx.probe(net, target, trace)


def _submission(net: Net, _: Seconds) -> Work:
    target = submission.SubmissionTarget(
        Host(SUBMISSION_HOST), username=USER, password=Secret(PASSWORD)
    )
    return lambda trace: submission.probe(net, target, trace)


def _hand_over(net: Net, _: Seconds) -> Work:
    target = submission_route.SubmissionRoute(
        Host(SUBMISSION_HOST), username=USER, password=Secret(PASSWORD)
    )
    return lambda trace: submission_route.hand_over(net, target, _canary(), trace)


def _direct(net: Net, patience: Seconds) -> Work:
    target = direct.DirectRoute(address_timeout=patience)
    return lambda trace: direct.hand_over(net, target, _canary(), trace)


def _canary() -> Canary:
    mail_from, rcpt_to = EmailAddress("us@sender.test"), EmailAddress(f"them@{DOMAIN}")
    return Canary(TOKEN, f"<{TOKEN}@sender.test>", mail_from, rcpt_to, CONTENT)


def _mailbox(net: Net, patience: Seconds) -> Work:
    return _watching(net, patience, is_fresh=True)


def _idle(net: Net, patience: Seconds) -> Work:
    return _watching(net, patience, is_fresh=False)


def _watching(net: Net, patience: Seconds, *, is_fresh: bool) -> Work:
    """Watch until the canary is seen."""
    target = imap_mailbox.ImapMailbox(
        Host(IMAP_HOST),
        USER,
        Secret(PASSWORD),
        timeout=patience,
        fast_poll=Seconds(0.02),
    )

    async def work(trace: Trace) -> None:
        with trace.phase(Phase.ARRIVAL):
            arrived = _Arrival(is_fresh=is_fresh)
            watching = asyncio.create_task(
                imap_mailbox.watch(net, target, arrived, {}, arrived.report)
            )
            seen = asyncio.create_task(arrived.seen.wait())
            try:
                await asyncio.wait({watching, seen}, return_when=asyncio.FIRST_COMPLETED)
                if not arrived.seen.is_set():
                    watching.result()
            finally:
                for task in (watching, seen):
                    task.cancel()
                await asyncio.gather(watching, seen, return_exceptions=True)

    return work


class _Arrival:
    """Stand-in for the party that waits for one canary."""

    def __init__(self, *, is_fresh: bool) -> None:
        self.changed = asyncio.Event()
        self.seen = asyncio.Event()
        self._is_fresh = is_fresh
        self._began = datetime.now(UTC)
        self.room = asyncio.Semaphore()

    def tokens(self) -> Mapping[str, datetime]:
        return {TOKEN: self._began}

    def is_fresh(self) -> bool:
        return self._is_fresh

    async def next_copy(self) -> Message:
        """Its header is all that is asked for."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def report(self, report: News) -> None:
        if isinstance(report, Sighting) and report.token == TOKEN:
            self.seen.set()


def _fetch(net: Net, _: Seconds) -> Work:
    async def work(trace: Trace) -> None:
        response = await fetch.fetch(net, f"https://{WEB_HOST}{PAGE}", trace)
        trace.facts["https.is_whole"] = response.is_whole
        trace.facts["https.octets"] = len(response.body)

    return work


_PROBES: Mapping[ProbeUnderTest, Callable[[Net, Seconds], Work]] = {
    ProbeUnderTest.MX: _mx,
    ProbeUnderTest.SUBMISSION: _submission,
    ProbeUnderTest.HAND_OVER: _hand_over,
    ProbeUnderTest.DIRECT: _direct,
    ProbeUnderTest.MAILBOX: _mailbox,
    ProbeUnderTest.IDLE: _idle,
    ProbeUnderTest.FETCH: _fetch,
}


# Servers without a fault, from which each fault departs


def mail_server(authority: Authority, on: Mapping[str, Steps] | None = None) -> Script:
    """An SMTP server with TLS and our account; `on` as in `Script`."""
    return Script(
        on={moment: tuple(acts) for moment, acts in (on or {}).items()},
        extensions=("8BITMIME", "SIZE 1000000", "ENHANCEDSTATUSCODES", "AUTH PLAIN LOGIN"),
        tls=authority.context(*HOSTS),
        users={USER: PASSWORD},
    )


def delivered(sequence: int, uid: int) -> Send:
    """The canary as a mailbox shows it."""
    header = CONTENT.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return Send(
        b'* %d FETCH (UID %d RFC822.SIZE %d INTERNALDATE "01-Feb-2026 10:00:00 +0000"'
        b" BODY[HEADER]<0> {%d}\r\n%s)\r\n" % (sequence, uid, len(CONTENT), len(header), header)
    )


ARRIVING: Answers = {
    "LIST": (Say('* LIST () "/" INBOX', "{tag} OK done"),),
    "NOOP": [(OK,), (Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
    "UID FETCH": (delivered(1, 1), OK),
}
"""An INBOX into which the canary comes between the first look and the second."""


IDLING: Answers = {
    "NOOP": (OK,),
    "IDLE": (Say("+ idling"), Wait(0.05), Say("* 1 EXISTS"), Read(), OK),
}
"""The canary comes in the first IDLE."""


def mailbox_server(authority: Authority, answers: Answers | None = None) -> ImapPeer:
    """An IMAP server under implicit TLS into which the canary comes."""
    given = {**ARRIVING, **(answers or {})}
    return ImapPeer(given, context=authority.context(*HOSTS), implicit_tls=True)


def web_server(authority: Authority, *acts: Steps) -> HttpsPeer:
    """An HTTPS server; the steps, one after the other, are its answer."""
    answer = tuple(act for some in acts for act in some) or page(b"version: STSv1\n")
    return HttpsPeer({PAGE: answer}, context=authority.context(*HOSTS))


def well_mannered(
    under_test: ProbeUnderTest,
) -> Callable[[Authority], AbstractAsyncContextManager[Listening]]:
    """Return the server that the probe meets where there is no fault."""
    if under_test is ProbeUnderTest.MAILBOX:
        return mailbox_server
    if under_test is ProbeUnderTest.IDLE:
        return lambda authority: mailbox_server(authority, IDLING)
    if under_test is ProbeUnderTest.FETCH:
        return web_server
    return lambda authority: SmtpPeer(mail_server(authority))
