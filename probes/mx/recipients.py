"""Asking a server about recipients without sending: MAIL, RCPT and RSET, never DATA."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from probes.canary.trust import last_two_labels
from probes.catalogue import smtp_answers
from probes.catalogue.entry import Entry
from probes.mx.dialogue import refusal_findings
from probes.net.smtp_session import SmtpSession
from probes.records.subject import Subject
from probes.result import Finding, Part, Phase, ProbeFailure, Reason, Status, one_line
from probes.trace import Trace


class Answer(StrEnum):
    """A server's answer about a recipient.

    `deferred` and `greylisted` are a 4yz to MAIL or RCPT. `undecided` is anything else that is
    neither yes nor no: it was not asked, its answer does not tell, or the sender was refused.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    GREYLISTED = "greylisted"
    UNDECIDED = "undecided"


class Question(StrEnum):
    """Why a recipient is asked for.

    The fact `rcpt.<question>` has the answer, `rcpt.<question>.asked` the recipient and
    `rcpt.<question>.said` the reply that decided it.
    """

    RECIPIENT = "recipient"
    POSTMASTER = "postmaster"
    CATCH_ALL = "catch_all"
    OPEN_RELAY = "open_relay"


@dataclass(frozen=True, slots=True)
class Met:
    """The answer about a recipient as a sender meets it at a domain's hosts.

    `said` is the reply that decided it, `parts` are the addresses that gave this answer.
    """

    recipient: str
    answer: Answer
    said: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One recipient and the answer about it; `said` is the server's reply."""

    question: Question
    recipient: str
    answer: Answer
    said: str


async def ask_recipients(
    session: SmtpSession,
    mail_from: str,
    recipients: tuple[tuple[Question, str], ...],
    where: Subject,
    trace: Trace,
    *,
    own_names: Iterable[str] = (),
) -> None:
    """Ask for each of `recipients` in one transaction, which is then reset.

    The answers are facts and findings, none of them ends the run; a connection that ends does. A
    domain that may be one of the server's `own_names` tells nothing of its relaying, and is not
    asked.
    """
    for question, recipient in recipients:
        trace.facts[f"rcpt.{question}"] = Answer.UNDECIDED
        trace.facts[f"rcpt.{question}.asked"] = recipient
    objections = {
        question: objection
        for question, recipient in recipients
        if question is Question.OPEN_RELAY and (objection := _is_at_home(recipient, own_names))
    }
    trace.findings.extend(
        smtp_answers.RCPT_NOT_ASKED.found(Status.INFO, where, one_line(objection))
        for objection in objections.values()
    )
    asked = [pair for pair in recipients if pair[0] not in objections]
    if session.offer is None or not session.offer.offers("SMTPUTF8"):
        asked = [pair for pair in asked if not _is_unsendable(*pair, where, trace)]
    if not asked:
        return
    needs_utf8 = any(not recipient.isascii() for _, recipient in asked)
    refused = await _mail(session, mail_from, where, trace, needs_utf8=needs_utf8)
    if refused is not None:
        for question, _ in asked:
            trace.facts[f"rcpt.{question}"] = _put_off(refused) or Answer.UNDECIDED
            trace.facts[f"rcpt.{question}.said"] = _said(Phase.MAIL, refused)
        return
    for question, recipient in asked:
        one = await _rcpt(session, question, recipient, where, trace)
        trace.facts[f"rcpt.{question}"] = one.answer
        trace.facts[f"rcpt.{question}.said"] = one_line(f"RCPT: {one.said}")
        trace.findings.append(_judge(where, one))
    await session.rset()


def _is_unsendable(question: Question, recipient: str, where: Subject, trace: Trace) -> bool:
    """Record a recipient that no sender may name where SMTPUTF8 is not offered.

    RFC 6531 §3.2: it is not asked for, and mail for it cannot be handed over there.
    """
    if recipient.isascii():
        return False
    trace.facts[f"rcpt.{question}"] = Answer.REFUSED
    trace.facts[f"rcpt.{question}.said"] = "SMTPUTF8 is not offered"
    evidence = one_line(f"{recipient} was not asked for: SMTPUTF8 is not offered")
    trace.findings.append(smtp_answers.RCPT_UTF8_MISSING.found(Status.FAILURE, where, evidence))
    return True


