"""Route `direct` against scripted servers: which host gets the message, and when it stops."""

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.script import Close, Send, Wait
from exporter.testbed.servers.smtp import Script
from probes.canary.lifecycle import Event, sending_ended
from probes.canary.message import Canary
from probes.clock import SYSTEM_CLOCK
from probes.net.tls import TrustStore
from probes.options import EmailAddress, Seconds
from probes.result import Owner, Phase, ProbeResult, Reason, Status
from probes.routes.direct import DirectRoute, hand_over, host
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.support.mail_world import DOMAIN, MailWorld, mail_world

TWO_HOSTS = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.2"
ONE_HOST = "@ MX 10 mx1\nmx1 A 192.0.2.1"
GOOD = Script()
CONTENT = b"Subject: canary\r\n\r\n.a line that begins with a dot\r\n"
ROUTE = DirectRoute()
FIRST, SECOND = "192.0.2.1", "192.0.2.2"


def canary(rcpt_to: str = f"probe@{DOMAIN}", content: bytes = CONTENT) -> Canary:
    return Canary(
        "mailcanary-aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "<mailcanary-aaaaaaaaaaaaaaaaaaaaaaaaaa@sender.test>",
        EmailAddress("bounces@sender.test"),
        EmailAddress(rcpt_to),
        content,
    )


async def send(
    world: MailWorld, route: DirectRoute = ROUTE, message: Canary | None = None
) -> ProbeResult:
    return await run_once(
        "direct",
        lambda trace: hand_over(world.net, route, message or canary(), trace),
        clock=SYSTEM_CLOCK,
        deadline=20,
    )


def answering(moment: str, reply: bytes) -> Script:
    return Script(on={moment: (Send(reply + b"\r\n"),)})


async def test_the_most_preferred_host_gets_the_message_and_no_other_is_asked(
    authority: Authority, trust: TrustStore
) -> None:
    tls = Script(tls=authority.context("mx1.example.test"))
    async with mail_world(TWO_HOSTS, {FIRST: tls, SECOND: GOOD}, trust=trust) as world:
        result = await send(world)
        talk = world.peers[FIRST].conversation
    assert result.ok, result
    assert talk.verbs[:6] == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA"]
    assert talk.lines[3].startswith(b"MAIL FROM:<bounces@sender.test>")
    assert talk.lines[4] == b"RCPT TO:<probe@example.test>"
    assert talk.verbs[-1] == "QUIT"
    assert [text.replace(b"\r\n..", b"\r\n.") for text in talk.content] == [CONTENT]
    assert not world.peers[SECOND].conversations
    assert result.facts["mx.host"] == "mx1.example.test"
    assert result.facts["address"] == FIRST
    assert result.facts["smtp.reply"] == "250 2.0.0 queued as 4711"
    assert result.facts["tls.trusted"] is True
    assert [timing.phase for timing in result.timings] == [
        Phase.DNS_MX,
        Phase.DNS_ADDRESS,
        Phase.CONNECT,
        Phase.GREETING,
        Phase.EHLO,
        Phase.STARTTLS,
        Phase.TLS,
        Phase.EHLO,
        Phase.MAIL,
        Phase.RCPT,
        Phase.DATA,
        Phase.END_OF_DATA,
        Phase.QUIT,
    ]


NOT_NOW = [
    None,  # nobody listens
    answering("connect", b"421 4.3.2 busy"),
    answering("connect", b"554 5.3.2 not here"),
    answering("MAIL", b"451 4.3.0 try again"),
    answering("RCPT", b"450 4.2.0 greylisted, come back"),
    answering("DATA", b"451 4.3.0 try again"),
    Script(on={"connect": (Close(),)}),
    Script(on={"RCPT": (Close(reset=True),)}),
    Script(on={"connect": (Send(b"\xff\xfe\r\n"),)}),
]


@pytest.mark.parametrize("first", NOT_NOW)
async def test_the_next_host_is_tried_when_one_cannot_take_it_now(
    trust: TrustStore, first: Script | None
) -> None:
    peers = {SECOND: GOOD} if first is None else {FIRST: first, SECOND: GOOD}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await send(world)
    assert result.ok, result
    assert len(world.content(SECOND)) == 1
    assert result.facts["mx.host"] == "mx2.example.test"
    (finding,) = [f for f in result.findings if f.code == "mx.address_unusable"]
    assert finding.status is Status.WARNING
    assert str(finding.subject) == f"mx1.example.test [{FIRST}]"


