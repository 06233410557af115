"""The IMAP watch against servers that other people wrote: Dovecot, and the demo's pymap."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import pytest
import pytest_asyncio
import uvloop

from exporter.demo.imap_server import ImapServer
from probes.mailboxes.imap import places
from probes.mailboxes.imap.watch import ImapMailbox, remove, watch
from probes.mailboxes.interface import (
    Content,
    Cursor,
    Look,
    Message,
    Placement,
    Sighting,
    message_of,
)
from probes.net import Net
from probes.net.imap import ImapSession
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, Port, Seconds, Secret
from probes.result import Owner, Phase, ProbeFailure, Reason
from tests.servers.certificates import Authority
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.support.network import net
from tests.support.watching import WAIT, Told, Waiting, canary, watched

Tls = Literal["implicit", "starttls", "none"]

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}

real = pytest.mark.real("dovecot-imapd")
USER = "us"
FOREIGN = b"From: a@b.test\r\nSubject: hello\r\nMessage-ID: <x@b.test>\r\n\r\nhello\r\n"


@pytest.fixture(scope="module")
def the_net() -> Net:
    return net(TrustStore())


@pytest_asyncio.fixture
async def dovecot() -> AsyncIterator[Dovecot]:
    async with running_dovecot() as server:
        yield server


def mailbox_of(dovecot: Dovecot, tls: Tls = "implicit", poll: float = 15) -> ImapMailbox:
    return ImapMailbox(
        Host("127.0.0.1"),
        USER,
        Secret(dovecot.password),
        port=Port(dovecot.tls_port if tls == "implicit" else dovecot.plain_port),
        tls=tls,
        ca_file=FilePath(str(dovecot.ca_file)),
        poll=Seconds(poll),
    )


def has_read(uid: int, told: Told) -> bool:
    return any(
        cursor.folder == "INBOX" and cursor.text.endswith(f":{uid}") for cursor in told.of(Cursor)
    )


def all_seen(tokens: set[str], told: Told) -> bool:
    return tokens <= {sighting.token for sighting in told.of(Sighting)}


@real
@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_a_fresh_canary_is_seen_between_two_looks_and_left_as_it_was(
    dovecot: Dovecot, the_net: Net, tls: Tls
) -> None:
    token, content = canary()
    dovecot.deliver(USER, FOREIGN)
    waiting = Waiting({token: datetime.now(UTC)}, fresh=True)
    async with watched(the_net, mailbox_of(dovecot, tls), waiting) as told:
        await told.looks(2)
        before = the_net.clock.monotonic()
        dovecot.deliver(USER, content)
        delivered = the_net.clock.monotonic()
        sighting = await told.sighting(token)
        await told.looks(2)
    assert sighting.not_before is not None
    assert sighting.not_before.monotonic <= delivered
    assert before <= sighting.seen.monotonic
    assert sighting.placement is Placement.INBOX
    assert sighting.size == len(content)
    assert content.startswith(sighting.header)
    assert len(told.of(Sighting)) == 1
    # EXAMINE and PEEK leave a Maildir message where its delivery put it, without any flag
    assert all(name.startswith("new/") and ":" not in name for name in dovecot.files(USER))


@real
async def test_a_canary_in_junk_is_seen_there(dovecot: Dovecot, the_net: Net) -> None:
    token, content = canary()
    waiting = Waiting({token: datetime.now(UTC)}, fresh=True)
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        await told.until(lambda told: any(look.folder == "Junk" for look in told.of(Look)))
        dovecot.deliver(USER, content, "Junk")
        sighting = await told.sighting(token)
    assert (sighting.place.folder, sighting.placement) == ("Junk", Placement.JUNK)


@real
async def test_a_push_in_idle_brings_a_canary_that_is_not_fresh(
    dovecot: Dovecot, the_net: Net
) -> None:
    token, content = canary()
    waiting = Waiting({token: datetime.now(UTC)})
    async with watched(the_net, mailbox_of(dovecot, poll=3600), waiting) as told:
        await told.looks(1)
        dovecot.deliver(USER, content)
        assert (await told.sighting(token)).place.position == 1


@real
async def test_a_thousand_canaries_arriving_meanwhile_are_all_seen_once(
    dovecot: Dovecot, the_net: Net
) -> None:
    canaries = [canary() for _ in range(1000)]
    tokens = {token for token, _ in canaries}
    waiting = Waiting(dict.fromkeys(tokens, datetime.now(UTC)))
    async with watched(the_net, mailbox_of(dovecot, poll=3600), waiting) as told:
        await told.looks(1)
        for number, (_, content) in enumerate(canaries):
            dovecot.deliver(USER, content)
            if number % 20 == 0:
                await asyncio.sleep(0)
        await told.until(lambda told: all_seen(tokens, told) and has_read(1000, told))
    assert len(told.of(Sighting)) == 1000
    assert told.of(Cursor)[-1].text.endswith(":1000")


@real
async def test_a_thousand_foreign_messages_cost_one_search(dovecot: Dovecot, the_net: Net) -> None:
    token, content = canary()
    for number in range(1000):
        dovecot.deliver(USER, content if number == 500 else FOREIGN)
    waiting = Waiting({token: datetime.now(UTC)})
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        sighting = await told.sighting(token)
        await told.until(lambda told: has_read(1000, told))
    assert content.startswith(sighting.header)
    assert [sighting.token for sighting in told.of(Sighting)] == [token]
    cursors = {cursor.folder: cursor for cursor in told.of(Cursor)}
    assert cursors["INBOX"].text.endswith(":1000")


@real
async def test_a_restart_goes_on_from_the_cursor_even_behind_a_crowd(
    dovecot: Dovecot, the_net: Net
) -> None:
    dovecot.deliver(USER, FOREIGN)
    async with watched(the_net, mailbox_of(dovecot), Waiting()) as told:
        await told.until(lambda told: any(cursor.folder == "INBOX" for cursor in told.of(Cursor)))
    cursors = {cursor.folder: cursor for cursor in told.of(Cursor)}
    token, content = canary()
    for number in range(300):
        dovecot.deliver(USER, content if number == 150 else FOREIGN)
    waiting = Waiting({token: datetime.now(UTC)})
    async with watched(the_net, mailbox_of(dovecot), waiting, cursors) as told:
        await told.sighting(token)
        await told.until(lambda told: bool(told.of(Cursor)))
    assert told.of(Cursor)[0].text.endswith(":301")


@real
async def test_a_canary_whose_header_was_lost_is_known_by_its_encoded_text(
    dovecot: Dovecot, the_net: Net
) -> None:
    token, content = canary()
    body = base64.encodebytes(content.partition(b"\r\n\r\n")[2]).replace(b"\n", b"\r\n")
    stripped = (
        b"From: a@b.test\r\nSubject: rewritten\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body
    )
    waiting = Waiting({token: datetime.now(UTC)}, fresh=True)
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        await told.looks(1)
        dovecot.deliver(USER, FOREIGN)
        dovecot.deliver(USER, stripped)
        assert (await told.sighting(token)).header.startswith(b"From: a@b.test\r\nSubject: rewr")


@real
async def test_a_wrong_password_is_our_fault(dovecot: Dovecot, the_net: Net) -> None:
    good = mailbox_of(dovecot)
    wrong = ImapMailbox(
        good.host, good.username, Secret("wrong"), port=good.port, ca_file=good.ca_file
    )
    with pytest.raises(ProbeFailure) as caught:
        async with asyncio.timeout(WAIT):
            await watch(the_net, wrong, Waiting(), {}, Told())
    failure = caught.value.to_failure(Phase.ARRIVAL)
    assert (failure.phase, failure.reason, failure.owner) == (
        Phase.AUTH,
        Reason.AUTHENTICATION_FAILED,
        Owner.CONFIGURATION,
    )
    assert "wrong" not in failure.detail


@real
async def test_an_authority_nobody_trusts_is_not_given_the_password(
    dovecot: Dovecot, the_net: Net
) -> None:
    good = mailbox_of(dovecot)
    strict = ImapMailbox(good.host, good.username, good.password, port=good.port)
    with pytest.raises(ProbeFailure) as caught:
        async with asyncio.timeout(WAIT):
            await watch(the_net, strict, Waiting(), {}, Told())
    assert (caught.value.phase, caught.value.reason) == (
        Phase.TLS,
        Reason.CERTIFICATE_NOT_TRUSTED,
    )


@real
async def test_only_our_own_canaries_are_removed_from_dovecot(
    dovecot: Dovecot, the_net: Net
) -> None:
    canaries = [canary() for _ in range(3)]
    dovecot.deliver(USER, FOREIGN)
    for _, content in canaries:
        dovecot.deliver(USER, content)
    mailbox = mailbox_of(dovecot)
    async with watched(the_net, mailbox, Waiting()) as told:
        await told.until(lambda told: any(cursor.folder == "INBOX" for cursor in told.of(Cursor)))
    epoch = next(c.text.partition(":")[0] for c in told.of(Cursor) if c.folder == "INBOX")
    # UID 1 is a foreign message, UID 4 a canary with another token
    stray = "mailcanary-" + "a" * 26
    named = {"1": stray, "2": canaries[0][0], "3": canaries[1][0], "4": stray}
    gone = await remove(the_net, mailbox, "INBOX", epoch, named)
    assert gone == {canaries[0][0], canaries[1][0]}
    assert len(dovecot.files(USER)) == 2
    assert all(":2,S" not in name and "T" not in name[-3:] for name in dovecot.files(USER))


# Whole messages


async def copy_of(told: Told, waiting: Waiting, place: Message) -> Content:
    before = len(told.of(Content))
    waiting.wanted.put_nowait(place)
    await told.until(lambda told: len(told.of(Content)) > before)
    content = told.of(Content)[-1]
    assert content.message == place
    return content


@real
async def test_a_whole_canary_is_fetched_on_a_connection_of_its_own_and_left_as_it_was(
    dovecot: Dovecot, the_net: Net
) -> None:
    token, content = canary()
    large_token, head = canary()
    large = head + b"x" * 76 * 40_000  # three slices
    dovecot.deliver(USER, content)
    dovecot.deliver(USER, large)
    waiting = Waiting(dict.fromkeys((token, large_token), datetime.now(UTC)))
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        ours = [message_of(await told.sighting(each)) for each in (token, large_token)]
        small, whole = [await copy_of(told, waiting, message) for message in ours]
        place = ours[0].place
        third = replace(ours[0], place=replace(place, id="3", position=3))
        dovecot.deliver(USER, FOREIGN, "Junk")
        other = await copy_of(told, waiting, third)
        looks = len(told.of(Look))
        dovecot.deliver(USER, canary(token)[1])
        await told.until(lambda told: len(told.of(Look)) > looks)
        late = await copy_of(told, waiting, third)
    assert small == Content(ours[0], content)
    assert whole == Content(ours[1], large)
    assert (other.octets, other.why) == (None, "it is gone")
    assert late.octets is not None, "the lingering connection has to learn of new mail"
    assert all(name.startswith("new/") and ":" not in name for name in dovecot.files(USER))


@real
async def test_of_a_message_above_the_bound_the_header_is_fetched_and_no_more(
    dovecot: Dovecot, the_net: Net
) -> None:
    token, content = canary()
    dovecot.deliver(USER, content + (b"x" * 76 + b"\r\n") * (20 * 1024 * 1024 // 78))
    waiting = Waiting({token: datetime.now(UTC)})
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        place = message_of(await told.sighting(token))
        copy = await copy_of(told, waiting, place)
    header = content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert copy == Content(place, header, is_header_only=True)


@real
async def test_a_place_that_means_nothing_any_more_is_answered_with_the_reason(
    dovecot: Dovecot, the_net: Net
) -> None:
    waiting = Waiting()
    async with watched(the_net, mailbox_of(dovecot), waiting) as told:
        await told.until(lambda told: any(look.folder == "INBOX" for look in told.of(Look)))
        renumbered = await copy_of(told, waiting, Message("token", places.place("INBOX", 1, 1)))
        unknown = await copy_of(told, waiting, Message("token", places.place("Nowhere", 1, 1)))
    assert (renumbered.octets, renumbered.why) == (None, "INBOX was numbered anew")
    assert unknown.octets is None
    assert "Nowhere" in unknown.why or "EXAMINE" in unknown.why


# pymap


@pytest_asyncio.fixture
async def pymap(authority: Authority) -> AsyncIterator[ImapServer]:
    server = ImapServer("imap.test", authority.context("127.0.0.1"))
    await server.add_account(USER, "secret")
    await server.open()
    yield server
    await server.close()


def in_memory(pymap: ImapServer, authority: Authority) -> ImapMailbox:
    return ImapMailbox(
        Host("127.0.0.1"),
        USER,
        Secret("secret"),
        port=Port(pymap.port),
        tls="starttls",
        poll=Seconds(1),
        ca_file=FilePath(str(authority.file)),
    )


@pytest.mark.slow("waits for arrivals")
@pytest.mark.parametrize("fresh", [True, False])
async def test_the_demos_server_is_watched_fresh_and_in_idle(
    pymap: ImapServer,
    authority: Authority,
    the_net: Net,
    fresh: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    token, content = canary()
    junked, junk = canary()
    now = datetime.now(UTC)
    waiting = Waiting({token: now, junked: now}, fresh=fresh)
    async with watched(the_net, in_memory(pymap, authority), waiting) as told:
        await told.until(lambda told: {look.folder for look in told.of(Look)} == {"INBOX", "Junk"})
        await pymap.deliver(USER, "INBOX", content)
        await pymap.deliver(USER, "Junk", junk)
        assert (await told.sighting(token)).placement is Placement.INBOX
        assert (await told.sighting(junked)).placement is Placement.JUNK


async def test_only_our_own_canaries_are_removed_from_the_demos_server(
    pymap: ImapServer, authority: Authority, the_net: Net
) -> None:
    token, content = canary()
    await pymap.deliver(USER, "INBOX", FOREIGN)
    await pymap.deliver(USER, "INBOX", content)
    mailbox = in_memory(pymap, authority)
    waiting = Waiting({token: datetime.now(UTC)})
    async with watched(the_net, mailbox, waiting) as told:
        sighting = await told.sighting(token)
    named = {sighting.place.id: token, str(int(sighting.place.id) - 1): "mailcanary-" + "a" * 26}
    assert await remove(the_net, mailbox, "INBOX", sighting.place.epoch, named) == {token}
    async with await ImapSession.connect(the_net.dialer, "127.0.0.1", pymap.port) as session:
        await session.greeting()
        await session.login(USER, Secret("secret"))
        assert (await session.examine("INBOX")).exists == 1
