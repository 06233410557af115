"""The states of results, canaries and paths, one by one."""

from dataclasses import replace
from itertools import product

import pytest

from exporter.analysis.judgement import (
    PathKnowledge,
    PathState,
    is_up,
    matters,
    state_of_canary,
    state_of_findings,
    state_of_path,
    state_of_result,
)
from exporter.reports.exit_codes import STATE_CODES, ExitCode, result_code
from probes.canary.lifecycle import Outcome, State
from probes.catalogue import arrival, smtp_answers
from probes.result import OURS, Finding, Owner, Phase, ProbeResult, Reason, Status
from tests.support.clock import START
from tests.support.metric_rig import failure, part, record

OK, DEGRADED, FAILING = PathState.OK, PathState.DEGRADED, PathState.FAILING
UNTESTABLE, UNKNOWN = PathState.UNTESTABLE, PathState.UNKNOWN


def finding(status: Status, owner: Owner = Owner.SENDER) -> Finding:
    return replace(
        arrival.DKIM_KEY.found(Status.FAILURE, "d=x.test", "x"), status=status, owner=owner
    )


@pytest.mark.parametrize(("status", "owner"), [*product(Status, Owner)])
def test_a_finding_counts_by_its_status_unless_its_owner_is_on_our_side(
    status: Status, owner: Owner
) -> None:
    expected = {Status.FAILURE: FAILING, Status.WARNING: DEGRADED}.get(status, OK)
    expected = OK if owner in (Owner.MONITOR, Owner.RESOLVER) else expected
    one = finding(status, owner)
    assert state_of_findings([one]) is expected
    assert matters(one) is (expected is not OK)


def test_the_gravest_finding_decides() -> None:
    found = [finding(one) for one in (Status.NOTICE, Status.WARNING, Status.FAILURE, Status.OK)]
    assert state_of_findings(found) is FAILING
    assert state_of_findings(found[:2]) is DEGRADED
    assert state_of_findings([]) is OK


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (None, UNKNOWN),
        (Outcome.ARRIVED, OK),
        (Outcome.LATE, DEGRADED),
        (Outcome.JUNKED, DEGRADED),
        (Outcome.RECOVERED, DEGRADED),
        (Outcome.REJECTED, FAILING),
        (Outcome.DEFERRED, FAILING),
        (Outcome.SEND_FAILED, FAILING),
        (Outcome.BOUNCED, FAILING),
        (Outcome.LOST, FAILING),
        (Outcome.UNTESTABLE, UNTESTABLE),
    ],
)
def test_every_outcome_has_its_state(outcome: Outcome | None, expected: PathState) -> None:
    canary = record(State.ARRIVED, outcome=outcome)
    assert state_of_canary(canary) is expected
    has_arrived = expected in (OK, DEGRADED)
    grave = FAILING if has_arrived else expected
    assert state_of_canary(canary, [finding(Status.FAILURE)]) is grave
    warned = DEGRADED if has_arrived else expected
    assert state_of_canary(canary, [finding(Status.WARNING)]) is warned
    assert state_of_canary(canary, [finding(Status.FAILURE, Owner.MONITOR)]) is expected


def test_a_canary_that_was_greylisted_on_its_way_is_degraded() -> None:
    greylisted = smtp_answers.GREYLISTED.found(Status.INFO, "mx.test", "450 4.2.0 try again")
    assert matters(greylisted)
    assert state_of_canary(record(State.ARRIVED, outcome=Outcome.ARRIVED), [greylisted]) is DEGRADED


@pytest.mark.parametrize("owner", Owner)
def test_a_sending_that_failed_is_failing_unless_it_failed_on_our_side(owner: Owner) -> None:
    why = replace(failure(Phase.RCPT, Reason.REJECTED), owner=owner)
    canary = record(State.REJECTED, outcome=Outcome.REJECTED, failure=why)
    assert state_of_canary(canary) is (UNTESTABLE if owner in OURS else FAILING)


