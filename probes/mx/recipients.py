"""Asking a server about recipients without sending: MAIL, RCPT and RSET, never DATA."""

from collections.abc import Iterable, Mapping
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
from probes.result import Finding, Phase, ProbeFailure, Reason, Status, one_line
from probes.trace import Trace


class Answer(StrEnum):
    """A server's answer about a recipient; `undecided` is anything that is neither yes nor no."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNDECIDED = "undecided"


class Question(StrEnum):
    """Why a recipient is asked for.

    The fact `rcpt.<question>` has the answer, `rcpt.<question>.asked` the recipient.
    """

    RECIPIENT = "recipient"
    POSTMASTER = "postmaster"
    CATCH_ALL = "catch_all"
    OPEN_RELAY = "open_relay"


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
    if not asked or not await _mail(session, mail_from, where, trace):
        return
    for question, recipient in asked:
        one = await _rcpt(session, question, recipient, where, trace)
        trace.facts[f"rcpt.{question}"] = one.answer
        trace.findings.append(_judge(where, one))
    await session.rset()


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


async def _mail(session: SmtpSession, mail_from: str, where: Subject, trace: Trace) -> bool:
    """True where the sender is taken; without that nobody can be asked for."""
    with trace.phase(Phase.MAIL):
        try:
            await session.mail(mail_from)
        except ProbeFailure as failure:
            if failure.reply is None or failure.reason is Reason.SERVICE_CLOSING:
                raise
            trace.findings.extend(refusal_findings(where, Phase.MAIL, failure))
            if failure.reason is not Reason.GREYLISTED:
                trace.findings.append(_sender_refused(where, mail_from, failure))
            return False
    return True


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
            answer = Answer.REFUSED if is_no else Answer.UNDECIDED
            return Asked(question, recipient, answer, str(failure.reply))
    # RFC 5321 §3.5.3: 252 says that it cannot tell
    answer = Answer.UNDECIDED if reply.code == 252 else Answer.ACCEPTED
    return Asked(question, recipient, answer, str(reply))


def _judge(where: Subject, asked: Asked) -> Finding:
    evidence = one_line(f"RCPT TO:<{asked.recipient}> was answered {asked.said}")
    if asked.answer is Answer.UNDECIDED:
        return smtp_answers.RCPT_UNDECIDED.found(Status.INFO, where, evidence)
    entry, status = _JUDGED[asked.question, asked.answer]
    return entry.found(status, where, evidence)


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
        questions = [q for q in Question if facts.get(f"rcpt.{q}") == Answer.UNDECIDED]
    elif code == smtp_answers.RCPT_NOT_ASKED.code:
        questions = [Question.OPEN_RELAY]
    return next((facts.get(f"rcpt.{question}.asked") for question in questions), None)
