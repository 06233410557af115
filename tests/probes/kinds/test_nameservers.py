"""Kind `nameservers` against authoritative servers that agree, differ, misbehave or are silent."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.world import NameServer, World, WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds.nameservers import MAX_NAMES, NameserversTarget, host, probe
from probes.net.tls import TrustStore
from probes.options import Count, Domain, Port
from probes.result import Finding, Owner, Phase, ProbeResult, Reason, Status
from probes.run import run_once

DOMAIN = "example.test"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
ZONE = f"@ NS second\nsecond A {SECOND}\n@ MX 10 mx\n@ TXT v=spf1\n"
TLSA = "_25._tcp.mx TLSA 3 1 1 " + "ab" * 32 + "\n"


@asynccontextmanager
async def two_servers(
    trust: TrustStore,
    second: str | None = ZONE,
    *,
    first: str = ZONE,
    faults: Mapping[tuple[str, str], DnsFault] | None = None,
) -> AsyncIterator[World]:
    """A resolver and two name servers (None: nobody at the second's address) on one port."""
    name_servers = {FIRST: NameServer({DOMAIN: first})}
    if second is not None:
        name_servers[SECOND] = NameServer({DOMAIN: second}, faults or {})
    spec = WorldSpec(trust=trust, zones={DOMAIN: first}, name_servers=name_servers, patience=0.4)
    async with running(spec) as world:
        yield world


async def run(world: World, domain: str = DOMAIN, most: int = 32) -> ProbeResult:
    target = NameserversTarget(Domain(domain), Port(world.name_server_port), Count(most))
    return await run_once(
        "nameservers",
        lambda trace: probe(world.net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=20,
    )


def found(result: ProbeResult, code: str) -> list[Finding]:
    return [finding for finding in result.findings if finding.code == code]


async def test_servers_that_agree_are_measured_and_nothing_is_found(trust: TrustStore) -> None:
    async with two_servers(trust, ZONE + TLSA, first=ZONE + TLSA) as running:
        result = await run(running)
        asked = {(query.rdtype, query.over_tcp) for query in running.name_servers[SECOND].queries}
    assert result.ok, result
    assert not result.findings
    assert result.facts["nameservers.zone"] == DOMAIN
    assert {(p.host, p.address) for p in result.parts} == {
        ("ns.example.test", "127.0.0.1"),
        ("second.example.test", SECOND),
    }
    for part in result.parts:
        assert part.facts["dns.serial"] == 1
        assert part.facts["dns.udp_seconds"] > 0
        assert part.facts["dns.tcp_seconds"] > 0
    assert asked == {("SOA", False), ("SOA", True), ("MX", False), ("TXT", False), ("TLSA", False)}


async def test_a_domain_within_a_zone_is_asked_of_the_zones_servers(trust: TrustStore) -> None:
    async with two_servers(trust) as running:
        result = await run(running, f"deep.under.{DOMAIN}")
    assert result.ok
    assert result.facts["nameservers.zone"] == DOMAIN


@pytest.mark.parametrize(
    ("second", "question"),
    [
        (ZONE.replace("MX 10", "MX 20"), "MX of example.test"),
        (ZONE.replace("v=spf1", "other"), "TXT of example.test"),
        (ZONE, "TLSA of _25._tcp.mx.example.test"),
    ],
)
async def test_answers_that_differ_are_told_with_who_says_what(
    trust: TrustStore, second: str, question: str
) -> None:
    first = ZONE + TLSA
    second = second if question.startswith("TLSA") else second + TLSA
    async with two_servers(trust, second, first=first) as running:
        result = await run(running)
    (finding,) = found(result, "nameservers.answers_differ")
    assert str(finding.subject) == question
    assert SECOND in finding.evidence
    assert result.ok


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_a_delegation_that_does_not_validate_is_called_bogus(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    async with two_servers(trust, None) as running:
        running.dns.faults[DOMAIN, "NS"] = DnsFault(misbehaviour)
        result = await run(running)
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (
        Reason.DNSSEC_BOGUS,
        Owner.RECEIVER_DNS,
    )
    (finding,) = found(result, "dnssec.bogus")
    assert (finding.status, str(finding.subject)) == (Status.FAILURE, DOMAIN)


async def test_serials_that_differ_are_told(trust: TrustStore) -> None:
    second = ZONE + "@ SOA ns hostmaster 7 3600 600 86400 60\n"
    async with two_servers(trust, second) as running:
        result = await run(running)
    (finding,) = found(result, "nameservers.serials_differ")
    assert finding.status is Status.NOTICE
    assert "7" in finding.evidence


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize(
    ("misbehaviour", "code", "reason"),
    [
        (Misbehaviour.REFUSED, "nameservers.lame", Reason.REFUSED),
        (Misbehaviour.LAME, "nameservers.lame", Reason.REFUSED),
        (Misbehaviour.SERVFAIL, "nameservers.lame", Reason.SERVFAIL),
        (Misbehaviour.NXDOMAIN, "nameservers.lame", Reason.NXDOMAIN),
        (Misbehaviour.SCRAMBLED, "nameservers.lame", Reason.MALFORMED_REPLY),
        (Misbehaviour.SILENCE, "nameservers.unreachable", Reason.TIMEOUT),
        (Misbehaviour.WRONG_SOURCE, "nameservers.unreachable", Reason.TIMEOUT),
    ],
)
async def test_a_server_that_is_of_no_use_is_told_beside_one_that_is(
    trust: TrustStore, misbehaviour: Misbehaviour, code: str, reason: Reason
) -> None:
    async with two_servers(trust, faults={("*", "*"): DnsFault(misbehaviour)}) as running:
        result = await run(running)
    assert result.ok
    (finding,) = found(result, code)
    assert SECOND in str(finding.subject)
    (part,) = [part for part in result.parts if part.address == SECOND]
    assert part.failure is not None
    assert (part.failure.reason, part.failure.owner) == (reason, Owner.RECEIVER_DNS)


@pytest.mark.parametrize(
    "misbehaviour", [Misbehaviour.TRUNCATED_FOR_EVER, Misbehaviour.TCP_SILENCE]
)
async def test_a_server_whose_long_answers_never_come_is_told(
    trust: TrustStore, misbehaviour: Misbehaviour
) -> None:
    async with two_servers(trust, faults={("*", "*"): DnsFault(misbehaviour)}) as running:
        result = await run(running)
    assert found(result, "nameservers.unreachable")


async def test_silence_about_one_record_is_no_difference(trust: TrustStore) -> None:
    faults = {(DOMAIN, "MX"): DnsFault(Misbehaviour.SILENCE)}
    async with two_servers(trust, faults=faults) as running:
        result = await run(running)
        asked = [query.rdtype for query in running.name_servers[SECOND].queries]
    assert asked.count("MX") == 2
    assert "timeout" in found(result, "nameservers.unreachable")[0].evidence
    assert not found(result, "nameservers.answers_differ")


async def test_a_server_without_tcp_is_told(trust: TrustStore) -> None:
    faults = {("*", "*"): DnsFault(Misbehaviour.UDP_ONLY)}
    async with two_servers(trust, faults=faults) as running:
        result = await run(running)
    assert SECOND in str(found(result, "nameservers.tcp_failed")[0].subject)
    assert result.ok


async def test_nobody_who_answers_with_authority_is_a_failure(trust: TrustStore) -> None:
    async with two_servers(trust, faults={("*", "*"): DnsFault(Misbehaviour.REFUSED)}) as running:
        running.name_servers[FIRST].faults[("*", "*")] = DnsFault(Misbehaviour.REFUSED)
        result = await run(running)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.EVALUATE, Reason.REFUSED)
    assert result.failure.owner is Owner.RECEIVER_DNS


async def test_when_all_are_silent_it_may_be_the_network(trust: TrustStore) -> None:
    async with two_servers(trust, faults={("*", "*"): DnsFault(Misbehaviour.SILENCE)}) as running:
        running.name_servers[FIRST].faults[("*", "*")] = DnsFault(Misbehaviour.SILENCE)
        result = await run(running)
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (Reason.TIMEOUT, Owner.NETWORK)


async def test_an_address_that_this_machine_has_no_way_to_is_nobodys_fault(
    trust: TrustStore,
) -> None:
    first = "@ NS broad\nbroad A 255.255.255.255\n@ MX 10 mx\n"  # the system refuses to send there
    async with two_servers(trust, None, first=first) as running:
        result = await run(running)
    assert result.ok
    assert found(result, "nameservers.unreachable")[0].status is Status.UNTESTABLE
    (part,) = [part for part in result.parts if part.address == "255.255.255.255"]
    assert part.failure is not None
    assert part.failure.is_untestable


async def test_one_server_alone_and_one_without_an_address_are_told(trust: TrustStore) -> None:
    async with two_servers(trust, None, first="@ MX 10 mx\n") as running:
        alone = await run(running)
    async with two_servers(trust, None, first="@ NS ghost\n@ MX 10 mx\n") as running:
        ghost = await run(running)
    assert found(alone, "nameservers.single")[0].status is Status.NOTICE
    assert str(found(ghost, "nameservers.unresolved")[0].subject) == "ghost.example.test"


async def test_no_more_servers_are_asked_than_wanted(trust: TrustStore) -> None:
    async with two_servers(trust) as running:
        result = await run(running, most=1)
    assert len(result.parts) == 1
    assert found(result, "nameservers.left_out")


async def test_a_zone_of_hundreds_of_name_servers_is_looked_up_within_bounds(
    trust: TrustStore,
) -> None:
    many = "".join(f"@ NS n{number:03}\n" for number in range(400))
    async with two_servers(trust, ZONE + many, first=ZONE + many) as running:
        result = await run(running)
        asked = {query.name for query in running.dns.queries if query.rdtype == "A"}
    assert len(asked) <= MAX_NAMES
    (left_out,) = found(result, "nameservers.left_out")
    assert left_out.evidence.startswith(f"{402 - MAX_NAMES} names were not looked up")


async def test_a_domain_in_no_zone_is_a_failure(trust: TrustStore) -> None:
    async with two_servers(trust) as running:
        result = await run(running, "elsewhere.invalid")
    assert result.failure is not None
    assert result.failure.phase is Phase.DNS_ADDRESS


def test_a_run_loads_its_domain() -> None:
    assert host(NameserversTarget(Domain(DOMAIN))) == DOMAIN
