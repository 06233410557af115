"""The IMAP watch against a scripted server: what it asks, what it reports, how it fails."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Close, Read, Say, Signal, Step, WaitFor
from probes.mailboxes.imap import places
from probes.mailboxes.imap.folder import CHUNK, SLICE
from probes.mailboxes.imap.watch import ImapMailbox, host, keep, remove, watch
from probes.mailboxes.interface import (
    Content,
    Cursor,
    Following,
    Look,
    Message,
    Placement,
    Sighting,
)
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import Host, Port, Seconds, Secret
from probes.records.imap.junk import junk_among
from probes.records.imap.responses import Listed
from probes.result import Owner, Phase, ProbeFailure, Reason
from tests.servers.imap import Answer, Hang, Raw
from tests.support.mail_world import mail_world
from tests.support.network import net
from tests.support.watching import WAIT, Told, Waiting, canary, watched

ONLY_INBOX = {"LIST": (Say('* LIST () "/" INBOX', "{tag} OK done"),)}
TOKEN, MESSAGE = canary()
OTHER_TOKEN, OTHER_MESSAGE = canary()
FOREIGN = b"Subject: hello\r\nMessage-ID: <x@y.test>\r\n\r\n"


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustStore:
    return TrustStore()


@pytest.fixture
def the_net(trust: TrustStore) -> Net:
    return net(trust)


def target(peer: ImapPeer, **options: object) -> ImapMailbox:
    fields: dict[str, object] = {"fast_poll": Seconds(0.01), "poll": Seconds(60), **options}
    return ImapMailbox(
        host=Host(peer.address),
        username="us",
        password=Secret("secret"),
        port=Port(peer.port),
        tls="none",
        **fields,  # type: ignore[arg-type]
    )


def header_of(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def message(sequence: int, uid: int, header: bytes) -> Raw:
    return Raw(
        b"* %d FETCH (UID %d RFC822.SIZE 999 INTERNALDATE "
        b'"01-Feb-2026 10:00:00 +0000" BODY[HEADER]<0> {%d}\r\n%s)\r\n'
        % (sequence, uid, len(header), header)
    )


def text(sequence: int, uid: int, body: bytes) -> Raw:
    return Raw(
        b"* %d FETCH (UID %d BODY[TEXT]<0> {%d}\r\n%s)\r\n" % (sequence, uid, len(body), body)
    )


def opened(exists: int, uid_next: int | None, uid_validity: int = 7) -> Answer:
    said = [f"* {exists} EXISTS", f"* OK [UIDVALIDITY {uid_validity}] v"]
    if uid_next is not None:
        said.append(f"* OK [UIDNEXT {uid_next}] n")
    return (Say(*said, "{tag} OK [READ-ONLY] open"),)


def asked(peer: ImapPeer, verb: str) -> list[str]:
    return [line.split(" ", 1)[1] for line in peer.heard if verb in line]


async def failure_of(the_net: Net, mailbox: ImapMailbox) -> ProbeFailure:
    with pytest.raises(ProbeFailure) as caught:
        async with asyncio.timeout(WAIT):
            await watch(the_net, mailbox, Waiting(), {}, Told())
    return caught.value


# Where a watch begins


async def test_with_nothing_in_flight_a_watch_begins_at_the_end_and_downloads_nothing(
    the_net: Net,
) -> None:
    answers = {**ONLY_INBOX, "EXAMINE": opened(100_000, 100_500)}
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
        assert told.of(Cursor) == [places.cursor("INBOX", 7, 100_499)]
        assert asked(peer, "SEARCH") == asked(peer, "FETCH") == []
    assert isinstance(told.reports[-1], Look)


async def test_with_canaries_in_flight_a_watch_begins_with_one_search_for_them(
    the_net: Net,
) -> None:
    answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(100_000, 100_500),
        "UID SEARCH": (Say("* SEARCH 70 100600", "{tag} OK done"),),
        "UID FETCH": (message(70, 70, header_of(MESSAGE)), OK),
    }
    began = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)
    waiting = Waiting({TOKEN: began, OTHER_TOKEN: began + timedelta(hours=5)})
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        sighting = await told.sighting(TOKEN)
        await told.until(lambda told: bool(told.of(Look)))
        assert asked(peer, "SEARCH") == ["UID SEARCH SINCE 28-Feb-2026"]
        assert [line.split(" (")[0] for line in asked(peer, "FETCH")] == ["UID FETCH 70"]
    assert (sighting.place, sighting.size) == (places.place("INBOX", 7, 70), 999)
    assert sighting.not_before is None
    assert sighting.internal_date == datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert sighting.header == header_of(MESSAGE)
    assert told.of(Cursor) == [places.cursor("INBOX", 7, 70), places.cursor("INBOX", 7, 100_499)]


@pytest.mark.parametrize(
    ("exists", "search"), [(3, (Say("* SEARCH 41", "{tag} OK x"),)), (0, (Say("{tag} BAD x"),))]
)
async def test_a_server_that_says_no_uidnext_is_asked_for_its_last_message(
    the_net: Net, exists: int, search: Answer
) -> None:
    answers = {**ONLY_INBOX, "EXAMINE": opened(exists, None), "UID SEARCH": search}
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), Waiting()) as told:
        await told.looks(1)
    assert told.of(Cursor) == [places.cursor("INBOX", 7, 41 if exists else 0)]


async def test_a_watch_goes_on_from_its_cursor(the_net: Net) -> None:
    answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(3, 13),
        "UID SEARCH": (Say("* SEARCH 11 12", "{tag} OK done"),),
        "UID FETCH": (message(2, 11, FOREIGN), message(3, 12, header_of(MESSAGE)), OK),
    }
    cursors = {"INBOX": places.cursor("INBOX", 7, 10)}
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), Waiting(), cursors) as told:
            await told.looks(1)
        assert asked(peer, "SEARCH") == ["UID SEARCH UID 11:*"]
        assert [line.split(" (")[0] for line in asked(peer, "FETCH")] == ["UID FETCH 11:12"]
    assert [type(report) for report in told.reports] == [Following, Sighting, Cursor, Look]
    assert told.of(Sighting)[0].token == TOKEN
    assert told.of(Cursor) == [places.cursor("INBOX", 7, 12)]


async def test_a_cursor_that_is_up_to_date_costs_no_command(the_net: Net) -> None:
    answers = {**ONLY_INBOX, "EXAMINE": opened(3, 13)}
    cursors = {"INBOX": places.cursor("INBOX", 7, 12)}
    async with (
        ImapPeer(answers) as peer,
        watched(the_net, target(peer), Waiting(), cursors) as told,
    ):
        await told.looks(1)
        assert asked(peer, "SEARCH") == asked(peer, "FETCH") == []
        assert not told.of(Cursor)


async def test_a_cursor_of_another_uidvalidity_is_worthless(the_net: Net) -> None:
    answers = {**ONLY_INBOX, "EXAMINE": opened(3, 13, uid_validity=8)}
    cursors = {"INBOX": places.cursor("INBOX", 7, 5)}
    async with (
        ImapPeer(answers) as peer,
        watched(the_net, target(peer), Waiting(), cursors) as told,
    ):
        await told.looks(1)
        assert told.of(Cursor) == [places.cursor("INBOX", 8, 12)]
        assert asked(peer, "FETCH") == []


async def test_of_a_crowd_of_new_messages_only_those_with_our_marker_are_fetched(
    the_net: Net,
) -> None:
    last = 2 * SLICE + 10
    everything = " ".join(str(uid) for uid in range(11, last + 1))
    searches: list[Answer] = [
        (Say(f"* SEARCH {everything}", "{tag} OK done"),),
        (Say("* SEARCH 500", "{tag} OK done"),),
        (Say("* SEARCH", "{tag} OK done"),),
    ]
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(last, last + 1),
        "UID SEARCH": searches,
        "UID FETCH": (message(490, 500, header_of(MESSAGE)), OK),
    }
    cursors = {"INBOX": places.cursor("INBOX", 7, 10)}
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), Waiting(), cursors) as told:
            await told.looks(1)
        assert asked(peer, "SEARCH")[1:] == [
            f'UID SEARCH UID 11:{SLICE + 10} TEXT "mailcanary-"',
            f'UID SEARCH UID {SLICE + 11}:{last} TEXT "mailcanary-"',
        ]
        assert peer.count("UID FETCH") == 1
    # the cursor has moved on with every answer, so a connection that breaks costs one slice
    assert [type(report) for report in told.reports] == [
        *(Following, Sighting, Cursor, Cursor, Look),
    ]
    assert told.of(Sighting)[0].place.position == 500
    assert told.of(Cursor) == [
        places.cursor("INBOX", 7, SLICE + 10),
        places.cursor("INBOX", 7, last),
    ]


async def test_a_hundred_thousand_foreign_messages_of_today_are_searched_and_not_downloaded(
    the_net: Net,
) -> None:
    total, ours = 100_000, 54_321
    everything = " ".join(map(str, range(1, total + 1)))
    slices: list[Answer] = [
        (Say("* SEARCH" + f" {ours}" * (first <= ours < first + SLICE), "{tag} OK done"),)
        for first in range(1, total + 1, SLICE)
    ]
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(total, total + 1),
        "UID SEARCH": [(Say(f"* SEARCH {everything}", "{tag} OK done"),), *slices],
        "UID FETCH": (message(ours, ours, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)})
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), waiting) as told:
            await told.until(lambda told: bool(told.of(Look)))
        fetched = asked(peer, "FETCH")
        assert peer.count("UID SEARCH") == 1 + total // SLICE
    assert [line.split(" (")[0] for line in fetched] == [f"UID FETCH {ours}"]
    assert [sighting.place.position for sighting in told.of(Sighting)] == [ours]
    assert told.of(Cursor)[-1] == places.cursor("INBOX", 7, total)


async def test_a_server_that_always_has_news_is_not_asked_without_pause(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say(f"* {n} EXISTS", "{tag} OK done"),) for n in range(1, 300)],
        "IDLE": (Say("+ idling", "* 9999 EXISTS"), Read(), OK),
    }
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer, fast_poll=Seconds(0.1)), Waiting()) as told:
            await told.looks(4)
        looks = told.of(Look)
    assert all(
        later.began.monotonic - earlier.began.monotonic >= 0.09
        for earlier, later in pairwise(looks)
    )


# What it sees


async def test_a_message_that_a_look_finds_lies_between_that_look_and_the_one_before(
    the_net: Net,
) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(OK,), (Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": (message(1, 1, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), waiting) as told:
            sighting = await told.sighting(TOKEN)
            await told.looks(2)
        assert [line.split(" (")[0] for line in asked(peer, "FETCH")] == ["UID FETCH 1:*"]
    first, second, third = told.of(Look)[:3]
    assert sighting.not_before == second.began
    assert third.began.monotonic <= sighting.seen.monotonic <= third.ended.monotonic
    assert first.ended.monotonic <= second.began.monotonic
    where = told.reports.index(sighting)
    assert told.reports[where + 1] == places.cursor("INBOX", 7, 1)
    assert told.reports[where + 2] == third


async def test_a_copy_was_seen_when_it_was_counted_not_when_it_was_fetched(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": (Signal("fetching"), WaitFor("fetch"), message(1, 1, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await peer.told("fetching")
        fetching = the_net.clock.monotonic()
        peer.cue("fetch")
        assert (await told.sighting(TOKEN)).seen.monotonic < fetching


async def test_a_copy_that_was_not_counted_before_was_seen_when_it_was_fetched(
    the_net: Net,
) -> None:
    fetch: Answer = (
        Signal("fetching"),
        WaitFor("fetch"),
        message(1, 1, header_of(MESSAGE)),
        message(2, 2, header_of(OTHER_MESSAGE)),
        Say("* 2 EXISTS", "{tag} OK done"),
    )
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": [fetch, (message(2, 2, header_of(OTHER_MESSAGE)), OK)],
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await peer.told("fetching")
        fetching = the_net.clock.monotonic()
        peer.cue("fetch")
        assert (await told.sighting(OTHER_TOKEN)).seen.monotonic > fetching
        await told.looks(2)
        # `n:*` brings the last message again; it is not a second copy
        assert [sighting.place.position for sighting in told.of(Sighting)] == [1, 2]


async def test_an_exists_said_during_the_fetch_is_followed_up_without_another(
    the_net: Net,
) -> None:
    fetches: list[Answer] = [
        (message(1, 1, header_of(MESSAGE)), Say("* 2 EXISTS", "{tag} OK done")),
        (message(2, 2, header_of(OTHER_MESSAGE)), OK),
    ]
    answers: Answers = {
        **ONLY_INBOX,
        "IDLE": [(Say("+ idling", "* 1 EXISTS"), Read(), OK), (Hang(),)],
        "UID FETCH": fetches,
    }
    waiting = Waiting({TOKEN: datetime.now(UTC), OTHER_TOKEN: datetime.now(UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.sighting(TOKEN)
        await told.sighting(OTHER_TOKEN)


async def test_a_canary_that_lost_its_header_is_known_by_its_text(the_net: Net) -> None:
    body = b"forwarded: Token: =6Dailcanary" + TOKEN.removeprefix("mailcanary").encode() + b"\r\n"
    quoted = FOREIGN[:-2] + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say("* 2 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": [
            (message(1, 1, FOREIGN), message(2, 2, quoted), OK),
            (text(2, 2, body), OK),
        ],
        "UID SEARCH": [(Say("{tag} OK x"),), (Say("* SEARCH 2", "{tag} OK done"),)],
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        assert (await told.sighting(TOKEN)).place.position == 2
        assert asked(peer, "SEARCH")[1:] == ['UID SEARCH UID 1:2 BODY "mailcanary-"']
        assert asked(peer, "BODY.PEEK[TEXT]") == [
            "UID FETCH 2 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[TEXT]<0.65536>)"
        ]


async def test_foreign_mail_is_not_searched_while_nobody_waits(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": (message(1, 1, FOREIGN), OK),
    }
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer, idle_renew=Seconds(0.01)), Waiting()) as told:
            await told.until(lambda told: places.cursor("INBOX", 7, 1) in told.reports)
        assert asked(peer, "SEARCH") == []
        assert not told.of(Sighting)


async def test_many_canaries_come_in_one_fetch(the_net: Net) -> None:
    canaries = [canary() for _ in range(50)]
    fetched: list[Step] = [message(n, n, header_of(m)) for n, (_, m) in enumerate(canaries, 1)]
    answers: Answers = {
        **ONLY_INBOX,
        "NOOP": [(Say("* 50 EXISTS", "{tag} OK done"),), (OK,)],
        "UID FETCH": (*fetched, OK),
    }
    waiting = Waiting({token: datetime.now(UTC) for token, _ in canaries}, fresh=True)
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.until(lambda told: len(told.of(Cursor)) == 2)
        assert [s.token for s in told.of(Sighting)] == [token for token, _ in canaries]
        assert peer.count("UID FETCH") == 1


# How it waits


async def test_idle_is_left_at_once_when_a_canary_is_sent(the_net: Net) -> None:
    answers = {**ONLY_INBOX, "IDLE": (Say("+ idling"), Signal("idle"), Read(), OK)}
    waiting = Waiting()
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await peer.told("idle")
        waiting.expect(TOKEN)
        await told.looks(5)
        assert peer.count("NOOP") >= 5
        assert peer.count("IDLE") == 1


async def test_idle_takes_over_when_no_canary_is_fresh_any_more(the_net: Net) -> None:
    answers = {**ONLY_INBOX, "IDLE": (Say("+ idling"), Signal("idle"), Read(), OK)}
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.looks(3)
        assert peer.count("IDLE") == 0
        waiting.fresh = False
        await peer.told("idle")


async def test_a_push_in_idle_is_looked_into_at_once(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "IDLE": (Say("+ idling"), Signal("idle"), WaitFor("arrive"), Say("* 1 EXISTS"), Read(), OK),
        "UID FETCH": (message(1, 1, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await peer.told("idle")
        peer.cue("arrive")
        sighting = await told.sighting(TOKEN)
        assert sighting.not_before == told.of(Look)[0].began


async def test_while_a_canary_is_in_flight_idle_is_not_trusted_for_long(the_net: Net) -> None:
    waiting = Waiting({TOKEN: datetime.now(UTC)})
    async with (
        ImapPeer(ONLY_INBOX) as peer,
        watched(the_net, target(peer, poll=Seconds(0.01)), waiting) as told,
    ):
        await told.looks(4)
        assert peer.count("IDLE") >= 3


@pytest.mark.parametrize(
    "idle",
    [
        {"CAPABILITY": (Say("* CAPABILITY IMAP4rev1", "{tag} OK done"),)},
        {"IDLE": (Say("{tag} NO not for you"),)},
        {"IDLE": (Say("{tag} BAD what"),)},
    ],
)
async def test_where_idle_is_missing_the_watch_asks(the_net: Net, idle: Answers) -> None:
    waiting = Waiting()
    async with (
        ImapPeer({**ONLY_INBOX, **idle}) as peer,
        watched(the_net, target(peer, poll=Seconds(0.01)), waiting) as told,
    ):
        await told.looks(4)
        assert peer.count("NOOP") >= 3
        assert peer.count("IDLE") <= 1


async def test_where_idle_is_missing_a_new_canary_still_wakes_the_watch(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "CAPABILITY": (Say("* CAPABILITY IMAP4rev1", "{tag} OK done"),),
    }
    waiting = Waiting()
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.looks(1)
        waiting.expect(TOKEN)
        await told.looks(3)


async def test_a_changed_uidvalidity_opens_the_folder_anew(the_net: Net) -> None:
    answers: Answers = {
        **ONLY_INBOX,
        "EXAMINE": [opened(5, 6, uid_validity=7), opened(5, 500, uid_validity=8)],
        "NOOP": [(Say("* OK [UIDVALIDITY 8] rebuilt", "{tag} OK done"),), (OK,)],
        "UID SEARCH": (Say("* SEARCH 3", "{tag} OK done"),),
        "UID FETCH": (message(3, 3, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)}, fresh=True)
    cursors = {"INBOX": places.cursor("INBOX", 7, 5)}
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting, cursors) as told:
        sighting = await told.sighting(TOKEN)
        await told.looks(2)
        assert (sighting.place, sighting.not_before) == (places.place("INBOX", 8, 3), None)
        assert told.of(Cursor)[-1] == places.cursor("INBOX", 8, 499)
        assert peer.count("EXAMINE") == 2


# Folders


async def test_junk_and_further_folders_are_watched_on_connections_of_their_own(
    the_net: Net,
) -> None:
    async with ImapPeer() as peer:
        mailbox = target(peer, folders=("Promotions",), poll=Seconds(0.01))
        async with watched(the_net, mailbox, Waiting()) as told:
            await told.until(lambda told: len({look.folder for look in told.of(Look)}) == 3)
        assert {(look.folder, look.placement) for look in told.of(Look)} == {
            ("INBOX", Placement.INBOX),
            ("Junk", Placement.JUNK),
            ("Promotions", Placement.OTHER),
        }
        assert peer.sessions == 3
        assert peer.count("SELECT") == 0


@pytest.mark.parametrize("quarantine", ["Held back", "Junk"])
async def test_what_is_in_the_operators_quarantine_is_placed_there(
    the_net: Net, quarantine: str
) -> None:
    async with ImapPeer() as peer:
        mailbox = target(peer, quarantine=quarantine, folders=("Junk", "Lists"))
        async with watched(the_net, mailbox, Waiting()) as told:
            wanted = {"Junk", "Lists", quarantine}
            await told.until(lambda told: wanted <= {look.folder for look in told.of(Look)})
        placements = {look.folder: look.placement for look in told.of(Look)}
    assert placements == {
        "INBOX": Placement.INBOX,
        "Junk": Placement.JUNK,
        "Lists": Placement.OTHER,
        quarantine: Placement.QUARANTINE,
    }


async def test_a_junk_folder_named_by_the_configuration_is_not_looked_up(the_net: Net) -> None:
    async with ImapPeer() as peer:
        async with watched(the_net, target(peer, junk="Trash/Müll"), Waiting()) as told:
            await told.until(
                lambda told: any(look.folder == "Trash/Müll" for look in told.of(Look))
            )
        assert peer.count("LIST") == 0


async def test_a_junk_folder_that_comes_to_be_later_is_found(
    the_net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.mailboxes.imap.watch.RELIST", 0.0)
    answers: Answers = {
        "LIST": [
            ONLY_INBOX["LIST"],
            (Say('* LIST () "/" INBOX', '* LIST () "/" "Spam"', "{tag} OK done"),),
        ]
    }
    async with ImapPeer(answers) as peer:
        mailbox = target(peer, idle_renew=Seconds(0.01))
        async with watched(the_net, mailbox, Waiting()) as told:
            await told.until(lambda told: any(look.folder == "Spam" for look in told.of(Look)))
        assert peer.count("LIST") == 2


def listed(name: str, *attributes: str, delimiter: str | None = "/") -> Listed:
    return Listed(frozenset(attributes), delimiter, name)


@pytest.mark.parametrize(
    ("folders", "junk"),
    [
        ([listed("INBOX")], None),
        ([listed("Junk")], "Junk"),
        ([listed("Spam"), listed("Rubbish", "\\junk")], "Rubbish"),
        ([listed("Spam", "\\noselect"), listed("[Gmail]/Spam")], "[Gmail]/Spam"),
        ([listed("INBOX.Junk E-mail", delimiter=".")], "INBOX.Junk E-mail"),
        ([listed("Spam.txt", delimiter=None), listed("x/Spam", delimiter=None)], None),
        ([], None),
    ],
)
def test_the_junk_folder_is_the_marked_one_else_one_with_a_usual_name(
    folders: list[Listed], junk: str | None
) -> None:
    assert junk_among(folders) == junk


# How it fails


async def test_wrong_credentials_are_our_fault(the_net: Net) -> None:
    answers = {"AUTHENTICATE": (Say("{tag} NO [AUTHENTICATIONFAILED] no"),)}
    async with ImapPeer(answers) as peer:
        failure = await failure_of(the_net, target(peer))
    assert (failure.phase, failure.reason, failure.owner) == (
        Phase.AUTH,
        Reason.AUTHENTICATION_FAILED,
        Owner.CONFIGURATION,
    )


async def test_a_host_that_does_not_exist_is_a_mistake_in_our_configuration(
    trust: TrustStore,
) -> None:
    async with mail_world("other A 192.0.2.1", {}, trust=trust) as world, ImapPeer() as peer:
        mailbox = replace(target(peer), host=Host("imap.example.test"))
        failure = await failure_of(world.net, mailbox)
    assert (failure.phase, failure.reason, failure.owner) == (
        Phase.DNS_ADDRESS,
        Reason.NXDOMAIN,
        Owner.CONFIGURATION,
    )


async def test_a_server_that_is_down_is_the_mailbox_not_the_mail_path(the_net: Net) -> None:
    async with ImapPeer() as peer:
        mailbox = target(peer)
    failure = await failure_of(the_net, mailbox)
    assert (failure.phase, failure.reason, failure.owner) == (
        Phase.CONNECT,
        Reason.CONNECTION_REFUSED,
        Owner.RECEIVER_MAILBOX,
    )


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize("verb", ["CAPABILITY", "AUTHENTICATE", "LIST", "EXAMINE", "NOOP", "IDLE"])
async def test_a_server_that_falls_silent_is_left(the_net: Net, verb: str) -> None:
    async with ImapPeer({**ONLY_INBOX, verb: (Hang(),)}) as peer:
        failure = await failure_of(
            the_net, target(peer, timeout=Seconds(0.2), idle_renew=Seconds(0.01))
        )
    assert (failure.reason, failure.owner) == (Reason.TIMEOUT, Owner.RECEIVER_MAILBOX)


@pytest.mark.parametrize("greeting", [(Hang(),), (Say("* BYE no"), Close()), (Say("* NO"),)])
async def test_a_bad_greeting_fails_in_its_phase(the_net: Net, greeting: Answer) -> None:
    async with ImapPeer(greeting=greeting) as peer:
        failure = await failure_of(the_net, target(peer, timeout=Seconds(0.2)))
    assert failure.phase is Phase.GREETING


async def test_what_ends_one_connection_ends_the_watch_with_its_reason(the_net: Net) -> None:
    answers = {"IDLE": (Say("+ idling", "* BYE maintenance"), Close())}
    async with ImapPeer(answers) as peer:
        failure = await failure_of(the_net, target(peer))
    assert failure.reason is Reason.SERVICE_CLOSING
    assert failure.phase is Phase.FETCH


async def test_a_folder_that_does_not_exist_is_ours_to_configure(the_net: Net) -> None:
    answers: Answers = {**ONLY_INBOX, "EXAMINE": (Say("{tag} NO [NONEXISTENT] no such"),)}
    async with ImapPeer(answers) as peer:
        failure = await failure_of(the_net, target(peer))
    assert (failure.reason, failure.owner) == (Reason.REJECTED, Owner.CONFIGURATION)


async def test_a_bug_in_the_report_is_not_taken_for_a_failure_of_the_mailbox(
    the_net: Net,
) -> None:
    async def report(_: object) -> None:
        raise ZeroDivisionError

    async with ImapPeer() as peer:
        with pytest.raises(ZeroDivisionError):
            await watch(the_net, target(peer), Waiting(), {}, report)


async def test_a_cancelled_watch_says_goodbye_and_ends(the_net: Net) -> None:
    answers = {"IDLE": (Say("+ idling"), Signal("idle"), Read(), OK)}
    async with ImapPeer(answers) as peer:
        task = asyncio.create_task(watch(the_net, target(peer), Waiting(), {}, Told()))
        await peer.told("idle")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(WAIT):
                await task
        assert peer.count("LOGOUT") >= 1


async def test_greeted_as_already_known_no_password_is_sent(the_net: Net) -> None:
    async with ImapPeer(ONLY_INBOX, greeting=(Say("* PREAUTH hello"),)) as peer:
        async with watched(the_net, target(peer), Waiting()) as told:
            await told.looks(1)
        assert peer.count("AUTHENTICATE") == peer.count("LOGIN") == 0


def test_a_mailbox_names_its_host_and_how_long_it_keeps() -> None:
    mailbox = ImapMailbox(Host("imap.test"), "us", Secret("x"), keep=None)
    assert host(mailbox) == "imap.test"
    assert keep(mailbox) is None
    assert "password=***" in repr(mailbox)


# Removal


def stored(messages: dict[int, bytes]) -> Callable[[], list[Answer]]:
    """The answer to a FETCH of headers: these messages by UID."""
    steps: list[Step] = [
        message(n, uid, header_of(each)) for n, (uid, each) in enumerate(messages.items(), 1)
    ]
    return lambda: [(*steps, OK), (OK,)]


def selected(uid_validity: int = 7, mode: str = "READ-WRITE") -> Answer:
    lines = ("* 3 EXISTS", f"* OK [UIDVALIDITY {uid_validity}] v", f"{{tag}} OK [{mode}] open")
    return (Say(*lines),)


async def test_only_messages_that_bear_the_expected_token_are_removed(the_net: Net) -> None:
    messages = {5: MESSAGE, 6: FOREIGN, 7: MESSAGE}
    answers: Answers = {"SELECT": selected(), "UID FETCH": stored(messages)()}
    async with ImapPeer(answers) as peer:
        tokens = {"5": TOKEN, "6": "mailcanary-" + "a" * 26, "7": OTHER_TOKEN, "8": "gone"}
        gone = await remove(the_net, target(peer), "INBOX", "7", tokens)
        assert gone == {TOKEN, "gone"}
        assert asked(peer, "UID STORE") == ["UID STORE 5 +FLAGS.SILENT (\\Deleted)"]
        assert asked(peer, "EXPUNGE") == ["UID EXPUNGE 5"]


async def test_a_message_that_survives_its_removal_is_not_called_gone(the_net: Net) -> None:
    answers: Answers = {
        "SELECT": selected(),
        "UID FETCH": stored({5: MESSAGE})(),
        "UID SEARCH": (Say("* SEARCH 5", "{tag} OK done"),),
    }
    async with ImapPeer(answers) as peer:
        assert await remove(the_net, target(peer), "INBOX", "7", {"5": TOKEN}) == frozenset()


async def test_under_another_uidvalidity_canaries_are_found_by_their_token(the_net: Net) -> None:
    answers: Answers = {
        "SELECT": selected(uid_validity=8),
        "UID SEARCH": [(Say("* SEARCH 21 22", "{tag} OK done"),), (Say("* SEARCH"), OK)],
        "UID FETCH": stored({21: MESSAGE, 22: OTHER_MESSAGE})(),
    }
    async with ImapPeer(answers) as peer:
        gone = await remove(the_net, target(peer), "INBOX", "7", {"22": TOKEN, "9": "gone"})
        assert gone == {TOKEN, "gone"}
        assert asked(peer, "SEARCH")[0] == 'UID SEARCH HEADER X-Mailcanary "mailcanary-"'
        assert asked(peer, "EXPUNGE") == ["UID EXPUNGE 21"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"CAPABILITY": (Say("* CAPABILITY IMAP4rev1", "{tag} OK x"),)}, Reason.EXTENSION_MISSING),
        ({"SELECT": selected(mode="READ-ONLY")}, Reason.REJECTED),
        ({"SELECT": (Say("{tag} NO no such folder"),)}, Reason.REJECTED),
    ],
)
async def test_where_nothing_can_be_removed_nothing_is_touched(
    the_net: Net, answers: Answers, reason: Reason
) -> None:
    async with ImapPeer(answers) as peer:
        with pytest.raises(ProbeFailure) as caught:
            await remove(the_net, target(peer), "INBOX", "7", {"5": TOKEN})
        assert caught.value.reason is reason
        assert peer.count("UID STORE") == peer.count("UID EXPUNGE") == 0


async def test_many_messages_are_removed_in_chunks(the_net: Net) -> None:
    count = CHUNK + 1
    tokens = dict.fromkeys(map(str, range(1, count + 1)), TOKEN)
    steps: list[Step] = [message(n, n, header_of(MESSAGE)) for n in range(1, CHUNK + 1)]
    answers: Answers = {
        "SELECT": selected(),
        "UID FETCH": [(*steps, OK), (message(count, count, header_of(MESSAGE)), OK)],
    }
    async with ImapPeer(answers) as peer:
        assert await remove(the_net, target(peer), "INBOX", "7", tokens) == {TOKEN}
        assert asked(peer, "EXPUNGE") == [f"UID EXPUNGE 1:{CHUNK}", f"UID EXPUNGE {count}"]


# Whole messages


async def test_a_server_that_refuses_a_message_is_quoted_and_the_watch_goes_on(
    the_net: Net,
) -> None:
    answers = {
        **ONLY_INBOX,
        "EXAMINE": opened(1, 6),
        "UID FETCH": (Say("{tag} NO it cannot be read"),),
    }
    waiting = Waiting()
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.looks(1)
        for uid in (5, 4):
            waiting.wanted.put_nowait(Message(TOKEN, places.place("INBOX", 7, uid)))
        await told.until(lambda told: len(told.of(Content)) == 2)
        waiting.expect(TOKEN)
        await told.looks(1)
    contents = told.of(Content)
    assert [(content.message.place.position, content.octets) for content in contents] == [
        (5, None),
        (4, None),
    ]
    assert all("it cannot be read" in content.why for content in contents)


async def test_no_message_is_fetched_while_there_is_no_room_for_it(the_net: Net) -> None:
    whole = Raw(b"* 1 FETCH (UID 5 RFC822.SIZE 4 BODY[]<0> {4}\r\nx\r\n\r)\r\n")
    answers = {**ONLY_INBOX, "EXAMINE": opened(1, 6), "UID FETCH": (whole, OK)}
    waiting = Waiting()
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        await told.looks(1)
        await waiting.room.acquire()
        waiting.wanted.put_nowait(Message(TOKEN, places.place("INBOX", 7, 5)))
        waiting.expect(TOKEN)
        await told.looks(3)
        assert waiting.wanted.empty(), "it is known what is wanted"
        assert asked(peer, "UID FETCH") == []
        waiting.room.release()
        await told.until(lambda told: bool(told.of(Content)))
    assert [content.octets for content in told.of(Content)] == [b"x\r\n\r"]
