"""The findings that decide, with its outcome, the judgement on a canary."""

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.ledger.encoding import decode_finding
from probes.result import Finding, ProbeResult, all_findings


def canary_findings(
    result: ProbeResult | None, evidence: Iterable[Mapping[str, Any]]
) -> tuple[Finding, ...]:
    """Return the findings of the sending and of all copies; `evidence` as in docs/json.md.

    A bounce is a message of its own: findings about it say nothing about the canary.
    """
    sending = () if result is None else all_findings(result)
    copies = (
        decode_finding(finding)
        for document in evidence
        if document["bounce"] is None
        for finding in document["findings"]
    )
    return (*sending, *copies)
