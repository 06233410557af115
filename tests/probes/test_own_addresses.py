"""A stranger's DNS that aims us at this machine, its link or its cloud's metadata service.

The servers of these worlds count their clients: no connection is made.
"""

from collections.abc import Awaitable, Callable

import pytest

from exporter.testbed.servers.smtp import Script, SmtpPeer
from exporter.testbed.servers.world import NameServer, World, WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds import mx, nameservers
from probes.kinds.policy import probe as policy
from probes.net.tls import TrustStore
from probes.options import Domain, Port
from probes.result import Owner, ProbeResult, Reason, Status, all_findings
from probes.routes.direct import DirectRoute, hand_over
from probes.run import run_once
from probes.trace import Trace
from tests.probes.routes.test_direct import canary

DOMAIN = Domain("example.test")
NEVER = ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fe80::1")
OURS = ("127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "127.8.8.8")
PRIVATE = ("10.1.2.3", "192.168.7.7", "fd12::25")


def rdata(address: str) -> str:
    return f"{'AAAA' if ':' in address else 'A'} {address}"


def spec(trust: TrustStore, address: str, *, allow_loopback: bool = False) -> WorldSpec:
    zone = f"@ MX 10 mx\nmx {rdata(address)}\nmta-sts {rdata(address)}\n"
    zone += '_mta-sts TXT "v=STSv1; id=1;"\n'
    return WorldSpec(
        trust=trust,
        zones={DOMAIN: zone},
        servers={address: Script()},
        allow_loopback=allow_loopback,
        patience=0.5,
    )


async def run(world: World, work: Callable[[Trace], Awaitable[object]]) -> ProbeResult:
    async def working(trace: Trace) -> None:
        await work(trace)

    return await run_once("x", working, clock=SYSTEM_CLOCK, deadline=20)


def clients(world: World) -> int:
    return sum(
        len(peer.conversations) for peer in world.peers.values() if isinstance(peer, SmtpPeer)
    )


@pytest.mark.parametrize("address", [*NEVER, *OURS])
async def test_an_mx_host_at_such_an_address_is_not_connected_to(
    trust: TrustStore, address: str
) -> None:
    async with running(spec(trust, address)) as world:
        result = await run(world, lambda t: mx.probe(world.net, mx.MxTarget(DOMAIN), t))
        assert clients(world) == 0
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (
        Reason.UNREACHABLE,
        Owner.RECEIVER_DNS,
    )
    assert f"points to {address}" in result.failure.detail
    told = [f for f in all_findings(result) if f.code == "mx.host_special_address"]
    assert all("senders cannot deliver" in finding.evidence for finding in told)


@pytest.mark.parametrize("address", [*NEVER, *OURS])
async def test_a_canary_is_not_delivered_to_such_an_address(
    trust: TrustStore, address: str
) -> None:
    async with running(spec(trust, address)) as world:
        route = DirectRoute()
        result = await run(world, lambda t: hand_over(world.net, route, canary(), t))
        assert clients(world) == 0
    assert result.failure is not None
    assert (result.failure.reason, result.failure.owner) == (
        Reason.UNREACHABLE,
        Owner.RECEIVER_DNS,
    )


@pytest.mark.parametrize("address", NEVER)
async def test_no_option_allows_the_link_or_a_metadata_service(
    trust: TrustStore, address: str
) -> None:
    async with running(spec(trust, address, allow_loopback=True)) as world:
        result = await run(world, lambda t: mx.probe(world.net, mx.MxTarget(DOMAIN), t))
        assert clients(world) == 0
    assert result.failure is not None


@pytest.mark.parametrize("address", OURS)
async def test_the_option_allows_this_machine(trust: TrustStore, address: str) -> None:
    async with running(spec(trust, address, allow_loopback=True)) as world:
        result = await run(world, lambda t: mx.probe(world.net, mx.MxTarget(DOMAIN), t))
        assert clients(world) == 1
    assert result.failure is None


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_networks_stay_allowed(trust: TrustStore, address: str) -> None:
    async with running(spec(trust, address)) as world:
        result = await run(world, lambda t: mx.probe(world.net, mx.MxTarget(DOMAIN), t))
        assert clients(world) == 1
    assert result.failure is None


@pytest.mark.parametrize("address", [*NEVER, *OURS])
async def test_no_policy_is_fetched_from_such_an_address(trust: TrustStore, address: str) -> None:
    async with running(spec(trust, address)) as world:
        target = policy.PolicyTarget(DOMAIN)
        result = await run(world, lambda t: policy.probe(world.net, target, t))
        assert clients(world) == 0
    told = [f for f in all_findings(result) if f.code == "sts.policy_fetch"]
    assert told
    assert f"points to {address}" in told[0].evidence


async def test_a_name_server_at_such_an_address_is_not_asked(trust: TrustStore) -> None:
    zone = "@ NS one\none A 127.0.0.1\n"
    servers = {"127.0.0.1": NameServer({DOMAIN: zone})}
    for is_allowed in (False, True):
        world_spec = WorldSpec(
            trust=trust,
            zones={DOMAIN: zone},
            name_servers=servers,
            allow_loopback=is_allowed,
            patience=0.5,
        )
        async with running(world_spec) as world:
            target = nameservers.NameserversTarget(DOMAIN, Port(world.name_server_port))
            result = await run(world, lambda t, w=world, x=target: nameservers.probe(w.net, x, t))
            asked = len(world.name_servers["127.0.0.1"].queries)
        assert bool(asked) is is_allowed
        assert (result.failure is None) is is_allowed
        codes = {(f.code, f.status) for f in all_findings(result)}
        assert (("nameservers.special_address", Status.WARNING) in codes) is not is_allowed
