"""Findings about the DMARC policy of a domain we send from."""

from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_DIG = "dig @{resolver} TXT {name}"
_DIG_DOMAIN = "dig @{resolver} TXT _dmarc.{name}"
_RECORD = "RFC 9989 §4.7"

RECORD_MISSING = Entry(
    "dmarc.record_missing",
    "No DMARC record holds for the domain",
    "Anybody can use the domain as author; large receivers demand a record from bulk senders.",
    'Publish a TXT record at _dmarc.{name}: "v=DMARC1; p=none; rua=mailto:dmarc@{name}", '
    "and make it stricter when the reports show that all our mail passes.",
    _DIG_DOMAIN,
    "RFC 9989 §4.10.1",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.DMARC,
)

RECORD_MULTIPLE = Entry(
    "dmarc.record_multiple",
    "There are several DMARC records at one name",
    "None of them counts.",
    "Remove all but one.",
    _DIG,
    "RFC 9989 §4.10",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.DMARC,
)

RECORD_IGNORED = Entry(
    "dmarc.record_ignored",
    "A TXT record is meant as a DMARC record, and receivers do not take it for one",
    "Receivers ignore its policy and send no reports to its addresses.",
    'Let the record at {subject} begin with exactly "v=DMARC1;": the version first, in these '
    "letters, and a semicolon behind it and between the tags.",
    _DIG,
    "RFC 9989 §4.8",
    Owner.SENDER,
    {
        Status.FAILURE: "no other record holds for the domain",
        Status.WARNING: "the record of a domain above holds instead",
    },
    mended_in=Aspect.DMARC,
)

RECORD_MISPLACED = Entry(
    "dmarc.record_misplaced",
    "The DMARC record stands at the domain itself, where nobody looks for it",
    "Receivers ignore its policy and send no reports to its addresses.",
    "Move the record from {subject} to _dmarc.{subject}.",
    "dig @{resolver} TXT _dmarc.{subject}\ndig @{resolver} TXT {subject}",
    "RFC 9989 §4.10.1",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.DMARC,
)

NOT_APPLIED = Entry(
    "dmarc.not_applied",
    "The DMARC record is so broken that receivers do as if it were not there",
    "A policy nobody knows, and no address for reports: the domain is not protected.",
    "Correct p=, sp= and np=: each is none, quarantine or reject.",
    _DIG,
    "RFC 9989 §4.10.1",
    Owner.SENDER,
    always(Status.FAILURE),
    mended_in=Aspect.DMARC,
)

POLICY_NONE = Entry(
    "dmarc.policy_none",
    "The policy asks for nothing",
    "Forgeries are delivered as other mail is.",
    "When the reports show that all our mail passes: p=quarantine, then p=reject.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DMARC,
    refuses_nothing=True,
)

TESTING = Entry(
    "dmarc.testing",
    "The policy is marked as a test (t=y)",
    "Receivers of today do not apply it; older ones do not know the tag and do.",
    "Remove t=y when the test is over.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DMARC,
    refuses_nothing=True,
)

SUBDOMAINS_WEAKER = Entry(
    "dmarc.subdomains_weaker",
    "Names below the domain are protected less than the domain",
    "Forgers take the name that is not protected.",
    "Remove sp= or np=, or make them as strict as p=.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DMARC,
)

TAG_INVALID = Entry(
    "dmarc.tag_invalid",
    "A tag of the record cannot be read",
    "It is as if it were not there, or its default holds.",
    "Correct or remove the tag.",
    _DIG,
    "RFC 9989 §4.8",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.DMARC,
)

TAG_UNKNOWN = Entry(
    "dmarc.tag_unknown",
    "The record has tags nobody knows",
    "They are ignored; often a letter is wrong.",
    "Correct or remove them.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.DMARC,
)

TAG_RETIRED = Entry(
    "dmarc.tag_retired",
    "The record has a tag that DMARC no longer has",
    "Receivers of today ignore it, older ones do not: two policies apply to the same mail.",
    "Remove pct, rf and ri; t=y replaces pct=0.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.DMARC,
)

OLDER_READERS_DIFFER = Entry(
    "dmarc.older_readers_differ",
    "Receivers that read DMARC as it was in 2015 do otherwise with this record",
    "Both kinds are in use, and their reports and results will differ.",
    "Nothing, if the difference that is named does no harm.",
    _DIG,
    "RFC 7489 §6.3",
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.DMARC,
)

UNALIGNED = Entry(
    "dmarc.unaligned",
    "A domain that authenticates our mail is not aligned with the author domain",
    "That method cannot make DMARC pass, however good it is.",
    "Use an envelope sender (or a d=) of the author domain or, where alignment is relaxed, of "
    "its organisation.",
    _DIG_DOMAIN,
    "RFC 9989 §4.4",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.DMARC,
)

REPORTS_MISSING = Entry(
    "dmarc.reports_missing",
    "The record asks for no aggregate reports",
    "Nobody hears which mail fails, and nobody hears of forgeries of the domain.",
    "Add rua=mailto:dmarc@{host} and read the reports.",
    _DIG,
    _RECORD,
    Owner.SENDER,
    always(Status.NOTICE),
    mended_in=Aspect.DMARC,
)

REPORT_SIZE_RETIRED = Entry(
    "dmarc.report_size_retired",
    "A report address has a size limit",
    "Receivers of today ignore it.",
    "Remove the ! and the number behind it.",
    _DIG,
    "RFC 9989 §4.6",
    Owner.SENDER,
    always(Status.INFO),
    mended_in=Aspect.DMARC,
)

REPORTS_UNDELIVERABLE = Entry(
    "dmarc.reports_undeliverable",
    "Reports are wanted at a domain that takes no mail",
    "Receivers bounce or drop them: nobody hears of other users of the domain.",
    "Correct the address in rua= or ruf=, or publish an MX record at {subject}.",
    "dig @{resolver} MX {subject}\ndig @{resolver} A {subject}",
    "RFC 9989 §4.7",
    Owner.SENDER,
    always(Status.WARNING),
    mended_in=Aspect.DMARC,
)

REPORTS_UNAUTHORISED = Entry(
    "dmarc.reports_unauthorised",
    "The domain that is to receive our reports does not say that it takes them",
    "Receivers send no report there.",
    'Have {host} publish a TXT record at {name}: "v=DMARC1;".',
    _DIG,
    "RFC 9990 §4",
    Owner.SENDER,
    {
        Status.WARNING: "there is no such record",
        Status.NOTICE: "the look-up failed",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
    mended_in=Aspect.DMARC,
    leaves_verdict=True,
)

LOOKUP_FAILED = Entry(
    "dmarc.lookup_failed",
    "The DMARC policy could not be looked up",
    "Receivers that meet the same failure defer the mail or deliver forgeries.",
    "Repair the name servers of the name that is given; where its records do not validate, "
    "have its zone signed again.",
    "dig @{resolver} TXT {subject}",
    "RFC 9989 §4.10.1",
    Owner.SENDER,
    {
        Status.FAILURE: "the servers failed, and no policy is known",
        Status.WARNING: "the servers failed for a domain that SPF or DKIM authenticates",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
)
