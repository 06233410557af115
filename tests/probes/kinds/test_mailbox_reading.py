"""Kind `mailbox` against Dovecot and against servers that misbehave."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from exporter.testbed.servers.imap import ImapPeer
from exporter.testbed.servers.script import Close, Say, Step, Wait
from probes.catalogue import ENTRIES
from probes.clock import SYSTEM_CLOCK
from probes.kinds.mailbox_reading import MailboxTarget, host, probe
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, Port, Seconds, Secret
from probes.result import Owner, Phase, ProbeResult, Reason
from probes.run import run_once
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.support.network import net

real = pytest.mark.real("dovecot-imapd")
FULL = b"Subject: large\r\n\r\n" + b"x" * 60_000

QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=64K
  quota_rule2 = INBOX:messages=100
}
"""


@pytest.fixture(scope="module")
def the_net() -> Net:
    return net(TrustStore())


@pytest_asyncio.fixture
async def dovecot() -> AsyncIterator[Dovecot]:
    async with running_dovecot(QUOTA) as server:
        yield server


def target_of(dovecot: Dovecot) -> MailboxTarget:
    return MailboxTarget(
        Host("127.0.0.1"),
        "us",
        Secret(dovecot.password),
        port=Port(dovecot.tls_port),
        ca_file=FilePath(str(dovecot.ca_file)),
    )


async def run(net: Net, target: MailboxTarget) -> ProbeResult:
    result = await run_once(
        "mailbox", lambda trace: probe(net, target, trace), clock=SYSTEM_CLOCK, deadline=20
    )
    for finding in result.findings:
        assert finding.status in ENTRIES[finding.code].severity
    return result


@real
async def test_every_step_of_reading_a_mailbox_is_timed_and_nothing_is_changed(
    the_net: Net, dovecot: Dovecot
) -> None:
    dovecot.deliver("us", b"Subject: new\r\n\r\nnew\r\n")
    result = await run(the_net, target_of(dovecot))
    assert result.failure is None
    assert [timing.phase for timing in result.timings] == [
        *(Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.AUTH),
        *(Phase.SELECT, Phase.SEARCH, Phase.QUIT),
    ]
    assert result.facts["mailbox.messages"] == 1
    assert result.facts["mailbox.messages_today"] == 1
    used, limit = result.facts["mailbox.quota_storage"]
    assert 0 <= used < limit == 64
    assert result.facts["tls.trusted"] is True
    assert not result.findings
    (file,) = dovecot.files("us")
    assert ":2,S" not in file  # not marked as read
    assert host(target_of(dovecot)) == "127.0.0.1"


@real
async def test_a_mailbox_that_is_nearly_full_is_told_before_it_is(
    the_net: Net, dovecot: Dovecot
) -> None:
    dovecot.deliver("us", FULL)
    codes = {finding.code for finding in (await run(the_net, target_of(dovecot))).findings}
    assert codes == {"mailbox.quota_nearly_full"}
    dovecot.deliver("them", FULL)
    dovecot.deliver("them", FULL)
    other = replace(target_of(dovecot), username="them")
    codes = {finding.code for finding in (await run(the_net, other)).findings}
    assert codes == {"mailbox.quota_full"}


@real
async def test_a_certificate_that_is_not_to_be_trusted_stops_it_or_is_told(
    the_net: Net, dovecot: Dovecot
) -> None:
    strict = replace(target_of(dovecot), ca_file=None)
    failure = (await run(the_net, strict)).failure
    assert failure is not None
    assert (failure.phase, failure.reason) == (Phase.TLS, Reason.CERTIFICATE_NOT_TRUSTED)
    lenient = await run(the_net, replace(strict, verify=False))
    assert lenient.ok
    assert [finding.code for finding in lenient.findings] == ["mailbox.certificate_untrusted"]


@real
async def test_starttls_is_spoken_and_a_folder_that_is_not_there_is_a_fault_of_the_configuration(
    the_net: Net, dovecot: Dovecot
) -> None:
    target = replace(target_of(dovecot), tls="starttls", port=Port(dovecot.plain_port))
    result = await run(the_net, target)
    assert result.ok
    assert Phase.STARTTLS in [timing.phase for timing in result.timings]
    failure = (await run(the_net, replace(target, folder="Nowhere"))).failure
    assert failure is not None
    assert (failure.phase, failure.owner) == (Phase.SELECT, Owner.CONFIGURATION)


CASES: list[tuple[str, tuple[Step, ...], Phase, Reason]] = [
    ("connect", (Wait(),), Phase.GREETING, Reason.TIMEOUT),
    ("connect", (Close(),), Phase.GREETING, Reason.CONNECTION_CLOSED),
    ("EXAMINE", (Say("{tag} NO not now"),), Phase.SELECT, Reason.REJECTED),
    ("UID SEARCH", (Wait(),), Phase.SEARCH, Reason.TIMEOUT),
]


@pytest.mark.parametrize(("moment", "steps", "phase", "reason"), CASES)
async def test_the_step_that_fails_is_named(
    the_net: Net, moment: str, steps: tuple[Step, ...], phase: Phase, reason: Reason
) -> None:
    peer_of = ImapPeer(greeting=steps) if moment == "connect" else ImapPeer({moment: steps})
    async with peer_of as peer:
        target = MailboxTarget(
            Host("127.0.0.1"), "us", Secret("x"), port=Port(peer.port), tls="none",
            timeout=Seconds(0.3),
        )  # fmt: skip
        failure = (await run(the_net, target)).failure
    assert failure is not None
    assert (failure.phase, failure.reason, failure.owner) == (phase, reason, Owner.RECEIVER_MAILBOX)
