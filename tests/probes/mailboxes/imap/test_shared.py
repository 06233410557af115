"""Folders that share a connection, where the server tells of news in them."""

from datetime import UTC, datetime

import pytest

from exporter.testbed.servers.imap import CAPABILITIES, OK, Answers, ImapPeer
from exporter.testbed.servers.script import Close, Read, Say
from probes.mailboxes.imap.watch import ImapMailbox
from probes.mailboxes.interface import Look, Placement, Sighting
from probes.net import Net
from probes.net.tls import TrustStore
from probes.options import FilePath, Host, Port, Seconds, Secret
from probes.result import ProbeFailure, Reason
from tests.probes.mailboxes.imap.test_watch import header_of, message, opened
from tests.servers.dovecot import running_dovecot
from tests.servers.imap import Answer
from tests.support.network import net
from tests.support.watching import Told, Waiting, canary, watched

USER = "us"
TOKEN, MESSAGE = canary()
FOREIGN = b"From: a@b.test\r\nSubject: hello\r\n\r\nhello\r\n"
OFFER: Answers = {
    "CAPABILITY": (Say(f"* CAPABILITY {CAPABILITIES} NOTIFY", "{tag} OK done"),),
    "LIST": (Say('* LIST () "/" INBOX', '* LIST (\\Junk) "/" Junk', "{tag} OK done"),),
    "NOTIFY": (OK,),
}
ALL = {"INBOX", "Junk", "Lists", "Held back"}


@pytest.fixture(scope="module")
def the_net() -> Net:
    return net(TrustStore())


def target(peer: ImapPeer, **options: object) -> ImapMailbox:
    fields: dict[str, object] = {
        "fast_poll": Seconds(0.01),
        "poll": Seconds(60),
        "folders": ("Lists", "Held back"),
        **options,
    }
    return ImapMailbox(
        Host(peer.address),
        "us",
        Secret("secret"),
        port=Port(peer.port),
        tls="none",
        **fields,  # type: ignore[arg-type]
    )


def all_looked(told: Told) -> bool:
    return {look.folder for look in told.of(Look)} == ALL


async def test_the_folders_share_one_connection_and_each_is_looked_at(the_net: Net) -> None:
    async with ImapPeer(OFFER) as peer:
        async with watched(the_net, target(peer), Waiting()) as told:
            await told.until(all_looked)
        assert peer.sessions == 2
        asked = [line.split(" ", 1)[1] for line in peer.heard if "NOTIFY" in line]
        folders = '("Junk" "Lists" "Held back")'
        assert asked == [f"NOTIFY SET STATUS (mailboxes {folders} (MessageNew MessageExpunge))"]
        assert peer.count("SELECT") == 0


@pytest.mark.parametrize("refusal", ["{tag} NO [NOTIFICATIONOVERFLOW] no", "{tag} BAD what"])
async def test_where_notify_is_refused_each_folder_has_its_own(the_net: Net, refusal: str) -> None:
    async with ImapPeer({**OFFER, "NOTIFY": (Say(refusal),)}) as peer:
        async with watched(the_net, target(peer), Waiting()) as told:
            await told.until(all_looked)
        assert peer.sessions == 5, "the one that asked, INBOX and the three others"


@pytest.mark.parametrize("lacking", ["NOTIFY", "IDLE"])
async def test_where_it_is_not_offered_nothing_is_asked(the_net: Net, lacking: str) -> None:
    offer = f"{CAPABILITIES} NOTIFY".replace(f" {lacking}", "")
    answers = {**OFFER, "CAPABILITY": (Say(f"* CAPABILITY {offer}", "{tag} OK done"),)}
    async with ImapPeer(answers) as peer:
        async with watched(the_net, target(peer), Waiting()) as told:
            await told.until(all_looked)
        assert peer.count("NOTIFY") == 0


