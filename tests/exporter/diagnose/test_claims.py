"""A diagnosis claims what it saw: what was not asked, not tested or not waited for is told so."""

import asyncio
from dataclasses import replace

import pytest

from exporter.diagnose.diagnosis import Diagnosis, diagnose
from exporter.diagnose.headline import headline
from exporter.diagnose.problems import problems
from exporter.diagnose.request import Request, Typed, read_request
from exporter.diagnose.verdicts import exit_code, not_tested, verdict
from exporter.reports import own_address
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Say, Wait
from exporter.testbed.servers.smtp import Script
from probes.net import Net
from probes.net.dial import Dialer
from probes.net.tls import TrustStore
from probes.result import Owner, Reason, Status, all_findings
from tests.support.mail_world import mail_world

ONE = "@ MX 10 mx1\nmx1 A 192.0.2.1"
TWO = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.2"
LATER = Script(on={"MAIL": (Say("451 4.3.0 later"),)})
GREY = Script(on={"RCPT": (Say("450 4.2.0 Greylisted"),)})
NOBODY = Script(on={"RCPT": (Say("550 5.1.1 who?"),)})
FULL = Script(on={"RCPT": (Say("452 4.2.2 full"),)})
GOOD = Script()
JOE = "joe@example.test"


def request(target: str = JOE, only: str = "mx", **options: object) -> Request:
    return read_request(Typed(target, only=only, resolver=("127.0.0.1",), **options))  # type: ignore[arg-type]


async def run(net: Net, asked: Request) -> Diagnosis:
    return await diagnose(net, asked, lambda _area, _step: None, asyncio.Event())


def told(diagnosis: Diagnosis) -> str:
    asked = diagnosis.request
    return verdict(diagnosis.areas[0], asked.domain, asked.subject)


def line(diagnosis: Diagnosis, net: Net) -> str:
    return str(headline(diagnosis, problems(diagnosis, net)))


# -- mail is taken where it was said


@pytest.mark.parametrize(
    ("server", "options", "code", "says"),
    [
        (GOOD, {}, 1, "Mail for joe@example.test is taken at 1 of 1 addresses"),
        (GOOD, {"rcpt": False}, 1, "whether they take mail for joe@example.test was not asked"),
        (LATER, {}, 2, "Mail for joe@example.test is deferred now: MAIL: 451 4.3.0 later"),
        (LATER, {"rcpt": False}, 1, "answer the handshake at 1 of 1 addresses"),
        (FULL, {}, 2, "Mail for joe@example.test is deferred now: RCPT: 452 4.2.2 full"),
        (GREY, {}, 1, "Mail for joe@example.test is greylisted now (RCPT: 450 4.2.0 Greylisted)"),
        (NOBODY, {}, 2, "Mail for joe@example.test is not taken: RCPT: 550 5.1.1 who?"),
        (
            GOOD,
            {"target": "example.test"},
            1,
            "take mail for example.test was not asked (`--rcpt`)",
        ),
        (
            GOOD,
            {"target": "example.test", "rcpt": True},
            1,
            "Mail for postmaster@example.test is taken",
        ),
    ],
)
async def test_mail_is_taken_only_where_the_server_said_so(
    server: Script, options: dict[str, object], code: int, says: str
) -> None:
    async with mail_world(ONE, {"192.0.2.1": server}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request(**options))  # type: ignore[arg-type]
        (talk,) = world.verbs("192.0.2.1")
    assert says in told(diagnosis)
    assert exit_code(diagnosis) == code
    assert "DATA" not in talk
    is_asked = options.get("rcpt", options.get("target") is None)
    assert ("MAIL" in talk) == bool(is_asked)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (LATER, GOOD, "is taken at 1 of 2 addresses"),
        (GREY, NOBODY, "is not taken: RCPT: 550"),
        (NOBODY, GOOD, "is not taken: RCPT: 550"),
        (GOOD, NOBODY, "is taken at 1 of 2 addresses"),
        (GREY, LATER, "is deferred now: MAIL: 451"),
    ],
)
async def test_of_several_hosts_the_answer_counts_that_a_sender_comes_to(
    first: Script, second: Script, says: str
) -> None:
    peers = {"192.0.2.1": first, "192.0.2.2": second}
    async with mail_world(TWO, peers, trust=TrustStore()) as world:
        assert says in told(await run(world.net, request()))


@pytest.mark.parametrize(
    ("extensions", "says"),
    [
        (("SMTPUTF8", "8BITMIME"), "is taken at 1 of 1 addresses"),
        (("8BITMIME",), "is not taken: SMTPUTF8 is not offered"),
    ],
)
async def test_letters_beyond_ascii_are_named_only_where_the_server_takes_them(
    extensions: tuple[str, ...], says: str
) -> None:
    server = Script(extensions=extensions)
    async with mail_world(ONE, {"192.0.2.1": server}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request("jörg@example.test"))
        (talk,) = world.peers["192.0.2.1"].conversations
    assert says in told(diagnosis)
    mail = [line for line in talk.lines if line.startswith(b"MAIL")]
    assert mail == ([b"MAIL FROM:<> SMTPUTF8"] if "SMTPUTF8" in extensions else [])


