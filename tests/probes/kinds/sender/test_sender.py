"""Kind `sender` against a scripted DNS: every finding, whose fault, and what is never shown."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import pytest

from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.keys import ed25519_public, key_record, rsa_key, tiny_public
from exporter.testbed.servers.world import WorldSpec, running
from probes.catalogue import ENTRIES
from probes.clock import SYSTEM_CLOCK
from probes.documents import to_json
from probes.kinds.sender.probe import SenderTarget, probe
from probes.kinds.sender.reverse_dns import is_generic
from probes.net.tls import TrustStore
from probes.options import Domain, EmailAddress, Host, IpAddress, Secret
from probes.result import Finding, Owner, ProbeResult, Reason, Status
from probes.run import run_once

IP = "192.0.2.25"
IP6 = "2001:db8::25"
KEY = "sEcReTkEy"

SPF = '@ TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'
DMARC = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@example.test"'
NAMES = f"@ MX 10 mail\nmail A {IP}\nmail AAAA {IP6}"
GOOD = f"{SPF}\n{DMARC}\n{NAMES}"
LIST = "2.0.0.127 A 127.0.0.2"
REVERSE = {
    "2.0.192.in-addr.arpa": "25 PTR mail.example.test.",
    "8.b.d.0.1.0.0.2.ip6.arpa": (
        "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR mail.example.test."
    ),
}
TARGET = SenderTarget(
    Domain("example.test"),
    sending_ips=(IpAddress(IP),),
    ehlo_name=Host("mail.example.test"),
    block_lists=(Domain("list.test"),),
)


@cache
def rsa_public(bits: int) -> str:
    return rsa_key(bits).public


@dataclass(frozen=True)
class World:
    """The zones a run sees."""

    zone: str = GOOD
    lists: Mapping[str, str] = field(default_factory=lambda: {"list.test": LIST})
    reverse: Mapping[str, str] = field(default_factory=lambda: REVERSE)
    others: Mapping[str, str] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)

    async def run(self, target: SenderTarget = TARGET) -> ProbeResult:
        zones = {"example.test": self.zone, **self.lists, **self.reverse, **self.others}
        # What is not there does not exist; a resolver would not refuse.
        for origin in ("test", "arpa"):
            zones.setdefault(origin, "")
        spec = WorldSpec(trust=TrustStore(), zones=zones, faults=self.faults, patience=0.5)
        async with running(spec) as world:
            return await run_once(
                "sender",
                lambda trace: probe(world.net, target, trace),
                clock=SYSTEM_CLOCK,
                deadline=20,
            )


def all_findings(result: ProbeResult) -> list[Finding]:
    return [*result.findings, *(one for part in result.parts for one in part.findings)]


def told(result: ProbeResult) -> dict[str, Status]:
    """Code to status; every code has to be in the catalogue with that status.

    What was not examined is left out: `test_sender_unexamined` is about that.
    """
    findings = all_findings(result)
    for one in findings:
        assert one.status in ENTRIES[one.code].severity, one
        assert one.evidence
    return {one.code: one.status for one in findings if one.code != "sender.not_examined"}


async def test_a_domain_in_order_has_nothing_to_be_told() -> None:
    zone = f"{GOOD}\n{key_record('s1', f'v=DKIM1; k=rsa; p={rsa_public(2048)}')}"
    zone += f"\n{key_record('s2', f'v=DKIM1; k=ed25519; p={ed25519_public()}')}"
    result = await World(zone).run(
        replace(TARGET, selectors=("s1", "s2"), sending_ips=(IpAddress(IP), IpAddress(IP6)))
    )
    assert result.ok, result
    assert told(result) == {"dnsbl.family_unsupported": Status.INFO}
    by_name = {(part.host, part.address): part.facts for part in result.parts}
    assert by_name["example.test", None]["spf.worst_case_lookups"] == 0
    spf = by_name["example.test", IP6]
    assert (spf["spf.result"], spf["spf.matched"]) == ("pass", "ip6:2001:db8::25")
    assert by_name["s1._domainkey.example.test", None]["dkim.key_bits"] == 2048
    assert by_name["_dmarc.example.test", None]["dmarc.policy"] == "reject"
    assert by_name["25.2.0.192.in-addr.arpa", IP]["rdns.confirmed"] == ("mail.example.test",)
    assert by_name["list.test", None]["dnsbl.listed"] == ()
    assert json.dumps(to_json(result))


SPF_CASES: list[tuple[str, dict[str, Status], Reason | None]] = [
    ("", {"spf.record_missing": Status.FAILURE}, Reason.RECORD_MISSING),
    (
        '@ TXT "v=spf1 -all"\n@ TXT "v=spf1 +all"',
        {"spf.record_multiple": Status.FAILURE, "spf.permerror": Status.FAILURE},
        Reason.RECORD_MULTIPLE,
    ),
    (
        '@ TXT "v=spf1 ip4:nonsense -all"',
        {"spf.record_syntax": Status.FAILURE, "spf.permerror": Status.FAILURE},
        Reason.RECORD_SYNTAX,
    ),
    (
        '@ TXT "v=spf1 ip4:198.51.100.1 -all"',
        {"spf.not_authorised": Status.FAILURE},
        Reason.AUTHENTICATION_FAILED,
    ),
    (
        '@ TXT "v=spf1 ip4:198.51.100.1 ~all"',
        {"spf.not_authorised": Status.FAILURE},
        Reason.AUTHENTICATION_FAILED,
    ),
    (
        '@ TXT "v=spf1 ip4:198.51.100.1 ?all"',
        {"spf.not_authorised": Status.WARNING, "spf.all_neutral": Status.NOTICE},
        None,
    ),
    ('@ TXT "v=spf1 +all"', {"spf.all_permissive": Status.FAILURE}, None),
    ('@ TXT "v=spf1 ip4:192.0.2.25"', {"spf.all_missing": Status.NOTICE}, None),
    ('@ TXT "v=spf1 ptr:example.test -all"', {"spf.ptr_used": Status.NOTICE}, None),
    ('@ TXT "v=spf1 ip4:192.0.0.0/7 -all"', {"spf.network_wide": Status.WARNING}, None),
    (
        '@ TXT "v=spf1 ip4:192.0.2.25 -all redirect=b.test mx"',
        {"spf.redirect_ignored": Status.WARNING, "spf.terms_after_all": Status.NOTICE},
        None,
    ),
    (
        '@ TXT "v=spf1 ip4:192.0.2.25 ip4:192.0.2.25 x=y -all"',
        {"spf.term_repeated": Status.NOTICE, "spf.modifier_unknown": Status.INFO},
        None,
    ),
    (
        f'@ TXT "v=spf1 ip4:192.0.2.25" " {"a:mail.example.test " * 11}" " -all"',
        {"spf.cost_too_high": Status.WARNING, "spf.term_repeated": Status.NOTICE},
        None,
    ),
    (
        f'@ TXT "v=spf1 ip4:192.0.2.25" " {"a:mail.example.test " * 9}" " -all"',
        {"spf.cost_high": Status.NOTICE, "spf.term_repeated": Status.NOTICE},
        None,
    ),
    (
        '@ TXT "v=spf1 include:loop.example.test -all"\n'
        'loop TXT "v=spf1 include:loop.example.test -all"',
        {"spf.loop": Status.FAILURE, "spf.permerror": Status.FAILURE},
        Reason.TOO_MANY_LOOKUPS,
    ),
    (
        '@ TXT "v=spf1 ip4:192.0.2.25 -all"\nmail TXT "v=spf1 -all"',
        {"spf.helo_fails": Status.WARNING},
        None,
    ),
    (
        f'@ TXT "v=spf1 ip4:192.0.2.25 " "{"ip4:198.51.100.1/32 " * 10}" '
        f'"{"ip6:2001:db8::/64 " * 13}" "-all"',
        {"spf.record_long": Status.INFO, "spf.term_repeated": Status.NOTICE},
        None,
    ),
]


@pytest.mark.parametrize(("records", "codes", "reason"), SPF_CASES)
async def test_what_is_wrong_with_the_policy_is_told(
    records: str, codes: dict[str, Status], reason: Reason | None
) -> None:
    result = await World(f"{records}\n{DMARC}\n{NAMES}").run()
    assert told(result) == codes
    assert (result.failure and result.failure.reason) is reason
    if result.failure is not None:
        assert result.failure.owner is Owner.SENDER
        assert not result.failure.is_untestable


KEYS: list[tuple[str, dict[str, Status], bool]] = [
    ("", {"dkim.key_missing": Status.FAILURE}, False),
    ("v=DKIM1; p=", {"dkim.key_revoked": Status.FAILURE}, False),
    ("v=DKIM1; k=rsa", {"dkim.key_malformed": Status.FAILURE}, False),
    ("v=DKIM1; p=AAAA", {"dkim.key_malformed": Status.FAILURE}, False),
    (f"v=DKIM1; p={rsa_public(1024)}", {"dkim.key_short": Status.NOTICE}, True),
    (f"v=DKIM1; t=y; p={rsa_public(2048)}", {"dkim.key_testing": Status.NOTICE}, True),
    (f"v=DKIM1; h=sha1; p={rsa_public(2048)}", {"dkim.key_unsuitable": Status.FAILURE}, True),
    (f"v=DKIM1; s=tlsrpt; p={rsa_public(2048)}", {"dkim.key_unsuitable": Status.FAILURE}, True),
]


@pytest.mark.parametrize(("record", "codes", "ok"), KEYS)
async def test_what_is_wrong_with_a_key_is_told(
    record: str,
    codes: dict[str, Status],
    ok: bool,  # noqa: FBT001
) -> None:
    zone = f"{GOOD}\n{key_record('s1', record)}" if record else GOOD
    result = await World(zone).run(replace(TARGET, selectors=("s1",)))
    assert told(result) == codes
    assert result.ok is ok


async def test_two_keys_at_one_selector_are_a_warning() -> None:
    good = f"v=DKIM1; p={rsa_public(2048)}"
    zone = f"{GOOD}\n{key_record('s1', good)}\n{key_record('s1', 'v=DKIM1; p=')}"
    result = await World(zone).run(replace(TARGET, selectors=("s1",)))
    assert told(result)["dkim.key_multiple"] is Status.WARNING


async def test_a_key_too_small_to_be_accepted_fails() -> None:
    zone = f"{GOOD}\n{key_record('s1', f'v=DKIM1; p={tiny_public()}')}"
    result = await World(zone).run(replace(TARGET, selectors=("s1",)))
    assert told(result) == {"dkim.key_weak": Status.FAILURE}
    assert not result.ok


DMARC_CASES: list[tuple[str, dict[str, Status], Reason | None]] = [
    ("", {"dmarc.record_missing": Status.FAILURE}, Reason.RECORD_MISSING),
    (
        '_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"',
        {"dmarc.record_multiple": Status.FAILURE},
        Reason.RECORD_MULTIPLE,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=none"',
        {"dmarc.policy_none": Status.NOTICE, "dmarc.reports_missing": Status.NOTICE},
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=reject; sp=none; foo=bar; pct=10; rua=mailto:a@example.test!5m"',
        {
            "dmarc.subdomains_weaker": Status.NOTICE,
            "dmarc.tag_unknown": Status.INFO,
            "dmarc.tag_retired": Status.INFO,
            "dmarc.older_readers_differ": Status.INFO,
            "dmarc.report_size_retired": Status.INFO,
        },
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=rejct"',
        {
            "dmarc.not_applied": Status.FAILURE,
            "dmarc.tag_invalid": Status.WARNING,
            "dmarc.reports_missing": Status.NOTICE,
        },
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=reject; t=y; rua=mailto:a@example.test"',
        {"dmarc.testing": Status.NOTICE, "dmarc.older_readers_differ": Status.INFO},
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@other.test"',
        {
            "dmarc.reports_unauthorised": Status.WARNING,
            "dmarc.reports_undeliverable": Status.WARNING,
        },
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@null.example.test"\nnull MX 0 .',
        {"dmarc.reports_undeliverable": Status.WARNING},
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@mail.example.test"',
        {},
        None,
    ),
    (
        '_dmarc TXT "v=DMARC1; sp=reject; p=reject; rua=mailto:a@example.test"',
        {"dmarc.older_readers_differ": Status.INFO},
        None,
    ),
]


@pytest.mark.parametrize(("records", "codes", "reason"), DMARC_CASES)
async def test_what_is_wrong_with_dmarc_is_told(
    records: str, codes: dict[str, Status], reason: Reason | None
) -> None:
    records = records.replace("\\;", ";")
    result = await World(f"{SPF}\n{NAMES}\n{records}").run()
    assert told(result) == codes
    assert (result.failure and result.failure.reason) is reason


async def test_reports_to_a_domain_that_agrees_are_in_order() -> None:
    record = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@other.test"'
    others = {"other.test": '@ A 192.0.2.7\nexample.test._report._dmarc TXT "v=DMARC1"'}
    result = await World(f"{SPF}\n{NAMES}\n{record}", others=others).run()
    assert told(result) == {}


async def test_a_mail_from_of_another_organisation_is_not_aligned() -> None:
    others = {"bounces.test": SPF}
    target = replace(TARGET, mail_from=EmailAddress("b@bounces.test"))
    result = await World(others=others).run(target)
    assert told(result) == {"dmarc.unaligned": Status.WARNING}
    # Of the same organisation it is, unless the policy is strict.
    sub = replace(TARGET, mail_from=EmailAddress("b@sub.example.test"))
    zone = f'{GOOD}\nsub TXT "v=spf1 ip4:{IP} -all"'
    assert told(await World(zone).run(sub)) == {}
    strict = zone.replace("p=reject", "p=reject; aspf=s")
    assert told(await World(strict).run(sub)) == {"dmarc.unaligned": Status.WARNING}


async def test_an_organisation_that_cannot_be_looked_up_is_not_called_unaligned() -> None:
    zone = f'{GOOD}\nsub TXT "v=spf1 ip4:{IP} -all"'
    target = replace(TARGET, mail_from=EmailAddress("b@sub.example.test"))
    faults = {("_dmarc.sub.example.test", "TXT"): DnsFault(Misbehaviour.SERVFAIL)}
    assert told(await World(zone, faults=faults).run(target)) == {
        "dmarc.lookup_failed": Status.WARNING
    }


async def test_an_ipv6_address_is_found_on_a_list_that_has_some() -> None:
    test_entry = f"2.0.0.0.0.0.f.7.f.f.f.f.{'0.' * 19}0 A 127.0.0.2"
    nibbles = f"5.2.0.0.{'0.' * 20}8.b.d.0.1.0.0.2 A 127.0.0.3"
    target = replace(TARGET, sending_ips=(IpAddress(IP6),))
    result = await World(lists={"list.test": f"{test_entry}\n{nibbles}"}).run(target)
    assert told(result) == {"dnsbl.listed": Status.FAILURE}


NAME_CASES: list[tuple[Mapping[str, str], str, dict[str, Status], bool]] = [
    ({}, "mail.example.test", {"rdns.missing": Status.FAILURE}, False),
    (
        {"2.0.192.in-addr.arpa": "25 PTR other.example.test."},
        "mail.example.test",
        {"rdns.unconfirmed": Status.FAILURE},
        False,
    ),
    (
        {"2.0.192.in-addr.arpa": "25 PTR host-192-0-2-25.example.test."},
        "mail.example.test",
        {"rdns.generic": Status.NOTICE},
        True,
    ),
    (REVERSE, "absent.example.test", {"ehlo.unresolvable": Status.WARNING}, True),
    (REVERSE, "elsewhere.example.test", {"ehlo.elsewhere": Status.NOTICE}, True),
    (REVERSE, "[192.0.2.25]", {"ehlo.literal": Status.NOTICE}, True),
]


@pytest.mark.parametrize(("reverse", "ehlo_name", "codes", "ok"), NAME_CASES)
async def test_what_is_wrong_with_the_names_is_told(
    reverse: Mapping[str, str],
    ehlo_name: str,
    codes: dict[str, Status],
    ok: bool,  # noqa: FBT001
) -> None:
    zone = f"{GOOD}\nelsewhere A 203.0.113.9\nhost-192-0-2-25 A {IP}"
    target = replace(TARGET, ehlo_name=Host(ehlo_name))
    result = await World(zone, reverse=reverse).run(target)
    assert told(result) == codes
    assert result.ok is ok


LISTED = f'{LIST}\n25.2.0.192 A 127.0.0.4\n25.2.0.192 TXT "see https://list.test/{IP}"'
LIST_CASES = [
    (LISTED, {"dnsbl.listed": Status.FAILURE}, Reason.LISTED),
    ("", {"dnsbl.list_unhealthy": Status.UNTESTABLE}, None),
    ("* A 127.0.0.2", {"dnsbl.list_unhealthy": Status.UNTESTABLE}, None),
    ("2.0.0.127 A 127.255.255.254", {"dnsbl.list_unhealthy": Status.UNTESTABLE}, None),
    (
        f"{LIST}\n25.2.0.192 A 127.255.255.255",
        {"dnsbl.list_unhealthy": Status.UNTESTABLE},
        None,
    ),
    (f"{LIST}\n25.2.0.192 A 203.0.113.1", {"dnsbl.list_unhealthy": Status.UNTESTABLE}, None),
]


@pytest.mark.parametrize(("zone", "codes", "reason"), LIST_CASES)
async def test_a_listing_counts_only_on_a_list_in_order(
    zone: str, codes: dict[str, Status], reason: Reason | None
) -> None:
    if zone.startswith("*"):  # the scripted server knows no wildcards
        zone = "2.0.0.127 A 127.0.0.2\n1.0.0.127 A 127.0.0.2\n25.2.0.192 A 127.0.0.2"
    result = await World(lists={"list.test": zone}).run()
    assert told(result) == codes
    assert (result.failure and result.failure.reason) is reason


async def test_one_list_out_of_order_hides_no_listing_on_another() -> None:
    lists = {"broken.test": "", "list.test": LISTED}
    both = replace(TARGET, block_lists=(Domain("broken.test"), Domain("list.test")))
    result = await World(lists=lists).run(both)
    assert set(told(result)) == {"dnsbl.list_unhealthy", "dnsbl.listed"}
    assert result.failure is not None
    assert result.failure.reason is Reason.LISTED
    assert "list.test" in result.failure.detail


@pytest.mark.parametrize(
    "misbehaviour", [None, Misbehaviour.SERVFAIL, Misbehaviour.SILENCE, Misbehaviour.NXDOMAIN]
)
async def test_the_key_of_a_list_is_never_told(misbehaviour: Misbehaviour | None) -> None:
    zone = f'{LIST}\n25.2.0.192 A 127.0.0.4\n25.2.0.192 TXT "{KEY}: listed by {KEY.upper()}"'
    name = f"25.2.0.192.{KEY.lower()}.dq.test"
    faults = {} if misbehaviour is None else {(name, "*"): DnsFault(misbehaviour)}
    target = replace(TARGET, block_lists=(), keyed_block_lists=(Secret(f"{KEY}.dq.test."),))
    result = await World(lists={f"{KEY}.dq.test": zone}, faults=faults).run(target)
    shown = json.dumps(to_json(result)) + repr(result) + repr(target)
    assert KEY.lower() not in shown.lower()
    assert "***.dq.test" in shown
    assert ("dnsbl.listed" in told(result)) is (misbehaviour is None)


SILENT: list[tuple[str, str]] = [
    ("example.test", "spf.lookup_failed"),
    ("_dmarc.example.test", "dmarc.lookup_failed"),
    ("s1._domainkey.example.test", "dkim.lookup_failed"),
    ("25.2.0.192.in-addr.arpa", "rdns.lookup_failed"),
    ("other.example.test", "ehlo.lookup_failed"),
]


@pytest.mark.parametrize(("name", "code"), SILENT)
@pytest.mark.parametrize("misbehaviour", [Misbehaviour.SERVFAIL, Misbehaviour.REFUSED])
async def test_a_look_up_that_fails_is_never_a_missing_record(
    name: str, code: str, misbehaviour: Misbehaviour
) -> None:
    zone = f"{GOOD}\n{key_record('s1', f'v=DKIM1; p={rsa_public(2048)}')}\nother A {IP}"
    target = replace(TARGET, selectors=("s1",), ehlo_name=Host("other.example.test"))
    result = await World(zone, faults={(name, "*"): DnsFault(misbehaviour)}).run(target)
    is_ours = misbehaviour is Misbehaviour.REFUSED
    statuses = {one.status for one in all_findings(result) if one.code == code}
    theirs = Status.WARNING if code == "ehlo.lookup_failed" else Status.FAILURE
    assert statuses == {Status.UNTESTABLE if is_ours else theirs}
    assert not any("missing" in one.code for one in all_findings(result))
    told(result)
    if result.failure is not None:
        assert result.failure.is_untestable is is_ours
        assert result.failure.reason is (Reason.REFUSED if is_ours else Reason.SERVFAIL)


async def test_a_report_destination_that_cannot_be_asked_is_no_refusal() -> None:
    record = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@other.test"'
    name = "example.test._report._dmarc.other.test"
    faults = {(name, "TXT"): DnsFault(Misbehaviour.SERVFAIL)}
    others = {"other.test": "@ A 192.0.2.7"}
    result = await World(f"{SPF}\n{NAMES}\n{record}", faults=faults, others=others).run()
    assert told(result) == {"dmarc.reports_unauthorised": Status.NOTICE}


async def test_more_than_a_run_takes_is_left_out_and_said() -> None:
    ips = tuple(IpAddress(f"192.0.2.{number}") for number in range(1, 40))
    lists = tuple(Domain(f"l{number}.test") for number in range(30))
    target = replace(TARGET, sending_ips=ips, block_lists=lists, selectors=("s",) * 40)
    result = await World().run(target)
    assert len(result.parts) <= 64
    assert told(result)["sender.left_out"] is Status.INFO


@pytest.mark.parametrize(
    ("name", "ip", "is_one"),
    [
        ("mail.example.test", "192.0.2.25", False),
        ("mx25.example.test", "192.0.2.25", False),
        ("192-0-2-25.isp.test", "192.0.2.25", True),
        ("25.2.0.192.isp.test", "192.0.2.25", True),
        ("dsl-pool-7.isp.test", "192.0.2.25", True),
        ("dynamo.example.test", "192.0.2.25", False),
        ("mail.example.test", "2001:db8::25", False),
        ("2001-db8-0-0-a1b2-c3d4-e5f6-25.isp.test", "2001:db8::a1b2:c3d4:e5f6:25", False),
        ("a1b2c3d4e5f60025.isp.test", "2001:db8::a1b2:c3d4:e5f6:25", True),
    ],
)
def test_names_of_access_lines_are_told_from_those_of_mail_servers(
    name: str,
    ip: str,
    is_one: bool,  # noqa: FBT001
) -> None:
    assert is_generic(name, ip) is is_one
