"""What a diagnosis says is to be done: filled in for the case, and never for another one."""

import asyncio
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

import pytest

from exporter.diagnose.diagnosis import diagnose
from exporter.diagnose.problems import Problem, problems
from exporter.diagnose.request import Typed, read_request
from exporter.reports.advice import DIAGNOSE_OPTIONS, JOB_OPTIONS, PATH_OPTIONS, Vantage
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from exporter.testbed.servers.https import sts_policy
from probes.catalogue import ENTRIES, PLACEHOLDERS, Entry, placeholders
from probes.catalogue.command_lines import FINGER_DANE
from probes.catalogue.failures import FAILURES
from probes.records.subject import Subject, read_subject
from probes.result import Part
from tests.servers.certificates import Authority
from tests.support.advice_rig import World, only, told
from tests.support.policy_world import STS_RECORD, policy_world

OPEN = re.compile(rf"\b({'|'.join(name.upper() for name in PLACEHOLDERS)})\b")
IP = "192.0.2.25"
TWO = "@ MX 10 mx\n@ MX 20 mx2\nmx A 192.0.2.1\nmx A 192.0.2.3\nmx2 A 192.0.2.2\n"
MX, MX2 = "192.0.2.1", "192.0.2.2"


DEAD = {
    (name, kind): DnsFault(Misbehaviour.SERVFAIL)
    for name, kind in (
        ("_mta-sts.example.test", "TXT"),
        ("_smtp._tls.example.test", "TXT"),
        ("_25._tcp.mx.example.test", "TLSA"),
        ("_dmarc.example.test", "TXT"),
        ("example.test", "TXT"),
        ("s1._domainkey.example.test", "TXT"),
        ("mx2.example.test", "AAAA"),
    )
}
REVERSE = {"2.0.192.in-addr.arpa": "25 PTR host-192-0-2-25.dsl.example.test."}
SENDER = {"sending_ip": (IP,), "helo": "mail.example.test"}
WORLDS = {
    "nothing is published": World(
        TWO + "@ MX 30 ghost\n@ MX 40 192.0.2.9.\n",
        frozenset(
            {
                *("mx.host_unresolved", "mx.host_is_address", "mx.address_unusable"),
                *("smtp.starttls.not_offered", "dane.absent", "sts.absent", "tlsrpt.absent"),
                *("spf.record_missing", "dmarc.record_missing", "dkim.key_missing"),
                *("rdns.missing", "ehlo.unresolvable"),
            }
        ),
        {**SENDER, "selector": ("s1",)},
        servers={MX: "clear"},
    ),
    "certificates": World(
        f"{TWO}{STS_RECORD}mta-sts A 192.0.2.8\n_25._tcp.mx TLSA 3 1 1 {'ab' * 32}\n"
        f"_25._tcp.mx2 TLSA 0 1 1 {'ab' * 32}\n",
        frozenset(
            {
                *("smtp.starttls.certificate_expired", "dane.mismatch", "dane.unusable"),
                *("smtp.starttls.certificate_host_mismatch", "tls.certificate_expires"),
                *("mx.certificates_differ", "sts.host_not_covered", "sts.host_untrusted"),
                "sts.pattern_unused",
            }
        ),
        servers={MX: "expired", "192.0.2.3": "good", MX2: "other name"},
        page=sts_policy(mx=("mx.example.test", "old.example.test")),
    ),
    "refusals": World(
        TWO,
        frozenset({"smtp.greeting.rejected", "smtp.greeting.no_mail", "smtp.rate_limited"}),
        servers={MX: "refuses", "192.0.2.3": "no mail", MX2: "busy"},
    ),
    "recipients": World(
        TWO,
        frozenset({"rcpt.refused", "rcpt.postmaster_refused"}),
        {"target": "joe@example.test", "rcpt": True, "catch_all": True, "open_relay": True},
        servers={MX: "no rcpt", "192.0.2.3": "good", MX2: "good"},
    ),
    "a sender in disorder": World(
        TWO + '@ TXT "v=spf1 ip4:10.0.0.0/4 a ptr:other.test ?all"\n'
        '_dmarc TXT "v=DMARC1; p=none; rua=mailto:d@other.test; pct=50"\n'
        'mail A 192.0.2.77\ns1._domainkey TXT "v=DKIM1; p="\nhost-192-0-2-25.dsl A 192.0.2.25\n',
        frozenset(
            {
                *("spf.not_authorised", "spf.ptr_used", "spf.network_wide", "rdns.generic"),
                *("dmarc.reports_unauthorised", "dmarc.policy_none", "dmarc.tag_retired"),
                *("dkim.key_revoked", "ehlo.elsewhere", "dnsbl.listed", "rhsbl.listed"),
            }
        ),
        {
            **SENDER,
            "selector": ("s1",),
            "block_lists": ("list.test",),
            "domain_block_lists": ("dbl.test",),
        },
        {
            **REVERSE,
            "list.test": "2.0.0.127 A 127.0.0.2\n25.2.0.192 A 127.0.0.2\n",
            "dbl.test": "test A 127.0.1.2\nexample.test A 127.0.1.2\n",
        },
        servers={MX: "good", "192.0.2.3": "good", MX2: "good"},
    ),
    "look-ups that fail": World(
        TWO,
        frozenset(
            {
                *("sts.lookup_failed", "tlsrpt.lookup_failed", "dane.lookup_failed"),
                *("spf.lookup_failed", "dmarc.lookup_failed", "dkim.lookup_failed"),
                "mx.address_lookup_failed",
            }
        ),
        {"selector": ("s1",)},
        faults=DEAD,
        servers={MX: "good", "192.0.2.3": "good", MX2: "good"},
    ),
    "nobody there": World(
        "@ MX 10 mx\nmx A 192.0.2.1\n", frozenset({"connect.connection_refused"})
    ),
}


