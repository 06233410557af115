"""The examples of RFC 7208 itself: the domains of Appendix A, and the macros of section 7.4."""

import pytest

from probes.records.looked_up import LookedUp, LookupStatus
from probes.records.spf.check_host import check_host
from probes.records.spf.record import SpfResult
from tests.probes.records.spf.spf_corpus import Zone, ZoneLookup

HOSTS: Zone = {
    "example.com": {
        "MX": [(10, "mail-a.example.com"), (20, "mail-b.example.com")],
        "A": ["192.0.2.10", "192.0.2.11"],
    },
    "amy.example.com": {"A": ["192.0.2.65"]},
    "bob.example.com": {"A": ["192.0.2.66"]},
    "mail-a.example.com": {"A": ["192.0.2.129"]},
    "mail-b.example.com": {"A": ["192.0.2.130"]},
    "example.org": {"MX": [(10, "mail-c.example.org")]},
    "mail-c.example.org": {"A": ["192.0.2.140"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "11.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "65.2.0.192.in-addr.arpa": {"PTR": ["amy.example.com"]},
    "66.2.0.192.in-addr.arpa": {"PTR": ["bob.example.com"]},
    "129.2.0.192.in-addr.arpa": {"PTR": ["mail-a.example.com"]},
    "130.2.0.192.in-addr.arpa": {"PTR": ["mail-b.example.com"]},
    "140.2.0.192.in-addr.arpa": {"PTR": ["mail-c.example.org"]},
    "4.0.0.10.in-addr.arpa": {"PTR": ["bob.example.com"]},  # a rogue one
}
EVERYBODY = {f"192.0.2.{last}" for last in (10, 11, 65, 66, 129, 130, 131, 140, 143, 144)}
EVERYBODY |= {"10.0.0.4"}


def with_policies(**policies: str) -> Zone:
    """The hosts, with policies; `__` in a name stands for a dot."""
    zone = {name: dict(records) for name, records in HOSTS.items()}
    for name, text in policies.items():
        zone.setdefault(name.replace("__", "."), {})["TXT"] = [text]
    return zone


async def result_of(zone: Zone, ip: str, mail_from: str) -> SpfResult:
    return (await check_host(ip, mail_from, "mail.example.com", ZoneLookup(zone))).result


async def passing(zone: Zone, mail_from: str = "someone@example.com") -> set[str]:
    results = {ip: await result_of(zone, ip, mail_from) for ip in EVERYBODY}
    assert set(results.values()) <= {SpfResult.PASS, SpfResult.FAIL}
    return {ip for ip, result in results.items() if result is SpfResult.PASS}


@pytest.mark.parametrize(
    ("policy", "who"),
    [
        ("+all", EVERYBODY),
        ("a -all", {"192.0.2.10", "192.0.2.11"}),
        ("a:example.org -all", set()),
        ("mx -all", {"192.0.2.129", "192.0.2.130"}),
        ("mx:example.org -all", {"192.0.2.140"}),
        ("mx mx:example.org -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
        (
            "mx/30 mx:example.org/30 -all",
            {*("192.0.2.129", "192.0.2.130", "192.0.2.131"), *("192.0.2.140", "192.0.2.143")},
        ),
        (
            "ptr -all",
            {f"192.0.2.{last}" for last in (10, 11, 65, 66, 129, 130)},
        ),
        (
            "ip4:192.0.2.128/28 -all",
            {f"192.0.2.{last}" for last in (129, 130, 131, 140, 143)},
        ),
    ],
)
async def test_the_simple_examples_pass_whom_they_say(policy: str, who: set[str]) -> None:
    assert await passing(with_policies(example__com=f"v=spf1 {policy}")) == who


async def test_the_policies_of_several_domains_are_one() -> None:
    zone = with_policies(
        example__org="v=spf1 include:example.com include:example.net -all",
        la__example__org="v=spf1 redirect=example.org",
        example__com="v=spf1 mx -all",
        example__net="v=spf1 ip4:192.0.2.65 -all",
    )
    who = {"192.0.2.129", "192.0.2.130", "192.0.2.65"}
    assert await passing(zone, "x@example.org") == who
    assert await passing(zone, "x@la.example.org") == who


LISTED = (
    *("mary.mobile-users", "fred.mobile-users"),
    *("15.15.168.192.joel.remote-users", "16.15.168.192.joel.remote-users"),
)


@pytest.mark.parametrize(
    ("ip", "user", "result"),
    [
        ("203.0.113.7", "mary", SpfResult.PASS),
        ("203.0.113.7", "fred", SpfResult.PASS),
        ("203.0.113.7", "fred+news", SpfResult.PASS),
        ("203.0.113.7", "joel", SpfResult.FAIL),
        ("192.168.15.15", "joel", SpfResult.PASS),
        ("192.168.15.16", "joel+list", SpfResult.PASS),
        ("192.168.15.17", "joel", SpfResult.FAIL),
        ("192.0.2.129", "anybody", SpfResult.PASS),
    ],
)
async def test_users_are_looked_up_as_on_a_block_list(
    ip: str, user: str, result: SpfResult
) -> None:
    zone = {
        **with_policies(
            example__com="v=spf1 mx include:mobile-users._spf.%{d} "
            "include:remote-users._spf.%{d} -all",
            **{"mobile-users._spf.example.com": "v=spf1 exists:%{l1r+}.%{d}"},
            **{"remote-users._spf.example.com": "v=spf1 exists:%{ir}.%{l1r+}.%{d}"},
        ),
        **{f"{name}._spf.example.com": {"A": ["127.0.0.2"]} for name in LISTED},
    }
    assert await result_of(zone, ip, f"{user}@example.com") is result


@pytest.mark.parametrize(
    ("ptr", "who"),
    [
        ("ptr:example.com", {f"192.0.2.{last}" for last in (10, 11, 65, 66, 129, 130)}),
        # as it is printed ptr asks for names below ptr._spf.example.com, of which there are none
        ("ptr", set()),
    ],
)
async def test_only_who_meets_every_requirement_passes(ptr: str, who: set[str]) -> None:
    zone = with_policies(
        example__com="v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all",
        **{"ip4._spf.example.com": "v=spf1 -ip4:192.0.2.0/24 +all"},
        **{"ptr._spf.example.com": f"v=spf1 -{ptr} +all"},
    )
    assert await passing(zone) == who


SENDER = "strong-bad@email.example.com"


@pytest.mark.parametrize(
    ("macro", "expansion"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
    ],
)
async def test_a_macro_expands_as_the_table_says(macro: str, expansion: str) -> None:
    zone = {
        "email.example.com": {"TXT": ["v=spf1 -all exp=why.example.com"]},
        "why.example.com": {"TXT": [macro]},
    }
    verdict = await check_host("192.0.2.3", SENDER, "mx.example.org", ZoneLookup(zone))
    assert verdict.explanation == expansion


NIBBLES = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"


@pytest.mark.parametrize(
    ("ip", "spec", "name"),
    [
        ("192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        (
            "192.0.2.3",
            "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
            "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
        ),
        (
            "192.0.2.3",
            "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
            "3.2.0.192.in-addr.strong.lp._spf.example.com",
        ),
        (
            "192.0.2.3",
            "%{d2}.trusted-domains.example.net",
            "example.com.trusted-domains.example.net",
        ),
        ("2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}", f"{NIBBLES}.ip6._spf.example.com"),
    ],
)
async def test_a_name_is_made_of_macros_as_the_table_says(ip: str, spec: str, name: str) -> None:
    lookup = ZoneLookup({"email.example.com": {"TXT": [f"v=spf1 exists:{spec} -all"]}})
    verdict = await check_host(ip, SENDER, "mx.example.org", lookup)
    assert [asked.lower() for asked, rdtype in lookup.asked if rdtype == "A"] == [name]
    assert verdict.result is SpfResult.FAIL


async def test_somebody_outside_needs_four_arguments_and_a_look_up() -> None:
    policies = {"example.test": b"v=spf1 include:b.test -all", "b.test": b"v=spf1 ip4:192.0.2.0/24"}

    async def lookup(name: str, rdtype: str) -> LookedUp:
        if rdtype == "TXT" and name in policies:
            return LookedUp(LookupStatus.FOUND, (policies[name],))
        return LookedUp(LookupStatus.NXDOMAIN)

    verdict = await check_host("192.0.2.1", "joe@example.test", "mail.example.test", lookup)
    assert verdict.result == "pass"
    assert verdict.explanation is None
    assert verdict.matched == "include:b.test"
    assert verdict.path == ("example.test: include:b.test", "b.test: ip4:192.0.2.0/24")
    assert (verdict.lookups, verdict.void_lookups, verdict.questions) == (1, 0, 2)
    assert verdict.problem == ""
