"""The queue id in a reply to the end of the message, and the commands that look it up there.

No standard says how a server names a message it has taken (RFC 5321 §4.2 leaves the text of a
reply free); the forms are those that the servers in use write.
"""

import re
from dataclasses import dataclass

_READ = 512
"""Characters of a reply's text and of a greeting that are read."""

_ID = r"(?P<id>[0-9A-Za-z][0-9A-Za-z._+-]{3,63})"
"""Fit for a command line: no character of it means anything to a shell."""

_POSTFIX_ID = r"(?P<id>[0-9A-F]{6,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{9,20}z[0-9B-Zb-z]{1,12})"
_NOT_GREETED_BY = ("exim", "sendmail", "opensmtpd", "qmail", "microsoft", "haraka", "sendgrid")


@dataclass(frozen=True, slots=True)
class QueueId:
    """The name a server gave to the message it took, and commands to look it up at that server."""

    id: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """The form of one server's reply; `greeted_by` is a word of its greeting, "" if any may be."""

    greeted_by: str
    reply: re.Pattern[str]
    commands: tuple[str, ...]
    unlike: tuple[str, ...] = ()

    def read(self, text: str, greeting: str) -> QueueId | None:
        if self.greeted_by not in greeting or any(word in greeting for word in self.unlike):
            return None
        match = self.reply.search(text)
        if match is None:
            return None
        name = match["id"].rstrip(".")
        return QueueId(name, tuple(command.format(id=name) for command in self.commands))


_LOG = "grep {id} /var/log/mail.log"
_POSTFIX = ("postqueue -p | grep -A 2 {id}", _LOG)
_EXIM = ("exim -Mvh {id}", "exigrep {id} /var/log/exim4/mainlog")
_SENDMAIL = ("mailq | grep -A 2 {id}", "grep {id} /var/log/maillog")
_OPENSMTPD = ("smtpctl show message {id}", "grep {id} /var/log/maillog")
_QMAIL = ("qmail-qread", "grep 'qp {id}' /var/log/qmail/current")
_EXCHANGE = ("Get-MessageTrackingLog -InternalMessageId {id}",)

_ACCEPTED = re.compile(rf"(?:\A|\s){_ID} Message accepted for delivery", re.IGNORECASE)

_EXIM_ID = re.compile(r"\bid=(?P<id>[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4})\b")
_QUEUED_AS = re.compile(rf"\bqueued as {_ID}", re.IGNORECASE)
_SHORT_ID = re.compile(r"(?:\A|\s)(?P<id>[0-9a-f]{8}) Message accepted for delivery")
_NAMED = re.compile(rf"\b(?:queue )?id(?:[:=] ?| ){_ID}", re.IGNORECASE)
_IN_BRACKETS = re.compile(
    r"\b(?:queued|accepted)\b[^()]{0,40}\((?P<id>[0-9A-Za-z][0-9A-Za-z._+-]{7,63})\)", re.IGNORECASE
)
_OF_GOOGLE = re.compile(r"\bOK +[0-9]{9,10} (?P<id>[0-9A-Za-z.-]{8,64}) - gsmtp")

_FORMS = (
    _Form("", _EXIM_ID, _EXIM),
    _Form("postfix", _QUEUED_AS, _POSTFIX),
    _Form("", re.compile(rf"\bqueued as {_POSTFIX_ID}\b"), _POSTFIX, _NOT_GREETED_BY),
    _Form("", re.compile(r"\[InternalId=(?P<id>[0-9]{1,20})\b"), _EXCHANGE),
    _Form("", re.compile(r"\Aok [0-9]{9,10} qp (?P<id>[0-9]{1,10})\b", re.IGNORECASE), _QMAIL),
    _Form("opensmtpd", _ACCEPTED, _OPENSMTPD),
    _Form("", _SHORT_ID, _OPENSMTPD, ("sendmail",)),
    _Form("", _ACCEPTED, _SENDMAIL),
    _Form("", _OF_GOOGLE, ()),
    _Form("", _QUEUED_AS, (_LOG,)),
    _Form("", _NAMED, (_LOG,)),
    _Form("", _IN_BRACKETS, (_LOG,)),
)
"""The first form that fits is the one that counts: servers that name themselves come first."""


def read_queue_id(reply: str, greeting: str = "") -> QueueId | None:
    """Return the queue id in the text of a reply, None if it has none in a known form.

    `greeting` is the server's own, which often names its software.
    """
    text, greeted = reply[:_READ], greeting[:_READ].lower()
    found = (form.read(text, greeted) for form in _FORMS)
    return next((one for one in found if one is not None), None)
