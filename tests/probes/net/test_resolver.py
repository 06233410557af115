"""The resolver against a real server on loopback that answers, or misbehaves, on order."""

import asyncio
import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.net.dns_answer import DnsStatus
from probes.net.dns_exchange import is_answer_to, query_message
from probes.net.errors import NetError
from probes.net.resolver import MAX_RECORDS, Resolver, _question, _read
from probes.records import RecordError
from probes.records.mx import MxRecord
from probes.result import Owner, Phase, ProbeFailure, Reason
from tests.servers.streams import conversing
from tests.support.ports import closed_udp_port

ZONE = """
@      MX 20 backup
@      MX 10 mx1
@      MX 10 MX2
mx1    A 192.0.2.1
mx1    AAAA 2001:db8::1
mx2    A 192.0.2.2
only4  A 192.0.2.4
text   TXT "v=spf1 " "-all"
alias  CNAME mx1
loop   CNAME pool
pool   CNAME loop
dangle CNAME nothing
a.deep A 192.0.2.9
_25._tcp.mx1 TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
"""


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer({"example.test": ZONE}) as server:
        yield server


def resolver(*servers: DnsServer, timeout: float = 0.2, lifetime: float = 1.0) -> Resolver:
    addresses = tuple((server.address, server.port) for server in servers)
    return Resolver(addresses, timeout=timeout, lifetime=lifetime)


def misbehave(server: DnsServer, misbehaviour: Misbehaviour, name: str = "*") -> None:
    server.faults[name, "*"] = DnsFault(misbehaviour)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path is wanted


async def test_mx_records_come_by_preference_with_lower_case_exchanges(server: DnsServer) -> None:
    answer = await resolver(server).mx("example.test")
    assert answer.status is DnsStatus.ANSWERED
    assert answer.records[2] == MxRecord(20, "backup.example.test")
    assert set(answer.records[:2]) == {
        MxRecord(10, "mx1.example.test"),
        MxRecord(10, "mx2.example.test"),
    }
    assert answer.ttl == 300
    assert answer.server == (server.address, server.port)
    assert answer.tries == 1


async def test_addresses_of_both_families_are_merged_with_ipv4_first(server: DnsServer) -> None:
    answer = await resolver(server).addresses("mx1.example.test")
    assert answer.records == ("192.0.2.1", "2001:db8::1")
    assert answer.rdtype == "A and AAAA"


async def test_one_family_is_enough_for_an_answer(server: DnsServer) -> None:
    answer = await resolver(server).addresses("only4.example.test")
    assert (answer.status, answer.records) == (DnsStatus.ANSWERED, ("192.0.2.4",))


async def test_one_family_is_enough_even_if_the_other_look_up_fails(server: DnsServer) -> None:
    server.faults["only4.example.test", "AAAA"] = DnsFault(Misbehaviour.SERVFAIL)
    answer = await resolver(server).addresses("only4.example.test")
    assert (answer.status, answer.records) == (DnsStatus.ANSWERED, ("192.0.2.4",))


async def test_a_failed_look_up_is_not_hidden_behind_a_missing_address(server: DnsServer) -> None:
    server.faults["text.example.test", "AAAA"] = DnsFault(Misbehaviour.SERVFAIL)
    answer = await resolver(server).addresses("text.example.test")
    assert answer.status is DnsStatus.SERVFAIL


async def test_a_host_without_any_address_has_no_data(server: DnsServer) -> None:
    answer = await resolver(server).addresses("text.example.test")
    assert answer.status is DnsStatus.NO_DATA


async def test_the_strings_of_a_txt_record_are_joined(server: DnsServer) -> None:
    answer = await resolver(server).query("text.example.test", "TXT")
    assert answer.records == (b"v=spf1 -all",)


async def test_other_types_come_in_presentation_format(server: DnsServer) -> None:
    answer = await resolver(server).query("_25._tcp.mx1.example.test", "TLSA")
    assert answer.records[0].startswith("3 1 1 0011")


