"""The SMTP session against peers that behave, and peers that do not."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message

import pytest
import uvloop
from aiosmtpd import smtp as aiosmtpd
from aiosmtpd.handlers import Message as MessageHandler

from exporter.testbed.servers.script import Close, Deaf, Flood, Send, StartTls, Step, Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.clock import SYSTEM_CLOCK
from probes.net.dial import Dialer
from probes.net.errors import NetError
from probes.net.smtp_session import SmtpSession
from probes.net.smtp_wire import MAX_STRAY, SmtpWire
from probes.options import Secret
from probes.result import Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace
from tests.servers.certificates import Authority

EVENT_LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
DEADLINE = 10.0
FLOOD = 16 * 1024 * 1024


@asynccontextmanager
async def talking(script: Script | None = None) -> AsyncIterator[tuple[SmtpSession, SmtpPeer]]:
    """A session connected to a peer with that script, under a deadline."""
    async with (
        asyncio.timeout(DEADLINE),
        SmtpPeer(script) as peer,
        await SmtpSession.connect(Dialer(), peer.address, peer.port) as session,
    ):
        yield session, peer


@asynccontextmanager
async def greeted(script: Script | None = None) -> AsyncIterator[tuple[SmtpSession, SmtpPeer]]:
    """The same after greeting and EHLO."""
    async with talking(script) as (session, peer):
        await session.greeting()
        await session.ehlo("probe.test")
        yield session, peer


# -- a dialogue that goes well


async def test_a_whole_transaction_is_heard_as_it_was_meant() -> None:
    async with greeted() as (session, peer):
        await session.mail("a@probe.test", size=42)
        await session.rcpt("b@peer.test")
        reply = await session.data()
        assert reply.code == 354
        reply = await session.end_of_data(b"Subject: x\r\n\r\n.hidden\nlast")
        assert (reply.code, reply.enhanced) == (250, (2, 0, 0))
        assert (await session.quit()).code == 221
    assert peer.conversation.lines[:4] == [
        b"EHLO probe.test",
        b"MAIL FROM:<a@probe.test> SIZE=42",
        b"RCPT TO:<b@peer.test>",
        b"DATA",
    ]
    assert peer.conversation.content == [b"Subject: x\r\n\r\n..hidden\r\nlast\r\n"]


async def test_a_large_message_arrives_whole() -> None:
    content = b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n"
    content += (b"y" * 70 + b"\r\n") * 3000
    async with greeted() as (session, peer):
        await session.mail("")
        await session.rcpt("b@peer.test")
        await session.data()
        await session.end_of_data(content)
    assert peer.conversation.content == [content]
    assert b"MAIL FROM:<>" in peer.conversation.lines


async def test_starttls_is_a_command_and_a_handshake_apart_and_ehlo_is_forgotten(
    authority: Authority,
) -> None:
    async with greeted(Script(tls=authority.context("peer.test"))) as (session, peer):
        assert (await session.starttls()).code == 220
        facts = await session.handshake(authority.trust.verifying, "peer.test")
        assert (facts.trusted, facts.names, facts.server_name) == (
            True,
            ("peer.test",),
            "peer.test",
        )
        assert facts.version.startswith("TLSv1.")
        assert facts.cipher
        assert session.offer is None
        offer = await session.ehlo("probe.test")
        assert not offer.offers("STARTTLS")
        await session.quit()
    assert peer.conversation.verbs == ["EHLO", "STARTTLS", "EHLO", "QUIT"]


async def test_implicit_tls_begins_before_the_greeting(authority: Authority) -> None:
    script = Script(tls=authority.context("peer.test"), implicit_tls=True)
    async with talking(script) as (session, _):
        await session.handshake(authority.trust.verifying, "peer.test")
        assert (await session.greeting()).code == 220
        await session.ehlo("probe.test")
        await session.quit()


async def test_a_multi_line_greeting_said_slowly_is_read_to_its_end_before_we_speak() -> None:
    greeting = b"220-peer.test\r\n220-patience\r\n220 now\r\n"
    async with greeted(Script(on={"connect": (Send(greeting, gap=0.002),)})) as (session, peer):
        await session.quit()
    assert not peer.conversation.spoke_early
    assert peer.conversation.verbs == ["EHLO", "QUIT"]


async def test_quit_is_said_on_the_way_out_when_the_caller_did_not() -> None:
    async with greeted() as (_, peer):
        pass
    assert peer.conversation.verbs == ["EHLO", "QUIT"]


async def test_quit_is_said_after_a_refusal() -> None:
    script = Script(on={"RCPT": (Send(b"550 5.1.1 nobody\r\n"),)})
    peers = []

    async def dialogue() -> None:
        async with greeted(script) as (session, peer):
            peers.append(peer)
            await session.mail("a@probe.test")
            await session.rcpt("b@peer.test")

    with pytest.raises(ProbeFailure):
        await dialogue()
    assert peers[0].conversation.verbs[-1] == "QUIT"


async def test_quit_is_said_after_a_greeting_that_refuses() -> None:
    # RFC 5321 §3.1
    with pytest.raises(ProbeFailure) as raised:
        async with talking(Script(on={"connect": (Send(b"554 go away\r\n"),)})) as (session, peer):
            await session.greeting()
    assert raised.value.reason is Reason.REJECTED
    assert peer.conversation.verbs == ["QUIT"]


async def test_helo_is_tried_where_ehlo_is_unknown_and_told() -> None:
    script = Script(on={"EHLO": (Send(b"502 5.5.1 what?\r\n"),)})
    async with talking(script) as (session, peer):
        await session.greeting()
        offer = await session.ehlo("probe.test")
        assert (offer.is_esmtp, offer.name) == (False, "peer.test")
        assert [finding.code for finding in session.findings] == ["smtp.ehlo.refused"]
        with pytest.raises(ProbeFailure, match="EHLO was 502"):
            await session.ehlo("probe.test", or_helo=False)
    assert peer.conversation.verbs == ["EHLO", "HELO", "EHLO", "QUIT"]


# -- authentication

USERS = {"probe": "s3cret"}


@pytest.mark.parametrize("offer", ["AUTH PLAIN LOGIN", "AUTH=LOGIN", "auth login"])
async def test_a_user_is_authenticated_by_what_is_offered(offer: str) -> None:
    async with greeted(Script(extensions=(offer,), users=USERS)) as (session, _):
        reply = await session.auth("probe", Secret("s3cret"))
        assert reply.code == 235


async def test_a_long_password_is_sent_apart_from_the_command() -> None:
    users = {"probe": "x" * 600}
    async with greeted(Script(extensions=("AUTH PLAIN",), users=users)) as (session, peer):
        await session.auth("probe", Secret(users["probe"]))
    assert peer.conversation.lines[1] == b"AUTH PLAIN"


async def test_a_wrong_password_is_our_problem() -> None:
    with pytest.raises(ProbeFailure) as raised:
        async with greeted(Script(extensions=("AUTH PLAIN",), users=USERS)) as (session, peer):
            await session.auth("probe", Secret("wrong"))
    failure = raised.value
    assert (failure.reason, failure.owner) == (Reason.AUTHENTICATION_FAILED, Owner.CONFIGURATION)
    assert peer.conversation.verbs[-1] == "QUIT"


async def test_a_password_a_server_repeats_is_struck_out() -> None:
    secret = Secret("open sesame")
    echo = Send(b"535 5.7.8 no: AHByb2JlAG9wZW4gc2VzYW1l, that is open sesame\r\n")
    script = Script(extensions=("AUTH PLAIN",), on={"AUTH": (echo,)})
    with pytest.raises(ProbeFailure) as raised:
        async with greeted(script) as (session, _):
            await session.auth("probe", secret)
    assert raised.value.reply is not None
    assert raised.value.reply.lines == ("5.7.8 no: ***, that is ***",)
    assert "sesame" not in raised.value.detail


async def test_no_common_mechanism_is_a_missing_extension() -> None:
    async with greeted(Script(extensions=("AUTH CRAM-MD5",))) as (session, _):
        with pytest.raises(ProbeFailure) as raised:
            await session.auth("probe", Secret("s3cret"))
    assert raised.value.reason is Reason.EXTENSION_MISSING


async def test_a_password_is_not_sent_to_a_peer_that_proved_nothing(authority: Authority) -> None:
    script = Script(extensions=("AUTH PLAIN",), users=USERS, tls=authority.context("other.test"))
    async with greeted(script) as (session, peer):
        session._is_loopback = lambda: False  # type: ignore[method-assign]  # as off this machine
        with pytest.raises(ProbeFailure, match="not sent without TLS"):
            await session.auth("probe", Secret("s3cret"))
        await session.starttls()
        await session.handshake(authority.trust.recording, "peer.test")
        await session.ehlo("probe.test")
        with pytest.raises(ProbeFailure, match="proved no identity") as raised:
            await session.auth("probe", Secret("s3cret"))
        assert raised.value.owner is Owner.CONFIGURATION
        assert "AUTH" not in peer.conversation.verbs
        await session.auth("probe", Secret("s3cret"), insecure=True)


# -- what we refuse to say


@pytest.mark.parametrize("address", ["a@b\r\nRCPT TO:<x@y>", "a\x00@b", "a>b@c", "a b@c"])
async def test_an_address_that_is_more_than_an_address_is_never_sent(address: str) -> None:
    async with greeted() as (session, peer):
        with pytest.raises(ProbeFailure) as raised:
            await session.mail(address)
        assert raised.value.owner is Owner.CONFIGURATION
    assert peer.conversation.verbs == ["EHLO", "QUIT"]


async def test_extensions_are_used_only_where_they_are_offered() -> None:
    async with greeted(Script(extensions=())) as (session, peer):
        for call in (
            session.mail("a@b.test", body="8BITMIME"),
            session.mail("ä@b.test"),
            session.mail("a@b.test", envid="x"),
            session.rcpt("a@b.test", notify="NEVER"),
        ):
            with pytest.raises(ProbeFailure) as raised:
                await call
            assert raised.value.reason is Reason.EXTENSION_MISSING
        await session.mail("a@b.test", size=5, body="7BIT")
    assert peer.conversation.lines[1] == b"MAIL FROM:<a@b.test>"


async def test_offered_extensions_are_used() -> None:
    async with greeted(Script(extensions=("DSN", "SMTPUTF8", "8BITMIME", "SIZE"))) as (
        session,
        peer,
    ):
        await session.mail("ä@b.test", size=5, body="8BITMIME", envid="a+b", ret="HDRS")
        await session.rcpt("c@d.test", notify="NEVER")
    told = "MAIL FROM:<ä@b.test> SIZE=5 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb"
    assert peer.conversation.lines[1:3] == [told.encode(), b"RCPT TO:<c@d.test> NOTIFY=NEVER"]


# -- peers that misbehave

NO_GREETINGS = {
    "nothing at all, then the end": ((Close(),), Reason.CONNECTION_CLOSED),
    "a reset": ((Close(reset=True),), Reason.CONNECTION_RESET),
    "half a line, then the end": ((Send(b"220 pe"), Close()), Reason.CONNECTION_CLOSED),
    "half a greeting, then the end": ((Send(b"220-pe\r\n"), Close()), Reason.CONNECTION_CLOSED),
    "a secure shell": ((Send(b"SSH-2.0-OpenSSH_9.2\r\n"),), Reason.MALFORMED_REPLY),
    "bytes": ((Send(bytes(range(256)) * 9),), Reason.MALFORMED_REPLY),
    "a code out of range": ((Send(b"999 hello\r\n"),), Reason.MALFORMED_REPLY),
    "two codes in one reply": ((Send(b"220-a\r\n250 b\r\n"),), Reason.MALFORMED_REPLY),
    "an endless line": ((Flood(b"220 " + b"x" * 996),), Reason.MALFORMED_REPLY),
    "an endless reply": ((Flood(b"220-hello\r\n"),), Reason.MALFORMED_REPLY),
    "another protocol": ((Send(b"SSH-2.0-OpenSSH_9.6\r\n"),), Reason.MALFORMED_REPLY),
    "a wrong code": ((Send(b"250 hello\r\n"),), Reason.UNEXPECTED_REPLY),
    "closing": ((Send(b"421 4.3.2 too busy\r\n"), Close()), Reason.SERVICE_CLOSING),
    "not now": ((Send(b"450 4.3.2 later\r\n"),), Reason.DEFERRED),
    "not ever": ((Send(b"521 5.3.2 no mail\r\n"),), Reason.REJECTED),
}


@pytest.mark.parametrize("greeting", NO_GREETINGS)
async def test_a_greeting_that_is_none_has_its_reason(greeting: str) -> None:
    steps, reason = NO_GREETINGS[greeting]
    with pytest.raises(ProbeFailure) as raised:
        async with talking(Script(on={"connect": steps})) as (session, peer):
            await session.greeting()
    assert raised.value.reason is reason
    assert peer.conversation.sent < FLOOD  # what the kernels' buffers took, not what it had


VERBS = ("EHLO", "MAIL", "RCPT", "DATA", "content", "QUIT")


async def walk(session: SmtpSession) -> str:
    """The whole dialogue; the name of the step that failed is on the exception's note."""
    steps = {
        "greeting": session.greeting,
        "EHLO": lambda: session.ehlo("probe.test", or_helo=False),
        "MAIL": lambda: session.mail("a@probe.test"),
        "RCPT": lambda: session.rcpt("b@peer.test"),
        "DATA": session.data,
        "content": lambda: session.end_of_data(b"Subject: x\r\n\r\nx\r\n"),
        "QUIT": session.quit,
    }
    for name, step in steps.items():
        try:
            await step()
        except ProbeFailure as failure:
            failure.add_note(name)
            raise
    return "all"


