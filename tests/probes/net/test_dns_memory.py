"""What an answer that came before is worth, compared with reading it again."""

import dns.flags
import dns.message
import dns.rrset
from hypothesis import given
from hypothesis import strategies as st

from probes.net.dns_answer import Answer, DnsStatus
from probes.net.dns_exchange import query_message
from probes.net.dns_memory import MAX_REMEMBERED, AnswerMemory, Key
from probes.net.resolver import _question, _read

SERVER = ("127.0.0.1", 53)


def message(
    rdtype: str,
    *answers: str,
    authority: str | None = None,
    name: str = "a.test",
    query_id: int = 7,
) -> bytes:
    """A server's answer to a question about `name`; records as `NAME TTL TYPE DATA`."""
    question = _question(name, rdtype)
    response = dns.message.make_response(
        dns.message.from_wire(query_message(query_id, question.wire))
    )
    response.flags |= dns.flags.RA
    for section, texts in ((response.answer, answers), (response.authority, (authority,))):
        for text in filter(None, texts):
            owner, ttl, kind, data = text.split(None, 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return response.to_wire()


def key(rdtype: str, name: str = "a.test") -> Key:
    return SERVER, _question(name, rdtype).wire


def read(wire: bytes, rdtype: str, name: str = "a.test") -> Answer[object]:
    return _read(_question(name, rdtype), SERVER, wire)


def remembering(wire: bytes, rdtype: str) -> AnswerMemory:
    memory = AnswerMemory()
    memory.remember(key(rdtype), wire, read(wire, rdtype))
    return memory


def test_the_same_words_with_other_ttls_and_another_id_are_known_again() -> None:
    memory = remembering(message("MX", "a.test. 300 MX 10 mx.test."), "MX")
    later = message("MX", "a.test. 17 MX 10 mx.test.", query_id=9)
    assert memory.recall(key("MX"), later) == read(later, "MX")
    assert read(later, "MX").ttl == 17


def test_a_chain_of_aliases_has_the_smallest_ttl() -> None:
    chain = ("a.test. 300 CNAME b.test.", "b.test. 200 A 192.0.2.1")
    memory = remembering(message("A", *chain), "A")
    later = message("A", "a.test. 5 CNAME b.test.", "b.test. 200 A 192.0.2.1")
    known = memory.recall(key("A"), later)
    assert known == read(later, "A")
    assert known is not None
    assert known.ttl == 5


def test_nothing_found_is_known_with_the_smaller_of_the_soas_two_numbers() -> None:
    soa = "test. {} SOA ns.test. h.test. 1 2 3 4 60"
    memory = remembering(message("AAAA", authority=soa.format(600)), "AAAA")
    for ttl, told in ((500, 60), (59, 59)):
        later = message("AAAA", authority=soa.format(ttl))
        known = memory.recall(key("AAAA"), later)
        assert known == read(later, "AAAA")
        assert known is not None
        assert known.negative_ttl == told


def test_other_words_are_not_known() -> None:
    memory = remembering(message("A", "a.test. 300 A 192.0.2.1"), "A")
    for other in (
        message("A", "a.test. 300 A 192.0.2.2"),
        message("A", "a.test. 300 A 192.0.2.1", "a.test. 300 CNAME b.test."),
        message("A", "a.test. 300 A 192.0.2.1")[:-1],
        b"",
    ):
        assert memory.recall(key("A"), other) is None
    assert memory.recall((("127.0.0.2", 53), key("A")[1]), message("A")) is None


def test_an_answer_with_records_nobody_asked_for_is_read_every_time() -> None:
    wire = message("A", "a.test. 300 A 192.0.2.1", "c.test. 1 A 192.0.2.3")
    assert remembering(wire, "A").recall(key("A"), wire) is None


def test_a_failing_server_is_read_every_time() -> None:
    wire = bytearray(message("A"))
    wire[3] |= 2
    assert read(bytes(wire), "A").status is DnsStatus.SERVFAIL
    assert remembering(bytes(wire), "A").recall(key("A"), bytes(wire)) is None


def test_the_memory_is_bounded_and_forgets_what_was_not_used_for_longest() -> None:
    wire = message("A", "a.test. 300 A 192.0.2.1")
    memory = remembering(wire, "A")
    answer = read(wire, "A")
    for port in range(MAX_REMEMBERED):
        assert memory.recall(key("A"), wire) == answer
        memory.remember((("127.0.0.1", 1000 + port), key("A")[1]), wire, answer)
    assert memory.recall(key("A"), wire) == answer
    assert memory.recall((("127.0.0.1", 1000), key("A")[1]), wire) is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_octets_are_remembered_or_not_and_never_break_anything(
    first: bytes, second: bytes
) -> None:
    memory = AnswerMemory()
    answer: Answer[object] = read(message("A", "a.test. 300 A 192.0.2.1"), "A")
    head = message("A", "a.test. 300 A 192.0.2.1")[:12]
    memory.remember(key("A"), head + first, answer)
    memory.recall(key("A"), head + second)
    memory.recall(key("A"), second)
