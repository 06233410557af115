"""`mailcanary show`: everything that is kept of one canary, or of one run of a job."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from exporter.advice import Standpoint, standpoint_options
from exporter.ledger.encoding import decode_finding
from exporter.ledger.reader import LedgerReader
from exporter.ledger.snapshots import CHANGES_KEPT
from exporter.model import CanaryRecord, Config, Job, Path, TargetChange
from exporter.snapshots import LastGood
from probes.canary.message import MARKER
from probes.catalogue import ENTRIES, owner_of_finding
from probes.catalogue.failures import failure_entry
from probes.registry import KINDS
from probes.result import Failure, Finding, Part, Phase, ProbeResult, Status, to_json

STORY_VERSION = 1
"""The version of the documents that `story_json` makes."""

_SOME = 6


@dataclass(frozen=True, slots=True)
class Story:
    """One canary, or one run of a job (then `record` is None).

    `result` is its sending, None where that is not kept (any more); `evidence` are the documents of
    docs/json.md, the first copy first; `route` is None for a path that is no longer configured.
    `changes` is what a job's run found changed about its target; `last_good`, of the newest run
    only, what is different since the target was good. `standpoint` is from where it was asked.
    """

    name: str
    route: str | None
    record: CanaryRecord | None
    result: ProbeResult | None
    evidence: tuple[dict[str, Any], ...]
    changes: tuple[TargetChange, ...] = ()
    last_good: LastGood | None = None
    standpoint: Standpoint = field(default_factory=Standpoint)


class UnknownRun(LookupError):
    """Nothing is kept under that name; the message says what is."""


def take_story(reader: LedgerReader, config: Config, run: str) -> Story:
    """Find it by a token or the beginning of one, by NAME/TICK, or by NAME, which is the newest.

    Raises UnknownRun and LedgerError.
    """
    name, separator, tick = run.partition("/")
    if name in config.jobs:
        story = _job_story(reader, name, tick if separator else None)
        return replace(story, standpoint=_of_job(config, config.jobs[name]))
    if name in config.paths:
        return _canary_story(reader, config, _of_path(reader, name, tick if separator else None))
    return _canary_story(reader, config, _by_token(reader, run))


def _by_token(reader: LedgerReader, run: str) -> CanaryRecord:
    wanted = run.strip().strip("<>").partition("@")[0].lower()
    if not wanted:
        raise UnknownRun("an empty name names no run")
    beginning = wanted if wanted.startswith(MARKER) else MARKER + wanted
    found = reader.beginning_with(beginning, _SOME)
    if len(found) > 1:
        listed = ", ".join(record.token for record in found)
        raise UnknownRun(f"{run!r} begins several tokens: {listed}")
    if not found:
        raise UnknownRun(f"no canary's token begins with {run!r}, and no path or job is called so")
    return found[0]


def _of_path(reader: LedgerReader, name: str, tick: str | None) -> CanaryRecord:
    if tick is None:
        newest = reader.recent(name, 1)
        if not newest:
            raise UnknownRun(f"no canary of {name!r} is kept")
        return newest[0]
    number = _tick(name, tick)
    record = reader.at_tick(name, number)
    if record is None:
        raise UnknownRun(f"no canary {number} of {name!r} is kept")
    return record


def _job_story(reader: LedgerReader, name: str, tick: str | None) -> Story:
    newest = next(iter(reader.runs(name, 1)), None)
    run = newest if tick is None else reader.run_at(name, _tick(name, tick))
    if run is None:
        raise UnknownRun(f"no such run of {name!r} is kept")
    is_newest = newest is not None and newest.tick == run.tick
    return Story(
        *(name, None, None, run.result, ()),
        changes=tuple(one for one in reader.changes(name, CHANGES_KEPT) if one.tick == run.tick),
        last_good=reader.last_good(name) if is_newest else None,
    )


def _tick(name: str, text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19):
        raise UnknownRun(f"{text!r} is no number of a run of {name!r}")
    return int(text)


def _canary_story(reader: LedgerReader, config: Config, record: CanaryRecord) -> Story:
    run = reader.run_at(record.path, record.tick)
    path = config.paths.get(record.path)
    return Story(
        record.path,
        None if path is None else path.route.name,
        record,
        None if run is None else run.result,
        reader.evidence(record.token),
        standpoint=Standpoint() if path is None else _of_route(config, path),
    )


def failure_remedy(story: Story, failure: Failure) -> str:
    """What to do about what stopped the sending, or the run of a job."""
    parts = () if story.result is None else story.result.parts
    part = next((one for one in parts if one.failure and _is_same(one.failure, failure)), None)
    subject = story.standpoint.server or story.standpoint.domain
    if part is not None:
        subject = part.subject
    text = failure_entry(failure.phase, failure.reason).remedy
    return story.standpoint.remedy(text, subject, part)


def _is_same(one: Failure, other: Failure) -> bool:
    return (one.phase, one.reason) == (other.phase, other.reason)


def _of_job(config: Config, job: Job) -> Standpoint:
    domain = KINDS[job.kind].host(job.target)
    return _standpoint(config, domain, standpoint_options(job.target), job.name)


def _of_route(config: Config, path: Path) -> Standpoint:
    options = {**standpoint_options(path.route.target), "mail_from": path.message.mail_from}
    domain = path.message.rcpt_to.rpartition("@")[2]
    options |= {"recipient": path.message.rcpt_to}
    found = _standpoint(config, domain, options, "")
    return replace(found, server=str(getattr(path.route.target, "host", "")))


def _standpoint(config: Config, domain: str, options: Mapping[str, Any], job: str) -> Standpoint:
    """From where the service asks; a target's own options go before those of the service."""
    service = config.service
    source = options.get("source_address") or service.source_address
    resolver = next(iter(service.resolvers or ()), None)
    server = None if resolver is None else (str(resolver.address), int(resolver.port))
    options = {**options, "source_address": source}
    return Standpoint(domain, options, service.ehlo_name, server, job=job)


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the way from DNS to the mailbox, in seconds from the beginning of the sending.

    It began between `begin` and `begun`, and ended between `ended` and `end`. For what we timed
    ourselves both are one; for a relay they are as far apart as all the clocks leave open.
    """

    name: str
    begin: float
    begun: float
    ended: float
    end: float
    is_hop: bool = False
    is_slowest: bool = False
    is_failed: bool = False

    @property
    def shortest(self) -> float:
        """How long it took at least."""
        return max(0.0, self.ended - self.begun)

    @property
    def longest(self) -> float:
        """How long it took at most."""
        return max(0.0, self.end - self.begin)


def timeline(story: Story) -> tuple[Step, ...]:
    """What we timed, the hops between the final dot and the copy, and the look that found it."""
    result, record = story.result, story.record
    steps = [] if result is None else _timed(result)
    if record is None or record.round_trip is None:
        return (*steps, *_in_vain(record, _end_of_data(result)))
    resolution = min(record.resolution or 0.0, record.round_trip)
    last_look = record.round_trip - resolution
    accepted = _end_of_data(result)
    hops = _hops(story.evidence, record, _begin_of_mail(result), accepted)
    steps += hops
    low, high = (hops[-1].ended, hops[-1].end) if hops else (accepted or 0.0, accepted or 0.0)
    low, high = min(low, record.round_trip), min(high, record.round_trip)
    arrived_from = max(low, last_look)
    if hops or accepted is not None:  # from the last hop that is told, or from our final dot
        trip = record.round_trip
        steps.append(Step(Phase.TRANSIT, low, high, arrived_from, trip, is_hop=True))
    steps.append(
        Step(Phase.ARRIVAL, arrived_from, arrived_from, record.round_trip, record.round_trip)
    )
    return tuple(steps)


def _in_vain(record: CanaryRecord | None, accepted: float | None) -> Iterable[Step]:
    """How long a canary was waited for that was taken over and did not come."""
    if record is None or record.settled_at is None or record.sending_at is None:
        return
    waited = (record.settled_at - record.sending_at).total_seconds()
    if accepted is not None and record.accepted_at is not None and waited > accepted:
        yield Step(Phase.TRANSIT, accepted, accepted, waited, waited, is_failed=True)


def _timed(result: ProbeResult) -> list[Step]:
    failure, last = result.failure, len(result.timings) - 1
    return [
        Step(
            timing.phase,
            timing.start,
            timing.start,
            timing.start + timing.seconds,
            timing.start + timing.seconds,
            is_failed=failure is not None and number == last and failure.phase is timing.phase,
        )
        for number, timing in enumerate(result.timings)
    ]


def _end_of_data(result: ProbeResult | None) -> float | None:
    timings = () if result is None else result.timings
    ends = [one.start + one.seconds for one in timings if one.phase is Phase.END_OF_DATA]
    return ends[-1] if ends else None


def _begin_of_mail(result: ProbeResult | None) -> float:
    """From when on the first relay can have stamped the message."""
    timings = () if result is None else result.timings
    begins = [one.start for one in timings if one.phase is Phase.MAIL]
    return begins[-1] if begins else 0.0


def _hops(
    evidence: Sequence[Mapping[str, Any]],
    record: CanaryRecord,
    begin_of_mail: float,
    accepted: float | None,
) -> list[Step]:
    """Where on our clock each relay of the first copy can have stamped it."""
    if not evidence or record.sending_at is None or record.round_trip is None:
        return []
    steps: list[Step] = []
    low, high = begin_of_mail, accepted if accepted is not None else record.round_trip
    for hop in evidence[0]["hops"]:
        before = (low, high)
        low, high = _instant(hop, record.sending_at, before, is_first=not steps)
        high = min(high, record.round_trip)
        low = min(low, high)
        name = f"hop {hop['position']} {hop['by'] or hop['from'] or ''}".rstrip()
        begin, begun = before if steps else (low, low)
        is_slowest = hop["position"] == evidence[0]["slowest_hop"]
        steps.append(Step(name, begin, begun, low, high, is_hop=True, is_slowest=is_slowest))
    return steps


def _instant(
    hop: Mapping[str, Any], began: datetime, before: tuple[float, float], *, is_first: bool
) -> tuple[float, float]:
    """Between which seconds the hop was reached: by its delay, and by its own clock if told."""
    low, high = before
    delay, offset = hop["delay_seconds"], hop["clock_offset_seconds"]
    if not is_first:
        most = None if delay is None else delay["max"]
        low += 0.0 if delay is None else delay["min"]
        high = float("inf") if most is None else high + most
    stamp = None if hop["date"] is None else datetime.fromisoformat(hop["date"])
    if stamp is not None and stamp.tzinfo is not None and offset is not None:
        seconds = (stamp - began).total_seconds()
        low = max(low, seconds - offset["max"])
        high = min(high, seconds + 1.0 - offset["min"])
    return low, max(low, high)


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding with what the catalogue says of it; empty texts for a code it does not know."""

    finding: Finding
    owner: str
    summary: str
    why: str
    remedy: str
    verify: str


