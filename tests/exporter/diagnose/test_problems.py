"""What several areas of a diagnosis say of one trouble: once, with commands that show it."""

import asyncio
import re
import ssl

import pytest

from exporter.diagnose.diagnosis import Diagnosis, diagnose
from exporter.diagnose.problems import Problem, problems
from exporter.diagnose.request import Typed, read_request
from exporter.diagnose.verdicts import exit_code
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Say, Wait
from exporter.testbed.servers.smtp import Script
from probes.catalogue import ENTRIES, filled
from probes.net import Net
from probes.net.tls import TrustStore
from probes.result import Owner, Status
from probes.trace import NOTABLE_WAIT
from tests.servers.certificates import Authority
from tests.support.mail_world import mail_world

ZONE = '@ MX 10 mx1\nmx1 A 192.0.2.1\n@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=reject"'
OPEN = re.compile(r"\b(SUBJECT|DOMAIN|HOST|ADDRESS|PORT|SELECTOR|RECIPIENT)\b")


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test")


async def run(net: Net, only: str) -> tuple[Diagnosis, tuple[Problem, ...]]:
    asked = read_request(Typed("example.test", only=only, resolver=("127.0.0.1",)))
    diagnosis = await diagnose(net, asked, lambda _area, _step: None, asyncio.Event())
    return diagnosis, problems(diagnosis, net)


async def test_a_host_that_failed_one_area_is_not_tried_again_by_the_next(
    trust: TrustStore,
) -> None:
    server = Script(on={"connect": (Say("554 5.7.1 you are listed"), Close())})
    async with mail_world(ZONE, {"192.0.2.1": server}, trust=trust) as world:
        diagnosis, told = await run(world.net, "mx,policy")
        assert len(world.verbs("192.0.2.1")) == 1
    mx, policy = (one.result.parts[0].failure for one in diagnosis.areas)
    assert policy == mx
    assert [one.code for one in told if one.status is Status.FAILURE] == ["smtp.greeting.rejected"]


async def test_that_areas_wait_for_each_other_is_no_remark(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    slow = Script(
        tls=context, on={"connect": (Wait(2 * NOTABLE_WAIT), Say("220 mx1.example.test"))}
    )
    async with mail_world(ZONE, {"192.0.2.1": slow}, trust=trust) as world:
        diagnosis, told = await run(world.net, "mx,policy")
    assert diagnosis.areas[1].result.parts[0].findings == ()
    assert "monitor.waited" not in [one.code for one in told]


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS_UNSAID, Misbehaviour.SERVFAIL])
async def test_a_zone_that_cannot_be_looked_up_is_told_once_an_area_with_commands_to_paste(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    names = ("example.test", "_dmarc.example.test")
    faults = {(name, "*"): DnsFault(misbehaviour) for name in names}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        diagnosis, told = await run(world.net, "sender,nameservers")
    assert exit_code(diagnosis) == 2
    is_bogus = misbehaviour is Misbehaviour.BOGUS_UNSAID
    servers = "dnssec.bogus" if is_bogus else "dns_address.servfail"
    told = tuple(one for one in told if one.code != "sender.not_examined")
    assert {(one.area, one.code, one.status) for one in told} == {
        ("sender", "spf.lookup_failed", Status.FAILURE),
        ("sender", "dmarc.lookup_failed", Status.FAILURE),
        ("nameservers", servers, Status.FAILURE),
    }
    for one in told:
        assert one.reproduce
        assert not OPEN.search(" ".join(one.reproduce))


async def test_the_command_asks_for_the_name_that_failed(trust: TrustStore) -> None:
    zone = ZONE.replace("_dmarc", "_elsewhere")
    faults = {("_dmarc.test", "TXT"): DnsFault(Misbehaviour.SERVFAIL)}
    async with mail_world(zone, {}, trust=trust, faults=faults) as world:
        _, told = await run(world.net, "sender")
    (failed,) = [one for one in told if one.code == "dmarc.lookup_failed"]
    assert failed.reproduce == (f"dig @{world.dns.address} -p {world.dns.port} TXT _dmarc.test",)


@pytest.mark.parametrize(
    ("code", "recipient"),
    [
        ("rcpt.postmaster_refused", "postmaster@example.test"),
        ("rcpt.catch_all", "no-such-user@example.test"),
        ("rcpt.open_relay", "postmaster@probe.example.test"),
    ],
)
def test_a_recipient_is_asked_for_as_the_question_wants_it(code: str, recipient: str) -> None:
    values = {"domain": "example.test", "ehlo_name": "probe.example.test"}
    command = filled(ENTRIES[code].verify, {**values, "recipient": "joe@example.test"})
    assert f"--to {recipient} " in command


async def test_what_our_own_resolver_does_not_say_is_its_trouble_and_nobody_elses(
    trust: TrustStore,
) -> None:
    faults = {("*", "TXT"): DnsFault(Misbehaviour.SILENCE)}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        diagnosis, told = await run(world.net, "sender")
    assert exit_code(diagnosis) == 3
    assert {one.owner for one in told if one.status is not Status.INFO} == {Owner.RESOLVER}
    lookups = [one for one in told if one.code.endswith("lookup_failed")]
    assert lookups
    server = f"our own resolver, {world.dns.address} port {world.dns.port}, has no answer"
    assert all(server in one.remedy for one in lookups)


async def test_certificates_that_differ_are_shown_address_by_address(
    trust: TrustStore, authority: Authority
) -> None:
    peers = {
        f"192.0.2.{n}": Script(tls=authority.context("mx1.example.test", f"{n}.test"))
        for n in (1, 2)
    }
    async with mail_world(f"{ZONE}\nmx1 A 192.0.2.2", peers, trust=trust) as world:
        _, told = await run(world.net, "mx")
    (differ,) = [one for one in told if one.code == "mx.certificates_differ"]
    shown = {line.partition("-connect ")[2].split()[0] for line in differ.reproduce}
    assert shown == {"192.0.2.1:25", "192.0.2.2:25"}


async def test_a_host_whose_address_is_waited_for_in_vain_is_in_the_commands(
    trust: TrustStore,
) -> None:
    faults = {("mx1.example.test", kind): DnsFault(Misbehaviour.SILENCE) for kind in ("A", "AAAA")}
    async with mail_world(ZONE, {}, trust=trust, faults=faults) as world:
        asked = read_request(Typed("example.test", only="mx", timeout="300ms"))
        diagnosis = await diagnose(world.net, asked, lambda _area, _step: None, asyncio.Event())
        (problem,) = problems(diagnosis, world.net)
    assert problem.code == "dns_address.timeout"
    server = f"@{world.dns.address} -p {world.dns.port}"
    assert problem.reproduce == tuple(
        f"dig {server} {kind} mx1.example.test" for kind in ("A", "AAAA")
    )
