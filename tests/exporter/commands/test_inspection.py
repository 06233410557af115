"""`mailcanary status`, `history` and `show` on ledgers with a past."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from exporter.analysis.judgement import PathState
from exporter.analysis.mailbox_state import MailboxState
from exporter.commands.history import history
from exporter.commands.show import show
from exporter.commands.status import status
from exporter.config import load
from exporter.ledger.reader import LedgerReader, reading
from exporter.model import Config, Run, TargetChange
from exporter.reports.exit_codes import ExitCode
from exporter.reports.history import history_json, take_history
from exporter.reports.status import Status, status_code, status_json, take_status
from exporter.reports.story import UnknownRun, story_code, take_story
from exporter.reports.story_document import story_json
from exporter.reports.timeline import timeline
from exporter.terminal.history import history_view
from exporter.terminal.status import status_view
from exporter.terminal.story import story_view
from probes.canary.lifecycle import Event, Outcome
from probes.canary.message import new_token
from probes.catalogue import mx
from probes.records.reply import Reply
from probes.result import Aspect, Failure, Owner, Phase, ProbeResult, Reason
from probes.result import Status as FindingStatus
from tests.exporter.test_cli import GOOD
from tests.support.clock import FakeClock
from tests.support.ledger_rig import Rig, opened, sighting
from tests.support.places import ROOT
from tests.support.processes import mailcanary

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
PATHS = """\
paths:
  out-in: {route: out, mailbox: inbox, mail_from: a@sender.test, rcpt_to: b@reader.test}
  out-in2: {route: out, mailbox: inbox2, mail_from: a@sender.test, rcpt_to: c@reader.test}
  out2-in: {route: out2, mailbox: inbox, mail_from: a@sender.test, rcpt_to: d@reader.test}
