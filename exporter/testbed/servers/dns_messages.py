"""The messages of a DNS server that misbehaves: each made from the query it does not answer."""

import struct
from collections.abc import Callable, Mapping
from enum import StrEnum

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_HUGE_COUNT = 3400  # 61 KiB
_GARBAGE = b"\xff\xfe this is no DNS message \x00\x01"


class Misbehaviour(StrEnum):
    """Behaviour of a server instead of answering."""

    SERVFAIL = "servfail"
    REFUSED = "refused"
    NXDOMAIN = "nxdomain"
    NOTIMP = "notimp"
    NO_EDNS_FORMERR = "no_edns_formerr"
    """A bare header with FORMERR where the query has an OPT record, else the truth."""
    NO_EDNS_NOTIMP = "no_edns_notimp"
    """NOTIMP where the query has an OPT record, else the truth."""
    NO_EDNS_BADVERS = "no_edns_badvers"
    """BADVERS where the query has an OPT record, else the truth."""
    NO_EDNS_IGNORED = "no_edns_ignored"
    """The truth, without an OPT record."""
    BOGUS = "bogus"
    """SERVFAIL with the extended error DNSSEC Bogus, as a validating resolver says it."""
    BOGUS_UNSAID = "bogus_unsaid"
    """SERVFAIL without a reason, and the truth where validation is switched off (CD)."""
    LAME = "lame"
    """A referral to the root instead of an answer."""
    SILENCE = "silence"
    EMPTY = "empty"
    """A datagram without content."""
    GARBAGE = "garbage"
    """Bytes that are no DNS message."""
    SCRAMBLED = "scrambled"
    """Id and question are right, the rest is garbage."""
    POINTER_LOOP = "pointer_loop"
    """A record with a compression pointer to itself as its name."""
    ECHO = "echo"
    """The query itself comes back."""
    WRONG_ID = "wrong_id"
    WRONG_QUESTION = "wrong_question"
    WRONG_SOURCE = "wrong_source"
    """The truth (over UDP), from another port than the one that was asked."""
    FORGERIES = "forgeries"
    """Hundreds of datagrams with guessed ids, then the truth."""
    TRUNCATED = "truncated"
    """Nothing but the TC flag over UDP, the answer over TCP."""
    TRUNCATED_FOR_EVER = "truncated_for_ever"
    """The TC flag over UDP, and a TCP connection that is closed without an answer."""
    UDP_ONLY = "udp_only"
    """The truth over UDP, and TCP connections that are closed without an answer."""
    TCP_SILENCE = "tcp_silence"
    """The TC flag over UDP, and a TCP connection on which nothing is said."""
    TCP_DRIP = "tcp_drip"
    """The TC flag over UDP, and over TCP the answer a byte at a time, five in a second."""
    TCP_CUT = "tcp_cut"
    """The TC flag over UDP, and over TCP half of the answer."""
    TCP_LONG = "tcp_long"
    """The TC flag over UDP, and over TCP a length the answer never comes to."""
    SHORT_TLSA = "short_tlsa"
    """One TLSA record (3 1 1), signed, with a digest of two octets."""
    INVENTED = "invented"
    """An address for every name, as resolvers give it that live on advertisements."""
    HUGE = "huge"
    """As many records as a message can hold (over TCP)."""


NO_EDNS = frozenset(
    {
        Misbehaviour.NO_EDNS_FORMERR,
        Misbehaviour.NO_EDNS_NOTIMP,
        Misbehaviour.NO_EDNS_BADVERS,
        Misbehaviour.NO_EDNS_IGNORED,
    }
)
"""Servers from before EDNS."""


def before_edns(misbehaviour: Misbehaviour, query: dns.message.Message) -> bytes:
    """What such a server answers to a query with an OPT record."""
    if misbehaviour is Misbehaviour.NO_EDNS_FORMERR:
        flags = dns.flags.QR | int(dns.rcode.FORMERR)
        return struct.pack("!HHHHHH", query.id, flags, 0, 0, 0, 0)
    response = dns.message.make_response(query, recursion_available=True)
    is_newer = misbehaviour is Misbehaviour.NO_EDNS_BADVERS
    if not is_newer:
        response.use_edns(False)
    response.set_rcode(dns.rcode.BADVERS if is_newer else dns.rcode.NOTIMP)
    return response.to_wire()


MUTE = frozenset({Misbehaviour.SILENCE, Misbehaviour.TRUNCATED_FOR_EVER})
"""Misbehaviours that end in no message at all."""

TRUTHFUL = frozenset(
    {
        Misbehaviour.TRUNCATED,
        Misbehaviour.UDP_ONLY,
        Misbehaviour.TCP_DRIP,
        Misbehaviour.TCP_CUT,
        Misbehaviour.TCP_LONG,
        Misbehaviour.TCP_SILENCE,
        Misbehaviour.WRONG_SOURCE,
        Misbehaviour.FORGERIES,
    }
)
"""Misbehaviours in the transport of the message, not in its content."""

