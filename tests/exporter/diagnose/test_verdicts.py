"""The sentence and the exit code of an area of a diagnosis: they say the same."""

from datetime import UTC, datetime

import pytest

from exporter.diagnose.areas import AREAS, Area
from exporter.diagnose.diagnosis import AreaResult
from exporter.diagnose.verdicts import area_code, verdict
from probes.records.subject import Subject
from probes.result import Failure, Finding, Owner, Phase, ProbeResult, Reason, Status


def area_of(name: str, failure: Failure | None = None, *found: Finding, **facts: str) -> AreaResult:
    """An area whose run came to that."""
    area = next(area for area in AREAS if area.name == name)
    named = {key.replace("__", "."): value for key, value in facts.items()}
    began = datetime(2026, 11, 27, tzinfo=UTC)
    return AreaResult(area, ProbeResult(name, began, 1.0, (), failure, found, (), named))


def a(code: str, status: Status) -> Finding:
    return Finding(code, status, Subject.of("example.test"), "seen", "")


OURS = Status.UNTESTABLE


@pytest.mark.parametrize(
    ("one", "code"),
    [
        (area_of("policy", None, a("dnssec.resolver_not_validating", OURS)), 3),
        (area_of("policy", None, consequence__dane="untestable"), 3),
        (area_of("policy", None, a("tlsrpt.lookup_failed", OURS)), 0),
        (area_of("sender", None, a("spf.lookup_failed", OURS)), 3),
        (area_of("sender", None, a("spf.lookup_failed", OURS), a("x.y", Status.WARNING)), 3),
        (area_of("sender", None, a("spf.lookup_failed", OURS), a("x.y", Status.FAILURE)), 2),
        (area_of("sender", None, a("dnsbl.list_unhealthy", OURS)), 0),
        (area_of("sender", None, a("dnsbl.list_unhealthy", OURS), a("x.y", Status.WARNING)), 1),
        (area_of("mx", None, a("mx.address_unusable", OURS)), 0),
        (area_of("nameservers", None, a("nameservers.unreachable", OURS)), 0),
    ],
)
def test_what_could_not_be_tested_decides_where_somebody_relies_on_it(
    one: AreaResult, code: int
) -> None:
    assert area_code(one) == code


def failed(reason: Reason, *, is_transient: bool) -> Failure:
    return Failure(Phase.GREETING, reason, "why", Owner.RECEIVER_MX, is_transient)


LATER = failed(Reason.DEFERRED, is_transient=True)
NEVER = failed(Reason.REJECTED, is_transient=False)


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (area_of("mx", NEVER), "Mail for example.test cannot be delivered: why."),
        (area_of("mx", LATER), "Mail for example.test is deferred now: why."),
        (
            area_of("mx", None, a("rcpt.refused", Status.FAILURE)),
            "The mail servers of example.test answer; 1 thing is broken.",
        ),
        (
            area_of("policy", None, a("sts.policy_fetch", Status.FAILURE)),
            "Part of what example.test promises about TLS is broken, and mail is delivered all the "
            "same; 1 thing is broken.",
        ),
        (
            area_of("nameservers", None, a("nameservers.answers_differ", Status.WARNING)),
            "The name servers of example.test answer, and not all as they should; 1 warning.",
        ),
        (
            area_of("sender", None, a("spf.all_permissive", Status.FAILURE)),
            "Receivers cannot rely on what example.test says of its mail; 1 thing is broken.",
        ),
        (area_of("sender", NEVER), "Receivers have reason to doubt mail of example.test: why."),
        (
            area_of("sender", LATER),
            "Receivers cannot find out now what example.test says of its mail: why.",
        ),
        (
            area_of("sender", None, a("dmarc.policy_none", Status.NOTICE)),
            "Receivers can tell mail of example.test from forged mail, and are asked to take both "
            "alike.",
        ),
        (
            area_of("sender", None, a("sender.not_examined", Status.INFO)),
            "By what was examined, receivers can tell mail of example.test from forged mail.",
        ),
    ],
)
def test_a_verdict_does_not_contradict_what_it_counts(one: AreaResult, says: str) -> None:
    assert verdict(one, "example.test") == says


@pytest.mark.parametrize("area", AREAS, ids=[area.name for area in AREAS])
def test_no_area_calls_good_what_is_broken(area: Area) -> None:
    worse = {area.broken, area.bad, area.bad_for_now}
    assert area.good not in worse
    assert area.flawed not in worse
