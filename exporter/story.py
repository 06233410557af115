"""`mailcanary show`: everything that is kept of one canary, or of one run of a job."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from exporter.ledger_reading import CHANGES_KEPT, LedgerReader
from exporter.model import CanaryRecord, Config, TargetChange
from exporter.snapshots import LastGood
from probes.canary.message import MARKER
from probes.catalogue import ENTRIES, filled, owner_of_finding
from probes.result import Finding, Phase, ProbeResult, Status, to_json

STORY_VERSION = 1
"""The version of the documents that `story_json` makes."""

_SOME = 6
_PLACE = re.compile(r"(?P<host>\S{1,253}) \[(?P<address>[0-9A-Fa-f:.]{2,45})\]\Z")


@dataclass(frozen=True, slots=True)
class Story:
    """One canary, or one run of a job (then `record` is None).

    `result` is its sending, None where that is not kept (any more); `evidence` are the documents of
    docs/json.md, the first copy first; `route` is None for a path that is no longer configured.
    `changes` is what a job's run found changed about its target; `last_good`, of the newest run
    only, what is different since the target was good.
    """

    name: str
    route: str | None
    record: CanaryRecord | None
    result: ProbeResult | None
    evidence: tuple[dict[str, Any], ...]
    changes: tuple[TargetChange, ...] = ()
    last_good: LastGood | None = None


class UnknownRun(LookupError):
    """Nothing is kept under that name; the message says what is."""


def take_story(reader: LedgerReader, config: Config, run: str) -> Story:
    """Find it by a token or the beginning of one, by NAME/TICK, or by NAME, which is the newest.

    Raises UnknownRun and LedgerError.
    """
    name, separator, tick = run.partition("/")
    if name in config.jobs:
        return _job_story(reader, name, tick if separator else None)
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
    )


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
    found: dict[tuple[str, str], Finding] = {}
    for finding in (*_of_result(story.result), *_of_evidence(story.evidence)):
        found.setdefault((finding.code, finding.subject), finding)
    order = list(Status)
    grave = sorted(found.values(), key=lambda one: order.index(one.status), reverse=True)
    return tuple(map(_advise, grave))


def _of_result(result: ProbeResult | None) -> Iterable[Finding]:
    if result is None:
        return ()
    return (*result.findings, *(one for part in result.parts for one in part.findings))


def _of_evidence(evidence: Iterable[Mapping[str, Any]]) -> Iterable[Finding]:
    for document in evidence:
        for one in document["findings"]:
            yield Finding(**(dict(one) | {"status": Status(one["status"])}))


def _advise(finding: Finding) -> Advice:
    entry = ENTRIES.get(finding.code)
    owner = owner_of_finding(finding)
    if entry is None:
        return Advice(finding, owner, "", "", "", "")
    known = {"subject": finding.subject}
    place = _PLACE.match(finding.subject)
    known |= {} if place is None else place.groupdict()
    texts = (entry.summary, entry.why, entry.remedy, entry.verify)
    return Advice(finding, owner, *(filled(text, known) for text in texts))


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