def advice(story: Story) -> tuple[Advice, ...]:
    """Every finding of the sending, its parts and its copies, once, the gravest first."""
    found: dict[tuple[str, str], _Found] = {}
    for finding, part in (*_of_result(story.result), *_of_evidence(story.evidence)):
        found.setdefault((finding.code, finding.subject), (finding, part))
    order = list(Status)
    grave = sorted(found.values(), key=lambda one: order.index(one[0].status), reverse=True)
    standpoint = story.standpoint
    if story.result is not None:
        standpoint = replace(standpoint, parts=story.result.parts, facts=story.result.facts)
    return tuple(_advise(finding, part, standpoint) for finding, part in grave)


_Found = tuple[Finding, Part | None]
"""A finding and the part it was made in."""


def _of_result(result: ProbeResult | None) -> Iterator[_Found]:
    if result is not None:
        yield from ((finding, None) for finding in result.findings)
        yield from ((finding, part) for part in result.parts for finding in part.findings)


def _of_evidence(evidence: Iterable[Mapping[str, Any]]) -> Iterator[_Found]:
    for document in evidence:
        for one in document["findings"]:
            yield decode_finding(one), None


def _advise(finding: Finding, part: Part | None, standpoint: Standpoint) -> Advice:
    entry = ENTRIES.get(finding.code)
    owner = owner_of_finding(finding)
    if entry is None:
        return Advice(finding, owner, "", "", "", "")
    return Advice(
        finding,
        owner,
        entry.summary,
        entry.why,
        standpoint.remedy(entry.remedy, finding.subject, part),
        "\n".join(standpoint.commands(entry.verify, finding.subject, part)),
    )


def story_json(story: Story) -> dict[str, Any]:
    """The document of `show --json`; see STORY_VERSION."""
    return {
        "version": STORY_VERSION,
        "name": story.name,
        "route": story.route,
        "canary": to_json(story.record),
        "result": to_json(story.result),
        "timeline": [_step_json(step) for step in timeline(story)],
        "evidence": list(story.evidence),
        "findings": [_advice_json(one) for one in advice(story)],
        "changes": to_json(story.changes),
        "last_good": to_json(story.last_good),
    }


def _step_json(step: Step) -> dict[str, Any]:
    return {
        "name": str(step.name),
        "began": {"min": step.begin, "max": step.begun},
        "ended": {"min": step.ended, "max": step.end},
        "is_hop": step.is_hop,
        "is_slowest": step.is_slowest,
        "is_failed": step.is_failed,
    }


def _advice_json(one: Advice) -> dict[str, Any]:
    document: dict[str, Any] = to_json(one.finding)
    texts = {name: getattr(one, name) for name in ("summary", "why", "remedy", "verify")}
    return document | {"owner": str(one.owner)} | texts