async def test_a_cname_chain_is_followed_and_its_end_named(server: DnsServer) -> None:
    answer = await resolver(server).addresses("alias.example.test", 4)
    assert answer.records == ("192.0.2.1",)
    assert answer.canonical_name == "mx1.example.test"


async def test_a_cname_loop_ends_as_their_servfail(server: DnsServer) -> None:
    answer = await resolver(server).query("loop.example.test", "A")
    assert answer.status is DnsStatus.SERVFAIL
    assert "CNAME" in (answer.note or "")


async def test_nxdomain_and_no_data_are_kept_apart_and_carry_their_negative_ttl(
    server: DnsServer,
) -> None:
    gone = await resolver(server).query("nobody.example.test", "MX")
    empty = await resolver(server).query("mx1.example.test", "MX")
    between = await resolver(server).query("deep.example.test", "MX")
    dangling = await resolver(server).query("dangle.example.test", "A")
    assert (gone.status, gone.negative_ttl) == (DnsStatus.NXDOMAIN, 60)
    assert (empty.status, empty.negative_ttl) == (DnsStatus.NO_DATA, 60)
    assert between.status is DnsStatus.NO_DATA
    assert dangling.status is DnsStatus.NXDOMAIN
    assert gone.ttl is None


OUTCOMES = [
    (Misbehaviour.SERVFAIL, DnsStatus.SERVFAIL, Reason.SERVFAIL, Owner.RESOLVER, True),
    (Misbehaviour.BOGUS, DnsStatus.DNSSEC_BOGUS, Reason.DNSSEC_BOGUS, Owner.RECEIVER_DNS, False),
    (Misbehaviour.NXDOMAIN, DnsStatus.NXDOMAIN, Reason.NXDOMAIN, Owner.RECEIVER_DNS, False),
    (Misbehaviour.REFUSED, DnsStatus.REFUSED, Reason.REFUSED, Owner.RESOLVER, True),
    (Misbehaviour.LAME, DnsStatus.REFUSED, Reason.REFUSED, Owner.RESOLVER, True),
    (Misbehaviour.SILENCE, DnsStatus.TIMEOUT, Reason.TIMEOUT, Owner.RESOLVER, True),
    (Misbehaviour.WRONG_ID, DnsStatus.TIMEOUT, Reason.TIMEOUT, Owner.RESOLVER, True),
    (Misbehaviour.WRONG_QUESTION, DnsStatus.TIMEOUT, Reason.TIMEOUT, Owner.RESOLVER, True),
    (Misbehaviour.GARBAGE, DnsStatus.TIMEOUT, Reason.TIMEOUT, Owner.RESOLVER, True),
    (
        Misbehaviour.SCRAMBLED,
        DnsStatus.MALFORMED,
        Reason.MALFORMED_REPLY,
        Owner.RESOLVER,
        False,
    ),
    (Misbehaviour.HUGE, DnsStatus.MALFORMED, Reason.MALFORMED_REPLY, Owner.RESOLVER, False),
    (
        Misbehaviour.TRUNCATED_FOR_EVER,
        DnsStatus.UNREACHABLE,
        Reason.UNREACHABLE,
        Owner.RESOLVER,
        True,
    ),
]


@pytest.mark.parametrize(("misbehaviour", "status", "reason", "owner", "is_transient"), OUTCOMES)
async def test_every_misbehaviour_has_its_status_reason_and_owner(
    server: DnsServer,
    misbehaviour: Misbehaviour,
    status: DnsStatus,
    reason: Reason,
    owner: Owner,
    is_transient: bool,  # noqa: FBT001
) -> None:
    misbehave(server, misbehaviour)
    answer = await resolver(server, timeout=0.1, lifetime=0.2).mx("example.test")
    assert answer.status is status
    assert answer.records == ()
    with pytest.raises(NetError) as caught:
        answer.require()
    failure = caught.value.to_failure(Phase.DNS_MX)
    assert (failure.phase, failure.reason, failure.owner) == (Phase.DNS_MX, reason, owner)
    assert failure.is_transient is is_transient
    assert "example.test" in failure.detail


