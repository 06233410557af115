"""Findings about the SPF policy of a domain we send from, and about the EHLO name in it."""

from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_DIG = "dig @{resolver} TXT {name}"
_LIMITS = "RFC 7208 §4.6.4"

RECORD_MISSING = Entry(
    "spf.record_missing",
    "The domain of the envelope sender has no SPF record",
    "Receivers cannot tell our machines from anybody's; large ones refuse or junk such mail.",
    'Publish one TXT record at {name}: "v=spf1 {mechanisms} -all", with every machine that sends.',
    _DIG,
    "RFC 7208 §4.5",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

RECORD_MULTIPLE = Entry(
    "spf.record_multiple",
    "The domain has several SPF records",
    "Receivers take that for a permanent error: no record counts, nobody is authorised.",
    "Join them into one record with one v=spf1 and one all, and remove the others.",
    _DIG,
    "RFC 7208 §4.5",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

RECORD_IGNORED = Entry(
    "spf.record_ignored",
    "A TXT record is meant as an SPF record, and receivers do not take it for one",
    "To them the domain has no policy: nobody is authorised, and nobody refused.",
    'Let the record at {subject} begin with exactly "v=spf1" and one space.',
    _DIG,
    "RFC 7208 §4.5",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

RECORD_SYNTAX = Entry(
    "spf.record_syntax",
    "The SPF record cannot be read",
    "One mistake anywhere makes the whole record an error: nobody is authorised.",
    "Correct the term that is named and publish the record again.",
    _DIG,
    "RFC 7208 §4.6",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

PERMERROR = Entry(
    "spf.permerror",
    "Receivers come to a permanent error when they evaluate the policy",
    "The policy authorises nobody, and receivers that heed DMARC count it as not passed.",
    "Repair the named cause: a policy behind an include or redirect, or the number of look-ups.",
    _DIG,
    "RFC 7208 §2.6.7",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

NOT_AUTHORISED = Entry(
    "spf.not_authorised",
    "The policy does not authorise one of our sending addresses",
    "Receivers refuse, junk or distrust the mail of that machine.",
    "Add {mechanisms} to the record of {name} before its all, or send from another machine.",
    _DIG,
    "RFC 7208 §2.6",
    Owner.SENDER,
    {
        Status.FAILURE: "the result is fail or softfail",
        Status.WARNING: "the result is neutral",
    },
    mended_in=Aspect.SPF,
)

LOOKUP_FAILED = Entry(
    "spf.lookup_failed",
    "A look-up that the policy needs failed",
    "Receivers that meet the same failure defer the mail.",
    "Repair the name servers of the name that is given; where its records do not validate, "
    "have its zone signed again.",
    _DIG,
    "RFC 7208 §2.6.6",
    Owner.SENDER,
    {
        Status.FAILURE: "the servers failed, and with them the evaluation for our mail",
        Status.WARNING: "only evaluations for other mail get to the name",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
)

HELO_FAILS = Entry(
    "spf.helo_fails",
    "The policy of the EHLO name does not allow the address that uses it",
    "Receivers may refuse at EHLO, and bounces, which have no other identity, fail SPF.",
    'Publish "v=spf1 a -all" at the EHLO name {name}.',
    _DIG,
    "RFC 7208 §2.3",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.SPF,
)

LOOP = Entry(
    "spf.loop",
    "The policy leads back to itself",
    "Every receiver that gets that far ends in a permanent error.",
    "Take out the include or redirect that leads back.",
    _DIG,
    _LIMITS,
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

INCLUDE_MISSING = Entry(
    "spf.include_missing",
    "An include or redirect leads to a domain without an SPF record",
    "Every evaluation that gets that far ends in a permanent error: machines named behind it "
    "are not authorised, and forgeries are not refused.",
    "Take the term out, or correct the domain {subject} in it; a provider that has stopped "
    "its service is the common cause.",
    _DIG,
    "RFC 7208 §5.2",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

INCLUDE_BROKEN = Entry(
    "spf.include_broken",
    "An include or redirect leads to a policy that cannot be read",
    "Every evaluation that gets that far ends in a permanent error: machines named behind it "
    "are not authorised, and forgeries are not refused.",
    "Have the owner of {subject} publish one record without mistakes, or take the term out.",
    _DIG,
    "RFC 7208 §5.2",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

INCLUDE_PERMISSIVE = Entry(
    "spf.include_permissive",
    "An include or redirect leads to a policy that authorises every address in the world",
    "Anybody's forgeries pass SPF, and with it DMARC, though the record itself looks strict.",
    "Take the term out until {subject} no longer ends in +all.",
    _DIG,
    "RFC 7208 §5.1",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

MX_TOO_MANY = Entry(
    "spf.mx_too_many",
    "The mx of a policy leads to more than ten hosts",
    "Every evaluation that gets that far ends in a permanent error.",
    "Name the networks of the hosts with ip4 and ip6 instead of mx.",
    "dig @{resolver} MX {subject}",
    _LIMITS,
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

TERM_VOID = Entry(
    "spf.term_void",
    "A term of the policy finds nothing",
    "It authorises nobody, and receivers allow two such terms before they end in a permanent "
    "error; the next holder of a lapsed domain can send in our name.",
    "Take the term out, or publish the records it looks for at {subject}.",
    "dig @{resolver} A {subject}\ndig @{resolver} AAAA {subject}\ndig @{resolver} MX {subject}",
    _LIMITS,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

VOIDS_TOO_MANY = Entry(
    "spf.voids_too_many",
    "More than two terms of the policy find nothing",
    "Mail from addresses that match early passes, other mail ends in a permanent error.",
    "Take out the terms for names without records; for clients over IPv6 alone, give the "
    "names an AAAA record or write ip4 instead of a and mx.",
    _DIG,
    _LIMITS,
    Owner.SENDER,
    {
        Status.WARNING: "for clients of every address family",
        Status.NOTICE: "for clients of one address family only",
    },
    mended_in=Aspect.SPF,
)

COST_TOO_HIGH = Entry(
    "spf.cost_too_high",
    "In the worst case the policy needs more than ten look-ups",
    "Mail from addresses that match early passes, other mail ends in a permanent error, and "
    "the next change may reach the addresses that count.",
    "Replace includes by the networks they stand for, and drop unused ones.",
    _DIG,
    _LIMITS,
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.SPF,
)

COST_HIGH = Entry(
    "spf.cost_high",
    "The policy needs nearly as many look-ups as are allowed",
    "A provider that adds an include to its own policy breaks this one.",
    "Drop includes that are no longer used.",
    _DIG,
    _LIMITS,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

ALL_MISSING = Entry(
    "spf.all_missing",
    "The record ends without all and without redirect",
    "A sender without a match is neutral: the policy protects the domain from nobody.",
    "End the record with -all (or ~all).",
    _DIG,
    "RFC 7208 §4.7",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

ALL_PERMISSIVE = Entry(
    "spf.all_permissive",
    "The policy authorises every address in the world",
    "Anybody's forgeries pass SPF, and with it DMARC.",
    "Replace +all by -all.",
    _DIG,
    "RFC 7208 §5.1",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.SPF,
)

ALL_NEUTRAL = Entry(
    "spf.all_neutral",
    "The policy says nothing about machines it does not name",
    "Forgeries are treated as if there were no policy.",
    "Replace ?all by -all once every machine that sends is named.",
    _DIG,
    "RFC 7208 §2.6.2",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

TERMS_AFTER_ALL = Entry(
    "spf.terms_after_all",
    "Terms stand behind all",
    "They are never tried: machines named there are not authorised.",
    "Move them in front of all, or remove them.",
    _DIG,
    "RFC 7208 §5.1",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

REDIRECT_IGNORED = Entry(
    "spf.redirect_ignored",
    "The record has redirect beside all",
    "all always matches, so that the redirect is never followed.",
    "Remove all if the other policy is meant, or else the redirect.",
    _DIG,
    "RFC 7208 §6.1",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.SPF,
)

PTR_USED = Entry(
    "spf.ptr_used",
    "The record uses ptr",
    "It is slow, fails with the reverse DNS of others, and some receivers skip it.",
    "Name the networks with ip4 and ip6 instead.",
    _DIG,
    "RFC 7208 §5.5",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

NETWORK_WIDE = Entry(
    "spf.network_wide",
    "The record authorises a network wider than any organisation has",
    "Every machine in it can forge the domain; some receivers distrust the whole record.",
    "Name the networks that really send; look for a prefix length that lost a digit.",
    _DIG,
    "RFC 7208 §11.4",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.SPF,
)

TERM_REPEATED = Entry(
    "spf.term_repeated",
    "A term stands in the record twice",
    "The second one is never of use, and costs a look-up when nothing matches.",
    "Remove one of them.",
    _DIG,
    "RFC 7208 §4.6.2",
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.SPF,
)

MODIFIER_UNKNOWN = Entry(
    "spf.modifier_unknown",
    "The record has modifiers that mean nothing to SPF",
    "They are ignored; often a colon was meant where the equals sign stands.",
    "Correct or remove them.",
    _DIG,
    "RFC 7208 §6",
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.SPF,
)

RECORD_LONG = Entry(
    "spf.record_long",
    "The record hardly fits into a plain DNS answer",
    "Longer answers are asked for again over TCP, which some networks block.",
    "Move part of the policy behind an include.",
    _DIG,
    "RFC 7208 §3.4",
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.SPF,
)
