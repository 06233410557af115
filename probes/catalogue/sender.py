"""Findings about sender policy and reputation: results of receivers' checks on our mail."""

from probes.catalogue.entry import Entry, always
from probes.result import Owner, Status

_DIG_PTR = "dig @{resolver} -x {address}"
_DIG_EHLO = "dig @{resolver} A {name}\ndig @{resolver} AAAA {name}"
_DIG_LISTED = "dig @{resolver} A {entry}\ndig @{resolver} TXT {entry}"
_IPREV = "RFC 8601 §3"
_EHLO = "RFC 5321 §4.1.4"

RDNS_MISSING = Entry(
    "rdns.missing",
    "A sending address has no name",
    "Many receivers refuse mail from addresses without reverse DNS.",
    "Have the provider of the address publish a PTR record for {address}: the EHLO name.",
    _DIG_PTR,
    _IPREV,
    Owner.SENDER,
    always(Status.FAILURE),
)

RDNS_UNCONFIRMED = Entry(
    "rdns.unconfirmed",
    "No name of a sending address leads back to the address",
    "Receivers treat an unconfirmed name as none.",
    "Add an A (or AAAA) record with {address} to the name, or correct the PTR record.",
    _DIG_PTR,
    _IPREV,
    Owner.SENDER,
    always(Status.FAILURE),
)

RDNS_GENERIC = Entry(
    "rdns.generic",
    "The name of a sending address looks like that of an access line",
    "Receivers take mail from such addresses for that of infected machines.",
    "Have the PTR record changed to a name that says mail server, such as the EHLO name.",
    _DIG_PTR,
    _IPREV,
    Owner.SENDER,
    always(Status.NOTICE),
)

RDNS_LOOKUP_FAILED = Entry(
    "rdns.lookup_failed",
    "The name of a sending address could not be looked up",
    "Receivers that meet the same failure defer or refuse the mail.",
    "Repair the name servers of the reverse zone.",
    _DIG_PTR,
    _IPREV,
    Owner.SENDER,
    {
        Status.FAILURE: "the zone's servers failed",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
)

EHLO_UNRESOLVABLE = Entry(
    "ehlo.unresolvable",
    "The EHLO name does not exist, or has no address of the family we send from",
    "Receivers may refuse the session at EHLO.",
    "Publish {address} at {name}, or use another EHLO name.",
    _DIG_EHLO,
    _EHLO,
    Owner.SENDER,
    always(Status.WARNING),
)

EHLO_ELSEWHERE = Entry(
    "ehlo.elsewhere",
    "The EHLO name has other addresses than the one we send from",
    "It must not be refused for that, but spam filters count it against the mail.",
    "Publish {address} at {name} as well.",
    _DIG_EHLO,
    _EHLO,
    Owner.SENDER,
    always(Status.NOTICE),
)

EHLO_LITERAL = Entry(
    "ehlo.literal",
    "The EHLO name is an address literal",
    "It is allowed, and many spam filters take it for a sign of spam.",
    "Use a fully qualified domain name that resolves to {address}.",
    _DIG_PTR,
    "RFC 5321 §4.1.3",
    Owner.SENDER,
    always(Status.NOTICE),
)

EHLO_LOOKUP_FAILED = Entry(
    "ehlo.lookup_failed",
    "The EHLO name could not be looked up",
    "Receivers that meet the same failure may refuse or defer the session.",
    "Repair the name servers of {name}.",
    _DIG_EHLO,
    _EHLO,
    Owner.SENDER,
    {
        Status.WARNING: "the name's servers failed",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
)


DNSBL_LISTED = Entry(
    "dnsbl.listed",
    "An address is on a block list",
    "Receivers that use the list refuse or junk the machine's mail.",
    "Read the list's reason, stop its cause, then ask the list to remove {address}.",
    _DIG_LISTED,
    "RFC 5782 §2.1",
    Owner.SENDER,
    {
        Status.FAILURE: "it is a sending address",
        Status.WARNING: "it is an MX host's, of which it is not known that it sends",
    },
)

DNSBL_LIST_UNHEALTHY = Entry(
    "dnsbl.list_unhealthy",
    "A block list fails its own test entries, or refuses to answer us",
    "Its answer says nothing here: neither listed nor not listed.",
    "Ask it through a resolver of your own (large lists refuse public ones), check the key, or "
    "take the list out of the configuration.",
    "dig @{resolver} A 2.0.0.127.{list}\ndig @{resolver} A 1.0.0.127.{list}",
    "RFC 5782 §5",
    Owner.MONITOR,
    always(Status.UNTESTABLE),
    leaves_verdict=True,
)

DNSBL_FAMILY_UNSUPPORTED = Entry(
    "dnsbl.family_unsupported",
    "A block list has no IPv6 addresses",
    "It says nothing about the machine's IPv6 addresses.",
    "Nothing.",
    "dig @{resolver} A 2.0.0.127.{list}",
    "RFC 5782 §5",
    Owner.MONITOR,
    always(Status.INFO),
)


RHSBL_LISTED = Entry(
    "rhsbl.listed",
    "A domain of our mail is on a block list",
    "Receivers that use the list refuse or junk mail that shows the domain, from any sender.",
    "Read the list's reason, stop its cause, then ask the list to remove {name}.",
    _DIG_LISTED,
    "RFC 5782 §3",
    Owner.SENDER,
    always(Status.FAILURE),
)

RHSBL_LIST_UNHEALTHY = Entry(
    "rhsbl.list_unhealthy",
    "A block list of domains fails its own test entries, or refuses to answer us",
    "Its answer says nothing here: neither listed nor not listed.",
    "Ask it through a resolver of your own (large lists refuse public ones), check the key, or "
    "take the list out of the configuration.",
    "dig @{resolver} A test.{list}\ndig @{resolver} A invalid.{list}",
    "RFC 5782 §5",
    Owner.MONITOR,
    always(Status.UNTESTABLE),
    leaves_verdict=True,
)


LEFT_OUT = Entry(
    "sender.left_out",
    "The job names more addresses, selectors or lists than one run probes",
    "The rest may be broken without this run seeing it.",
    "Make two jobs of it.",
    "mailcanary check-config",
    "",
    Owner.MONITOR,
    always(Status.INFO),
)

NOT_EXAMINED = Entry(
    "sender.not_examined",
    "Some aspects that receivers look at were not examined",
    "It may be broken without this run seeing it: nothing is said of it, good or bad.",
    "Give the options that the evidence names, on the command line or in the job.",
    "",
    "",
    Owner.MONITOR,
    always(Status.INFO),
)
