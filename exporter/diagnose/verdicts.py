"""The verdict of a diagnosis and its exit code."""

from collections.abc import Collection

from exporter.diagnose.diagnosis import AreaResult, Diagnosis
from exporter.reports.exit_codes import ExitCode
from probes.catalogue import ENTRIES, sender
from probes.kinds.policy.consequences import Outcome, Sender
from probes.result import Finding, ProbeResult, Reason, Status


def findings_of(result: ProbeResult) -> tuple[Finding, ...]:
    """The findings of a run and its parts."""
    return (*result.findings, *(f for part in result.parts for f in part.findings))


def takes_no_mail(result: ProbeResult) -> bool:
    """True when the domain says so itself: that is an answer, not a defect."""
    return result.failure is not None and result.failure.reason is Reason.NULL_MX


def area_code(one: AreaResult) -> ExitCode:
    """How an area ended: 2 where something is broken, 3 where a verdict that somebody relies on
    could not be reached, 1 where there is a warning."""
    failure = one.result.failure
    if failure is not None and not takes_no_mail(one.result):
        return ExitCode.UNTESTABLE if failure.is_untestable else ExitCode.FAILURE
    found = {finding.status for finding in findings_of(one.result) if not _decides_nothing(finding)}
    codes = {_CODES[status] for status in found if status in _CODES}
    if _is_row_unknown(one.result):
        codes.add(ExitCode.UNTESTABLE)
    return _gravest(codes)


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


def _gravest(codes: Collection[ExitCode]) -> ExitCode:
    """An untested aspect counts if nothing is broken."""
    for code in (ExitCode.FAILURE, ExitCode.UNTESTABLE, ExitCode.WARNING):
        if code in codes:
            return code
    return ExitCode.OK


def exit_code(diagnosis: Diagnosis) -> ExitCode:
    """The gravest of the areas."""
    return _gravest({area_code(one) for one in diagnosis.areas})


def verdict(one: AreaResult, domain: str) -> str:
    """A plain sentence about an area."""
    result, area, code = one.result, one.area, area_code(one)
    if takes_no_mail(result):
        return f"{domain} says that it takes no mail (null MX)."
    if result.failure is not None and code is ExitCode.UNTESTABLE:
        return f"This could not be tested from here: {result.failure.detail}."
    if result.failure is not None:
        said = area.bad_for_now if result.failure.is_transient else area.bad
        return f"{_sentence(said, domain)}: {result.failure.detail}."
    counts = _counted(result)
    said = _sentence(_judgement(one, code), domain)
    if area.counts_addresses and result.parts:
        said += _how_many(result)
    return f"{said}{'; ' + counts if counts else ''}."


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


def _how_many(result: ProbeResult) -> str:
    good = [part for part in result.parts if part.ok]
    secure = sum(part.facts.get("tls.version") is not None for part in good)
    trusted = sum(bool(part.facts.get("tls.trusted")) for part in good)
    return (
        f" at {len(good)} of {len(result.parts)} addresses, at {secure} of them under TLS, "
        f"at {trusted} with a certificate to be trusted"
    )


def _counted(result: ProbeResult) -> str:
    statuses = [finding.status for finding in findings_of(result)]
    words = {
        Status.FAILURE: ("thing is broken", "things are broken"),
        Status.WARNING: ("warning", "warnings"),
        Status.UNTESTABLE: ("thing could not be tested", "things could not be tested"),
    }
    counted = ((statuses.count(status), *forms) for status, forms in words.items())
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted if n)
