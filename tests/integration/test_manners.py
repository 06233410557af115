"""What a real Postfix writes in its log about us: nothing but that we came, asked and left."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from exporter.testbed.servers.dns_server import DnsServer
from probes.canary.message import Canary
from probes.clock import SYSTEM_CLOCK
from probes.kinds import mx, submission
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.resolver import Resolver
from probes.options import Domain, Host, IpAddress, Port
from probes.result import Phase, PhaseTiming, ProbeResult, Reason
from probes.routes import direct
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.servers.postfix import Postfix, postfix
from tests.servers.real import require, require_root_and_namespaces
from tests.support.messages import composed

pytestmark = pytest.mark.real("postfix")

ADDRESS = "192.0.2.25"
ZONE = f"""
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
@ MX 10 mx.test.
@ A {ADDRESS}
"""
LOG_SECONDS = 15.0
TOGETHER = 12

SCREENED = """
postscreen_access_list =
postscreen_greet_wait = 1s
postscreen_greet_action = enforce
postscreen_pipelining_enable = yes
postscreen_pipelining_action = enforce
postscreen_non_smtp_command_enable = yes
postscreen_non_smtp_command_action = enforce
postscreen_bare_newline_enable = yes
postscreen_bare_newline_action = enforce
"""
"""Every test that postscreen knows, each of them deadly, and its greeting in two halves."""

STRICT = """
smtpd_delay_reject = no
smtpd_helo_required = yes
smtpd_client_connection_count_limit = 1
smtpd_client_event_limit_exceptions =
smtpd_client_restrictions = check_client_access inline:{{127.0.0.9 = 554 5.7.1 not from there}}
smtpd_helo_restrictions = check_helo_access inline:{{refused.test = 550 5.7.1 not by that name}}
smtpd_sender_restrictions = check_sender_access inline:{{refused@sender.test = 550 5.7.1 not you}}
smtpd_recipient_restrictions = reject_unauth_destination,
    check_recipient_access inline:{ {nobody@mx.test = 550 5.1.1 no such user},
        {later@mx.test = 450 4.2.0 not now}, {slow@mx.test = sleep 2} }
