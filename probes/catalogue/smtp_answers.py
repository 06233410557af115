"""Findings about an MX host's extensions, its response times, and the reasons of its refusals."""

from probes.catalogue.command_lines import (
    SWAKS_EHLO,
    SWAKS_EHLO_TLS,
    SWAKS_MAIL,
    SWAKS_RCPT,
    recipient_asked,
)
from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

STARTTLS_NOT_OFFERED = Entry(
    "smtp.starttls.not_offered",
    "The server does not offer STARTTLS",
    "Mail goes in clear: everybody between can read and change it.",
    "Switch TLS on (Postfix: `smtpd_tls_security_level = may` and `smtpd_tls_chain_files`).",
    SWAKS_EHLO,
    "RFC 7435 §3",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

STARTTLS_MASKED = Entry(
    "smtp.starttls.masked",
    "Somebody on the way has overwritten the offer of STARTTLS",
    "A firewall or an attacker forces mail into clear text.",
    "Switch SMTP inspection off in the firewall (Cisco: `no inspect esmtp`), theirs or ours; "
    "compare with another place to measure from.",
    SWAKS_EHLO,
    "RFC 3207 §6",
    Owner.NETWORK,
    always(Status.WARNING),
    is_beside_failure=True,
)

STARTTLS_OFFERED_AGAIN = Entry(
    "smtp.starttls.offered_again",
    "The server offers STARTTLS when TLS is in use already",
    "Clients that believe it fail at the second STARTTLS.",
    "Update the server or the proxy that ends TLS before it.",
    SWAKS_EHLO_TLS,
    "RFC 3207 §4.2",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

EXTENSIONS_LOST = Entry(
    "smtp.extensions.lost",
    "Extensions that are offered in clear are not offered under TLS",
    "One program answers in clear and another one under TLS: a proxy stands between.",
    "Let the proxy pass the server's own EHLO answer on.",
    SWAKS_EHLO_TLS,
    "RFC 3207 §4.2",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

EHLO_NAME_CHANGED = Entry(
    "smtp.ehlo.name_changed",
    "The server calls itself otherwise under TLS than in clear",
    "One program answers in clear and another one under TLS: a proxy stands between.",
    "Give both the same name.",
    SWAKS_EHLO_TLS,
    "RFC 5321 §4.1.1.1",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

EHLO_NAME_NOT_QUALIFIED = Entry(
    "smtp.ehlo.name_not_qualified",
    "The server's name for itself is not a fully qualified domain name",
    "Logs and loops cannot be told apart by it; the server likely says the same name when it "
    "sends, where it costs reputation.",
    "Set the server's name (Postfix: `myhostname`) to the one its address resolves to.",
    SWAKS_EHLO,
    "RFC 5321 §4.1.1.1",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

SIZE_TOO_SMALL = Entry(
    "smtp.size.too_small",
    "The server takes messages of less than 64 KiB only",
    "Ordinary mail with an attachment is refused.",
    "Raise the limit (Postfix: `message_size_limit`); look for a full disk, which some servers "
    "announce this way.",
    SWAKS_EHLO,
    "RFC 5321 §4.5.3.1.7",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)


GREETING_PAUSED = Entry(
    "smtp.greeting.paused",
    "The server pauses before its greeting",
    "That sorts out spam software that talks too early; honest senders wait a little.",
    "Nothing, unless senders give up: they wait five minutes by the standard.",
    SWAKS_EHLO,
    "RFC 5321 §4.5.3.2.1",
    Owner.RECEIVER_FILTER,
    always(Status.INFO),
)

TARPIT = Entry(
    "smtp.tarpit",
    "The server delays every answer",
    "It slows down clients that it distrusts, or it is overloaded; each message takes long.",
    "See whether our address is on its lists; the server's load and its DNS look-ups are the "
    "other common causes.",
    SWAKS_EHLO,
    "RFC 5321 §4.5.3.2",
    Owner.RECEIVER_FILTER,
    always(Status.WARNING),
    is_beside_failure=True,
)


GREETING_REJECTED = Entry(
    "smtp.greeting.rejected",
    "The server refuses the connection with its greeting",
    "It takes no mail from our address, or from nobody.",
    "Read its reply: a block list is named there if one is the cause; else the server's "
    "access rules.",
    SWAKS_EHLO,
    "RFC 5321 §3.1",
    Owner.RECEIVER_FILTER,
    always(Status.FAILURE),
)

GREETING_NO_MAIL = Entry(
    "smtp.greeting.no_mail",
    "The host says that it never takes mail",
    "Senders bounce mail at once.",
    "Name a host that takes mail in the MX records; a domain without mail publishes "
    "`{domain}. MX 0 .`.",
    SWAKS_EHLO,
    "RFC 7504 §3",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
)

SERVICE_CLOSING = Entry(
    "smtp.service_closing",
    "The server closes the service",
    "It is stopping, overloaded, or does not want this client now; senders try again later.",
    "Look at the server's log and load; if only we are refused, at its access rules.",
    SWAKS_EHLO,
    "RFC 5321 §3.8",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
)

RATE_LIMITED = Entry(
    "smtp.rate_limited",
    "The server says that there were too many connections or messages",
    "Mail is late by the sender's retry interval, and the queue grows.",
    "Send slower to this host, or have the limit raised (Postfix: "
    "`smtpd_client_connection_rate_limit`).",
    SWAKS_EHLO,
    "RFC 5321 §4.5.3.1.10",
    Owner.RECEIVER_FILTER,
    always(Status.WARNING),
)

GREYLISTED = Entry(
    "smtp.greylisted",
    "The server greylists us",
    "The first message of a new sender comes minutes late; it is taken when it is tried again.",
    "Nothing; a permitted sender can be entered in the server's allow list.",
    SWAKS_RCPT,
    "RFC 6647 §2.1",
    Owner.RECEIVER_FILTER,
    always(Status.INFO),
)


RCPT_REFUSED = Entry(
    "rcpt.refused",
    "The server refuses the recipient",
    "Mail to this address bounces.",
    "Look at the reply: the mailbox may not exist, be full, or the server not know the domain.",
    SWAKS_RCPT,
    "RFC 5321 §3.3",
    Owner.RECEIVER_MAILBOX,
    always(Status.FAILURE),
    is_beside_failure=True,
)

RCPT_POSTMASTER_REFUSED = Entry(
    "rcpt.postmaster_refused",
    "The server refuses mail to postmaster",
    "Nobody can tell the domain's administrators about trouble; it is the one mailbox that "
    "has to exist.",
    "Make postmaster@{domain} an alias of a person that reads it.",
    recipient_asked("postmaster@{domain}"),
    "RFC 5321 §4.5.1",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

RCPT_CATCH_ALL = Entry(
    "rcpt.catch_all",
    "The server takes mail for a recipient that cannot exist",
    "Either everything is read by somebody, or it bounces later to forged senders, which "
    "gets the server listed.",
    "Have unknown recipients refused at RCPT (Postfix: `reject_unlisted_recipient`).",
    recipient_asked("no-such-user@{domain}"),
    "",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
    is_beside_failure=True,
)

RCPT_OPEN_RELAY = Entry(
    "rcpt.open_relay",
    "The server takes mail for another domain from a stranger",
    "Spammers will find it, and its address will be on every block list within days.",
    "Refuse mail for domains that are not your own (Postfix: `reject_unauth_destination`). "
    "If this monitor's address may relay here (Postfix: `mynetworks`), ask from elsewhere. A "
    "server that takes everything and sorts later is told by its bounces.",
    recipient_asked("postmaster@{ehlo_name}"),
    "RFC 5321 §7.9",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    is_beside_failure=True,
)

RCPT_SENDER_REFUSED = Entry(
    "rcpt.sender_refused",
    "The server does not take the envelope sender, for good or for now",
    "No mail of this sender is taken here, for any recipient; the questions stay open.",
    "Look at the reply. A refused null sender (<>) makes bounces and reports of delivery "
    "impossible: the server has to take it. Of another sender, its domain, its SPF policy or "
    "our address is refused: ask with a sender you may use ({from_option}).",
    SWAKS_MAIL,
    "RFC 5321 §3.3",
    Owner.RECEIVER_FILTER,
    {
        Status.FAILURE: "the refusal is a permanent one",
        Status.WARNING: "the refusal is a transient one",
    },
    is_beside_failure=True,
)

RCPT_NOT_ASKED = Entry(
    "rcpt.not_asked",
    "The server was not asked whether it relays",
    "The recipient would be postmaster at our EHLO name, which lies too near to the server's "
    "own names: it may take such mail rightly.",
    "Ask from a machine with a name elsewhere, or give one ({helo_option}).",
    recipient_asked("postmaster@{ehlo_name}"),
    "RFC 5321 §7.9",
    Owner.MONITOR,
    always(Status.INFO),
    is_beside_failure=True,
)

RCPT_ACCEPTED = Entry(
    "rcpt.accepted",
    "The server takes mail for the recipient",
    "As it should be. A canary shows the further way of the mail.",
    "Nothing.",
    SWAKS_RCPT,
    "RFC 5321 §3.3",
    Owner.RECEIVER_MAILBOX,
    always(Status.INFO),
    is_beside_failure=True,
)

RCPT_POSTMASTER_ACCEPTED = Entry(
    "rcpt.postmaster_accepted",
    "The server takes mail for postmaster",
    "As it should be: somebody can be told about trouble with the domain's mail.",
    "Nothing.",
    recipient_asked("postmaster@{domain}"),
    "RFC 5321 §4.5.1",
    Owner.RECEIVER_MX,
    always(Status.INFO),
    is_beside_failure=True,
)

RCPT_UNKNOWN_REFUSED = Entry(
    "rcpt.unknown_refused",
    "The server refuses a recipient that cannot exist",
    "As it should be: a mistyped address is told to its sender at once.",
    "Nothing.",
    recipient_asked("no-such-user@{domain}"),
    "",
    Owner.RECEIVER_MX,
    always(Status.INFO),
    is_beside_failure=True,
)

RCPT_RELAY_REFUSED = Entry(
    "rcpt.relay_refused",
    "The server refuses mail for another domain",
    "As it should be: strangers cannot send through it.",
    "Nothing.",
    recipient_asked("postmaster@{ehlo_name}"),
    "RFC 5321 §7.9",
    Owner.RECEIVER_MX,
    always(Status.INFO),
    is_beside_failure=True,
)

RCPT_UTF8_MISSING = Entry(
    "rcpt.smtputf8_missing",
    "The server cannot be given a recipient with letters beyond ASCII",
    "Senders may not name the recipient there: mail to this address bounces.",
    "Switch SMTPUTF8 on (Postfix: `smtputf8_enable = yes`), or give the mailbox an address in "
    "ASCII as well.",
    SWAKS_EHLO_TLS,
    "RFC 6531 §3.2",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    is_beside_failure=True,
)

RCPT_DEFERRED = Entry(
    "rcpt.recipient_deferred",
    "No server takes mail for the recipient now (4yz)",
    "Senders keep the mail and try again, for days; then they bounce it.",
    "Look at the reply: a back end that is away, a full disk or mailbox, a limit or a policy. "
    "Ask again later.",
    SWAKS_RCPT,
    "RFC 5321 §4.2.1",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    is_beside_failure=True,
)

RCPT_UNDECIDED = Entry(
    "rcpt.undecided",
    "The server neither takes nor refuses a recipient",
    "Greylisting, a limit or a policy stands before the answer: nothing is known.",
    "Ask again later; the reply is in the evidence.",
    SWAKS_RCPT,
    "RFC 5321 §3.5.3",
    Owner.RECEIVER_FILTER,
    always(Status.INFO),
    is_beside_failure=True,
)
