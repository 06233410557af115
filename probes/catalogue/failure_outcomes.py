"""Failures by a result: certificates and policies, records, arrivals, ourselves."""

from probes.catalogue.command_lines import FINGER_DANE, SWAKS_EHLO
from probes.catalogue.failure_ending import DNS, Ending
from probes.result import Phase, Reason

_ALL = tuple(Phase)
_CERTIFICATE = (
    "Senders that verify (MTA-STS, DANE, REQUIRETLS, mail programs) do not deliver there."
)
_TLS = (Phase.TLS, Phase.HTTPS, Phase.EVALUATE, Phase.STARTTLS)
_OF_TLS = (
    Ending(
        Reason.STARTTLS_NOT_SUPPORTED,
        (Phase.EVALUATE, Phase.EHLO, Phase.STARTTLS, Phase.TLS),
        "STARTTLS is needed and not offered",
        _CERTIFICATE,
        "Switch TLS on at {host} (Postfix: `smtpd_tls_security_level = may` and "
        "`smtpd_tls_chain_files`).",
        "RFC 8460 §4.3.1",
        SWAKS_EHLO,
    ),
    Ending(
        Reason.CERTIFICATE_HOST_MISMATCH,
        _TLS,
        "the certificate is for another name than the host's",
        _CERTIFICATE,
        "Get a certificate with {host} among its subject alternative names.",
        "RFC 8460 §4.3.1",
    ),
    Ending(
        Reason.CERTIFICATE_EXPIRED,
        _TLS,
        "the certificate has expired",
        _CERTIFICATE,
        "Renew the certificate of {host} and reload the server; have its renewal watched.",
        "RFC 8460 §4.3.1",
    ),
    Ending(
        Reason.CERTIFICATE_NOT_TRUSTED,
        _TLS,
        "the certificate leads to no authority that is trusted",
        _CERTIFICATE,
        "Serve the full chain of a certificate of a public authority for {host}: leaf first, then "
        "the intermediates.",
        "RFC 8460 §4.3.1",
    ),
    Ending(
        Reason.VALIDATION_FAILURE,
        (Phase.EVALUATE,),
        "no certificate that is served is one that the domain promises",
        _CERTIFICATE,
        "Publish `{tlsa_name}. IN TLSA 3 1 1 {digest}`, or serve the certificate the records "
        "speak of.",
        "RFC 8460 §4.3.1",
        FINGER_DANE,
    ),
    Ending(
        Reason.VALIDATION_FAILURE,
        (Phase.TLS, Phase.STARTTLS, Phase.HTTPS),
        "TLS cannot be agreed on",
        "Opportunistic senders deliver in clear or try later; those that insist on TLS defer.",
        "Repair TLS at {host}: its certificate and key files, and TLS 1.2 or 1.3 with ciphers of "
        "today.",
        "RFC 8460 §4.3.1",
    ),
    Ending(
        Reason.TLSA_INVALID,
        (Phase.EVALUATE,),
        "no TLSA record is usable and the server has no TLS",
        _CERTIFICATE,
        "Publish `{tlsa_name}. IN TLSA 3 1 1 {digest}` and repair TLS at {host}.",
        "RFC 8460 §4.3.2",
        FINGER_DANE,
    ),
    Ending(
        Reason.DNSSEC_INVALID,
        (Phase.EVALUATE,),
        "TLSA records cannot be had from a signed zone",
        "Senders that honour DANE cannot tell it from an attack and do not deliver.",
        "Have the name servers answer for {tlsa_name}: no record is NODATA or NXDOMAIN, signed.",
        "RFC 8460 §4.3.2",
        "dig @{resolver} +dnssec TLSA {tlsa_name}\ndig @{resolver} +dnssec +cd TLSA {tlsa_name}",
    ),
    Ending(
        Reason.DANE_REQUIRED,
        (Phase.EVALUATE,),
        "DANE is required and the host has no TLSA records",
        "Senders that require it do not deliver.",
        "Publish `{tlsa_name}. IN TLSA 3 1 1 {digest}`.",
        "RFC 8460 §4.3.2",
        FINGER_DANE,
    ),
    Ending(
        Reason.STS_POLICY_FETCH_ERROR,
        (Phase.EVALUATE, Phase.HTTPS),
        "the MTA-STS policy cannot be had",
        "Senders without a copy of it deliver without any policy; with a copy they go by the old.",
        "Serve it at https://mta-sts.{domain}/.well-known/mta-sts.txt with status 200, as "
        "text/plain, without a redirect.",
        "RFC 8460 §4.3.2",
        "curl -v https://mta-sts.{domain}/.well-known/mta-sts.txt",
    ),
    Ending(
        Reason.STS_POLICY_INVALID,
        (Phase.EVALUATE,),
        "no MX host is one that the MTA-STS policy allows",
        "Senders that honour the policy do not deliver.",
        "Name every MX host in the policy, and change the id of the record.",
        "RFC 8460 §4.3.2",
        "curl -v https://mta-sts.{domain}/.well-known/mta-sts.txt\ndig @{resolver} MX {domain}",
    ),
    Ending(
        Reason.STS_WEBPKI_INVALID,
        (Phase.EVALUATE, Phase.HTTPS),
        "the policy host has no certificate that is trusted",
        "Senders do not take the policy.",
        "Get a certificate of a public authority for mta-sts.{domain}.",
        "RFC 8460 §4.3.2",
        "curl -v https://mta-sts.{domain}/.well-known/mta-sts.txt",
    ),
)