async def test_a_validators_word_is_kept(server: DnsServer) -> None:
    misbehave(server, Misbehaviour.BOGUS)
    answer = await resolver(server).mx("example.test")
    assert answer.rcode == "SERVFAIL"
    assert answer.note == "EDE 6 (DNSSEC Bogus): no valid signature"


async def test_a_truncated_answer_is_fetched_over_tcp(server: DnsServer) -> None:
    misbehave(server, Misbehaviour.TRUNCATED)
    answer = await resolver(server).mx("example.test")
    assert len(answer.records) == 3
    assert [query.over_tcp for query in server.queries] == [False, True]


async def test_an_answer_above_our_payload_size_is_fetched_over_tcp(server: DnsServer) -> None:
    server.load("big.test", "\n".join(f'@ TXT "{i:0200d}"' for i in range(20)))
    answer = await resolver(server).query("big.test", "TXT")
    assert len(answer.records) == 20
    assert [query.over_tcp for query in server.queries] == [False, True]


async def test_the_next_server_is_asked_when_the_first_is_silent(server: DnsServer) -> None:
    async with DnsServer({}, {("*", "*"): DnsFault(Misbehaviour.SILENCE)}) as silent:
        answer = await resolver(silent, server).mx("example.test")
    assert answer.status is DnsStatus.ANSWERED
    assert answer.server == (server.address, server.port)
    assert answer.tries == 2


@pytest.mark.parametrize(
    "misbehaviour", [Misbehaviour.SERVFAIL, Misbehaviour.REFUSED, Misbehaviour.SCRAMBLED]
)
async def test_the_next_server_is_asked_when_the_first_cannot_answer(
    server: DnsServer, misbehaviour: Misbehaviour
) -> None:
    async with DnsServer({}, {("*", "*"): DnsFault(misbehaviour)}) as broken:
        answer = await resolver(broken, server).mx("example.test")
    assert answer.server == (server.address, server.port)
    assert answer.status is DnsStatus.ANSWERED


async def test_a_bogus_answer_is_not_taken_from_a_server_that_does_not_validate(
    server: DnsServer,
) -> None:
    async with DnsServer({}, {("*", "*"): DnsFault(Misbehaviour.BOGUS)}) as validating:
        answer = await resolver(validating, server).mx("example.test")
    assert answer.status is DnsStatus.DNSSEC_BOGUS
    assert not server.queries


async def test_of_several_failures_the_one_that_says_most_is_reported(server: DnsServer) -> None:
    misbehave(server, Misbehaviour.SERVFAIL)
    async with DnsServer({}, {("*", "*"): DnsFault(Misbehaviour.REFUSED)}) as refusing:
        answer = await resolver(refusing, server).mx("example.test")
    assert answer.status is DnsStatus.SERVFAIL
    assert answer.server == (server.address, server.port)


async def test_a_lost_datagram_is_asked_for_again_within_the_lifetime(server: DnsServer) -> None:
    misbehave(server, Misbehaviour.SILENCE)
    looking = asyncio.create_task(resolver(server, timeout=0.1, lifetime=10).mx("example.test"))
    await server.asked()
    server.faults.clear()
    answer = await looking
    assert answer.status is DnsStatus.ANSWERED
    assert answer.tries == len(server.queries) >= 2


async def test_the_lifetime_bounds_one_resolution_whatever_the_timeout_is(
    server: DnsServer,
) -> None:
    misbehave(server, Misbehaviour.SILENCE)
    async with asyncio.timeout(30):
        answer = await resolver(server, timeout=60, lifetime=0.2).mx("example.test")
    assert answer.status is DnsStatus.TIMEOUT
    assert answer.tries == 1


