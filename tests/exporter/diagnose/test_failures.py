"""What ended a run, or a part of it: told once, with what to do, and as its owner's."""

import asyncio
from dataclasses import replace

import pytest

from exporter.diagnose.areas import AREAS
from exporter.diagnose.diagnosis import AreaResult, Diagnosis, diagnose
from exporter.diagnose.explained import unexplained
from exporter.diagnose.problems import problems
from exporter.diagnose.request import Typed, read_request
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from probes.catalogue import ENTRIES
from probes.net.resolver import Resolver
from probes.records.subject import read_subject
from probes.result import Failure, Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from tests.servers.certificates import Authority
from tests.support.advice_rig import World, only, told
from tests.support.ledger_rig import BEGIN
from tests.support.policy_world import STS_RECORD, policy_world

MX = "192.0.2.1"
PLACE = f"mx.example.test [{MX}]"
GRAVE = (Status.FAILURE, Status.WARNING)
TWO = "@ MX 10 mx\n@ MX 20 mx2\nmx A 192.0.2.1\nmx A 192.0.2.3\nmx2 A 192.0.2.2\n"


async def test_failures_that_are_alike_are_one_problem_with_a_case_for_each_address(
    authority: Authority,
) -> None:
    zone = "".join(f"@ MX {n} mx{n}\nmx{n} A 192.0.2.{n}\n" for n in range(1, 17))
    *_, found = await told(World(zone), authority, "mx,policy")
    refused = only(found, "connect.connection_refused")
    assert len(refused.cases) == 16
    assert refused.summary == "The server refuses the connection"
    assert refused.reference == "RFC 5321 §4.5.4.1"
    first, *_, last = refused.remedy.splitlines()
    assert first.startswith("Start the server at 192.0.2.1 and have it listen on port 25;")
    assert last == "The same for 11 more."
    (command,) = refused.reproduce
    assert "--server 192.0.2.1 " in command


@pytest.mark.parametrize(
    ("zone", "server", "told_as", "code"),
    [
        (f"@ MX 1 mx\nmx A {MX}", "busy", "smtp.rate_limited", "greeting.service_closing"),
        (f"@ MX 1 mx\nmx A {MX}", "closing", "smtp.service_closing", "greeting.service_closing"),
        ("@ MX 1 ghost", "good", "mx.host_unresolved", "dns_address.nxdomain"),
        (f"@ MX 1 mx\nmx A {MX}", "refuses", "smtp.greeting.rejected", "greeting.rejected"),
    ],
)
async def test_what_a_finding_says_is_not_told_as_a_failure_too(
    authority: Authority, zone: str, server: str, told_as: str, code: str
) -> None:
    diagnosis, _, found = await told(World(zone, servers={MX: server}), authority, "mx,policy")
    failure = diagnosis.areas[0].result.failure
    assert failure is not None
    assert f"{failure.phase}.{failure.reason}" == code
    codes = [problem.code for problem in found]
    assert told_as in codes
    assert code not in codes


def failed_as(phase: Phase, *found: Finding, whole: bool = False) -> list[Failure]:
    """What is left to tell of a diagnosis whose only part (or run) failed beside these findings."""
    failure = Failure(phase, Reason.TIMEOUT, "no answer", Owner.NETWORK, is_transient=True)
    part = Part("mx.example.test", MX, (), failure, found, {})
    parts, findings = ((), found) if whole else ((part,), ())
    result = ProbeResult("mx", BEGIN, 1.0, (), failure, findings, parts)
    area = AreaResult(AREAS[0], result)
    diagnosis = Diagnosis(read_request(Typed("example.test")), BEGIN, 1.0, (area,), False)
    return [one for one, _ in unexplained(diagnosis, area)]


def saying(code: str, subject: str = PLACE, evidence: str = "so it is") -> Finding:
    status = next(status for status in ENTRIES[code].severity if status in GRAVE)
    return ENTRIES[code].found(status, read_subject(subject), evidence)


@pytest.mark.parametrize(
    "code", ["smtp.starttls.failed", "smtp.tarpit", "rcpt.postmaster_refused", "rcpt.open_relay"]
)
def test_what_stands_beside_a_failure_does_not_hide_it(code: str) -> None:
    assert failed_as(Phase.CONNECT, saying(code))


def test_what_says_the_same_hides_it() -> None:
    assert not failed_as(Phase.TLS, saying("smtp.starttls.failed"))
    assert not failed_as(Phase.GREETING, saying("smtp.rate_limited"))


def test_a_run_is_explained_by_what_it_is_about_and_by_nothing_else() -> None:
    domain = "example.test"
    assert failed_as(Phase.DNS_ADDRESS, saying("mx.host_is_address", domain), whole=True)
    assert not failed_as(Phase.DNS_MX, saying("dnssec.bogus", domain, "no answer"), whole=True)
    assert failed_as(Phase.EVALUATE, saying("tlsrpt.record_syntax", domain), whole=True)
    assert not failed_as(Phase.EVALUATE, saying("sts.policy_fetch", domain), whole=True)


