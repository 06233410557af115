"""The meaning of a refusal: its reason and the side that has to act. One table for everything.

A reply has the same meaning at SMTP time, in a bounce and in `mailcanary explain`. Sides are
relative to the server that speaks; what party that is, a relay or the receiver, the caller knows.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from probes.records.bounces.reason import BounceReason, judge_reason, plain_words
from probes.records.reply import EnhancedCode


class Side(StrEnum):
    """The side that has to act on a refusal.

    `client`: our own settings, such as the login, the size or the sender's address. `sender`: the
    records and the reputation of the sending domain and addresses. The others belong to the
    server that speaks: `server` itself, the `filter` in it, the `mailbox` behind it, the `dns` of
    the domain it serves.
    """

    CLIENT = "client"
    SENDER = "sender"
    SERVER = "server"
    FILTER = "filter"
    MAILBOX = "mailbox"
    DNS = "dns"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The reason of a refusal and the side that has to act."""

    reason: BounceReason
    side: Side


@dataclass(frozen=True, slots=True)
class _Row:
    """A side, where codes (RFC 3463 §3) or words name one; None stands for anything."""

    side: Side
    reason: BounceReason | None = None
    subject: int | None = None
    details: frozenset[int] | None = None
    codes: frozenset[int] | None = None
    words: re.Pattern[str] | None = None
    is_transient: bool | None = None

    def matches(
        self, reason: BounceReason, code: int | None, enhanced: EnhancedCode | None, text: str
    ) -> bool:
        said = enhanced or (0, 0, 0)
        is_transient = code // 100 == 4 if code is not None else said[0] == 4
        return (
            self.reason in (None, reason)
            and self.subject in (None, said[1])
            and (self.details is None or said[2] in self.details)
            and (self.codes is None or code in self.codes)
            and self.is_transient in (None, is_transient)
            and (self.words is None or self.words.search(text) is not None)
        )


_SENDER_ADDRESS = re.compile(
    r"domain of sender|sender.{0,30}(?:address|domain)|bogus mail from|unrout\w+ sender"
    r"|sender was rejected|null sender|empty envelope sender|address is not verified"
    r"|sender verif|verification failed for|send as th|not owned by|mail from not owned"
    r"|\b(?:helo|ehlo)\b.{0,40}(?:rejected|invalid|bad|not|must|denied|syntax)"
    r"|(?:invalid|bad|bogus|illegal|rejected|malformed) (?:helo|ehlo)",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"authenti(?:fi)?cation requi|smtp auth|not authenticated|log ?in", re.IGNORECASE
)
_DOMAIN = re.compile(
    r"(?:host|domain|name)\b.{0,60}(?:not found|unknown|n't exist|not exist|nt exist|nxdomain)"
    r"|no such (?:host|domain)|unknown (?:host|domain)|name s(?:erver|ervice)|null ?mx|\bmx\b"
    r"|couldn't find any host|mail exchanger|\bdns\b|unrouteable (?:mail )?domain",
    re.IGNORECASE,
)
_TLS = re.compile(
    r"certificate (?:not|is not|could not be|has|verif)|(?:tls|starttls) (?:is )?required,? but"
    r"|(?:starttls|tls) .{0,30}(?:not (?:offered|supported)|unavailable|handshake|negotiation)"
    r"|no (?:shared|common) cipher|(?:tlsa|dane|mta-sts)\b",
    re.IGNORECASE,
)
"""What a relay writes of a receiver whose encryption does not come up to the relay's rules."""
_ROWS = (
    # RFC 4954 §6, RFC 3207 §4: the server wants a login or TLS first
    _Row(Side.CLIENT, codes=frozenset({530, 534, 535})),
    _Row(Side.CLIENT, subject=7, details=frozenset({8, 9, 10, 11, 57})),
    _Row(Side.CLIENT, BounceReason.AUTHENTICATION, words=_LOGIN),
    # X.1.7 to X.1.9: the envelope sender's address or its domain, which is ours, or the EHLO name
    _Row(Side.CLIENT, subject=1, details=frozenset({7, 8, 9})),
    _Row(Side.CLIENT, BounceReason.POLICY, words=_SENDER_ADDRESS),
    _Row(Side.CLIENT, BounceReason.SIZE),
    _Row(Side.SENDER, BounceReason.AUTHENTICATION),
    _Row(Side.SENDER, BounceReason.REPUTATION),
    _Row(Side.FILTER, BounceReason.CONTENT),
    _Row(Side.DNS, BounceReason.ROUTING, subject=1),
    _Row(Side.DNS, words=re.compile(r"dnssec-invalid|invalid dnssec", re.IGNORECASE)),
    _Row(Side.DNS, BounceReason.ROUTING, words=_DOMAIN),
    _Row(Side.SERVER, BounceReason.ROUTING),
    _Row(Side.MAILBOX, BounceReason.UNKNOWN_USER),
    _Row(Side.MAILBOX, BounceReason.MAILBOX_FULL),
    _Row(Side.FILTER, words=re.compile(r"gr[ea]y[- ]?list", re.IGNORECASE), is_transient=True),
    _Row(Side.SERVER, words=_TLS),
    # what only the code tells: the recipient's address, the mailbox, the mail system, policy
    _Row(Side.MAILBOX, subject=1),
    _Row(Side.MAILBOX, subject=2),
    _Row(Side.SERVER, subject=3),
    _Row(Side.FILTER, subject=7),
    _Row(Side.FILTER, BounceReason.POLICY),
)
"""Most specific first; a refusal that no row matches is the server's own affair."""


def meaning(
    code: int | None,
    enhanced: EnhancedCode | None,
    text: str,
    *,
    status: EnhancedCode | None = None,
) -> Meaning:
    """Return the meaning of a reply; `status` is a report's own code, if it is in a bounce.

    `text` is the reply without or with its codes; 4,000 characters of it are read.
    """
    reason = judge_reason(text, said=enhanced, status=status, code=code)
    return Meaning(reason, side_of(reason, code, enhanced or status, text))


def side_of(
    reason: BounceReason, code: int | None, enhanced: EnhancedCode | None, text: str
) -> Side:
    """Return the side that has to act on a refusal whose reason is known."""
    words = plain_words(text[:4000])
    rows = (row for row in _ROWS if row.matches(reason, code, enhanced, words))
    row = next(rows, None)
    return Side.SERVER if row is None else row.side
