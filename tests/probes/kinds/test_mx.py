"""Kind `mx` against scripted servers: every host, every address, whose fault."""

import asyncio
from datetime import UTC, datetime

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.script import Close, Send, Wait
from exporter.testbed.servers.smtp import Script
from probes.clock import SYSTEM_CLOCK
from probes.kinds.mx import MxTarget, host, probe
from probes.net.tls import TrustStore
from probes.options import Domain, Host, IpAddress, Port, Seconds
from probes.result import Owner, Part, Phase, ProbeResult, Reason, Status
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.support.mail_world import DOMAIN, MailWorld, mail_world
from tests.support.waiting import until

TWO_HOSTS = """
@   MX 10 mx1
@   MX 20 mx2
mx1 A 192.0.2.1
mx1 AAAA 2001:db8::1
mx2 A 192.0.2.2
"""
ONE_HOST = "@ MX 10 mx1\nmx1 A 192.0.2.1"
GOOD = Script()
TARGET = MxTarget(Domain(DOMAIN))


async def run(world: MailWorld, target: MxTarget = TARGET, deadline: float = 20) -> ProbeResult:
    return await run_once(
        "mx",
        lambda trace: probe(world.net, target, trace),
        clock=SYSTEM_CLOCK,
        deadline=deadline,
    )


def part(result: ProbeResult, address: str | None) -> Part:
    (only,) = [part for part in result.parts if part.address == address]
    return only


async def test_every_address_of_every_host_is_walked_through_to_ehlo_under_tls(
    authority: Authority, trust: TrustStore
) -> None:
    tls = Script(tls=authority.context("mx1.example.test", "mx2.example.test"))
    peers = {"192.0.2.1": tls, "2001:db8::1": tls, "192.0.2.2": tls}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    assert not result.findings
    assert {(p.host, p.address, p.facts["mx.preference"]) for p in result.parts} == {
        ("mx1.example.test", "192.0.2.1", 10),
        ("mx1.example.test", "2001:db8::1", 10),
        ("mx2.example.test", "192.0.2.2", 20),
    }
    assert [timing.phase for timing in result.timings] == [Phase.DNS_MX, Phase.DNS_ADDRESS]
    for measured in result.parts:
        assert [timing.phase for timing in measured.timings] == [
            Phase.CONNECT,
            Phase.GREETING,
            Phase.EHLO,
            Phase.STARTTLS,
            Phase.TLS,
            Phase.EHLO,
            Phase.QUIT,
        ]
    for address in peers:
        assert world.verbs(address) == [["EHLO", "STARTTLS", "EHLO", "QUIT"]]


async def test_what_tls_and_ehlo_showed_stands_in_the_parts_facts(
    authority: Authority, trust: TrustStore
) -> None:
    tls = Script(tls=authority.context("mx1.example.test"))
    async with mail_world(ONE_HOST, {"192.0.2.1": tls}, trust=trust) as world:
        facts = part(await run(world), "192.0.2.1").facts
    assert facts["starttls.offered"] is True
    assert facts["tls.version"].startswith("TLSv1.")
    assert facts["tls.cipher"]
    assert facts["tls.trusted"] is True
    assert facts["tls.untrusted_reason"] is None
    assert datetime.fromisoformat(facts["tls.certificate_not_after"]) > datetime.now(UTC)
    assert facts["ehlo.name"] == "peer.test"
    assert "8BITMIME" in facts["ehlo.extensions"]
    assert facts["smtp.greeting"] == "peer.test ESMTP"


