"""The exit codes of the commands, and which result has which."""

from collections.abc import Iterable, Mapping
from enum import IntEnum

from exporter.analysis.judgement import (
    PathState,
    state_of_canary,
    state_of_findings,
    state_of_result,
)
from exporter.model import CanaryRecord
from probes.canary.evidence import Evidence
from probes.result import Finding, ProbeResult


class ExitCode(IntEnum):
    """Process exit codes: the Nagios convention; then EX_USAGE and EX_SOFTWARE of sysexits."""

    OK = 0
    WARNING = 1
    FAILURE = 2
    UNTESTABLE = 3
    USAGE = 64
    SOFTWARE = 70


STATE_CODES: Mapping[PathState, ExitCode] = {
    PathState.FAILING: ExitCode.FAILURE,
    PathState.UNTESTABLE: ExitCode.UNTESTABLE,
    PathState.UNKNOWN: ExitCode.UNTESTABLE,
    PathState.DEGRADED: ExitCode.WARNING,
    PathState.OK: ExitCode.OK,
}
"""Exit codes by state, from the gravest to the least."""


def result_code(result: ProbeResult) -> ExitCode:
    """The exit code a one-shot result deserves."""
    return STATE_CODES[state_of_result(result)]


def canary_code(record: CanaryRecord, findings: Iterable[Finding]) -> ExitCode:
    """The exit code a canary deserves; one that is not settled yet is untestable.

    `findings` are those of its sending and of its copies, see `canary_findings`.
    """
    return STATE_CODES[state_of_canary(record, findings)]


def evidence_code(evidence: Evidence) -> ExitCode:
    """The exit code the findings deserve."""
    return STATE_CODES[state_of_findings(evidence.findings)]
