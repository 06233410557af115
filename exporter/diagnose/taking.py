"""Whether mail is taken: what the MX hosts answered when they were asked, and no more."""

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.reports.exit_codes import ExitCode
from probes.mx.recipients import Answer, Met, Question, as_met
from probes.result import Failure, Part, Phase, ProbeResult, Reason

_QUESTIONS = (Question.RECIPIENT, Question.POSTMASTER)
_LATER = frozenset({Reason.DEFERRED, Reason.GREYLISTED, Reason.SERVICE_CLOSING})
_DIALOGUE = frozenset({Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.MAIL})

SENDERS_WAIT = "senders wait 5 minutes (RFC 5321 §4.5.3.2.1)"
"""The least time for a greeting, and for the answers to MAIL and RCPT."""


@dataclass(frozen=True, slots=True)
class Taking(Met):
    """The answer about one recipient, in words."""

    @property
    def code(self) -> ExitCode:
        """A refusal has a finding of its own; greylisting delays mail, and breaks nothing."""
        if self.answer is Answer.DEFERRED:
            return ExitCode.FAILURE
        return ExitCode.WARNING if self.answer is Answer.GREYLISTED else ExitCode.OK

    @property
    def clause(self) -> str:
        """The answer in a few words, without the recipient."""
        return {
            Answer.ACCEPTED: "is taken",
            Answer.REFUSED: f"is not taken: {self.said}",
            Answer.DEFERRED: f"is deferred now: {self.said}",
            Answer.GREYLISTED: f"is greylisted now ({self.said}); a later try is taken as a rule",
            Answer.UNDECIDED: f"may be taken or not, the answer is open: {self.said or 'none'}",
        }[self.answer]


def taking(result: ProbeResult) -> Taking | None:
    """Return the answer about the recipient, or about postmaster; None: nobody was asked."""
    found = (as_met(question, result.parts) for question in _QUESTIONS)
    met = next(filter(None, found), None)
    return None if met is None else Taking(met.recipient, met.answer, met.said, met.parts)


def unasked(subject: str) -> str:
    """Return the words where nobody was asked."""
    return f"whether they take mail for {subject} was not asked (`--rcpt`)"


def failed(failure: Failure, domain: str, subject: str) -> str | None:
    """Return the sentence for a run without a usable address; None: the area has its own.

    Our patience is not the senders': a wait that we ended is told as that.
    """
    if failure.reason in _LATER:
        return f"Mail for {subject} is deferred now: {failure.detail}"
    if failure.reply is not None and not failure.is_transient:
        return f"Mail for {subject} is refused: {failure.detail}"
    if failure.phase is Phase.DNS_MX:
        return f"The mail servers of {domain} cannot be looked up: {failure.detail}"
    if failure.reason is Reason.TIMEOUT and failure.phase in _DIALOGUE:
        ended = f"No mail server of {domain} ended the handshake in our time: {failure.detail}"
        return f"{ended}; {SENDERS_WAIT}"
    if failure.is_transient:
        return f"No mail server of {domain} can be used from here now: {failure.detail}"
    return None


def how_many(parts: tuple[Part, ...], of: int) -> str:
    """Return how many of the addresses did, and how safely."""
    return ", ".join(_counted(parts, of))


def _counted(parts: tuple[Part, ...], of: int) -> Iterator[str]:
    secure = sum(part.facts.get("tls.version") is not None for part in parts)
    trusted = sum(bool(part.facts.get("tls.trusted")) for part in parts)
    yield f" at {len(parts)} of {of} addresses"
    yield f"at {secure} of them under TLS"
    yield f"at {trusted} with a certificate to be trusted"
