"""Worlds of scripted servers: who stands where, who does not, and that nothing of them is left."""

import asyncio

import pytest

from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.https import page
from exporter.testbed.servers.script import Say, Step
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import Mailbox, NameServer, Pages, World, WorldSpec, running
from probes.net.errors import NetError
from probes.net.imap import ImapSession
from probes.net.smtp_session import SmtpSession
from probes.net.tls import TrustStore
from probes.result import Owner, ProbeFailure, Reason

FIRST, SECOND, THIRD = "192.0.2.1", "192.0.2.2", "192.0.2.3"
ZONE = {"example.test": f"mx A {FIRST}\n"}


async def refused(world: World, address: str) -> NetError:
    with pytest.raises(NetError) as raised:
        await world.net.dialer.connect(address, 25)
    return raised.value


async def test_each_server_stands_at_its_address_and_nobody_at_the_others(
    authority: Authority, trust: TrustStore
) -> None:
    spec = WorldSpec(
        trust=trust,
        zones=ZONE,
        servers={
            FIRST: Script(),
            SECOND: Mailbox(implicit_tls=False),
            THIRD: Pages({"/": page(b"")}, authority.context("www.test")),
        },
        out_of_reach=frozenset({"198.51.100.1"}),
    )
    async with running(spec) as world:
        assert (await world.net.resolver.addresses("mx.example.test")).records == (FIRST,)
        async with await SmtpSession.connect(world.net.dialer, FIRST, 25) as smtp:
            assert (await smtp.greeting()).code == 220
        async with await ImapSession.connect(world.net.dialer, SECOND, 143) as imap:
            await imap.greeting()
        assert world.peers.keys() == {FIRST, SECOND, THIRD}
        nobody = await refused(world, "203.0.113.9")
        assert nobody.reason is Reason.CONNECTION_REFUSED
        away = await refused(world, "198.51.100.1")
        assert (away.reason, away.owner) == (Reason.UNREACHABLE, Owner.MONITOR)


async def test_name_servers_have_one_port_and_each_its_own_zone(trust: TrustStore) -> None:
    zones = {at: NameServer({"example.test": f"@ A {at}\n"}) for at in ("127.0.0.1", "127.0.0.2")}
    async with running(WorldSpec(trust=trust, name_servers=zones)) as world:
        for at in zones:
            server = (at, world.name_server_port)
            answer = await world.net.resolver.ask(server, "example.test", "A", recursive=False)
            assert answer.records == (at,)


async def test_a_server_may_answer_otherwise_the_second_time(trust: TrustStore) -> None:
    answers: list[tuple[Step, ...]] = [(Say("550 5.1.1 no"),), (Say("250 2.1.5 ok"),)]
    spec = WorldSpec(trust=trust, servers={FIRST: Script(on={"RCPT": answers})})
    async with (
        running(spec) as world,
        await SmtpSession.connect(world.net.dialer, FIRST, 25) as smtp,
    ):
        await smtp.greeting()
        await smtp.ehlo("probe.test")
        await smtp.mail("")
        with pytest.raises(ProbeFailure, match="no"):
            await smtp.rcpt("a@example.test")
        for _ in range(2):
            assert (await smtp.rcpt("b@example.test")).code == 250


async def test_a_world_whose_task_is_cancelled_is_torn_down_whole(trust: TrustStore) -> None:
    servers = {f"192.0.2.{number}": Script() for number in range(1, 9)}
    spec = WorldSpec(trust=trust, zones=ZONE, servers=servers)

    async def stand() -> None:
        async with running(spec):
            return

    for turns in range(40):  # at some of them it is being set up, at others torn down
        task = asyncio.create_task(stand())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        left = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        assert left == []
    # pytest makes every socket that was left open an error