async def test_a_certificate_nobody_would_trust_is_recorded_and_stops_nothing(
    authority: Authority, trust: TrustStore
) -> None:
    tls = Script(tls=authority.expired("mx1.example.test"))
    async with mail_world(ONE_HOST, {"192.0.2.1": tls}, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    facts = part(result, "192.0.2.1").facts
    assert facts["tls.trusted"] is False
    assert facts["tls.untrusted_reason"] is Reason.CERTIFICATE_EXPIRED
    (status,) = [
        finding.status
        for finding in part(result, "192.0.2.1").findings
        if finding.code == "smtp.starttls.certificate_expired"
    ]
    assert status is Status.NOTICE
    assert datetime.fromisoformat(facts["tls.certificate_not_after"]) < datetime.now(UTC)


async def test_a_server_without_starttls_is_healthy_and_known_to_be_without(
    trust: TrustStore,
) -> None:
    async with mail_world(ONE_HOST, {"192.0.2.1": GOOD}, trust=trust) as world:
        result = await run(world)
        assert world.verbs("192.0.2.1") == [["EHLO", "QUIT"]]
    assert result.ok, result.parts
    assert part(result, "192.0.2.1").facts["starttls.offered"] is False


async def test_our_ehlo_name_is_the_targets_before_the_services(trust: TrustStore) -> None:
    async with mail_world(ONE_HOST, {"192.0.2.1": GOOD}, trust=trust) as world:
        await run(world)
        await run(world, MxTarget(Domain(DOMAIN), ehlo_name=Host("other.example.test")))
        first, second = world.peers["192.0.2.1"].conversations
    assert first.lines[0] == b"EHLO probe.example.test"
    assert second.lines[0] == b"EHLO other.example.test"


async def test_a_domain_that_takes_no_mail_says_so(trust: TrustStore) -> None:
    async with mail_world("@ MX 0 .", {}, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.DNS_MX, Reason.NULL_MX)
    assert result.failure.owner is Owner.RECEIVER_DNS


async def test_without_mx_records_the_domain_is_its_own_host(trust: TrustStore) -> None:
    async with mail_world("@ A 192.0.2.1", {"192.0.2.1": GOOD}, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    assert result.facts["mx.implicit"] is True
    assert part(result, "192.0.2.1").host == DOMAIN


DNS_FAILURES = [
    (Misbehaviour.NXDOMAIN, Reason.NXDOMAIN, Owner.RECEIVER_DNS, False),
    (Misbehaviour.SERVFAIL, Reason.SERVFAIL, Owner.RECEIVER_DNS, False),
    (Misbehaviour.BOGUS, Reason.DNSSEC_BOGUS, Owner.RECEIVER_DNS, False),
    (Misbehaviour.BOGUS_UNSAID, Reason.DNSSEC_BOGUS, Owner.RECEIVER_DNS, False),
    (Misbehaviour.SILENCE, Reason.TIMEOUT, Owner.RESOLVER, True),
    (Misbehaviour.REFUSED, Reason.REFUSED, Owner.RESOLVER, True),
]


@pytest.mark.parametrize(("misbehaviour", "reason", "owner", "is_untestable"), DNS_FAILURES)
async def test_a_failed_mx_look_up_never_falls_back_to_the_domains_address(
    trust: TrustStore,
    misbehaviour: Misbehaviour,
    reason: Reason,
    owner: Owner,
    is_untestable: bool,  # noqa: FBT001
) -> None:
    faults = {(DOMAIN, "MX"): DnsFault(misbehaviour)}
    async with mail_world(
        "@ A 192.0.2.1", {"192.0.2.1": GOOD}, trust=trust, faults=faults
    ) as world:
        result = await run(world)
        assert not world.peers["192.0.2.1"].conversations
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.DNS_MX, reason)
    assert result.failure.owner is owner
    assert result.failure.is_untestable is is_untestable


async def test_an_address_that_fails_beside_one_that_works_is_a_warning(trust: TrustStore) -> None:
    peers = {"192.0.2.2": GOOD, "2001:db8::1": GOOD}  # 192.0.2.1 refuses
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    failure = part(result, "192.0.2.1").failure
    assert failure is not None
    assert (failure.phase, failure.reason) == (Phase.CONNECT, Reason.CONNECTION_REFUSED)
    (finding,) = result.findings
    assert (finding.code, finding.status) == ("mx.address_unusable", Status.WARNING)
    assert str(finding.subject) == "mx1.example.test [192.0.2.1]"


async def test_when_no_address_works_the_best_hosts_failure_is_the_runs(trust: TrustStore) -> None:
    peers = {
        "192.0.2.1": Script(on={"connect": (Send(b"554 5.3.2 go away\r\n"),)}),
        "2001:db8::1": Script(on={"connect": (Send(b"554 5.3.2 go away\r\n"),)}),
        "192.0.2.2": Script(on={"connect": (Send(b"421 4.3.2 later\r\n"), Close())}),
    }
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.GREETING, Reason.REJECTED)
    assert result.failure.reply is not None
    assert result.failure.reply.code == 554
    assert "mx1.example.test" in result.failure.detail
    assert len(result.parts) == 3


