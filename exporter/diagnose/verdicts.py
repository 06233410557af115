"""The verdict of a diagnosis and its exit code."""

from collections.abc import Collection

from exporter.diagnose import taking
from exporter.diagnose.diagnosis import AreaResult, Diagnosis
from exporter.reports.exit_codes import ExitCode
from probes.catalogue import ENTRIES, sender
from probes.kinds.policy.consequences import Outcome, Sender
from probes.mx.recipients import Answer
from probes.result import Failure, Finding, Phase, ProbeResult, Reason, Status


def findings_of(result: ProbeResult) -> tuple[Finding, ...]:
    """The findings of a run and its parts."""
    return (*result.findings, *(f for part in result.parts for f in part.findings))


def takes_no_mail(result: ProbeResult) -> bool:
    """True when the domain says so itself: that is an answer, not a defect."""
    return result.failure is not None and result.failure.reason is Reason.NULL_MX


def not_tested(one: AreaResult) -> Failure | None:
    """Return the failure of what the area rests on: it was not tested, and nothing is said of it.

    The MX area tells that failure itself.
    """
    failure = one.result.failure
    if one.basis is not None:
        return None if one.area.tells_basis else one.basis
    if failure is None or takes_no_mail(one.result) or not one.area.rests_on_hosts:
        return None
    return None if failure.phase is Phase.EVALUATE else failure


def area_code(one: AreaResult) -> ExitCode:
    """How an area ended: 2 where something is broken, 3 where it was not tested or a verdict that
    somebody relies on could not be reached, 1 where there is a warning."""
    if not_tested(one) is not None:
        return ExitCode.UNTESTABLE
    failure = one.result.failure
    if failure is not None and not takes_no_mail(one.result):
        return ExitCode.UNTESTABLE if failure.is_untestable else ExitCode.FAILURE
    found = {finding.status for finding in findings_of(one.result) if not _decides_nothing(finding)}
    codes = {_CODES[status] for status in found if status in _CODES}
    if _is_row_unknown(one.result):
        codes.add(ExitCode.UNTESTABLE)
    answer = taking.taking(one.result)
    if answer is not None:
        codes.add(answer.code)
    return gravest(codes)


_CODES = {
    Status.FAILURE: ExitCode.FAILURE,
    Status.UNTESTABLE: ExitCode.UNTESTABLE,
    Status.WARNING: ExitCode.WARNING,
}


def _decides_nothing(finding: Finding) -> bool:
    """True if something was not tested, and the verdict stands all the same."""
    entry = ENTRIES.get(finding.code)
    return finding.status is Status.UNTESTABLE and entry is not None and entry.leaves_verdict


def _is_row_unknown(result: ProbeResult) -> bool:
    """True if the behaviour of one kind of sender is not known."""
    return any(result.facts.get(f"consequence.{one}") == Outcome.UNTESTABLE.value for one in Sender)


def gravest(codes: Collection[ExitCode]) -> ExitCode:
    """An untested aspect counts if nothing is broken."""
    for code in (ExitCode.FAILURE, ExitCode.UNTESTABLE, ExitCode.WARNING):
        if code in codes:
            return code
    return ExitCode.OK


def exit_code(diagnosis: Diagnosis) -> ExitCode:
    """The gravest of the areas, and of what they rest on."""
    bases = filter(None, (diagnosis.basis, *map(not_tested, diagnosis.areas)))
    return gravest({*map(area_code, diagnosis.areas), *map(_failure_code, bases)})


def _failure_code(failure: Failure) -> ExitCode:
    return ExitCode.UNTESTABLE if failure.is_untestable else ExitCode.FAILURE


def verdict(one: AreaResult, domain: str, subject: str = "") -> str:
    """A plain sentence about an area; `subject` is the address, if one was given."""
    basis = not_tested(one)
    if basis is not None:
        return f"Not tested: {ending(basis, domain)}."
    if takes_no_mail(one.result):
        return f"{domain} says that it takes no mail (null MX)."
    if one.result.failure is not None:
        return _failed(one, one.result.failure, domain, subject or domain)
    counts = _counted(one.result)
    said = _concluded(one, domain, subject or domain)
    return f"{said}{'; ' + counts if counts else ''}."


def ending(failure: Failure, domain: str) -> str:
    """Return the failure of a basis as a clause."""
    if failure.phase is Phase.DNS_MX and failure.reason is Reason.NXDOMAIN:
        return f"{domain} does not exist"
    return failure.detail


def _failed(one: AreaResult, failure: Failure, domain: str, subject: str) -> str:
    area = one.area
    if area_code(one) is ExitCode.UNTESTABLE:
        return f"This could not be tested from here: {failure.detail}."
    if failure.phase is Phase.DNS_MX and failure.reason is Reason.NXDOMAIN:
        return f"{domain} does not exist: {failure.detail}."
    own = taking.failed(failure, domain, subject) if area.counts_addresses else None
    said = area.bad_for_now if failure.is_transient else area.bad
    return f"{own}." if own else f"{_sentence(said, domain)}: {failure.detail}."


def _concluded(one: AreaResult, domain: str, subject: str) -> str:
    """The sentence for a run that came to its end, without its counts."""
    result = one.result
    said = _sentence(_judgement(one, area_code(one)), domain)
    if not (one.area.counts_addresses and result.parts):
        return said
    answer = taking.taking(result)
    if answer is None:
        good = tuple(part for part in result.parts if part.ok)
        many = taking.how_many(good, len(result.parts))
        return f"{said}{many}; {taking.unasked(subject)}"
    is_taken = answer.answer is Answer.ACCEPTED
    many = taking.how_many(answer.parts, len(result.parts)) if is_taken else ""
    return f"Mail for {answer.recipient} {answer.clause}{many}"


def _judgement(one: AreaResult, code: ExitCode) -> str:
    """The sentence for a run that came to its end."""
    area, found = one.area, findings_of(one.result)
    if code is ExitCode.FAILURE:
        return area.broken
    codes = {finding.code for finding in found}
    said = area.of_a_part if area.of_a_part and sender.NOT_EXAMINED.code in codes else area.good
    if any(finding.status is Status.WARNING for finding in found):
        said = area.flawed
    elif any(entry.refuses_nothing for code in codes if (entry := ENTRIES.get(code))):
        said += ", and are asked to take both alike"
    return f"as far as it could be tested, {said}" if code is ExitCode.UNTESTABLE else said


def _sentence(text: str, domain: str) -> str:
    if text.startswith("{domain}"):
        return text.format(domain=domain)
    return text[0].upper() + text[1:].format(domain=domain)


def _counted(result: ProbeResult) -> str:
    statuses = [finding.status for finding in findings_of(result)]
    words = {
        Status.FAILURE: ("thing is broken", "things are broken"),
        Status.WARNING: ("warning", "warnings"),
        Status.UNTESTABLE: ("thing could not be tested", "things could not be tested"),
    }
    counted = ((statuses.count(status), *forms) for status, forms in words.items())
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted if n)
