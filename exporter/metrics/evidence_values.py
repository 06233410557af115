"""The evidence of a copy as metrics: pure functions from evidence to label values."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from probes.canary.clocks import Interval
from probes.canary.evidence import Evidence

MAX_HOPS_SHOWN = 16
"""Hops that get series, from the first on: nothing says how many Received fields a copy has."""

MAILBOX = "mailbox"
"""In place of a hop's position: the way from the last relay to the look that found the copy."""

OTHER = "other"

EVIDENCE_GAUGES = (
    "mailcanary_hop_delay_min_seconds",
    "mailcanary_hop_delay_max_seconds",
    "mailcanary_authentication_result",
    "mailcanary_spam_score",
    "mailcanary_evidence_finding",
)
"""The metrics that show one copy; the next copy replaces their series."""

_METHODS = ("spf", "dkim", "dmarc", "arc", "iprev", "auth")
_RESULTS = (
    *("pass", "fail", "softfail", "neutral", "none", "policy"),
    *("temperror", "permerror"),
)
"""RFC 8601 §2.7: the results of the methods above. Any other result counts as OTHER."""


class By(StrEnum):
    """The source of a result."""

    RECEIVER = "receiver"
    US = "us"


def hop_delays(evidence: Evidence) -> dict[str, Interval]:
    """Hop position as text, or MAILBOX, to the time since the hop before."""
    hops = evidence.chain.hops[:MAX_HOPS_SHOWN]
    delays = {str(hop.position): hop.delay for hop in hops if hop.delay is not None}
    if evidence.chain.arrival is not None:
        delays[MAILBOX] = evidence.chain.arrival
    return delays


def authentication(evidence: Evidence) -> Mapping[tuple[By, str], str]:
    """Return one result of every method; of several the best, as one good signature is enough.

    Of the receivers' results only the trusted ones are here; `us` is our own look at signatures.
    """
    said: dict[tuple[By, str], str] = {}
    for by, method, result in _results(evidence):
        known = said.get((by, method))
        if known is None or _rank(result) < _rank(known):
            said[by, method] = result
    return said


def _results(evidence: Evidence) -> Iterator[tuple[By, str, str]]:
    for one in evidence.authentication:
        if one.is_trusted:
            method, result = one.result.method, one.result.result
            yield (
                By.RECEIVER,
                method if method in _METHODS else OTHER,
                result if result in _RESULTS else OTHER,
            )
    for verdict in evidence.dkim or ():
        yield By.US, "dkim", verdict.result


def _rank(result: str) -> int:
    return _RESULTS.index(result) if result in _RESULTS else len(_RESULTS)


def spam_scores(evidence: Evidence) -> dict[str, float]:
    """Filter to the score it wrote; of several fields of one filter the topmost."""
    scores: dict[str, float] = {}
    for one in evidence.spam:
        if one.score is not None:
            scores.setdefault(one.system, one.score)
    return scores
