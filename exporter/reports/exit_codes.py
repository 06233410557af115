"""The exit codes of the commands, and which result has which."""

from enum import IntEnum

from probes.canary.evidence import Evidence
from probes.canary.lifecycle import Outcome
from probes.result import ProbeResult, Status, all_findings


class ExitCode(IntEnum):
    """Process exit codes: the Nagios convention; then EX_USAGE and EX_SOFTWARE of sysexits."""

    OK = 0
    WARNING = 1
    FAILURE = 2
    UNTESTABLE = 3
    USAGE = 64
    SOFTWARE = 70


_OUTCOME_CODES = {
    Outcome.ARRIVED: ExitCode.OK,
    Outcome.RECOVERED: ExitCode.WARNING,
    Outcome.LATE: ExitCode.WARNING,
    Outcome.UNTESTABLE: ExitCode.UNTESTABLE,
}


def result_code(result: ProbeResult) -> ExitCode:
    """The exit code a one-shot result deserves."""
    if result.failure is not None:
        return ExitCode.UNTESTABLE if result.failure.is_untestable else ExitCode.FAILURE
    statuses = {finding.status for finding in all_findings(result)}
    if statuses & {Status.WARNING, Status.FAILURE}:
        return ExitCode.WARNING
    return ExitCode.OK


def outcome_code(outcome: Outcome | None) -> ExitCode:
    """The exit code a canary's outcome deserves; None (not settled yet) is untestable."""
    if outcome is None:
        return ExitCode.UNTESTABLE
    return _OUTCOME_CODES.get(outcome, ExitCode.FAILURE)


_GRAVEST = {Status.FAILURE: ExitCode.FAILURE, Status.WARNING: ExitCode.WARNING}


def evidence_code(evidence: Evidence) -> ExitCode:
    """The exit code the findings deserve."""
    statuses = {finding.status for finding in evidence.findings}
    return next((code for status, code in _GRAVEST.items() if status in statuses), ExitCode.OK)