UNCHECKED = frozenset({Misbehaviour.BOGUS_UNSAID})
"""Misbehaviours that end where the query says that nothing is to be validated."""

TRUNCATING = frozenset(
    {
        Misbehaviour.TRUNCATED,
        Misbehaviour.TRUNCATED_FOR_EVER,
        Misbehaviour.TCP_SILENCE,
        Misbehaviour.TCP_DRIP,
        Misbehaviour.TCP_CUT,
        Misbehaviour.TCP_LONG,
        Misbehaviour.HUGE,
    }
)
"""Misbehaviours that send a UDP client to TCP."""


def untrue(misbehaviour: Misbehaviour, query: dns.message.Message) -> bytes:
    """The message that is sent instead of the truth."""
    if misbehaviour in _FORGERIES:
        return _FORGERIES[misbehaviour](query)
    return _refusal(misbehaviour, query).to_wire()


def truncated(query: dns.message.Message) -> bytes:
    """Nothing but the TC flag."""
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.TC
    return response.to_wire()


def guesses(query: dns.message.Message, count: int) -> list[bytes]:
    """Answers with every id but the right one, as somebody off the path would send them."""
    response = dns.message.make_response(query, recursion_available=True).to_wire()
    return [
        struct.pack("!H", (query.id + 1 + number) & 0xFFFF) + response[2:]
        for number in range(count)
    ]


def _announcing(query: dns.message.Message, count: int) -> bytes:
    """The head of an answer that announces so many records."""
    response = dns.message.make_response(query, recursion_available=True)
    response.use_edns(False)
    wire = bytearray(response.to_wire())
    wire[6:8] = count.to_bytes(2, "big")
    return bytes(wire)


def _scrambled(query: dns.message.Message) -> bytes:
    return _announcing(query, 3) + _GARBAGE


def _pointer_loop(query: dns.message.Message) -> bytes:
    head = _announcing(query, 1)
    # RFC 1035 §4.1.4: two high bits and an offset, which here is the pointer's own
    pointer = struct.pack("!H", 0xC000 | len(head))
    return head + pointer + struct.pack("!HHIH", dns.rdatatype.MX, dns.rdataclass.IN, 300, 0)


def _short_tlsa(query: dns.message.Message) -> bytes:
    wire = bytearray(_announcing(query, 1))
    wire[3] |= 0x20  # AD
    head = struct.pack("!HHHIH", 0xC00C, dns.rdatatype.TLSA, dns.rdataclass.IN, 300, 5)
    return bytes(wire) + head + b"\x03\x01\x01\xab\xcd"


def _invented(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name
    response.answer.append(dns.rrset.from_text(name, 300, "IN", "A", "192.0.2.77"))
    return response.to_wire()


def _huge(query: dns.message.Message) -> bytes:
    """Written without dnspython, which takes a second for so many records."""
    # RFC 1035 §4.1.4: 0xC00C points to the question's name
    start = struct.pack("!HHHIHB", 0xC00C, dns.rdatatype.TXT, dns.rdataclass.IN, 300, 6, 5)
    records = (start + b"%05d" % number for number in range(_HUGE_COUNT))
    return _announcing(query, _HUGE_COUNT) + b"".join(records)


def _refusal(misbehaviour: Misbehaviour, query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    if misbehaviour is Misbehaviour.BOGUS:
        response.set_rcode(dns.rcode.SERVFAIL)
        error = dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "no valid signature")
        response.use_edns(0, options=[error])
    elif misbehaviour is Misbehaviour.BOGUS_UNSAID:
        response.set_rcode(dns.rcode.SERVFAIL)
    elif misbehaviour is Misbehaviour.LAME:
        response.flags &= ~dns.flags.RA
        response.authority.append(dns.rrset.from_text(".", 300, "IN", "NS", "ns.invalid."))
    else:
        response.set_rcode(dns.rcode.from_text(misbehaviour.value.upper()))
    return response


def _wrong_id(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query, recursion_available=True)
    response.id ^= 0xFFFF
    return response.to_wire()


def _wrong_question(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("another.invalid", query.question[0].rdtype, id=query.id)
    return dns.message.make_response(other, recursion_available=True).to_wire()


_FORGERIES: Mapping[Misbehaviour, Callable[[dns.message.Message], bytes]] = {
    Misbehaviour.EMPTY: lambda _: b"",
    Misbehaviour.GARBAGE: lambda _: _GARBAGE,
    Misbehaviour.SCRAMBLED: _scrambled,
    Misbehaviour.POINTER_LOOP: _pointer_loop,
    Misbehaviour.ECHO: lambda query: query.to_wire(),
    Misbehaviour.WRONG_ID: _wrong_id,
    Misbehaviour.WRONG_QUESTION: _wrong_question,
    Misbehaviour.SHORT_TLSA: _short_tlsa,
    Misbehaviour.INVENTED: _invented,
    Misbehaviour.HUGE: _huge,
}