"""
HOSTILE = "550 \x1b]0;owned\x07\x1b[2J\u202etxt.exe\x9b31m"
UNKNOWN_USER = Failure(
    Phase.RCPT,
    Reason.REJECTED,
    "the answer to RCPT was 550",
    Owner.RECEIVER_MAILBOX,
    is_transient=False,
    reply=Reply(550, ("5.1.1 first line", HOSTILE), (5, 1, 1)),
)


def config_text(ledger: Path) -> str:
    head, _, rest = GOOD.partition("paths:\n")
    _, _, jobs = rest.partition("jobs:\n")
    route = "  out2: {type: submission, host: 127.0.0.2, port: 1, tls: none}\n"
    mailbox = head[head.index("  inbox:") :].replace("  inbox:", "  inbox2:")
    head = head.replace("mailboxes:\n", f"{route}mailboxes:\n")
    return f"ledger: {ledger}\n{head}{mailbox}{PATHS}jobs:\n{jobs}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(config_text(tmp_path / "ledger.sqlite"))
    return file


class Past:
    """The past of a service, written by the test."""

    def __init__(self, rig: Rig, config: Config) -> None:
        self.rig = rig
        self.config = config

    async def send(self, path: str) -> str:
        token = new_token()
        await self.rig.send(token, path, self.config.paths[path].mailbox.name)
        return token

    async def arrive(self, path: str, *, after: float = 2.0) -> str:
        token = await self.send(path)
        not_before = self.rig.time.elapse(after - 1.0)
        seen = self.rig.time.elapse(1.0)
        uid = self.rig.ticks[path]
        copy = sighting(token, seen, not_before=not_before, position=uid, folder=f"IN{path}")
        await self.rig.see(copy)
        return token

    async def refuse(self, path: str, failure: Failure = UNKNOWN_USER) -> str:
        token = new_token()
        await self.rig.plan(token, path, self.config.paths[path].mailbox.name)
        await self.rig.happen(token, Event.SEND_STARTED)
        self.rig.time.elapse(1.0)
        await self.rig.happen(token, Event.REFUSED_FOR_GOOD, why=failure)
        return token

    async def stand(self, mailbox: str, failure: Failure | None = None) -> None:
        at = self.rig.time.utc
        state = MailboxState(mailbox, at, failure is None, at, failure)
        await self.rig.ledger.save_mailbox_states([state])

    def status(self, reader: LedgerReader) -> Status:
        return take_status(reader, self.config, self.rig.time.utc)


@asynccontextmanager
async def past(file: Path) -> AsyncIterator[tuple[Past, LedgerReader]]:
    config = load(file, {})
    async with opened(Path(config.service.ledger), FakeClock(NOW)) as rig:
        with reading(config.service.ledger) as reader:
            yield Past(rig, config), reader


def shown(view: RenderableType, width: int = 140) -> str:
    text = StringIO()
    Console(file=text, width=width, force_terminal=True, color_system=None).print(view)
    return text.getvalue()


async def test_a_path_is_as_its_newest_settled_canary_says(file: Path) -> None:
    async with past(file) as (life, reader):
        await life.refuse("out-in")
        token = await life.arrive("out-in")
        await life.refuse("out-in2")
        await life.arrive("out2-in", after=70.0)
        taken = life.status(reader)
        states = {one.name: one.state for one in taken.paths}
        assert states == {
            "out-in": PathState.OK,
            "out-in2": PathState.FAILING,
            "out2-in": PathState.DEGRADED,
        }
        ok = taken.paths[0]
        assert (ok.token, ok.round_trip, ok.median_round_trip) == (token, 3.0, 3.0)
        assert status_code(taken) is ExitCode.FAILURE


async def test_what_is_in_flight_shows_its_age_and_is_late_before_it_is_settled(
    file: Path,
) -> None:
    async with past(file) as (life, reader):
        await life.arrive("out-in")
        await life.send("out-in")
        fresh = life.status(reader).paths[0]
        assert (fresh.state, fresh.in_flight, fresh.oldest_in_flight) == (PathState.OK, 1, 1.0)
        late_after = life.config.paths["out-in"].late_after
        life.rig.time.elapse(late_after)
        await life.send("out-in")
        late = life.status(reader).paths[0]
        assert (late.state, late.in_flight) == (PathState.DEGRADED, 2)
        assert late.oldest_in_flight == late_after + 2.0
        assert "2, oldest" in shown(status_view(life.status(reader)))


async def test_what_was_seen_too_long_ago_says_nothing_of_now(file: Path) -> None:
    async with past(file) as (life, reader):
        await life.arrive("out-in")
        life.rig.time.elapse(timedelta(days=2).total_seconds())
        taken = life.status(reader)
        assert taken.paths[0].state is PathState.UNKNOWN
        assert status_code(taken) is ExitCode.UNTESTABLE


async def test_a_mailbox_that_cannot_be_read_makes_its_paths_untestable(file: Path) -> None:
    broken = Failure(
        Phase.AUTH, Reason.AUTHENTICATION_FAILED, "no", Owner.CONFIGURATION, is_transient=False
    )
    async with past(file) as (life, reader):
        for name in ("out-in", "out-in2", "out2-in"):
            await life.arrive(name)
        await life.stand("inbox", broken)
        await life.stand("inbox2")
        taken = life.status(reader)
        assert [one.is_readable for one in taken.mailboxes] == [False, True]
        states = [one.state for one in taken.paths]
        assert states == [PathState.UNTESTABLE, PathState.OK, PathState.UNTESTABLE]
        text = shown(status_view(taken))
        assert "unreadable" in text
        assert "auth authentication_failed, owner: our configuration" in text
        life.rig.time.elapse(60.0)
        assert life.status(reader).mailboxes[1].is_readable is None


async def test_a_suspect_is_named_with_the_counts_of_both_sides(file: Path) -> None:
    async with past(file) as (life, reader):
        for _ in range(2):
            await life.refuse("out-in")
            await life.refuse("out-in2")
            await life.arrive("out2-in")
        taken = life.status(reader)
        (suspect,) = taken.suspects
        assert (suspect.part, suspect.name) == ("route", "out")
        assert (suspect.failed, suspect.succeeded) == (4, 2)
        text = shown(status_view(taken))
        assert "route out  4 along it failed" in text
        assert "2 into the same mailboxes along other routes succeeded" in text


async def test_a_service_that_does_not_run_is_said(file: Path) -> None:
    async with past(file) as (life, reader):
        assert "the service runs (process" in shown(status_view(life.status(reader)))
        config, now = life.config, life.rig.time.utc
    with reading(config.service.ledger) as reader:
        taken = take_status(reader, config, now)
    assert "the service does not run" in shown(status_view(taken))
    assert status_code(taken) is ExitCode.UNTESTABLE


async def test_the_history_is_one_line_an_entry_the_newest_first(file: Path) -> None:
    async with past(file) as (life, reader):
        arrived, refused = await life.arrive("out-in"), await life.refuse("out-in")
        flying = await life.send("out-in")
        taken = take_history(reader, life.config, "out-in", 10)
        entries = taken.entries
        assert [one.run for one in entries] == [flying, refused, arrived]
        assert [one.outcome for one in entries] == ["accepted", "rejected", "arrived"]
        assert len(take_history(reader, life.config, "out-in", 2).entries) == 2
        lines = shown(history_view(taken), 80).rstrip("\n").split("\n")
        assert len(lines) == 4
        assert all(len(line) <= 80 for line in lines)
        assert "rcpt rejected" in lines[2]
        failed = Run("mx", 7, ProbeResult("mx", NOW, 0.5, (), UNKNOWN_USER))
        await life.rig.ledger.add_runs([failed])
        (run,) = take_history(reader, life.config, "mx", 5).entries
        assert (run.run, run.outcome) == ("mx/7", "failed")


async def test_a_run_is_found_by_its_token_the_beginning_of_it_its_number_or_its_name(
    file: Path,
) -> None:
    async with past(file) as (life, reader):
        first, second = await life.arrive("out-in"), await life.refuse("out-in")
        short = first.removeprefix("mailcanary-")[:8]

        def found(run: str) -> str | None:
            record = take_story(reader, life.config, run).record
            return None if record is None else record.token

        names = (first, short.upper(), f"<{first}@sender.test>", "out-in/1")
        assert [found(name) for name in names] == [first] * 4
        assert found("out-in") == second
        for unknown in ("", "out-in/9", "out-in/x", "out-in/" + "9" * 30, "mx", "%", "zzzz"):
            with pytest.raises(UnknownRun):
                found(unknown)
        with pytest.raises(UnknownRun, match="begins several"):
            found("mailcanary-")


HOPS = [
    (1, "mail.sender.test", None, {"min": 0.0, "max": 0.5}),
    (2, "relay.test", {"min": 1.0, "max": 3.0}, None),
    (3, "mx\x1b[31m.test", {"min": 4.0, "max": None}, None),
]


def evidence() -> dict[str, Any]:
    """A document as docs/json.md has it, of a copy that came over three relays."""
    hops = [
        {
            **dict.fromkeys(("tls", "id", "for")),
            **{"position": position, "from": "x", "by": by, "with": "ESMTPS", "raw": ""},
            **{"date": None, "delay_seconds": delay, "certain_delay_seconds": delay},
            **{"clock_offset_seconds": offset, "is_skewed": False},
        }
        for position, by, delay, offset in HOPS
    ]
    changed = {"kind": "subject_changed", "detail": "[list] before it", "broke": ["d=s s=1"]}
    verdict = {"authserv_id": "mx", "trusted": True, "method": "spf", "result": "fail"}
    note = ("arrival.dkim.broken", "failure", "d=sender.test s=1", HOSTILE, "RFC 6376 §6.1")
    names = ("code", "status", "subject", "evidence", "reference")
    return {
        "version": 1,
        "hops": hops,
        "slowest_hop": 3,
        "authentication": [{**verdict, "reason": None, "properties": []}],
        "dkim": None,
        "spam": [{"system": "rspamd", "is_spam": True, "score": 7.5}],
        "mutations": [{**changed, "between": [1, 2]}],
        "bounce": None,
        "findings": [dict(zip(names, note, strict=True))],
    }


async def test_the_hops_stand_in_the_way_as_far_as_their_clocks_tell(file: Path) -> None:
    async with past(file) as (life, reader):
        token = await life.arrive("out-in", after=9.0)
        story = replace(take_story(reader, life.config, token), evidence=(evidence(),))
        steps = {
            step.name.split()[-1] if step.is_hop else step.name: step for step in timeline(story)
        }
        accepted = 0.3  # where the end of data was answered
        assert steps["mail.sender.test"].end == pytest.approx(accepted)
        assert (steps["relay.test"].ended, steps["relay.test"].end) == pytest.approx((1.0, 3.3))
        slowest = steps["mx\x1b[31m.test"]
        assert (slowest.is_slowest, slowest.ended) == (True, pytest.approx(5.0))
        assert slowest.end == 10.0  # no later than the copy was seen
        arrival = steps["arrival"]
        assert (arrival.begin, arrival.end) == (9.0, 10.0)
        text = shown(story_view(story, 140))
        for words in ("← slowest", "subject_changed", "between hop 1 and 2", "spam filter", "do: "):
            assert words in text


async def test_a_canary_that_did_not_come_shows_how_long_it_was_waited_for(file: Path) -> None:
    async with past(file) as (life, reader):
        token = await life.send("out-in")
        life.rig.time.elapse(900.0)
        await life.rig.happen(token, Event.LOOKED_IN_VAIN)
        last = timeline(take_story(reader, life.config, token))[-1]
        assert (last.name, last.is_failed) == ("transit", True)
        assert (last.begin, last.end) == pytest.approx((0.3, 901.0))


async def test_nothing_of_what_peers_wrote_acts_on_the_terminal(file: Path) -> None:
    async with past(file) as (life, reader):
        token = await life.refuse("out-in")
        story = take_story(reader, life.config, token)
        assert story.result is not None
        facts = {"smtp.greeting": HOSTILE, "mx.host": HOSTILE}
        notes = (mx.ADDRESS_UNUSABLE.found(FindingStatus.WARNING, HOSTILE, HOSTILE),)
        result = replace(story.result, facts=facts, findings=notes)
        story = replace(story, result=result, evidence=(evidence(),))
        views = (
            story_view(story, 80),
            status_view(life.status(reader)),
            history_view(take_history(reader, life.config, "out-in", 5)),
        )
        for view in views:
            text = shown(view)
            assert not set(text) & set("\x1b\x07\x9b\u202e\r\x08")
        assert "\\x1b[2J" in shown(views[0])
        assert "5.1.1 first line" in shown(views[0])
        assert story_code(story) is ExitCode.FAILURE


@pytest.mark.parametrize("width", [60, 80, 140])
async def test_no_line_is_wider_than_the_terminal(file: Path, width: int) -> None:
    async with past(file) as (life, reader):
        token = await life.arrive("out-in", after=9.0)
        story = replace(take_story(reader, life.config, token), evidence=(evidence(),))
        past_runs = take_history(reader, life.config, "out-in", 5)
        stand = life.status(reader)
        views = (story_view(story, width), status_view(stand), history_view(past_runs))
        for view in views:
            assert max(len(line) for line in shown(view, width).splitlines()) <= width


CHANGE = TargetChange(
    *("mx", 7, NOW, Aspect.MX, "example.test", "10 a.test", "none"), since=NOW, visible_by=None
)


def documented(command: str) -> list[str]:
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    sections = {section.partition("\n")[0]: section for section in page.split("\n# ")}
    section = sections[f"The JSON of `mailcanary {command}`"]
    return re.findall(r"^\| `([\w.\[\]]+)` \|", section, re.MULTILINE)


def keys(document: dict[str, Any], *lists: str) -> list[str]:
    found = []
    for key, value in document.items():
        found.append(key)
        if key in lists:
            found += [f"{key}[].{inner}" for inner in value[0]]
    return found


async def test_every_key_of_the_documents_is_documented_and_the_reverse(file: Path) -> None:
    async with past(file) as (life, reader):
        for _ in range(2):
            await life.refuse("out-in")
            await life.arrive("out2-in")
        stand = json.loads(json.dumps(status_json(life.status(reader))))
        lists = ("paths", "mailboxes", "jobs", "suspects")
        assert documented("status --json") == keys(stand, *lists)
        taken = replace(take_history(reader, life.config, "out-in", 5), changes=(CHANGE,))
        past_runs = json.loads(json.dumps(history_json(taken)))
        assert documented("history NAME --json") == keys(past_runs, "entries", "changes")
        story = replace(take_story(reader, life.config, "out2-in"), evidence=(evidence(),))
        told = json.loads(json.dumps(story_json(story)))
        assert documented("show RUN --json") == keys(told, "timeline", "findings")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (lambda file: status(file, False), 3, "no service has run"),
        (lambda file: history("out-in", file, 5, False), 3, "no service has run"),
        (lambda file: history("out-im", file, 5, False), 64, 'did you mean "out-in"'),
        (lambda file: history("out-in", file, 0, False), 64, "between 1 and"),
        (lambda file: show("out-in", file, True), 3, "no service has run"),
        (lambda file: status(file / "none", True), 64, "cannot be read"),
        (lambda file: history("x", file / "none", 5, True), 64, "cannot be read"),
        (lambda file: show("x", file / "none", True), 64, "cannot be read"),
    ],
)
def test_what_cannot_be_shown_is_one_line_and_an_exit_code(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[Path], int],
    code: int,
    words: str,
) -> None:
    assert command(file) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not (file.parent / "ledger.sqlite").exists()


@pytest.mark.slow("a service runs until its canaries are settled")
async def test_the_commands_print_what_the_ledger_holds(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with past(file) as (life, _):
        token = await life.arrive("out-in")
        done = mailcanary("show", token[:20], "--config", str(file))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("ARRIVED out-in  out → inbox  in 3.00 s")
        assert show("out-im", file, False) == 64
        assert 'did you mean "out-in"' in capsys.readouterr().err
        status(file, True)
        assert json.loads(capsys.readouterr().out)["service"]["is_running"] is True
        assert history("out-in", file, 5, False) == 0
        assert token.removeprefix("mailcanary-")[:8] in capsys.readouterr().out


async def test_a_copy_first_looked_for_after_a_gap_of_ours_is_told_by_its_bounds(
    file: Path,
) -> None:
    async with past(file) as (life, reader):
        await life.arrive("out-in")
        hidden = await life.send("out-in")
        life.rig.time.elapse(10.0)
        not_before = life.rig.time.now()
        seen = life.rig.time.elapse(1800.0)
        copy = sighting(
            hidden,
            seen,
            not_before=not_before,
            position=9,
            internal_date=not_before.utc + timedelta(seconds=1),
        )
        change = await life.rig.see(copy)
        assert change.outcome is Outcome.ARRIVED
        (path, *_) = life.status(reader).paths
        assert (path.state, path.round_trip, path.median_round_trip) == ("ok", 3.0, 3.0)
        entry = take_history(reader, life.config, "out-in", 1).entries[0]
        assert (entry.run, entry.seconds) == (hidden, None)
        story = replace(take_story(reader, life.config, hidden), evidence=(evidence(),))
        text = shown(story_view(story, 140))
        assert "we did not look in time: it arrived between 11.00 s and 30 min 11 s after" in text
        assert "its Received fields say: hop 3" in text
