"""Asking a server about recipients without sending: MAIL, RCPT and RSET, never DATA."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from probes.canary.trust import last_two_labels
from probes.mx.dialogue import refusal_findings
from probes.net.smtp_session import SmtpSession
from probes.result import Finding, Phase, ProbeFailure, Reason, Status, one_line
from probes.trace import Trace


class Answer(StrEnum):
    """What a server says of a recipient; `undecided` is anything that is neither yes nor no."""

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
    """One recipient and what became of it; `said` is the server's reply."""

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
    *,
    own_names: Iterable[str] = (),
) -> None:
    """Ask for each of `recipients` in one transaction, which is then forgotten.

    The answers are facts and findings, none of them ends the run; a connection that ends does.
    What may be one of the server's `own_names` tells nothing of its relaying, and is not asked.
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
        Finding("rcpt.not_asked", Status.INFO, where, one_line(objection), "RFC 5321 §7.9")
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
    """Why the server may take mail for the recipient as its own, "" where it has no reason to.

    Names are compared by their last two labels: what lies above, below or beside a server's name
    may be local to it. RFC 5321 §4.1.3: a literal of the server's own address is.
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


async def _mail(session: SmtpSession, mail_from: str, where: str, trace: Trace) -> bool:
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


def _sender_refused(where: str, mail_from: str, failure: ProbeFailure) -> Finding:
    evidence = one_line(f"MAIL FROM:<{mail_from}> was answered {failure.reply}")
    status = Status.FAILURE if failure.reason is Reason.REJECTED else Status.WARNING
    # RFC 5321 §4.5.5: bounces have the null sender, which a server has to take
    section = "RFC 5321 §3.3" if mail_from else "RFC 5321 §4.5.5"
    return Finding("rcpt.sender_refused", status, where, evidence, section)


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


def _judge(where: str, asked: Asked) -> Finding:
    evidence = one_line(f"RCPT TO:<{asked.recipient}> was answered {asked.said}")
    if asked.answer is Answer.UNDECIDED:
        return Finding("rcpt.undecided", Status.INFO, where, evidence, "RFC 5321 §3.5.3")
    status = _STATUS.get((asked.question, asked.answer), Status.INFO)
    reference = _REFERENCE[asked.question]
    return Finding(_CODES[asked.question, asked.answer], status, where, evidence, reference)


_CODES = {
    (Question.RECIPIENT, Answer.ACCEPTED): "rcpt.accepted",
    (Question.RECIPIENT, Answer.REFUSED): "rcpt.refused",
    (Question.POSTMASTER, Answer.ACCEPTED): "rcpt.postmaster_accepted",
    (Question.POSTMASTER, Answer.REFUSED): "rcpt.postmaster_refused",
    (Question.CATCH_ALL, Answer.ACCEPTED): "rcpt.catch_all",
    (Question.CATCH_ALL, Answer.REFUSED): "rcpt.unknown_refused",
    (Question.OPEN_RELAY, Answer.ACCEPTED): "rcpt.open_relay",
    (Question.OPEN_RELAY, Answer.REFUSED): "rcpt.relay_refused",
}
_STATUS = {
    (Question.RECIPIENT, Answer.REFUSED): Status.FAILURE,
    (Question.POSTMASTER, Answer.REFUSED): Status.WARNING,
    (Question.CATCH_ALL, Answer.ACCEPTED): Status.NOTICE,
    (Question.OPEN_RELAY, Answer.ACCEPTED): Status.FAILURE,
}
_REFERENCE = {
    Question.RECIPIENT: "RFC 5321 §3.3",
    Question.POSTMASTER: "RFC 5321 §4.5.1",
    Question.CATCH_ALL: "",
    Question.OPEN_RELAY: "RFC 5321 §7.9",
}


def asked_for(code: str, facts: Mapping[str, Any]) -> str | None:
    """The recipient a finding with this code is about, of the facts of its session."""
    questions = [question for (question, _), of in _CODES.items() if of == code]
    if code == "rcpt.undecided":
        questions = [q for q in Question if facts.get(f"rcpt.{q}") == Answer.UNDECIDED]
    elif code == "rcpt.not_asked":
        questions = [Question.OPEN_RELAY]
    return next((facts.get(f"rcpt.{question}.asked") for question in questions), None)
