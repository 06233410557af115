"""The times we tell are the mail system's: not our kernel's, looking's, loop's or queue's."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from exporter.app import serving
from exporter.config import parse
from exporter.ledger.ledger import Ledger
from exporter.metrics.metrics import Metrics
from exporter.model import CanaryRecord, Change, Run
from exporter.service.loop_monitor import LoopMonitor
from exporter.service.publisher import Subscriber
from exporter.service.service import Service
from exporter.testbed.servers.script import Say, Signal
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.canary.lifecycle import UNSETTLED, State
from probes.catalogue.monitor import LOOP_LAGGED
from probes.clock import SYSTEM_CLOCK
from probes.kinds import submission
from probes.net import Net
from probes.net.tls import TlsFacts, TrustStore
from probes.options import Host, Port
from probes.result import Finding, Owner, Phase, ProbeResult, Reason, Status
from probes.run import LAGGED, Lag, run_once
from probes.trace import NOTABLE_WAIT, Trace
from tests.servers.certificates import Authority
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.servers.postfix import Postfix, postfix
from tests.servers.real import require, require_root_and_namespaces
from tests.support import network
from tests.support.metric_rig import Reader, config, run

pytestmark = [
    pytest.mark.alone("it compares times"),
    pytest.mark.slow("waits, and waits to be alone"),
]

TRANSIT = 0.4
"""Seconds that a canary is on its way in these tests."""


async def probe(
    net: Net, port: int, *, deadline: float = 20.0, lag: Lag | None = None
) -> ProbeResult:
    target = submission.SubmissionTarget(
        Host("127.0.0.1"), Port(port), tls="starttls", verify=False
    )
    return await run_once(
        "submission",
        lambda trace: submission.probe(net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=deadline,
        lag=lag,
    )


# -- the kernel


@pytest.fixture(scope="module")
def stock(authority: Authority) -> Iterator[Postfix]:
    """Postfix as Debian ships it: TLS 1.3 with session tickets."""
    require("postfix")
    require_root_and_namespaces()
    with postfix(authority.pem("mx.test")) as running:
        yield running


@pytest.mark.real("postfix")
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_the_ehlo_after_tls_takes_what_postfix_takes(
    loop: Callable[[], asyncio.AbstractEventLoop], stock: Postfix, authority: Authority
) -> None:
    async def fastest() -> float:
        net = network.net(authority.trust)
        results = [await probe(net, stock.port) for _ in range(9)]
        assert all(result.ok and result.facts["tls.version"] == "TLSv1.3" for result in results)
        return min(_seconds(result, Phase.EHLO)[1] for result in results)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(fastest()) < 0.010  # the kernel's delay would be 0.040 each time


def _seconds(result: ProbeResult, phase: Phase) -> list[float]:
    return [timing.seconds for timing in result.timings if timing.phase is phase]


# -- the judging


class SlowJudge(TrustStore):
    """Takes its time over every chain, as one does that was never seen before."""

    takes = 0.3

    def judge(self, ssl_object: Any, server_name: str) -> TlsFacts:
        time.sleep(self.takes)
        return super().judge(ssl_object, server_name)


async def test_what_we_make_of_a_certificate_is_no_time_of_the_handshake(
    authority: Authority,
) -> None:
    net = replace(network.net(authority.trust), trust=SlowJudge(str(authority.file)))
    async with SmtpPeer(Script(tls=authority.context("127.0.0.1"))) as peer:
        result = await probe(net, peer.port)
    assert result.facts["tls.trusted"]
    assert _seconds(result, Phase.TLS)[0] < SlowJudge.takes < result.seconds


# -- the looking


CONFIG = """
ehlo_name: probe.test
listen: 127.0.0.1:0
ledger: {ledger}
ca_file: {ca}
routes:
  out: {{type: submission, host: 127.0.0.1, port: {smtp}, tls: none}}
mailboxes:
  box: {{type: imap, host: 127.0.0.1, port: {imap}, tls: none, username: us, password: {password},
    fast_poll: {poll}, keep: null}}