async def test_a_name_server_that_is_silent_is_told_once(authority: Authority) -> None:
    async with policy_world("@ NS far\nfar A 127.0.0.77\n", trust=authority.trust) as net:
        address, port = net.resolver.servers[0]
        asked = read_request(Typed("example.test", only="nameservers", resolver=(address,)))
        asked = replace(asked, options={**asked.options, "dns_port": port})
        diagnosis = await diagnose(net, asked, lambda _area, _step: None, asyncio.Event())
        found = problems(diagnosis, net)
    assert any(part.failure is not None for part in diagnosis.areas[0].result.parts)
    assert "nameservers.unreachable" in {problem.code for problem in found}
    assert [problem.code for problem in found if problem.code.startswith("evaluate.")] == []


async def test_a_domain_that_does_not_exist_is_told_with_what_to_do(authority: Authority) -> None:
    world = World("", options={"target": "nowhere.test"})
    *_, found = await told(world, authority, "mx,policy")
    problem = only(found, "dns_mx.nxdomain")
    assert problem.summary == "The domain does not exist"
    assert problem.remedy.startswith("Register nowhere.test, or have the parent zone delegate it")
    assert problem.reproduce[0].endswith(" MX nowhere.test")
    assert problem.reference == "RFC 5321 §5.1"


async def test_a_host_whose_address_is_bogus_is_not_to_be_given_another_one(
    authority: Authority,
) -> None:
    faults = {
        ("mx.example.test", kind): DnsFault(Misbehaviour.BOGUS_UNSAID) for kind in ("A", "AAAA")
    }
    world = World(f"@ MX 1 mx\nmx A {MX}", faults=faults)
    *_, found = await told(world, authority, "mx")
    problem = only(found, "mx.host_unresolved")
    assert problem.remedy.startswith("Have the zone of mx.example.test signed again")
    assert problem.reproduce[1].endswith("+dnssec +cd SOA mx.example.test")


# -- whose it is


async def test_what_came_of_a_failure_is_its_owners(authority: Authority) -> None:
    zone = f"{TWO}{STS_RECORD}"
    *_, found = await told(World(zone, servers={MX: "good"}), authority, "mx,policy")
    policy = only(found, "sts.policy_fetch")
    assert policy.owner is Owner.RECEIVER_DNS  # mta-sts.example.test does not exist
    assert policy.remedy.startswith("Publish mta-sts.example.test, or correct")
    assert policy.reproduce[0].endswith(" A mta-sts.example.test")
    world = World(f"{zone}mta-sts A 192.0.2.8\n", servers={MX: "good"})
    *_, found = await told(world, authority, "policy")
    policy = only(found, "sts.policy_fetch")
    assert policy.owner is Owner.RECEIVER_MX
    told_first = "Start the server at mta-sts.example.test and have it listen on port 443"
    assert policy.remedy.startswith(told_first)


async def test_with_our_resolver_gone_everything_is_its_and_mended_there(
    authority: Authority,
) -> None:
    async with policy_world(TWO, trust=authority.trust) as net:
        servers = net.resolver.servers
    gone = replace(net, resolver=Resolver(servers, timeout=0.1, lifetime=0.2))
    asked = read_request(Typed("example.test", resolver=("127.0.0.1",), selector=("s1",)))
    diagnosis = await diagnose(gone, asked, lambda _area, _step: None, asyncio.Event())
    (problem,) = problems(diagnosis, gone)
    assert problem.code == "dns_mx.unreachable"
    assert (problem.status, problem.owner) == (Status.UNTESTABLE, Owner.RESOLVER)
    assert "our own resolver" in problem.remedy
    assert "`--resolver`" in problem.remedy


# -- told once


async def test_that_somebody_did_not_wait_is_said_by_the_last_line_alone(
    authority: Authority,
) -> None:
    stop = asyncio.Event()
    stop.set()
    asked = read_request(Typed("example.test", resolver=("127.0.0.1",)))
    async with policy_world(TWO, trust=authority.trust) as net:
        diagnosis = await diagnose(net, asked, lambda _area, _step: None, stop)
        found = problems(diagnosis, net)
    assert diagnosis.is_interrupted
    assert [problem.code for problem in found if problem.code.endswith(".untestable")] == []


async def test_hosts_that_were_left_out_are_told_once_and_not_as_an_option_of_a_job_alone(
    authority: Authority,
) -> None:
    zone = "".join(f"@ MX {n} mx{n}\nmx{n} A 192.0.2.1\n" for n in range(1, 20))
    diagnosis, _, found = await told(World(zone, servers={MX: "good"}), authority, "mx,policy")
    by_area = [
        finding
        for one in diagnosis.areas
        for finding in one.result.findings
        if finding.code == "mx.hosts_left_out"
    ]
    assert len(by_area) == 2
    left_out = only(found, "mx.hosts_left_out")
    assert left_out.remedy.startswith("Remove MX records nobody needs;")