async def test_a_source_address_that_is_not_ours_tests_nothing_and_blames_nobody(
    trust: TrustStore,
) -> None:
    async with mail_world(
        TWO_HOSTS,
        {"192.0.2.1": GOOD, "192.0.2.2": GOOD},
        trust=trust,
        source_v6="2001:db8:ffff::1",
    ) as world:
        result = await run(world)
    assert result.ok, result.parts
    failure = part(result, "2001:db8::1").failure
    assert failure is not None
    assert failure.owner is Owner.CONFIGURATION
    (finding,) = result.findings
    assert finding.status is Status.UNTESTABLE


async def test_what_we_cannot_test_never_hides_what_failed(trust: TrustStore) -> None:
    zone = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 AAAA 2001:db8::1\nmx2 A 192.0.2.2"
    async with mail_world(zone, {}, trust=trust, source_v6="2001:db8:ffff::1") as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.reason is Reason.CONNECTION_REFUSED
    assert not result.failure.is_untestable


async def test_when_nothing_could_be_tested_the_run_is_untestable(trust: TrustStore) -> None:
    zone = "@ MX 10 mx1\nmx1 AAAA 2001:db8::1"
    async with mail_world(zone, {}, trust=trust, source_v6="2001:db8:ffff::1") as world:
        result = await run(world)
    assert result.failure is not None
    assert result.failure.is_untestable


async def test_a_source_address_is_used_for_its_own_family_only(trust: TrustStore) -> None:
    target = MxTarget(Domain(DOMAIN), source_address=IpAddress("::1"))
    async with mail_world(ONE_HOST, {"192.0.2.1": GOOD}, trust=trust) as world:
        assert (await run(world, target)).ok


async def test_a_silent_address_costs_its_own_timeout_and_not_the_run(trust: TrustStore) -> None:
    peers = {
        "192.0.2.1": Script(on={"connect": (Wait(),)}),
        "2001:db8::1": GOOD,
        "192.0.2.2": GOOD,
    }
    target = MxTarget(Domain(DOMAIN), address_timeout=Seconds(0.3))
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world, target)
    assert result.ok, result.parts
    failure = part(result, "192.0.2.1").failure
    assert failure is not None
    assert (failure.phase, failure.reason) == (Phase.GREETING, Reason.TIMEOUT)
    assert failure.owner is Owner.RECEIVER_MX


async def test_the_deadline_ends_the_run_with_what_was_learnt_until_then(
    trust: TrustStore,
) -> None:
    peers = {
        "192.0.2.1": Script(on={"connect": (Wait(),)}),
        "2001:db8::1": GOOD,
        "192.0.2.2": GOOD,
    }
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world, deadline=0.5)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.GREETING, Reason.TIMEOUT)
    assert part(result, "192.0.2.2").ok


async def test_two_names_of_one_address_are_visited_one_after_the_other(
    trust: TrustStore,
) -> None:
    zone = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.1"
    slow = Script(latency=0.02)
    async with mail_world(zone, {"192.0.2.1": slow}, trust=trust) as world:
        result = await run(world)
        first, second = world.peers["192.0.2.1"].conversations
    assert [p.host for p in result.parts] == ["mx1.example.test", "mx2.example.test"]
    assert first.verbs == second.verbs == ["EHLO", "QUIT"]
    assert max(at for at, _ in first.heard) < min(at for at, _ in second.heard)


async def test_no_more_addresses_than_configured_are_visited_at_once(trust: TrustStore) -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 7)]
    zone = "@ MX 10 mx1\n" + "\n".join(f"mx1 A {address}" for address in addresses)
    slow = Script(latency=0.05)
    peers = dict.fromkeys(addresses, slow)
    async with mail_world(zone, peers, trust=trust) as world:
        result = await run(world, MxTarget(Domain(DOMAIN), max_concurrent=2))
        talks = [world.peers[address].conversation for address in addresses]
    assert len(result.parts) == 6
    assert result.ok, result.parts
    spans = [(talk.heard[0][0], talk.heard[-1][0]) for talk in talks]
    assert max(sum(a <= begin <= b for a, b in spans) for begin, _ in spans) <= 2


