"""The values every room passes on: who is blamed, what is passing, what JSON says."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.documents import json_default, to_json
from probes.records.reply import Reply
from probes.records.subject import Subject
from probes.result import (
    MAX_DETAIL,
    Failure,
    Finding,
    Handover,
    HandoverState,
    Owner,
    Part,
    Phase,
    PhaseTiming,
    ProbeFailure,
    ProbeResult,
    Reason,
    Status,
    one_line,
    owner_of,
)

AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("phase", "reason", "owner"),
    [
        (Phase.CONNECT, Reason.TIMEOUT, Owner.NETWORK),
        (Phase.GREETING, Reason.TIMEOUT, Owner.RECEIVER_MX),
        (Phase.DNS_MX, Reason.SERVFAIL, Owner.RECEIVER_DNS),
        (Phase.DNS_MX, Reason.TIMEOUT, Owner.RESOLVER),
        (Phase.RCPT, Reason.GREYLISTED, Owner.RECEIVER_FILTER),
        (Phase.AUTH, Reason.AUTHENTICATION_FAILED, Owner.CONFIGURATION),
        (Phase.EVALUATE, Reason.AUTHENTICATION_FAILED, Owner.SENDER),
        (Phase.EVALUATE, Reason.RECORD_MISSING, Owner.SENDER),
        (Phase.EVALUATE, Reason.TOO_MANY_LOOKUPS, Owner.SENDER),
        (Phase.EVALUATE, Reason.LISTED, Owner.SENDER),
        (Phase.EVALUATE, Reason.LIST_UNHEALTHY, Owner.MONITOR),
        (Phase.ARRIVAL, Reason.JUNKED, Owner.RECEIVER_FILTER),
        (Phase.ARRIVAL, Reason.CONNECTION_CLOSED, Owner.RECEIVER_MAILBOX),
        (Phase.TRANSIT, Reason.LOST, Owner.RECEIVER_MX),
        (Phase.EHLO, Reason.UNEXPECTED, Owner.MONITOR),
    ],
)
def test_who_has_to_act_follows_from_phase_and_reason(
    phase: Phase, reason: Reason, owner: Owner
) -> None:
    assert owner_of(phase, reason) is owner


def test_a_failure_takes_what_it_was_not_told_from_its_place() -> None:
    failure = ProbeFailure(Reason.DEFERRED, "later").to_failure(Phase.RCPT)
    assert failure == Failure(Phase.RCPT, Reason.DEFERRED, "later", Owner.RECEIVER_MX, True)


def test_a_failure_keeps_what_it_was_told() -> None:
    reply = Reply(550, ("no",), (5, 1, 1))
    error = ProbeFailure(
        Reason.REJECTED,
        "no",
        phase=Phase.MAIL,
        reply=reply,
        owner=Owner.CONFIGURATION,
        is_transient=True,
    )
    expected = Failure(Phase.MAIL, Reason.REJECTED, "no", Owner.CONFIGURATION, True, reply)
    assert error.to_failure(Phase.QUIT) == expected


@pytest.mark.parametrize("owner", list(Owner))
def test_only_what_is_ours_is_untestable(owner: Owner) -> None:
    failure = Failure(Phase.CONNECT, Reason.TIMEOUT, "", owner, is_transient=True)
    ours = {Owner.CONFIGURATION, Owner.RESOLVER, Owner.MONITOR}
    assert failure.is_untestable == (owner in ours)


@given(st.text())
def test_a_detail_is_one_printable_bounded_line_whatever_the_peer_wrote(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= MAX_DETAIL


def test_control_characters_of_a_peer_do_not_reach_a_terminal() -> None:
    failure = ProbeFailure(Reason.REJECTED, "550 \x1b[2J go\r\naway").to_failure(Phase.RCPT)
    assert failure.detail == "550 \N{REPLACEMENT CHARACTER}[2J go away"


def test_a_result_as_json_has_words_for_enums_and_says_whether_it_is_ok() -> None:
    failure = Failure(
        Phase.RCPT, Reason.REJECTED, "no", Owner.RECEIVER_MX, False, Reply(550, ("no",), (5, 1, 1))
    )
    part = Part("a.test", None, (PhaseTiming(Phase.EHLO, 0.5, 0.25),), failure, (), {})
    finding = Finding("smtp.x", Status.WARNING, Subject.of("a.test"), "it is so", "RFC 5321 §4.2")
    result = ProbeResult(
        "mx", AT, 1.5, (), None, (finding,), (part,), {"tls.names": ("a.test", "b.test"), "n": None}
    )
    document = json.loads(json.dumps(to_json(result)))
    failure_document = {
        "phase": "rcpt",
        "reason": "rejected",
        "detail": "no",
        "owner": "receiver_mx",
        "is_transient": False,
        "reply": {"code": 550, "lines": ["no"], "enhanced": [5, 1, 1]},
    }
    assert document == {
        "kind": "mx",
        "started_at": "2026-05-06T07:08:09+00:00",
        "seconds": 1.5,
        "timings": [],
        "failure": None,
        "findings": [
            {
                "code": "smtp.x",
                "status": "warning",
                "subject": "a.test",
                "evidence": "it is so",
                "reference": "RFC 5321 §4.2",
                "owner": None,
            }
        ],
        "parts": [
            {
                "host": "a.test",
                "address": None,
                "timings": [{"phase": "ehlo", "start": 0.5, "seconds": 0.25}],
                "failure": failure_document,
                "findings": [],
                "facts": {},
                "ok": False,
            }
        ],
        "facts": {"tls.names": ["a.test", "b.test"], "n": None},
        "known": [],
        "ok": True,
    }


def test_the_report_of_a_route_is_not_in_the_document() -> None:
    handover = Handover(HandoverState.HANDED_OVER)
    began = datetime(2026, 1, 1, tzinfo=UTC)
    plain = ProbeResult("submission", began, 1.0, (), None)
    told = ProbeResult("submission", began, 1.0, (), None, handover=handover)
    assert to_json(told) == to_json(plain)
    assert "handover" not in to_json(told)
    assert json_default(told).keys() == to_json(told).keys()
