"""The metrics of one probe on demand, in the text format of Prometheus.

Label values are of closed sets, hosts and addresses apart. A family without a series is left out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from exporter.analysis.judgement import PathState, is_up, state_of_result
from exporter.metrics.exposition import Family, FamilyType, Format, Gauge, Registry, Table, chunks
from probes.result import Facts, PhaseTiming, ProbeResult, Status

_GAUGE = FamilyType.GAUGE
_ADDRESS = ("host", "address")

_FAMILIES = (
    Family("probe_success", _GAUGE, "1 if the probe succeeded, else 0; see probe_state."),
    Family("probe_duration_seconds", _GAUGE, "How long it took."),
    Family(
        "probe_phase_duration_seconds",
        _GAUGE,
        "The longest step of each phase.",
        ("phase",),
    ),
    Family("probe_findings", _GAUGE, "Findings by how bad they are.", ("status",)),
    Family(
        "probe_certificate_expiry_timestamp_seconds",
        _GAUGE,
        "When the first of the servers' certificates expires.",
    ),
    Family("probe_tls_trusted", _GAUGE, "Whether every certificate is trusted."),
    Family(
        "probe_tls_version_info",
        _GAUGE,
        "The versions of TLS that were negotiated.",
        ("version",),
    ),
    Family(
        "probe_address_success",
        _GAUGE,
        "Whether nothing stopped the session with that address.",
        _ADDRESS,
    ),
    Family(
        "probe_address_phase_duration_seconds",
        _GAUGE,
        "How long each phase took there.",
        (*_ADDRESS, "phase"),
    ),
    Family(
        "probe_address_certificate_expiry_timestamp_seconds",
        _GAUGE,
        "When its certificate expires.",
        _ADDRESS,
    ),
    Family(
        "probe_failure_info",
        _GAUGE,
        "What stopped the probe, and whose it is.",
        ("phase", "reason", "owner"),
    ),
    Family("probe_state", _GAUGE, "1 for the state of the probe, 0 for each other.", ("state",)),
)

_Gauges = Mapping[str, Table[Gauge]]


def metrics_of(result: ProbeResult) -> str:
    """The text that Prometheus is answered."""
    registry = Registry(_FAMILIES)
    gauges = registry.gauges
    _add_run(gauges, result)
    _add_certificates(gauges, result)
    _add_addresses(gauges, result)
    filled = [table for table in registry.tables if table.labels()]
    return b"".join(chunks(filled, Format.TEXT)).decode()


def _add_run(gauges: _Gauges, result: ProbeResult) -> None:
    judged = state_of_result(result)
    gauges["probe_success"].at().set(int(is_up(judged) is True))
    for state in PathState:
        gauges["probe_state"].at(state).set(int(state is judged))
    gauges["probe_duration_seconds"].at().set(_rounded(result.seconds))
    timings = (*result.timings, *(t for part in result.parts for t in part.timings))
    for phase, seconds in _longest(timings).items():
        gauges["probe_phase_duration_seconds"].at(phase).set(_rounded(seconds))
    findings = (*result.findings, *(f for part in result.parts for f in part.findings))
    counts = Counter(finding.status for finding in findings)
    for status in Status:
        gauges["probe_findings"].at(status).set(counts[status])
    failure = result.failure
    if failure is not None:
        labels = (failure.phase, failure.reason, failure.owner)
        gauges["probe_failure_info"].at(*labels).set(1)


def _add_certificates(gauges: _Gauges, result: ProbeResult) -> None:
    """Of all servers that showed one; nothing where there was no TLS."""
    shown = [
        (expiry, facts)
        for facts in (result.facts, *(part.facts for part in result.parts))
        if (expiry := _expiry(facts)) is not None
    ]
    if not shown:
        return
    earliest = min(expiry for expiry, _ in shown)
    gauges["probe_certificate_expiry_timestamp_seconds"].at().set(earliest)
    trusted = all(facts["tls.trusted"] for _, facts in shown)
    gauges["probe_tls_trusted"].at().set(int(trusted))
    for version in sorted({facts["tls.version"] for _, facts in shown}):
        gauges["probe_tls_version_info"].at(version).set(1)


def _add_addresses(gauges: _Gauges, result: ProbeResult) -> None:
    """Of each address that was visited, MAX_PARTS at the most."""
    for part in result.parts:
        if part.address is None:
            continue
        labels = (part.host, part.address)
        gauges["probe_address_success"].at(*labels).set(int(part.ok))
        for phase, seconds in _longest(part.timings).items():
            duration = gauges["probe_address_phase_duration_seconds"].at(*labels, phase)
            duration.set(_rounded(seconds))
        expiry = _expiry(part.facts)
        if expiry is not None:
            gauges["probe_address_certificate_expiry_timestamp_seconds"].at(*labels).set(expiry)


def _rounded(seconds: float) -> float:
    """To the microsecond: finer is noise."""
    return round(seconds, 6)


def _expiry(facts: Facts) -> int | None:
    """Seconds since the epoch; None where no certificate was shown or it cannot be read."""
    until = facts.get("tls.certificate_not_after")
    return None if until is None else int(datetime.fromisoformat(until).timestamp())


def _longest(timings: Iterable[PhaseTiming]) -> Mapping[str, float]:
    longest: dict[str, float] = {}
    for timing in timings:
        longest[timing.phase] = max(longest.get(timing.phase, 0.0), timing.seconds)
    return longest