def _put_off(failure: ProbeFailure) -> Answer | None:
    """Return the answer that a 4yz to MAIL or RCPT is, None for a 5yz."""
    if failure.reason is Reason.GREYLISTED:
        return Answer.GREYLISTED
    return Answer.DEFERRED if failure.reason is Reason.DEFERRED else None


def _said(phase: Phase, failure: ProbeFailure) -> str:
    return one_line(f"{phase.upper()}: {failure.reply}")


def _is_at_home(recipient: str, own_names: Iterable[str]) -> str:
    """Return the reason why the server may take mail for the recipient as its own, "" if it has
    none.

    Names are compared by their last two labels: a name above, below or beside a server's name may
    be local to it. RFC 5321 §4.1.3: a literal of the server's own address is.
    """
    domain = recipient.rpartition("@")[2].lower().rstrip(".")
    names = [name.lower().rstrip(".") for name in own_names]
    if domain.startswith("["):
        literal = ip_address(domain.strip("[]").removeprefix("ipv6:"))
        is_own = literal.is_loopback or str(literal) in names
    else:
        labels = last_two_labels(domain)
        is_own = "." not in domain or labels in map(last_two_labels, names)
    if not is_own:
        return ""
    return f"{recipient} may be the server's own recipient: our EHLO name is too near to its names"


async def _mail(
    session: SmtpSession, mail_from: str, where: Subject, trace: Trace, *, needs_utf8: bool
) -> ProbeFailure | None:
    """Return the refusal of the sender, after which nobody can be asked for; None: it is taken."""
    with trace.phase(Phase.MAIL):
        try:
            await session.mail(mail_from, smtputf8=needs_utf8)
        except ProbeFailure as failure:
            if failure.reply is None or failure.reason is Reason.SERVICE_CLOSING:
                raise
            trace.findings.extend(refusal_findings(where, Phase.MAIL, failure))
            if failure.reason is not Reason.GREYLISTED:
                trace.findings.append(_sender_refused(where, mail_from, failure))
            return failure
    return None


def _sender_refused(where: Subject, mail_from: str, failure: ProbeFailure) -> Finding:
    evidence = one_line(f"MAIL FROM:<{mail_from}> was answered {failure.reply}")
    status = Status.FAILURE if failure.reason is Reason.REJECTED else Status.WARNING
    # RFC 5321 §4.5.5: bounces have the null sender, which a server has to take
    section = "RFC 5321 §3.3" if mail_from else "RFC 5321 §4.5.5"
    return smtp_answers.RCPT_SENDER_REFUSED.found(status, where, evidence, reference=section)


async def _rcpt(
    session: SmtpSession, question: Question, recipient: str, where: Subject, trace: Trace
) -> Asked:
    with trace.phase(Phase.RCPT):
        try:
            reply = await session.rcpt(recipient)
        except ProbeFailure as failure:
            if failure.reply is None or failure.reason is Reason.SERVICE_CLOSING:
                raise
            trace.findings.extend(refusal_findings(where, Phase.RCPT, failure))
            is_no = failure.reason is Reason.REJECTED
            answer = _put_off(failure) or (Answer.REFUSED if is_no else Answer.UNDECIDED)
            return Asked(question, recipient, answer, str(failure.reply))
    # RFC 5321 §3.5.3: 252 says that it cannot tell
    answer = Answer.UNDECIDED if reply.code == 252 else Answer.ACCEPTED
    return Asked(question, recipient, answer, str(reply))


