"""A canary that was handed over and not seen since: by whom it was taken, and how to look it up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from probes.canary.lifecycle import Event, Outcome
from probes.result import Failure, Owner, Phase, Reason
from tests.support.ledger_rig import LOST, Rig, failure, opened, result

RELAYED = {
    "handover.party": "relay",
    "handover.host": "relay.test",
    "address": "192.0.2.10",
    "handover.queue_id": "4F3kXk1Pqfz2xBt",
    "handover.commands": ("postqueue -p | grep -A 2 4F3kXk1Pqfz2xBt",),
}


async def sent(
    rig: Rig, facts: dict[str, Any], event: Event = Event.HANDED_OVER, why: Failure | None = None
) -> Failure:
    """The failure of a canary that was sent with these facts and never came."""
    await rig.plan("t")
    await rig.happen("t", Event.SEND_STARTED)
    ended = replace(result(why), facts=facts)
    assert await rig.ledger.record("t", event, rig.time.elapse(1.0), result=ended) is not None
    now = rig.time.elapse(LOST + 1.0)
    (change,) = await rig.ledger.expire(now, {"m": now})
    assert change.outcome is Outcome.LOST
    assert change.record.failure is not None
    assert (change.record.failure.phase, change.record.failure.reason) == (
        Phase.TRANSIT,
        Reason.LOST,
    )
    return change.record.failure


async def test_mail_that_a_relay_took_is_the_relays_and_told_with_its_queue_id(path: Path) -> None:
    async with opened(path) as rig:
        lost = await sent(rig, RELAYED)
    assert lost.owner is Owner.RELAY
    assert lost.detail == (
        "relay.test (192.0.2.10) accepted it under queue id 4F3kXk1Pqfz2xBt; the mailbox was read "
        "and it was not there; look it up there: postqueue -p | grep -A 2 4F3kXk1Pqfz2xBt"
    )


async def test_mail_that_an_mx_host_took_is_the_receivers(path: Path) -> None:
    facts = {**RELAYED, "handover.party": "receiver_mx", "handover.host": "mx1.test"}
    async with opened(path) as rig:
        lost = await sent(rig, facts)
    assert lost.owner is Owner.RECEIVER_MX
    assert lost.detail.startswith("mx1.test (192.0.2.10) accepted it under queue id")


async def test_without_a_queue_id_it_is_looked_up_by_the_token_in_its_message_id(
    path: Path,
) -> None:
    facts = {name: RELAYED[name] for name in ("handover.party", "handover.host")}
    async with opened(path) as rig:
        lost = await sent(rig, facts)
    assert lost.detail.startswith("relay.test accepted it; the mailbox was read")
    assert lost.detail.endswith("look it up there: grep t /var/log/mail.log")


async def test_a_server_that_never_answered_may_have_taken_it(path: Path) -> None:
    broke = failure(Phase.END_OF_DATA, Reason.CONNECTION_CLOSED)
    facts = {name: RELAYED[name] for name in ("handover.party", "handover.host", "address")}
    async with opened(path) as rig:
        lost = await sent(rig, facts, Event.OUTCOME_UNKNOWN, broke)
    assert lost.owner is Owner.RELAY
    assert lost.detail.startswith("relay.test (192.0.2.10) may have accepted it: no answer")


@pytest.mark.parametrize("facts", [{}, {"tls.version": "TLSv1.3"}, {"handover.party": "somebody"}])
async def test_a_run_of_an_earlier_version_says_no_more_than_it_knows(
    path: Path, facts: dict[str, Any]
) -> None:
    async with opened(path) as rig:
        lost = await sent(rig, facts)
    assert lost.detail == "the mailbox was read and it was not there"
    assert lost.owner is Owner.RECEIVER_MX