async def test_a_deferral_by_every_host_is_a_failure_of_its_own() -> None:
    async with mail_world(ONE, {"192.0.2.1": LATER}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request())
        first, *_ = problems(diagnosis, world.net)
        said = line(diagnosis, world.net)
    assert (first.code, first.status) == ("rcpt.recipient_deferred", Status.FAILURE)
    assert said == f"{JOE}: FAILURE: mail is deferred now: MAIL: 451 4.3.0 later"


# -- what a basis failed for is not tested


@pytest.mark.parametrize("only", ["mx,policy,sender,nameservers", "sender", "policy,nameservers"])
async def test_a_domain_that_does_not_exist_is_one_finding(only: str) -> None:
    asked = request("nowhere.test", only)
    async with mail_world(ONE, {}, trust=TrustStore(), others={"test": ""}) as world:
        diagnosis = await run(world.net, asked)
        (problem,) = problems(diagnosis, world.net)
        assert line(diagnosis, world.net) == "nowhere.test: FAILURE: the domain does not exist"
    assert problem.code == "dns_mx.nxdomain"
    assert exit_code(diagnosis) == 2
    sentences = [verdict(one, asked.domain) for one in diagnosis.areas]
    assert all("nowhere.test does not exist" in sentence for sentence in sentences)
    assert not any("takes no mail" in sentence for sentence in sentences)
    assert [one.area.name for one in diagnosis.areas if not_tested(one) is None] == (
        ["mx"] if "mx" in only else []
    )


async def test_a_resolver_that_answers_nothing_is_one_finding() -> None:
    async with mail_world(ONE, {}, trust=TrustStore()) as world:
        await world.dns.__aexit__(None, None, None)
        diagnosis = await run(world.net, request("example.test", "mx,policy,sender,nameservers"))
        (problem,) = problems(diagnosis, world.net)
    assert problem.status is Status.UNTESTABLE
    assert exit_code(diagnosis) == 3
    assert {str(verdict(one, "example.test"))[:4] for one in diagnosis.areas} == {"This", "Not "}


async def test_a_domain_whose_servers_are_silent_is_examined_where_the_resolver_lives() -> None:
    faults = {("example.test", "MX"): DnsFault(Misbehaviour.SILENCE)}
    zones = {".": "@ NS a.root.test."}
    async with mail_world(ONE, {}, trust=TrustStore(), faults=faults, others=zones) as world:
        diagnosis = await run(world.net, request("example.test", "mx,sender"))
    assert diagnosis.basis is None
    assert not_tested(diagnosis.areas[1]) is None


async def test_policies_are_not_tested_where_no_host_can_be_tried() -> None:
    async with mail_world(ONE, {}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request("example.test", "mx,policy"))
    _, policy = diagnosis.areas
    assert verdict(policy, "example.test").startswith("Not tested: no host can be tried: ")
    assert exit_code(diagnosis) == 2


# -- our patience is ours


async def test_a_slow_greeting_is_slow_and_the_time_given_reaches_the_address() -> None:
    slow = Script(on={"connect": (Wait(0.6), Say("220 mx1.example.test"))})
    async with mail_world(ONE, {"192.0.2.1": slow}, trust=TrustStore()) as world:
        late = await run(world.net, request(timeout="300ms", only="mx,policy"))
        good = await run(world.net, request(timeout="20s", only="mx"))
        advice = {one.code: one.remedy for one in problems(late, world.net)}
    assert good.areas[0].result.ok
    assert "Mail for joe@example.test is taken" in told(good)
    failure = late.areas[0].result.failure
    assert failure is not None
    assert (failure.phase, failure.reason) == ("greeting", Reason.TIMEOUT)
    assert "deferred" not in told(late)
    assert "senders wait 5 minutes" in told(late)
    facts = late.areas[1].result.facts
    assert facts["consequence.opportunistic"] == "untestable"
    assert "we ended the wait" in facts["consequence.opportunistic.why"]
    assert "`--timeout`" in advice["greeting.timeout"]


def test_the_time_for_one_server_is_less_than_that_of_its_area() -> None:
    asked = request(timeout="20s")
    assert asked.options["address_timeout"] == asked.options["policy_timeout"] == 20.0
    assert asked.area_seconds > 20.0


# -- advice


