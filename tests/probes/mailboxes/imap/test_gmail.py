"""How Gmail sorted a message, asked of a scripted server that speaks its extension."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Close, Say
from probes.mailboxes.imap.gmail import CATEGORIES, Sorting, sorting_of
from probes.net.dial import Dialer
from probes.net.imap import ImapSession
from probes.result import ProbeFailure, Reason
from tests.servers.imap import Answer, Hang

GMAIL = "IMAP4rev1 UNSELECT IDLE NAMESPACE UIDPLUS X-GM-EXT-1"
LABELS = Say(
    '* 3 FETCH (X-GM-LABELS ("\\\\Inbox" "\\\\Important" Canaries "Entw&APw-rfe") UID 7)',
    "{tag} OK Success",
)
FOUND = (Say("* SEARCH 7", "{tag} OK SEARCH completed (Success)"),)
NOT_FOUND = (Say("* SEARCH", "{tag} OK SEARCH completed (Success)"),)


@asynccontextmanager
async def opened(peer: ImapPeer) -> AsyncIterator[ImapSession]:
    async with await ImapSession.connect(Dialer(), peer.address, peer.port) as session:
        await session.greeting()
        await session.examine("INBOX")
        yield session


def gmail(**answers: Answer | Sequence[Answer]) -> Answers:
    return {
        "CAPABILITY": (Say(f"* CAPABILITY {GMAIL}", "{tag} OK done"),),
        "UID FETCH": (LABELS,),
        **{verb.replace("_", " "): answer for verb, answer in answers.items()},
    }


async def test_labels_are_read_and_the_category_is_searched_for() -> None:
    async with ImapPeer(gmail(UID_SEARCH=[NOT_FOUND, FOUND])) as peer:
        async with opened(peer) as session:
            sorting = await sorting_of(session, 7, 5.0)
        asked = [line.split(" ", 1)[1] for line in peer.heard if "UID" in line]
    assert sorting == Sorting(("\\Inbox", "\\Important", "Canaries", "Entwürfe"), "promotions")
    assert asked == [
        "UID FETCH 7 (UID X-GM-LABELS)",
        'UID SEARCH UID 7 X-GM-RAW "category:primary"',
        'UID SEARCH UID 7 X-GM-RAW "category:promotions"',
    ]


async def test_a_message_without_category_has_none() -> None:
    async with ImapPeer(gmail(UID_SEARCH=NOT_FOUND)) as peer:
        async with opened(peer) as session:
            sorting = await sorting_of(session, 7, 5.0)
        assert peer.count("UID SEARCH") == len(CATEGORIES)
    assert sorting is not None
    assert sorting.category is None


async def test_another_server_is_asked_nothing() -> None:
    async with ImapPeer() as peer, opened(peer) as session:
        assert await sorting_of(session, 7, 5.0) is None
        assert peer.count("UID FETCH") == peer.count("UID SEARCH") == 0


@pytest.mark.parametrize("verb", ["UID FETCH", "UID SEARCH"])
@pytest.mark.parametrize("refusal", ["{tag} NO not now", "{tag} BAD Could not parse command"])
async def test_a_refusal_leaves_the_session_and_tells_nothing(verb: str, refusal: str) -> None:
    async with ImapPeer({**gmail(), verb: (Say(refusal),)}) as peer, opened(peer) as session:
        assert await sorting_of(session, 7, 5.0) is None
        await session.noop()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [((Close(),), Reason.CONNECTION_CLOSED), ((Hang(),), Reason.TIMEOUT)],
)
async def test_a_connection_that_ends_or_falls_silent_is_not_used_on(
    answer: Answer, reason: Reason
) -> None:
    async with ImapPeer(gmail(UID_SEARCH=answer)) as peer, opened(peer) as session:
        with pytest.raises(ProbeFailure) as caught:
            await sorting_of(session, 7, 0.2)
    assert caught.value.reason is reason


async def test_labels_that_are_no_list_are_none() -> None:
    odd = (Say("* 3 FETCH (X-GM-LABELS NIL UID 7)"), OK)
    answers = {**gmail(UID_SEARCH=NOT_FOUND), "UID FETCH": odd}
    async with ImapPeer(answers) as peer, opened(peer) as session:
        assert await sorting_of(session, 7, 5.0) == Sorting((), None)
