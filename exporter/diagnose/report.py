"""A diagnosis as it is told: one value for the text, Markdown and HTML forms."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from exporter.diagnose.comparison import Compared, compared
from exporter.diagnose.diagnosis import MAX_TRANSCRIPT, Diagnosis
from exporter.diagnose.facts import Seen, seen
from exporter.diagnose.headline import Headline, headline
from exporter.diagnose.problems import MAX_CASES, Case, Problem, problems
from exporter.diagnose.request import manner
from exporter.diagnose.verdicts import area_code, gravest, verdict
from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import instant, milliseconds, owner_words
from probes.catalogue import sender
from probes.kinds.policy.consequences import Sender
from probes.net import Net
from probes.result import Status, one_line
from probes.trace import Line

GRAVE = (Status.FAILURE, Status.WARNING, Status.UNTESTABLE)
_TOLD = (*GRAVE, Status.NOTICE)
_SENDERS = {
    Sender.OPPORTUNISTIC: "verifies nothing",
    Sender.MTA_STS: "honours MTA-STS",
    Sender.DANE: "honours DANE",
    Sender.REQUIRETLS: "requires TLS",
}
SENDERS = "Mail from a sender that ..."
"""Heading of the outcomes."""


@dataclass(frozen=True, slots=True)
class AreaLine:
    """The verdict of one area."""

    code: ExitCode
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SenderLine:
    """The outcome for mail of one kind of sender."""

    sender: str
    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told of one diagnosis, in its order.

    `told` are the problems with remedies, `remarks` those that need none. `since_good` is the
    comparison with the jobs of a service. `transcript` are the lines of SMTP sessions.
    """

    headline: Headline
    manner: str
    areas: tuple[AreaLine, ...]
    senders: tuple[SenderLine, ...]
    since_good: tuple[Compared, ...]
    told: tuple[Problem, ...]
    remarks: tuple[Problem, ...]
    seen: tuple[tuple[str, tuple[Seen, ...]], ...]
    transcript: tuple[str, ...]
    ended: str

    @property
    def grave(self) -> tuple[Problem, ...]:
        """The problems that a brief form names."""
        return tuple(one for one in self.told if one.status in GRAVE)


def report_of(diagnosis: Diagnosis, net: Net) -> Report:
    """Return the report."""
    found = problems(diagnosis, net)
    ended = "interrupted" if diagnosis.is_interrupted else "done"
    at = f"{instant(diagnosis.started_at)}, {ended} after {milliseconds(diagnosis.seconds)}"
    note = f"; {diagnosis.request.note}" if diagnosis.request.note else ""
    return Report(
        headline(diagnosis, found),
        f"{manner(diagnosis.request)}{note}",
        tuple(_areas(diagnosis)),
        tuple(_senders(diagnosis)),
        compared(diagnosis),
        tuple(one for one in found if one.status in _TOLD),
        tuple(one for one in found if one.status not in _TOLD),
        tuple(seen(diagnosis)),
        tuple(_transcript(diagnosis.transcript)),
        at,
    )


def code_of(reports: tuple[Report, ...]) -> ExitCode:
    """The exit code of several diagnoses: the gravest."""
    return gravest({one.headline.code for one in reports})


def closing(reports: tuple[Report, ...]) -> str:
    """Return the last line of several diagnoses: how many ended how."""
    counts = [
        (sum(one.headline.code is code for one in reports), word)
        for code, word in (
            (ExitCode.FAILURE, "FAILURE"),
            (ExitCode.WARNING, "WARNING"),
            (ExitCode.UNTESTABLE, "UNTESTABLE"),
            (ExitCode.OK, "OK"),
        )
    ]
    told = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{len(reports)} domains: {told}"


def _areas(diagnosis: Diagnosis) -> Iterator[AreaLine]:
    request = diagnosis.request
    for one in diagnosis.areas:
        said = one_line(verdict(one, request.domain, request.subject))
        yield AreaLine(area_code(one), one.area.title, said)


def _senders(diagnosis: Diagnosis) -> Iterator[SenderLine]:
    """Yield the outcome for each kind of sender of mail for the domain now, with its reason."""
    facts = {name: fact for one in diagnosis.areas for name, fact in one.result.facts.items()}
    if f"consequence.{Sender.OPPORTUNISTIC}" not in facts:
        return
    for one, words in _SENDERS.items():
        outcome = str(facts[f"consequence.{one}"]).replace("_", " ")
        yield SenderLine(words, outcome, one_line(str(facts[f"consequence.{one}.why"])))


def _transcript(lines: tuple[Line, ...]) -> Iterator[str]:
    """Yield the sessions one after the other, each under its place."""
    places = dict.fromkeys((line.host or "", line.address or "") for line in lines)
    for host, address in places:
        yield one_line(f"{host} [{address}]" if address else host)
        for line in lines:
            if (line.host or "", line.address or "") == (host, address):
                yield f"  {line.at:7.3f} s  {one_line(line.text)}"
    if len(lines) >= MAX_TRANSCRIPT:
        yield f"only the first {MAX_TRANSCRIPT} lines are kept"


def case_lines(problem: Problem) -> Iterator[tuple[str, str]]:
    """Yield subject and evidence of the first cases, and how many more there are."""
    for case in problem.cases[:MAX_CASES]:
        yield case.subject, case.evidence
    if len(problem.cases) > MAX_CASES:
        yield "", f"and {len(problem.cases) - MAX_CASES} more"


def advice_lines(problem: Problem) -> Iterator[tuple[str, str]]:
    """Yield name and text of what there is to say of a problem."""
    if problem.why:
        yield "why", problem.why
    if problem.remedy:
        yield "do", problem.remedy
    if problem.visible_by is not None and problem.status is not Status.INFO:
        yield "then", f"everybody sees it by {instant(problem.visible_by)}, if done now"


def about(problem: Problem) -> str:
    """Return status, code and owner in a line."""
    return f"{problem.status} · {problem.code} · owner: {owner_words(problem.owner)}"


def remark(problem: Problem) -> str:
    """Return a problem that needs no remedy, in a line."""
    cases = problem.cases[:MAX_CASES]
    told = ", ".join(case.subject for case in cases)
    if problem.code == sender.NOT_EXAMINED.code:  # its evidence names the option
        told = "; ".join(_by_evidence(cases))
    return f"{problem.summary}: {told} ({problem.code})"


def _by_evidence(cases: Iterable[Case]) -> Iterator[str]:
    """Yield each evidence once, behind all that it is about."""
    subjects: dict[str, list[str]] = {}
    for case in cases:
        subjects.setdefault(case.evidence, []).append(case.subject)
    for evidence, those in subjects.items():
        yield f"{', '.join(those)}: {evidence}"


def good_run(one: Compared) -> str:
    """Return the name of the run that a diagnosis is compared with."""
    when = "" if one.good_at is None else f" of {instant(one.good_at)}"
    return f"the good run{when} (job {one.job})"