def _judge(where: Subject, asked: Asked) -> Finding:
    evidence = one_line(f"RCPT TO:<{asked.recipient}> was answered {asked.said}")
    if asked.answer in _OPEN:
        return smtp_answers.RCPT_UNDECIDED.found(Status.INFO, where, evidence)
    entry, status = _JUDGED[asked.question, asked.answer]
    return entry.found(status, where, evidence)


_OPEN = frozenset({Answer.UNDECIDED, Answer.DEFERRED, Answer.GREYLISTED})
"""Answers that are neither yes nor no."""

_JUDGED: Mapping[tuple[Question, Answer], tuple[Entry, Status]] = {
    (Question.RECIPIENT, Answer.ACCEPTED): (smtp_answers.RCPT_ACCEPTED, Status.INFO),
    (Question.RECIPIENT, Answer.REFUSED): (smtp_answers.RCPT_REFUSED, Status.FAILURE),
    (Question.POSTMASTER, Answer.ACCEPTED): (smtp_answers.RCPT_POSTMASTER_ACCEPTED, Status.INFO),
    (Question.POSTMASTER, Answer.REFUSED): (smtp_answers.RCPT_POSTMASTER_REFUSED, Status.WARNING),
    (Question.CATCH_ALL, Answer.ACCEPTED): (smtp_answers.RCPT_CATCH_ALL, Status.NOTICE),
    (Question.CATCH_ALL, Answer.REFUSED): (smtp_answers.RCPT_UNKNOWN_REFUSED, Status.INFO),
    (Question.OPEN_RELAY, Answer.ACCEPTED): (smtp_answers.RCPT_OPEN_RELAY, Status.FAILURE),
    (Question.OPEN_RELAY, Answer.REFUSED): (smtp_answers.RCPT_RELAY_REFUSED, Status.INFO),
}


def asked_for(code: str, facts: Mapping[str, Any]) -> str | None:
    """The recipient a finding with this code is about, of the facts of its session."""
    questions = [question for (question, _), (of, _) in _JUDGED.items() if of.code == code]
    if code == smtp_answers.RCPT_UNDECIDED.code:
        questions = [q for q in Question if facts.get(f"rcpt.{q}") in _OPEN]
    elif code == smtp_answers.RCPT_NOT_ASKED.code:
        questions = [Question.OPEN_RELAY]
    return next((facts.get(f"rcpt.{question}.asked") for question in questions), None)


_DECIDES = (Answer.ACCEPTED, Answer.REFUSED)
_OPEN_ORDER = (Answer.DEFERRED, Answer.GREYLISTED, Answer.UNDECIDED)


def as_met(question: Question, parts: Sequence[Part]) -> Met | None:
    """Return the answer to a question, over all addresses; None: nobody was asked.

    RFC 5321 §5.1: senders try the hosts by preference; a yes or a no ends that, and any other
    answer does not.
    """
    asked = [part for part in parts if f"rcpt.{question}.asked" in part.facts]
    if not asked:
        return None
    answers = [Answer(part.facts[f"rcpt.{question}"]) for part in asked]
    pairs = list(zip(asked, answers, strict=True))
    # of hosts that are equally preferred a yes counts first: senders come to it by chance
    decided = [(_preference(part), _DECIDES.index(a)) for part, a in pairs if a in _DECIDES]
    met = _DECIDES[min(decided)[1]] if decided else min(answers, key=_OPEN_ORDER.index)
    same = tuple(part for part, answer in pairs if answer is met)
    facts = min(same, key=_preference).facts
    said = str(facts.get(f"rcpt.{question}.said", ""))
    return Met(str(facts[f"rcpt.{question}.asked"]), met, said, same)


def _preference(part: Part) -> int:
    return int(part.facts.get("mx.preference") or 0)


def deferral(parts: Sequence[Part]) -> Iterator[Finding]:
    """Yield the finding that no address takes the recipient now, and none refuses it for good."""
    met = as_met(Question.RECIPIENT, parts)
    if met is not None and met.answer is Answer.DEFERRED:
        yield smtp_answers.RCPT_DEFERRED.found(Status.FAILURE, met.recipient, one_line(met.said))
