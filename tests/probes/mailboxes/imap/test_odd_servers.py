"""Servers that are odd, and right or nearly so: a watch goes on, and says once what it does not do.

Each case is an answer seen at a real server, or one of its kind.
"""

from datetime import UTC, datetime

import pytest

from exporter.testbed.servers.imap import CAPABILITIES, OK, Answers, ImapPeer
from exporter.testbed.servers.script import Read, Say, Steps
from probes.mailboxes.imap.watch import ImapMailbox
from probes.mailboxes.interface import Following, Look, Placement, Remark
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import Seconds
from probes.result import Owner, Phase, Reason
from tests.probes.mailboxes.imap.test_watch import (
    FOREIGN,
    MESSAGE,
    ONLY_INBOX,
    TOKEN,
    failure_of,
    header_of,
    message,
    opened,
    target,
    text,
)
from tests.support.network import net
from tests.support.watching import Told, Waiting, watched

NO = Say("{tag} NO [CANNOT] not here")


@pytest.fixture(scope="module")
def the_net() -> Net:
    return net(TrustStore())


def capabilities(words: str) -> Steps:
    return (Say(f"* CAPABILITY {words}", "{tag} OK done"),)


def restless(peer: ImapPeer, **options: object) -> ImapMailbox:
    """A mailbox that is looked at again at once."""
    return target(peer, poll=Seconds(0.01), idle_renew=Seconds(0.01), **options)


async def remarks_of(the_net: Net, answers: Answers) -> tuple[Told, list[str]]:
    """Two looks, and all that was remarked in them."""
    async with ImapPeer(answers) as peer, watched(the_net, restless(peer), Waiting()) as told:
        await told.looks(2)
    return told, [remark.text for remark in told.of(Remark)]


# Responses that cannot be read


@pytest.mark.parametrize(
    "line",
    [
        '* LIST (\\HasNoChildren) "\\" odd',
        "* LIST ()",
        "* FLAGS (",
        "* STATUS x",
        "* 7 FETCH (FLAGS (\\Seen",
        "* ESEARCH (TAG) x",
        "* QUOTAROOT (",
        "* (nothing)",
        "*",
        "",
        "* ID (",
        "* VANISHED (EARLIER",
    ],
)
@pytest.mark.parametrize("verb", ["LIST", "EXAMINE", "NOOP", "CAPABILITY"])
async def test_an_answer_that_cannot_be_read_and_is_not_needed_ends_no_session(
    the_net: Net, verb: str, line: str
) -> None:
    usual: dict[str, Steps] = {
        "LIST": (Say('* LIST () "/" INBOX', '* LIST () "/" Spam', line, "{tag} OK done"),),
        "EXAMINE": (Say(line), *opened(0, 1)),
        "NOOP": (Say(line, "{tag} OK done"),),
        "CAPABILITY": (Say(f"* CAPABILITY {CAPABILITIES}", line, "{tag} OK done"),),
    }
    async with ImapPeer(
        {verb: usual[verb], "LIST": usual["LIST"] if verb == "LIST" else ONLY_INBOX["LIST"]}
    ) as peer:
        async with watched(the_net, restless(peer), Waiting()) as told:
            await told.looks(3)
        followed = told.of(Following)[0]
    assert followed.has_junk is (verb == "LIST")


async def test_a_folder_with_a_bracket_in_its_name_is_a_folder_like_others(the_net: Net) -> None:
    name = "b58562b3.[b49c20cf"
    answers: Answers = {
        "LIST": (
            Say(f'* LIST (\\HasNoChildren) "." {name}', '* LIST () "." INBOX', "{tag} OK done"),
        )
    }
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer, folders=(name,)), Waiting()) as told:
            await told.until(lambda told: any(look.folder == name for look in told.of(Look)))
        assert any(f'EXAMINE "{name}"' in line for line in peer.heard)
    assert told.of(Remark) == []


async def test_the_answer_that_a_step_needs_is_a_failure_when_it_cannot_be_read(
    the_net: Net,
) -> None:
    answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(3, None),
        "UID SEARCH": (Say("* SEARCH 1 x", "{tag} OK done"),),
    }
    async with ImapPeer(answers) as peer:
        failure = await failure_of(the_net, target(peer))
    assert (failure.phase, failure.reason, failure.owner) == (
        Phase.FETCH,
        Reason.MALFORMED_REPLY,
        Owner.RECEIVER_MAILBOX,
    )
    assert "SEARCH cannot be read" in failure.detail


async def test_a_server_that_says_nothing_readable_is_given_up(the_net: Net) -> None:
    flood = Say(*["* ("] * 1_001, "{tag} OK done")
    async with ImapPeer({"LIST": (flood,)}) as peer:
        failure = await failure_of(the_net, target(peer))
    assert failure.reason is Reason.MALFORMED_REPLY