@pytest.mark.parametrize("name", WORLDS)
async def test_every_advice_is_filled_in_for_its_own_subject(
    name: str, authority: Authority
) -> None:
    world = WORLDS[name]
    _, _, found = await told(world, authority)
    codes = {problem.code for problem in found}
    assert world.codes <= codes, sorted(codes)
    for problem in found:
        assert not OPEN.findall(problem.remedy), problem
        assert not OPEN.findall(" ".join(problem.reproduce)), problem
        _is_about_its_subject(problem)


def _is_about_its_subject(problem: Problem) -> None:
    """Of `host [address]` commands name both; of a name, an address or a list entry, that."""
    subject = problem.cases[0].subject
    lines = [shlex.split(line) for line in problem.reproduce]
    host, _, address = subject.rstrip("]").partition(" [")
    for words in lines:
        line = " ".join(words)
        if words[0] in ("swaks", "openssl") and address:
            assert address in line, problem
        if "-servername" in words:
            assert words[words.index("-servername") + 1] == host, problem
        if words[0] == "posttls-finger":
            assert f"[{host}]:25" in words, problem
        if words[0] == "openssl":
            assert words[words.index("-bind") + 1] == "127.0.0.1", problem
            assert words[words.index("-name") + 1], problem
        if words[0] == "dig" and subject.startswith("_"):
            assert subject in words, problem


async def test_records_are_told_at_the_name_where_they_have_to_stand(authority: Authority) -> None:
    *_, found = await told(WORLDS["a sender in disorder"], authority, "sender")
    reports = only(found, "dmarc.reports_unauthorised")
    name = "example.test._report._dmarc.other.test"
    assert reports.remedy == f'Have other.test publish a TXT record at {name}: "v=DMARC1;".'
    assert reports.reproduce == (f"dig @127.0.0.1 -p {_port(reports)} TXT {name}",)
    listed = only(found, "dnsbl.listed")
    assert listed.remedy.endswith(f"ask the list to remove {IP}.")
    assert listed.reproduce[0].endswith(" A 25.2.0.192.list.test")
    assert only(found, "rhsbl.listed").reproduce[0].endswith(" A example.test.dbl.test")
    assert only(found, "spf.not_authorised").remedy.startswith(f"Add ip4:{IP} to the record of ex")
    assert only(found, "ehlo.elsewhere").remedy == f"Publish {IP} at mail.example.test as well."
    *_, found = await told(
        World(TWO, frozenset(), {"mail_from": "b@bounces.test"}), authority, "sender"
    )
    spf = only(found, "spf.record_missing")
    assert 'at bounces.test: "v=spf1 mx -all"' in spf.remedy
    assert spf.reproduce[0].endswith("TXT bounces.test")


def _port(problem: Problem) -> str:
    words = problem.reproduce[0].split()
    return words[words.index("-p") + 1]


async def test_the_record_of_dane_has_the_digest_that_is_served_and_the_port_that_was_asked(
    authority: Authority,
) -> None:
    zone = f"@ MX 10 mx\nmx A {MX}\n_2525._tcp.mx TLSA 3 1 1 {'ab' * 32}\n"
    world = World(zone, frozenset(), {"smtp_port": 2525}, servers={MX: "good"})
    diagnosis, _, found = await told(world, authority, "policy")
    (part,) = (part for part in diagnosis.areas[0].result.parts if part.address == MX)
    problem = only(found, "dane.mismatch")
    record = f"_2525._tcp.mx.example.test. IN TLSA 3 1 1 {part.facts['tls.key_sha256'][0]}"
    assert f"Publish `{record}`" in problem.remedy
    dig, finger, client = problem.reproduce
    assert dig.endswith("TLSA _2525._tcp.mx.example.test")
    assert "'[mx.example.test]:2525'" in finger
    assert f"-connect {MX}:2525 " in client


async def test_what_is_about_a_host_is_shown_at_each_of_its_addresses(
    authority: Authority,
) -> None:
    *_, found = await told(WORLDS["certificates"], authority, "mx")
    told_at = [line.split()[5] for line in only(found, "mx.certificates_differ").reproduce]
    assert told_at == [f"{MX}:25", "192.0.2.3:25"]