async def test_hosts_beyond_the_limit_are_left_out_and_counted(trust: TrustStore) -> None:
    target = MxTarget(Domain(DOMAIN), max_hosts=1)
    peers = {"192.0.2.1": GOOD, "2001:db8::1": GOOD}
    async with mail_world(TWO_HOSTS, peers, trust=trust) as world:
        result = await run(world, target)
    assert {p.host for p in result.parts} == {"mx1.example.test"}
    (finding,) = result.findings
    assert (finding.code, finding.status) == ("mx.hosts_left_out", Status.INFO)
    assert finding.evidence.startswith("1 ")


async def test_a_host_with_hundreds_of_addresses_stays_within_the_parts_of_a_run(
    trust: TrustStore,
) -> None:
    zone = "@ MX 10 mx1\n@ MX 5 ghost\n" + "\n".join(f"mx1 A 192.0.2.{n}" for n in range(1, 100))
    async with mail_world(zone, {"192.0.2.1": GOOD}, trust=trust) as world:
        result = await run(world)
    assert len(result.parts) == 64
    assert any(finding.code == "mx.hosts_left_out" for finding in result.findings)


async def test_a_host_without_an_address_is_a_part_of_its_own(trust: TrustStore) -> None:
    zone = "@ MX 10 ghost\n@ MX 20 mx2\nmx2 A 192.0.2.2"
    async with mail_world(zone, {"192.0.2.2": GOOD}, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    failure = part(result, None).failure
    assert failure is not None
    assert (failure.phase, failure.reason) == (Phase.DNS_ADDRESS, Reason.NXDOMAIN)
    assert [finding.code for finding in result.findings] == ["mx.address_unusable"]


@pytest.mark.parametrize(
    ("misbehaviour", "status"),
    [(Misbehaviour.SERVFAIL, Status.WARNING), (Misbehaviour.SILENCE, Status.UNTESTABLE)],
)
async def test_a_failed_aaaa_look_up_is_told_although_the_a_records_do(
    trust: TrustStore, misbehaviour: Misbehaviour, status: Status
) -> None:
    faults = {("mx1.example.test", "AAAA"): DnsFault(misbehaviour)}
    async with mail_world(ONE_HOST, {"192.0.2.1": GOOD}, trust=trust, faults=faults) as world:
        result = await run(world)
    assert result.ok, result.parts
    (finding,) = result.findings
    assert (finding.code, str(finding.subject)) == ("mx.address_lookup_failed", "mx1.example.test")
    assert finding.status is status
    assert "AAAA" in finding.evidence


async def test_the_port_is_the_targets(trust: TrustStore) -> None:
    async with mail_world(ONE_HOST, {"192.0.2.1": GOOD}, trust=trust) as world:
        dialled: list[tuple[str, int]] = []
        route = world.net.dialer.route
        assert route is not None

        def noted(address: str, port: int) -> tuple[str, int]:
            dialled.append((address, port))
            return route(address, port)

        object.__setattr__(world.net.dialer, "route", noted)
        await run(world, MxTarget(Domain(DOMAIN), port=Port(2525)))
    assert dialled == [("192.0.2.1", 2525)]


async def test_a_server_that_cannot_take_leave_has_taken_the_handshake(trust: TrustStore) -> None:
    rude = Script(on={"QUIT": (Close(),)})
    async with mail_world(ONE_HOST, {"192.0.2.1": rude}, trust=trust) as world:
        result = await run(world)
    assert result.ok, result.parts
    codes = [finding.code for finding in part(result, "192.0.2.1").findings]
    assert codes.count("smtp.quit.failed") == 1


async def test_cancelling_a_run_leaves_no_task_behind(trust: TrustStore) -> None:
    silent = Script(on={"connect": (Wait(),)})
    async with mail_world(ONE_HOST, {"192.0.2.1": silent}, trust=trust) as world:
        before = asyncio.all_tasks()
        running = asyncio.create_task(run(world))
        await world.dns.asked()
        await until(lambda: world.peers["192.0.2.1"].conversations)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await world.peers["192.0.2.1"].conversation.ended.wait()
        left = {task for task in asyncio.all_tasks() - before if "probes/" in str(task.get_coro())}
    assert not left


def test_a_run_loads_its_domain() -> None:
    assert host(TARGET) == DOMAIN