async def test_every_address_of_a_host_is_tried_before_the_next_host(trust: TrustStore) -> None:
    zone = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.9\nmx1 AAAA 2001:db8::1\nmx2 A 192.0.2.2"
    peers = {"2001:db8::1": GOOD, SECOND: GOOD}
    async with mail_world(zone, peers, trust=trust) as world:
        assert (await send(world)).ok
    assert len(world.content("2001:db8::1")) == 1
    assert not world.peers[SECOND].conversations


async def test_a_host_whose_name_does_not_resolve_is_passed_over(trust: TrustStore) -> None:
    zone = "@ MX 10 ghost\n@ MX 20 mx2\nmx2 A 192.0.2.2"
    async with mail_world(zone, {SECOND: GOOD}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result
    assert [str(finding.subject) for finding in result.findings] == ["ghost.example.test"]


@pytest.mark.parametrize(
    ("moment", "reply"),
    [
        ("MAIL", b"550 5.7.1 not from your network"),
        ("RCPT", b"550 5.1.1 no such user"),
        ("DATA", b"550 5.1.1 no such user"),
    ],
)
async def test_a_permanent_refusal_of_the_transaction_is_the_domains_answer(
    trust: TrustStore, moment: str, reply: bytes
) -> None:
    peers = {FIRST: answering(moment, reply), SECOND: GOOD}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await send(world)
        assert not world.peers[SECOND].conversations
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase(moment.lower()), Reason.REJECTED)
    assert sending_ended(result) is Event.REFUSED_FOR_GOOD


AFTER_THE_DOT = [
    ((Close(reset=True),), Event.OUTCOME_UNKNOWN),
    ((Close(),), Event.OUTCOME_UNKNOWN),
    ((Send(b"451 4.3.0 try again\r\n"),), Event.REFUSED_FOR_NOW),
    ((Send(b"554 5.7.1 spam\r\n"),), Event.REFUSED_FOR_GOOD),
]


@pytest.mark.parametrize(("steps", "event"), AFTER_THE_DOT)
async def test_once_the_content_was_sent_no_other_host_is_tried(
    trust: TrustStore, steps: tuple[Send | Close, ...], event: Event
) -> None:
    peers = {FIRST: Script(on={"content": steps}), SECOND: GOOD}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await send(world)
        assert not world.peers[SECOND].conversations
    assert result.failure is not None
    assert result.failure.phase is Phase.END_OF_DATA
    assert sending_ended(result) is event


async def test_when_no_host_takes_it_a_reply_says_more_than_a_closed_port(
    trust: TrustStore,
) -> None:
    peers = {SECOND: answering("RCPT", b"450 4.2.0 greylisted, come back")}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await send(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.RCPT, Reason.GREYLISTED)
    assert sending_ended(result) is Event.REFUSED_FOR_NOW


async def test_what_this_machine_could_not_do_is_said_only_when_nothing_else_was_learnt(
    trust: TrustStore,
) -> None:
    both = "@ MX 10 mx1\nmx1 AAAA 2001:db8::1\nmx1 A 192.0.2.1"
    only_v6 = "@ MX 10 mx1\nmx1 AAAA 2001:db8::1"
    ours = "2001:db8:ffff::1"
    async with mail_world(both, {}, trust=trust, source_v6=ours) as world:
        mixed = await send(world)
    async with mail_world(only_v6, {}, trust=trust, source_v6=ours) as world:
        alone = await send(world)
    assert mixed.failure is not None
    assert mixed.failure.reason is Reason.CONNECTION_REFUSED
    assert alone.failure is not None
    assert alone.failure.owner is Owner.CONFIGURATION
    assert sending_ended(alone) is Event.COULD_NOT_SEND


async def test_a_domain_that_takes_no_mail_gets_none(trust: TrustStore) -> None:
    async with mail_world("@ MX 0 .\n@ A 192.0.2.1", {FIRST: GOOD}, trust=trust) as world:
        result = await send(world)
        assert not world.peers[FIRST].conversations
    assert result.failure is not None
    assert result.failure.reason is Reason.NULL_MX


