import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo.lookups import Lookups
from exporter.demo.submission import Signer
from exporter.demo.verdicts import Origin, authentication_results, without_forged_results
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer

HOST = "mx.receiver.test"
LETTER = b"From: <a@sender.test>\r\nTo: <b@receiver.test>\r\nSubject: x\r\n\r\nHello.\r\n"
ORIGIN = Origin("127.0.0.1", "mail.sender.test", "a@sender.test")
SIGNER = Signer("sender.test", "demo")
ZONE = f"""\
@ TXT "v=spf1 ip4:127.0.0.1 -all"
{SIGNER.record_name}. TXT "{SIGNER.record[:200]}" "{SIGNER.record[200:]}"
strict TXT "v=spf1 ip4:192.0.2.0/24 -all"
soft TXT "v=spf1 ~all"
open TXT "v=spf1 ip6:2001:db8::/32"
other TXT "something else"
twice TXT "v=spf1 -all"
twice TXT "v=spf1 +all"
broken TXT "v=spf1 ip4:not-an-address -all"
outside TXT "v=spf1 include:else.test -all"
mail TXT "v=spf1 ip4:127.0.0.0/8 -all"
"""


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer({"sender.test": ZONE}) as server:
        yield server


async def verdict(server: DnsServer, content: bytes = LETTER, origin: Origin = ORIGIN) -> list[str]:
    lookups = Lookups(server.address, server.port)
    value = await authentication_results(HOST, content, origin, lookups)
    host, *results = value.split(";\r\n\t")
    assert host == HOST
    return results


@pytest.mark.parametrize(
    ("domain", "result"),
    [
        ("sender.test", "pass"),
        ("strict.sender.test", "fail"),
        ("soft.sender.test", "softfail"),
        ("open.sender.test", "neutral"),
        ("other.sender.test", "none"),
        ("absent.sender.test", "none"),
        ("twice.sender.test", "permerror"),
        ("broken.sender.test", "permerror"),
    ],
)
async def test_spf_is_what_the_record_says(server: DnsServer, domain: str, result: str) -> None:
    results = await verdict(server, origin=Origin("127.0.0.1", "x.test", f"a@{domain}"))
    assert f"spf={result} smtp.mailfrom={domain}" in results


async def test_nothing_is_said_of_a_policy_that_is_not_evaluated(server: DnsServer) -> None:
    origin = Origin("127.0.0.1", "x.test", "a@outside.sender.test")
    assert await verdict(server, origin=origin) == ["dkim=none"]


async def test_the_null_sender_is_judged_by_its_ehlo_name(server: DnsServer) -> None:
    results = await verdict(server, origin=Origin("127.0.0.1", "mail.sender.test", ""))
    assert "spf=pass smtp.helo=mail.sender.test" in results


async def test_a_signature_passes_and_fails_once_the_message_is_changed(server: DnsServer) -> None:
    signed = SIGNER.sign(LETTER)
    assert "dkim=pass header.d=sender.test header.s=demo" in await verdict(server, signed)
    changed = signed.replace(b"Hello.", b"Goodbye.")
    assert "dkim=fail header.d=sender.test header.s=demo" in await verdict(server, changed)


async def test_a_signature_without_a_key_in_the_dns_is_a_permanent_error(server: DnsServer) -> None:
    signed = Signer("sender.test", "nokey").sign(LETTER)
    assert "dkim=permerror header.d=sender.test header.s=nokey" in await verdict(server, signed)


async def test_a_dns_that_fails_is_a_temporary_error(server: DnsServer) -> None:
    server.faults["*", "TXT"] = DnsFault(Misbehaviour.SERVFAIL)
    assert await verdict(server, SIGNER.sign(LETTER)) == [
        "spf=temperror smtp.mailfrom=sender.test",
        "dkim=temperror header.d=sender.test header.s=demo",
    ]


async def test_a_signature_that_cannot_be_read_is_said_to_be_so(server: DnsServer) -> None:
    results = await verdict(server, b"DKIM-Signature: nonsense\r\n" + LETTER)
    assert "dkim=permerror (signature cannot be read)" in results


def test_results_in_our_own_name_are_removed_and_those_of_others_stay() -> None:
    forged = b"Authentication-Results: MX.receiver.test;\r\n\tspf=pass\r\n"
    other = b"Authentication-Results: mx.else.test; spf=fail\r\n"
    assert without_forged_results(forged + other + LETTER, HOST) == other + LETTER


def test_a_body_that_looks_like_a_result_stays() -> None:
    content = LETTER + b"\r\nAuthentication-Results: mx.receiver.test; none\r\n"
    assert without_forged_results(content, HOST) == content


@given(st.binary(max_size=400))
def test_a_message_without_forged_results_stays_what_it_is(content: bytes) -> None:
    if HOST.encode() not in content.lower():
        assert without_forged_results(content, HOST) == content


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_any_message_gets_a_verdict(content: bytes) -> None:
    async def judge() -> None:
        async with DnsServer({"sender.test": ZONE}) as server:
            assert await verdict(server, content)
            assert await verdict(server, b"DKIM-Signature: " + content)

    asyncio.run(judge())
