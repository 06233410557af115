"""The address limiter: so many slots at an address, in order; nothing is kept of who left."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from exporter.testbed.servers.certificates import foreign
from exporter.testbed.servers.script import Close, Say, Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.net.address_limiter import AddressLimiter, Slot
from probes.net.dial import Dialer
from probes.net.smtp_session import SmtpSession
from probes.result import ProbeFailure
from tests.probes.net.conftest import ONE_LOOP
from tests.servers.certificates import Authority

EVENT_LOOPS = {**ONE_LOOP, "uvloop": uvloop.new_event_loop}
ADDRESS = "192.0.2.1"


async def waits(limiter: AddressLimiter, address: str, port: int = 25) -> bool:
    """True if no slot is free there now."""
    task = asyncio.create_task(limiter.enter(address, port))
    for _ in range(5):
        await asyncio.sleep(0)
    if task.done():
        task.result().end()
        return False
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return True


async def test_one_slot_at_a_time_for_each_address_and_port() -> None:
    limiter = AddressLimiter()
    assert limiter.is_free(ADDRESS, 25)
    slot = await limiter.enter(ADDRESS, 25)
    assert not limiter.is_free(ADDRESS, 25)
    assert await waits(limiter, ADDRESS)
    assert not await waits(limiter, ADDRESS, 587)
    assert not await waits(limiter, "192.0.2.2")
    slot.end()
    assert not await waits(limiter, ADDRESS)


async def test_an_address_is_the_same_in_every_spelling() -> None:
    limiter = AddressLimiter()
    slot = await limiter.enter("2001:DB8:0::1", 25)
    assert await waits(limiter, "2001:db8::1")
    slot.end()


async def test_more_places_are_what_was_asked_for() -> None:
    limiter = AddressLimiter(places=2)
    slots = [await limiter.enter(ADDRESS, 25)]
    assert not await waits(limiter, ADDRESS)
    slots.append(await limiter.enter(ADDRESS, 25))
    assert await waits(limiter, ADDRESS)
    for slot in slots:
        slot.end()


async def test_who_came_first_is_first_and_a_second_end_lets_nobody_in() -> None:
    limiter, came = AddressLimiter(), list[int]()
    slots = [await limiter.enter(ADDRESS, 25)]

    async def come(number: int) -> None:
        slots.append(await limiter.enter(ADDRESS, 25))
        came.append(number)

    tasks = [asyncio.create_task(come(number)) for number in range(3)]
    await asyncio.sleep(0)
    for _ in range(3):
        slots[-1].end()
        slots[-1].end()
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        tasks = [task for task in tasks if not task.done()]
    assert came == [0, 1, 2]
    slots[-1].end()


async def test_who_gave_up_waiting_leaves_no_gap_and_no_trace() -> None:
    limiter = AddressLimiter()
    slot = await limiter.enter(ADDRESS, 25)
    assert await waits(limiter, ADDRESS)  # and gives up
    slot.end()
    assert not await waits(limiter, ADDRESS)
    assert not limiter._lines


async def leave_well(session: SmtpSession, authority: Authority) -> None:
    await session.greeting()
    await session.ehlo("probe.test")
    await session.starttls()
    await session.handshake(authority.trust.verifying, "mx.test")
    await session.ehlo("probe.test")


async def cut_short(session: SmtpSession, authority: Authority) -> None:
    async with asyncio.timeout(0.05):
        await leave_well(session, authority)


ENDS: dict[str, tuple[Callable[[Authority], Script], bool]] = {
    "in good order": (lambda authority: Script(tls=authority.context("mx.test")), False),
    "a certificate that is not taken": (lambda _: Script(tls=foreign("mx.test")), False),
    "no TLS where it was to be": (
        lambda _: Script(extensions=("STARTTLS",), on={"STARTTLS": (Say("220 go", "x"),)}),
        False,
    ),
    "a reset within the handshake": (
        lambda _: Script(
            extensions=("STARTTLS",), on={"STARTTLS": (Say("220 go"), Close(reset=True))}
        ),
        False,
    ),
    "a handshake that is never answered": (
        lambda _: Script(extensions=("STARTTLS",), on={"STARTTLS": (Say("220 go"), Wait())}),
        True,
    ),
    "a refusal": (lambda _: Script(on={"connect": (Say("554 no"),)}), False),
    "a reset": (lambda _: Script(on={"EHLO": (Close(reset=True),)}), False),
    "silence": (lambda _: Script(on={"connect": (Wait(),)}), True),
}


@pytest.mark.parametrize("how", ENDS)
async def test_a_session_gives_its_slot_back_however_it_ends(
    how: str, authority: Authority
) -> None:
    script, is_cut = ENDS[how]
    limiter = AddressLimiter()
    async with SmtpPeer(script(authority)) as peer:
        slot = await limiter.enter("127.0.0.1", peer.port)
        try:
            async with await connected(peer, slot) as session:
                assert await waits(limiter, "127.0.0.1", peer.port)
                await (cut_short if is_cut else leave_well)(session, authority)
        except (ProbeFailure, TimeoutError):
            pass
        async with asyncio.timeout(10):
            (await limiter.enter("127.0.0.1", peer.port)).end()
        assert not limiter._lines


async def test_a_slot_is_kept_until_the_server_had_its_quit() -> None:
    """Else the next session would be one too many for a server that counts."""
    limiter = AddressLimiter()
    async with SmtpPeer(Script(on={"connect": (Say("554 no"),)})) as peer:
        slot = await limiter.enter("127.0.0.1", peer.port)
        with pytest.raises(ProbeFailure, match="554"):
            async with await connected(peer, slot) as session:
                await session.greeting()
        (await limiter.enter("127.0.0.1", peer.port)).end()
        assert peer.conversation.verbs == ["QUIT"]


async def connected(peer: SmtpPeer, slot: Slot) -> SmtpSession:
    return await SmtpSession.connect(Dialer(), "127.0.0.1", peer.port, turn=slot)
