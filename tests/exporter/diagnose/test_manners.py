"""What a diagnosis costs the servers it looks at: one visit, whoever of its areas is curious."""

import asyncio
import io
import ssl

import pytest
from rich.console import Console

from exporter.diagnose.diagnosis import Diagnosis, areas_of, diagnose
from exporter.diagnose.problems import problems
from exporter.diagnose.request import Typed, read_request
from exporter.diagnose.verdicts import findings_of, verdict
from exporter.terminal.diagnosis import LiveTree
from exporter.testbed.servers.script import Close, Say, Wait
from exporter.testbed.servers.smtp import Script
from probes.net import Net
from probes.net.tls import TrustStore
from probes.result import Status
from probes.trace import Step
from tests.servers.certificates import Authority
from tests.support.mail_world import mail_world

ONE = "@ MX 10 mx1\nmx1 A 192.0.2.1"
BOTH = read_request(Typed("example.test", only="mx,policy", resolver=("127.0.0.1",)))
UNTRIED = (Say("454 4.7.0 TLS is not available now"),)


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test", "mx2.example.test")


async def run(net: Net) -> Diagnosis:
    return await diagnose(net, BOTH, lambda _area, _step: None, asyncio.Event())


def codes(diagnosis: Diagnosis) -> set[str]:
    return {finding.code for one in diagnosis.areas for finding in findings_of(one.result)}


async def test_areas_share_what_an_address_showed_one_of_them(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(ONE, {"192.0.2.1": Script(tls=context)}, trust=trust) as world:
        found = {area.area.name: area.result for area in (await run(world.net)).areas}
        assert len(world.verbs("192.0.2.1")) == 1
    (host,) = (part for part in found["policy"].parts if part.address == "192.0.2.1")
    assert host.timings == ()
    assert host.facts["tls.chain"][0]


async def test_a_host_that_wants_no_more_of_us_is_not_visited_again(trust: TrustStore) -> None:
    busy = Script(on={"connect": (Wait(0.2), Say("421 4.7.0 too many connections"), Close())})
    async with mail_world(ONE, {"192.0.2.1": busy}, trust=trust) as world:
        diagnosis = await run(world.net)
        told = [(one.area, one.code) for one in problems(diagnosis, world.net)]
        assert len(world.verbs("192.0.2.1")) == 1
    first, second = (one.result for one in diagnosis.areas)
    assert [area for area, code in told if code == "smtp.rate_limited"] == ["mx"]
    assert first.parts[0].failure == second.parts[0].failure
    assert second.facts["consequence.opportunistic"] == "deferred"
    assert "monitor.waited" not in codes(diagnosis)


async def test_what_both_areas_were_refused_with_is_told_once(trust: TrustStore) -> None:
    shut = Script(on={"connect": (Say("521 5.3.2 no mail here"),)})
    async with mail_world(ONE, {"192.0.2.1": shut}, trust=trust) as world:
        diagnosis = await run(world.net)
        found = problems(diagnosis, world.net)
    failures = [one.code for one in found if one.status is Status.FAILURE]
    assert failures == ["smtp.greeting.no_mail"]


async def test_names_of_one_address_wait_for_each_other_and_that_is_no_news(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    zone = "@ MX 10 mx1\n@ MX 20 mx2\nmx1 A 192.0.2.1\nmx2 A 192.0.2.1"
    slow = Script(tls=context, latency=0.1)
    async with mail_world(zone, {"192.0.2.1": slow}, trust=trust) as world:
        diagnosis = await run(world.net)
        assert len(world.verbs("192.0.2.1")) == 2
    assert "monitor.waited" not in codes(diagnosis)


async def test_areas_agree_on_a_host_whose_tls_fails_and_say_it_once(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    broken = Script(tls=context, on={"STARTTLS": UNTRIED})
    file = io.StringIO()
    console = Console(file=file, width=200, highlight=False)
    tree = LiveTree(console, areas_of(BOTH))
    async with mail_world(ONE, {"192.0.2.1": broken}, trust=trust) as world:
        diagnosis = await diagnose(world.net, BOTH, tree.hear, asyncio.Event())
        found = problems(diagnosis, world.net)
        assert len(world.verbs("192.0.2.1")) == 2
    console.print(tree.view())
    (line,) = (line for line in file.getvalue().splitlines() if "192.0.2.1" in line)
    words = line.split()
    assert words[words.index("deferred") + 1] == "connect"  # it stands where it happened
    assert words[-3] == "quit"
    first, second = diagnosis.areas
    assert first.result.ok
    assert " answer the handshake at 1 of 1 addresses" in verdict(first, "example.test")
    assert second.result.facts["consequence.opportunistic"] == "delivered_in_clear"
    assert [one.area for one in found if one.code == "smtp.starttls.failed"] == ["mx"]
    assert "starttls.deferred" not in {one.code for one in found}


async def test_areas_agree_on_a_host_that_takes_nothing_in_clear_either(
    trust: TrustStore, context: ssl.SSLContext
) -> None:
    async with mail_world(
        ONE, {"192.0.2.1": Script(tls=context, on={"STARTTLS": UNTRIED})}, trust=trust
    ) as world:

        def close(_: str, step: Step) -> None:
            if step.phase == "starttls":
                busy = (Say("421 4.3.2 enough"), Close())
                world.peers["192.0.2.1"].script = Script(on={"connect": busy})

        diagnosis = await diagnose(world.net, BOTH, close, asyncio.Event())
        assert len(world.verbs("192.0.2.1")) == 2
    first, second = (one.result for one in diagnosis.areas)
    assert first.failure is not None
    assert first.failure.reason == "service_closing"
    assert second.facts["consequence.opportunistic"] == "deferred"
