"""Findings about a domain's MX hosts and their addresses."""

from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

_DIG_MX = "dig @{resolver} MX {domain}"
_DIG_HOST = "dig @{resolver} A {host}\ndig @{resolver} AAAA {host}"
_SWAKS = (
    "swaks --to postmaster@{domain} --server {address} --port {port} --ehlo {ehlo_name} "
    "--local-interface {source_address} --quit-after EHLO"
)

ENTRIES = (
    Entry(
        "mx.address_unusable",
        "An address of an MX host does not take mail while another one does",
        "Senders try the addresses one after the other: mail is late by a timeout or more, and one "
        "more failure away from not coming at all.",
        "Repair the server at {address}, or take its address or MX record out of the DNS.",
        _SWAKS,
        "RFC 5321 §5.1",
        Owner.THEIR_MX,
        {
            Status.WARNING: "another address of the domain works",
            Status.UNTESTABLE: "this machine could not try the address",
        },
    ),
    Entry(
        "mx.address_lookup_failed",
        "One of the look-ups of A and AAAA records of an MX host failed",
        "Addresses of that family are unknown; senders that need them defer the mail.",
        "Have the name servers of {host} answer for both types; no record of a type is NODATA, "
        "not an error.",
        _DIG_HOST,
        "RFC 5321 §5.1",
        Owner.THEIR_DNS,
        {
            Status.WARNING: "the domain's servers failed",
            Status.UNTESTABLE: "our own resolver failed",
        },
    ),
    Entry(
        "mx.hosts_left_out",
        "The domain has more hosts or addresses than one run probes",
        "What was not probed may be broken without this run seeing it.",
        "Raise `max_hosts` of the job, or remove MX records nobody needs.",
        _DIG_MX,
        "RFC 5321 §5.1",
        Owner.MONITOR,
        always(Status.INFO),
    ),
)
