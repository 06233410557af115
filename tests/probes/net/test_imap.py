"""The IMAP session against servers that are polite, clumsy and hostile."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from exporter.testbed.servers.imap import OK, OPENED, Answers, ImapPeer
from exporter.testbed.servers.script import Close, Flood, Read, Repeat, Say, Signal, WaitFor
from probes.net.dial import Dialer
from probes.net.errors import NetError
from probes.net.imap import Folder, ImapSession, quote, uid_set
from probes.net.imap_wire import RESPONSES_PER_TURN
from probes.net.sasl import Plain
from probes.options import Secret
from probes.records.imap.responses import Condition
from probes.result import Owner, Phase, ProbeFailure, Reason
from tests.servers.certificates import Authority
from tests.servers.imap import Answer, Drip, Hang, Raw, Reset, UpgradeTls
from tests.support.waiting import counting_turns

PASSWORD = "correct horse"


EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
"""They differ in how connections end and TLS begins."""


@asynccontextmanager
async def greeted(peer: ImapPeer) -> AsyncIterator[ImapSession]:
    async with (
        asyncio.timeout(20),
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        await session.greeting()
        yield session


@asynccontextmanager
async def talking(answers: Answers | None = None) -> AsyncIterator[tuple[ImapPeer, ImapSession]]:
    """A session with INBOX open."""
    async with ImapPeer(answers) as peer, greeted(peer) as session:
        await session.login("us", Secret(PASSWORD))
        await session.examine("INBOX")
        yield peer, session


async def failure_of(answers: Answers, step: str) -> ProbeFailure:
    async with talking(answers) as (_, session):
        with pytest.raises(ProbeFailure) as caught:
            await getattr(session, step)()
    return caught.value


# Getting in


async def test_a_whole_session_goes_step_by_step_and_ends_with_logout() -> None:
    async with ImapPeer() as peer:
        async with greeted(peer) as session:
            assert session.capabilities is None
            assert "IDLE" in await session.capability()
            assert await session.id() == {"name": "peer"}
            await session.login("us", Secret(PASSWORD))
            listed = await session.list()
            assert [folder.name for folder in listed] == ["INBOX", "Junk"]
            assert await session.examine("INBOX") == Folder("INBOX", 7, 1, 0, is_read_only=True)
            await session.noop()
        assert [line.split(" ", 1)[1] for line in peer.heard] == [
            "CAPABILITY",
            'ID ("name" "mailcanary")',
            'LOGIN "us" "correct horse"',
            "CAPABILITY",
            'LIST "" "*" RETURN (SPECIAL-USE)',
            'EXAMINE "INBOX"',
            "NOOP",
            "LOGOUT",
        ]


async def test_an_explicit_logout_is_said_once() -> None:
    async with ImapPeer() as peer:
        async with greeted(peer) as session:
            await session.logout()
        assert peer.count("LOGOUT") == 1


async def test_implicit_tls_comes_before_the_greeting(authority: Authority) -> None:
    context = authority.context("imap.test")
    async with (
        ImapPeer(context=context, implicit_tls=True) as peer,
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        facts = await session.handshake(authority.trust.verifying, "imap.test")
        assert facts.trusted
        assert (await session.greeting()).condition is Condition.OK
        await session.login("us", Secret(PASSWORD))


async def test_starttls_forgets_what_was_said_in_clear(authority: Authority) -> None:
    capabilities: list[Answer] = [
        (Say("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED", "{tag} OK done"),),
        (Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN", "{tag} OK done"),),
    ]
    async with (
        ImapPeer({"CAPABILITY": capabilities}, context=authority.context("imap.test")) as peer,
        greeted(peer) as session,
    ):
        await session.starttls()
        await session.handshake(authority.trust.verifying, "imap.test")
        assert session.capabilities is None
        await session.authenticate(Plain("us", Secret(PASSWORD)))
        assert peer.count("CAPABILITY") == 2


@pytest.mark.parametrize(
    "injected", [b"* CAPABILITY IMAP4rev1 AUTH=EVIL\r\n", b"c3 OK [ALERT] in\r\n", b"x"]
)
async def test_plaintext_after_the_answer_to_starttls_is_reported_and_never_read(
    authority: Authority, injected: bytes
) -> None:
    answers = {
        "CAPABILITY": (Say("* CAPABILITY IMAP4rev1 STARTTLS", "{tag} OK done"),),
        "STARTTLS": (Raw(b"{tag} OK go\r\n" + injected), UpgradeTls()),
    }
    async with (
        ImapPeer(answers, context=authority.context("imap.test")) as peer,
        greeted(peer) as session,
    ):
        with pytest.raises(NetError, match="CVE-2011-0411") as caught:
            await session.starttls()
        assert caught.value.reason is Reason.VALIDATION_FAILURE
        assert session.capabilities == frozenset({"IMAP4REV1", "STARTTLS"})


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_greeting_in_clear_is_not_taken_for_one_under_tls(
    authority: Authority,
    is_early: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with (
        ImapPeer(greeting=(Say("* OK ready"), Signal("greeted"), Hang())) as peer,
        asyncio.timeout(10),
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        if is_early:
            await peer.told("greeted")
        with pytest.raises(NetError) as caught:
            await session.handshake(authority.trust.verifying, "imap.test")
        assert caught.value.reason is Reason.VALIDATION_FAILURE


async def test_a_server_without_starttls_is_asked_no_further() -> None:
    async with ImapPeer() as peer, greeted(peer) as session:
        with pytest.raises(ProbeFailure) as caught:
            await session.starttls()
        assert caught.value.reason is Reason.STARTTLS_NOT_SUPPORTED
        assert peer.count("STARTTLS") == 0


async def test_a_certificate_for_another_name_is_named_as_such(authority: Authority) -> None:
    async with (
        ImapPeer(context=authority.context("other.test"), implicit_tls=True) as peer,
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        with pytest.raises(NetError) as caught:
            await session.handshake(authority.trust.verifying, "imap.test")
        assert caught.value.reason is Reason.CERTIFICATE_HOST_MISMATCH


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        ((Say("* BYE overloaded"), Close()), Reason.SERVICE_CLOSING),
        ((Say("220 mx.test ESMTP"),), Reason.MALFORMED_REPLY),
        ((Say("* NO"),), Reason.UNEXPECTED_REPLY),
        ((Say("c1 OK hello"),), Reason.UNEXPECTED_REPLY),
        ((Close(),), Reason.CONNECTION_CLOSED),
        ((Reset(),), Reason.CONNECTION_RESET),
        ((Raw(b"* OK"), Close()), Reason.CONNECTION_CLOSED),
        ((Flood(b"x" * 4096),), Reason.MALFORMED_REPLY),
        ((Raw(b"\x00\xff\xfe\n"),), Reason.MALFORMED_REPLY),
    ],
)
async def test_a_bad_greeting_has_its_reason(greeting: Answer, reason: Reason) -> None:
    async with (
        ImapPeer(greeting=greeting) as peer,
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        with pytest.raises(ProbeFailure) as caught:
            await session.greeting()
        assert caught.value.reason is reason


async def test_a_greeting_an_octet_at_a_time_is_a_greeting() -> None:
    async with (
        ImapPeer(greeting=(Drip("* PREAUTH [CAPABILITY IMAP4rev1] hi"),)) as peer,
        await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        assert (await session.greeting()).condition is Condition.PREAUTH
        assert session.capabilities == frozenset({"IMAP4REV1"})


async def test_a_silent_server_is_left_when_the_caller_has_waited_enough() -> None:
    async with ImapPeer(greeting=(Hang(),)) as peer:
        with pytest.raises(TimeoutError):
            async with (
                asyncio.timeout(0.1),
                await ImapSession.connect(Dialer(), peer.address, peer.port) as session,
            ):
                await session.greeting()


@pytest.mark.parametrize(
    ("answer", "reason", "owner"),
    [
        ("{tag} NO [AUTHENTICATIONFAILED] no", Reason.AUTHENTICATION_FAILED, Owner.CONFIGURATION),
        ("{tag} NO no", Reason.AUTHENTICATION_FAILED, Owner.CONFIGURATION),
        ("{tag} NO [UNAVAILABLE] directory is down", Reason.DEFERRED, Owner.RECEIVER_MAILBOX),
        ("{tag} BAD what", Reason.UNEXPECTED_REPLY, Owner.RECEIVER_MX),
    ],
)
@pytest.mark.parametrize("way", ["login", "authenticate"])
async def test_a_refused_login_says_whose_problem_it_is(
    answer: str, reason: Reason, owner: Owner, way: str
) -> None:
    async with (
        ImapPeer({"LOGIN": (Say(answer),), "AUTHENTICATE": (Say(answer),)}) as peer,
        greeted(peer) as session,
    ):
        with pytest.raises(ProbeFailure) as caught:
            await log_in(session, way)
        failure = caught.value.to_failure(Phase.AUTH)
        assert (failure.reason, failure.owner) == (reason, owner)


async def log_in(session: ImapSession, way: str) -> None:
    if way == "login":
        await session.login("us", Secret(PASSWORD))
    else:
        await session.authenticate(Plain("us", Secret(PASSWORD)))


@pytest.mark.parametrize(
    "echo",
    [
        "{tag} NO cannot read: %s",
        "{tag} BAD %s?",
        "* BYE %s",
        "%s",
        "+ %s",
        "* OK %s\r\n{tag} NO [ALERT %s] x",
        "nonsense nonsense nonsense nonsense nonsense nonsense nonsense nonsense ab%s",
    ],
)
@pytest.mark.parametrize("way", ["login", "authenticate"])
async def test_a_password_that_the_server_repeats_is_shown_to_nobody(echo: str, way: str) -> None:
    message = base64.b64encode(f"\0us\0{PASSWORD}".encode()).decode()
    repeated = PASSWORD if way == "login" else f"{message} {PASSWORD}"
    answer = (Say(echo.replace("%s", repeated)),)
    async with (
        ImapPeer({"LOGIN": answer, "AUTHENTICATE": (*answer, Read(), Close())}) as peer,
        greeted(peer) as session,
    ):
        with pytest.raises(ProbeFailure) as caught:
            await log_in(session, way)
        shown = f"{caught.value!r} {caught.value.detail}"
        assert PASSWORD[:4] not in shown
        assert message[:8] not in shown


async def test_what_a_quoted_string_cannot_carry_goes_as_a_literal() -> None:
    answer = (Say("+ go"), Read(), Say("+ go"), Read(), OK)
    async with ImapPeer({"LOGIN": answer}) as peer, greeted(peer) as session:
        await session.login("ünder", Secret("pässword"))
        assert [line.encode("latin-1").decode() for line in peer.heard[-3:]] == [
            "c2 LOGIN {6}",
            "ünder {9}",
            "pässword",
        ]


async def test_quotes_and_backslashes_in_a_password_are_escaped() -> None:
    async with ImapPeer() as peer, greeted(peer) as session:
        await session.login("us", Secret('a"b\\c'))
        assert peer.heard[-1] == 'c2 LOGIN "us" "a\\"b\\\\c"'


async def test_a_server_without_sasl_ir_is_waited_for() -> None:
    answers = {
        "CAPABILITY": (Say("* CAPABILITY IMAP4rev1 AUTH=PLAIN", "{tag} OK done"),),
        "AUTHENTICATE": (Say("+ "), Read(), Say("{tag} OK [CAPABILITY IMAP4rev1 IDLE] in")),
    }
    async with ImapPeer(answers) as peer, greeted(peer) as session:
        await session.authenticate(Plain("us", Secret("x")))
        assert peer.heard[-2:] == ["c2 AUTHENTICATE PLAIN", "AHVzAHg="]
        assert session.capabilities == frozenset({"IMAP4REV1", "IDLE"})


async def test_a_password_is_not_sent_in_clear_off_loopback() -> None:
    async with ImapPeer() as peer:
        dialer = Dialer(route=lambda _address, _port: (peer.address, peer.port))
        async with await ImapSession.connect(dialer, "192.0.2.1", 143) as session:
            await session.greeting()
            for way in ("login", "authenticate"):
                with pytest.raises(ProbeFailure) as caught:
                    await log_in(session, way)
                assert caught.value.owner is Owner.CONFIGURATION
            assert PASSWORD not in "".join(peer.heard)
            await session.login("us", Secret(PASSWORD), insecure=True)


async def test_login_is_not_tried_where_it_is_disabled() -> None:
    answers = {"CAPABILITY": (Say("* CAPABILITY IMAP4rev1 LOGINDISABLED", "{tag} OK done"),)}
    async with ImapPeer(answers) as peer, greeted(peer) as session:
        for way in ("login", "authenticate"):
            with pytest.raises(ProbeFailure) as caught:
                await log_in(session, way)
            assert caught.value.reason is Reason.EXTENSION_MISSING
        assert peer.count("LOGIN") == peer.count("AUTHENTICATE") == 0


# Commands


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((Say("{tag} NO no"),), Reason.REJECTED),
        ((Say("{tag} NO [INUSE] later"),), Reason.DEFERRED),
        ((Say("{tag} BAD what"),), Reason.UNEXPECTED_REPLY),
        ((Say("c999 OK somebody else's"),), Reason.UNEXPECTED_REPLY),
        ((Say("+ go on"),), Reason.UNEXPECTED_REPLY),
        ((Say("{tag} MAYBE"),), Reason.MALFORMED_REPLY),
        ((Say("* BYE tired"),), Reason.SERVICE_CLOSING),
        ((Say("* BYE tired"), Close()), Reason.SERVICE_CLOSING),
        ((Close(),), Reason.CONNECTION_CLOSED),
        ((Reset(),), Reason.CONNECTION_RESET),
        ((Say("* 1 FETCH (BODY[] {99999999}"),), Reason.MALFORMED_REPLY),
        ((Raw(b"* 1 FETCH (BODY[] {5}\r\nab"), Close()), Reason.CONNECTION_CLOSED),
        ((Flood(b"* LIST (" * 512),), Reason.MALFORMED_REPLY),
        ((Flood(b"* OK still talking\r\n" * 100),), Reason.MALFORMED_REPLY),
    ],
)
async def test_every_bad_answer_has_its_reason(answer: Answer, reason: Reason) -> None:
    assert (await failure_of({"NOOP": answer}, "noop")).reason is reason


async def test_a_refusal_leaves_the_session_usable() -> None:
    async with talking({"NOOP": [(Say("{tag} NO no"),), (OK,)]}) as (_, session):
        with pytest.raises(ProbeFailure):
            await session.noop()
        await session.noop()


async def test_bye_is_the_reason_of_every_later_step() -> None:
    async with talking({"NOOP": (Say("* BYE tired"), Close())}) as (_, session):
        for _ in range(2):
            with pytest.raises(NetError, match="tired"):
                await session.noop()


async def test_bye_between_two_steps_is_found_by_the_next() -> None:
    async with talking({"NOOP": (Say("{tag} OK done", "* BYE shutting down"), Hang())}) as (
        _,
        session,
    ):
        await session.noop()
        with pytest.raises(NetError, match="shutting down"):
            await session.noop()


async def test_ten_thousand_untagged_answers_pass() -> None:
    line = "* {n} FETCH (UID {n} RFC822.SIZE 5)"
    async with talking({"UID FETCH": (Repeat(line, 10_000), OK)}) as (_, session):
        fetched = await session.uid_fetch("1:*")
        assert [each.uid for each in fetched] == list(range(1, 10_001))


async def test_untagged_answers_without_end_do_not_hold_the_loop() -> None:
    answers = {"NOOP": (Repeat("* {n} FETCH (FLAGS ())", 20_000), OK)}
    async with talking(answers) as (_, session), counting_turns() as turns:
        await session.noop()
    assert turns.count >= 20_000 // RESPONSES_PER_TURN // 2


async def test_a_hundred_thousand_search_results_are_one_answer() -> None:
    numbers = " ".join(str(number) for number in range(1, 100_001))
    async with talking({"UID SEARCH": (Say(f"* SEARCH {numbers}"), OK)}) as (_, session):
        assert len(await session.uid_search("ALL")) == 100_000


async def test_fetch_asks_for_a_peek_and_gives_the_octets() -> None:
    answer = (
        Say(
            "* 4 FETCH (FLAGS (\\Seen))",
            '* 3 FETCH (UID 9 INTERNALDATE "01-Feb-2026 10:00:00 +0000" RFC822.SIZE 1234 '
            "BODY[HEADER]<0> {11}",
        ),
        Raw(b"A: b\r\n\r\n\xff\x00 )\r\n"),
        OK,
    )
    async with talking({"UID FETCH": answer}) as (peer, session):
        _, fetched = await session.uid_fetch("9:*", "HEADER", 500)
        assert (fetched.uid, fetched.size) == (9, 1234)
        assert fetched.sections == {"HEADER": b"A: b\r\n\r\n\xff\x00 "}
        assert peer.heard[-1].endswith(
            "UID FETCH 9:* (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER]<0.500>)"
        )


async def test_a_literal_larger_than_was_asked_for_is_not_read() -> None:
    answer = (Say("* 3 FETCH (UID 9 BODY[TEXT]<0> {200001}"), Hang())
    async with talking({"UID FETCH": answer}) as (_, session):
        with pytest.raises(NetError) as caught:
            await session.uid_fetch("9", "TEXT", 200_000)
        assert caught.value.reason is Reason.MALFORMED_REPLY


async def test_a_fetch_of_messages_that_went_away_gives_the_others() -> None:
    answer = (Say("* 1 FETCH (UID 5 RFC822.SIZE 1)", "{tag} NO [EXPUNGEISSUED] some are gone"),)
    async with talking({"UID FETCH": answer}) as (_, session):
        assert [each.uid for each in await session.uid_fetch("4:5")] == [5]


async def test_expunge_without_uidplus_removes_nothing_and_says_so() -> None:
    answers = {"CAPABILITY": (Say("* CAPABILITY IMAP4rev1", "{tag} OK done"),)}
    async with talking(answers) as (peer, session):
        with pytest.raises(ProbeFailure) as caught:
            await session.uid_expunge("5")
        assert caught.value.reason is Reason.EXTENSION_MISSING
        assert "EXPUNGE" not in "".join(peer.heard)


async def test_store_and_expunge_name_their_messages() -> None:
    async with talking() as (peer, session):
        await session.uid_store(uid_set([5, 3, 4, 9]), ["\\Deleted"])
        await session.uid_expunge(uid_set([5, 3, 4, 9]))
        assert [line.split(" ", 1)[1] for line in peer.heard if "UID" in line] == [
            "UID STORE 3:5,9 +FLAGS.SILENT (\\Deleted)",
            "UID EXPUNGE 3:5,9",
        ]


@pytest.mark.parametrize(
    "lines", [("* 3 EXISTS",), ("* OK [UIDVALIDITY 5] v",), ("* OK [UIDNEXT 5] n",)]
)
async def test_a_folder_without_its_numbers_is_refused(lines: tuple[str, ...]) -> None:
    async with ImapPeer({"EXAMINE": (Say(*lines), OK)}) as peer, greeted(peer) as session:
        with pytest.raises(ProbeFailure) as caught:
            await session.examine("INBOX")
        assert caught.value.reason is Reason.UNEXPECTED_REPLY


async def test_a_folder_name_is_sent_in_modified_utf_7_and_quoted() -> None:
    async with ImapPeer() as peer, greeted(peer) as session:
        await session.examine('Entwürfe "2"')
        assert peer.heard[-1].endswith('EXAMINE "Entw&APw-rfe \\"2\\""')


async def test_what_is_said_of_the_old_folder_is_not_taken_for_the_new_one() -> None:
    second = Say(
        "* 99 EXISTS", "* OK [CLOSED] bye", "* 1 EXISTS", "* OK [UIDVALIDITY 8] v", "{tag} OK open"
    )
    async with talking({"EXAMINE": [OPENED, (second,)]}) as (_, session):
        assert await session.examine("Junk") == Folder("Junk", 8, None, 1, is_read_only=False)


async def test_a_session_is_closed_at_once_when_its_task_is_cancelled() -> None:
    async with ImapPeer({"NOOP": (Signal("asked"), Hang())}) as peer:

        async def work() -> None:
            async with greeted(peer) as session:
                await session.noop()

        task = asyncio.create_task(work())
        await peer.told("asked")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(5):
                await task


# News is remembered wherever it is said


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("UID FETCH", (Say("* 1 FETCH (UID 1)", "* 5 EXISTS", "* 1 FETCH (UID 1)", "{tag} OK x"),)),
        ("UID STORE", (Say("* 5 EXISTS", "{tag} OK x"),)),
        ("UID EXPUNGE", (Say("* 6 EXISTS", "* 1 EXPUNGE", "{tag} OK x"),)),
        ("UID SEARCH", (Say("* SEARCH", "* 5 EXISTS", "{tag} OK x"),)),
        ("NOOP", (Drip("* 5 EXISTS", 3), OK)),
        ("NOOP", (Say("{tag} OK x", "* 5 EXISTS"),)),
        ("IDLE", (Say("* 5 EXISTS", "+ idling"), Read(), OK)),
        ("IDLE", (Say("+ idling", "* 5 EXISTS"), Read(), OK)),
        ("IDLE", (Drip("+ idling"), Drip("* 5 EXISTS"), Read(), OK)),
        ("IDLE", (Say("+ idling"), Raw(b"* 5 EXI"), Raw(b"STS\r\n"), Read(), OK)),
        ("IDLE", (Say("+ idling", "* OK Still here", "* OK Still here", "* 5 EXISTS"), Read(), OK)),
        ("IDLE", (Say("+ idling", "* 1 RECENT"), Read(), Say("* 5 EXISTS", "{tag} OK x"))),
        ("IDLE", (Say("+ idling", "* 5 EXISTS", "{tag} OK I end it myself"),)),
        (
            "IDLE",
            (
                Say("+ idling"),
                Repeat("* {n} EXISTS", 10_000),
                Repeat("* 1 EXPUNGE", 9_995),
                Read(),
                OK,
            ),
        ),
    ],
)
async def test_an_exists_is_remembered_wherever_it_is_said(verb: str, answer: Answer) -> None:
    async with talking({verb: answer}) as (_, session):
        known = session.changes
        steps: dict[str, Callable[[], Awaitable[object]]] = {
            "UID FETCH": lambda: session.uid_fetch("1"),
            "UID STORE": lambda: session.uid_store("1", ["\\Deleted"]),
            "UID EXPUNGE": lambda: session.uid_expunge("1"),
            "UID SEARCH": lambda: session.uid_search("ALL"),
            "NOOP": session.noop,
            "IDLE": lambda: session.idle(known, 0.5),
        }
        await steps[verb]()
        async with asyncio.timeout(5):
            await session.idle(known)  # news that are there already are not waited for
        assert session.changes != known
        assert session.exists == 5


async def test_an_exists_that_says_nothing_new_is_no_news() -> None:
    async with talking({"NOOP": (Say("* 0 EXISTS", "* 0 RECENT", "{tag} OK x"),)}) as (_, session):
        known = session.changes
        await session.noop()
        assert session.changes == known


async def test_an_arrival_in_the_place_of_a_removed_message_is_news() -> None:
    answers: Answers = {
        "NOOP": [
            (Say("* 3 EXISTS", "{tag} OK x"),),
            (Say("* 1 EXPUNGE", "* 3 EXISTS", "{tag} OK x"),),
        ]
    }
    async with talking(answers) as (_, session):
        await session.noop()
        known = session.changes
        await session.noop()
        assert session.changes != known
        assert (session.exists, session.expunged) == (3, 1)


async def test_a_changed_uidvalidity_is_news() -> None:
    answers = {"IDLE": (Say("+ idling", "* OK [UIDVALIDITY 8] rebuilt"), Read(), OK)}
    async with talking(answers) as (_, session):
        await session.idle(session.changes)
        assert session.uid_validity == 8


# IDLE


async def test_idle_ends_when_it_is_interrupted() -> None:
    answers = {"IDLE": (Say("+ idling"), Signal("idle"), Read(), OK)}
    async with talking(answers) as (peer, session):
        task = asyncio.create_task(session.idle(session.changes))
        await peer.told("idle")
        session.interrupt()
        async with asyncio.timeout(5):
            await task
        assert peer.heard[-1] == "DONE"
        await session.noop()


async def test_an_interruption_before_the_go_ahead_is_not_lost() -> None:
    answers = {"IDLE": (Signal("asked"), WaitFor("go"), Say("+ idling"), Read(), OK)}
    async with talking(answers) as (peer, session):
        task = asyncio.create_task(session.idle(session.changes))
        await peer.told("asked")
        session.interrupt()
        peer.cue("go")
        async with asyncio.timeout(5):
            await task


async def test_idle_ends_when_it_is_due_for_renewal() -> None:
    async with talking() as (peer, session):
        await session.idle(session.changes, 0.01)
        await session.idle(session.changes, 0.01)
        assert peer.count("IDLE") == 2
        await session.noop()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((Say("+ idling", "* BYE shutting down"),), Reason.SERVICE_CLOSING),
        ((Say("+ idling"), Close()), Reason.CONNECTION_CLOSED),
        ((Say("+ idling"), Reset()), Reason.CONNECTION_RESET),
        ((Say("+ idling", "nonsense"), Hang()), Reason.MALFORMED_REPLY),
        ((Say("{tag} BAD what"),), Reason.UNEXPECTED_REPLY),
        ((Say("{tag} NO not today"),), Reason.REJECTED),
        ((Hang(),), Reason.TIMEOUT),
        ((Say("+ idling", "* 5 EXISTS"), Hang()), Reason.TIMEOUT),
        ((Say("+ idling", "* 5 EXISTS"), Read(), Say("{tag} NO")), Reason.REJECTED),
        ((Say("+ idling"), Flood(b"* OK Still here\r\n" * 500)), Reason.MALFORMED_REPLY),
    ],
)
async def test_an_idle_that_goes_wrong_has_its_reason(answer: Answer, reason: Reason) -> None:
    async with talking({"IDLE": answer}) as (_, session):
        session.idle_answer = 0.2
        with pytest.raises(ProbeFailure) as caught:
            await session.idle(session.changes)
        assert caught.value.reason is reason


async def test_leaving_in_the_middle_of_idle_says_done_and_logout() -> None:
    answers = {"IDLE": (Say("+ idling"), Signal("idle"), Read(), OK)}
    async with ImapPeer(answers) as peer:

        async def wait() -> None:
            async with greeted(peer) as session:
                await session.examine("INBOX")
                await session.idle(session.changes)

        task = asyncio.create_task(wait())
        await peer.told("idle")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [line.split(" ")[-1] for line in peer.heard[-2:]] == ["DONE", "LOGOUT"]


def test_only_printable_ascii_is_quoted() -> None:
    assert quote('a "b" \\c') == '"a \\"b\\" \\\\c"'
    for text in ("a\r\nb", "ä", "\0"):
        with pytest.raises(ValueError, match="US-ASCII"):
            quote(text)


def test_a_uid_set_is_sorted_and_short() -> None:
    assert uid_set([7, 1, 2, 3, 2, 9, 10]) == "1:3,7,9:10"
