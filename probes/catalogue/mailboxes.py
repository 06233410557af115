"""Findings about a mailbox that is read over IMAP."""

from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

_S_CLIENT = "openssl s_client -connect {host}:993 -servername {host} -verify_hostname {host}"

QUOTA_FULL = Entry(
    "mailbox.quota_full",
    "The mailbox is full",
    "New mail is refused or deferred; senders get `4.2.2` or `5.2.2`.",
    "Remove messages or raise the quota.",
    "mailcanary run {job}",
    "RFC 9208 §5",
    Owner.RECEIVER_MAILBOX,
    always(Status.FAILURE),
)

QUOTA_NEARLY_FULL = Entry(
    "mailbox.quota_nearly_full",
    "The mailbox is nearly full",
    "From 100 % on new mail is refused or deferred.",
    "Remove messages or raise the quota.",
    "mailcanary run {job}",
    "RFC 9208 §5",
    Owner.RECEIVER_MAILBOX,
    always(Status.WARNING),
)

CERTIFICATE_UNTRUSTED = Entry(
    "mailbox.certificate_untrusted",
    "The certificate of the IMAP server is not to be trusted",
    "Mail programs warn or refuse to connect.",
    "Serve a certificate with the host's name and its full chain, or trust its authority with "
    "`ca_file`.",
    _S_CLIENT,
    "RFC 8314 §4.1",
    Owner.RECEIVER_MAILBOX,
    always(Status.WARNING),
)

TLS_WEAK = Entry(
    "mailbox.tls_weak",
    "TLS works, and its version, cipher or key exchange is weak",
    "Mail programs of today refuse such a server. It was accepted because `verify` is off.",
    "Let the server offer TLS 1.2 and 1.3, ECDHE or a Diffie-Hellman group of 2048 bits, and AEAD "
    "ciphers.",
    _S_CLIENT,
    "RFC 9325 §4.1",
    Owner.RECEIVER_MAILBOX,
    always(Status.WARNING),
)

ADDRESS_UNUSABLE = Entry(
    "mailbox.address_unusable",
    "An address of the IMAP server takes no connection while another one does",
    "Mail programs wait for a timeout before they try the next address.",
    "Repair the server at that address; one that is gone for good leaves the DNS.",
    _S_CLIENT,
    "",
    Owner.RECEIVER_MAILBOX,
    {
        Status.WARNING: "another address of the host works",
        Status.UNTESTABLE: "this machine could not try the address",
    },
)

ODD_ANSWER = Entry(
    "mailbox.odd_answer",
    "The IMAP server gave an answer that was not to be expected",
    "The run went on without it. Mail programs may not: they miss a folder, say, or a quota.",
    "Look at the answer in the evidence, and tell the server's maker.",
    _S_CLIENT,
    "RFC 3501 §7",
    Owner.RECEIVER_MAILBOX,
    always(Status.NOTICE),
)