async def test_without_mx_records_the_domain_itself_gets_it(trust: TrustStore) -> None:
    async with mail_world("@ A 192.0.2.1", {FIRST: GOOD}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result
    assert result.facts["mx.implicit"] is True
    assert len(world.content(FIRST)) == 1


@pytest.mark.parametrize(
    "misbehaviour", [Misbehaviour.NXDOMAIN, Misbehaviour.SERVFAIL, Misbehaviour.SILENCE]
)
async def test_nobody_gets_it_when_the_hosts_are_not_known(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    faults: Faults = {(DOMAIN, "MX"): DnsFault(misbehaviour)}
    zone = "@ A 192.0.2.1"
    async with mail_world(zone, {FIRST: GOOD}, trust=trust, faults=faults) as world:
        result = await send(world)
        assert not world.peers[FIRST].conversations
    assert result.failure is not None
    assert result.failure.phase is Phase.DNS_MX


async def test_an_address_literal_needs_no_look_up(trust: TrustStore) -> None:
    message = canary("probe@[192.0.2.1]")
    async with mail_world("", {FIRST: GOOD}, trust=trust) as world:
        result = await send(world, message=message)
        assert not world.dns.queries
        assert world.peers[FIRST].conversation.lines[2] == b"RCPT TO:<probe@[192.0.2.1]>"
    assert result.ok, result


async def test_an_address_that_is_none_is_our_own_fault(trust: TrustStore) -> None:
    async with mail_world(ONE_HOST, {FIRST: GOOD}, trust=trust) as world:
        result = await send(world, message=canary("probe"))
    assert result.failure is not None
    assert result.failure.owner is Owner.CONFIGURATION


BROKEN_TLS = Script(
    extensions=("STARTTLS",),
    on={"STARTTLS": (Send(b"220 go ahead\r\n"), Send(b"this is no TLS"), Close())},
)


async def test_where_tls_fails_the_message_goes_in_clear_and_a_finding_says_so(
    trust: TrustStore,
) -> None:
    async with mail_world(ONE_HOST, {FIRST: BROKEN_TLS}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result
    assert len(world.content(FIRST)) == 1
    assert "smtp.starttls.failed" in {finding.code for finding in result.findings}
    first, second = world.peers[FIRST].conversations
    assert "STARTTLS" in first.verbs
    assert "STARTTLS" not in second.verbs


@pytest.mark.parametrize("script", [BROKEN_TLS, GOOD])
async def test_where_tls_is_required_nothing_goes_in_clear(
    trust: TrustStore, script: Script
) -> None:
    route = DirectRoute(tls="required")
    async with mail_world(ONE_HOST, {FIRST: script}, trust=trust) as world:
        result = await send(world, route)
    assert result.failure is not None
    assert result.failure.phase in (Phase.STARTTLS, Phase.TLS)
    assert all("MAIL" not in verbs for verbs in world.verbs(FIRST))


async def test_a_silent_host_is_given_up_for_the_next(trust: TrustStore) -> None:
    peers = {FIRST: Script(on={"connect": (Wait(),)}), SECOND: GOOD}
    route = DirectRoute(address_timeout=Seconds(0.3))
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await send(world, route)
    assert result.ok, result
    (finding,) = result.findings
    assert "greeting" in finding.evidence


async def test_the_answer_to_the_final_dot_is_waited_for_beyond_the_address_timeout(
    trust: TrustStore,
) -> None:
    slow = Script(on={"content": (Wait(1.0), Send(b"250 2.0.0 at last\r\n"))})
    route = DirectRoute(address_timeout=Seconds(0.5))
    async with mail_world(TWO_HOSTS, {FIRST: slow, SECOND: GOOD}, trust=trust) as world:
        result = await send(world, route)
        assert not world.peers[SECOND].conversations
    assert result.ok, result
    assert result.facts["smtp.reply"] == "250 2.0.0 at last"


async def test_no_more_addresses_are_tried_than_configured(trust: TrustStore) -> None:
    zone = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.7\nmx1 A 192.0.2.8\nmx2 A 192.0.2.2"
    async with mail_world(zone, {SECOND: GOOD}, trust=trust) as world:
        result = await send(world, DirectRoute(max_addresses=2))
        assert not world.peers[SECOND].conversations
    assert result.failure is not None
    assert len(result.findings) == 2


async def test_a_message_that_needs_8bitmime_says_so(trust: TrustStore) -> None:
    message = canary(content="Subject: ü\r\n\r\nü\r\n".encode())
    async with mail_world(ONE_HOST, {FIRST: GOOD}, trust=trust) as world:
        assert (await send(world, message=message)).ok
        assert b"BODY=8BITMIME" in world.peers[FIRST].conversation.lines[1]


def test_a_run_loads_the_recipients_domain() -> None:
    assert host(ROUTE, canary("Probe@Example.TEST")) == DOMAIN
