"""The meaning of an SMTP refusal: the reason, and the owner that has to act.

The meaning of codes and words is in probes.records.reply_meaning.
"""

import re

from probes.catalogue.parties import RECEIVER
from probes.records.reply import Reply
from probes.records.reply_meaning import Side, meaning
from probes.result import Owner, Phase, ProbeFailure, Reason

_GREYLISTING = re.compile(r"gr[ea]y[- ]?list", re.IGNORECASE)

_TRANSACTION = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA})

_AUTH_UNKNOWN = frozenset({500, 501, 502, 503, 504})
"""Replies to AUTH that speak of the command, not of the credentials, RFC 4954 §4."""


def owner_of_refusal(reply: Reply, phase: Phase) -> Owner:
    """Return the owner that has to act on a 4yz or 5yz reply to the command of `phase`."""
    if phase is Phase.STARTTLS:
        return Owner.RECEIVER_MX  # RFC 3207 §4: "454 4.7.0" speaks of the server's TLS, not of us
    side = meaning(reply.code, reply.enhanced, reply.text).side
    if side in (Side.MAILBOX, Side.DNS):
        side = _SPOKEN_OF.get(phase, side)
    return RECEIVER.owner_of_side(side)


_SPOKEN_OF = {
    # no address was named yet
    **dict.fromkeys((Phase.GREETING, Phase.EHLO), Side.SERVER),
    # the only address so far is the sender's
    Phase.MAIL: Side.CLIENT,
}
"""The side of a refusal about an address or a domain, where that is not the recipient's."""


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
