"""Cases of the records of a sending domain: SPF, DKIM keys and DMARC, kind `sender`."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exporter.selftest.case import Case, Told
from exporter.selftest.fixtures import DOMAIN, Props
from exporter.selftest.sender_world import DMARC, GOOD, IP, IP6, NAMES, SPF, TARGET, SenderWorld
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.keys import key_record
from probes.canary.dkim_selectors import IN_USE_FOR, LearntSelector
from probes.options import EmailAddress, IpAddress
from probes.result import Status

THEIRS, OURS = Status.FAILURE, Status.UNTESTABLE
LOOK_UP_FAILURES = (
    ("the servers fail", Misbehaviour.SERVFAIL, THEIRS),
    ("our resolver refuses", Misbehaviour.REFUSED, OURS),
)


def sender_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    world = SenderWorld(props)
    yield from _in_order(world)
    for name, records, told in _SPF:
        yield replace(world, zone=f"{records}\n{DMARC}{NAMES}").case(f"SPF: {name}", *told)
    yield from _keys(world)
    for name, records, told in _DMARC:
        yield replace(world, zone=f"{SPF}{NAMES}{records}\n").case(f"DMARC: {name}", *told)
    yield from _alignment(world)
    yield from _reports(world)
    yield from _look_ups(world)


def _in_order(world: SenderWorld) -> Iterator[Case]:
    props = world.props
    keys = key_record("s1", props.signing_record) + key_record("s2", props.ed25519_record)
    everything = replace(
        world,
        zone=GOOD + keys,
        target=replace(TARGET, selectors=("s1", "s2"), sending_ips=(IpAddress(IP), IpAddress(IP6))),
    )
    yield everything.case(
        "a domain in order, and a list without IPv6", "dnsbl.family_unsupported", is_healthy=True
    )
    over_v4 = replace(everything, target=replace(TARGET, selectors=("s1", "s2")))
    yield over_v4.case("a domain in order that sends over IPv4", is_healthy=True)
    records_only = replace(world, target=replace(TARGET, sending_ips=()))
    yield records_only.case("a domain whose machines are not known", is_healthy=True)


_NOT_ALLOWED: Told = ("spf.not_authorised", Status.FAILURE)

_SPF: tuple[tuple[str, str, tuple[str | Told, ...]], ...] = (
    ("no record", "", ("spf.record_missing",)),
    (
        "two records",
        '@ TXT "v=spf1 -all"\n@ TXT "v=spf1 +all"',
        ("spf.record_multiple", "spf.permerror"),
    ),
    (
        "a term that is none",
        '@ TXT "v=spf1 ip4:nonsense -all"',
        ("spf.record_syntax", "spf.permerror"),
    ),
    *(
        (f"a text that is nearly one: {text}", f'@ TXT "{text}"', ("spf.record_ignored",))
        for text in ("v=spf10 -all", "v=spf1;ip4:192.0.2.25 -all")
    ),
    ("our address fails", '@ TXT "v=spf1 ip4:198.51.100.1 -all"', (_NOT_ALLOWED,)),
    ("our address fails softly", '@ TXT "v=spf1 ip4:198.51.100.1 ~all"', (_NOT_ALLOWED,)),
    (
        "our address is neutral",
        '@ TXT "v=spf1 ip4:198.51.100.1 ?all"',
        (("spf.not_authorised", Status.WARNING), "spf.all_neutral"),
    ),
    ("everybody may send", '@ TXT "v=spf1 +all"', ("spf.all_permissive",)),
    ("there is no end", f'@ TXT "v=spf1 ip4:{IP}"', ("spf.all_missing",)),
    ("ptr is used", f'@ TXT "v=spf1 ptr:{DOMAIN} -all"', ("spf.ptr_used",)),
    ("a network is wide", '@ TXT "v=spf1 ip4:192.0.0.0/7 -all"', ("spf.network_wide",)),
    (
        "terms stand behind the end",
        f'@ TXT "v=spf1 ip4:{IP} -all redirect=b.test mx"',
        ("spf.redirect_ignored", "spf.terms_after_all"),
    ),
    (
        "a term is repeated and a modifier unknown",
        f'@ TXT "v=spf1 ip4:{IP} ip4:{IP} x=y -all"',
        ("spf.term_repeated", "spf.modifier_unknown"),
    ),
    (
        "it may cost eleven look-ups",
        f'@ TXT "v=spf1 ip4:{IP}" " {f"a:mail.{DOMAIN} " * 11}" " -all"',
        ("spf.cost_too_high", "spf.term_repeated"),
    ),
    (
        "it may cost nine look-ups",
        f'@ TXT "v=spf1 ip4:{IP}" " {f"a:mail.{DOMAIN} " * 9}" " -all"',
        ("spf.cost_high", "spf.term_repeated"),
    ),
    (
        "an include leads to itself",
        f'@ TXT "v=spf1 include:loop.{DOMAIN} -all"\nloop TXT "v=spf1 include:loop.{DOMAIN} -all"',
        ("spf.loop", "spf.permerror"),
    ),
    (
        "an include leads to nobody",
        f'@ TXT "v=spf1 ip4:{IP} include:nobody.{DOMAIN} -all"',
        ("spf.include_missing",),
    ),
    (
        "an include leads to a term that is none",
        f'@ TXT "v=spf1 ip4:{IP} include:b.{DOMAIN} -all"\nb TXT "v=spf1 ip4:nonsense -all"',
        ("spf.include_broken",),
    ),
    (
        "an include lets everybody send",
        f'@ TXT "v=spf1 ip4:{IP} include:b.{DOMAIN} -all"\nb TXT "v=spf1 +all"',
        ("spf.include_permissive",),
    ),
    (
        "an mx has eleven hosts",
        f'@ TXT "v=spf1 ip4:{IP} mx:b.{DOMAIN} -all"\n'
        + "\n".join(f"b MX 10 h{number}\nh{number} A 192.0.2.7" for number in range(11)),
        ("spf.mx_too_many",),
    ),
    ("a term finds nothing", f'@ TXT "v=spf1 ip4:{IP} a:x.{DOMAIN} -all"', ("spf.term_void",)),
    (
        "three terms find nothing",
        f'@ TXT "v=spf1 ip4:{IP} a:x.{DOMAIN} mx:x.{DOMAIN} exists:x.{DOMAIN} -all"',
        ("spf.term_void", ("spf.voids_too_many", Status.WARNING)),
    ),
    (
        "three terms find nothing over IPv6",
        f'@ TXT "v=spf1 ip4:{IP} a:b.{DOMAIN} a:b.{DOMAIN}/25 a:b.{DOMAIN}/26 -all"\nb A 192.0.2.7',
        (("spf.voids_too_many", Status.NOTICE),),
    ),
    (
        "the EHLO name's policy does not allow us",
        f'@ TXT "v=spf1 ip4:{IP} -all"\nmail TXT "v=spf1 -all"',
        ("spf.helo_fails",),
    ),
    (
        "the record is long",
        f'@ TXT "v=spf1 ip4:{IP} " "{"ip4:198.51.100.1/32 " * 10}" '
        f'"{"ip6:2001:db8::/64 " * 13}" "-all"',
        ("spf.record_long", "spf.term_repeated"),
    ),
)


def _keys(world: SenderWorld) -> Iterator[Case]:
    """Keys at a selector that was configured, or learnt lately, or learnt long ago."""
    props, good = world.props, world.props.signing_record
    configured = replace(world, target=replace(TARGET, selectors=("s1",)))
    for name, record, told in (
        ("RSA of 1024 bits", props.short_record, ("dkim.key_short",)),
        ("it is being tested", f"{good}; t=y", ("dkim.key_testing",)),
    ):
        zone = GOOD + key_record("s1", record)
        yield replace(configured, zone=zone).case(f"DKIM key: {name}", *told, is_healthy=True)
    two = GOOD + key_record("s1", good) + key_record("s1", f"{good}; n=second")
    yield replace(configured, zone=two).case("DKIM key: there are two", "dkim.key_multiple")
    now = datetime.now(UTC)
    lately, long_ago = now - timedelta(hours=1), now - IN_USE_FOR - timedelta(hours=1)
    for name, record, code in (
        ("it is missing", "", "dkim.key_missing"),
        ("it was revoked", "v=DKIM1; p=", "dkim.key_revoked"),
        ("it is no key", "v=DKIM1; p=AAAA", "dkim.key_malformed"),
        ("it is for other mail", f"{good}; s=tlsrpt", "dkim.key_unsuitable"),
        ("it is for SHA-1", f"{good}; h=sha1", "dkim.key_unsuitable"),
        ("RSA of 512 bits", props.tiny_record, "dkim.key_weak"),
    ):
        zone = GOOD + (key_record("s1", record) if record else "")
        yield replace(configured, zone=zone).case(f"DKIM key: {name}", (code, Status.FAILURE))
        for when, seen, status in (
            ("lately", lately, Status.FAILURE),
            ("long ago", long_ago, Status.NOTICE),
        ):
            learnt = (LearntSelector("s1", DOMAIN, seen),)
            case = replace(world, zone=zone, target=replace(TARGET, learnt=learnt))
            yield case.case(f"DKIM key, learnt {when}: {name}", (code, status))


_DMARC: tuple[tuple[str, str, tuple[str | Told, ...]], ...] = (
    ("no record", "", ("dmarc.record_missing",)),
    (
        "two records",
        '_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"',
        ("dmarc.record_multiple",),
    ),
    *(
        (
            f"a text that is nearly one: {text}",
            f'_dmarc TXT "{text}"',
            (("dmarc.record_ignored", Status.FAILURE),),
        )
        for text in ("v=DMARC1 p=reject", "p=reject; v=DMARC1")
    ),
    ("it is in the wrong place", '@ TXT "v=DMARC1; p=reject"', ("dmarc.record_misplaced",)),
    (
        "reports go where no mail is taken",
        f'_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@null.{DOMAIN}"\nnull MX 0 .',
        ("dmarc.reports_undeliverable",),
    ),
    (
        "nothing is asked for",
        '_dmarc TXT "v=DMARC1; p=none"',
        ("dmarc.policy_none", "dmarc.reports_missing"),
    ),
    (
        "tags of all kinds",
        f'_dmarc TXT "v=DMARC1; p=reject; sp=none; foo=bar; pct=10; rua=mailto:a@{DOMAIN}!5m"',
        (
            *("dmarc.subdomains_weaker", "dmarc.tag_unknown", "dmarc.tag_retired"),
            *("dmarc.older_readers_differ", "dmarc.report_size_retired"),
        ),
    ),
    (
        "the policy is mistyped",
        '_dmarc TXT "v=DMARC1; p=rejct"',
        ("dmarc.not_applied", "dmarc.tag_invalid", "dmarc.reports_missing"),
    ),
    (
        "it is being tested",
        f'_dmarc TXT "v=DMARC1; p=reject; t=y; rua=mailto:a@{DOMAIN}"',
        ("dmarc.testing", "dmarc.older_readers_differ"),
    ),
)


def _alignment(world: SenderWorld) -> Iterator[Case]:
    above = {"test": f'_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@{DOMAIN}"\n'}
    nearly = replace(world, zone=f'{SPF}{NAMES}_dmarc TXT "v=DMARC1 p=none"\n', others=above)
    yield nearly.case(
        "DMARC: a text that is nearly a record below one that holds",
        ("dmarc.record_ignored", Status.WARNING),
    )
    foreign = replace(
        world,
        others={"bounces.test": SPF},
        target=replace(TARGET, mail_from=EmailAddress("b@bounces.test")),
    )
    yield foreign.case("DMARC: bounces go to another organisation", "dmarc.unaligned")
    asked = ("_dmarc.bounces.test", "TXT")
    failing = replace(foreign, faults={asked: DnsFault(Misbehaviour.SERVFAIL)})
    yield failing.case(
        "DMARC: whose organisation the bounces go to, the servers fail",
        ("dmarc.lookup_failed", Status.WARNING),
    )
    below = replace(
        world,
        zone=f'{GOOD}sub TXT "v=spf1 ip4:{IP} -all"\n',
        target=replace(TARGET, mail_from=EmailAddress(f"b@sub.{DOMAIN}")),
    )
    yield below.case("DMARC: bounces go to a name below the domain", is_healthy=True)
    strict = replace(below, zone=below.zone.replace("p=reject", "p=reject; aspf=s"))
    yield strict.case("DMARC: the same, and alignment is strict", "dmarc.unaligned")


def _reports(world: SenderWorld) -> Iterator[Case]:
    record = '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:a@other.test"\n'
    away = replace(
        world,
        zone=f"{SPF}{NAMES}{record}",
        others={"other.test": "@ MX 10 mail\nmail A 192.0.2.7\n"},
    )
    code = "dmarc.reports_unauthorised"
    yield away.case("DMARC: reports go to somebody who did not agree", (code, Status.WARNING))
    agreed = {"other.test": f'@ A 192.0.2.7\n{DOMAIN}._report._dmarc TXT "v=DMARC1"\n'}
    yield replace(away, others=agreed).case(
        "DMARC: reports go to somebody who agreed", is_healthy=True
    )
    name = f"{DOMAIN}._report._dmarc.other.test"
    for words, lie, status in (
        ("the servers fail", Misbehaviour.SERVFAIL, Status.NOTICE),
        ("our resolver refuses", Misbehaviour.REFUSED, OURS),
    ):
        failing = replace(away, faults={(name, "TXT"): DnsFault(lie)})
        yield failing.case(f"DMARC: whether they agreed, {words}", (code, status))


def _look_ups(world: SenderWorld) -> Iterator[Case]:
    """A record that cannot be looked up is none that is missing."""
    keyed = replace(
        world,
        zone=GOOD + key_record("s1", world.props.signing_record),
        target=replace(TARGET, selectors=("s1",)),
    )
    inner = replace(
        world,
        zone=f'@ TXT "v=spf1 ip4:{IP} include:b.{DOMAIN} -all"\n{DMARC}{NAMES}',
        faults={(f"b.{DOMAIN}", "TXT"): DnsFault(Misbehaviour.SERVFAIL)},
    )
    yield inner.case(
        "the servers fail for the TXT of an include", ("spf.lookup_failed", Status.WARNING)
    )
    for words, lie, status in LOOK_UP_FAILURES:
        for name, code in (
            (DOMAIN, "spf.lookup_failed"),
            (f"_dmarc.{DOMAIN}", "dmarc.lookup_failed"),
            (f"s1._domainkey.{DOMAIN}", "dkim.lookup_failed"),
        ):
            failing = replace(keyed, faults={(name, "TXT"): DnsFault(lie)})
            yield failing.case(f"{words} for the TXT of {name}", (code, status))
    learnt = (LearntSelector("s1", DOMAIN, datetime.now(UTC) - 2 * IN_USE_FOR),)
    asked = (f"s1._domainkey.{DOMAIN}", "TXT")
    retired = replace(keyed, target=replace(TARGET, learnt=learnt))
    yield replace(retired, faults={asked: DnsFault(Misbehaviour.SERVFAIL)}).case(
        "the servers fail for a DKIM key that may have been retired",
        ("dkim.lookup_failed", Status.NOTICE),
    )