ANSWERS: dict[str, tuple[Step, Reason]] = {
    "421": (Send(b"421 4.3.2 closing\r\n"), Reason.SERVICE_CLOSING),
    "reset": (Close(reset=True), Reason.CONNECTION_RESET),
    "closed": (Close(), Reason.CONNECTION_CLOSED),
    "wrong code": (Send(b"299 eh?\r\n"), Reason.UNEXPECTED_REPLY),
    "garbage": (Send(b"\xff\xfe\r\n"), Reason.MALFORMED_REPLY),
    "451": (Send(b"451 4.3.0 later\r\n"), Reason.DEFERRED),
    "554": (Send(b"554 5.3.0 never\r\n"), Reason.REJECTED),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("verb", VERBS)
async def test_any_bad_answer_to_any_command_ends_there_with_its_reason(
    verb: str, answer: str
) -> None:
    act, reason = ANSWERS[answer]
    with pytest.raises(ProbeFailure) as raised:
        async with talking(Script(on={verb: (act,)})) as (session, _):
            await walk(session)
    assert raised.value.__notes__ == [verb]
    assert raised.value.reason is reason


async def test_a_reset_after_the_final_dot_has_no_reply() -> None:
    with pytest.raises(NetError) as raised:
        async with talking(Script(on={"content": (Close(reset=True),)})) as (session, peer):
            await walk(session)
    assert raised.value.reply is None
    assert peer.conversation.content != []


async def test_a_421_said_unasked_is_why_the_next_command_fails() -> None:
    script = Script(on={"EHLO": (Send(b"250 peer.test\r\n421 4.4.2 timeout\r\n"), Close())})
    async with greeted(script) as (session, _):
        with pytest.raises(ProbeFailure) as raised:
            await session.mail("a@probe.test")
    assert raised.value.reason is Reason.SERVICE_CLOSING
    assert session.findings == []


FIRST, SECOND = b"250 peer.test\r\n", b"250 ok\r\n"
JUNK = (b"\r\n", b"\n", b"  \r\n\r\n", b"debug: queue run\r\n", b"\r\nwarning\r\n\r\n")


@pytest.mark.parametrize(
    ("junk", "split"), [(junk, split) for junk in JUNK for split in range(len(junk) + 1)]
)
async def test_lines_between_replies_are_a_warning_wherever_the_packets_end(
    junk: bytes, split: int
) -> None:
    """Senders deliver: Postfix skips every line that is no reply."""
    script = Script(
        on={"EHLO": (Send(FIRST + junk[:split]),), "MAIL": (Send(junk[split:] + SECOND),)}
    )
    async with greeted(script) as (session, _):
        assert (await session.mail("a@probe.test")).code == 250
        assert (await session.rcpt("b@probe.test")).code == 250
    found = [(finding.code, finding.status) for finding in session.findings]
    assert set(found) == {("smtp.unsolicited_reply", Status.WARNING)}


@pytest.mark.parametrize("moment", ["connect", "EHLO", "STARTTLS", "MAIL"])
async def test_an_empty_line_before_a_reply_stops_nothing(moment: str) -> None:
    replies = {
        "connect": "220 x",
        "EHLO": "250-peer.test\r\n\r\n250 STARTTLS",
        "STARTTLS": "220 go",
    }
    said = replies.get(moment, "250 ok").encode()
    script = Script(
        on={
            "EHLO": (Send(b"250-peer.test\r\n250 STARTTLS\r\n"),),
            "STARTTLS": (Send(b"220 go\r\n"),),
        }
        | {moment: (Send(b"\r\n" + said + b"\r\n"),)}
    )
    async with greeted(script) as (session, _):
        await session.mail("a@probe.test")
        await session.starttls()
    assert {finding.code for finding in session.findings} == {"smtp.unsolicited_reply"}


async def test_what_is_said_unasked_is_never_the_next_answer() -> None:
    script = Script(
        on={
            "EHLO": (Send(b"250 peer.test\r\n550 stray\r\nand half"),),
            "MAIL": (Send(b" a line\r\n250 ok\r\n"),),
        }
    )
    async with greeted(script) as (session, _):
        assert (await session.mail("a@probe.test")).code == 250
        assert session.unsolicited == b"550 stray\r\nand half a line\r\n"
    assert {finding.code for finding in session.findings} == {"smtp.unsolicited_reply"}


async def test_unasked_bytes_are_bounded() -> None:
    wire = SmtpWire("peer.test port 25")
    wire.data_received(b"220 peer.test\r\n")
    await wire.answer()
    for _ in range(20_000):
        wire.data_received(b"250 more\r\n")
    assert (len(wire.stray), wire.stray_total) == (MAX_STRAY, 200_000)


async def test_plaintext_after_the_220_is_found_before_tls_and_never_an_answer(
    authority: Authority,
) -> None:
    # CVE-2011-0411 seen from the client
    script = Script(
        tls=authority.context("peer.test"),
        on={"STARTTLS": (Send(b"220 go\r\n250 injected.test\r\n"), StartTls())},
    )
    async with greeted(script) as (session, peer):
        with pytest.raises(ProbeFailure) as raised:
            await session.starttls()
    assert raised.value.reason is Reason.VALIDATION_FAILURE
    (finding,) = session.findings
    assert (finding.code, finding.status) == ("smtp.starttls.plaintext_injected", Status.FAILURE)
    assert "injected.test" in finding.evidence
    assert peer.conversation.verbs == ["EHLO", "STARTTLS"]


async def test_a_server_that_speaks_in_clear_on_a_tls_port_is_told_at_once(
    authority: Authority,
) -> None:
    with pytest.raises(ProbeFailure) as raised:
        async with talking() as (session, _):
            await session.handshake(authority.trust.recording, "peer.test")
    assert raised.value.reason is Reason.VALIDATION_FAILURE


async def test_an_end_within_the_handshake_is_a_closed_connection(authority: Authority) -> None:
    steps = (Send(b"220 go\r\n"), Close())
    script = Script(tls=authority.context("x.test"), on={"STARTTLS": steps})
    async with greeted(script) as (session, _):
        await session.starttls()
        with pytest.raises(NetError) as raised:
            await session.handshake(authority.trust.recording, "peer.test")
    assert raised.value.reason in (Reason.CONNECTION_CLOSED, Reason.CONNECTION_RESET)


async def test_garbage_within_the_handshake_is_a_tls_failure(authority: Authority) -> None:
    script = Script(
        tls=authority.context("x.test"),
        on={"STARTTLS": (Send(b"220 go\r\n"), Wait(0.05), Send(b"250 no TLS\r\n" * 9), Wait())},
    )
    async with greeted(script) as (session, _):
        await session.starttls()
        with pytest.raises(NetError) as raised:
            await session.handshake(authority.trust.recording, "peer.test")
    assert raised.value.reason is Reason.VALIDATION_FAILURE


async def test_starttls_that_is_not_offered_is_not_tried() -> None:
    async with greeted() as (session, peer):
        with pytest.raises(ProbeFailure) as raised:
            await session.starttls()
    assert raised.value.reason is Reason.STARTTLS_NOT_SUPPORTED
    assert "STARTTLS" not in peer.conversation.verbs


async def test_starttls_that_is_offered_and_refused_is_not_supported(authority: Authority) -> None:
    script = Script(
        tls=authority.context("x.test"), on={"STARTTLS": (Send(b"502 5.5.1 lied\r\n"),)}
    )
    async with greeted(script) as (session, peer):
        with pytest.raises(ProbeFailure) as raised:
            await session.starttls()
        assert raised.value.reason is Reason.STARTTLS_NOT_SUPPORTED
    assert peer.conversation.verbs[-1] == "QUIT"


async def test_a_reply_that_comes_before_the_whole_message_was_taken_ends_it() -> None:
    content = b"Subject: x\r\n\r\n" + (b"y" * 998 + b"\r\n") * 20_000
    steps = (Send(b"354 go\r\n"), Deaf(0.5), Send(b"552 5.3.4 too big\r\n"))
    async with greeted(Script(on={"DATA": steps})) as (session, peer):
        await session.mail("a@probe.test")
        await session.rcpt("b@peer.test")
        await session.data()
        with pytest.raises(ProbeFailure) as raised:
            await session.end_of_data(content)
    assert "QUIT" not in peer.conversation.verbs
    assert raised.value.reason is Reason.REJECTED


# -- deadlines


async def transaction(peer: SmtpPeer, authority: Authority, content: bytes) -> None:
    """Everything a session can do, with TLS where it is offered."""
    async with await SmtpSession.connect(Dialer(), peer.address, peer.port) as session:
        await session.greeting()
        if (await session.ehlo("probe.test")).offers("STARTTLS"):
            await session.starttls()
            await session.handshake(authority.trust.recording, "peer.test")
            await session.ehlo("probe.test")
        await session.mail("a@probe.test")
        await session.rcpt("b@peer.test")
        await session.data()
        await session.end_of_data(content)


@pytest.mark.slow("waits for what never comes")
@pytest.mark.parametrize("moment", ["connect", "EHLO", "STARTTLS", "tls EHLO", "DATA", "content"])
async def test_silence_lasts_as_long_as_the_caller_wants_and_the_connection_is_gone(
    moment: str, authority: Authority
) -> None:
    script = Script(tls=authority.context("peer.test"), on={moment: (Wait(),)})
    async with SmtpPeer(script) as peer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transaction(peer, authority, b"x\r\n"), 0.3)
        await asyncio.wait_for(peer.conversation.ended.wait(), DEADLINE)


