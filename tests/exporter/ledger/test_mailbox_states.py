"""The state of each mailbox in the ledger: the newest one, as long as anything is kept."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.reader import reading
from probes.records.reply import Reply
from probes.result import Failure, Owner, Phase, Reason
from tests.support.ledger_rig import BEGIN, opened

READABLE = MailboxState("m", BEGIN, True, BEGIN - timedelta(seconds=3), None)
NO_LOGIN = Failure(
    Phase.AUTH,
    Reason.AUTHENTICATION_FAILED,
    "the server refused the password: \u00fc",
    Owner.CONFIGURATION,
    is_transient=False,
    reply=Reply(535, ("5.7.8 no", "really not"), (5, 7, 8)),
)
UNREADABLE = MailboxState("m", BEGIN, False, None, NO_LOGIN)


@pytest.mark.parametrize("state", [READABLE, UNREADABLE], ids=["readable", "unreadable"])
async def test_a_state_comes_back_as_it_was_saved(state: MailboxState, path: Path) -> None:
    async with opened(path) as rig:
        await rig.ledger.save_mailbox_states([state])
    with reading(str(path)) as reader:
        assert reader.mailbox_state("m") == state
        assert reader.mailbox_state("other") is None


async def test_a_state_takes_the_place_of_the_one_before_and_is_no_run(path: Path) -> None:
    other = replace(READABLE, mailbox="other")
    async with opened(path) as rig:
        await rig.ledger.save_mailbox_states([UNREADABLE, other])
        with reading(str(path)) as reader:
            assert reader.mailbox_state("m") == UNREADABLE
            later = replace(READABLE, at=BEGIN + timedelta(seconds=5))
            await rig.ledger.save_mailbox_states([later])
            assert reader.mailbox_state("m") == later
            assert reader.mailbox_state("other") == other
            assert reader.runs("mailbox:m", 1) == ()


async def test_the_state_of_a_mailbox_that_is_configured_no_more_is_forgotten(path: Path) -> None:
    current = replace(READABLE, mailbox="current", at=BEGIN + timedelta(days=1))
    async with opened(path) as rig:
        await rig.ledger.save_mailbox_states([READABLE, current])
        assert await rig.ledger.forget(BEGIN) == 0
        assert await rig.ledger.forget(current.at) == 1
    with reading(str(path)) as reader:
        assert reader.mailbox_state("m") is None
        assert reader.mailbox_state("current") == current