paths:
  one: {{route: out, mailbox: box, mail_from: a@sender.test, rcpt_to: us@mx.test}}
"""


@pytest_asyncio.fixture
async def dovecot() -> AsyncIterator[Dovecot]:
    async with running_dovecot() as server:
        yield server


@dataclass
class Settled(Subscriber):
    """Keeps the first canary that is settled."""

    first: "asyncio.Future[CanaryRecord]"

    def canary_changed(self, change: Change) -> None:
        if change.record.state not in UNSETTLED and not self.first.done():
            self.first.set_result(change.record)


@pytest.mark.real("dovecot-imapd")
@pytest.mark.parametrize("poll", ["50ms", "300ms"])
async def test_an_arrival_lies_between_the_look_without_it_and_the_look_with_it(
    poll: str, dovecot: Dovecot, tmp_path: Path
) -> None:
    settled: asyncio.Future[CanaryRecord] = asyncio.get_running_loop().create_future()
    ledger = await Ledger.open(str(tmp_path / "ledger.sqlite"), SYSTEM_CLOCK)
    async with SmtpPeer(Script(on={"content": (Signal("taken"), Say("250 ok"))})) as peer:
        text = CONFIG.format(
            ledger=tmp_path / "ledger.sqlite",
            ca=dovecot.ca_file,
            smtp=peer.port,
            imap=dovecot.plain_port,
            password=dovecot.password,
            poll=poll,
        )
        service = Service(parse(text, "test.yaml", {}), ledger, subscribers=(Settled(settled),))
        stop = asyncio.Event()
        async with serving(service, "127.0.0.1", 0), asyncio.timeout(20):
            running = asyncio.create_task(service.run(stop, at_once=True, scheduled=False))
            await peer.told("taken")
            await asyncio.sleep(TRANSIT)
            before = SYSTEM_CLOCK.utc()
            dovecot.deliver("us", peer.conversation.content[0])
            after = SYSTEM_CLOCK.utc()
            token = (await settled).token
            stop.set()
            await running
    record = await ledger.find(token)
    await ledger.close()
    assert record is not None
    assert record.state is State.ARRIVED
    assert record.sending_at is not None
    assert record.round_trip is not None
    assert record.resolution is not None
    seen = record.sending_at + timedelta(seconds=record.round_trip)
    not_seen = seen - timedelta(seconds=record.resolution)
    assert not_seen <= after
    assert before <= seen
    assert record.sending_at < not_seen  # there was a look in vain: a bracket, not "some time ago"
    assert record.round_trip >= TRANSIT
    assert 0 < record.resolution < record.round_trip


# -- the loop


async def test_a_run_during_which_the_loop_was_blocked_says_so(authority: Authority) -> None:
    blocked = 0.08

    async def work(trace: Trace) -> None:
        with trace.phase(Phase.GREETING):
            await asyncio.sleep(0.001)
            time.sleep(blocked)  # noqa: ASYNC251 - what is done here to everybody else
            await asyncio.sleep(0.001)

    async with LoopMonitor(lambda _: None) as monitor:
        await asyncio.sleep(0.05)
        result = await run_once(
            "test", work, clock=SYSTEM_CLOCK, deadline=5, lag=monitor.worst_since
        )
    assert result.ok
    finding = _lagged(result)
    assert finding is not None
    assert finding.status is Status.NOTICE
    told = re.search(r"(\d+) ms", finding.evidence)
    assert told is not None
    assert int(told[1]) >= 1000 * (blocked - 0.03)  # it may have begun just after a wake-up


@pytest.mark.parametrize(("lag", "findings"), [(0.0, 0), (LAGGED / 2, 0), (LAGGED, 1)])
async def test_only_a_lag_worth_mentioning_is_a_finding(
    lag: float, findings: int, authority: Authority
) -> None:
    asked: list[float] = []

    def worst_since(instant: float) -> float:
        asked.append(instant)
        return lag

    began = SYSTEM_CLOCK.monotonic()
    async with SmtpPeer(Script(tls=authority.context("127.0.0.1"))) as peer:
        result = await probe(network.net(authority.trust), peer.port, lag=worst_since)
    assert result.ok
    assert [found.code for found in result.findings].count(LOOP_LAGGED.code) == findings
    assert began <= asked[0] <= SYSTEM_CLOCK.monotonic() - result.seconds


def test_runs_that_lagged_are_counted() -> None:
    metrics = Metrics("0", SYSTEM_CLOCK)
    metrics.configure(config("a", jobs=("b",)))
    read = Reader(metrics)
    calm, lagged = run("a"), _with(LOOP_LAGGED.found(Status.NOTICE, "event loop", "x"))
    metrics.run_finished(calm)
    assert read("lagged_runs_total") == 0
    for name in ("a", "b"):
        metrics.run_finished(Run(name, 2, lagged))
    assert read("lagged_runs_total") == 2


def _with(finding: Finding) -> ProbeResult:
    plain = run("a").result
    return ProbeResult(plain.kind, plain.started_at, plain.seconds, plain.timings, None, (finding,))


def _lagged(result: ProbeResult) -> Finding | None:
    return next((finding for finding in result.findings if finding.code == LOOP_LAGGED.code), None)


# -- the queue


async def test_waiting_for_our_own_session_is_no_phase_of_the_servers(
    authority: Authority,
) -> None:
    busy = 0.5
    net = network.net(authority.trust)
    async with SmtpPeer(Script(tls=authority.context("127.0.0.1"))) as peer:
        slot = await net.limiter.enter("127.0.0.1", peer.port)
        asyncio.get_running_loop().call_later(busy, slot.end)
        result = await probe(net, peer.port, deadline=busy + 0.3)
    assert result.ok
    assert result.seconds >= busy
    assert sum(timing.seconds for timing in result.timings) < result.seconds - busy * 0.9
    (finding,) = (found for found in result.findings if found.code == "monitor.waited")
    assert float(finding.evidence.removesuffix(" s")) >= NOTABLE_WAIT


async def test_the_deadline_stands_still_while_we_wait_for_ourselves() -> None:
    deadline, busy, work_takes = 0.6, 0.4, 0.4

    async def work(trace: Trace) -> None:
        with trace.waiting(Phase.CONNECT, "an earlier session"):
            await asyncio.sleep(busy)
        with trace.phase(Phase.CONNECT):
            await asyncio.sleep(work_takes)

    result = await run_once("test", work, clock=SYSTEM_CLOCK, deadline=deadline)
    assert result.ok, result
    assert result.seconds > deadline


async def test_a_run_that_never_had_its_slot_blames_nobody_else(authority: Authority) -> None:
    net = network.net(authority.trust)
    async with SmtpPeer() as peer:
        slot = await net.limiter.enter("127.0.0.1", peer.port)
        result = await probe(net, peer.port, deadline=0.1)
        slot.end()
        assert not peer.conversations
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (Reason.UNTESTABLE, Owner.MONITOR)
    assert "earlier session" in result.failure.detail


async def test_what_hangs_after_it_got_its_slot_is_still_the_servers(authority: Authority) -> None:
    async def work(trace: Trace) -> None:
        with trace.waiting(Phase.CONNECT, "an earlier session"):
            await asyncio.sleep(0)
        with trace.phase(Phase.GREETING):
            await asyncio.Event().wait()

    result = await run_once("test", work, clock=SYSTEM_CLOCK, deadline=0.05)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.GREETING, Reason.TIMEOUT)


async def test_runs_at_the_same_time_do_not_meet_at_a_server(authority: Authority) -> None:
    script = Script(tls=authority.context("127.0.0.1"), latency=0.005)
    net = network.net(authority.trust)
    async with SmtpPeer(script) as peer:
        results = await asyncio.gather(*(probe(net, peer.port) for _ in range(8)))
        assert all(result.ok for result in results)
        first_words = [talk.heard[0][0] for talk in peer.conversations]
        last_words = [talk.heard[-1][0] for talk in peer.conversations]
        assert all(talk.verbs[-1] == "QUIT" for talk in peer.conversations)
    assert len(first_words) == 8
    assert all(end < begin for end, begin in zip(last_words, first_words[1:], strict=False))
