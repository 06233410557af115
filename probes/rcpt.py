"""Asking a server about recipients without sending: MAIL, RCPT and RSET, never DATA."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from probes.mx_dialogue import refusal_findings
from probes.net.smtp_session import SmtpSession
from probes.result import Finding, Phase, ProbeFailure, Reason, Status, one_line
from probes.trace import Trace


class Answer(StrEnum):
    """What a server says of a recipient; `undecided` is anything that is neither yes nor no."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNDECIDED = "undecided"


class Question(StrEnum):
    """Why a recipient is asked for; the fact `rcpt.<question>` has the answer."""

    RECIPIENT = "recipient"
    POSTMASTER = "postmaster"
    CATCH_ALL = "catch_all"
    OPEN_RELAY = "open_relay"


@dataclass(frozen=True, slots=True)
class Asked:
    """One recipient and what became of it; `said` is the server's reply or what ended it."""

    question: Question
    recipient: str
    answer: Answer
    said: str


async def ask_recipients(
    session: SmtpSession,
    mail_from: str,
    recipients: tuple[tuple[Question, str], ...],
    where: str,
    trace: Trace,
) -> None:
    """Ask for each of `recipients` in one transaction, which is then forgotten.

    The answers are facts and findings, none of them ends the run; a connection that ends does.
    """
    asked: list[Asked] = []
    refused = await _mail(session, mail_from, where, trace)
    for question, recipient in recipients:
        if refused is not None:
            asked.append(Asked(question, recipient, Answer.UNDECIDED, f"MAIL: {refused}"))
            continue
        asked.append(await _rcpt(session, question, recipient, where, trace))
    for one in asked:
        trace.facts[f"rcpt.{one.question}"] = one.answer
        trace.findings.extend(_judge(where, one))
    if refused is None:
        await session.rset()


async def _mail(
    session: SmtpSession, mail_from: str, where: str, trace: Trace
) -> ProbeFailure | None:
    with trace.phase(Phase.MAIL):
        try:
            await session.mail(mail_from)
        except ProbeFailure as failure:
            if failure.reply is None or failure.reason is Reason.SERVICE_CLOSING:
                raise
            trace.findings.extend(refusal_findings(where, Phase.MAIL, failure))
            return failure
    return None


async def _rcpt(
    session: SmtpSession, question: Question, recipient: str, where: str, trace: Trace
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


def _judge(where: str, asked: Asked) -> Iterator[Finding]:
    evidence = one_line(f"RCPT TO:<{asked.recipient}> was answered {asked.said}")
    if asked.answer is Answer.UNDECIDED:
        yield Finding("rcpt.undecided", Status.INFO, where, evidence, "RFC 5321 §3.5.3")
        return
    is_accepted = asked.answer is Answer.ACCEPTED
    match asked.question:
        case Question.RECIPIENT if not is_accepted:
            yield Finding("rcpt.refused", Status.FAILURE, where, evidence, "RFC 5321 §3.3")
        case Question.POSTMASTER if not is_accepted:
            code = "rcpt.postmaster_refused"
            yield Finding(code, Status.WARNING, where, evidence, "RFC 5321 §4.5.1")
        case Question.CATCH_ALL if is_accepted:
            yield Finding("rcpt.catch_all", Status.NOTICE, where, evidence, "")
        case Question.OPEN_RELAY if is_accepted:
            yield Finding("rcpt.open_relay", Status.FAILURE, where, evidence, "RFC 5321 §7.9")