async def test_a_certificate_is_shown_at_the_address_that_serves_it(authority: Authority) -> None:
    *_, found = await told(WORLDS["certificates"], authority, "mx")
    expired = only(found, "smtp.starttls.certificate_expired")
    assert [case.subject for case in expired.cases] == [f"mx.example.test [{MX}]"]
    assert [line.split()[5] for line in expired.reproduce] == [f"{MX}:25"]


async def test_several_cases_have_a_remedy_each(authority: Authority) -> None:
    *_, found = await told(WORLDS["recipients"], authority, "mx")
    assert len(only(found, "rcpt.postmaster_refused").remedy.splitlines()) == 1
    world = World("", frozenset(), {"selector": ("s1", "s2")})
    *_, found = await told(world, authority, "sender")
    remedy = only(found, "dkim.key_missing").remedy
    assert [line.split()[5] for line in remedy.splitlines()] == [
        f"{selector}._domainkey.example.test:" for selector in ("s1", "s2")
    ]


async def test_name_servers_are_each_asked_for_what_they_differ_in(authority: Authority) -> None:
    zone = "@ NS second\nsecond A 127.0.0.2\n@ TXT v=spf1\n"
    async with policy_world(zone, trust=authority.trust) as net:
        address, port = net.resolver.servers[0]
        other = DnsServer({"example.test": f"{zone}@ TXT more\n"}, address="127.0.0.2", port=port)
        asked = read_request(Typed("example.test", only="nameservers", resolver=(address,)))
        asked = replace(asked, options={**asked.options, "dns_port": port})
        async with other:
            diagnosis = await diagnose(net, asked, lambda _area, _step: None, asyncio.Event())
        found = problems(diagnosis, net)
    assert only(found, "nameservers.answers_differ").reproduce == tuple(
        f"dig @{server} +norecurse TXT example.test" for server in ("127.0.0.1", "127.0.0.2")
    )


SUBJECTS = (
    "mx.example.test [192.0.2.1]",
    "example.test",
    IP,
    f"{IP} at list.test",
    "TXT of a.test",
)


@pytest.mark.parametrize(
    "entry", [*ENTRIES.values(), *FAILURES.values()], ids=lambda entry: entry.code
)
def test_no_text_of_the_catalogue_has_a_word_that_nobody_fills(entry: Entry) -> None:
    bare = Vantage("example.test", {}, "me.test", ("192.0.2.53", 53), job="mine")
    assert placeholders(entry.remedy + entry.verify) <= PLACEHOLDERS
    for subject in SUBJECTS:
        about = read_subject(subject)
        texts = (bare.remedy(entry.remedy, about), *bare.commands(entry.verify, about))
        assert not OPEN.findall("\n".join(texts)), texts


def test_every_word_of_a_command_is_quoted_for_the_shell() -> None:
    part = Part("x;reboot", "2001:db8::1", (), None, (), {})
    bare = Vantage("example.test", {"source_address": "2001:db8::9"}, "me.test", parts=(part,))
    (line,) = bare.commands(
        "posttls-finger -o smtp_bind_address={source_address} [{host}]:{port}",
        Subject.of("x;reboot"),
    )
    assert shlex.split(line)[-1] == "[x;reboot]:25"
    assert line.endswith("'[x;reboot]:25'")
    assert "smtp_bind_address6=2001:db8::9" in line
    (line,) = bare.commands(ENTRIES["dane.mismatch"].verify.splitlines()[2], Subject.of("x;reboot"))
    assert shlex.split(line)[5:9] == ["[2001:db8::1]:25", "-bind", "[2001:db8::9]", "-name"]
    assert bare.commands("dig @{resolver} MX {domain}", Subject.of("x")) == ("dig MX example.test",)


def test_an_address_literal_is_no_name_that_postfix_can_have() -> None:
    for name, is_told in (("me.test", True), ("[192.0.2.9]", False)):
        bare = Vantage("example.test", {}, name, parts=(Part(MX, MX, (), None, (), {}),))
        (line,) = bare.commands(FINGER_DANE, Subject.of(MX))
        assert (f"myhostname={name}" in line) is is_told
        assert ("myhostname" in line) is is_told


@pytest.mark.parametrize("names", [JOB_OPTIONS, PATH_OPTIONS], ids=["job", "path"])
def test_advice_about_a_path_or_a_job_names_none_of_the_options_of_diagnose(
    names: Mapping[str, str],
) -> None:
    vantage = Vantage("example.test", names=names)
    subject = Subject.of("example.test")
    for entry in (*ENTRIES.values(), *FAILURES.values()):
        told = vantage.remedy(entry.remedy, subject)
        assert not [option for option in DIAGNOSE_OPTIONS.values() if option in told], entry.code


def test_a_wait_of_a_path_is_lengthened_by_its_deadline() -> None:
    remedy = Vantage().remedy(FAILURES["greeting.timeout"].remedy, Subject.of("mx.example.test"))
    assert "`deadline` of the path" in remedy
