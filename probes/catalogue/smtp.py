"""Findings about SMTP dialogues: a server's replies, before and under TLS."""

from collections.abc import Iterator, Mapping

from probes.catalogue.command_lines import S_CLIENT, S_CLIENT_TLS, SWAKS_EHLO
from probes.catalogue.entry import Entry, always
from probes.result import Owner, Reason, Status

_CERTIFICATE = {
    Reason.CERTIFICATE_EXPIRED: (
        "The server's certificate has expired",
        "Renew the certificate and reload the mail server; have its renewal watched.",
    ),
    Reason.CERTIFICATE_HOST_MISMATCH: (
        "The server's certificate is for another name than the host's",
        "Get a certificate with {host} among its subject alternative names.",
    ),
    Reason.CERTIFICATE_NOT_TRUSTED: (
        "The server's certificate leads to no authority that is trusted",
        "Serve the full chain of a certificate of a public authority (leaf first, then the "
        "intermediates), or trust its authority with `ca_file`.",
    ),
    Reason.VALIDATION_FAILURE: (
        "The server's certificate cannot be read",
        "Replace the certificate by one that obeys RFC 5280.",
    ),
    Reason.UNTESTABLE: (
        "The server's certificate cannot be judged here: no authority is known",
        "Install the system's certification authorities (Debian: ca-certificates) or set "
        "`ca_file`.",
    ),
}
"""Summary and remedy of each possible `TlsFacts.untrusted_reason`."""

_SUBMITTING = {Status.WARNING: "at a submission server, when `verify` is off"}
_RELAYING = {Status.NOTICE: "between relays, where any certificate is better than clear text"}

ADDRESS_UNUSABLE = Entry(
    "smtp.address_unusable",
    "An address of the submission server takes no connection while another one does",
    "Mail programs wait for a timeout before they try the next address.",
    "Repair the server at that address; one that is gone for good leaves the DNS.",
    SWAKS_EHLO,
    "RFC 5321 §5.1",
    Owner.RECEIVER_MX,
    {
        Status.WARNING: "another address of the host works",
        Status.UNTESTABLE: "this machine could not try the address",
    },
)

DSN_REFUSED = Entry(
    "smtp.dsn.refused",
    "The server offers DSN and does not understand its parameters",
    "Senders that ask for delivery reports, as mail programs can, are refused; the canary was "
    "sent without asking.",
    "Let the server accept RET, ENVID, NOTIFY and ORCPT, or no longer offer DSN; a filter in "
    "front of it may refuse them. `dsn: false` at the path stops asking.",
    SWAKS_EHLO,
    "RFC 3461 §4",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
)

EHLO_REFUSED = Entry(
    "smtp.ehlo.refused",
    "The server knows HELO only",
    "Without EHLO there are no extensions: no STARTTLS, no SIZE, no 8BITMIME.",
    "Allow EHLO, in the server and in the firewalls before it (`smtp fixup` or `inspect "
    "esmtp` is a common cause).",
    SWAKS_EHLO,
    "RFC 5321 §3.2",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

TLS_WEAK = Entry(
    "smtp.tls.weak",
    "TLS works, and its version, cipher or key exchange is weak",
    "Relays take it, because the other choice is clear text. Senders that insist on TLS 1.2 and "
    "strong keys fail: they send in clear, or, bound by MTA-STS or DANE, not at all.",
    "Let the server offer TLS 1.2 and 1.3, ECDHE or a Diffie-Hellman group of 2048 bits, and AEAD "
    "ciphers; update it where it cannot.",
    S_CLIENT,
    "RFC 9325 §4.1",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
)

MECHANISM_REFUSED = Entry(
    "smtp.auth.mechanism_refused",
    "The server offers a way to authenticate and does not understand it",
    "Mail programs that try it first, and no other, cannot send.",
    "Let the server offer in its answer to EHLO only the mechanisms that it supports.",
    SWAKS_EHLO,
    "RFC 4954 §3",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

UNSOLICITED_REPLY = Entry(
    "smtp.unsolicited_reply",
    "The server says something that nobody asked for",
    "A client that takes it for the answer to its next command is one answer behind from "
    "then on, and loses or doubles mail.",
    "Find the cause of two answers: a proxy or a filter between the server and the network.",
    SWAKS_EHLO,
    "RFC 5321 §4.2",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

QUIT_FAILED = Entry(
    "smtp.quit.failed",
    "The server does not answer QUIT as it has to",
    "Nothing is lost; senders wait in vain and log an error.",
    "Let the server answer QUIT with 221 before it closes the connection.",
    SWAKS_EHLO,
    "RFC 5321 §4.1.1.10",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
)

STARTTLS_FAILED = Entry(
    "smtp.starttls.failed",
    "STARTTLS is offered, and TLS does not come about",
    "Opportunistic senders then send in clear, and everybody between can read the mail; a "
    "sender that insists on TLS does not deliver.",
    "Repair TLS at the server: its certificate and key files, its protocol versions.",
    S_CLIENT,
    "RFC 7435 §3",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
)

STARTTLS_PLAINTEXT_INJECTED = Entry(
    "smtp.starttls.plaintext_injected",
    "Text in clear follows the 220 to STARTTLS",
    "Somebody between can insert commands or answers into the session (CVE-2011-0411). The "
    "server, or a proxy before it, does not drop text that came before TLS.",
    "Update the mail server or the proxy before it; it has to empty its buffers when TLS begins.",
    S_CLIENT,
    "RFC 3207 §4.2",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
)


def _certificates(
    tls: str, verify: str, severity: Mapping[Status, str]
) -> Iterator[tuple[Reason, Entry]]:
    why = (
        "Senders that verify (MTA-STS, REQUIRETLS, mail programs) will not deliver; the others "
        "cannot tell the server from somebody between."
    )
    for reason, (summary, remedy) in _CERTIFICATE.items():
        yield (
            reason,
            Entry(
                f"smtp.{tls}.{reason}",
                summary,
                why,
                remedy,
                verify,
                "RFC 8460 §4.3",
                Owner.MONITOR if reason is Reason.UNTESTABLE else Owner.RECEIVER_MX,
                severity,
                is_beside_failure=tls == "starttls" and reason.startswith("certificate_"),
            ),
        )


STARTTLS_CERTIFICATES: Mapping[Reason, Entry] = dict(
    _certificates("starttls", S_CLIENT, _RELAYING | _SUBMITTING)
)
"""By `TlsFacts.untrusted_reason`, where TLS began with STARTTLS."""

IMPLICIT_CERTIFICATES: Mapping[Reason, Entry] = dict(
    _certificates("implicit", S_CLIENT_TLS, _SUBMITTING)
)
"""By `TlsFacts.untrusted_reason`, where TLS began with the connection."""