async def test_only_the_folder_that_has_news_is_opened_again(the_net: Net) -> None:
    told_of = Say(
        "+ idling",
        "* STATUS Junk (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 7)",  # nothing new
        '* STATUS "Lists" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7)',
    )
    examine: list[Answer] = [*[opened(0, 1)] * 4, opened(1, 2)]
    answers: Answers = {
        **OFFER,
        "EXAMINE": examine,
        "IDLE": [
            (Say("+ idling"), Read(), OK),
            (told_of, Read(), OK),
            (Say("+ idling"), Read(), OK),
        ],
        "UID SEARCH": (Say("* SEARCH 1", "{tag} OK done"),),
        "UID FETCH": (message(1, 1, header_of(MESSAGE)), OK),
    }
    waiting = Waiting({TOKEN: datetime.now(UTC)})
    async with ImapPeer(answers) as peer, watched(the_net, target(peer), waiting) as told:
        sighting = await told.sighting(TOKEN)
        await told.until(lambda told: len(told.of(Look)) == 5)
        names = [line.split(" ", 2)[2] for line in peer.heard if "EXAMINE" in line]
    assert (sighting.place.folder, sighting.placement) == ("Lists", Placement.OTHER)
    assert sighting.not_before is not None, "it was not there at the first look"
    assert sorted(names[:4]) == ['"Held back"', '"INBOX"', '"Junk"', '"Lists"']
    assert names[4:] == ['"Lists"']


async def test_silence_proves_nothing_and_every_folder_is_looked_at_when_it_is_due(
    the_net: Net,
) -> None:
    async with ImapPeer(OFFER) as peer:
        waiting = Waiting({TOKEN: datetime.now(UTC)})
        async with watched(the_net, target(peer, poll=Seconds(0.05)), waiting) as told:
            await told.until(
                lambda told: all(
                    sum(look.folder == name for look in told.of(Look)) >= 3 for name in ALL
                )
            )


async def test_a_new_canary_wakes_the_shared_watch(the_net: Net) -> None:
    async with ImapPeer(OFFER) as peer:
        waiting = Waiting()
        async with watched(the_net, target(peer, idle_renew=Seconds(600)), waiting) as told:
            await told.until(all_looked)
            before = len([look for look in told.of(Look) if look.folder == "Lists"])
            waiting.expect(TOKEN)
            await told.until(
                lambda told: len([x for x in told.of(Look) if x.folder == "Lists"]) > before + 2
            )


async def test_a_connection_that_ends_ends_the_watch(the_net: Net) -> None:
    async with ImapPeer({**OFFER, "CLOSE": (Close(),)}) as peer:
        with pytest.raises(ExceptionGroup) as caught:
            async with watched(the_net, target(peer), Waiting()) as told:
                await told.until(lambda told: len(told.of(Look)) > 99)
    (failure,) = caught.value.exceptions
    assert isinstance(failure, ProbeFailure)
    assert failure.reason is Reason.CONNECTION_CLOSED


@pytest.mark.real("dovecot-imapd")
async def test_dovecot_tells_of_three_folders_on_one_connection(the_net: Net) -> None:
    canaries = {folder: canary() for folder in ("Junk", "Lists", "Held")}
    async with running_dovecot() as dovecot:
        for folder in canaries:
            dovecot.deliver(USER, FOREIGN, folder)
        mailbox = ImapMailbox(
            Host("127.0.0.1"),
            USER,
            Secret(dovecot.password),
            port=Port(dovecot.tls_port),
            ca_file=FilePath(str(dovecot.ca_file)),
            poll=Seconds(3600),  # nothing but the server's word brings a look
            quarantine="Held",
            folders=("Lists",),
        )
        waiting = Waiting({token: datetime.now(UTC) for token, _ in canaries.values()})
        async with watched(the_net, mailbox, waiting) as told:
            await told.until(lambda told: len({look.folder for look in told.of(Look)}) == 4)
            for folder, (token, content) in canaries.items():
                await dovecot.save(USER, content, folder)
                await told.sighting(token)
        log = (dovecot.home / "log").read_text()
    found = {sighting.place.folder: sighting for sighting in told.of(Sighting)}
    assert {name: one.placement for name, one in found.items()} == {
        "Junk": Placement.JUNK,
        "Lists": Placement.OTHER,
        "Held": Placement.QUARANTINE,
    }
    assert all(one.place.position == 2 and one.not_before is not None for one in found.values())
    assert log.count("Login: user=<us>") == 2
