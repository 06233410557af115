"""Observations: the parts a settled canary or a finished run went through, and how it ended."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile

from exporter.analysis.judgement import Verdict, delivery_verdict, verdict_of
from exporter.model import CanaryRecord, Config, Job, Path, Run
from probes.canary.lifecycle import Outcome
from probes.catalogue import mx, smtp
from probes.records.subject import SubjectKind
from probes.registry.rows import KINDS
from probes.result import Finding, Phase, ProbeResult, Status

KEPT = 8
"""Observations kept of one path or job."""

_PENDING = 512
"""Sendings of one path with an open outcome and remembered hosts, the newest ones."""

_UNUSABLE = (mx.ADDRESS_UNUSABLE.code, smtp.ADDRESS_UNUSABLE.code)
_BEFORE_RCPT = frozenset(takewhile(lambda phase: phase is not Phase.RCPT, Phase))
_HOST = re.compile(r"[0-9A-Za-z._:-]{1,253}\Z")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address that was talked to.

    `host` is the MX host's name in lower case, None where the route has none; `verdict` is None
    where it is that of the whole observation.
    """

    host: str | None
    family: str
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Observation:
    """One settled canary of a path, or one run of a job, which has neither route nor mailbox.

    `at` is when it was sent or began, aware UTC; `tick` tells two of one source apart.
    `is_mailbox_reached` is False if the sending ended before the recipient was named.
    """

    source: str
    tick: int
    at: datetime
    verdict: Verdict
    route: str | None
    mailbox: str | None
    attempts: tuple[Attempt, ...] = ()
    is_mailbox_reached: bool = True


def of_canary(
    record: CanaryRecord, route: str, attempts: tuple[Attempt, ...] = ()
) -> Observation | None:
    """Return the observation of a settled canary; None if it is not settled or was sent by hand.

    A copy that came after its canary was given up tells nothing about the path now.
    """
    if record.outcome is None or record.tick < 0:
        return None
    verdict = delivery_verdict(record, record.outcome)
    if record.outcome is Outcome.RECOVERED:
        verdict = Verdict.UNTESTABLE
    at = record.sending_at or record.planned_at
    return Observation(
        *(record.path, record.tick, at, verdict, route, record.mailbox, attempts),
        is_mailbox_reached=record.failure is None or record.failure.phase not in _BEFORE_RCPT,
    )


def of_run(run: Run) -> Observation:
    """Return the observation of a job's run."""
    result = run.result
    verdict = verdict_of(result.failure)
    return Observation(
        run.name, run.tick, result.started_at, verdict, None, None, attempts_of(result)
    )


def attempts_of(result: ProbeResult) -> tuple[Attempt, ...]:
    """The addresses a run talked to: its parts, or those it gave up and the one it stayed with.

    Only a kind that visits MX hosts has them as its parts. The parts of other kinds are records,
    name servers or addresses that nobody connected to.
    """
    if result.parts:
        kind = KINDS.get(result.kind)
        visited = result.parts if kind is not None and kind.visits_mx_hosts else ()
        made = (_attempt(part.host, part.address, verdict_of(part.failure)) for part in visited)
        return tuple(attempt for attempt in made if attempt is not None)
    given_up = dict(_given_up(result.findings))
    host, address = result.facts.get("mx.host"), result.facts.get("address")
    attempts = [_attempt(*place, verdict) for place, verdict in given_up.items()]
    if (host, address) not in given_up:
        attempts.append(_attempt(host, address, None))
    return tuple(attempt for attempt in attempts if attempt is not None)


def _given_up(findings: Iterable[Finding]) -> Iterator[tuple[tuple[str | None, str], Verdict]]:
    """The addresses given up. A relay that a route hands over to is no MX host: it has no name."""
    for finding in findings:
        place = finding.subject
        if finding.code in _UNUSABLE and place.kind is SubjectKind.PLACE:
            is_ours = finding.status is Status.UNTESTABLE
            verdict = Verdict.UNTESTABLE if is_ours else Verdict.FAILED
            host = place.host if finding.code == mx.ADDRESS_UNUSABLE.code else None
            yield (host, place.address), verdict


@lru_cache(maxsize=4096)
def _attempt(host: str | None, address: str | None, verdict: Verdict | None) -> Attempt | None:
    """Return one shared value for equal addresses, so that a thousand paths share a few; None: no
    address.

    Where a name did not resolve nothing can be said of a host. A name that is no name is left out:
    another DNS server decides about it.
    """
    if address is None or (host is not None and not _HOST.match(host)):
        return None
    name = None if host is None else host.lower().rstrip(".")
    return Attempt(name, "IPv6" if ":" in address else "IPv4", verdict)


def horizon(entry: Path | Job) -> timedelta:
    """How far back an observation of it still speaks of now."""
    settling = 2 * entry.lost_after if isinstance(entry, Path) else 0.0
    return timedelta(seconds=KEPT * entry.every + settling + entry.deadline)


class RecentObservations:
    """The last KEPT observations of every configured path and job, fed as they happen."""

    def __init__(self) -> None:
        self._entries: Mapping[str, Path | Job] = {}
        self._kept: dict[str, deque[Observation]] = {}
        self._pending: dict[str, dict[int, tuple[Attempt, ...]]] = {}

    def configure(self, config: Config) -> None:
        """Follow the configured names; forget those that are gone or take another way."""
        entries: dict[str, Path | Job] = {**config.jobs, **config.paths}
        for name, old in self._entries.items():
            if entries.get(name) != old:
                self._kept.pop(name, None)
                self._pending.pop(name, None)
        self._entries = entries

    def settled(self, record: CanaryRecord) -> None:
        """A canary's state changed; only an outcome matters, the latest one counts."""
        path = self._entries.get(record.path)
        if not isinstance(path, Path):
            return
        pending = self._pending.get(record.path, {})
        observation = of_canary(record, path.route.name, pending.get(record.tick, ()))
        if observation is None:
            return
        pending.pop(record.tick, None)
        self._keep(observation)

    def finished(self, run: Run) -> None:
        """A run of a job, or the sending of a canary that is settled before or after it."""
        entry = self._entries.get(run.name)
        if entry is None or run.tick < 0:
            return
        if isinstance(entry, Job):
            self._keep(of_run(run))
            return
        attempts = attempts_of(run.result)
        known = self._kept.get(run.name, ())
        same = next((one for one in known if one.tick == run.tick), None)
        if same is not None:
            self._keep(replace(same, attempts=attempts))
        elif attempts:
            pending = self._pending.setdefault(run.name, {})
            pending[run.tick] = attempts
            while len(pending) > _PENDING:
                del pending[next(iter(pending))]

    def _keep(self, observation: Observation) -> None:
        """Add it, or replace the earlier observation of the same canary."""
        kept = self._kept.setdefault(observation.source, deque(maxlen=KEPT))
        for index, one in enumerate(kept):
            if one.tick == observation.tick:
                attempts = observation.attempts or one.attempts
                kept[index] = replace(observation, attempts=attempts)
                return
        kept.append(observation)

    def at(self, now: datetime) -> list[Observation]:
        """Return the observations that are recent enough to tell about now."""
        return [
            one
            for name, kept in self._kept.items()
            for one in kept
            if now - one.at <= horizon(self._entries[name])
        ]
