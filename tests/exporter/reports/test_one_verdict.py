"""All tellers of a verdict held against each other, state by state."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from io import StringIO
from itertools import product
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from exporter.analysis.judgement import PathState, is_up
from exporter.analysis.mailbox_state import MailboxState
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.reader import LedgerReader, reading
from exporter.metrics.metrics import Metrics
from exporter.model import Change, Job, Run
from exporter.reports.exit_codes import STATE_CODES, canary_code, result_code
from exporter.reports.history import take_history
from exporter.reports.status import status_code, status_json, take_status
from exporter.reports.story import story_code, story_state, take_story
from exporter.reports.story_document import story_json
from exporter.terminal.history import history_view
from exporter.terminal.status import status_view
from exporter.terminal.story import story_view
from exporter.web.probe_metrics import metrics_of
from probes.canary.evidence import Evidence, ExaminationContext, examine
from probes.canary.hops import OurTimes
from probes.canary.lifecycle import Event, Outcome
from probes.catalogue import arrival
from probes.mailboxes.interface import Placement, message_of
from probes.options import Domain
from probes.registry.rows import KINDS
from probes.result import Failure, Finding, Owner, Phase, ProbeResult, Reason, Status
from tests.support.clock import FakeClock
from tests.support.ledger_rig import LATE, LOST, Rig, failure, opened, sighting
from tests.support.ledger_rig import result as sent
from tests.support.metric_rig import Reader, config

OURS = Failure(
    Phase.AUTH, Reason.AUTHENTICATION_FAILED, "no", Owner.CONFIGURATION, is_transient=False
)
RESULTS = {
    Outcome.ARRIVED: PathState.OK,
    Outcome.LATE: PathState.DEGRADED,
    Outcome.JUNKED: PathState.DEGRADED,
    Outcome.RECOVERED: PathState.DEGRADED,
    Outcome.REJECTED: PathState.FAILING,
    Outcome.DEFERRED: PathState.FAILING,
    Outcome.SEND_FAILED: PathState.FAILING,
    Outcome.LOST: PathState.FAILING,
    Outcome.UNTESTABLE: PathState.UNTESTABLE,
}
REFUSALS = {
    Outcome.REJECTED: (Event.REFUSED_FOR_GOOD, failure()),
    Outcome.DEFERRED: (Event.REFUSED_FOR_NOW, failure(reason=Reason.GREYLISTED)),
    Outcome.SEND_FAILED: (Event.SEND_BROKE, failure(Phase.CONNECT, Reason.TIMEOUT)),
    Outcome.UNTESTABLE: (Event.COULD_NOT_SEND, OURS),
}
FINDINGS = [
    None,
    *product(
        (Status.FAILURE, Status.WARNING, Status.NOTICE),
        (Owner.CONFIGURATION, Owner.SENDER, Owner.MONITOR),
    ),
]
JOB = Job("job", "mx", KINDS["mx"].target(domain=Domain("them.test")), every=600, deadline=60)
CASES = [
    (outcome, about)
    for outcome, state in RESULTS.items()
    for about in (FINDINGS if state in (PathState.OK, PathState.DEGRADED) else [None])
]
_Found = tuple[Status, Owner] | None


def found(about: _Found) -> tuple[Finding, ...]:
    if about is None:
        return ()
    one = arrival.DKIM_KEY.found(Status.FAILURE, "d=us.test s=1", "no key there")
    owner = None if about[1] is Owner.CONFIGURATION else about[1]  # that of its code
    return (replace(one, status=about[0], owner=owner),)


def shown(view: RenderableType) -> str:
    text = StringIO()
    Console(file=text, width=200).print(view)
    return text.getvalue()


@dataclass
class Life:
    """One ledger and one exposition that are told the same."""

    rig: Rig
    reader: LedgerReader
    metrics: Metrics
    config = replace(config("p"), jobs={"job": JOB})

    def tell(self, change: Change | None) -> None:
        assert change is not None
        self.metrics.canary_changed(change)

    async def send(self, token: str, *, sending: tuple[Finding, ...] = ()) -> None:
        await self.rig.plan(token, "p", "box")
        self.tell(await self.rig.happen(token, Event.SEND_STARTED))
        self.rig.time.elapse(1.0)
        await self.ended(token, Event.HANDED_OVER, sending=sending)

    async def ended(
        self,
        token: str,
        event: Event,
        why: Failure | None = None,
        sending: tuple[Finding, ...] = (),
    ) -> None:
        result = replace(sent(why, self.rig.time.utc), findings=sending)
        record = self.rig.ledger.record(token, event, self.rig.time.now(), result=result)
        self.tell(await record)
        self.metrics.run_finished(Run("p", self.rig.ticks["p"], result))

    async def settle(self, token: str, outcome: Outcome, evidence: tuple[Finding, ...]) -> None:
        """Send a canary that ends so, with these findings about its copy."""
        if outcome in REFUSALS:
            await self.rig.plan(token, "p", "box")
            self.tell(await self.rig.happen(token, Event.SEND_STARTED))
            await self.ended(token, *REFUSALS[outcome])
            return
        await self.send(token)
        if outcome in (Outcome.LOST, Outcome.RECOVERED):
            self.rig.time.elapse(LOST)
            self.tell(await self.rig.happen(token, Event.LOOKED_IN_VAIN))
        if outcome is not Outcome.LOST:
            await self.see(token, outcome, evidence)

    async def see(self, token: str, outcome: Outcome, evidence: tuple[Finding, ...]) -> None:
        not_before = self.rig.time.elapse(LATE + 1 if outcome is Outcome.LATE else 1.0)
        seen = self.rig.time.elapse(0.5)
        placement = Placement.JUNK if outcome is Outcome.JUNKED else Placement.INBOX
        copy = sighting(token, seen, not_before=not_before, placement=placement)
        self.tell(await self.rig.see(copy))
        arrived = await self.rig.ledger.copy_at(message_of(copy))
        assert arrived is not None
        proof = replace(empty(), findings=evidence)
        self.metrics.copy_examined(await self.rig.ledger.add_evidence(arrived, proof))

    async def mailbox(self, *, is_up: bool) -> None:
        failure = None if is_up else OURS
        self.metrics.mailbox_watch("box", is_up=is_up, failure=failure)
        state = MailboxState("box", self.rig.time.utc, is_up, None, failure)
        await self.rig.ledger.save_mailbox_states([state])

    def agreed(self) -> PathState:
        """Return the state of the path that metrics and status both tell, in all their forms."""
        status = take_status(self.reader, self.config, self.rig.time.utc)
        (path,) = status.paths
        told = Reader(self.metrics).series("mailcanary_path_")
        expected = {
            ("mailcanary_path_state", "p", state): float(state is path.state) for state in PathState
        }
        up = is_up(path.state)
        if up is not None:
            expected["mailcanary_path_up", "p"] = float(up)
        assert told == expected
        assert status_json(status)["paths"][0]["state"] == path.state
        assert f" {path.state} " in next(
            line for line in shown(status_view(status)).splitlines() if " p " in line
        )
        only = replace(status, jobs=(), mailboxes=(), holder=None)
        assert status_code(only) is STATE_CODES[path.state]
        return path.state

    def agreed_on(self, token: str) -> PathState:
        """Return the state of a canary that show, history and the exit codes of both tell."""
        story = take_story(self.reader, self.config, token)
        state = story_state(story)
        assert story.record is not None
        entry = next(
            one
            for one in take_history(self.reader, self.config, "p", 9).entries
            if one.run == token
        )
        assert entry.state is state
        assert entry.code is story_code(story) is STATE_CODES[state]
        findings = canary_findings(story.result, story.evidence)
        assert canary_code(story.record, findings) is STATE_CODES[state]
        assert story_json(story)["state"] == state
        assert shown(story_view(story, 200))
        return state


def empty() -> Evidence:
    """The evidence of a copy about which nothing is found."""
    content = b"From: a@us.test\r\n\r\nx\r\n"
    return examine(content, content, ExaminationContext(FakeClock().utc, OurTimes()))


async def live(file: Path) -> AsyncIterator[Life]:
    async with opened(file) as rig:
        metrics = Metrics("1", rig.time.clock)
        metrics.configure(Life.config)
        with reading(str(file)) as reader:
            yield Life(rig, reader, metrics)


def expected_of(outcome: Outcome, about: _Found) -> PathState:
    state = RESULTS[outcome]
    if (
        about is None
        or about[1] is Owner.MONITOR
        or state not in (PathState.OK, PathState.DEGRADED)
    ):
        return state
    if about[0] is Status.FAILURE:
        return PathState.FAILING
    return PathState.DEGRADED if about[0] is Status.WARNING else state


@pytest.mark.parametrize(("outcome", "about"), CASES)
async def test_all_tellers_say_one_state(tmp_path: Path, outcome: Outcome, about: _Found) -> None:
    async for life in live(tmp_path / "ledger"):
        assert life.agreed() is PathState.UNKNOWN
        await life.settle("mailcanary-0", Outcome.ARRIVED, ())
        assert life.agreed() is PathState.OK
        await life.settle("mailcanary-1", outcome, found(about))
        state = expected_of(outcome, about)
        assert life.agreed_on("mailcanary-1") is state
        assert life.agreed() is state
        is_refused = outcome in REFUSALS and state is PathState.FAILING
        blind = PathState.FAILING if is_refused else PathState.UNTESTABLE
        for is_readable, expected in ((True, state), (False, blind), (True, state)):
            await life.mailbox(is_up=is_readable)
            assert life.agreed() is expected
        await life.send("mailcanary-2")
        assert life.agreed() is state
        await life.mailbox(is_up=False)
        assert life.agreed() is PathState.UNTESTABLE
        life.rig.time.elapse(Life.config.paths["p"].late_after)
        await life.mailbox(is_up=True)
        overdue = PathState.DEGRADED if state is PathState.OK else state
        assert life.agreed() is overdue
        life.rig.time.elapse(86400.0)
        await life.mailbox(is_up=True)
        assert life.agreed() is PathState.UNKNOWN
        await life.mailbox(is_up=False)
        assert life.agreed() is PathState.UNTESTABLE


@pytest.mark.parametrize("about", FINDINGS)
async def test_a_finding_of_the_sending_counts_as_one_of_the_copy(
    tmp_path: Path, about: _Found
) -> None:
    async for life in live(tmp_path / "ledger"):
        await life.send("mailcanary-1", sending=found(about))
        await life.see("mailcanary-1", Outcome.ARRIVED, ())
        state = expected_of(Outcome.ARRIVED, about)
        assert life.agreed() is state
        assert life.agreed_on("mailcanary-1") is state


async def test_status_history_and_show_name_the_finding_that_counts(tmp_path: Path) -> None:
    async for life in live(tmp_path / "ledger"):
        await life.settle(
            "mailcanary-1", Outcome.ARRIVED, found((Status.FAILURE, Owner.CONFIGURATION))
        )
        status = take_status(life.reader, life.config, life.rig.time.utc)
        history = take_history(life.reader, life.config, "p", 9)
        story = take_story(life.reader, life.config, "mailcanary-1")
        for view in (status_view(status), history_view(history), story_view(story, 200)):
            assert "arrival.dkim.key" in shown(view)
        (told,) = json.loads(json.dumps(status_json(status)))["paths"][0]["findings"]
        assert (told["code"], told["status"]) == ("arrival.dkim.key", "failure")


@pytest.mark.parametrize("problem", [None, failure(), OURS])
@pytest.mark.parametrize("about", FINDINGS)
async def test_all_tellers_of_a_job_say_one_state(
    tmp_path: Path, about: _Found, problem: Failure | None
) -> None:
    async for life in live(tmp_path / "ledger"):
        result = ProbeResult("mx", life.rig.time.utc, 0.5, (), problem, found(about))
        run = Run("job", 1, result)
        await life.rig.ledger.add_runs([run])
        life.metrics.run_finished(run)
        (job,) = take_status(life.reader, life.config, life.rig.time.utc).jobs
        read = Reader(life.metrics)
        assert {state: read("probe_state", "job", state) for state in PathState} == {
            state: float(state is job.state) for state in PathState
        }
        up = is_up(job.state)
        assert read("probe_up", "job") == (None if up is None else float(up))
        story = take_story(life.reader, life.config, "job")
        (entry,) = take_history(life.reader, life.config, "job", 9).entries
        assert story_state(story) is entry.state is job.state
        assert story_code(story) is entry.code is result_code(result) is STATE_CODES[job.state]
        page = metrics_of(result)
        assert f'probe_state{{state="{job.state}"}} 1' in page
        assert f"\nprobe_success {int(up is True)}\n" in page
        life.rig.time.elapse(86400.0)
        (job,) = take_status(life.reader, life.config, life.rig.time.utc).jobs
        assert job.state is PathState.UNKNOWN
        assert Reader(life.metrics)("probe_state", "job", "unknown") == 1
