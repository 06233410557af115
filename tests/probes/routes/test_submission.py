"""Route `submission`: a canary is handed over, or it is known how far it came."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.testbed.servers.script import Close, Send, Step, Wait
from exporter.testbed.servers.smtp import Script
from probes.canary.lifecycle import Event, sending_ended
from probes.canary.message import Canary
from probes.clock import SYSTEM_CLOCK
from probes.net.tls import TrustStore
from probes.options import EmailAddress, Host, Secret
from probes.result import HandoverState, Owner, Phase, ProbeResult, Reason
from probes.routes.submission import SubmissionRoute, hand_over, host
from probes.run import run_once
from tests.servers.certificates import Authority
from tests.support.mail_world import MailWorld, mail_world
from tests.support.messages import composed

NAME = "submit.example.test"
ADDRESS = "192.0.2.10"
ZONE = f"submit A {ADDRESS}"
ROUTE = SubmissionRoute(Host(NAME), username="probe", password=Secret("s3cret"))
CANARY = composed("probe@example.test", "box@other.test", at=datetime(2026, 5, 1, tzinfo=UTC))


@pytest.fixture
def good(authority: Authority) -> Script:
    """A submission server as it should be."""
    return Script(
        tls=authority.context(NAME),
        extensions=("AUTH PLAIN", "SIZE", "8BITMIME", "SMTPUTF8"),
        users={"probe": "s3cret"},
    )


async def send(world: MailWorld, canary: Canary = CANARY, deadline: float = 20) -> ProbeResult:
    """One hand-over."""
    return await run_once(
        "submission",
        lambda trace: hand_over(world.net, ROUTE, canary, trace),
        clock=SYSTEM_CLOCK,
        deadline=deadline,
    )


async def test_a_canary_is_handed_over_whole(good: Script, trust: TrustStore) -> None:
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result.failure
    assert result.handover is not None
    assert result.handover.state is HandoverState.HANDED_OVER
    assert result.handover.reply is not None
    assert result.handover.reply.code == 250
    assert sending_ended(result) is Event.HANDED_OVER
    assert world.content(ADDRESS) == [CANARY.content]
    assert result.facts["smtp.reply"] == "250 2.0.0 queued as 4711"
    assert [timing.phase for timing in result.timings][-6:] == [
        Phase.AUTH,
        Phase.MAIL,
        Phase.RCPT,
        Phase.DATA,
        Phase.END_OF_DATA,
        Phase.QUIT,
    ]
    commands = world.peers[ADDRESS].conversation.lines
    size = len(CANARY.content)
    assert f"MAIL FROM:<probe@example.test> SIZE={size}".encode() in commands
    assert b"RCPT TO:<box@other.test>" in commands


ENVELOPE = [b"MAIL", b"RCPT"]


def envelope(world: MailWorld) -> list[bytes]:
    """The MAIL and RCPT commands of the only conversation."""
    return [line for line in world.peers[ADDRESS].conversation.lines if line[:4] in ENVELOPE]


async def test_a_server_that_offers_dsn_is_asked_to_name_the_canary(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, extensions=("AUTH PLAIN", "DSN"))
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result.failure
    assert result.facts["smtp.dsn"] is True
    assert envelope(world) == [
        f"MAIL FROM:<probe@example.test> RET=HDRS ENVID={CANARY.token}".encode(),
        b"RCPT TO:<box@other.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;box@other.test",
    ]


@pytest.mark.parametrize(("offer", "is_wanted"), [((), True), (("DSN",), False)])
async def test_nothing_is_asked_where_dsn_is_not_offered_or_not_wanted(
    good: Script,
    trust: TrustStore,
    offer: tuple[str, ...],
    is_wanted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    script = replace(good, extensions=("AUTH PLAIN", *offer))
    message = CANARY if is_wanted else replace(CANARY, dsn=None)
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world, message)
    assert result.ok, result.failure
    assert result.facts["smtp.dsn"] is False
    assert envelope(world) == [b"MAIL FROM:<probe@example.test>", b"RCPT TO:<box@other.test>"]


async def test_a_refusal_of_the_address_is_not_taken_for_one_of_the_request(
    good: Script, trust: TrustStore
) -> None:
    on = {"RCPT": (Send(b"501 5.1.3 no such form of address\r\n"),)}
    script = replace(good, extensions=("AUTH PLAIN", "DSN"), on=on)
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world)
    assert result.failure is not None
    assert (result.failure.phase, result.failure.reason) == (Phase.RCPT, Reason.REJECTED)
    assert envelope(world)[1:] == [
        b"RCPT TO:<box@other.test> NOTIFY=FAILURE,DELAY ORCPT=rfc822;box@other.test",
        b"RCPT TO:<box@other.test>",
    ]
    assert result.findings == ()


async def test_what_needs_an_extension_asks_for_it(good: Script, trust: TrustStore) -> None:
    canary = replace(
        CANARY, rcpt_to=EmailAddress("böx@other.test"), content="Subject: ä\r\n\r\nx\r\n".encode()
    )
    async with mail_world(ZONE, {ADDRESS: good}, trust=trust) as world:
        result = await send(world, canary)
    assert result.ok, result.failure
    (mail,) = [line for line in world.peers[ADDRESS].conversation.lines if line[:4] == b"MAIL"]
    assert mail.endswith(b" BODY=8BITMIME SMTPUTF8")


ENDS: list[tuple[str, Step, Phase, Reason, Owner, Event]] = [
    (
        "RCPT",
        Send(b"550 5.1.1 nobody\r\n"),
        Phase.RCPT,
        Reason.REJECTED,
        Owner.RECEIVER_MAILBOX,
        Event.REFUSED_FOR_GOOD,
    ),
    (
        "RCPT",
        Send(b"450 4.2.0 Greylisted\r\n"),
        Phase.RCPT,
        Reason.GREYLISTED,
        Owner.RELAY,
        Event.REFUSED_FOR_NOW,
    ),
    (
        "content",
        Send(b"554 5.7.1 spam\r\n"),
        Phase.END_OF_DATA,
        Reason.REJECTED,
        Owner.RELAY,
        Event.REFUSED_FOR_GOOD,
    ),
    (
        "content",
        Close(reset=True),
        Phase.END_OF_DATA,
        Reason.CONNECTION_RESET,
        Owner.RELAY,
        Event.OUTCOME_UNKNOWN,
    ),
    (
        "content",
        Close(),
        Phase.END_OF_DATA,
        Reason.CONNECTION_CLOSED,
        Owner.RELAY,
        Event.OUTCOME_UNKNOWN,
    ),
    (
        "content",
        Send(b"what?\r\n"),
        Phase.END_OF_DATA,
        Reason.MALFORMED_REPLY,
        Owner.RELAY,
        Event.OUTCOME_UNKNOWN,
    ),
    (
        "DATA",
        Send(b"421 4.3.2 closing\r\n"),
        Phase.DATA,
        Reason.SERVICE_CLOSING,
        Owner.RELAY,
        Event.REFUSED_FOR_NOW,
    ),
    (
        "MAIL",
        Close(),
        Phase.MAIL,
        Reason.CONNECTION_CLOSED,
        Owner.RELAY,
        Event.SEND_BROKE,
    ),
]


@pytest.mark.parametrize(("moment", "act", "phase", "reason", "owner", "event"), ENDS)
async def test_how_far_a_canary_came_is_known(
    good: Script,
    trust: TrustStore,
    moment: str,
    act: Step,
    phase: Phase,
    reason: Reason,
    owner: Owner,
    event: Event,
) -> None:
    script = replace(good, on={moment: (act,)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world)
    assert result.failure is not None
    reply = None if result.handover is None else result.handover.reply
    assert (result.handover is None) == (result.failure.phase is not Phase.END_OF_DATA)
    assert reply is None or reply == result.failure.reply
    assert (result.failure.phase, result.failure.reason) == (phase, reason)
    assert result.failure.owner is owner
    assert sending_ended(result) is event


async def test_a_server_that_never_answers_the_final_dot_leaves_the_outcome_unknown(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, on={"content": (Wait(),)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world, deadline=0.5)
    assert sending_ended(result) is Event.OUTCOME_UNKNOWN


@pytest.mark.parametrize("act", [Close(), Close(reset=True), Send(b"500 what?\r\n")])
async def test_a_failed_quit_does_not_take_an_accepted_message_back(
    good: Script, trust: TrustStore, act: Step
) -> None:
    script = replace(good, on={"QUIT": (act,)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world)
    assert result.ok, result.failure
    assert sending_ended(result) is Event.HANDED_OVER
    assert [finding.code for finding in result.findings] == ["smtp.quit.failed"]


async def test_a_quit_that_is_never_answered_does_not_either(
    good: Script, trust: TrustStore
) -> None:
    script = replace(good, on={"QUIT": (Wait(),)})
    async with mail_world(ZONE, {ADDRESS: script}, trust=trust) as world:
        result = await send(world, deadline=0.5)
    assert sending_ended(result) is Event.HANDED_OVER


def test_a_run_loads_the_server() -> None:
    assert host(ROUTE, CANARY) == NAME