def test_a_canary_whose_sender_died_is_not_lost() -> None:
    canary = record(State.LOST, outcome=Outcome.LOST, accepted_at=None)
    assert state_of_canary(canary) is UNTESTABLE


@pytest.mark.parametrize(
    ("problem", "found", "expected", "code"),
    [
        (None, (), OK, ExitCode.OK),
        (None, (finding(Status.NOTICE),), OK, ExitCode.OK),
        (None, (finding(Status.UNTESTABLE),), OK, ExitCode.OK),
        (None, (finding(Status.WARNING),), DEGRADED, ExitCode.WARNING),
        (None, (finding(Status.FAILURE),), FAILING, ExitCode.FAILURE),
        (None, (finding(Status.FAILURE, Owner.RESOLVER),), OK, ExitCode.OK),
        (failure(Phase.RCPT, Reason.REJECTED), (), FAILING, ExitCode.FAILURE),
        (failure(Phase.DNS_MX, Reason.TIMEOUT), (), UNTESTABLE, ExitCode.UNTESTABLE),
        (
            failure(Phase.DNS_MX, Reason.TIMEOUT),
            (finding(Status.FAILURE),),
            UNTESTABLE,
            ExitCode.UNTESTABLE,
        ),
    ],
)
def test_a_result_is_judged_by_its_failure_and_then_by_its_findings(
    problem: None, found: tuple[Finding, ...], expected: PathState, code: ExitCode
) -> None:
    result = ProbeResult("mx", START, 1.0, (), problem, found)
    assert state_of_result(result) is expected
    assert result_code(result) is code


def test_the_findings_of_a_part_count() -> None:
    measured = replace(part("mx.test"), findings=(finding(Status.FAILURE),))
    assert state_of_result(ProbeResult("mx", START, 1.0, (), None, (), (measured,))) is FAILING


ARRIVED = record(State.ARRIVED, outcome=Outcome.ARRIVED)
REFUSED = record(State.REJECTED, outcome=Outcome.REJECTED)
LOST = record(State.LOST, outcome=Outcome.LOST)


def known(canary: object = ARRIVED, **more: object) -> PathKnowledge:
    base = PathKnowledge(ARRIVED, OK, age=10.0, horizon=100.0, late_after=60.0, is_readable=True)
    state = UNKNOWN if canary is None else state_of_canary(canary)  # type: ignore[arg-type]
    return replace(base, record=canary, state=state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("knowledge", "expected"),
    [
        (known(), OK),
        (known(is_readable=None), OK),
        (known(is_readable=False), UNTESTABLE),
        (known(None), UNKNOWN),
        (known(None, is_readable=False), UNTESTABLE),
        (known(age=101.0), UNKNOWN),
        (known(age=101.0, is_readable=False), UNTESTABLE),
        (known(oldest_in_flight=60.0), OK),
        (known(oldest_in_flight=61.0), DEGRADED),
        (known(LOST), FAILING),
        (known(LOST, oldest_in_flight=61.0), FAILING),
        (known(LOST, is_readable=False), UNTESTABLE),
        (known(REFUSED), FAILING),
        (known(REFUSED, is_readable=False), FAILING),
        (known(REFUSED, is_readable=None, is_remembered=True), FAILING),
        (known(REFUSED, is_readable=False, is_followed=True), UNTESTABLE),
        (known(REFUSED, is_readable=False, age=101.0), UNTESTABLE),
        (known(is_remembered=True, is_readable=None), UNKNOWN),
        (known(is_remembered=True), OK),
    ],
)
def test_a_path_is_as_its_newest_canary_says_while_that_is_proven(
    knowledge: PathKnowledge, expected: PathState
) -> None:
    assert state_of_path(knowledge) is expected


def test_every_state_has_an_exit_code_and_one_word_for_up() -> None:
    assert set(STATE_CODES) == set(PathState)
    ups = {state: is_up(state) for state in PathState}
    assert ups == {OK: True, DEGRADED: True, FAILING: False, UNTESTABLE: None, UNKNOWN: None}
