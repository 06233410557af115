"""The tables of what can be measured: one row per kind, route and mailbox."""

from dataclasses import replace

from probes.canary.dkim_selectors import LearntSelector
from probes.catalogue.parties import RECEIVER
from probes.kinds import mailbox_reading, mx, nameservers, submission
from probes.kinds.policy import probe as policy
from probes.kinds.sender import probe as sender
from probes.mailboxes.imap import watch as imap
from probes.registry.plugins import PluginTable
from probes.registry.row_types import Diagnosed, Kind, MailboxKind, RouteKind
from probes.result import Aspect, Phase
from probes.routes import direct
from probes.routes import submission as submission_route

_OPENING = (
    *(Phase.DNS_ADDRESS, Phase.CONNECT, Phase.TLS, Phase.GREETING, Phase.EHLO, Phase.STARTTLS),
)

_TRANSACTION = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.END_OF_DATA, Phase.QUIT)


def _with_selectors(
    target: sender.SenderTarget, learnt: tuple[LearntSelector, ...]
) -> sender.SenderTarget:
    return replace(target, learnt=learnt)


_MX = Kind(
    mx.MxTarget,
    mx.probe,
    mx.host,
    phases=(Phase.DNS_MX, *_OPENING, Phase.QUIT),
    aspects=(Aspect.MX, Aspect.CERTIFICATE, Aspect.CAPABILITIES),
    visits_mx_hosts=True,
    has_mx_metrics=True,
    diagnosed=Diagnosed(
        title="Receiving mail",
        good="the mail servers of {domain} answer the handshake",
        flawed="the mail servers of {domain} answer the handshake",
        broken="the mail servers of {domain} answer",
        bad="mail for {domain} cannot be delivered",
        bad_for_now="mail for {domain} is deferred now",
        shows=("tls", "ehlo", "rcpt"),
        counts_addresses=True,
        tells_basis=True,
    ),
)

_MAILBOX = Kind(
    mailbox_reading.MailboxTarget,
    mailbox_reading.probe,
    mailbox_reading.host,
    aspects=(Aspect.CERTIFICATE,),
)

_SUBMISSION = Kind(
    submission.SubmissionTarget,
    submission.probe,
    submission.host,
    phases=(*_OPENING, Phase.AUTH, Phase.QUIT),
    aspects=(Aspect.CERTIFICATE,),
)

_POLICY = Kind(
    policy.PolicyTarget,
    policy.probe,
    policy.host,
    aspects=(
        *(Aspect.MX, Aspect.CERTIFICATE, Aspect.CAPABILITIES),
        *(Aspect.STS_RECORD, Aspect.STS_POLICY, Aspect.TLSRPT, Aspect.TLSA),
    ),
    visits_mx_hosts=True,
    diagnosed=Diagnosed(
        title="Transport security",
        good="nothing that {domain} promises about TLS is broken",
        flawed="what {domain} promises about TLS has defects, and mail is delivered all the same",
        broken="part of what {domain} promises about TLS is broken, and mail is delivered all the "
        "same",
        bad="senders that enforce the policies of {domain} do not deliver",
        bad_for_now="senders that enforce the policies of {domain} do not deliver now",
        shows=("dane",),
        rests_on_hosts=True,
    ),
)

_SENDER = Kind(
    sender.SenderTarget,
    sender.probe,
    sender.host,
    aspects=(Aspect.SPF, Aspect.DKIM, Aspect.DMARC, Aspect.LISTING),
    with_selectors=_with_selectors,
    diagnosed=Diagnosed(
        title="Sending mail",
        good="receivers can tell mail of {domain} from forged mail",
        flawed="what {domain} says of its mail has defects",
        broken="receivers cannot rely on what {domain} says of its mail",
        bad="receivers have reason to doubt mail of {domain}",
        bad_for_now="receivers cannot find out now what {domain} says of its mail",
        of_a_part="by what was examined, receivers can tell mail of {domain} from forged mail",
        shows=("spf", "dkim", "dmarc", "rdns", "dnsbl"),
    ),
)

_NAMESERVERS = Kind(
    nameservers.NameserversTarget,
    nameservers.probe,
    nameservers.host,
    aspects=(Aspect.NAMESERVERS,),
    diagnosed=Diagnosed(
        title="Name servers",
        good="the zone of {domain} is served with authority",
        flawed="the name servers of {domain} answer, and not all as they should",
        broken="the name servers of {domain} are in trouble",
        bad="the name servers of {domain} are in trouble",
        bad_for_now="the name servers of {domain} are in trouble now",
        shows=("dns",),
        asks_of_mx_hosts=False,
    ),
)

KINDS = PluginTable(
    "mailcanary.kinds",
    Kind,
    {
        "mx": _MX,
        "mailbox": _MAILBOX,
        "submission": _SUBMISSION,
        "policy": _POLICY,
        "sender": _SENDER,
        "nameservers": _NAMESERVERS,
    },
)

DEFAULT_KIND = "mx"
"""The kind of a probe by `/probe` that names no module."""

ROUTES = PluginTable(
    "mailcanary.routes",
    RouteKind,
    {
        "submission": RouteKind(
            submission_route.SubmissionRoute,
            submission_route.hand_over,
            submission_route.host,
            phases=(*_OPENING, Phase.AUTH, *_TRANSACTION),
        ),
        "direct": RouteKind(
            direct.DirectRoute,
            direct.hand_over,
            direct.host,
            phases=(Phase.DNS_MX, *_OPENING, *_TRANSACTION),
            party=RECEIVER,
        ),
    },
)

MAILBOXES = PluginTable(
    "mailcanary.mailboxes",
    MailboxKind,
    {
        "imap": MailboxKind(
            imap.ImapMailbox,
            imap.watch,
            imap.remove,
            imap.keep,
            imap.host,
            imap.trusted_authserv_ids,
        ),
    },
)
