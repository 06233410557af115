"""The embedded DNS server, asked by somebody else's client."""

from collections.abc import AsyncIterator

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import MAX_QUERIES_KEPT, DnsFault, DnsServer

ZONE = "@ MX 10 mx1\nmx1 A 192.0.2.1\nalias CNAME mx1\nfar CNAME mx1.other.test.\n"
LOOK_UP_SECONDS = 5.0


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    zones = {
        "example.test": ZONE,
        "sub.example.test": "@ A 192.0.2.7",
        "other.test": "mx1 A 192.0.2.9",
    }
    async with DnsServer(zones) as server:
        yield server


async def ask(
    server: DnsServer, name: str, rdtype: str = "A", *, over_tcp: bool = False, payload: int = 1232
) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype, payload=payload)
    exchange = dns.asyncquery.tcp if over_tcp else dns.asyncquery.udp
    return await exchange(query, server.address, port=server.port, timeout=LOOK_UP_SECONDS)


def addresses(message: dns.message.Message) -> list[str]:
    return [record.to_text() for rrset in message.answer for record in rrset if rrset.rdtype == 1]


@pytest.mark.parametrize("over_tcp", [False, True])
async def test_records_are_served_with_authority_over_udp_and_tcp(
    server: DnsServer,
    over_tcp: bool,  # noqa: FBT001
) -> None:
    message = await ask(server, "mx1.example.test", over_tcp=over_tcp)
    assert addresses(message) == ["192.0.2.1"]
    assert message.flags & dns.flags.AA
    assert not message.flags & dns.flags.AD


async def test_the_closest_zone_answers(server: DnsServer) -> None:
    assert addresses(await ask(server, "sub.example.test")) == ["192.0.2.7"]


async def test_aliases_are_followed_across_zones(server: DnsServer) -> None:
    assert addresses(await ask(server, "alias.example.test")) == ["192.0.2.1"]
    assert addresses(await ask(server, "far.example.test")) == ["192.0.2.9"]


async def test_what_is_not_there_is_denied_with_the_soa(server: DnsServer) -> None:
    gone = await ask(server, "nobody.example.test")
    empty = await ask(server, "mx1.example.test", "TXT")
    assert gone.rcode() == dns.rcode.NXDOMAIN
    assert empty.rcode() == dns.rcode.NOERROR
    for message in (gone, empty):
        assert not message.answer
        assert message.authority[0].name.to_text() == "example.test."


async def test_what_is_outside_of_the_zones_is_refused(server: DnsServer) -> None:
    assert (await ask(server, "example.invalid")).rcode() == dns.rcode.REFUSED


async def test_an_answer_above_the_clients_size_is_truncated_over_udp_only(
    server: DnsServer,
) -> None:
    server.load("big.test", "\n".join(f'@ TXT "{number:0100d}"' for number in range(8)))
    small = await ask(server, "big.test", "TXT", payload=512)
    fits = await ask(server, "big.test", "TXT", payload=4096)
    whole = await ask(server, "big.test", "TXT", over_tcp=True, payload=512)
    assert small.flags & dns.flags.TC
    assert not small.answer
    assert len(fits.answer[0]) == len(whole.answer[0]) == 8


async def test_faults_are_changed_while_the_server_runs(server: DnsServer) -> None:
    server.faults["mx1.example.test", "A"] = DnsFault(Misbehaviour.SERVFAIL)
    assert (await ask(server, "mx1.example.test")).rcode() == dns.rcode.SERVFAIL
    server.faults.clear()
    assert (await ask(server, "mx1.example.test")).rcode() == dns.rcode.NOERROR


async def test_the_nearest_fault_counts(server: DnsServer) -> None:
    server.faults["*", "*"] = DnsFault(Misbehaviour.SERVFAIL)
    server.faults["*", "MX"] = DnsFault(Misbehaviour.REFUSED)
    server.faults["mx1.example.test", "*"] = DnsFault(Misbehaviour.NXDOMAIN)
    server.faults["mx1.example.test", "A"] = DnsFault()
    assert (await ask(server, "mx1.example.test")).rcode() == dns.rcode.NOERROR
    assert (await ask(server, "mx1.example.test", "MX")).rcode() == dns.rcode.NXDOMAIN
    assert (await ask(server, "example.test", "MX")).rcode() == dns.rcode.REFUSED
    assert (await ask(server, "example.test", "TXT")).rcode() == dns.rcode.SERVFAIL


async def test_a_silent_server_hears_the_question_all_the_same(server: DnsServer) -> None:
    server.faults["*", "*"] = DnsFault(Misbehaviour.SILENCE)
    query = dns.message.make_query("Mx1.Example.test", "A", want_dnssec=True)
    with pytest.raises(dns.exception.Timeout):
        await dns.asyncquery.udp(query, server.address, port=server.port, timeout=0.05)
    (heard,) = server.queries
    assert (heard.name, heard.rdtype) == ("mx1.example.test", "A")
    assert (heard.over_tcp, heard.wants_dnssec) == (False, True)


async def test_an_answer_can_be_late(server: DnsServer) -> None:
    server.faults["*", "*"] = DnsFault(delay=0.05)
    message = await ask(server, "mx1.example.test")
    assert addresses(message) == ["192.0.2.1"]
    assert message.time >= 0.04


async def test_a_server_that_leaves_forgets_its_late_answers() -> None:
    async with DnsServer({"example.test": ZONE}, {("*", "*"): DnsFault(delay=60)}) as server:
        query = dns.message.make_query("mx1.example.test", "A")
        with pytest.raises(dns.exception.Timeout):
            await dns.asyncquery.udp(query, server.address, port=server.port, timeout=0.05)
        await server.asked()


async def test_the_queries_kept_are_bounded(server: DnsServer) -> None:
    wire = dns.message.make_query("mx1.example.test", "A").to_wire()
    for _ in range(MAX_QUERIES_KEPT + 10):
        server._respond(wire, over_tcp=False)
    assert len(server.queries) == MAX_QUERIES_KEPT


async def test_what_is_no_query_gets_no_answer(server: DnsServer) -> None:
    for wire in (b"", b"\x00" * 12, b"hello", b"\xff" * 600):
        assert server._respond(wire, over_tcp=False).messages == ()


def test_a_zone_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(dns.exception.DNSException):
        DnsServer({"example.test": "@ MX ten mx1"})


async def test_two_servers_take_a_free_port_each() -> None:
    async with DnsServer({}) as one, DnsServer({}) as other:
        assert one.port != other.port
        assert one.address == "127.0.0.1"
