"""Every state and every event, written out: what follows, and what is counted."""

from datetime import UTC, datetime

import pytest

from probes.canary.lifecycle import (
    BESIDE,
    IN_FLIGHT,
    UNSETTLED,
    Event,
    ImpossibleEvent,
    Outcome,
    State,
    Transition,
    advance,
    sending_ended,
)
from probes.records.reply import Reply
from probes.result import Failure, Handover, HandoverState, Owner, Phase, ProbeResult, Reason

EVENTS = (
    "send_started",
    "handed_over",
    "outcome_unknown",
    "refused_for_good",
    "refused_for_now",
    "send_broke",
    "could_not_send",
    "sender_gone",
    "seen",
    "bounce_seen",
    "delay_seen",
    "looked_in_vain",
    "could_not_look",
)

# One line per state, one column per event in the order above. "state/outcome", "=" the same state,
# no "/outcome" nothing to count, "." impossible.
TABLE = {
    "planned": "sending . . . . . . send_failed/untestable . . . . .",
    "sending": ". accepted uncertain rejected/rejected deferred/deferred send_failed/send_failed "
    "send_failed/untestable uncertain arrived/arrived bounced/bounced =/delayed . .",
    "accepted": ". . . . . . . . arrived/arrived bounced/bounced =/delayed lost/lost "
    "unverified/untestable",
    "uncertain": ". accepted = rejected/rejected deferred/deferred send_failed/send_failed "
    "send_failed/untestable = arrived/arrived bounced/bounced =/delayed lost/lost "
    "unverified/untestable",
    "rejected": ". . . . . . . . recovered/recovered = =/delayed . .",
    "deferred": ". . . . . . . . recovered/recovered = =/delayed . .",
    "send_failed": ". . . . . . . . recovered/recovered = =/delayed . .",
    "arrived": ". = = = = = = = =/duplicated =/bounced_after_arrival =/delayed . .",
    "bounced": ". = = = = = = = =/bounced_after_arrival = =/delayed . .",
    "lost": ". = = = = = = = recovered/recovered = =/delayed . .",
    "unverified": ". = = = = = = = recovered/recovered = =/delayed . .",
    "recovered": ". = = = = = = = =/duplicated =/bounced_after_arrival =/delayed . .",
}

CASES = [
    (state, event, cell)
    for state, line in TABLE.items()
    for event, cell in zip(EVENTS, line.split(), strict=True)
]


def expected(state: str, cell: str) -> Transition:
    to, _, outcome = cell.partition("/")
    return Transition(State(state if to == "=" else to), Outcome(outcome) if outcome else None)


def test_the_table_names_every_state_and_every_event() -> None:
    assert set(TABLE) == set(State)
    assert tuple(Event) == EVENTS


@pytest.mark.parametrize(("state", "event", "cell"), CASES)
def test_every_event_in_every_state(state: str, event: str, cell: str) -> None:
    if cell == ".":
        with pytest.raises(ImpossibleEvent, match=f"{event} cannot happen"):
            advance(State(state), Event(event))
    else:
        assert advance(State(state), Event(event)) == expected(state, cell)


@pytest.mark.parametrize("state", sorted(IN_FLIGHT | {State.SENDING}))
@pytest.mark.parametrize(
    ("what", "outcome"),
    [
        ({}, Outcome.ARRIVED),
        ({"is_late": True}, Outcome.LATE),
        ({"is_junk": True}, Outcome.JUNKED),
        ({"is_late": True, "is_junk": True}, Outcome.JUNKED),
    ],
)
def test_a_first_copy_is_counted_by_where_and_when_it_came(
    state: State, what: dict[str, bool], outcome: Outcome
) -> None:
    seen = advance(state, Event.SEEN, **what)
    assert seen == Transition(State.ARRIVED, outcome)


def test_late_and_junk_say_nothing_about_a_further_copy() -> None:
    again = advance(State.ARRIVED, Event.SEEN, is_late=True, is_junk=True)
    assert again.outcome is Outcome.DUPLICATED


def test_looking_in_vain_for_what_perhaps_was_never_sent_proves_nothing() -> None:
    vain = advance(State.UNCERTAIN, Event.LOOKED_IN_VAIN, has_sender_spoken=False)
    assert vain == Transition(State.UNVERIFIED, Outcome.UNTESTABLE)
    seen = advance(State.UNCERTAIN, Event.SEEN, has_sender_spoken=False)
    assert seen == Transition(State.ARRIVED, Outcome.ARRIVED)


SETTLING = set(Outcome) - BESIDE


