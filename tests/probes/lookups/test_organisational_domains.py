"""The organisations behind the names in a message, from a scripted DNS."""

import time

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from probes.lookups.organisational_domains import MAX_DOMAINS, named_domains, organisations_for
from probes.net.resolver import Resolver
from tests.exporter.commands.test_explain import SIGNED

MESSAGE = b"""\
Authentication-Results: mx.receiver.test; spf=pass smtp.mailfrom=b@bounce.mail.co.test
Received: from out.mail.co.test by mx.receiver.test with ESMTP; Mon, 1 Jun 2026 10:00:00 +0000
Received: from a by b; Mon, 1 Jun 2026 10:00:00 +0000
Received: from a by 192.0.2.1; Mon, 1 Jun 2026 10:00:00 +0000
From: Somebody <somebody@news.mail.co.test>
Subject: x

x
"""
ZONES = {
    "co.test": '_dmarc TXT "v=DMARC1; p=none; psd=y"',
    "receiver.test": "@ A 192.0.2.1",
    "test": "",
}


def resolver(dns: DnsServer) -> Resolver:
    return Resolver(((dns.address, dns.port),), timeout=0.3, lifetime=0.5)


def test_every_name_that_is_compared_is_found_the_authors_first() -> None:
    assert named_domains(MESSAGE) == (
        "news.mail.co.test",
        "bounce.mail.co.test",
        "mx.receiver.test",
    )
    assert len(named_domains(SIGNED)) >= 1


def test_the_names_of_a_message_are_bounded_and_any_bytes_have_some() -> None:
    field = b"Received: by mx%d.example%d.test; Mon, 1 Jun 2026 10:00:00 +0000\r\n"
    many = b"".join(field % (number, number) for number in range(500))
    assert len(named_domains(many)) == MAX_DOMAINS
    assert named_domains(b"\xff\x00\r\nFrom: \xff@\xff") == ()


async def test_the_tree_walk_decides_and_two_labels_stand_in_for_it() -> None:
    async with DnsServer(ZONES) as dns:
        organisation = await organisations_for(MESSAGE, resolver(dns))
    assert organisation("news.mail.co.test") == "mail.co.test"
    assert organisation("Bounce.Mail.CO.test.") == "mail.co.test"
    assert organisation("mx.receiver.test") == "receiver.test"
    assert organisation("never.asked.example") == "asked.example"


@pytest.mark.slow("waits for what never comes")
async def test_a_silent_resolver_costs_a_bounded_time_and_no_answer() -> None:
    faults = {("*", "*"): DnsFault(Misbehaviour.SILENCE)}
    began = time.monotonic()
    async with DnsServer(ZONES, faults) as dns:
        organisation = await organisations_for(MESSAGE, resolver(dns))
    assert time.monotonic() - began < 8
    assert organisation("news.mail.co.test") == "co.test"
