"""Runs three kinds in a process without IPv6, and prints what came of each as a line of JSON."""

import asyncio
import json
import sys

import uvloop

from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import NameServer, World, WorldSpec, running
from probes.clock import SYSTEM_CLOCK
from probes.kinds import mx, nameservers, submission
from probes.net.resolver import Resolver
from probes.net.tls import TrustStore
from probes.options import Domain, Host, Port
from probes.result import ProbeResult, all_findings
from probes.run import run_once
from probes.sessions.submission import SubmissionServer
from probes.trace import Trace

ZONE = "@ NS one\none A 127.0.0.1\none AAAA ::1\n@ MX 10 mx\nmx A 192.0.2.1\nmx AAAA 2001:db8::1\n"


async def main() -> None:
    """One world with both families, of which this process has one."""
    spec = WorldSpec(
        trust=TrustStore(),
        zones={"example.test": ZONE},
        servers={"192.0.2.1": Script()},
        name_servers={"127.0.0.1": NameServer({"example.test": ZONE})},
        source_v6="::1",
        patience=0.5,
    )
    async with running(spec) as world:
        for name, result in (await runs(world)).items():
            said = {
                "kind": name,
                "ok": result.ok,
                "reason": result.failure and result.failure.reason,
                "findings": sorted({f"{f.code} {f.status}" for f in all_findings(result)}),
            }
            sys.stdout.write(json.dumps(said) + "\n")
        answer = await Resolver((("::1", 53), (world.dns.address, world.dns.port))).mx(
            "example.test"
        )
        last = {"kind": "resolver", "ok": bool(answer.records)}
        sys.stdout.write(json.dumps(last) + "\n")


async def runs(world: World) -> dict[str, ProbeResult]:
    """The three kinds."""
    net = world.net
    domain = Domain("example.test")
    zone = nameservers.NameserversTarget(domain, Port(world.name_server_port))
    server = SubmissionServer(Host("mx.example.test"), tls="none")

    async def of_mx(trace: Trace) -> None:
        await mx.probe(net, mx.MxTarget(domain), trace)

    async def of_nameservers(trace: Trace) -> None:
        await nameservers.probe(net, zone, trace)

    async def of_submission(trace: Trace) -> None:
        await submission.probe(net, server, trace)

    work = {"mx": of_mx, "nameservers": of_nameservers, "submission": of_submission}
    return {
        name: await run_once(name, one, clock=SYSTEM_CLOCK, deadline=20)
        for name, one in work.items()
    }


if __name__ == "__main__":
    run = uvloop.run if "uvloop" in sys.argv else asyncio.run
    run(main())
