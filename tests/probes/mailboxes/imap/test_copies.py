"""Whole messages on a connection of their own, from a scripted server."""

import asyncio
from contextlib import suppress

import pytest

from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Close, Say
from probes.mailboxes.imap import places
from probes.mailboxes.imap.copies import fetch_copies
from probes.mailboxes.imap.watch import ImapMailbox
from probes.mailboxes.interface import Content, Message
from probes.net.tls import TrustStore
from probes.options import Host, Port, Secret
from tests.servers.imap import Answer, Raw
from tests.support.network import net
from tests.support.watching import Waiting

GMAIL = Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN X-GM-EXT-1", "{tag} OK done")
LABELS = (Say('* 1 FETCH (X-GM-LABELS ("\\\\Inbox") UID 1)', "{tag} OK done"),)


def place(uid: int = 1) -> Message:
    return Message("mailcanary-" + "a" * 26, places.place("INBOX", 7, uid))


def whole(uid: int, octets: bytes) -> Answer:
    said = b"* %d FETCH (UID %d RFC822.SIZE %d BODY[]<0> {%d}\r\n%s)\r\n"
    return (Raw(said % (uid, uid, len(octets), len(octets), octets)), OK)


class Wanting(Waiting):
    """Somebody who wants these messages, one after the other, and hears of each."""

    def __init__(self, *places: Message) -> None:
        super().__init__()
        self.heard: list[Content] = []
        self.has_all = asyncio.Event()
        self._places = list(places)
        self._expected = len(places)

    async def next_copy(self) -> Message:
        if not self._places:
            await asyncio.Event().wait()
        return self._places.pop(0)

    async def __call__(self, report: object) -> None:
        assert isinstance(report, Content)
        self.heard.append(report)
        if len(self.heard) == self._expected:
            self.has_all.set()


async def fetched(answers: Answers, *places: Message) -> tuple[list[Content], int]:
    """What is heard of these messages, and on how many connections."""
    async with ImapPeer(answers) as peer:
        target = ImapMailbox(
            Host(peer.address), "us", Secret("secret"), port=Port(peer.port), tls="none"
        )
        wanting = Wanting(*places)
        task = asyncio.create_task(fetch_copies(net(TrustStore()), target, wanting, wanting))
        try:
            async with asyncio.timeout(10):
                await wanting.has_all.wait()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return wanting.heard, peer.sessions


async def test_messages_that_are_wanted_soon_after_each_other_share_a_connection() -> None:
    answers = {"UID FETCH": [whole(1, b"a: b\r\n\r\none"), whole(2, b"a: b\r\n\r\ntwo")]}
    contents, sessions = await fetched(answers, place(1), place(2))
    assert [one.octets for one in contents] == [b"a: b\r\n\r\none", b"a: b\r\n\r\ntwo"]
    assert sessions == 1


async def test_a_connection_that_was_closed_meanwhile_is_made_again() -> None:
    answers = {"UID FETCH": [whole(1, b"one"), (Close(),), whole(2, b"two")]}
    contents, sessions = await fetched(answers, place(1), place(2))
    assert [one.octets for one in contents] == [b"one", b"two"]
    assert sessions == 2


async def test_a_server_that_always_hangs_up_is_not_asked_for_ever() -> None:
    contents, sessions = await fetched({"UID FETCH": (Close(),)}, place())
    assert contents[0].octets is None
    assert contents[0].why
    assert sessions == 1


@pytest.mark.parametrize("refusal", ["{tag} NO not now", "{tag} BAD what"])
async def test_a_refusal_is_told_and_the_next_message_is_read(refusal: str) -> None:
    answers = {"UID FETCH": [whole(1, b"one"), (Say(refusal),), whole(3, b"three")]}
    contents, _ = await fetched(answers, place(1), place(2), place(3))
    assert [one.octets for one in contents] == [b"one", None, b"three"]


async def test_how_gmail_sorted_a_message_comes_with_it() -> None:
    answers: Answers = {
        "CAPABILITY": (GMAIL,),
        "UID FETCH": [whole(1, b"one"), LABELS],
        "UID SEARCH": [(Say("* SEARCH", "{tag} OK"),), (Say("* SEARCH 1", "{tag} OK"),)],
    }
    contents, _ = await fetched(answers, place())
    assert contents == [
        Content(place(), b"one", labels=("\\Inbox",), category="promotions"),
    ]