@pytest.mark.parametrize(
    ("server", "may_go"),
    [
        (Script(on={"connect": (Say("450 4.7.1 Greylisted"),)}), False),
        (Script(on={"connect": (Say("421 4.3.2 busy"), Close())}), False),
        (Script(on={"connect": (Say("554 5.7.1 no"), Close())}), True),
        (None, True),
    ],
)
async def test_an_address_that_works_is_not_to_be_taken_out_of_the_dns(
    server: Script | None, *, may_go: bool
) -> None:
    peers = {"192.0.2.2": GOOD} | ({} if server is None else {"192.0.2.1": server})
    async with mail_world(TWO, peers, trust=TrustStore()) as world:
        found = problems(await run(world.net, request("example.test")), world.net)
    remedies = " ".join(one.remedy for one in found if one.code == "mx.address_unusable")
    assert ("out of the DNS" in remedies) == may_go


@pytest.mark.parametrize("server", [GREY, LATER, None])
async def test_the_only_address_is_not_to_be_taken_out_of_the_dns(server: Script | None) -> None:
    peers = {} if server is None else {"192.0.2.1": server}
    async with mail_world(ONE, peers, trust=TrustStore()) as world:
        found = problems(await run(world.net, request()), world.net)
    assert found
    assert not [one for one in found if "out of the" in one.remedy or "remove its" in one.remedy]


async def test_an_address_that_is_not_connected_to_is_mended_in_the_dns_and_by_its_option() -> None:
    async with mail_world("@ MX 10 mx1\nmx1 A 127.0.0.9", {}, trust=TrustStore()) as world:
        net = replace(world.net, dialer=Dialer())
        found = {one.code: one for one in problems(await run(net, request()), net)}
    told = found["connect.unreachable"]
    assert told.owner is Owner.RECEIVER_DNS
    assert "Publish public addresses for mx1.example.test" in told.remedy
    assert "`--allow-loopback`" in told.remedy
    assert "traceroute" not in told.remedy


def test_the_name_in_ehlo_is_that_of_the_way_to_the_internet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = {"192.0.2.1": "198.51.100.7", "127.0.0.1": "127.0.0.1"}
    monkeypatch.setattr(own_address, "local_address", lambda server: ways.get(server[0], "::1"))
    assert own_address.address_to_the_internet((("127.0.0.1", 53),)) == "198.51.100.7"
    ways["192.0.2.1"] = "127.0.0.1"
    assert own_address.address_to_the_internet((("127.0.0.1", 53),)) == "127.0.0.1"


# -- what is examined without being named


KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SPF = '@ MX 10 mx\nmx A 203.0.114.7\n@ TXT "v=spf1 mx -all"\n_dmarc TXT "v=DMARC1; p=reject"\n'
LISTS = {
    "zen.spamhaus.org": "2.0.0.127 A 127.0.0.2\n7.114.0.203 A 127.0.0.4",
    "bl.spamcop.net": "2.0.0.127 A 127.0.0.2",
}


async def test_common_selectors_and_the_lists_of_mx_addresses_are_looked_at() -> None:
    zone = f'{SPF}selector1._domainkey TXT "{KEY}"\n'
    async with mail_world(zone, {}, trust=TrustStore(), others=LISTS) as world:
        diagnosis = await run(world.net, request("example.test", "sender"))
    (area,) = diagnosis.areas
    assert {"dkim", "dnsbl"} <= set(area.result.facts["sender.examined"])
    keys = [part.host for part in area.result.parts if "dkim.key_type" in part.facts]
    assert keys == ["selector1._domainkey.example.test"]
    (listed,) = [one for one in all_findings(area.result) if one.code == "dnsbl.listed"]
    assert listed.status is Status.WARNING
    assert "not known that it sends" in listed.evidence
    assert exit_code(diagnosis) == 1


@pytest.mark.parametrize("wildcard", ['*._domainkey TXT "v=DKIM1; p="', ""])
async def test_where_a_guess_says_nothing_the_option_is_named(wildcard: str) -> None:
    async with mail_world(SPF + wildcard, {}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request("example.test", "sender"))
    notes = [one for one in all_findings(diagnosis.areas[0].result) if "--" in one.evidence]
    told_of = {str(one.subject): one.evidence for one in notes}
    assert "--selector" in told_of["the DKIM keys"]
    assert "--sending-ip" in told_of["the block lists"]
    assert exit_code(diagnosis) == 0


async def test_a_revoked_key_at_a_common_selector_breaks_nothing() -> None:
    zone = f'{SPF}default._domainkey TXT "v=DKIM1; p="\n'
    async with mail_world(zone, {}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, request("example.test", "sender"))
    (revoked,) = [
        one for one in all_findings(diagnosis.areas[0].result) if one.code == "dkim.key_revoked"
    ]
    assert revoked.status is Status.NOTICE
    assert exit_code(diagnosis) == 0
