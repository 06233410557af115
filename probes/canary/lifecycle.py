"""The life cycle of a canary as a pure function of state and event.

    planned -> sending -> accepted | uncertain | rejected | deferred | send_failed
    accepted | uncertain -> arrived | bounced | lost | unverified
    lost | unverified -> recovered

`uncertain` is a connection that broke between the final dot and its reply (RFC 5321 §4.5.5,
RFC 1047): the message is not sent again, but the mailbox is searched for it.
"""

from dataclasses import dataclass
from enum import StrEnum

from probes.result import HandoverState, ProbeResult


class State(StrEnum):
    """The state of a canary; the value is stored in the ledger."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    UNCERTAIN = "uncertain"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    SEND_FAILED = "send_failed"
    ARRIVED = "arrived"
    BOUNCED = "bounced"
    LOST = "lost"
    UNVERIFIED = "unverified"
    RECOVERED = "recovered"


class Event(StrEnum):
    """An event in the life of a canary."""

    SEND_STARTED = "send_started"
    HANDED_OVER = "handed_over"
    OUTCOME_UNKNOWN = "outcome_unknown"
    REFUSED_FOR_GOOD = "refused_for_good"
    REFUSED_FOR_NOW = "refused_for_now"
    SEND_BROKE = "send_broke"
    COULD_NOT_SEND = "could_not_send"
    SENDER_GONE = "sender_gone"
    SEEN = "seen"
    BOUNCE_SEEN = "bounce_seen"
    DELAY_SEEN = "delay_seen"
    LOOKED_IN_VAIN = "looked_in_vain"
    COULD_NOT_LOOK = "could_not_look"


class Outcome(StrEnum):
    """A counted outcome; a canary is settled by exactly one of the first nine.

    The others are counted BESIDE it. `recovered` comes after `lost` or `unverified`. `duplicated`
    counts every further copy. `bounced_after_arrival` is a bounce that contradicts the copy we saw.
    `delayed` counts every notice that some server is still trying. `out_of_order` is a copy that
    came after one of a later canary.
    """

    ARRIVED = "arrived"
    LATE = "late"
    JUNKED = "junked"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    SEND_FAILED = "send_failed"
    BOUNCED = "bounced"
    LOST = "lost"
    UNTESTABLE = "untestable"
    RECOVERED = "recovered"
    DUPLICATED = "duplicated"
    BOUNCED_AFTER_ARRIVAL = "bounced_after_arrival"
    DELAYED = "delayed"
    OUT_OF_ORDER = "out_of_order"


BESIDE = frozenset(
    {
        Outcome.RECOVERED,
        Outcome.DUPLICATED,
        Outcome.BOUNCED_AFTER_ARRIVAL,
        Outcome.DELAYED,
        Outcome.OUT_OF_ORDER,
    }
)
"""Outcomes counted beside the settling one; they settle nothing."""

SETTLING = tuple(outcome for outcome in Outcome if outcome not in BESIDE)
"""Outcomes that settle a canary, in their order; each canary has exactly one of them."""

IN_FLIGHT = frozenset({State.ACCEPTED, State.UNCERTAIN})
"""States in which no copy has arrived and one still may."""

UNSETTLED = IN_FLIGHT | {State.PLANNED, State.SENDING}
"""States without a settling outcome so far."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The next state, and the outcome to count; None if the event is not counted."""

    state: State
    outcome: Outcome | None


class ImpossibleEvent(ValueError):
    """An event that is impossible in this state: a bug in the caller, never a fact about mail."""


