"""The tables of what can be measured: one row per kind, route and mailbox."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probes.canary.message import Canary
from probes.kinds import mailbox_reading, mx, nameservers, submission
from probes.kinds.policy import probe as policy
from probes.kinds.sender import probe as sender
from probes.mailboxes import Cursor, Interest, Report
from probes.mailboxes.imap import watch as imap
from probes.net import Net
from probes.result import Aspect, Phase
from probes.routes import direct
from probes.routes import submission as submission_route
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class Kind:
    """A one-shot probe: the dataclass of its options and the protocol in order."""

    target: type
    probe: Callable[[Net, Any, Trace], Awaitable[None]]
    host: Callable[[Any], str]
    """Which host (or domain) a target loads; the scheduler paces by it."""


@dataclass(frozen=True, slots=True)
class RouteKind:
    """A way to hand a canary over."""

    target: type
    hand_over: Callable[[Net, Any, Canary, Trace], Awaitable[None]]
    host: Callable[[Any, Canary], str]


@dataclass(frozen=True, slots=True)
class MailboxKind:
    """A way to see canaries arrive.

    `watch` runs until it is cancelled or raises ProbeFailure; the caller reconnects. `remove`
    deletes our own settled canaries, given as folder, epoch and id -> token (see `Place`), and
    returns the tokens that are gone.
    """

    target: type
    watch: Callable[[Net, Any, Interest, Mapping[str, Cursor], Report], Awaitable[None]]
    remove: Callable[[Net, Any, str, str, Mapping[str, str]], Awaitable[frozenset[str]]]
    keep: Callable[[Any], float | None]
    """Seconds a settled canary stays in the mailbox, None for ever."""
    host: Callable[[Any], str]
    trusted_authserv_ids: Callable[[Any], tuple[str, ...]]
    """Whose Authentication-Results are believed; empty = whoever is found to be the receiver."""


KINDS: Mapping[str, Kind] = {
    "mx": Kind(mx.MxTarget, mx.probe, mx.host),
    "mailbox": Kind(mailbox_reading.MailboxTarget, mailbox_reading.probe, mailbox_reading.host),
    "submission": Kind(submission.SubmissionTarget, submission.probe, submission.host),
    "policy": Kind(policy.PolicyTarget, policy.probe, policy.host),
    "sender": Kind(sender.SenderTarget, sender.probe, sender.host),
    "nameservers": Kind(nameservers.NameserversTarget, nameservers.probe, nameservers.host),
}

ROUTES: Mapping[str, RouteKind] = {
    "submission": RouteKind(
        submission_route.SubmissionRoute, submission_route.hand_over, submission_route.host
    ),
    "direct": RouteKind(direct.DirectRoute, direct.hand_over, direct.host),
}

MAILBOXES: Mapping[str, MailboxKind] = {
    "imap": MailboxKind(
        imap.ImapMailbox,
        imap.watch,
        imap.remove,
        imap.keep,
        imap.host,
        imap.trusted_authserv_ids,
    ),
}


_OPENING = (
    *(Phase.DNS_ADDRESS, Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.STARTTLS),
)

_TRANSACTION = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA, Phase.QUIT)

ROUTE_PHASES = {
    "submission": (*_OPENING, Phase.AUTH, *_TRANSACTION),
    "direct": (Phase.DNS_MX, *_OPENING, *_TRANSACTION),
}

JOB_PHASES = {
    "submission": (*_OPENING, Phase.AUTH, Phase.QUIT),
    "mx": (Phase.DNS_MX, *_OPENING, Phase.QUIT),
}
"""What exists at zero from the start; the phases of other kinds appear with their first run."""

JOB_ASPECTS = {
    "mx": (Aspect.MX, Aspect.CERTIFICATE, Aspect.CAPABILITIES),
    "policy": (
        *(Aspect.MX, Aspect.CERTIFICATE, Aspect.CAPABILITIES),
        *(Aspect.STS_RECORD, Aspect.STS_POLICY, Aspect.TLSRPT, Aspect.TLSA),
    ),
    "sender": (Aspect.SPF, Aspect.DKIM, Aspect.DMARC, Aspect.LISTING),
    "nameservers": (Aspect.NAMESERVERS,),
    "mailbox": (Aspect.CERTIFICATE,),
    "submission": (Aspect.CERTIFICATE,),
}
"""What each kind compares from run to run; its series exist at zero from the start."""
