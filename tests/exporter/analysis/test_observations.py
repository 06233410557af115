"""What canaries and runs say of the parts they went through, and how much of it is kept."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath

import pytest

from exporter.analysis.judgement import Verdict
from exporter.analysis.observations import KEPT, Attempt, RecentObservations, attempts_of, of_canary
from exporter.config import parse
from exporter.model import CanaryRecord, Config, Run
from probes.canary.lifecycle import Outcome, State
from probes.catalogue import mx, smtp
from probes.records.subject import Subject, read_subject
from probes.result import Failure, Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from tests.exporter.test_cli import GOOD
from tests.support.ledger_rig import BEGIN

REFUSED = Failure(Phase.RCPT, Reason.REJECTED, "no", Owner.RECEIVER_MX, is_transient=False)
OURS = replace(REFUSED, owner=Owner.RESOLVER)


def record(outcome: Outcome | None, tick: int = 1, failure: Failure | None = None) -> CanaryRecord:
    return CanaryRecord(
        token=f"mailcanary-{tick}",
        path="out-in",
        mailbox="inbox",
        tick=tick,
        state=State.ARRIVED,
        outcome=outcome,
        planned_at=BEGIN,
        sending_at=BEGIN + timedelta(seconds=tick),
        accepted_at=BEGIN + timedelta(seconds=tick),
        settled_at=None if outcome is None else BEGIN + timedelta(seconds=tick),
        late_after=60.0,
        lost_after=900.0,
        failure=failure,
    )


def sending(host: str, address: str, *given_up: Finding) -> ProbeResult:
    facts = {"mx.host": host, "address": address}
    return ProbeResult("direct", BEGIN, 1.0, (), None, given_up, facts=facts)


def unusable(subject: str, status: Status = Status.WARNING) -> Finding:
    return mx.ADDRESS_UNUSABLE.found(status, read_subject(subject), "refused")


@pytest.fixture
def config(tmp_path: FilePath) -> Config:
    return parse(GOOD, "x.yaml", {})


@pytest.mark.parametrize(
    ("outcome", "failure", "verdict"),
    [
        (Outcome.ARRIVED, None, Verdict.OK),
        (Outcome.LATE, None, Verdict.OK),
        (Outcome.JUNKED, None, Verdict.FAILED),
        (Outcome.LOST, None, Verdict.FAILED),
        (Outcome.REJECTED, REFUSED, Verdict.FAILED),
        (Outcome.UNTESTABLE, OURS, Verdict.UNTESTABLE),
        (Outcome.RECOVERED, None, Verdict.UNTESTABLE),
    ],
)
def test_an_outcome_speaks_for_or_against_its_way_or_says_nothing(
    outcome: Outcome, failure: Failure | None, verdict: Verdict
) -> None:
    seen = of_canary(record(outcome, failure=failure), "out")
    assert seen is not None
    assert (seen.verdict, seen.route, seen.mailbox) == (verdict, "out", "inbox")


def test_what_is_open_or_of_a_manual_run_says_nothing() -> None:
    assert of_canary(record(None), "out") is None
    assert of_canary(record(Outcome.LOST, tick=-5), "out") is None


def test_the_addresses_that_were_given_up_failed_whatever_became_of_the_canary() -> None:
    result = sending("B.test.", "192.0.2.2", unusable("a.test [2001:db8::1]"))
    assert attempts_of(result) == (
        Attempt("a.test", "IPv6", Verdict.FAILED),
        Attempt("b.test", "IPv4", None),
    )


def test_what_this_machine_could_not_reach_speaks_against_nobody() -> None:
    result = sending("a.test", "::1", unusable("a.test [::1]", Status.UNTESTABLE))
    assert attempts_of(result) == (Attempt("a.test", "IPv6", Verdict.UNTESTABLE),)


def test_a_name_that_is_none_never_becomes_a_host() -> None:
    assert attempts_of(sending('evil"\x1b[2J', "192.0.2.1")) == ()
    assert attempts_of(ProbeResult("direct", BEGIN, 1.0, (), None)) == ()


def test_the_parts_of_a_job_each_say_what_came_of_them() -> None:
    parts = (
        Part("a.test", "192.0.2.1", (), None, (), {}),
        Part("b.test", "2001:db8::1", (), REFUSED, (), {}),
        Part("c.test", None, (), REFUSED, (), {}),
    )
    assert attempts_of(ProbeResult("mx", BEGIN, 1.0, (), None, parts=parts)) == (
        Attempt("a.test", "IPv4", Verdict.OK),
        Attempt("b.test", "IPv6", Verdict.FAILED),
    )


@pytest.mark.parametrize("is_run_first", [True, False])
def test_a_canary_and_its_sending_are_one_observation_whichever_is_told_first(
    config: Config, *, is_run_first: bool
) -> None:
    recent = RecentObservations()
    recent.configure(config)
    run = Run("out-in", 1, sending("a.test", "192.0.2.1"))
    if is_run_first:
        recent.finished(run)
        assert recent.at(BEGIN) == []
    recent.settled(record(Outcome.LOST))
    if not is_run_first:
        recent.finished(run)
    (seen,) = recent.at(BEGIN)
    assert seen.attempts == (Attempt("a.test", "IPv4", None),)


def test_a_canary_that_comes_after_all_takes_back_what_it_said(config: Config) -> None:
    recent = RecentObservations()
    recent.configure(config)
    recent.settled(record(Outcome.LOST))
    recent.settled(record(Outcome.RECOVERED))
    assert [one.verdict for one in recent.at(BEGIN)] == [Verdict.UNTESTABLE]


def test_only_the_last_ones_are_kept_and_only_while_they_speak_of_now(config: Config) -> None:
    recent = RecentObservations()
    recent.configure(config)
    for tick in range(3 * KEPT):
        recent.settled(record(Outcome.ARRIVED, tick=tick))
    assert [one.tick for one in recent.at(BEGIN)] == list(range(2 * KEPT, 3 * KEPT))
    assert recent.at(BEGIN + timedelta(days=2)) == []


def test_what_is_not_configured_any_more_is_forgotten(config: Config) -> None:
    recent = RecentObservations()
    recent.configure(config)
    recent.settled(record(Outcome.LOST))
    recent.configure(replace(config, paths={}))
    recent.settled(record(Outcome.LOST, tick=2))
    assert recent.at(BEGIN) == []


@pytest.mark.parametrize("kind", ["sender", "nameservers", "submission", "a plugin's"])
def test_parts_that_are_no_sessions_with_mx_hosts_are_nothing_a_run_went_through(kind: str) -> None:
    parts = (
        Part("sender.test", "192.0.2.1", (), REFUSED, (), {}),
        Part("ns.test", "2001:db8::1", (), None, (), {}),
    )
    assert attempts_of(ProbeResult(kind, BEGIN, 1.0, (), None, parts=parts)) == ()


def test_a_relay_whose_address_was_given_up_is_no_mx_host() -> None:
    place = Subject.place("relay.test", "192.0.2.1")
    found = (smtp.ADDRESS_UNUSABLE.found(Status.WARNING, place, "x"),)
    facts = {"address": "2001:db8::1"}
    seen = attempts_of(ProbeResult("submission", BEGIN, 1.0, (), None, found, facts=facts))
    assert seen == (Attempt(None, "IPv4", Verdict.FAILED), Attempt(None, "IPv6", None))


@pytest.mark.parametrize("phase", Phase)
def test_a_sending_that_ended_before_it_named_the_recipient_never_reached_the_mailbox(
    phase: Phase,
) -> None:
    why = replace(REFUSED, phase=phase)
    seen = of_canary(replace(record(Outcome.REJECTED), failure=why), "out")
    assert seen is not None
    order = list(Phase)
    assert seen.is_mailbox_reached is (order.index(phase) >= order.index(Phase.RCPT))
