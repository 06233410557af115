"""Whose fault a time-out or SERVFAIL is: the resolver is tested before anybody is named."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.errors import NetError
from probes.net.resolver import Resolver
from probes.net.resolver_check import (
    ResolverCheck,
    ResolverHealth,
    health_by_domain,
    health_by_root,
)
from probes.records.mx import MxRecord
from probes.result import Owner, Phase

DOWN = "down.test"
FAULTS = (Misbehaviour.SERVFAIL, Misbehaviour.SILENCE)
ROOT_ZONE = "@ NS a.root-servers.test.\n"
KNOWN = "@ NS ns1\nns1 A 192.0.2.1\n"


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    """A recursive resolver that knows the root zone and `known.test`."""
    async with DnsServer({".": ROOT_ZONE, "known.test": KNOWN, DOWN: "@ MX 1 mx\n"}) as server:
        yield server


def resolver(server: DnsServer, check: ResolverCheck | None = None) -> Resolver:
    address = ((server.address, server.port),)
    return Resolver(address, timeout=0.1, lifetime=0.5, check=check or ResolverCheck())


def fail(server: DnsServer, fault: Misbehaviour, *names: str) -> None:
    for name in names:
        server.faults[name, "*"] = DnsFault(fault)


def owner(answer: Answer[MxRecord]) -> Owner:
    with pytest.raises(NetError) as caught:
        answer.require()
    return caught.value.to_failure(Phase.DNS_MX).owner


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_name_servers_of_a_domain_failed_where_the_resolver_knows_the_root(
    server: DnsServer, fault: Misbehaviour
) -> None:
    fail(server, fault, DOWN)
    answer = await resolver(server).mx(DOWN)
    assert owner(answer) is Owner.RECEIVER_DNS
    assert not answer.is_ours
    assert "the resolver answers other questions" in answer.explain()


@pytest.mark.parametrize("fault", FAULTS)
async def test_our_resolver_failed_where_it_fails_for_the_root_as_well(
    server: DnsServer, fault: Misbehaviour
) -> None:
    fail(server, fault, "*")
    answer = await resolver(server).mx(DOWN)
    assert owner(answer) is Owner.RESOLVER
    assert answer.is_ours


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("other", FAULTS)
async def test_a_configured_domain_decides_before_the_root(
    server: DnsServer, fault: Misbehaviour, other: Misbehaviour
) -> None:
    fail(server, fault, DOWN)
    fail(server, other, "known.test")
    check = ResolverCheck("known.test")  # the root is answered from the resolver's memory
    assert owner(await resolver(server, check).mx(DOWN)) is Owner.RESOLVER
    del server.faults["known.test", "*"]
    check = ResolverCheck("known.test")
    assert owner(await resolver(server, check).mx(DOWN)) is Owner.RECEIVER_DNS


async def test_an_outage_of_name_servers_has_one_owner_however_it_shows(server: DnsServer) -> None:
    asked = resolver(server)
    owners = set()
    for fault in FAULTS * 3:
        fail(server, fault, DOWN)
        owners.add(owner(await asked.mx(DOWN)))
    assert owners == {Owner.RECEIVER_DNS}


async def test_many_failing_questions_share_one_test(server: DnsServer) -> None:
    names = [f"{n}.{DOWN}" for n in range(20)]
    fail(server, Misbehaviour.SERVFAIL, *names)
    asked = resolver(server)
    answers = await asyncio.gather(*map(asked.mx, names))
    assert {owner(answer) for answer in answers} == {Owner.RECEIVER_DNS}
    assert sum(query.name == "." for query in server.queries) == 1


async def test_a_resolver_is_not_tested_while_it_answers(server: DnsServer) -> None:
    assert (await resolver(server).mx(DOWN)).status is DnsStatus.ANSWERED
    await resolver(server).mx("nobody.known.test")
    assert not [query for query in server.queries if query.name == "."]


async def test_a_closed_network_without_a_root_proves_nothing() -> None:
    async with DnsServer({"known.test": KNOWN}) as server:
        fail(server, Misbehaviour.SILENCE, DOWN)
        assert owner(await resolver(server).mx(DOWN)) is Owner.RESOLVER
        fail(server, Misbehaviour.SERVFAIL, DOWN)
        assert owner(await resolver(server).mx(DOWN)) is Owner.RECEIVER_DNS
        fail(server, Misbehaviour.SILENCE, DOWN)
        check = ResolverCheck("known.test")
        assert owner(await resolver(server, check).mx(DOWN)) is Owner.RECEIVER_DNS


@pytest.mark.parametrize("status", DnsStatus)
def test_every_answer_about_the_root_or_the_domain_has_its_verdict(status: DnsStatus) -> None:
    failed = {DnsStatus.TIMEOUT, DnsStatus.UNREACHABLE, DnsStatus.SERVFAIL}
    told = {DnsStatus.ANSWERED, DnsStatus.NXDOMAIN, DnsStatus.NO_DATA}
    unsure = ResolverHealth.BROKEN if status in failed else ResolverHealth.UNSURE
    is_proof = status is DnsStatus.ANSWERED
    assert health_by_root([status]) is (ResolverHealth.WORKS if is_proof else unsure)
    assert health_by_domain([status]) is (ResolverHealth.WORKS if status in told else unsure)
    assert health_by_root([DnsStatus.TIMEOUT, DnsStatus.ANSWERED]) is ResolverHealth.WORKS