# ID, RFC 2971


async def test_id_is_said_before_a_folder_is_opened_where_it_is_offered(the_net: Net) -> None:
    async with ImapPeer(ONLY_INBOX) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
        verbs = [line.split(" ")[1] for line in peer.heard]
    assert verbs.index("AUTHENTICATE") < verbs.index("ID") < verbs.index("EXAMINE")


async def test_id_is_not_said_where_it_is_not_offered(the_net: Net) -> None:
    words = CAPABILITIES.replace(" ID", "")
    answers = {**ONLY_INBOX, "CAPABILITY": capabilities(words)}
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
        assert peer.count("ID") == 0


async def test_a_refusal_that_asks_for_the_id_gets_it_and_the_folder_is_opened(
    the_net: Net,
) -> None:
    unsafe = (Say("{tag} NO EXAMINE Unsafe Login. Please contact kefu@188.com for help"),)
    answers: Answers = {
        **ONLY_INBOX,
        "CAPABILITY": capabilities(CAPABILITIES.replace(" ID", "")),
        "EXAMINE": [unsafe, opened(0, 1)],
    }
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
        assert (peer.count("ID"), peer.count("EXAMINE")) == (1, 2)


@pytest.mark.parametrize("answer", ["{tag} BAD what", "{tag} NO no"])
async def test_a_server_that_refuses_id_is_read_all_the_same(the_net: Net, answer: str) -> None:
    told, remarks = await remarks_of(the_net, {**ONLY_INBOX, "ID": (Say(answer),)})
    assert told.of(Look)
    assert len([text for text in set(remarks) if "ID was answered" in text]) == 1


@pytest.mark.parametrize(
    ("answer", "name", "listed", "owner"),
    [
        ("NO EXAMINE Unsafe Login", "INBOX", "listed", Owner.CONFIGURATION),
        ("NO [NONEXISTENT] no", "INBOX", "listed", Owner.CONFIGURATION),
        ("NO Mailbox does not exist", "Odd", "", Owner.CONFIGURATION),
        ("NO no", "Odd", "", Owner.CONFIGURATION),
        ("NO no", "Odd", "listed", Owner.RECEIVER_MAILBOX),
        ("NO disk trouble", "INBOX", "listed", Owner.RECEIVER_MAILBOX),
        ("NO [NOPERM] no", "Odd", "listed", Owner.CONFIGURATION),
        ("NO [SERVERBUG] no", "Odd", "listed", Owner.RECEIVER_MAILBOX),
        ("NO [CORRUPTION] no", "Odd", "listed", Owner.RECEIVER_MAILBOX),
    ],
)
async def test_the_blame_for_a_folder_that_is_not_opened_goes_by_the_answer(
    the_net: Net, answer: str, name: str, listed: str, owner: Owner
) -> None:
    refused = (Say("{tag} " + answer),)
    shown = [f'* LIST () "/" {name}'] if listed else []
    answers: Answers = {
        "LIST": (Say(*shown, "{tag} OK done"),),
        "EXAMINE": refused if name == "INBOX" else [opened(0, 1), refused],
    }
    async with ImapPeer(answers) as peer:
        mailbox = target(peer) if name == "INBOX" else target(peer, folders=(name,))
        failure = await failure_of(the_net, mailbox)
    assert failure.owner is owner


# Ways to log in


@pytest.mark.parametrize(
    ("first", "words", "way"),
    [
        ("BAD unknown command", CAPABILITIES, "LOGIN"),
        ("NO [CANNOT] no", CAPABILITIES, "LOGIN"),
        ("NO Unsupported authentication mechanism", CAPABILITIES, "LOGIN"),
        ("BAD syntax error", f"{CAPABILITIES} AUTH=LOGIN LOGINDISABLED", "AUTHENTICATE LOGIN"),
    ],
)
async def test_the_next_way_to_log_in_is_tried_where_one_was_not_understood(
    the_net: Net, first: str, words: str, way: str
) -> None:
    login = (Say("+ VXNlcm5hbWU6"), Read(), Say("+ UGFzc3dvcmQ6"), Read(), OK)
    answers: Answers = {
        **ONLY_INBOX,
        "CAPABILITY": capabilities(words),
        "AUTHENTICATE": [(Say("{tag} " + first),), login],
    }
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
        assert any(line.split(" ", 1)[1].startswith(way) for line in peer.heard)
    assert any("not understood" in remark.text for remark in told.of(Remark))


