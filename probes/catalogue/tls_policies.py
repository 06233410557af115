"""Findings about a domain's policies for senders: DNSSEC, DANE, MTA-STS, TLS-RPT, certificates."""

from collections.abc import Mapping

from probes.catalogue.command_lines import FINGER_DANE, S_CLIENT
from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_STS = "dig @{resolver} TXT _mta-sts.{domain}"
_STS_POLICY = "curl -v https://mta-sts.{domain}/.well-known/mta-sts.txt"
_RPT = "dig @{resolver} TXT _smtp._tls.{domain}"
_TLSA = "dig @{resolver} +dnssec TLSA {tlsa_name}"
_MX = "dig @{resolver} +dnssec MX {domain}"
_PUBLISH_TLSA = (
    "Publish `{tlsa_name}. IN TLSA 3 1 1 {digest}`: the SHA-256 of the server's public key. "
    "Add the record of the next key a TTL before the key is changed."
)
_LOOKUP: Mapping[Status, str] = {
    Status.INFO: "the domain's name leaves no room for the record's",
    Status.WARNING: "the domain's servers failed",
    Status.UNTESTABLE: "our own resolver failed",
}
_BY_MODE: Mapping[Status, str] = {
    Status.FAILURE: "the policy is enforced: mail is not delivered",
    Status.WARNING: "the policy is in testing: it is reported",
}

DNSSEC_BOGUS = Entry(
    "dnssec.bogus",
    "The domain's records do not validate",
    "Every sender with a validating resolver has no answer and defers all mail.",
    "Have the zone signed again, or take a DS record away that fits no key of it.",
    f"{_MX}\n{_MX} +cd",
    "RFC 7672 §2.1.1",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
)

DNSSEC_INSECURE = Entry(
    "dnssec.insecure",
    "The domain's MX records are not signed",
    "DANE cannot protect its mail: a forger of DNS answers chooses the server.",
    "Sign the zone and have the DS record published in the parent zone.",
    _MX,
    "RFC 7672 §2.2.1",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
)

DNSSEC_RESOLVER_NOT_VALIDATING = Entry(
    "dnssec.resolver_not_validating",
    "Our own resolver does not validate, or could not be tested",
    "Nothing can be said of DNSSEC and DANE from here; nothing is said.",
    "Use a validating resolver on this machine (unbound), and pass the AD flag on: "
    "`options trust-ad`.",
    "dig @{resolver} +dnssec SOA .",
    "RFC 4035 §4.9.3",
    Owner.RESOLVER,
    always(Status.UNTESTABLE),
)

DNSSEC_RESOLVER_REWRITES = Entry(
    "dnssec.resolver_rewrites",
    "Our own resolver gives addresses for names that do not exist",
    "Names that do not exist seem to exist; results with NXDOMAIN are not true.",
    "Use a resolver that passes answers on unchanged.",
    "dig @{resolver} A nobody-has-this.invalid",
    "RFC 6761 §6.4",
    Owner.RESOLVER,
    always(Status.WARNING),
)


DANE_ABSENT = Entry(
    "dane.absent",
    "No host of the domain has TLSA records",
    "Senders cannot know that the host has TLS: an attacker in between can take it away.",
    _PUBLISH_TLSA,
    _TLSA,
    "RFC 7672 §2.2",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)

DANE_NOT_SIGNED = Entry(
    "dane.not_signed",
    "TLSA records stand in a zone that is not signed",
    "Senders ignore them: without DNSSEC a forger of the server forges them as well.",
    "Sign the zone of {host}, or take the records away.",
    _TLSA,
    "RFC 7672 §2.2",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
    is_beside_failure=True,
)

DANE_LOOKUP_FAILED = Entry(
    "dane.lookup_failed",
    "The TLSA records of a host cannot be looked up",
    "A sender that honours DANE cannot tell it from an attack and does not deliver there.",
    "Have the name servers answer for TLSA: no record is NODATA or NXDOMAIN, signed.",
    f"{_TLSA}\n{_TLSA} +cd",
    "RFC 7672 §2.1.2",
    Owner.RECEIVER_DNS,
    {
        Status.FAILURE: "the host is in a signed zone, so senders defer",
        Status.NOTICE: "the host is in no signed zone, so nobody asks",
        Status.UNTESTABLE: "our own resolver failed or does not validate",
    },
    Owner.RESOLVER,
    is_beside_failure=True,
)

DANE_UNUSABLE = Entry(
    "dane.unusable",
    "A TLSA record cannot be used for SMTP",
    "Where no record is usable TLS is compulsory and proves nothing.",
    _PUBLISH_TLSA,
    _TLSA,
    "RFC 7672 §3.1",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "no record of the set is usable",
        Status.NOTICE: "others of the set are usable",
    },
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)

DANE_UNUSUAL = Entry(
    "dane.unusual",
    "A TLSA record is of a kind that is not recommended",
    "It works, but breaks with every new certificate, or is not understood everywhere.",
    _PUBLISH_TLSA,
    _TLSA,
    "RFC 7672 §3.1",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)

