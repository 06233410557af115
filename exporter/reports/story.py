"""`mailcanary show`: everything that is kept of one canary, or of one run of a job."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.analysis.judgement import PathState, state_of_canary, state_of_result
from exporter.analysis.latency import DEFAULT_PAUSE, is_measured, usual_pause
from exporter.analysis.target_changes import LastGood
from exporter.ledger.canary_findings import canary_findings
from exporter.ledger.encoding import decode_finding
from exporter.ledger.reader import LedgerReader
from exporter.ledger.snapshots import CHANGES_KEPT
from exporter.model import CanaryRecord, Config, Job, Path, TargetChange
from exporter.reports.advice import JOB_OPTIONS, PATH_OPTIONS, Vantage, vantage_options
from exporter.reports.exit_codes import STATE_CODES, ExitCode
from probes.canary.message import MARKER, marker_of
from probes.catalogue import ENTRIES, owner_of_finding
from probes.catalogue.failures import failure_remedy as catalogued_remedy
from probes.records.subject import Subject
from probes.registry.rows import KINDS
from probes.result import Failure, Finding, Part, ProbeResult, Reason, Status

_SOME = 6


@dataclass(frozen=True, slots=True)
class Story:
    """One canary, or one run of a job (then `record` is None).

    `result` is its sending, None where that is not kept (any more). `evidence` are the documents of
    docs/json.md, the first copy first. `route` is None for a path that is no longer configured.
    `changes` are those that a job's run found in its target. `last_good`, of the newest run only,
    has the differences since the target was good. `vantage` holds the values for its texts, `team`
    is the one to call. `pause` is how many seconds lie between two looks at the mailbox.
    """

    name: str
    route: str | None
    record: CanaryRecord | None
    result: ProbeResult | None
    evidence: tuple[dict[str, Any], ...]
    changes: tuple[TargetChange, ...] = ()
    last_good: LastGood | None = None
    vantage: Vantage = field(default_factory=Vantage)
    team: str | None = None
    pause: float = DEFAULT_PAUSE

    @property
    def is_measured(self) -> bool:
        """True for a canary with a round trip that no gap of ours hides."""
        return self.record is not None and is_measured(self.record, self.pause)


class UnknownRun(LookupError):
    """Raised where nothing is kept under that name; the message gives the reason."""


def take_story(reader: LedgerReader, config: Config, run: str) -> Story:
    """Find it by a token or the beginning of one, by NAME/TICK, or by NAME, which is the newest.

    Raises UnknownRun and LedgerError.
    """
    name, separator, tick = run.partition("/")
    if name in config.jobs:
        story = _job_story(reader, name, tick if separator else None)
        job = config.jobs[name]
        return replace(story, vantage=_of_job(config, job), team=job.team)
    if name in config.paths:
        return _canary_story(reader, config, _of_path(reader, name, tick if separator else None))
    return _canary_story(reader, config, _by_token(reader, run, config.service.site))


def _by_token(reader: LedgerReader, run: str, site: str) -> CanaryRecord:
    wanted = run.strip().strip("<>").partition("@")[0].lower()
    if not wanted:
        raise UnknownRun("an empty name names no run")
    markers = ("",) if wanted.startswith(MARKER) else dict.fromkeys((MARKER, marker_of(site)))
    found = [one for m in markers for one in reader.beginning_with(m + wanted, _SOME)]
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
        vantage=Vantage() if path is None else _of_route(config, path),
        team=None if path is None else path.team,
        pause=usual_pause(None if path is None else path.mailbox),
    )


def story_now(
    config: Config, name: str, record: CanaryRecord | None, result: ProbeResult | None
) -> Story:
    """The story of a run that has just ended, of a path or a job of the configuration."""
    if name in config.jobs:
        return Story(name, None, None, result, (), vantage=_of_job(config, config.jobs[name]))
    path = config.paths[name]
    return Story(name, path.route.name, record, result, (), vantage=_of_route(config, path))


def failure_remedy(story: Story, failure: Failure) -> str:
    """Return the remedy for the failure of the sending, or of the run of a job."""
    parts = () if story.result is None else story.result.parts
    part = next((one for one in parts if one.failure and _is_same(one.failure, failure)), None)
    facts = {} if story.result is None else story.result.facts
    taken_by = facts.get("handover.host") if failure.reason is Reason.LOST else None
    subject = Subject.of(str(taken_by or story.vantage.server or story.vantage.domain))
    if part is not None:
        subject = part.subject
    return story.vantage.remedy(catalogued_remedy(failure), subject, part)


def _is_same(one: Failure, other: Failure) -> bool:
    return (one.phase, one.reason) == (other.phase, other.reason)


def _of_job(config: Config, job: Job) -> Vantage:
    domain = KINDS[job.kind].host(job.target)
    return _vantage(config, domain, vantage_options(job.target), job.name)


def _of_route(config: Config, path: Path) -> Vantage:
    options = {**vantage_options(path.route.target), "mail_from": path.message.mail_from}
    domain = path.message.rcpt_to.rpartition("@")[2]
    options |= {"recipient": path.message.rcpt_to}
    found = _vantage(config, domain, options, "")
    return replace(found, server=str(getattr(path.route.target, "host", "")))


def _vantage(config: Config, domain: str, options: Mapping[str, Any], job: str) -> Vantage:
    """From where the service asks; a target's own options go before those of the service."""
    service = config.service
    source = options.get("source_address") or service.source_address
    resolver = next(iter(service.resolvers or ()), None)
    server = None if resolver is None else (str(resolver.address), int(resolver.port))
    options = {**options, "source_address": source}
    names = JOB_OPTIONS if job else PATH_OPTIONS
    return Vantage(domain, options, service.ehlo_name, server, job=job, names=names)


@dataclass(frozen=True, slots=True)
class Advice:
    """A finding with its texts of the catalogue; they are empty for an unknown code."""

    finding: Finding
    owner: str
    summary: str
    why: str
    remedy: str
    verify: str


def advice(story: Story) -> tuple[Advice, ...]:
    """Every finding of the sending, its parts and its copies, once, the gravest first."""
    found: dict[tuple[str, Subject], _Found] = {}
    for finding, part in (*_of_result(story.result), *_of_evidence(story.evidence)):
        found.setdefault((finding.code, finding.subject), (finding, part))
    order = list(Status)
    grave = sorted(found.values(), key=lambda one: order.index(one[0].status), reverse=True)
    vantage = story.vantage
    if story.result is not None:
        vantage = replace(vantage, parts=story.result.parts, facts=story.result.facts)
    return tuple(_advise(finding, part, vantage) for finding, part in grave)


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


def _advise(finding: Finding, part: Part | None, vantage: Vantage) -> Advice:
    entry = ENTRIES.get(finding.code)
    owner = owner_of_finding(finding)
    if entry is None:
        return Advice(finding, owner, "", "", "", "")
    return Advice(
        finding,
        owner,
        entry.summary,
        entry.why,
        vantage.remedy(entry.remedy, finding.subject, part),
        "\n".join(vantage.commands(entry.verify, finding.subject, part)),
    )


def story_state(story: Story) -> PathState:
    """Judge the canary, or the job's result."""
    if story.record is not None:
        found = canary_findings(story.result, story.evidence)
        return state_of_canary(story.record, found)
    return PathState.UNKNOWN if story.result is None else state_of_result(story.result)


def story_code(story: Story) -> ExitCode:
    """The exit code the canary, or the job's result, deserves."""
    return STATE_CODES[story_state(story)]