_OF_RECORDS = (
    Ending(
        Reason.RECORD_MISSING,
        (Phase.EVALUATE, Phase.DNS_ADDRESS),
        "a record that is needed is missing",
        "Receivers have nothing to tell our mail from forged mail by.",
        "Publish the record at the name that is given.",
        "RFC 7208 §4.5",
    ),
    Ending(
        Reason.RECORD_MULTIPLE,
        (Phase.EVALUATE,),
        "there are several records where one has to stand",
        "Receivers take none of them.",
        "Keep one record at {name}, and remove the others.",
        "RFC 7208 §4.5",
    ),
    Ending(
        Reason.RECORD_SYNTAX,
        (*DNS, Phase.EVALUATE),
        "a record cannot be read",
        "Receivers do as if it were not there, or count it as an error.",
        "Correct the named fault and publish the record at {name} again.",
        "RFC 7208 §4.6",
    ),
    Ending(
        Reason.LISTED,
        (Phase.EVALUATE,),
        "an address or a domain of ours is on a block list",
        "Receivers that use the list refuse or junk our mail.",
        "Read the list's reason, stop its cause, then ask the list to remove the entry.",
        "RFC 5782 §2.1",
        "dig @{resolver} A 2.0.0.127.{list}",
    ),
    Ending(
        Reason.LIST_UNHEALTHY,
        (Phase.EVALUATE,),
        "a block list is out of order, or refuses to answer us",
        "Its answer says nothing here: neither listed nor not listed.",
        "Ask it through a resolver of your own (large lists refuse public ones), or check the key.",
        "RFC 5782 §5",
        "dig @{resolver} A 2.0.0.127.{list}",
    ),
)

_AT_ARRIVAL = (Phase.ARRIVAL, Phase.TRANSIT)
_OF_DELIVERY = (
    Ending(
        Reason.BOUNCED,
        _AT_ARRIVAL,
        "the message came back",
        "It was taken over and then refused; the recipient never sees it.",
        "Read the delivery status: it names the host that refused and its reply.",
        "RFC 3464 §2.3",
    ),
    Ending(
        Reason.LOST,
        _AT_ARRIVAL,
        "the message was taken over and never arrived",
        "A server that has answered 250 has to deliver or to say that it cannot.",
        "Follow the message's id through the logs, from the host that took it over.",
        "RFC 5321 §4.2.5",
    ),
    Ending(
        Reason.JUNKED,
        _AT_ARRIVAL,
        "the message was sorted as junk",
        "Its recipient does not see it.",
        "Read the filter's headers in the copy: they name the rules that counted.",
    ),
    Ending(
        Reason.ALTERED,
        _AT_ARRIVAL,
        "the message was changed on the way",
        "Signatures break, and so do the verdicts that depend on them.",
        "See which hop changed it, and switch that filter's rewriting off.",
        "RFC 6376 §5.3",
    ),
    Ending(
        Reason.DUPLICATED,
        _AT_ARRIVAL,
        "the message arrived more than once",
        "A server sent it again because it did not hear that it was taken.",
        "Look for timeouts at the end of the message between the two hosts that differ.",
        "RFC 5321 §4.5.3.2.6",
    ),
)

_OF_US = (
    Ending(
        Reason.UNTESTABLE,
        _ALL,
        "this could not be tested from here",
        "Nothing is said of the peer: the cause is on this machine.",
        "See the evidence: it names the missing thing. Repair that.",
        "",
        "",
    ),
    Ending(
        Reason.UNEXPECTED,
        _ALL,
        "an error of this program ended the test",
        "Nothing is said of the peer.",
        "Report it with the evidence and the traceback in the log.",
        "",
        "",
    ),
)

ENDINGS = (*_OF_TLS, *_OF_RECORDS, *_OF_DELIVERY, *_OF_US)
