"""Findings about a domain's authoritative name servers."""

from probes.catalogue.entry import Entry, always
from probes.result import Aspect, Owner, Status

_SOA = "dig @{address} +norecurse SOA {zone}"
_NS = "dig @{resolver} NS {zone}"

LAME = Entry(
    "nameservers.lame",
    "A name server the domain is delegated to does not answer with authority",
    "Resolvers that ask it first lose time, and have no answer when the others are away.",
    "Have the server load the zone, or take its NS record away, in the parent zone as well.",
    _SOA,
    "RFC 1912 §2.8",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
)

UNREACHABLE = Entry(
    "nameservers.unreachable",
    "A name server does not answer",
    "Resolvers that ask it first lose seconds, and have no answer when the others are away.",
    "Repair the server, or the firewall in front of it: UDP and TCP on port 53.",
    _SOA,
    "RFC 1912 §2.8",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "it was asked in vain",
        Status.UNTESTABLE: "this machine has no way to its address",
    },
    leaves_verdict=True,
)

TCP_FAILED = Entry(
    "nameservers.tcp_failed",
    "A name server does not answer over TCP",
    "Long answers (keys, policies, TLSA records) do not fit into UDP and cannot be had.",
    "Let TCP on port 53 through.",
    f"{_SOA} +tcp",
    "RFC 7766 §5",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
)

SPECIAL_ADDRESS = Entry(
    "nameservers.special_address",
    "A name server has an address at which no other machine can be",
    "Resolvers ask themselves, or nobody, and lose time over it.",
    "Publish the public address of {host}, or take its NS record away.",
    f"{_NS}\ndig @{{resolver}} A {{host}}",
    "RFC 6890 §2.2",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
)

NO_EDNS = Entry(
    "nameservers.no_edns",
    "A name server does not know EDNS",
    "It answers, and every resolver has to ask it again without EDNS, or over TCP: mail waits a "
    "little. It cannot serve signed records (DNSSEC, DANE).",
    "Update the server, or the firewall in front of it that takes the OPT record away.",
    f"{_SOA} +edns=0",
    "RFC 6891 §6.2.2",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
)

ANSWERS_DIFFER = Entry(
    "nameservers.answers_differ",
    "The name servers do not say the same",
    "The behaviour of a sender depends on the server that its resolver happened to ask.",
    "Find out why the zone is not transferred to all of them, and raise its serial number.",
    "dig @{address} +norecurse {rdtype} {name}",
    "RFC 1034 §4.3.5",
    Owner.RECEIVER_DNS,
    always(Status.WARNING),
)

SERIALS_DIFFER = Entry(
    "nameservers.serials_differ",
    "The name servers have different versions of the zone",
    "Usual for moments after a change; for longer, some of them are no longer updated.",
    "Look at the transfers: notify, allow-transfer and the keys of both sides.",
    _SOA,
    "RFC 1034 §4.3.5",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
)

SINGLE = Entry(
    "nameservers.single",
    "The zone has one name server only",
    "While it is away the domain has no mail.",
    "Add a second one in another network.",
    _NS,
    "RFC 1034 §4.1",
    Owner.RECEIVER_DNS,
    always(Status.NOTICE),
    mended_in=Aspect.NAMESERVERS,
)

UNRESOLVED = Entry(
    "nameservers.unresolved",
    "A name server of the zone has no address",
    "It answers nobody; resolvers lose time over it.",
    "Give {host} an A or AAAA record, or take its NS record away.",
    f"{_NS}\ndig @{{resolver}} A {{host}}",
    "RFC 1035 §3.3.11",
    Owner.RECEIVER_DNS,
    {
        Status.WARNING: "the name has no address",
        Status.UNTESTABLE: "our own resolver failed",
    },
    Owner.RESOLVER,
    leaves_verdict=True,
)

LEFT_OUT = Entry(
    "nameservers.left_out",
    "The zone has more name servers than one run asks",
    "The rest may be broken without this run seeing it.",
    "Raise `max_servers` of the job.",
    _NS,
    "",
    Owner.MONITOR,
    always(Status.INFO),
)
