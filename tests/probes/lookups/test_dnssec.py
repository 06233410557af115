"""What our resolver is worth, and what its answers mean then."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.lookups.dnssec import Dnssec, ResolverState, examine, settled, state_of
from probes.net.dns_answer import DnsStatus
from probes.net.resolver import Resolver
from probes.records import RecordError

ZONES = {".": "", "example.test": "@ A 192.0.2.1\n", "broken.test": "@ A 192.0.2.2\n"}
VALIDATING = ResolverState(True, "tested", False)


@asynccontextmanager
async def resolver(
    signed: Sequence[str] = (".", "example.test"),
    faults: Mapping[tuple[str, str], DnsFault] | None = None,
    zones: Mapping[str, str] = ZONES,
) -> AsyncIterator[tuple[Resolver, DnsServer]]:
    async with DnsServer(zones, faults, authenticated=signed) as server:
        yield Resolver(((server.address, server.port),), timeout=0.3, lifetime=0.6), server


async def test_the_root_zone_says_whether_a_resolver_validates() -> None:
    async with resolver() as (asked, _):
        assert (await examine(asked, None)).validates is True
    async with resolver(signed=()) as (asked, _):
        assert (await examine(asked, None)).validates is False
    async with resolver(faults={(".", "SOA"): DnsFault(Misbehaviour.SILENCE)}) as (asked, _):
        unknown = await examine(asked, None)
        assert unknown.validates is None
        answer = await asked.query("example.test", "A")
        assert unknown.having_heard([answer]).validates is True


@pytest.mark.parametrize(
    ("fault", "validates"),
    [
        (DnsFault(), False),
        (DnsFault(Misbehaviour.BOGUS), True),
        (DnsFault(Misbehaviour.SERVFAIL), None),
        (DnsFault(Misbehaviour.SILENCE), None),
        (DnsFault(Misbehaviour.NXDOMAIN), None),
    ],
)
async def test_a_broken_name_says_it_better(fault: DnsFault, validates: bool | None) -> None:  # noqa: FBT001
    async with resolver(faults={("broken.test", "A"): fault}) as (asked, _):
        state = await examine(asked, "broken.test")
    assert state.validates is validates
    assert state.proof


@pytest.mark.parametrize(
    ("misbehaviour", "rewrites"),
    [(Misbehaviour.INVENTED, True), (None, False), (Misbehaviour.REFUSED, None)],
)
async def test_a_name_that_cannot_exist_shows_who_invents_addresses(
    misbehaviour: Misbehaviour | None,
    rewrites: bool | None,  # noqa: FBT001
) -> None:
    async with resolver(faults={("*", "A"): DnsFault(misbehaviour)}) as (asked, _):
        assert (await examine(asked, None)).rewrites_nxdomain is rewrites


async def test_an_answer_is_as_secure_as_the_resolver_that_gave_it() -> None:
    async with resolver() as (asked, _):
        signed = await asked.query("example.test", "A")
        unsigned = await asked.query("broken.test", "A")
        denied = await asked.query("example.test", "TXT")
    assert state_of(signed, VALIDATING) is Dnssec.SECURE
    assert state_of(denied, VALIDATING) is Dnssec.SECURE
    assert state_of(unsigned, VALIDATING) is Dnssec.INSECURE
    for blind in (ResolverState(False, "", None), ResolverState(None, "", None)):
        assert state_of(signed, blind) is Dnssec.UNTESTABLE
        assert state_of(unsigned, blind) is Dnssec.UNTESTABLE


@pytest.mark.parametrize(
    ("misbehaviour", "state"),
    [
        (Misbehaviour.BOGUS, Dnssec.BOGUS),
        (Misbehaviour.BOGUS_UNSAID, Dnssec.BOGUS),
        (Misbehaviour.SERVFAIL, Dnssec.UNTESTABLE),
        (Misbehaviour.SILENCE, Dnssec.UNTESTABLE),
        (Misbehaviour.REFUSED, Dnssec.UNTESTABLE),
    ],
)
async def test_a_failure_is_bogus_only_where_somebody_says_so(
    misbehaviour: Misbehaviour, state: Dnssec
) -> None:
    async with resolver(faults={("example.test", "A"): DnsFault(misbehaviour)}) as (asked, _):
        answer = await settled(asked, await asked.query("example.test", "A"))
    assert state_of(answer, VALIDATING) is state


async def test_a_server_that_failed_for_a_moment_is_not_called_bogus() -> None:
    question = ("example.test", "A")
    async with resolver(faults={question: DnsFault(Misbehaviour.SERVFAIL)}) as (asked, server):
        answer = await asked.query(*question)
        server.faults.clear()
        assert await settled(asked, answer) == answer
    assert answer.status is DnsStatus.SERVFAIL


async def test_one_server_is_asked_once_with_the_flags_that_are_wanted() -> None:
    async with resolver() as (asked, server):
        place = (server.address, server.port)
        over_udp = await asked.ask(place, "example.test", "A", recursive=False)
        over_tcp = await asked.ask(place, "example.test", "A", over_tcp=True)
        assert [query.over_tcp for query in server.queries] == [False, True]
        server.faults[("*", "*")] = DnsFault(Misbehaviour.SILENCE)
        silent = await asked.ask(place, "example.test", "A", check_disabled=True)
        with pytest.raises(RecordError):
            await asked.ask(place, "a..b", "A")
    assert over_udp.authoritative
    assert over_udp.records == over_tcp.records == ("192.0.2.1",)
    assert silent.status is DnsStatus.TIMEOUT
    assert len(server.queries) == 3