_SENDING_ENDS = {
    Event.HANDED_OVER: Transition(State.ACCEPTED, None),
    Event.OUTCOME_UNKNOWN: Transition(State.UNCERTAIN, None),
    Event.REFUSED_FOR_GOOD: Transition(State.REJECTED, Outcome.REJECTED),
    Event.REFUSED_FOR_NOW: Transition(State.DEFERRED, Outcome.DEFERRED),
    Event.SEND_BROKE: Transition(State.SEND_FAILED, Outcome.SEND_FAILED),
    Event.COULD_NOT_SEND: Transition(State.SEND_FAILED, Outcome.UNTESTABLE),
    Event.SENDER_GONE: Transition(State.UNCERTAIN, None),
}
_WAITING_ENDS = {
    Event.BOUNCE_SEEN: Transition(State.BOUNCED, Outcome.BOUNCED),
    Event.LOOKED_IN_VAIN: Transition(State.LOST, Outcome.LOST),
    Event.COULD_NOT_LOOK: Transition(State.UNVERIFIED, Outcome.UNTESTABLE),
}
_BOUNCED_AT_ONCE = {Event.BOUNCE_SEEN: Transition(State.BOUNCED, Outcome.BOUNCED)}
_TABLE: dict[State, dict[Event, Transition]] = {
    State.PLANNED: {
        Event.SEND_STARTED: Transition(State.SENDING, None),
        Event.SENDER_GONE: Transition(State.SEND_FAILED, Outcome.UNTESTABLE),
    },
    State.SENDING: _SENDING_ENDS | _BOUNCED_AT_ONCE,
    State.ACCEPTED: _WAITING_ENDS,
    # A sender that was taken for gone (a stopped process, say) may report after all.
    State.UNCERTAIN: _SENDING_ENDS | _WAITING_ENDS,
    State.ARRIVED: {
        Event.SEEN: Transition(State.ARRIVED, Outcome.DUPLICATED),
        Event.BOUNCE_SEEN: Transition(State.ARRIVED, Outcome.BOUNCED_AFTER_ARRIVAL),
    },
    State.RECOVERED: {
        Event.SEEN: Transition(State.RECOVERED, Outcome.DUPLICATED),
        Event.BOUNCE_SEEN: Transition(State.RECOVERED, Outcome.BOUNCED_AFTER_ARRIVAL),
    },
    State.LOST: {
        Event.SEEN: Transition(State.RECOVERED, Outcome.RECOVERED),
        Event.BOUNCE_SEEN: Transition(State.LOST, None),
    },
    State.UNVERIFIED: {
        Event.SEEN: Transition(State.RECOVERED, Outcome.RECOVERED),
        Event.BOUNCE_SEEN: Transition(State.UNVERIFIED, None),
    },
    State.BOUNCED: {
        Event.SEEN: Transition(State.BOUNCED, Outcome.BOUNCED_AFTER_ARRIVAL),
        Event.BOUNCE_SEEN: Transition(State.BOUNCED, None),
    },
}
for _state in (State.REJECTED, State.DEFERRED, State.SEND_FAILED):
    # A copy after a refusal: the reply was wrong, the copy is a fact.
    _TABLE[_state] = {
        Event.SEEN: Transition(State.RECOVERED, Outcome.RECOVERED),
        Event.BOUNCE_SEEN: Transition(_state, None),
    }
for _state in set(State) - {State.PLANNED}:
    # RFC 3464 §2.3.3: a relay that reports `delayed` has neither delivered nor given up
    _TABLE[_state] = {**_TABLE[_state], Event.DELAY_SEEN: Transition(_state, Outcome.DELAYED)}


_SETTLED_WITHOUT_SENDER = frozenset(
    {State.ARRIVED, State.RECOVERED, State.BOUNCED, State.LOST, State.UNVERIFIED}
)
"""States that a canary may reach before its sender reports the end of the sending."""


def advance(
    state: State,
    event: Event,
    *,
    is_late: bool = False,
    is_junk: bool = False,
    has_sender_spoken: bool = True,
) -> Transition:
    """The transition of a canary in `state` by `event`.

    `is_late` and `is_junk` qualify SEEN for a canary in flight. A copy seen while the sender still
    waits for the reply to its final dot settles at once. If no sender reported the end of the
    sending, a search without result proves nothing: perhaps nothing was sent. Raises
    ImpossibleEvent.
    """
    if event is Event.LOOKED_IN_VAIN and state is State.UNCERTAIN and not has_sender_spoken:
        return _WAITING_ENDS[Event.COULD_NOT_LOOK]
    if event is Event.SEEN and state in (State.SENDING, *IN_FLIGHT):
        return Transition(State.ARRIVED, _arrival(is_late=is_late, is_junk=is_junk))
    if state in _SETTLED_WITHOUT_SENDER and event in _SENDING_ENDS:
        return Transition(state, None)
    try:
        return _TABLE[state][event]
    except KeyError:
        raise ImpossibleEvent(f"{event} cannot happen to a canary that is {state}") from None


_REFUSALS = {
    HandoverState.REFUSED_FOR_NOW: Event.REFUSED_FOR_NOW,
    HandoverState.REFUSED_FOR_GOOD: Event.REFUSED_FOR_GOOD,
}


def sending_ended(result: ProbeResult) -> Event:
    """The event for the end of a hand-over.

    The route's own report decides: what it handed over stays so, whatever failed later, and what
    may have been handed over is looked for, even after a bug of ours. So is the message of a route
    that ended well without a report. A sending that broke on our side (credentials, resolver, no
    route) says nothing about the path.
    """
    failure = result.failure
    reported = None if result.handover is None else result.handover.state
    if reported is HandoverState.HANDED_OVER:
        return Event.HANDED_OVER
    if reported is HandoverState.UNCERTAIN or failure is None:
        return Event.OUTCOME_UNKNOWN
    if failure.is_untestable:
        return Event.COULD_NOT_SEND
    if reported is not None:
        return _REFUSALS[reported]
    if failure.reply is None:
        return Event.SEND_BROKE
    if failure.reply.is_transient:
        return Event.REFUSED_FOR_NOW
    return Event.REFUSED_FOR_GOOD if failure.reply.code >= 500 else Event.SEND_BROKE


def _arrival(*, is_late: bool, is_junk: bool) -> Outcome:
    if is_junk:
        return Outcome.JUNKED
    return Outcome.LATE if is_late else Outcome.ARRIVED
