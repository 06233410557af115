"""Failures before a message is taken: the DNS, the network, the dialogue."""

from probes.catalogue.failure_ending import DNS, LOOKUPS, WIRE, Ending
from probes.result import Phase, Reason

_OF_DNS = (
    Ending(
        Reason.NXDOMAIN,
        (Phase.DNS_MX,),
        "the domain does not exist",
        "Senders bounce all mail to it at once.",
        "Register {domain}, or have the parent zone delegate it again; look for a typing error "
        "and for a registration that has run out.",
        "RFC 5321 §5.1",
    ),
    Ending(
        Reason.NXDOMAIN,
        (Phase.EVALUATE,),
        "the domain does not exist",
        "Receivers refuse or distrust mail that names it, and senders bounce all mail to it.",
        "Register {domain}, or have the parent zone delegate it again; look for a typing error "
        "and for a registration that has run out.",
        "RFC 5321 §5.1",
        "dig @{resolver} SOA {domain}",
    ),
    Ending(
        Reason.NXDOMAIN,
        LOOKUPS,
        "a name that is needed does not exist",
        "Every step that depends on the name cannot go on.",
        "Publish {name}, or correct the record that names it.",
        "RFC 2308 §2.1",
    ),
    Ending(
        Reason.NO_DATA,
        (Phase.DNS_MX,),
        "the domain has neither MX records nor an address",
        "Senders bounce all mail to it.",
        "Publish `{domain}. MX 10 mail.{domain}.` and an address of that host; a domain without "
        "mail publishes `{domain}. MX 0 .`.",
        "RFC 5321 §5.1",
    ),
    Ending(
        Reason.NO_DATA,
        LOOKUPS,
        "a name that is needed has no record of the type",
        "Every step that depends on the record cannot go on.",
        "Publish A and AAAA records of {host}, or correct the record that names it.",
        "RFC 2308 §2.2",
    ),
    Ending(
        Reason.SERVFAIL,
        (Phase.DNS_MX,),
        "a look-up failed: the resolver got no usable answer",
        "Senders defer all mail for as long as it lasts.",
        "Have the name servers of {domain} answer: servers that are away, a delegation to servers "
        "that do not know the zone and broken DNSSEC look like this.",
        "RFC 1035 §4.1.1",
    ),
    Ending(
        Reason.SERVFAIL,
        LOOKUPS,
        "a look-up failed: the resolver got no usable answer",
        "Senders defer all mail for as long as it lasts.",
        "Have the name servers of {host} answer. Usual causes: servers that are away, a "
        "delegation to servers without the zone, and broken DNSSEC.",
        "RFC 1035 §4.1.1",
    ),
    Ending(
        Reason.REFUSED,
        LOOKUPS,
        "a look-up was refused",
        "Senders defer all mail for as long as it lasts.",
        "Have the resolver answer this machine (unbound: `access-control`), and the name servers "
        "of {host} answer for their zone.",
        "RFC 1035 §4.1.1",
    ),
    Ending(
        Reason.DNSSEC_BOGUS,
        (*LOOKUPS, Phase.TLS),
        "an answer of the DNS is bogus: its signatures do not hold",
        "Every sender with a validating resolver has no answer and defers all mail.",
        "Have the zone of {host} signed again, or take a DS record away that fits no key of it.",
        "RFC 4035 §5",
        "dig @{resolver} +dnssec SOA {host}\ndig @{resolver} +dnssec +cd SOA {host}",
    ),
    Ending(
        Reason.NULL_MX,
        (Phase.DNS_MX,),
        "the domain says that it takes no mail (null MX)",
        "Senders bounce mail at once, as it is meant.",
        "Nothing; where {domain} is to take mail, publish MX records with a host.",
        "RFC 7505 §3",
    ),
    Ending(
        Reason.TIMEOUT,
        DNS,
        "our resolver did not answer in time",
        "Nothing is known about the question it was asked.",
        "Find out why our own resolver, {resolver}, has no answer, or choose another one with "
        "{resolver_option}.",
        "RFC 1035 §7.2",
    ),
    Ending(
        Reason.UNREACHABLE,
        LOOKUPS,
        "no DNS server could be reached",
        "Nothing is known about the question that was to be asked.",
        "Look at the network, and at the firewall for UDP and TCP on port 53, between this machine "
        "and the server that is named.",
        "RFC 7766 §5",
    ),
    Ending(
        Reason.TOO_MANY_LOOKUPS,
        (Phase.EVALUATE,),
        "the SPF policy needs more look-ups than are allowed",
        "Receivers come to a permanent error: nobody is authorised.",
        "Replace includes by the networks they stand for, and drop unused ones.",
        "RFC 7208 §4.6.4",
    ),
)