smtpd_data_restrictions = check_sender_access inline:{{undata@sender.test = 554 5.7.1 no data}}
header_checks = regexp:{{/^Subject: refuse/ REJECT not this}}
"""
"""Refusals at every step, and one session per client at a time."""

COMPLAINTS = (
    *("lost connection", "improper command pipelining", "PREGREET", "HANGUP", "COMMAND", "BARE"),
    *("non-SMTP", "timeout", "concurrency limit", "too many", "SSL_accept error", "fatal:"),
)


@pytest.fixture(scope="module")
def screened(authority: Authority) -> Iterator[Postfix]:
    """A Postfix behind postscreen."""
    require("postfix")
    require_root_and_namespaces()
    with postfix(authority.pem("mx.test"), SCREENED, postscreen=True) as running:
        yield running


@pytest.fixture(scope="module")
def strict(authority: Authority) -> Iterator[Postfix]:
    """A Postfix that refuses on order."""
    require("postfix")
    require_root_and_namespaces()
    with postfix(authority.pem("mx.test"), STRICT) as running:
        yield running


@asynccontextmanager
async def network(server: Postfix, authority: Authority) -> AsyncIterator[Net]:
    """A network in which `server` is the MX host of mx.test."""
    async with DnsServer({"mx.test": ZONE}) as dns:
        resolver = Resolver(((dns.address, dns.port),), timeout=1.0, lifetime=3.0)
        dialer = Dialer(route=lambda _, __: ("127.0.0.1", server.port))
        yield Net(resolver, dialer, authority.trust, SYSTEM_CLOCK, "probe.test")


def canary(to: str = "canary", sender: str = "a@sender.test", subject: str = "probe") -> Canary:
    return composed(sender, f"{to}@mx.test", subject=subject)


async def handed_over(
    net: Net,
    message: Canary,
    route: direct.DirectRoute = direct.DirectRoute(),  # noqa: B008 - frozen
    deadline: float = 20.0,
) -> ProbeResult:
    return await run_once(
        "direct",
        lambda trace: direct.hand_over(net, route, message, trace),
        clock=SYSTEM_CLOCK,
        deadline=deadline,
    )


async def probed(net: Net) -> ProbeResult:
    target = mx.MxTarget(Domain("mx.test"))
    return await run_once(
        "mx", lambda trace: mx.probe(net, target, trace), clock=SYSTEM_CLOCK, deadline=20
    )


async def submitted(net: Net) -> ProbeResult:
    target = submission.SubmissionTarget(Host("mx.test"), Port(587))
    return await run_once(
        "submission",
        lambda trace: submission.probe(net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=20,
    )


class Log:
    """What a server writes from now on."""

    def __init__(self, server: Postfix) -> None:
        self._server = server
        self._seen = len(server.log())

    async def after(self, word: str, times: int = 1) -> str:
        """The new part of the log, once `word` stands in it so many times."""
        limit = time.monotonic() + LOG_SECONDS
        while (text := self._server.log()[self._seen :]).count(word) < times:
            assert time.monotonic() < limit, f"no {word!r} in:\n{text}"
            await asyncio.sleep(0.02)
        return text


def uncomplaining(log: str) -> bool:
    found = [line for line in log.splitlines() if any(word in line for word in COMPLAINTS)]
    assert not found, "\n".join(found)
    return True


async def test_postscreen_lets_a_canary_pass_and_finds_no_fault_with_it(
    screened: Postfix, authority: Authority
) -> None:
    log = Log(screened)
    async with network(screened, authority) as net:
        first = await handed_over(net, canary())
        # Whoever passed the tests within the dialogue is asked to come again, postscreen(8).
        assert first.failure is not None
        assert (first.failure.phase, first.failure.is_transient) == (Phase.RCPT, True)
        assert first.failure.reply is not None
        assert first.failure.reply.code == 450
        text = await log.after("PASS NEW [127.0.0.1]")
        assert (await handed_over(net, canary())).ok
        assert (await probed(net)).ok
    text = await log.after("disconnect from", times=2)
    assert text.count("PASS OLD [127.0.0.1]") == 2
    assert uncomplaining(text)
    greeting = next(timing for timing in first.timings if timing.phase is Phase.GREETING)
    assert greeting.seconds > 0.9  # the second half of the greeting was waited for


async def test_healthy_probes_leave_a_clean_log(strict: Postfix, authority: Authority) -> None:
    log = Log(strict)
    async with network(strict, authority) as net:
        for result in (await probed(net), await submitted(net), await handed_over(net, canary())):
            assert result.ok, result
            assert [timing.phase for timing in _timings(result)].count(Phase.EHLO) == 2
    text = await log.after("disconnect from", times=3)
    assert text.count("quit=1") == 3
    assert uncomplaining(text)


REFUSED = {
    "greeting": (canary(), direct.DirectRoute(source_address=IpAddress("127.0.0.9"))),
    "ehlo": (canary(), direct.DirectRoute(ehlo_name=Host("refused.test"))),
    "mail": (canary(sender="refused@sender.test"), direct.DirectRoute()),
    "rcpt": (canary("nobody"), direct.DirectRoute()),
    "rcpt for now": (canary("later"), direct.DirectRoute()),
    "data": (canary(sender="undata@sender.test"), direct.DirectRoute()),
    "end_of_data": (canary(subject="refuse me"), direct.DirectRoute()),
}


@pytest.mark.parametrize("where", REFUSED)
async def test_a_refused_probe_takes_its_leave(
    where: str, strict: Postfix, authority: Authority
) -> None:
    log = Log(strict)
    message, route = REFUSED[where]
    async with network(strict, authority) as net:
        result = await handed_over(net, message, route)
        text = await log.after("disconnect from")
    assert result.failure is not None
    assert result.failure.phase == where.split(maxsplit=1)[0]
    assert result.failure.reply is not None
    assert "quit=1" in text
    assert uncomplaining(text)


async def test_a_probe_whose_deadline_passes_takes_its_leave(
    strict: Postfix, authority: Authority
) -> None:
    log = Log(strict)
    async with network(strict, authority) as net:
        result = await handed_over(net, canary("slow"), deadline=0.5)
        text = await log.after("disconnect from")
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.RCPT, Reason.TIMEOUT)
    assert uncomplaining(text)
    assert "quit=1" in text


async def test_probes_that_start_together_come_one_after_the_other(
    strict: Postfix, authority: Authority
) -> None:
    log = Log(strict)
    async with network(strict, authority) as net:
        runs = (run for _ in range(TOGETHER) for run in (probed(net), handed_over(net, canary())))
        results = await asyncio.gather(*runs)
    assert all(result.ok for result in results), results
    text = await log.after("disconnect from", times=2 * TOGETHER)
    assert uncomplaining(text)


def _timings(result: ProbeResult) -> tuple[PhaseTiming, ...]:
    return (*result.timings, *(timing for part in result.parts for timing in part.timings))
