"""What comes back to the service, and where: bounces in another mailbox, notices, forgeries."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.demo.faults import find
from exporter.demo.world import MailWorld
from exporter.service.runs import event_of
from exporter.testbed.servers.imap import OK, Answers, ImapPeer
from exporter.testbed.servers.script import Say, Signal
from probes.canary.lifecycle import Event, Outcome
from probes.canary.message import new_token
from probes.clock import Instant
from probes.mailboxes.interface import Place, Placement, Sighting
from probes.records.bounces.values import Action, Bounce, BouncedRecipient
from tests.servers.imap import Answer, Raw
from tests.support.service_rig import record_of, running, write_config
from tests.support.watching import canary

ELSEWHERE = """mailboxes:
  elsewhere:
    type: imap
    host: 127.0.0.1
    port: {port}
    tls: none
    username: us
    password: secret
"""


async def test_a_bounce_in_another_mailbox_than_the_paths_settles_the_canary(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("reject"))
    async with ImapPeer() as empty:
        changes = (
            ("mailboxes:\n", ELSEWHERE.format(port=empty.port)),
            ("mailbox: inbox", "mailbox: elsewhere"),
        )
        async with running(write_config(world, tmp_path, *changes, paths=["healthy"])) as run:
            await run.ready()
            assert not run.service.arrivals.watchers["inbox"].tokens()
            run.go()
            assert await run.heard.outcome("healthy") is Outcome.BOUNCED
            record = await record_of(run.ledger, "healthy")
            assert record.mailbox == "elsewhere"
            assert record.failure is not None
            assert "access denied by policy" in record.failure.detail
            assert not run.service.arrivals.watchers["inbox"].tokens()


async def test_a_token_that_was_never_issued_is_counted_and_settles_nothing(
    world: MailWorld, tmp_path: Path
) -> None:
    _, message = canary(new_token())
    header = message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    fetched = Raw(b"* 1 FETCH (UID 1 BODY[HEADER]<0> {%d}\r\n%s)\r\n" % (len(header), header))
    idle: list[Answer] = [
        (Say("+ idling", "* 1 EXISTS"), OK),
        (Signal("read"), Say("+ idling")),
    ]
    answers: Answers = {
        "LIST": (Say('* LIST () "/" INBOX', "{tag} OK done"),),
        "NOOP": [(Say("* 1 EXISTS", "{tag} OK done"),), (OK,)],
        "IDLE": idle,
        "UID FETCH": (fetched, OK),
    }
    async with ImapPeer(answers) as peer:
        changes = (("mailboxes:\n", ELSEWHERE.format(port=peer.port)),)
        async with running(write_config(world, tmp_path, *changes, paths=["direct"])) as run:
            await run.ready()
            run.go()
            assert await run.heard.outcome("direct") is Outcome.ARRIVED
            await peer.told("read")
            cursors = await run.ledger.cursors("elsewhere")
            assert cursors["INBOX"].text.endswith(":1")
            assert await run.metric('mailcanary_forged_canaries_total{mailbox="elsewhere"}') == 1
            assert await run.metric('mailcanary_forged_canaries_total{mailbox="inbox"}') == 0
            assert run.heard.outcomes("direct") == [Outcome.ARRIVED]


FAILED, DELAYED = (
    BouncedRecipient("a@b.test", action=Action.FAILED),
    BouncedRecipient("c@d.test", action=Action.DELAYED),
)
PASSED_ON = BouncedRecipient("e@f.test", action=Action.RELAYED)


@pytest.mark.parametrize(
    ("recipients", "event"),
    [
        (None, Event.SEEN),
        ((FAILED,), Event.BOUNCE_SEEN),
        ((DELAYED, FAILED), Event.BOUNCE_SEEN),
        ((DELAYED,), Event.DELAY_SEEN),
        ((PASSED_ON, DELAYED), Event.DELAY_SEEN),
        ((PASSED_ON,), None),
        ((), None),
    ],
)
def test_what_a_message_means_for_its_canary(
    recipients: tuple[BouncedRecipient, ...] | None, event: Event | None
) -> None:
    at = Instant(datetime(2026, 5, 1, tzinfo=UTC), 1.0)
    bounce = None if recipients is None else Bounce(recipients, is_report=True)
    sighting = Sighting(
        new_token(),
        Place("INBOX", "1", "1"),
        Placement.INBOX,
        9,
        None,
        b"",
        None,
        at,
        bounce=bounce,
    )
    assert event_of(sighting) is event
