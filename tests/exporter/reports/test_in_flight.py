"""What an interrupted run by hand leaves behind, in words; and runs by hand in `status`."""

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.ledger.lock import Holder
from exporter.reports.exit_codes import ExitCode
from exporter.reports.in_flight import left_behind
from exporter.reports.status import status_code
from exporter.terminal.status import status_view
from probes.canary.lifecycle import Event, Outcome
from probes.canary.message import new_token
from tests.exporter.commands.test_inspection import Past, config_text, past, shown


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(config_text(tmp_path / "ledger.sqlite"))
    return file


async def sent_by_hand(life: Past, path: str, *events: Event) -> str:
    token = new_token()
    mailbox = life.config.paths[path].mailbox.name
    await life.rig.ledger.claim(path, mailbox, -7, token, 60.0, 900.0, b"")
    for event in events:
        await life.rig.ledger.record(token, event, life.rig.time.now())
    return token


async def test_it_says_what_is_in_flight_who_settles_it_and_how_to_look(file: Path) -> None:
    async with past(file) as (life, reader):
        token = await sent_by_hand(life, "out-in", Event.SEND_STARTED, Event.HANDED_OVER)
        record = reader.find(token)
        now = life.rig.time.elapse(12.0).utc
        text = left_behind(record, Holder(is_there=True, process=42), "m.yaml", now)
        assert "the canary is in flight, sent 12 s ago" in text
        assert "The service (process 42) settles it, at most 15 min after the sending." in text
        assert text.endswith(f"To look: mailcanary show {token} -c m.yaml")
        text = left_behind(record, Holder(is_there=False, process=None), "m.yaml", now)
        assert "No service runs: the next one that starts settles it" in text


async def test_one_interrupted_while_it_was_sent_may_have_been_handed_over(file: Path) -> None:
    async with past(file) as (life, reader):
        token = await sent_by_hand(life, "out-in", Event.SEND_STARTED)
        text = left_behind(reader.find(token), None, "m.yaml", life.rig.time.utc)
        assert "may have been handed over or not" in text
        assert left_behind(None, None, "m.yaml", life.rig.time.utc).endswith("nothing was sent")


async def test_a_run_by_hand_shows_in_status_and_colours_nothing(file: Path) -> None:
    async with past(file) as (life, reader):
        for name in life.config.paths:
            await life.arrive(name)
        before = life.status(reader)
        token = await sent_by_hand(life, "out-in", Event.SEND_STARTED, Event.REFUSED_FOR_GOOD)
        after = life.status(reader)
        assert [one.state for one in after.paths] == [one.state for one in before.paths]
        assert status_code(after) is status_code(before)
        assert status_code(after) is not ExitCode.FAILURE
        by_hand = after.paths[0].by_hand
        assert by_hand is not None
        assert (by_hand.token, by_hand.outcome) == (token, Outcome.REJECTED)
        assert "out-in  by hand, 0 s ago: rejected" in shown(status_view(after))
        life.rig.time.elapse(timedelta(days=1).total_seconds())
        assert life.status(reader).paths[0].by_hand is None