DANE_MISMATCH = Entry(
    "dane.mismatch",
    "No TLSA record matches the certificate that is served",
    "Senders that honour DANE do not deliver to this address.",
    _PUBLISH_TLSA,
    f"{_TLSA}\n{FINGER_DANE}\n{S_CLIENT}",
    "RFC 7672 §2.2",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)

DANE_NO_STARTTLS = Entry(
    "dane.no_starttls",
    "A host with TLSA records has no working STARTTLS",
    "Senders that honour DANE do not deliver to this address.",
    "Repair STARTTLS on the server, or take its TLSA records away.",
    f"{S_CLIENT}\n{FINGER_DANE}",
    "RFC 7672 §2.2",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    is_beside_failure=True,
)

DANE_ROLLOVER = Entry(
    "dane.rollover",
    "Some TLSA records match the served certificate, others do not",
    "As it should be while a key is changed; an unused record still trusts an old key.",
    "After the change take the old key's record out.",
    f"{_TLSA}\n{S_CLIENT}",
    "RFC 7671 §8.1",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)

DANE_PARTIAL = Entry(
    "dane.partial",
    "Some hosts of the domain have TLSA records, others have none",
    "An attacker that makes the protected hosts unreachable gets the mail through the others.",
    _PUBLISH_TLSA,
    _TLSA,
    "RFC 7672 §2.2",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.TLSA,
    is_beside_failure=True,
)


STS_ABSENT = Entry(
    "sts.absent",
    "The domain has no MTA-STS policy",
    "Senders without DANE take any certificate, or none: an attacker in between can read along.",
    'Publish `_mta-sts.{domain}. IN TXT "v=STSv1; id=1;"` and a policy at '
    "https://mta-sts.{domain}/.well-known/mta-sts.txt, in mode testing at first.",
    _STS,
    "RFC 8461 §3.1",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
    mended_in=Aspect.STS_RECORD,
)

STS_LOOKUP_FAILED = Entry(
    "sts.lookup_failed",
    "The MTA-STS record cannot be looked up",
    "Senders without a copy of the policy deliver without it.",
    "Have the name servers answer for the name; no record is NODATA or NXDOMAIN.",
    _STS,
    "RFC 8461 §3.1",
    Owner.RECEIVER_DNS,
    _LOOKUP,
    Owner.RESOLVER,
)

STS_RECORD_MULTIPLE = Entry(
    "sts.record_multiple",
    "There is more than one MTA-STS record",
    "Senders take none of them: the domain has no policy.",
    "Keep one record, with a new id.",
    _STS,
    "RFC 8461 §3.1",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.STS_RECORD,
)

STS_RECORD_IGNORED = Entry(
    "sts.record_ignored",
    "A TXT record is meant as an MTA-STS record, and senders discard it",
    "To them the domain has no policy.",
    'Let the record begin with exactly "v=STSv1;", and an id behind it: '
    '`_mta-sts.{domain}. IN TXT "v=STSv1; id=1;"`.',
    _STS,
    "RFC 8461 §3.1",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.STS_RECORD,
)

STS_RECORD_SYNTAX = Entry(
    "sts.record_syntax",
    "The MTA-STS record cannot be read",
    "Senders take it for none: the domain has no policy.",
    'Publish `_mta-sts.{domain}. IN TXT "v=STSv1; id=1;"`; the id is letters and digits.',
    _STS,
    "RFC 8461 §3.1",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.STS_RECORD,
)

STS_POLICY_FETCH = Entry(
    "sts.policy_fetch",
    "The MTA-STS policy cannot be had",
    "Senders without a copy of it deliver without any policy; with a copy they go by the old.",
    "Serve it at https://mta-sts.{domain}/.well-known/mta-sts.txt with status 200, as "
    "text/plain, without a redirect, under a certificate for mta-sts.{domain}.",
    _STS_POLICY,
    "RFC 8461 §3.3",
    Owner.RECEIVER_MX,
    {
        Status.FAILURE: "the policy host, or its answer, is at fault",
        Status.UNTESTABLE: "this machine could not ask",
    },
)

STS_POLICY_INVALID = Entry(
    "sts.policy_invalid",
    "The MTA-STS policy cannot be read",
    "Senders take it for none.",
    "Serve lines `version: STSv1`, `mode: enforce`, `mx: {mx_host}` (one for each MX host) and "
    "`max_age: 2592000`.",
    _STS_POLICY,
    "RFC 8461 §3.2",
    Owner.RECEIVER_MX,
    always(Status.FAILURE),
    mended_in=Aspect.STS_RECORD,
)

STS_POLICY_LINT = Entry(
    "sts.policy_lint",
    "The MTA-STS policy is valid and weaker than it could be",
    "It protects for a short time, or nobody, or not as its author may think.",
    "Use mode enforce, a max_age of weeks, and every field once; then change the record's id.",
    _STS_POLICY,
    "RFC 8461 §3.2",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
    mended_in=Aspect.STS_RECORD,
)

