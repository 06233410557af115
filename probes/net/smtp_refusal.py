"""The meaning of an SMTP refusal: the reason, and the owner that has to act. Pure tables."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from probes.records.reply import Reply
from probes.result import Owner, Phase, ProbeFailure, Reason

_GREYLISTING = re.compile(r"gr[ea]y[- ]?list", re.IGNORECASE)
_RELAYING = re.compile(r"relay", re.IGNORECASE)

_TRANSACTION = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA})

_AUTH_UNKNOWN = frozenset({500, 501, 502, 503, 504})
"""Replies to AUTH that speak of the command, not of the credentials, RFC 4954 §4."""


@dataclass(frozen=True, slots=True)
class _Blame:
    """The owner of a refusal, where its enhanced code (RFC 3463 §3) names one."""

    subject: int
    details: frozenset[int] | None
    owner: Owner
    applies: Callable[[Reply, Phase], bool] | None = None

    def matches(self, reply: Reply, phase: Phase) -> bool:
        if reply.enhanced is None or reply.enhanced[1] != self.subject:
            return False
        if self.details is not None and reply.enhanced[2] not in self.details:
            return False
        return self.applies is None or self.applies(reply, phase)


def _is_relaying(reply: Reply, _: Phase) -> bool:
    return _RELAYING.search(reply.text) is not None


def _wants_auth_or_tls(reply: Reply, _: Phase) -> bool:
    return reply.code == 530  # RFC 4954 §6, RFC 3207 §4


_BLAME = (
    # X.1.7 to X.1.9: the envelope sender's address or its domain, which is ours.
    _Blame(1, frozenset({7, 8, 9}), Owner.CONFIGURATION),
    # X.1.y else: the recipient's address; X.2.y: the state of the mailbox. X.2.3 and X.3.4 are
    # the size of what we sent.
    _Blame(1, None, Owner.RECEIVER_MAILBOX),
    _Blame(2, frozenset({3}), Owner.CONFIGURATION),
    _Blame(2, None, Owner.RECEIVER_MAILBOX),
    _Blame(3, frozenset({4}), Owner.CONFIGURATION),
    # X.7.y: security or policy. Not being let to relay is not a filter's verdict on the message:
    # the server does not know the domain (or us) at all.
    _Blame(7, None, Owner.CONFIGURATION, _wants_auth_or_tls),
    _Blame(7, frozenset({0, 1}), Owner.RECEIVER_MX, _is_relaying),
    _Blame(7, None, Owner.RECEIVER_FILTER),
)
"""Most specific first; a reply that no row matches is the server's own affair."""


def owner_of_refusal(reply: Reply, phase: Phase) -> Owner:
    """Return the owner that has to act on a 4yz or 5yz reply to the command of `phase`."""
    if phase is Phase.STARTTLS:
        return Owner.RECEIVER_MX  # RFC 3207 §4: "454 4.7.0" speaks of the server's TLS, not of us
    for row in _BLAME:
        if row.matches(reply, phase):
            return row.owner
    # RFC 5321 §4.2.3: 551 and 553 speak of the mailbox's name even without an enhanced code.
    if phase is Phase.RCPT and reply.code in (551, 553):
        return Owner.RECEIVER_MAILBOX
    return Owner.RECEIVER_MX


def refusal(reply: Reply, phase: Phase) -> ProbeFailure:
    """The failure for a reply that the command of `phase` did not hope for.

    `phase` chooses the words and the owner only: the failure carries no phase of its own and gets
    the one that is open where it is raised.
    """
    if reply.is_positive:
        return _failure(Reason.UNEXPECTED_REPLY, reply, phase, Owner.RECEIVER_MX)
    if reply.code == 421:  # RFC 5321 §3.8
        return _failure(Reason.SERVICE_CLOSING, reply, phase, owner_of_refusal(reply, phase))
    if phase is Phase.AUTH:
        return _auth_refusal(reply)
    if phase is Phase.STARTTLS and not reply.is_transient:
        return _failure(Reason.STARTTLS_NOT_SUPPORTED, reply, phase, Owner.RECEIVER_MX)
    if is_greylisting(reply) and phase in _TRANSACTION:
        return _failure(Reason.GREYLISTED, reply, phase, Owner.RECEIVER_FILTER)
    reason = Reason.DEFERRED if reply.is_transient else Reason.REJECTED
    return _failure(reason, reply, phase, owner_of_refusal(reply, phase))


def is_greylisting(reply: Reply) -> bool:
    """True when a 4yz reply says in words that it greylists; codes alone are never enough.

    Greylisting servers answer 450 and 451 4.7.1 (RFC 6647 §5), and many others do too.
    """
    return reply.is_transient and _GREYLISTING.search(reply.text) is not None


def _auth_refusal(reply: Reply) -> ProbeFailure:
    if is_not_understood(reply):
        return _failure(Reason.REJECTED, reply, Phase.AUTH, Owner.RECEIVER_MX)
    # RFC 4954 §6: 432 asks the user to act; every other 4yz is the server's trouble.
    if reply.is_transient and reply.code != 432:
        return _failure(Reason.DEFERRED, reply, Phase.AUTH, Owner.RECEIVER_MX)
    return _failure(Reason.AUTHENTICATION_FAILED, reply, Phase.AUTH, Owner.CONFIGURATION)


def is_not_understood(reply: Reply) -> bool:
    """True if a reply to AUTH speaks of the command or its mechanism, RFC 4954 §4.

    The server has not judged the credentials then. An enhanced code or words that speak of them go
    before the reply code: servers mix these up.
    """
    if reply.code not in _AUTH_UNKNOWN or _CREDENTIALS.search(reply.text):
        return False
    if reply.enhanced is None:
        return True
    # X.5.y: the protocol; RFC 4954 §6 and RFC 3463 §3.8: X.7.4 is a mechanism not supported
    return reply.enhanced[1] == 5 or reply.enhanced[1:] == (7, 4)


_CREDENTIALS = re.compile(
    r"credential|passw|auth\w* (?:\w+ )?fail|login fail|(?:invalid|unknown|bad|no such) user|"
    r"denied|locked|disabled|too many",
    re.IGNORECASE,
)
"""Words about the credentials, or about an account that must not be asked for again."""


_WORDS = {
    Phase.GREETING: "the greeting",
    Phase.EHLO: "the answer to EHLO",
    Phase.END_OF_DATA: "the answer to the message",
}


def _failure(reason: Reason, reply: Reply, phase: Phase, owner: Owner) -> ProbeFailure:
    what = _WORDS.get(phase, f"the answer to {phase.value.upper()}")
    detail = f"{what} was {reply}"[:300]
    return ProbeFailure(
        reason, detail, reply=reply, owner=owner, is_transient=_is_transient(reason, reply)
    )


def _is_transient(reason: Reason, reply: Reply) -> bool:
    return reply.is_transient and reason is not Reason.AUTHENTICATION_FAILED
