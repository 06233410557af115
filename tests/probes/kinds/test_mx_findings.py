"""What the kind `mx` notices: each misbehaviour of records or servers has its own code."""

import ssl
from dataclasses import replace

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Say, Send, Wait
from exporter.testbed.servers.script import Step as ServerStep
from exporter.testbed.servers.smtp import Script
from probes.catalogue import ENTRIES, owner_of_finding
from probes.clock import SYSTEM_CLOCK
from probes.kinds.mx import MxTarget, probe
from probes.mx.recipients import Question
from probes.net.tls import TrustStore
from probes.options import Domain, EmailAddress, Host, Seconds
from probes.result import Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from probes.run import run_once
from probes.trace import Listener, Step
from tests.servers.certificates import Authority
from tests.support.mail_world import DOMAIN, MailWorld, mail_world

ZONE = "@ MX 10 mx1\nmx1 A 192.0.2.1"
TARGET = MxTarget(Domain(DOMAIN))


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test")


async def run(
    world: MailWorld, target: MxTarget = TARGET, listener: Listener | None = None
) -> ProbeResult:
    result = await run_once(
        "mx",
        lambda trace: probe(world.net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=20,
        listener=listener,
    )
    for finding in found(result):
        assert finding.status in ENTRIES[finding.code].severity, finding
        assert finding.evidence.isprintable()
    return result


def found(result: ProbeResult) -> list[Finding]:
    return [*result.findings, *(f for part in result.parts for f in part.findings)]


def codes(result: ProbeResult) -> set[str]:
    return {finding.code for finding in found(result)}


def only_part(result: ProbeResult) -> Part:
    (part,) = result.parts
    return part


RECORDS = [
    ("@ A 192.0.2.1", "mx.implicit"),
    ("@ MX 0 .\n@ MX 10 mx1\nmx1 A 192.0.2.1", "mx.null_with_others"),
    ("@ MX 10 .", "mx.null_preference"),
    ("@ MX 10 mx1\n@ MX 20 mx1\nmx1 A 192.0.2.1", "mx.records_duplicate"),
    ("@ MX 10 192.0.2.1.\n@ MX 20 mx1\nmx1 A 192.0.2.1", "mx.host_is_address"),
    ("@ MX 10 mx1\nmx1 CNAME real\nreal A 192.0.2.1", "mx.host_is_cname"),
    ("@ MX 10 ghost\n@ MX 20 mx1\nmx1 A 192.0.2.1", "mx.host_unresolved"),
    ("@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.1", "mx.addresses_shared"),
]
OF_RECORDS = {code for _, code in RECORDS}


@pytest.mark.parametrize(("zone", "code"), RECORDS, ids=[code for _, code in RECORDS])
async def test_odd_records_are_told_apart_and_nothing_else_is_said_of_them(
    trust: TrustStore, zone: str, code: str
) -> None:
    async with mail_world(zone, {"192.0.2.1": Script()}, trust=trust) as world:
        result = await run(world)
    implied = {"mx.host_unresolved"} if code == "mx.host_is_address" else set()
    assert codes(result) & OF_RECORDS == {code} | implied


async def test_records_in_good_order_are_not_complained_about(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        result = await run(world)
    assert codes(result) == {"mx.host_special_address"}  # 192.0.2.0/24 is for documentation


async def test_a_null_mx_in_good_order_has_no_finding(trust: TrustStore) -> None:
    async with mail_world("@ MX 0 .", {}, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.reason is Reason.NULL_MX
    assert codes(result) == set()


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_records_that_do_not_validate_are_called_bogus(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    faults = {(DOMAIN, "MX"): DnsFault(misbehaviour)}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        result = await run(world)
    (finding,) = found(result)
    assert (finding.code, finding.status) == ("dnssec.bogus", Status.FAILURE)
    assert "dnssec_bogus" in finding.evidence
    assert owner_of_finding(finding) is Owner.RECEIVER_DNS


async def test_a_server_that_only_fails_is_not_called_bogus(trust: TrustStore) -> None:
    faults = {(DOMAIN, "MX"): DnsFault(Misbehaviour.SERVFAIL)}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        result = await run(world)
    assert found(result) == []
    assert result.failure is not None
    assert result.failure.reason is Reason.SERVFAIL


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_a_host_whose_addresses_do_not_validate_fails_for_that(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    faults = {("mx1.example.test", "*"): DnsFault(misbehaviour)}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        result = await run(world)
    failure = only_part(result).failure
    assert failure is not None
    assert (failure.reason, failure.owner) == (Reason.DNSSEC_BOGUS, Owner.RECEIVER_DNS)


@pytest.mark.parametrize("is_listening", [True, False])
async def test_a_reserved_address_is_graver_when_nothing_answers_there(
    trust: TrustStore,
    is_listening: bool,  # noqa: FBT001
) -> None:
    peers = {"10.0.0.1": Script()} if is_listening else {}
    zone = "@ MX 10 mx1\nmx1 A 10.0.0.1"
    async with mail_world(zone, peers, trust=trust) as world:
        result = await run(world)
    (finding,) = [f for f in found(result) if f.code == "mx.host_special_address"]
    assert finding.status is (Status.NOTICE if is_listening else Status.WARNING)
    assert "private" in finding.evidence


def greeting(*steps: ServerStep) -> Script:
    return Script(on={"connect": steps})


SERVERS: list[tuple[str, Script, bool]] = [
    ("smtp.starttls.not_offered", Script(), False),
    ("smtp.starttls.masked", Script(extensions=("SIZE 1000000", "XXXXXXXA")), False),
    ("smtp.starttls.offered_again", Script(on={"tls EHLO": (Say("250-p", "250 STARTTLS"),)}), True),
    ("smtp.extensions.lost", Script(on={"tls EHLO": (Say("250 peer.test"),)}), True),
    ("smtp.ehlo.name_changed", Script(on={"tls EHLO": (Say("250 other.test"),)}), True),
    ("smtp.ehlo.name_not_qualified", Script(on={"EHLO": (Say("250 localhost"),)}), False),
    ("smtp.size.too_small", Script(extensions=("SIZE 1000",)), False),
    ("smtp.greeting.paused", greeting(Wait(0.4), Say("220 peer.test")), False),
    ("smtp.tarpit", Script(latency=0.4), True),
    ("smtp.greeting.rejected", greeting(Say("554 5.7.1 listed")), False),
    ("smtp.greeting.no_mail", greeting(Say("521 5.3.2 no mail here")), False),
    ("smtp.service_closing", greeting(Say("421 4.3.2 stopping"), Close()), False),
    ("smtp.rate_limited", greeting(Say("421 4.7.0 too many connections"), Close()), False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "script", "has_tls"), SERVERS, ids=[code for code, _, _ in SERVERS]
)
async def test_a_server_that_behaves_oddly_is_told_by_its_code(
    trust: TrustStore,
    context: ssl.SSLContext,
    code: str,
    script: Script,
    has_tls: bool,  # noqa: FBT001
) -> None:
    script = replace(script, tls=context) if has_tls else script
    target = replace(TARGET, slow_reply=Seconds(0.3))
    async with mail_world(ZONE, {"192.0.2.1": script}, trust=trust) as world:
        result = await run(world, target)
    assert code in codes(result)
    if code in REFUSALS:
        assert codes(result) & REFUSALS == {code}


async def tempo(trust: TrustStore, until: float = 20.0, **on: tuple[ServerStep, ...]) -> set[str]:
    """What is said of the tempo of a server without TLS that does so, with these limits."""
    target = replace(TARGET, slow_reply=Seconds(0.3), address_timeout=Seconds(until))
    async with mail_world(ZONE, {"192.0.2.1": Script(on=on)}, trust=trust) as world:
        return codes(await run(world, target)) & {"smtp.tarpit", "smtp.greeting.paused"}


EHLO = Say("250-peer.test", "250 SIZE 1000000")


async def test_a_pause_is_one_before_a_greeting_that_came(trust: TrustStore) -> None:
    assert await tempo(trust, 0.5, connect=(Wait(),)) == set()
    refused = (Wait(0.4), Say("554 5.7.1 not you"))
    assert await tempo(trust, connect=refused) == {"smtp.greeting.paused"}


@pytest.mark.slow("a tarpit takes its time")
async def test_greeting_and_ehlo_are_answers_enough_for_a_tarpit(trust: TrustStore) -> None:
    greeted, told = (Wait(0.4), Say("220 peer.test")), (Wait(0.4), EHLO)
    assert await tempo(trust, connect=greeted, EHLO=told) == {"smtp.tarpit"}
    assert await tempo(trust, EHLO=told) == set()
    assert await tempo(trust, 1.0, connect=greeted, EHLO=(Wait(),)) == {"smtp.greeting.paused"}


REFUSALS = {
    *("smtp.greeting.rejected", "smtp.greeting.no_mail", "smtp.service_closing"),
    *("smtp.rate_limited", "smtp.greylisted"),
}


async def test_an_offer_that_one_address_makes_and_the_other_does_not_is_told(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    peers = {"192.0.2.1": Script(tls=context), "192.0.2.2": Script()}
    async with mail_world(ZONE + "\nmx1 A 192.0.2.2", peers, trust=trust) as world:
        result = await run(world)
    (finding,) = [f for f in found(result) if f.code == "mx.starttls_inconsistent"]
    assert str(finding.subject) == "mx1.example.test"
    assert "192.0.2.2" in finding.evidence


async def differing(trust: TrustStore, **servers: Script) -> list[Finding]:
    """What is said of the certificates of mx1, where some of 192.0.2.1, .2 and .3 answer."""
    peers = {f"192.0.2.{name[1:]}": script for name, script in servers.items()}
    zone = ZONE + "\nmx1 A 192.0.2.2\nmx1 A 192.0.2.3"
    async with mail_world(zone, peers, trust=trust) as world:
        result = await run(world)
    return [finding for finding in found(result) if finding.code == "mx.certificates_differ"]


async def test_different_certificates_at_addresses_of_one_host_are_told(
    trust: TrustStore, authority: Authority
) -> None:
    one, other = (Script(tls=authority.context("mx1.example.test")) for _ in range(2))
    (finding,) = await differing(trust, a1=one, a2=other)
    assert (str(finding.subject), finding.status) == ("mx1.example.test", Status.INFO)
    first, second = finding.evidence.split("; ")
    assert first.startswith("192.0.2.1: ")
    assert second.startswith("192.0.2.2: ")
    assert first.split()[1] != second.split()[1]


async def test_a_certificate_that_only_some_addresses_have_in_order_is_a_warning(
    trust: TrustStore, authority: Authority
) -> None:
    good = Script(tls=authority.context("mx1.example.test"))
    expired = Script(tls=authority.expired("mx1.example.test"))
    (finding,) = await differing(trust, a1=good, a2=expired, a3=good)
    assert finding.status is Status.WARNING
    assert "192.0.2.1, 192.0.2.3: " in finding.evidence
    assert "certificate_expired" in finding.evidence


async def test_the_same_certificate_everywhere_or_an_unreached_address_is_no_difference(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    same = Script(tls=context)
    assert await differing(trust, a1=same, a2=same) == []
    assert (
        await differing(trust, a1=same, a2=Script(tls=context, on={"STARTTLS": (Close(),)})) == []
    )
    assert await differing(trust, a1=same, a2=Script()) == []


@pytest.mark.parametrize(
    "answer",
    [
        (Say("454 4.7.0 TLS is not available now"),),
        (Say("502 5.5.1 what?"),),
        (Say("220 go"), Send(b"this is no TLS")),
        (Say("220 go"), Close()),
    ],
    ids=["454", "502", "no TLS", "closed"],
)
async def test_tls_that_fails_is_told_and_mail_is_taken_in_clear_all_the_same(
    trust: TrustStore, context: ssl.SSLContext, answer: tuple[ServerStep, ...]
) -> None:
    broken = Script(tls=context, on={"STARTTLS": answer})
    steps: list[Step] = []
    async with mail_world(ZONE, {"192.0.2.1": broken}, trust=trust) as world:
        result = await run(world, listener=steps.append)
        first, second = world.verbs("192.0.2.1")
    assert result.ok
    assert first[:2] == ["EHLO", "STARTTLS"]
    assert second == ["EHLO", "QUIT"]
    (finding,) = [f for f in found(result) if f.code == "smtp.starttls.failed"]
    assert (str(finding.subject), finding.status) == (
        "mx1.example.test [192.0.2.1]",
        Status.WARNING,
    )
    part = only_part(result)
    assert part.facts["starttls.offered"] is True
    assert "tls.version" not in part.facts
    assert "smtp.starttls.not_offered" not in codes(result)
    ended = [step.phase for step in steps if step.host and step.timing is not None]
    assert ended.count(Phase.CONNECT) == ended.count(Phase.EHLO) == 2


async def test_a_server_that_takes_nothing_in_clear_either_fails_for_that(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    broken = Script(tls=context, on={"STARTTLS": (Say("454 4.7.0 later"),)})
    async with mail_world(ZONE, {"192.0.2.1": broken}, trust=trust) as world:

        def close(step: Step) -> None:
            if step.phase is Phase.STARTTLS:
                world.peers["192.0.2.1"].script = greeting(Say("421 4.3.2 enough"), Close())

        result = await run(world, listener=close)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == ("greeting", "service_closing")
    assert "smtp.starttls.failed" in codes(result)


# -- asking for recipients

ALL = replace(
    TARGET,
    recipient=EmailAddress("user@example.test"),
    postmaster=True,
    catch_all=True,
    open_relay=True,
    ehlo_name=Host("probe.elsewhere.invalid"),
)


async def test_nobody_is_asked_for_unless_the_user_wants_it(trust: TrustStore) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        await run(world)
        assert world.verbs("192.0.2.1") == [["EHLO", "QUIT"]]


@pytest.mark.parametrize(
    ("reply", "answer", "told"),
    [
        (
            "250 2.1.5 ok",
            "accepted",
            {*("rcpt.accepted", "rcpt.postmaster_accepted"), "rcpt.catch_all", "rcpt.open_relay"},
        ),
        (
            "550 5.1.1 who?",
            "refused",
            {
                *("rcpt.refused", "rcpt.postmaster_refused"),
                *("rcpt.unknown_refused", "rcpt.relay_refused"),
            },
        ),
        ("451 4.7.1 Greylisted", "greylisted", {"rcpt.undecided", "smtp.greylisted"}),
        (
            "450 4.2.1 too many messages",
            "deferred",
            {"rcpt.undecided", "rcpt.recipient_deferred", "smtp.rate_limited"},
        ),
        ("252 2.5.2 cannot tell", "undecided", {"rcpt.undecided"}),
    ],
)
async def test_each_question_has_one_answer_and_nothing_is_sent(
    trust: TrustStore, reply: str, answer: str, told: set[str]
) -> None:
    server = Script(on={"RCPT": (Say(reply),)})
    async with mail_world(ZONE, {"192.0.2.1": server}, trust=trust) as world:
        result = await run(world, ALL)
        (talk,) = world.peers["192.0.2.1"].conversations
    facts = only_part(result).facts
    asked = {"recipient", "postmaster", "catch_all", "open_relay"}
    assert {facts[f"rcpt.{question}"] for question in asked} == {answer}
    about = {c for c in codes(result) if c.startswith("rcpt.")} | codes(result) & REFUSALS
    assert about == told
    assert talk.verbs == ["EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "RCPT", "RSET", "QUIT"]
    assert talk.lines[1] == b"MAIL FROM:<>"
    assert talk.lines[5] == b"RCPT TO:<postmaster@probe.elsewhere.invalid>"


async def test_each_question_is_asked_by_itself(trust: TrustStore) -> None:
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        result = await run(world, replace(TARGET, postmaster=True))
        (talk,) = world.peers["192.0.2.1"].conversations
    assert [line for line in talk.lines if line.startswith(b"RCPT")] == [
        b"RCPT TO:<postmaster@example.test>"
    ]
    assert only_part(result).facts["rcpt.postmaster"] == "accepted"
    assert "rcpt.catch_all" not in only_part(result).facts


@pytest.mark.parametrize(
    ("reply", "mail_from", "answer", "told"),
    [
        ("550 5.7.1 no", None, "undecided", {"rcpt.sender_refused": Status.FAILURE}),
        ("553 5.1.8 who?", "a@sender.test", "undecided", {"rcpt.sender_refused": Status.FAILURE}),
        ("451 4.3.0 not now", None, "deferred", {"rcpt.sender_refused": Status.WARNING}),
        ("451 4.7.1 Greylisted", None, "greylisted", {"smtp.greylisted": Status.INFO}),
    ],
)
async def test_a_sender_that_is_refused_is_told_and_nobody_is_asked_for(
    trust: TrustStore, reply: str, mail_from: str | None, answer: str, told: dict[str, Status]
) -> None:
    server = Script(on={"MAIL": (Say(reply),)})
    target = replace(ALL, mail_from=mail_from and EmailAddress(mail_from))
    async with mail_world(ZONE, {"192.0.2.1": server}, trust=trust) as world:
        result = await run(world, target)
        assert world.verbs("192.0.2.1") == [["EHLO", "MAIL", "QUIT"]]
    facts = only_part(result).facts
    assert {facts[f"rcpt.{question}"] for question in Question} == {answer}
    assert facts["rcpt.recipient.said"] == f"MAIL: {reply}"
    found = [one for one in only_part(result).findings if one.code in told or "rcpt." in one.code]
    assert {one.code: one.status for one in found} == told
    assert f"MAIL FROM:<{mail_from or ''}> was answered {reply}" in found[0].evidence or (
        found[0].code == "smtp.greylisted"
    )
    assert not any("RCPT" in one.evidence for one in found)


@pytest.mark.parametrize(
    "ehlo_name",
    [
        *("example.test", "probe.example.test", "test", "EXAMPLE.test", "a.b.example.test"),
        *("mx.hoster.invalid", "probe.hoster.invalid", "[127.0.0.1]", "[192.0.2.1]"),
        *("[IPv6:::1]", "localhost", "box.called.invalid"),
    ],
)
async def test_a_server_is_no_open_relay_for_taking_mail_for_a_name_that_may_be_its_own(
    trust: TrustStore, ehlo_name: str
) -> None:
    zone = "@ MX 10 mx.hoster.invalid.\n"
    server = Script(on={"EHLO": (Say("250 mail.called.invalid"),)})
    target = replace(ALL, ehlo_name=Host(ehlo_name), postmaster=False)
    others = {"hoster.invalid": "mx A 192.0.2.1"}
    async with mail_world(zone, {"192.0.2.1": server}, trust=trust, others=others) as world:
        result = await run(world, target)
        (talk,) = world.peers["192.0.2.1"].conversations
    assert talk.verbs == ["EHLO", "MAIL", "RCPT", "RCPT", "RSET", "QUIT"]
    assert only_part(result).facts["rcpt.open_relay"] == "undecided"
    (finding,) = (one for one in only_part(result).findings if one.code == "rcpt.not_asked")
    assert f"postmaster@{ehlo_name}" in finding.evidence
    assert "rcpt.open_relay" not in codes(result)


async def test_a_literal_of_another_machine_is_no_name_of_the_servers(trust: TrustStore) -> None:
    target = replace(TARGET, open_relay=True, ehlo_name=Host("[198.51.100.7]"))
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        result = await run(world, target)
    assert "rcpt.open_relay" in codes(result)


async def test_no_transaction_is_begun_where_nothing_may_be_asked(trust: TrustStore) -> None:
    target = replace(TARGET, open_relay=True)
    async with mail_world(ZONE, {"192.0.2.1": Script()}, trust=trust) as world:
        await run(world, target)
        assert world.verbs("192.0.2.1") == [["EHLO", "QUIT"]]


async def test_four_hosts_with_two_addresses_each_are_one_round_of_sessions(
    trust: TrustStore,
) -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 9)]
    zone = "".join(f"@ MX {n} mx{n}\n" for n in range(1, 5))
    zone += "".join(f"mx{1 + n // 2} A {address}\n" for n, address in enumerate(addresses))
    slow = Script(latency=0.2)
    async with mail_world(zone, dict.fromkeys(addresses, slow), trust=trust) as world:
        result = await run(world)
        talks = [world.peers[address].conversation for address in addresses]
    assert result.ok
    assert len(result.parts) == 8
    last_begun = max(talk.heard[0][0] for talk in talks)
    first_ended = min(talk.heard[-1][0] for talk in talks)
    assert last_begun < first_ended


async def test_a_second_session_that_waits_for_the_first_ones_farewell_is_no_news(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    far = Script(tls=context, latency=0.15, on={"STARTTLS": (Say("454 4.7.0 later"),)})
    async with mail_world(ZONE, {"192.0.2.1": far}, trust=trust) as world:
        result = await run(world)
    assert "smtp.starttls.failed" in codes(result)
    assert "monitor.waited" not in codes(result)
