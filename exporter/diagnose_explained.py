"""Which failures of a diagnosis are told already, by a finding about the same thing."""

import re
from collections.abc import Iterator

from exporter.diagnose import AreaResult, Diagnosis, findings_of, takes_no_mail
from probes.result import Failure, Finding, Part, Reason, Status

PLACE = re.compile(r"\S+ \[[0-9A-Fa-f:.]+\]")
"""The subject of what is about one address of a host."""

_GRAVE = (Status.FAILURE, Status.WARNING, Status.UNTESTABLE)
_BESIDE = (
    *("smtp.unsolicited_reply", "smtp.ehlo.refused", "smtp.size.too_small", "smtp.starttls.masked"),
    *("smtp.starttls.not_offered", "smtp.starttls.certificate_", "mx.starttls_inconsistent"),
    *("mx.host_special_address", "sts.host_", "dane.", "tls.", "monitor."),
)
"""Beginnings of codes that stand beside a failure, or follow from it, and are not its cause."""


def where(part: Part) -> str:
    """The subject of what is said of a part."""
    return part.host if part.address is None else f"{part.host} [{part.address}]"


def unexplained(diagnosis: Diagnosis, one: AreaResult) -> Iterator[tuple[Failure, Part | None]]:
    """What ended the run of an area; where parts failed it is one of theirs, told instead.

    That somebody did not wait for the end is said once, by the report itself.
    """
    whole = one.result.failure
    if whole is None or takes_no_mail(one.result):
        return
    failed = [(part.failure, part) for part in one.result.parts if part.failure is not None]
    told = _explained_subjects(diagnosis, one)
    if not failed and not _is_broken_off(diagnosis, whole) and not _is_told(whole, one):
        yield whole, None
    for failure, part in failed:
        own = any(map(_explains, part.findings))
        if not (own or where(part) in told or _is_broken_off(diagnosis, failure)):
            yield failure, part


def _is_told(whole: Failure, one: AreaResult) -> bool:
    """A run fails by what it found: then a finding as grave says the same, and what to do."""
    grave = Status.UNTESTABLE if whole.is_untestable else Status.FAILURE
    return any(finding.status is grave for finding in one.result.findings)


def _explained_subjects(diagnosis: Diagnosis, one: AreaResult) -> frozenset[str]:
    """What the area has findings about, and the hosts and addresses of which another one has."""
    own = {finding.subject for finding in findings_of(one.result) if _explains(finding)}
    others = {
        finding.subject
        for other in diagnosis.areas
        for finding in findings_of(other.result)
        if _explains(finding) and _is_about_host(finding)
    }
    return frozenset(own | others)


def _is_about_host(finding: Finding) -> bool:
    return finding.code == "mx.host_unresolved" or PLACE.fullmatch(finding.subject) is not None


def _explains(finding: Finding) -> bool:
    return finding.status in _GRAVE and not finding.code.startswith(_BESIDE)


def _is_broken_off(diagnosis: Diagnosis, failure: Failure) -> bool:
    return diagnosis.is_interrupted and failure.reason is Reason.UNTESTABLE