@pytest.mark.parametrize(
    "answer",
    [
        "NO [AUTHENTICATIONFAILED] no",
        "NO no",
        "NO Invalid credentials",
        "BAD invalid username or password",
        "NO [UNAVAILABLE] later",
        "NO [EXPIRED] password",
        "NO [ALERT] Account is temporarily locked",
        "NO [CONTACTADMIN] no",
    ],
)
async def test_no_other_way_is_tried_after_a_refused_password(the_net: Net, answer: str) -> None:
    async with ImapPeer({"AUTHENTICATE": (Say("{tag} " + answer),)}) as peer:
        await failure_of(the_net, target(peer))
        assert (peer.count("AUTHENTICATE"), peer.count("LOGIN")) == (1, 0)


# Searches that are refused


@pytest.mark.parametrize("answer", ["{tag} NO [CANNOT] no", "{tag} BAD what"])
async def test_a_copy_counts_though_the_server_refuses_to_search_texts(
    the_net: Net, answer: str
) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(0, 1),
        "NOOP": [(Say("* 2 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": [
            (message(1, 1, FOREIGN), message(2, 2, header_of(MESSAGE)), OK),
            (text(1, 1, b"hello"), OK),
            (OK,),
        ],
        "UID SEARCH": [(Say("* SEARCH", "{tag} OK d"),), (Say(answer),)],
    }
    waiting = Waiting({TOKEN: datetime(2026, 3, 1, tzinfo=UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, restless(peer), waiting) as told:
        sighting = await told.sighting(TOKEN)
        await told.until(lambda told: bool(told.of(Remark)))
    assert sighting.placement is Placement.INBOX
    assert {remark.text.split(":")[0] for remark in told.of(Remark)} == {"a search is not possible"}


async def test_a_canary_in_a_text_is_found_though_the_server_refuses_to_search_texts(
    the_net: Net,
) -> None:
    """What a server did to the header, a body search would have made good: reading does it too."""
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(0, 1),
        "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": [
            (message(1, 1, FOREIGN), OK),
            (text(1, 1, MESSAGE.partition(b"\r\n\r\n")[2]), OK),
            (OK,),
        ],
        "UID SEARCH": [(Say("* SEARCH", "{tag} OK d"),), (NO,)],
    }
    waiting = Waiting({TOKEN: datetime(2026, 3, 1, tzinfo=UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, restless(peer), waiting) as told:
        await told.sighting(TOKEN)


async def test_a_server_that_refuses_every_search_is_read_by_fetching(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(1, 8),
        "UID SEARCH": (NO,),
        "UID FETCH": [
            (Say("* 1 FETCH (UID 7)", "{tag} OK done"),),
            (message(1, 7, header_of(MESSAGE)), OK),
            (OK,),
        ],
    }
    waiting = Waiting({TOKEN: datetime(2026, 3, 1, tzinfo=UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.sighting(TOKEN)


async def test_folders_that_share_a_connection_are_read_though_close_is_refused(
    the_net: Net,
) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "CAPABILITY": capabilities(f"{CAPABILITIES} NOTIFY"),
        "NOTIFY": (OK,),
        "CLOSE": (NO,),
    }
    async with ImapPeer(answers) as peer:
        mailbox: ImapMailbox = target(peer, folders=("A", "B"))
        async with watched(the_net, mailbox, Waiting()) as told:
            await told.until(lambda told: {"A", "B"} <= {look.folder for look in told.of(Look)})


# Folders


async def test_the_name_on_the_wire_opens_the_folder_that_was_listed(the_net: Net) -> None:
    """`&AGo-unk` is "junk" as no encoder writes it: another folder could have that name."""
    answers: Answers = {
        "LIST": (Say('* LIST (\\Junk) "/" "&AGo-unk"', "{tag} OK done"),),
    }
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), Waiting()) as told:
            await told.until(lambda told: len({look.folder for look in told.of(Look)}) == 2)
        assert any('EXAMINE "&AGo-unk"' in line for line in peer.heard)


async def test_a_watch_says_whether_a_junk_folder_is_known(the_net: Net) -> None:
    for names, has_junk in (("INBOX", False), ("INBOX.Junk-E-Mail", True)):
        answers: Answers = {"LIST": (Say(f'* LIST () "." "{names}"', "{tag} OK done"),)}
        async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
            await told.until(lambda told: bool(told.of(Following)))
        assert told.of(Following)[0].has_junk is has_junk


async def test_a_refused_junk_search_is_no_reason_to_leave_the_inbox_alone(the_net: Net) -> None:
    answers: Answers = {"LIST": [(NO,), ONLY_INBOX["LIST"]]}
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)


async def test_a_watch_that_is_refused_the_list_reads_the_inbox(the_net: Net) -> None:
    async with ImapPeer({"LIST": (NO,)}) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
    assert told.of(Following)[0].has_junk is False
