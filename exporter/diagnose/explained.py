"""Which failures of a diagnosis are told already, by a finding about the same thing."""

from collections.abc import Iterator

from exporter.diagnose.diagnosis import AreaResult, Diagnosis
from exporter.diagnose.verdicts import findings_of, takes_no_mail
from probes.catalogue import ENTRIES, mx, smtp
from probes.records.subject import SubjectKind
from probes.result import Failure, Finding, Part, Phase, Reason, Status, one_line

_GRAVE = (Status.FAILURE, Status.WARNING, Status.UNTESTABLE)

_TLS = (Phase.STARTTLS, Phase.TLS)


def unexplained(diagnosis: Diagnosis, one: AreaResult) -> Iterator[tuple[Failure, Part | None]]:
    """Return the failure of an area's run; if parts failed, it is one of theirs and is told there.

    An early end by the person is told once, by the report itself.
    """
    whole = one.result.failure
    if whole is None or takes_no_mail(one.result):
        return
    failed = [(part.failure, part) for part in one.result.parts if part.failure is not None]
    if not failed and not _is_broken_off(diagnosis, whole) and not _is_told(whole, one):
        yield whole, None
    for failure, part in failed:
        about = _about(diagnosis, one, part)
        is_told = any(_explains(finding, failure) for finding in about)
        if not (is_told or _is_broken_off(diagnosis, failure)):
            yield failure, part


def _is_told(whole: Failure, one: AreaResult) -> bool:
    """Return the findings that explain a failure: of a judgement its findings, of a step those with
    the same words.

    Findings about reports never decide a judgement.
    """
    grave = Status.UNTESTABLE if whole.is_untestable else Status.FAILURE
    found = [finding for finding in one.result.findings if finding.status is grave]
    if whole.phase is Phase.EVALUATE:
        return any(not _is_about_reports(finding) for finding in found)
    return any(one_line(finding.evidence) == whole.detail for finding in found)


def _about(diagnosis: Diagnosis, one: AreaResult, part: Part) -> Iterator[Finding]:
    """The findings of a part, and those that this area or another one has about the same place."""
    yield from part.findings
    for other in diagnosis.areas:
        for finding in findings_of(other.result):
            if finding.subject == part.subject and (other is one or _is_about_host(finding)):
                yield finding


def _is_about_host(finding: Finding) -> bool:
    return finding.code == mx.HOST_UNRESOLVED.code or finding.subject.kind is SubjectKind.PLACE


def _explains(finding: Finding, failure: Failure) -> bool:
    if finding.code == smtp.STARTTLS_FAILED.code:  # mail may be taken in clear, and fail there
        return failure.phase in _TLS
    return finding.status in _GRAVE and not _is_beside(finding)


def _is_broken_off(diagnosis: Diagnosis, failure: Failure) -> bool:
    return diagnosis.is_interrupted and failure.reason is Reason.UNTESTABLE


def _is_about_reports(finding: Finding) -> bool:
    entry = ENTRIES.get(finding.code)
    return entry is not None and entry.is_about_reports


def _is_beside(finding: Finding) -> bool:
    """True if it stands beside a failure or follows from it."""
    entry = ENTRIES.get(finding.code)
    return entry is not None and entry.is_beside_failure