@pytest.mark.slow("waits for what never comes")
async def test_a_deadline_within_the_content_never_completes_the_message(
    authority: Authority,
) -> None:
    script = Script(on={"DATA": (Send(b"354 go\r\n"), Deaf(1.0), Wait())})
    content = (b"y" * 32_000 + b"\r\n") * 700
    async with SmtpPeer(script) as peer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transaction(peer, authority, content), 0.5)
        await asyncio.wait_for(peer.conversation.ended.wait(), DEADLINE)
    assert b"." not in peer.conversation.lines
    assert "QUIT" not in peer.conversation.verbs


@pytest.mark.parametrize("moment", ["EHLO", "tls EHLO", "RCPT"])
async def test_quit_is_said_when_the_deadline_cuts_the_dialogue(
    moment: str, authority: Authority
) -> None:
    script = Script(tls=authority.context("peer.test"), on={moment: (Wait(),)})
    async with SmtpPeer(script) as peer:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(transaction(peer, authority, b"x\r\n"), 0.3)
        await asyncio.wait_for(peer.conversation.ended.wait(), DEADLINE)
    assert peer.conversation.verbs[-1] == "QUIT"


async def test_a_greeting_that_comes_in_pieces_with_the_end_of_the_handshake_is_whole(
    authority: Authority,
) -> None:
    greeting = Send(b"220-peer.test\r\n220 welcome\r\n", gap=0.0)
    script = Script(
        tls=authority.context("peer.test"), implicit_tls=True, on={"connect": (greeting,)}
    )
    for _ in range(5):
        async with talking(script) as (session, _):
            await session.handshake(authority.trust.verifying, "peer.test")
            assert (await session.greeting()).lines == ("peer.test", "welcome")