@pytest.mark.parametrize(("state", "event", "cell"), [case for case in CASES if case[2] != "."])
def test_a_canary_is_settled_exactly_where_it_leaves_the_unsettled_states(
    state: str, event: str, cell: str
) -> None:
    after = expected(state, cell)
    leaves = State(state) in UNSETTLED and after.state not in UNSETTLED
    assert (after.outcome in SETTLING) == leaves
    assert not (State(state) not in UNSETTLED and after.state in UNSETTLED)


def result(
    failure: Failure | None, state: HandoverState | None = None, reply: Reply | None = None
) -> ProbeResult:
    handover = None if state is None else Handover(state, reply)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return ProbeResult("submission", began, 1.0, (), failure, handover=handover)


def failed(
    phase: Phase,
    reason: Reason = Reason.REJECTED,
    code: int | None = None,
    owner: Owner = Owner.RECEIVER_MX,
) -> Failure:
    reply = None if code is None else Reply(code, ("so it is",))
    return Failure(phase, reason, "so it is", owner, is_transient=False, reply=reply)


@pytest.mark.parametrize(
    ("failure", "event"),
    [
        (failed(Phase.RCPT, Reason.GREYLISTED, 450), Event.REFUSED_FOR_NOW),
        (failed(Phase.RCPT, Reason.REJECTED, 550), Event.REFUSED_FOR_GOOD),
        (failed(Phase.GREETING, Reason.REJECTED, 554), Event.REFUSED_FOR_GOOD),
        (failed(Phase.MAIL, Reason.UNEXPECTED_REPLY, 354), Event.SEND_BROKE),
        (failed(Phase.DATA, Reason.CONNECTION_CLOSED), Event.SEND_BROKE),
        (failed(Phase.CONNECT, Reason.TIMEOUT, owner=Owner.NETWORK), Event.SEND_BROKE),
        (
            failed(Phase.AUTH, Reason.AUTHENTICATION_FAILED, 535, owner=Owner.CONFIGURATION),
            Event.COULD_NOT_SEND,
        ),
        (failed(Phase.DNS_MX, Reason.TIMEOUT, owner=Owner.RESOLVER), Event.COULD_NOT_SEND),
        (failed(Phase.EHLO, Reason.UNEXPECTED, owner=Owner.MONITOR), Event.COULD_NOT_SEND),
    ],
)
def test_how_a_sending_ended_that_never_came_to_a_report(failure: Failure, event: Event) -> None:
    assert sending_ended(result(failure)) is event


REFUSED = failed(Phase.END_OF_DATA, Reason.REJECTED, 554)


@pytest.mark.parametrize(
    ("state", "failure", "event"),
    [
        (HandoverState.HANDED_OVER, None, Event.HANDED_OVER),
        (HandoverState.UNCERTAIN, None, Event.OUTCOME_UNKNOWN),
        (None, None, Event.OUTCOME_UNKNOWN),
        (HandoverState.REFUSED_FOR_NOW, REFUSED, Event.REFUSED_FOR_NOW),
        (HandoverState.REFUSED_FOR_GOOD, REFUSED, Event.REFUSED_FOR_GOOD),
        (
            HandoverState.REFUSED_FOR_GOOD,
            failed(Phase.END_OF_DATA, Reason.REJECTED, 554, owner=Owner.CONFIGURATION),
            Event.COULD_NOT_SEND,
        ),
    ],
)
def test_the_report_of_the_route_decides(
    state: HandoverState | None, failure: Failure | None, event: Event
) -> None:
    assert sending_ended(result(failure, state)) is event


@pytest.mark.parametrize("owner", list(Owner))
@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    ("state", "event"),
    [
        (HandoverState.HANDED_OVER, Event.HANDED_OVER),
        (HandoverState.UNCERTAIN, Event.OUTCOME_UNKNOWN),
    ],
)
def test_no_later_failure_in_any_phase_takes_a_report_back(
    phase: Phase, owner: Owner, state: HandoverState, event: Event
) -> None:
    failure = failed(phase, Reason.CONNECTION_RESET, owner=owner)
    assert sending_ended(result(failure, state)) is event


def test_an_answer_of_an_http_api_refuses_as_its_route_says() -> None:
    """429 and 503 of HTTP are temporary, 422 is not; as SMTP replies they would be the reverse."""
    for code, state, event in (
        (429, HandoverState.REFUSED_FOR_NOW, Event.REFUSED_FOR_NOW),
        (503, HandoverState.REFUSED_FOR_NOW, Event.REFUSED_FOR_NOW),
        (422, HandoverState.REFUSED_FOR_GOOD, Event.REFUSED_FOR_GOOD),
    ):
        failure = failed(Phase.END_OF_DATA, Reason.REJECTED, code)
        assert sending_ended(result(failure, state, failure.reply)) is event