async def test_a_slow_answer_within_the_timeout_is_waited_for(server: DnsServer) -> None:
    server.faults["example.test", "MX"] = DnsFault(delay=0.05)
    answer = await resolver(server, timeout=5, lifetime=5).mx("example.test")
    assert answer.status is DnsStatus.ANSWERED
    assert answer.tries == 1


async def test_a_server_that_is_not_there_is_unreachable_at_once() -> None:
    with closed_udp_port() as port:
        asking = Resolver((("127.0.0.1", port),), timeout=60, lifetime=60)
        async with asyncio.timeout(10):
            answers = [
                await asking.mx("example.test"),
                *await asking.both_addresses("example.test"),
            ]
    for answer in answers:
        assert answer.status is DnsStatus.UNREACHABLE
        assert "refused" in (answer.note or "")


async def test_the_ad_flag_is_asked_for_and_reported() -> None:
    async with DnsServer(
        {"signed.test": ZONE, "plain.test": ZONE}, authenticated=["signed.test"]
    ) as server:
        signed = await resolver(server).mx("signed.test")
        plain = await resolver(server).mx("plain.test")
        assert all(query.wants_dnssec for query in server.queries)
    assert signed.authenticated
    assert not plain.authenticated


async def test_cancelling_a_look_up_leaves_no_socket_open(server: DnsServer) -> None:
    misbehave(server, Misbehaviour.SILENCE)
    before = open_files()
    looking = asyncio.create_task(resolver(server, timeout=60, lifetime=60).mx("example.test"))
    await server.asked()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert open_files() == before


async def test_a_forger_who_guesses_the_port_but_not_the_id_changes_nothing() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))
        asking = Resolver((server.getsockname(),), timeout=5, lifetime=5)
        looking = asyncio.create_task(asking.addresses("example.test", 4))
        query, client = await loop.sock_recvfrom(server, 2000)
        for guess in range(100):
            forged = ((query[0] << 8 | query[1]) ^ (guess + 1)).to_bytes(2, "big")
            server.sendto(forged + _answer(query, "203.0.113.66")[2:], client)
        server.sendto(_answer(query, "192.0.2.1"), client)
        answer = await looking
    assert answer.records == ("192.0.2.1",)
    assert answer.tries == 1