@pytest.mark.slow("waits for what never comes")
async def test_quit_that_is_never_answered_holds_nobody_up() -> None:
    async with greeted(Script(on={"QUIT": (Wait(),)})) as (session, peer):
        pass
    await asyncio.wait_for(session.wait_closed(), DEADLINE)
    assert peer.conversation.verbs[-1] == "QUIT"


@pytest.mark.slow("waits for what never comes")
async def test_a_second_command_is_not_sent_while_an_answer_is_outstanding() -> None:
    async with greeted(Script(on={"NOOP": (Wait(),), "MAIL": (Wait(),)})) as (session, peer):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await session.mail("a@probe.test")
        with pytest.raises(RuntimeError):
            await session.rcpt("b@peer.test")
        assert peer.conversation.verbs == ["EHLO", "MAIL"]


# -- a server somebody else wrote


class Keep(MessageHandler):
    """Keeps what was delivered."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Message] = []

    def handle_message(self, message: Message) -> None:
        self.messages.append(message)


async def test_aiosmtpd_takes_a_message(authority: Authority) -> None:
    keep = Keep()
    loop = asyncio.get_running_loop()
    context = authority.context("peer.test")
    server = await loop.create_server(
        lambda: aiosmtpd.SMTP(keep, tls_context=context, loop=loop), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(DEADLINE):
        async with await SmtpSession.connect(Dialer(), "127.0.0.1", port) as session:
            await session.greeting()
            await session.ehlo("probe.test")
            await session.starttls()
            await session.handshake(authority.trust.verifying, "peer.test")
            await session.ehlo("probe.test")
            await session.mail("a@probe.test", size=20)
            await session.rcpt("b@peer.test")
            await session.data()
            await session.end_of_data(b"Subject: hello\r\n\r\n.x\r\n")
            await session.quit()
        await session.wait_closed()
    server.close()
    assert [message["Subject"] for message in keep.messages] == ["hello"]


@pytest.mark.slow("waits to be alone")
@pytest.mark.alone("it measures")
async def test_what_our_own_tasks_do_after_a_reply_was_read_is_not_the_servers_time() -> None:
    loop = asyncio.get_running_loop()
    trace = Trace(SYSTEM_CLOCK)

    def heard(held: float, late: float) -> None:
        trace.heard(held, late)
        loop.call_soon(time.sleep, 0.5)  # others are before the task that waits

    async with (
        SmtpPeer() as peer,
        await SmtpSession.connect(Dialer(), peer.address, peer.port, on_reply=heard) as session,
    ):
        with trace.phase(Phase.GREETING):
            await session.greeting()
        with trace.phase(Phase.EHLO):
            await session.ehlo("probe.test")
    assert max(timing.seconds for timing in trace.timings) < 0.4
