"""The stub resolver: one question, one recursive server after the other, one Answer."""

import asyncio
import secrets
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from probes.catalogue.exhaustion import exhausted
from probes.net.dns_answer import Answer, DnsStatus, ServerAddress, merged, most_telling
from probes.net.dns_exchange import (
    ask_tcp,
    ask_udp,
    is_answer_to,
    is_truncated,
    query_message,
    without_edns,
)
from probes.net.dns_memory import AnswerMemory, rdata_of
from probes.net.resolv_conf import nameservers
from probes.net.resolver_check import ResolverCheck, is_ambiguous
from probes.records import RecordError
from probes.records.mx import MxRecord, by_preference

MAX_RECORDS = 512
"""Records (all sections) above which an answer is `malformed` without being parsed."""

_NOTE_CHARACTERS = 300

_WITHOUT_EDNS = frozenset({"FORMERR", "NOTIMP", "BADVERS"})
"""RCODEs with which servers from before EDNS answer a query that has an OPT record."""

_CONCLUSIVE = frozenset(
    {DnsStatus.ANSWERED, DnsStatus.NXDOMAIN, DnsStatus.NO_DATA, DnsStatus.DNSSEC_BOGUS}
)
# RFC 8914 §4: the extended errors with which a validating resolver says that validation failed
_BOGUS = frozenset(
    {
        dns.edns.EDECode.DNSSEC_BOGUS,
        dns.edns.EDECode.SIGNATURE_EXPIRED,
        dns.edns.EDECode.SIGNATURE_NOT_YET_VALID,
        dns.edns.EDECode.DNSKEY_MISSING,
        dns.edns.EDECode.RRSIGS_MISSING,
        dns.edns.EDECode.NO_ZONE_KEY_BIT_SET,
        dns.edns.EDECode.NSEC_MISSING,
        dns.edns.EDECode.SIGNATURE_EXPIRED_BEFORE_VALID,
    }
)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Asks the given recursive servers, in their order, and no other; every question is asked.

    The next server is asked when one is silent for `timeout` seconds, cannot be reached, refuses,
    fails or answers nonsense. While none has answered at all, silent servers are asked again until
    `lifetime` seconds have passed. Raises ValueError for a server that is no IP address.
    """

    servers: tuple[ServerAddress, ...]
    timeout: float = 2.0
    lifetime: float = 5.0
    ignored: tuple[str, ...] = field(default=(), compare=False)
    """Lines of the system's file that name no server, as they are."""
    check: ResolverCheck = field(default_factory=ResolverCheck, repr=False, compare=False)
    _memory: AnswerMemory = field(default_factory=AnswerMemory, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.servers:
            raise ValueError("a resolver needs at least one server")
        for address, _ in self.servers:
            ip_address(address)

    @classmethod
    def from_system(cls, path: Path = Path("/etc/resolv.conf")) -> Self:
        """A resolver that asks the servers of resolv.conf(5), on port 53.

        Only its `nameserver` lines are read, and of these only the first MAX_SERVERS that have an
        IP address and nothing else, as the C library does. No file or no such line means 127.0.0.1.
        """
        servers, ignored = nameservers(path)
        return cls(tuple((address, 53) for address in servers), ignored=ignored)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """The MX records, lowest preference first; equals in the order of the answer."""
        answer = await self.query(domain, "MX")
        ordered = by_preference(answer.records)
        return answer if ordered == answer.records else replace(answer, records=ordered)

    async def addresses(self, host: str, family: Literal[4, 6] | None = None) -> Answer[str]:
        """Return the IP addresses of a host as text: IPv4, IPv6, or (None) both, IPv4 first.

        With both, one answered question is enough; the other's status is not kept then.
        """
        if family is not None:
            return await self.query(host, "A" if family == 4 else "AAAA")
        return merged(*await self.both_addresses(host))

    async def both_addresses(self, host: str) -> tuple[Answer[str], Answer[str]]:
        """The look-ups of the IPv4 and of the IPv6 addresses of a host, asked for together."""
        first, second = await self._resolve(host, "A", "AAAA")
        return first, second

    async def query(self, name: str, rdtype: str) -> Answer[Any]:
        """Resolve one name (A-labels) and record type; no DNS outcome is an exception.

        Records are str for A, AAAA, CNAME, NS and PTR, MxRecord for MX, bytes (the strings of one
        record joined) for TXT, and the presentation format for every other type. Raises
        RecordError when `name` is no domain name.
        """
        (answer,) = await self._resolve(name, rdtype)
        return answer

    async def _resolve(self, name: str, *rdtypes: str) -> Sequence[Answer[Any]]:
        """`query` for each type: they go to the first server together, from one port."""
        questions = [_question(name, rdtype) for rdtype in rdtypes]
        until = asyncio.get_running_loop().time() + self.lifetime
        answers = await self._try(questions, self.servers[0], until)
        if not all(answer.status in _CONCLUSIVE for answer in answers):
            each = zip(questions, answers, strict=True)
            more = asyncio.gather(*(self._go_on(*one, until) for one in each))
            if not any(map(is_ambiguous, answers)):
                return await more
            begin = (asyncio.get_running_loop().time() + until) / 2
            answers = await self.check.blamed(more, partial(self._ask_all, until), begin, until)
        return answers

    async def _ask_all(self, until: float, name: str, rdtype: str) -> list[DnsStatus]:
        """Ask one server after the other until one answers; return how each ended."""
        heard: list[DnsStatus] = []
        for server in self.servers:
            (answer,) = await self._try([_question(name, rdtype)], server, until)
            heard.append(answer.status)
            if answer.status is DnsStatus.ANSWERED:
                break
        return heard

    async def _go_on(self, question: "_Question", answer: Answer[Any], until: float) -> Answer[Any]:
        """Return the final answer to a question after the first server gave this `answer`."""
        first, *others = self.servers
        turns = deque([*others, first] if answer.is_silence else others)
        heard = [answer]
        while turns and self._is_open(heard, until):
            server = turns.popleft()
            (answer,) = await self._try([question], server, until)
            heard.append(answer)
            if answer.is_silence:
                turns.append(server)
        return replace(most_telling(heard), tries=len(heard))

    def _is_open(self, heard: list[Answer[Any]], until: float) -> bool:
        if heard[-1].status in _CONCLUSIVE or asyncio.get_running_loop().time() >= until:
            return False
        return len(heard) < len(self.servers) or most_telling(heard).is_silence

    async def ask(
        self,
        server: ServerAddress,
        name: str,
        rdtype: str,
        *,
        recursive: bool = True,
        check_disabled: bool = False,
        over_tcp: bool = False,
    ) -> Answer[Any]:
        """Ask one server one question, once, within `timeout` for each of UDP and TCP.

        Without `recursive` the server is asked for its own data only, as a name server is. With
        `check_disabled` (CD) a resolver returns also records that it found bogus. Raises
        RecordError as `query` does.
        """
        question = _question(name, rdtype)
        query = query_message(
            secrets.randbits(16),
            question.wire,
            recursive=recursive,
            check_disabled=check_disabled,
        )
        loop = asyncio.get_running_loop()
        until = loop.time() + 2 * self.timeout
        answer = await self._asked(question, server, query, until, over_tcp=over_tcp)
        if answer.rcode in _WITHOUT_EDNS:
            plain = without_edns(query, secrets.randbits(16))
            until = loop.time() + 2 * self.timeout
            answer = await self._asked(question, server, plain, until, over_tcp=over_tcp)
        return answer

    async def _asked(
        self,
        question: "_Question",
        server: ServerAddress,
        query: bytes,
        until: float,
        *,
        over_tcp: bool = False,
    ) -> Answer[Any]:
        if over_tcp:
            heard = await self._over_tcp(question, server, query, until)
        else:
            (heard,) = await self._exchange([question], server, [query], until)
        return self._understood(question, server, heard)

    async def _try(
        self, questions: Sequence["_Question"], server: ServerAddress, until: float
    ) -> Sequence[Answer[Any]]:
        """One server: UDP, then TCP where the answer did not fit.

        RFC 6891 §6.2.2: a server that does not know EDNS is asked again without it.
        """
        queries = [query_message(secrets.randbits(16), question.wire) for question in questions]
        heard = await self._exchange(questions, server, queries, until)
        answers: list[Answer[Any]] = []
        for question, query, message in zip(questions, queries, heard, strict=True):
            answer = self._understood(question, server, message)
            if answer.rcode in _WITHOUT_EDNS:
                plain = without_edns(query, secrets.randbits(16))
                answer = await self._asked(question, server, plain, until)
            answers.append(answer)
        return answers

    def _understood(
        self, question: "_Question", server: ServerAddress, message: "_Heard"
    ) -> Answer[Any]:
        if isinstance(message, Answer):
            return message
        key = (server, question.wire)
        answer = self._memory.recall(key, message)
        if answer is None or answer.name != question.name:
            answer = _read(question, server, message)
            self._memory.remember(key, message, answer)
        return answer

    async def _exchange(
        self,
        questions: Sequence["_Question"],
        server: ServerAddress,
        queries: Sequence[bytes],
        until: float,
    ) -> Sequence["_Heard"]:
        """Return the answer to each of `queries`, one for each question."""
        answers, error = await ask_udp(server, queries, self._end_of_wait(until))
        missing = (DnsStatus.TIMEOUT, None) if error is None else _why(error)
        heard: list[_Heard] = []
        for question, query in zip(questions, queries, strict=True):
            message = answers.get(query)
            if message is None:
                heard.append(question.failed(server, *missing))
            elif is_truncated(message):
                # RFC 7766 §5: a truncated answer is asked for again over TCP
                heard.append(await self._over_tcp(question, server, query, until))
            else:
                heard.append(message)
        return heard

    async def _over_tcp(
        self, question: "_Question", server: ServerAddress, query: bytes, until: float
    ) -> "_Heard":
        try:
            async with asyncio.timeout_at(self._end_of_wait(until)):
                message = await ask_tcp(server, query)
        except OSError as error:
            return question.failed(server, *_why(error))
        if not is_answer_to(message, query):
            return question.failed(server, DnsStatus.MALFORMED, "an answer to something else")
        if is_truncated(message):
            # what is missing is not known: an empty part is no proof that there are no records
            return question.failed(server, DnsStatus.MALFORMED, "truncated over TCP as well")
        return message

    def _end_of_wait(self, until: float) -> float:
        return min(asyncio.get_running_loop().time() + self.timeout, until)


def _why(error: OSError) -> tuple[DnsStatus, str | None]:
    """Return the status and note for an exchange that raised `error`.

    Raises ProbeFailure where this machine is out of resources: nobody was asked.
    """
    failure = exhausted(error)
    if failure is not None:
        raise failure from error
    if isinstance(error, TimeoutError):
        return DnsStatus.TIMEOUT, None
    return DnsStatus.UNREACHABLE, error.strerror or str(error)


@dataclass(frozen=True, slots=True)
class _Question:
    """A question, readable and as its bytes in the message."""

    name: str
    rdtype: str
    wire: bytes

    def failed(
        self,
        server: ServerAddress,
        status: DnsStatus,
        note: str | None = None,
        rcode: str | None = None,
    ) -> Answer[Any]:
        note = None if note is None else note[:_NOTE_CHARACTERS]
        return Answer(self.name, self.rdtype, status, server, note=note, rcode=rcode)


_Heard = bytes | Answer[Any]
"""The message that answers a query, or the Answer that says why there is none."""


@lru_cache(maxsize=4096)
def _question(name: str, rdtype: str) -> _Question:
    """The same are asked again and again, by every run of a job."""
    if not name:
        raise RecordError("not a domain name: ''")
    try:
        labels = dns.name.from_text(name.encode("ascii")).to_digestable()
    except (dns.exception.DNSException, UnicodeEncodeError) as error:
        raise RecordError(f"not a domain name: {name[:260]!r}") from error
    kind = dns.rdatatype.from_text(rdtype)
    return _Question(name, rdtype, labels + struct.pack("!HH", kind, dns.rdataclass.IN))


def _read(question: _Question, server: ServerAddress, wire: bytes) -> Answer[Any]:
    """The Answer in a message that is known to answer `question`."""
    count = sum(struct.unpack_from("!HHH", wire, 6))
    if count > MAX_RECORDS:
        return question.failed(server, DnsStatus.MALFORMED, f"an answer of {count} records")
    try:
        is_tlsa = question.rdtype == "TLSA"
        message = dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=is_tlsa)
        if not isinstance(message, dns.message.QueryMessage):
            return question.failed(server, DnsStatus.MALFORMED, "not an answer to a query")
        if message.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            answer = _resolved(question, server, message)
            return _with_odd_tlsa(answer, wire, message) if message.errors else answer
    except dns.message.ChainTooLong:
        return question.failed(server, DnsStatus.SERVFAIL, "a CNAME chain without end")
    except (dns.exception.DNSException, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        return question.failed(server, DnsStatus.MALFORMED, detail)
    status = _ERROR_STATUS.get(message.rcode(), DnsStatus.MALFORMED)
    is_bogus = any(error.code in _BOGUS for error in message.extended_errors())
    if status is DnsStatus.SERVFAIL and is_bogus:
        status = DnsStatus.DNSSEC_BOGUS
    rcode = dns.rcode.to_text(message.rcode())
    note = _extended_errors(message) or rcode
    return question.failed(server, status, note, rcode)


def _with_odd_tlsa(
    answer: Answer[Any], wire: bytes, message: dns.message.QueryMessage
) -> Answer[Any]:
    """Return the answer with all of its TLSA records, those with too short a digest included.

    dnspython reads none of them then. Such records are the domain's mistake (RFC 7672 §3.1:
    unusable), not a malformed message.
    """
    found = [data for data in rdata_of(wire, dns.rdatatype.TLSA) if len(data) >= 3]
    if not found or answer.status is DnsStatus.NXDOMAIN:
        raise ValueError(str(message.errors[0].exception))
    records = tuple(f"{d[0]} {d[1]} {d[2]} {d[3:].hex()}".rstrip() for d in found)
    return replace(answer, status=DnsStatus.ANSWERED, records=records)


def _resolved(
    question: _Question, server: ServerAddress, message: dns.message.QueryMessage
) -> Answer[Any]:
    """The Answer in a message without an error; DNSException when it contradicts itself."""
    chain = message.resolve_chaining()
    rrset = chain.answer
    status = DnsStatus.NXDOMAIN if message.rcode() == dns.rcode.NXDOMAIN else DnsStatus.NO_DATA
    records: tuple[Any, ...] = ()
    if rrset is not None:
        status = DnsStatus.ANSWERED
        read = _RECORD_READERS.get(rrset.rdtype, _presentation)
        records = tuple(map(read, rrset.items))
    elif status is DnsStatus.NO_DATA and _is_referral(message):
        note = "a referral instead of an answer: the server does not recurse"
        return question.failed(server, DnsStatus.REFUSED, note, "NOERROR")
    return Answer(
        question.name,
        question.rdtype,
        status,
        server,
        records=records,
        canonical_name=_host(chain.canonical_name),
        ttl=None if rrset is None else chain.minimum_ttl,
        negative_ttl=_negative_ttl(message) if rrset is None else None,
        authenticated=bool(message.flags & dns.flags.AD),
        authoritative=bool(message.flags & dns.flags.AA),
        edns=message.edns >= 0,
        rcode=dns.rcode.to_text(message.rcode()),
        note=_extended_errors(message) or None,
    )


def _is_referral(message: dns.message.Message) -> bool:
    # RFC 2308 §2.2: NS records without SOA in the authority section are no NODATA
    kinds = {rrset.rdtype for rrset in message.authority}
    return dns.rdatatype.NS in kinds and dns.rdatatype.SOA not in kinds


def _negative_ttl(message: dns.message.Message) -> int | None:
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            # RFC 2308 §5: the smaller of the SOA's own TTL and its MINIMUM field
            return min(rrset.ttl, int(rrset[0].minimum))
    return None


def _extended_errors(message: dns.message.Message) -> str:
    """Every extended error in words, RFC 8914 §2; "" where there is none."""
    return ", ".join(error.to_text() for error in message.extended_errors())[:_NOTE_CHARACTERS]


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _presentation(record: Any) -> str:
    return str(record.to_text())


_ERROR_STATUS = {
    dns.rcode.SERVFAIL: DnsStatus.SERVFAIL,
    dns.rcode.REFUSED: DnsStatus.REFUSED,
}
_RECORD_READERS: Mapping[int, Callable[[Any], Any]] = {
    dns.rdatatype.A: lambda record: record.address,
    dns.rdatatype.AAAA: lambda record: record.address,
    dns.rdatatype.CNAME: lambda record: _host(record.target),
    dns.rdatatype.NS: lambda record: _host(record.target),
    dns.rdatatype.PTR: lambda record: _host(record.target),
    dns.rdatatype.MX: lambda record: MxRecord(record.preference, _host(record.exchange)),
    dns.rdatatype.TXT: lambda record: b"".join(record.strings),
}
