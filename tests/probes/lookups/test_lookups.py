"""The look-up that evaluations get: names as they are, outcomes told apart, every question once."""

import asyncio
from collections.abc import Mapping

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.lookups.lookups import MAX_QUESTIONS, Lookups
from probes.net.resolver import Resolver
from probes.records.looked_up import LookupStatus
from probes.records.mx import MxRecord

ZONE = r"""
@ TXT "one " "text"
@ MX 10 mail
@ A 192.0.2.1
foo:bar/baz A 192.0.2.2
a\@b\"c\;d A 192.0.2.3
back\\slash A 192.0.2.4
caf\195\169 A 192.0.2.5
sp\032ace A 192.0.2.6
empty TXT "x"
"""


def resolver(dns: DnsServer) -> Resolver:
    return Resolver(((dns.address, dns.port),), timeout=0.3, lifetime=0.5)


async def test_records_come_as_evaluations_read_them() -> None:
    async with DnsServer({"example.test": ZONE}) as dns:
        lookup = Lookups(resolver(dns))
        assert (await lookup("example.test", "TXT")).records == (b"one text",)
        assert (await lookup("example.test", "MX")).records == (MxRecord(10, "mail.example.test"),)
        assert (await lookup("example.test", "A")).records == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("foo:bar/baz", "192.0.2.2"),
        ('a@b"c;d', "192.0.2.3"),
        ("back\\slash", "192.0.2.4"),
        ("café", "192.0.2.5"),
        ("sp ace", "192.0.2.6"),
    ],
)
async def test_every_character_of_a_name_belongs_to_its_label(name: str, address: str) -> None:
    async with DnsServer({"example.test": ZONE}) as dns:
        found = await Lookups(resolver(dns))(f"{name}.example.test", "A")
    assert found.records == (address,)


OUTCOMES: Mapping[Misbehaviour, tuple[LookupStatus, bool]] = {
    Misbehaviour.NXDOMAIN: (LookupStatus.NXDOMAIN, False),
    Misbehaviour.SERVFAIL: (LookupStatus.FAILED, False),
    Misbehaviour.BOGUS: (LookupStatus.FAILED, False),
    Misbehaviour.REFUSED: (LookupStatus.FAILED, True),
    Misbehaviour.SILENCE: (LookupStatus.FAILED, True),
}


@pytest.mark.parametrize("misbehaviour", OUTCOMES)
async def test_outcomes_are_told_apart(misbehaviour: Misbehaviour) -> None:
    faults = {("example.test", "A"): DnsFault(misbehaviour)}
    async with DnsServer({"example.test": ZONE}, faults) as dns:
        lookup = Lookups(resolver(dns))
        found = await lookup("example.test", "A")
        assert (found.status, found.is_ours) == OUTCOMES[misbehaviour]
        assert (await lookup("empty.example.test", "A")).status is LookupStatus.NO_DATA
    assert found.detail


@pytest.mark.parametrize("misbehaviour", [Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID])
async def test_what_does_not_validate_is_called_bogus(misbehaviour: Misbehaviour) -> None:
    async with DnsServer(
        {"example.test": ZONE}, {("example.test", "A"): DnsFault(misbehaviour)}
    ) as dns:
        found = await Lookups(resolver(dns))("example.test", "A")
    assert (found.failure, found.is_ours) == ("dnssec_bogus", False)


async def test_a_question_is_asked_once_also_by_several_at_a_time() -> None:
    async with DnsServer({"example.test": ZONE}) as dns:
        lookup = Lookups(resolver(dns))
        names = ["example.test", "EXAMPLE.test"] * 5
        answers = await asyncio.gather(*(lookup(name, "A") for name in names))
        assert {answer.records for answer in answers} == {("192.0.2.1",)}
        assert len(dns.queries) == 1


async def test_a_run_asks_a_bounded_number_of_questions() -> None:
    async with DnsServer({"example.test": ZONE}) as dns:
        lookup = Lookups(resolver(dns))
        for number in range(MAX_QUESTIONS):
            lookup._asked[f"x{number}.test", "A"] = asyncio.get_running_loop().create_future()
        found = await lookup("example.test", "A")
        assert (found.status, found.is_ours) == (LookupStatus.FAILED, True)
        assert not dns.queries


async def test_what_can_be_no_name_does_not_exist() -> None:
    async with DnsServer({"example.test": ZONE}) as dns:
        found = await Lookups(resolver(dns))(f"{'x' * 64}.example.test", "A")
    assert found.status is LookupStatus.NXDOMAIN


async def test_cancellation_passes_and_leaves_nothing_behind() -> None:
    faults = {("example.test", "A"): DnsFault(Misbehaviour.SILENCE)}
    async with DnsServer({"example.test": ZONE}, faults) as dns:
        lookup = Lookups(Resolver(((dns.address, dns.port),), timeout=30, lifetime=60))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lookup("example.test", "A")
        dns.faults.clear()
        assert (await lookup("example.test", "A")).records == ("192.0.2.1",)
