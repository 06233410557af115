"""The values of a finished result as metrics: pure functions from results to numbers."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from exporter.analysis.judgement import Verdict, verdict_of
from exporter.model import CanaryRecord, Change
from probes.canary.lifecycle import Event, Outcome
from probes.catalogue.monitor import LOOP_LAGGED
from probes.result import Failure, Part, Phase, PhaseTiming, ProbeResult, Reason, owner_of

MAX_MX_HOSTS = 32
"""MX hosts of one domain that get series of their own, in the order of the result."""

EXPIRY = "certificate_expiry_timestamp_seconds"
"""The gauge of an MX host's certificates, after `mailcanary_mx_`."""

_HOST = re.compile(r"[0-9A-Za-z._:-]{1,253}\Z")
"""A host that is fit for a label value; the host's name comes from a foreign DNS server."""


DELIVERY_FAILURES = {
    Outcome.JUNKED: (Phase.ARRIVAL, Reason.JUNKED),
    Outcome.BOUNCED: (Phase.TRANSIT, Reason.BOUNCED),
    Outcome.LOST: (Phase.TRANSIT, Reason.LOST),
    Outcome.UNTESTABLE: (Phase.ARRIVAL, Reason.UNTESTABLE),
}
"""The failures after the sending; the sending's own failures are counted with its Run."""


def durations(timings: Iterable[PhaseTiming]) -> Mapping[Phase, float]:
    """Seconds spent in each phase; a phase that was gone through twice counts once, with both."""
    total: defaultdict[Phase, float] = defaultdict(float)
    for timing in timings:
        total[timing.phase] += timing.seconds
    return total


def slowest(dialogues: Iterable[Mapping[Phase, float]]) -> Mapping[Phase, float]:
    """Seconds of the slowest dialogue in each phase."""
    longest: dict[Phase, float] = {}
    for dialogue in dialogues:
        for phase, seconds in dialogue.items():
            longest[phase] = max(seconds, longest.get(phase, 0.0))
    return longest


@dataclass(frozen=True, slots=True)
class MxHost:
    """One MX host in the light of all its addresses.

    `up` is None where no address could be tested; `certificate_expiry` (UNIX time) is the earliest
    among the addresses, None where no certificate was seen.
    """

    name: str
    up: bool | None
    addresses: Mapping[Verdict, int]
    seconds: Mapping[Phase, float]
    certificate_expiry: float | None


def mx_host_count(result: ProbeResult) -> int:
    """How many MX hosts the domain has, as far as the run came to know; 0 without any."""
    return len(result.facts.get("mx.hosts", ()))


def mx_hosts(parts: Iterable[Part]) -> tuple[MxHost, ...]:
    """Return the hosts that get series: the first 32 with a name that is fit for a label."""
    by_host: defaultdict[str, list[Part]] = defaultdict(list)
    for part in parts:
        by_host[part.host].append(part)
    fit = [name for name in by_host if _HOST.match(name)]
    return tuple(_mx_host(name, by_host[name]) for name in fit[:MAX_MX_HOSTS])


def mx_gauges(
    job: str, hosts: Iterable[MxHost], phases: Set[Phase]
) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """Return the gauges of a job's hosts: name after `mailcanary_mx_` -> labels -> value.

    `phases` are those that are shown.
    """
    shown: dict[str, dict[tuple[str, ...], float]] = {
        "up": {},
        "addresses": {},
        "phase_seconds": {},
        EXPIRY: {},
    }
    for host in hosts:
        if host.up is not None:
            shown["up"][job, host.name] = int(host.up)
        for verdict, addresses in host.addresses.items():
            shown["addresses"][job, host.name, verdict] = addresses
        for phase in host.seconds.keys() & phases:
            shown["phase_seconds"][job, host.name, phase] = host.seconds[phase]
        if host.certificate_expiry is not None:
            shown[EXPIRY][job, host.name] = host.certificate_expiry
    return shown


def _mx_host(name: str, parts: list[Part]) -> MxHost:
    verdicts = [verdict_of(part.failure) for part in parts]
    up = None if set(verdicts) == {Verdict.UNTESTABLE} else Verdict.OK in verdicts
    expiries = [part.facts.get("tls.certificate_not_after") for part in parts]
    return MxHost(
        name=name,
        up=up,
        addresses=Counter(verdicts),
        seconds=slowest(durations(part.timings) for part in parts),
        certificate_expiry=min((_unix_time(text) for text in expiries if text), default=None),
    )


@lru_cache(maxsize=4096)
def _unix_time(text: str) -> float:
    """Of an instant in ISO 8601; a certificate's is the same run after run."""
    return datetime.fromisoformat(text).timestamp()


def is_lagged(result: ProbeResult) -> bool:
    """Whether our own event loop was late during the run, so that its times are to be doubted."""
    return any(finding.code == LOOP_LAGGED.code for finding in result.findings)


def failure_labels(failure: Failure) -> tuple[str, str, str]:
    """The labels phase, reason and owner."""
    return failure.phase, failure.reason, failure.owner


def delivery_failure(change: Change) -> tuple[str, str, str] | None:
    """Return the labels of this step's failure after the sending; None where there is none.

    An untestable sending is not counted here: its Run was.
    """
    if change.outcome is None or change.outcome not in DELIVERY_FAILURES:
        return None
    if change.outcome is Outcome.UNTESTABLE and change.event is not Event.COULD_NOT_LOOK:
        return None
    phase, reason = DELIVERY_FAILURES[change.outcome]
    failure = change.record.failure
    if failure is not None and failure.reason is reason:
        return failure_labels(failure)
    return phase, reason, owner_of(phase, reason)


def transit_seconds(record: CanaryRecord, round_trip: float) -> float | None:
    """Seconds from the reply to the final dot until the canary was seen.

    None where there was no reply before, or the clock was set back between the two instants.
    """
    if record.accepted_at is None or record.sending_at is None:
        return None
    sending = (record.accepted_at - record.sending_at).total_seconds()
    return max(0.0, round_trip - sending) if sending >= 0 else None