STS_HOST_NOT_COVERED = Entry(
    "sts.host_not_covered",
    "The policy does not name an MX host",
    "Senders that honour it do not deliver to that host.",
    "Add `mx: {host}` to the policy and change the record's id, before the MX record is used.",
    f"{_STS_POLICY}\n{_MX}",
    "RFC 8461 §4.1",
    Owner.RECEIVER_MX,
    _BY_MODE,
    mended_in=Aspect.STS_RECORD,
    is_beside_failure=True,
)

STS_PATTERN_UNUSED = Entry(
    "sts.pattern_unused",
    "The policy names a host the domain does not have",
    "It does no harm until somebody else gets that name.",
    "Take the mx line out of the policy and change the record's id.",
    f"{_STS_POLICY}\n{_MX}",
    "RFC 8461 §4.1",
    Owner.RECEIVER_MX,
    always(Status.NOTICE),
    mended_in=Aspect.STS_RECORD,
)

STS_HOST_UNTRUSTED = Entry(
    "sts.host_untrusted",
    "An MX host does not do as the policy promises",
    "Senders that honour the policy do not deliver to that address.",
    "Offer STARTTLS there, with a certificate of a public authority for {host} and every "
    "intermediate one.",
    S_CLIENT,
    "RFC 8461 §4.2",
    Owner.RECEIVER_MX,
    _BY_MODE,
    is_beside_failure=True,
)


TLSRPT_ABSENT = Entry(
    "tlsrpt.absent",
    "The domain does not ask for TLS reports",
    "Nobody tells it when senders cannot deliver because of TLS.",
    'Publish `_smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"`.',
    _RPT,
    "RFC 8460 §3",
    Owner.RECEIVER_DNS,
    always(Status.INFO),
    mended_in=Aspect.TLSRPT,
    is_about_reports=True,
)

TLSRPT_LOOKUP_FAILED = Entry(
    "tlsrpt.lookup_failed",
    "The TLS reporting record cannot be looked up",
    "No reports are sent.",
    "Have the name servers answer for the name; no record is NODATA or NXDOMAIN.",
    _RPT,
    "RFC 8460 §3",
    Owner.RECEIVER_DNS,
    _LOOKUP,
    Owner.RESOLVER,
    leaves_verdict=True,
    is_about_reports=True,
)

TLSRPT_RECORD_MULTIPLE = Entry(
    "tlsrpt.record_multiple",
    "There is more than one TLS reporting record",
    "Senders take none of them: no reports are sent.",
    "Keep one record; it may have several destinations, with commas between them.",
    _RPT,
    "RFC 8460 §3",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.TLSRPT,
    is_about_reports=True,
)

TLSRPT_RECORD_IGNORED = Entry(
    "tlsrpt.record_ignored",
    "A TXT record is meant as a TLS reporting record, and senders discard it",
    "No reports are sent.",
    'Let the record begin with exactly "v=TLSRPTv1;", and rua behind it: '
    '`_smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"`.',
    _RPT,
    "RFC 8460 §3",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.TLSRPT,
    is_about_reports=True,
)

TLSRPT_RECORD_SYNTAX = Entry(
    "tlsrpt.record_syntax",
    "The TLS reporting record cannot be read",
    "Senders take it for none: no reports are sent.",
    'Publish `_smtp._tls.{domain}. IN TXT "v=TLSRPTv1; rua=mailto:tls-reports@{domain}"`.',
    _RPT,
    "RFC 8460 §3",
    Owner.RECEIVER_DNS,
    always(Status.FAILURE),
    mended_in=Aspect.TLSRPT,
    is_about_reports=True,
)


TLS_CERTIFICATE_EXPIRES = Entry(
    "tls.certificate_expires",
    "A server's certificate has ended or ends soon",
    "Senders that verify it then do not deliver.",
    "Renew it, see to it that the server reads the new one, and repair the automatic renewal.",
    S_CLIENT,
    "RFC 5280 §4.1.2.5",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

TLS_INTERMEDIATE_EXPIRES = Entry(
    "tls.intermediate_expires",
    "An authority's certificate in the served chain has ended or ends soon",
    "Senders that verify the chain then do not deliver, though the server's own is good.",
    "Serve the authority's current intermediate certificate.",
    S_CLIENT,
    "RFC 5280 §4.1.2.5",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)

TLS_WEAK_CERTIFICATE = Entry(
    "tls.weak_certificate",
    "A certificate in the served chain is weak",
    "Senders may refuse it, and it does not withstand an attacker for long.",
    "Have a certificate issued for an RSA key of 2048 bits or an EC key of 256, with SHA-256.",
    S_CLIENT,
    "RFC 9325 §4.5",
    Owner.RECEIVER_MX,
    always(Status.WARNING),
    is_beside_failure=True,
)