_OF_NETWORK = (
    Ending(
        Reason.CONNECTION_REFUSED,
        (Phase.CONNECT,),
        "the server refuses the connection",
        "Nothing listens at the port, or a firewall says so: senders try again later and bounce "
        "after days.",
        "Start the server at {address} and have it listen on port {port}; let the firewall pass "
        "the port.",
        "RFC 5321 §4.5.4.1",
    ),
    Ending(
        Reason.CONNECTION_RESET,
        (Phase.CONNECT, *WIRE),
        "the connection was reset at <step>",
        "A process that broke down, a proxy or a firewall ended it without a reply; senders "
        "try again later.",
        "Look at the log of the server at {address} for that moment. Look also at the "
        "devices before it: limits for each client, an idle timeout, a filter.",
        "RFC 5321 §3.8",
    ),
    Ending(
        Reason.CONNECTION_CLOSED,
        (Phase.CONNECT, *WIRE),
        "the server closed the connection at <step>",
        "It may not without a reply: senders cannot tell why and try again later.",
        "Look at the log of the server at {address} for that moment: a limit for each client, a "
        "block list, a process that broke down.",
        "RFC 5321 §3.8",
    ),
    Ending(
        Reason.UNREACHABLE,
        (Phase.CONNECT, *WIRE),
        "there is no way to the server",
        "Mail waits until there is one; senders with another way may not notice.",
        "Look at the address. Is it loopback, link-local or a metadata service? Publish the public "
        "address of the host instead. Else follow the route (`traceroute {address}`); where only "
        "this machine has no way, as without IPv6, give it one.",
        "RFC 5321 §4.5.4.1",
    ),
    Ending(
        Reason.TIMEOUT,
        (Phase.CONNECT,),
        "nobody answers the connection",
        "Packets are dropped on the way or the machine is off: senders wait, then try the next "
        "address or again later.",
        "Let TCP on port {port} reach {address} in every firewall between; many providers block "
        "outgoing connections to port 25, ours included.",
        "RFC 5321 §4.5.3.2",
    ),
    Ending(
        Reason.TIMEOUT,
        (*WIRE, Phase.EVALUATE, Phase.TRANSIT, Phase.ARRIVAL),
        "we ended the wait before <step> had an end",
        "Senders wait for minutes, and may succeed; mail is late by that time.",
        "Look at the load of the server at {address} and at the look-ups it makes for a client "
        "(reverse DNS, block lists); a longer {time_option} tells slow from silent.",
        "RFC 5321 §4.5.3.2",
    ),
)

_OF_DIALOGUE = (
    Ending(
        Reason.REJECTED,
        WIRE,
        "the server refuses <step> for good (5yz)",
        "Senders do not try again: mail bounces.",
        "Read its reply: it names the rule, the block list or the mailbox that is the cause.",
        "RFC 5321 §4.2.1",
    ),
    Ending(
        Reason.DEFERRED,
        (Phase.STARTTLS,),
        "STARTTLS is offered and refused for now (4yz)",
        "Opportunistic senders deliver in clear or try later; those that insist on TLS defer.",
        "Repair TLS at {address}: the certificate and key files and their permissions; the "
        "log of the server names the cause.",
        "RFC 3207 §4",
    ),
    Ending(
        Reason.DEFERRED,
        WIRE,
        "the server puts <step> off (4yz)",
        "Senders keep the mail and try again, for days; then they bounce it.",
        "Read its reply: a disk that is full, a back end that is away, a limit or a policy.",
        "RFC 5321 §4.2.1",
    ),
    Ending(
        Reason.GREYLISTED,
        WIRE,
        "the server greylists us",
        "The first message of a new sender comes minutes late; it is taken at the next try.",
        "Nothing; a permitted sender can be entered in the server's allow list.",
        "RFC 6647 §2.1",
    ),
    Ending(
        Reason.SERVICE_CLOSING,
        WIRE,
        "the server closes the service at <step> (421)",
        "It is stopping, overloaded, or does not want this client now; senders try again later.",
        "Look at the server's log and load; if only we are refused, at its access rules.",
        "RFC 5321 §3.8",
    ),
    Ending(
        Reason.MALFORMED_REPLY,
        (*DNS, Phase.EVALUATE),
        "an answer of the DNS cannot be read",
        "Resolvers drop it and ask elsewhere, or have no answer.",
        "Find the sender of it: an old name server, or a box between that rewrites DNS.",
        "RFC 1035 §4.1",
    ),
    Ending(
        Reason.MALFORMED_REPLY,
        WIRE,
        "the server's answer at <step> is no reply",
        "Senders cannot read it and give up.",
        "Find the program that listens at {address} port {port}: another protocol, a proxy, "
        "or a server that begins with TLS where clear text is expected.",
        "RFC 5321 §4.2",
    ),
    Ending(
        Reason.UNEXPECTED_REPLY,
        (Phase.HTTPS,),
        "the web server does not answer with the document",
        "Readers of the document do without it.",
        "Serve https://{host}/.well-known/mta-sts.txt with status 200, without a redirect.",
        "RFC 8461 §3.3",
    ),
    Ending(
        Reason.UNEXPECTED_REPLY,
        (*WIRE, Phase.EVALUATE),
        "the answer at <step> is none that belongs there",
        "Senders cannot go on and try again later.",
        "Read the reply in the evidence: a proxy or a filter before the server may be its author.",
        "RFC 5321 §4.3.2",
    ),
    Ending(
        Reason.EXTENSION_MISSING,
        WIRE,
        "the server does not offer an extension that <step> needs",
        "The request cannot be done there.",
        "Switch the extension that is named on at the server, or the option that needs it off.",
        "RFC 5321 §2.2.1",
    ),
    Ending(
        Reason.AUTHENTICATION_FAILED,
        (Phase.AUTH,),
        "the login was refused",
        "Nothing can be sent or read with this account.",
        "Check the name and the password file that are configured; the account may be locked or "
        "need a password for applications.",
        "RFC 4954 §6",
        "",
    ),
    Ending(
        Reason.AUTHENTICATION_FAILED,
        (Phase.EVALUATE,),
        "mail of ours is not authenticated",
        "Receivers refuse, junk or distrust it.",
        "Add the sending address to the SPF record of {name}, or sign with a key that is "
        "published.",
        "RFC 7208 §2.6.4",
    ),
)

ENDINGS = (*_OF_DNS, *_OF_NETWORK, *_OF_DIALOGUE)
