"""Findings about a domain's MX hosts and their addresses."""

from probes.catalogue.command_lines import DIG_ADDRESSES, FINGERPRINT, SWAKS_EHLO
from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_DIG_MX = "dig @{resolver} MX {domain}"

ADDRESS_UNUSABLE = Entry(
    "mx.address_unusable",
    "An address of an MX host does not take mail while another one does",
    "Senders try the addresses one after the other. Mail is late by a timeout or more. If "
    "the other addresses fail as well, it does not come at all.",
    "Repair the server at {address}, or what stands between it and its senders.",
    SWAKS_EHLO,
    "RFC 5321 §5.1",
    Owner.RECEIVER_MX,
    {
        Status.WARNING: "another address of the domain works",
        Status.UNTESTABLE: "this machine could not try the address",
    },
    leaves_verdict=True,
)

ADDRESS_LOOKUP_FAILED = Entry(
    "mx.address_lookup_failed",
    "One of the look-ups of A and AAAA records of an MX host failed",
    "Addresses of that family are unknown; senders that need them defer the mail.",
    "Have the name servers of {host} answer for both types; no record of a type is NODATA, "
    "not an error.",
    DIG_ADDRESSES,
    "RFC 5321 §5.1",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "the domain's servers failed",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
    leaves_verdict=True,
)

HOSTS_LEFT_OUT = Entry(
    "mx.hosts_left_out",
    "The domain has more hosts or addresses than one run probes",
    "The rest may be broken without this run seeing it.",
    "Remove MX records nobody needs; a job of the service probes `max_hosts` of them.",
    _DIG_MX,
    "RFC 5321 §5.1",
    Owner.MONITOR,
    always(Status.INFO),
)

IMPLICIT = Entry(
    "mx.implicit",
    "The domain has no MX record; its own address takes the mail",
    "A web server that listens on port 25, or does not, becomes the mail server. Senders that "
    "find no address either bounce.",
    "Publish `{domain}. MX 10 mail.{domain}.`, or `{domain}. MX 0 .` if it takes no mail.",
    _DIG_MX,
    "RFC 5321 §5.1",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.MX,
)

NULL_WITH_OTHERS = Entry(
    "mx.null_with_others",
    "A null MX stands beside other MX records",
    "One record says that no mail is taken, the others say where: some senders bounce, some "
    "deliver.",
    "Remove either `MX 0 .` or all others.",
    _DIG_MX,
    "RFC 7505 §3",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
    mended_in=Aspect.MX,
)

NULL_PREFERENCE = Entry(
    "mx.null_preference",
    "The null MX has another preference than 0",
    "Senders that look for the exact record may not recognise it.",
    "Publish `{domain}. MX 0 .`.",
    _DIG_MX,
    "RFC 7505 §3",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.MX,
)

RECORDS_DUPLICATE = Entry(
    "mx.records_duplicate",
    "An MX host is named more than once",
    "Senders may try the same host twice and give up the others earlier.",
    "Keep one MX record for each host.",
    _DIG_MX,
    "RFC 5321 §5.1",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.MX,
)

HOST_IS_ADDRESS = Entry(
    "mx.host_is_address",
    "An MX record holds an IP address where a host name has to stand",
    "Senders look the text up as a name, which does not exist: mail to the domain is deferred "
    "or bounced.",
    "Give the address a name (`mail.{domain}. A ...`) and let the MX record point to that.",
    _DIG_MX,
    "RFC 1035 §3.3.9",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.MX,
)

HOST_IS_CNAME = Entry(
    "mx.host_is_cname",
    "The name in an MX record is an alias",
    "Some senders refuse it, TLSA records are looked for at other names, and certificates "
    "rarely name both.",
    "Let the MX record name the host itself.",
    DIG_ADDRESSES,
    "RFC 2181 §10.3",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
    mended_in=Aspect.MX,
)

HOST_UNRESOLVED = Entry(
    "mx.host_unresolved",
    "An MX host has no address",
    "Nobody can deliver there; when it is the only host, mail is deferred or bounced.",
    "Publish A and AAAA records of {host}, or let the MX record name a host that has them.",
    DIG_ADDRESSES,
    "RFC 5321 §5.1",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "its name servers say so, or fail",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
    leaves_verdict=True,
)

HOST_SPECIAL_ADDRESS = Entry(
    "mx.host_special_address",
    "An MX host has an address that nobody on the Internet can reach",
    "Mail from outside is deferred; an internal mail path may want it so.",
    "Publish public addresses for {host}, at least to the outside.",
    DIG_ADDRESSES,
    "RFC 6890 §2.2",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "nothing answers at the address",
        Status.NOTICE: "a server answers there, from where we measure",
    },
    is_beside_failure=True,
)

ADDRESSES_SHARED = Entry(
    "mx.addresses_shared",
    "Several MX hosts share one address",
    "They look like a reserve and are none: they fail together.",
    "Put the hosts on different machines, or name one of them only.",
    _DIG_MX,
    "RFC 5321 §5.1",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
)

CERTIFICATES_DIFFER = Entry(
    "mx.certificates_differ",
    "The addresses of an MX host serve different certificates",
    "Normal in a farm and while a certificate is renewed. Where only some of them are "
    "trusted, senders that insist on it deliver or defer by chance; a TLSA record has to "
    "match every one of them.",
    "See that every server behind {host} has a certificate that is trusted and stays so.",
    FINGERPRINT,
    "",
    Owner.RECEIVER_MX,
    {Status.INFO: "all are trusted, or none is", Status.WARNING: "only some are trusted"},
)

STARTTLS_INCONSISTENT = Entry(
    "mx.starttls_inconsistent",
    "Some addresses of an MX host offer STARTTLS and others do not",
    "It depends on chance which senders encrypt; senders that insist on TLS defer now and "
    "then. Where the server is the same, somebody on the way removes the offer.",
    "Configure all servers behind {host} alike; else look for a firewall that inspects SMTP.",
    SWAKS_EHLO,
    "RFC 3207 §6",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)