@contextmanager
def raw_server() -> Iterator[socket.socket]:
    """A UDP socket from which the test answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))
        yield server


async def test_both_addresses_are_asked_for_from_one_port_and_the_next_look_up_from_another() -> (
    None
):
    loop = asyncio.get_running_loop()
    ports: list[int] = []
    with raw_server() as server:
        asking = Resolver((server.getsockname(),), timeout=5, lifetime=5)
        for _ in range(3):
            looking = asyncio.create_task(asking.both_addresses("example.test"))
            (first, client), (second, other_client) = [
                await loop.sock_recvfrom(server, 2000) for _ in range(2)
            ]
            assert client == other_client
            ports.append(client[1])
            # the second question is answered first
            server.sendto(_answer(second, "2001:db8::1"), client)
            server.sendto(_answer(first, "192.0.2.1"), client)
            ipv4, ipv6 = await looking
            assert (ipv4.records, ipv6.records) == (("192.0.2.1",), ("2001:db8::1",))
    assert len(set(ports)) > 1


async def test_an_answer_under_the_other_questions_id_is_none() -> None:
    loop = asyncio.get_running_loop()
    with raw_server() as server:
        asking = Resolver((server.getsockname(),), timeout=5, lifetime=5)
        looking = asyncio.create_task(asking.both_addresses("example.test"))
        (first, client), (second, _) = [await loop.sock_recvfrom(server, 2000) for _ in range(2)]
        assert first[:2] != second[:2], "one of 65,536 runs fails here"
        server.sendto(second[:2] + _answer(first, "203.0.113.66")[2:], client)
        server.sendto(first[:2] + _answer(second, "2001:db8::66")[2:], client)
        server.sendto(_answer(first, "192.0.2.1"), client)
        server.sendto(_answer(second, "2001:db8::1"), client)
        ipv4, ipv6 = await looking
    assert (ipv4.records, ipv6.records) == (("192.0.2.1",), ("2001:db8::1",))


async def test_what_comes_from_another_port_than_was_asked_is_no_answer() -> None:
    loop = asyncio.get_running_loop()
    with raw_server() as server, raw_server() as stranger:
        asking = Resolver((server.getsockname(),), timeout=5, lifetime=5)
        looking = asyncio.create_task(asking.addresses("example.test", 4))
        query, client = await loop.sock_recvfrom(server, 2000)
        stranger.sendto(_answer(query, "203.0.113.66"), client)
        server.sendto(_answer(query, "192.0.2.1"), client)
        assert (await looking).records == ("192.0.2.1",)


async def test_a_second_answer_to_one_question_is_none_to_the_other() -> None:
    loop = asyncio.get_running_loop()
    with raw_server() as server:
        asking = Resolver((server.getsockname(),), timeout=5, lifetime=5)
        looking = asyncio.create_task(asking.both_addresses("example.test"))
        (first, client), (second, _) = [await loop.sock_recvfrom(server, 2000) for _ in range(2)]
        server.sendto(_answer(first, "192.0.2.1"), client)
        server.sendto(_answer(first, "203.0.113.66"), client)
        server.sendto(_answer(second, "2001:db8::1"), client)
        ipv4, ipv6 = await looking
    assert (ipv4.records, ipv6.records) == (("192.0.2.1",), ("2001:db8::1",))


@pytest.mark.parametrize("rdtype", ["A", "AAAA"])
async def test_one_unanswered_question_is_asked_again_and_the_other_is_not(
    server: DnsServer, rdtype: str
) -> None:
    server.faults["mx1.example.test", rdtype] = DnsFault(Misbehaviour.SILENCE)
    looking = asyncio.create_task(
        resolver(server, timeout=0.1, lifetime=10).both_addresses("mx1.example.test")
    )
    while sum(query.rdtype == rdtype for query in server.queries) < 2:
        await server.asked()
    server.faults.clear()
    ipv4, ipv6 = await looking
    assert (ipv4.records, ipv6.records) == (("192.0.2.1",), ("2001:db8::1",))
    asked_again, at_once = (ipv4, ipv6) if rdtype == "A" else (ipv6, ipv4)
    assert asked_again.tries >= 2
    assert at_once.tries == 1
    assert sum(query.rdtype != rdtype for query in server.queries) == 1


async def test_one_truncated_answer_is_fetched_over_tcp_beside_one_that_is_not(
    server: DnsServer,
) -> None:
    server.faults["mx1.example.test", "A"] = DnsFault(Misbehaviour.TRUNCATED)
    ipv4, ipv6 = await resolver(server).both_addresses("mx1.example.test")
    assert (ipv4.records, ipv6.records) == (("192.0.2.1",), ("2001:db8::1",))
    over_tcp = [query.rdtype for query in server.queries if query.over_tcp]
    assert over_tcp == ["A"]


async def test_a_flood_of_forgeries_keeps_neither_the_timeout_nor_the_loop_from_running() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))
        asking = Resolver((server.getsockname(),), timeout=0.3, lifetime=0.3)
        looking = asyncio.create_task(asking.addresses("example.test", 4))
        query, client = await loop.sock_recvfrom(server, 2000)
        forged = bytes((query[0] ^ 1, query[1])) + _answer(query, "203.0.113.66")[2:]
        turns = 0
        while not looking.done():
            for _ in range(50):
                server.sendto(forged, client)
            turns += 1
            await asyncio.sleep(0)
    assert (await looking).status is DnsStatus.TIMEOUT
    assert turns > 10


async def test_a_tcp_answer_to_another_question_is_malformed() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        message = bytes((query[0] ^ 1, query[1])) + _answer(query, "203.0.113.66")[2:]
        writer.write(struct.pack("!H", len(message)) + message)
        await writer.drain()

    async with DnsServer({}, {("*", "*"): DnsFault(Misbehaviour.TRUNCATED)}) as server:
        assert server._tcp is not None
        server._tcp.close()
        async with conversing(serve, server.port):
            answer = await resolver(server).query("example.test", "A")
    assert answer.status is DnsStatus.MALFORMED
    assert answer.note == "an answer to something else"


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test", "ü.test", "a." * 130 + "test"])
async def test_what_is_no_domain_name_is_refused_before_anybody_is_asked(
    server: DnsServer, name: str
) -> None:
    with pytest.raises(RecordError):
        await resolver(server).query(name, "A")
    assert not server.queries


@pytest.mark.parametrize("servers", [(), (("dns.example.test", 53),)])
def test_a_resolver_needs_servers_that_are_addresses(servers: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the contract
        Resolver(servers)


def test_the_systems_servers_are_read_only_when_asked_for(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("# nameserver 192.0.2.9\nsearch x.test\nnameserver 192.0.2.1\nnameserver ::1\n")
    assert Resolver.from_system(conf).servers == (("192.0.2.1", 53), ("::1", 53))
    assert Resolver.from_system(tmp_path / "none").servers == (("127.0.0.1", 53),)


@pytest.mark.parametrize(
    "line",
    [
        *("nameserver 192.0.2.1:53", "nameserver [::1]:53", "nameserver [::1]", "nameserver"),
        *("nameserver dns.example.test", "nameserver 192.0.2.256", "nameserver fe80::1%nowhere0"),
        *("nameserver ::1%", "nameserver 192.0.2.1;", "nameserver \x00", "nameserver \u0661.1.1.1"),
        *("nameserver 1.2.3.4.5", "nameserver 08.1.1.1"),
    ],
)
def test_a_line_of_the_system_that_names_no_server_is_ignored_and_told(
    tmp_path: Path, line: str
) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text(f"options edns0\n{line}\nnameserver 192.0.2.7\n")
    resolver = Resolver.from_system(conf)
    assert resolver.servers == (("192.0.2.7", 53),)
    assert len(resolver.ignored) == 1
    conf.write_text(line)
    assert Resolver.from_system(conf).servers == (("127.0.0.1", 53),)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("nameserver\t192.0.2.1   # ours\n", ["192.0.2.1"]),
        ("nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", ["192.0.2.1", "192.0.2.2"]),
        ("nameserver 127.1\n", ["127.0.0.1"]),
        ("nameserver fe80::1%lo\n", ["fe80::1%lo"]),
        (
            "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6)),
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
        ),
        ("nameserverx 192.0.2.1\n;nameserver 192.0.2.2\n#nameserver 192.0.2.3", ["127.0.0.1"]),
    ],
)
def test_the_system_s_servers_are_those_of_the_c_library(
    tmp_path: Path, text: str, addresses: list[str]
) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_bytes(text.encode())
    assert [address for address, _ in Resolver.from_system(conf).servers] == addresses


def test_a_system_file_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert Resolver.from_system(tmp_path).servers == (("127.0.0.1", 53),)
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 300)
    assert Resolver.from_system(tmp_path / "binary").servers == (("127.0.0.1", 53),)


OLD = [
    *(Misbehaviour.NO_EDNS_FORMERR, Misbehaviour.NO_EDNS_NOTIMP),
    *(Misbehaviour.NO_EDNS_BADVERS, Misbehaviour.NO_EDNS_IGNORED),
]


@pytest.mark.parametrize("misbehaviour", OLD)
async def test_a_server_from_before_edns_is_asked_again_without_it(
    server: DnsServer, misbehaviour: Misbehaviour
) -> None:
    misbehave(server, misbehaviour)
    ours = resolver(server)
    assert len((await ours.mx("example.test")).records) == 3
    assert (await ours.query("nobody.example.test", "MX")).status is DnsStatus.NXDOMAIN
    assert len((await ours.addresses("mx1.example.test")).records) == 2
    for over_tcp in (False, True):
        answer = await ours.ask(
            (server.address, server.port), "example.test", "SOA", over_tcp=over_tcp
        )
        assert (answer.status, answer.edns) == (DnsStatus.ANSWERED, False)


async def test_a_server_that_knows_edns_is_asked_once(server: DnsServer) -> None:
    assert (await resolver(server).mx("example.test")).edns
    assert len(server.queries) == 1


async def test_a_socket_that_the_system_does_not_give_is_a_fault_of_this_machine(
    server: DnsServer,
) -> None:
    full = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, full[1]))
    try:
        with pytest.raises(ProbeFailure) as caught:
            await resolver(server).ask((server.address, server.port), "example.test", "MX")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, full)
    assert (caught.value.reason, caught.value.owner) == (Reason.UNTESTABLE, Owner.MONITOR)


def test_look_ups_work_on_uvloop_over_udp_and_tcp() -> None:
    async def look_up() -> list[DnsStatus]:
        async with DnsServer({"example.test": ZONE}) as server:
            over_udp = await resolver(server).mx("example.test")
            misbehave(server, Misbehaviour.TRUNCATED)
            over_tcp = await resolver(server).mx("example.test")
            misbehave(server, Misbehaviour.SILENCE)
            silent = await resolver(server, timeout=0.1, lifetime=0.1).mx("example.test")
        with closed_udp_port() as port:
            gone = await Resolver((("127.0.0.1", port),)).mx("example.test")
        return [over_udp.status, over_tcp.status, silent.status, gone.status]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(look_up()) == [
            DnsStatus.ANSWERED,
            DnsStatus.ANSWERED,
            DnsStatus.TIMEOUT,
            DnsStatus.UNREACHABLE,
        ]


_ASKED = _question("example.test", "MX")
_QUERY = query_message(0x1234, _ASKED.wire)


@settings(max_examples=3 * settings().max_examples)
@given(flags=st.integers(0, 0xFFFF), counts=st.tuples(*[st.integers(0, 600)] * 3), rest=st.binary())
def test_any_bytes_after_the_question_give_an_answer(
    flags: int, counts: tuple[int, int, int], rest: bytes
) -> None:
    wire = struct.pack("!HHHHHH", 0x1234, flags, 1, *counts) + _ASKED.wire + rest
    answer = _read(_ASKED, ("127.0.0.1", 53), wire)
    assert answer.status in DnsStatus
    assert len(answer.records) <= MAX_RECORDS


@settings(max_examples=3 * settings().max_examples)
@given(st.binary(max_size=200))
def test_bytes_that_do_not_repeat_id_and_question_are_no_answer(wire: bytes) -> None:
    header_only = wire[:2] == _QUERY[:2] and wire[4:6] == b"\0\0"
    assert header_only or not is_answer_to(wire, _QUERY)


def test_an_answer_may_spell_the_name_in_another_case() -> None:
    spelled = _QUERY.replace(b"example", b"ExAmPlE")
    response = spelled[:2] + bytes((spelled[2] | 0x80,)) + spelled[3:]
    assert is_answer_to(response, _QUERY)


def _answer(query: bytes, address: str) -> bytes:
    """A minimal answer with one address record to a query that ends with our OPT record."""
    question = query[12:-11]
    header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
    kind, family = (28, socket.AF_INET6) if ":" in address else (1, socket.AF_INET)
    data = socket.inet_pton(family, address)
    record = struct.pack("!HHHIH", 0xC00C, kind, 1, 300, len(data)) + data
    return header + question + record
