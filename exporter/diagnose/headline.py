"""The verdict of a whole diagnosis in one line: the first line of every form, and the last."""

from dataclasses import dataclass

from exporter.diagnose import taking
from exporter.diagnose.diagnosis import AreaResult, Diagnosis
from exporter.diagnose.problems import Problem
from exporter.diagnose.verdicts import (
    area_code,
    ending,
    exit_code,
    not_tested,
    takes_no_mail,
    verdict,
)
from exporter.reports.exit_codes import ExitCode
from probes.catalogue.failures import failure_entry
from probes.mx.recipients import Answer
from probes.result import Status, one_line

WORDS = {
    ExitCode.OK: "OK",
    ExitCode.WARNING: "WARNING",
    ExitCode.FAILURE: "FAILURE",
    ExitCode.UNTESTABLE: "UNTESTABLE",
}
"""The words of the exit codes."""

_STATUSES = {
    ExitCode.FAILURE: (Status.FAILURE,),
    ExitCode.WARNING: (Status.WARNING,),
    ExitCode.UNTESTABLE: (Status.UNTESTABLE, Status.FAILURE),
}


@dataclass(frozen=True, slots=True)
class Headline:
    """What was diagnosed, how it ended, and the weightiest of the reasons."""

    subject: str
    code: ExitCode
    clause: str

    @property
    def word(self) -> str:
        """The exit code for people."""
        return WORDS[self.code]

    def __str__(self) -> str:
        return f"{self.subject}: {self.word}: {self.clause}"


def headline(diagnosis: Diagnosis, found: tuple[Problem, ...]) -> Headline:
    """Return it; `found` are the problems, the gravest first."""
    code = exit_code(diagnosis)
    clause = _clause(diagnosis, found, code)
    if diagnosis.is_interrupted:
        clause = f"interrupted; {clause}"
    return Headline(diagnosis.request.subject, code, one_line(clause))


def _clause(diagnosis: Diagnosis, found: tuple[Problem, ...], code: ExitCode) -> str:
    if diagnosis.basis is not None:
        return _lower(_of_basis(diagnosis))
    request = diagnosis.request
    gravest = [one for one in diagnosis.areas if area_code(one) is code]
    if not gravest:
        return "nothing was tested"
    first = gravest[0]
    said = _of_mail(first) if first.area.counts_addresses else ""
    told = said or _of_problems(found, first, code)
    told = told or _lower(verdict(first, request.domain, request.subject).removesuffix("."))
    return f"mail is taken; {told}" if not said and _is_mail_taken(diagnosis) else told


def _is_mail_taken(diagnosis: Diagnosis) -> bool:
    answers = (taking.taking(one.result) for one in diagnosis.areas if one.area.counts_addresses)
    return any(one is not None and one.answer is Answer.ACCEPTED for one in answers)


def _of_basis(diagnosis: Diagnosis) -> str:
    failure = diagnosis.basis
    if failure is None:
        raise ValueError("every area could be run")
    if not failure.is_untestable:
        return ending(failure, "the domain")
    return failure_entry(failure.phase, failure.reason).summary


def _of_mail(one: AreaResult) -> str:
    """Return what was seen of the taking of mail, "" where something else is to be told."""
    if takes_no_mail(one.result):
        return "takes no mail, by its own word (null MX)"
    answer = taking.taking(one.result)
    if one.result.failure is not None or not_tested(one) is not None:
        return ""
    if answer is not None:
        is_told = answer.answer is Answer.REFUSED or area_code(one) in (ExitCode.OK, answer.code)
        return f"mail {answer.clause}" if is_told else ""
    is_good = area_code(one) is ExitCode.OK
    return "answers the handshake; whether it takes mail was not asked" if is_good else ""


def _of_problems(found: tuple[Problem, ...], first: AreaResult, code: ExitCode) -> str:
    """Return the first problem of an area of that gravity, and how many there are in all areas."""
    alike = [one for one in found if one.status in _STATUSES.get(code, ())]
    told = [one for one in alike if one.area == first.area.name]
    if not told:
        return ""
    rest = len(alike) - 1
    return _lower(told[0].summary) + (f" (and {rest} more)" if rest else "")


def _lower(text: str) -> str:
    """Return the text as it goes on behind a colon: names in capitals stay."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
