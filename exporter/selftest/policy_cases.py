"""Cases of transport policy: MTA-STS, TLS-RPT, DANE, DNSSEC and certificates, kind `policy`."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from exporter.selftest.case import BRIEF, Case, Probe, Told, telling
from exporter.selftest.fixtures import DOMAIN, MX, POLICY_HOST, Props
from exporter.selftest.mx_cases import FIRST, SECOND
from exporter.testbed.servers.certificates import Identity, foreign, identity
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.https import page, sts_policy
from exporter.testbed.servers.script import Steps
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import Pages, Server, WorldSpec
from probes.kinds.policy.probe import PolicyTarget
from probes.options import Count, Domain, Seconds
from probes.options import Host as HostName
from probes.result import Status

_NO_ROOT = {(".", "NS"): DnsFault(Misbehaviour.SILENCE)}
"""With it the test of our resolver fails too: the fault is ours."""

POLICY_ADDRESS = "192.0.2.8"
WELL_KNOWN = "/.well-known/mta-sts.txt"
HOST = f"@ MX 10 mx\nmx A {FIRST}\n"
ZONE = f"{HOST}mta-sts A {POLICY_ADDRESS}\n"
STS = '_mta-sts TXT "v=STSv1; id=20261123;"\n'
TLSRPT = f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:t@{DOMAIN}"\n'
TARGET = PolicyTarget(Domain(DOMAIN))
NO_RECORD = "_25._tcp.mx TLSA "
ABSENT: tuple[Told | str, ...] = ("sts.absent", "tlsrpt.absent", "dane.absent")
"""The findings about a domain that publishes nothing."""

_TLSA_NAME = (f"_25._tcp.{MX}", "TLSA")


@dataclass(frozen=True, slots=True)
class _World:
    """A signed domain with one host in order, and the changes of a case."""

    props: Props
    zone: str = HOST
    hosts: Mapping[str, Script] | None = None
    policy: Steps | None = None
    policy_context: ssl.SSLContext | None = None
    signed: tuple[str, ...] = (".", DOMAIN)
    faults: Faults | None = None
    patience: float = 3.0
    source_v6: str | None = None
    target: PolicyTarget = TARGET

    def case(self, name: str, *told: str | Told, is_healthy: bool = False) -> Case:
        good = {FIRST: Script(tls=self.props.server.context)}
        servers: dict[str, Server] = dict(good if self.hosts is None else self.hosts)
        if self.policy is not None:
            context = self.policy_context or self.props.policy_host
            servers[POLICY_ADDRESS] = Pages({WELL_KNOWN: self.policy}, context)
        spec = WorldSpec(
            trust=self.props.trust,
            zones={".": "", DOMAIN: self.zone},
            faults=self.faults or {},
            signed=self.signed,
            servers=servers,
            patience=self.patience,
            source_v6=self.source_v6,
        )
        return Case(
            area="policy",
            name=name,
            spec=spec,
            act=Probe("policy", self.target),
            expected=telling(*told),
            is_healthy=is_healthy,
        )


def policy_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    world = _World(props)
    yield from _in_order(world)
    yield from _dnssec(world)
    yield from _dane(world, props.server)
    yield from _sts_records(world)
    yield from _sts_policies(world)
    yield from _sts_hosts(world)
    yield from _certificates(world)


def _in_order(world: _World) -> Iterator[Case]:
    props = world.props
    everything = replace(
        world,
        zone=ZONE + STS + TLSRPT + props.server.tlsa(),
        policy=page(sts_policy()),
    )
    yield everything.case("a domain does everything", is_healthy=True)
    yield world.case("a domain publishes nothing", *ABSENT, is_healthy=True)
    yield replace(world, zone="@ MX 0 .\n").case("a domain takes no mail")
    second = replace(
        world,
        zone=f"{HOST}@ MX 20 mx2\nmx2 A {SECOND}\n",
        target=replace(TARGET, max_hosts=Count(1)),
    )
    yield second.case("there are more hosts than are visited", *ABSENT, "mx.hosts_left_out")


def _dnssec(world: _World) -> Iterator[Case]:
    for lie in (Misbehaviour.BOGUS, Misbehaviour.BOGUS_UNSAID):
        bogus = replace(world, faults={(DOMAIN, "MX"): DnsFault(lie)})
        yield bogus.case(f"the MX records are {lie}", "dnssec.bogus")
    unsigned = replace(world, signed=(".",))
    yield unsigned.case("the domain is not signed", *ABSENT, "dnssec.insecure", is_healthy=True)
    deaf = replace(world, signed=())
    yield deaf.case("our resolver does not validate", *ABSENT, "dnssec.resolver_not_validating")
    broken = f"broken.{DOMAIN}"
    tested = replace(
        world,
        zone=f"{HOST}broken A 192.0.2.99\n",
        target=replace(TARGET, broken_name=HostName(broken)),
    )
    yield tested.case(
        "our resolver believes a broken signature", *ABSENT, "dnssec.resolver_not_validating"
    )
    refusing = replace(tested, faults={(broken, "A"): DnsFault(Misbehaviour.BOGUS)})
    yield refusing.case("our resolver refuses a broken signature", *ABSENT, is_healthy=True)
    inventing = replace(
        world,
        hosts={"192.0.2.77": Script(tls=world.props.server.context)},
        faults={("*", "A"): DnsFault(Misbehaviour.INVENTED)},
    )
    yield inventing.case("our resolver invents addresses", *ABSENT, "dnssec.resolver_rewrites")


def _dane(world: _World, server: Identity) -> Iterator[Case]:
    """TLSA records, compared with the host's certificate."""
    absent = ABSENT[:2]
    digest = "00" * 32
    following = identity(world.props.authority.pem(MX))

    def publishing(records: str) -> _World:
        return replace(world, zone=HOST + records)

    yield publishing(server.tlsa()).case("the TLSA record matches", *absent, is_healthy=True)
    yield publishing(server.tlsa(2, 0, 1)).case("the authority's matches", *absent, is_healthy=True)
    yield publishing(server.tlsa(3, 0)).case(
        "the TLSA record is of an unusual kind", *absent, "dane.unusual"
    )
    yield publishing(following.tlsa()).case(
        "no TLSA record matches the certificate", *absent, "dane.mismatch"
    )
    yield publishing(server.tlsa() + following.tlsa()).case(
        "the TLSA record of the next key is there", *absent, "dane.rollover"
    )
    for record in ("1 1 1", "9 1 1", "3 7 1"):
        yield publishing(f"{NO_RECORD}{record} {digest}\n").case(
            f"the only TLSA record is {record}", *absent, ("dane.unusable", Status.WARNING)
        )
    yield publishing(f"{server.tlsa()}{NO_RECORD}9 1 1 {digest}\n").case(
        "one of two TLSA records is of no use", *absent, ("dane.unusable", Status.NOTICE)
    )
    short = replace(world, faults={_TLSA_NAME: DnsFault(Misbehaviour.SHORT_TLSA)})
    yield short.case("the digest has two octets", *absent, ("dane.unusable", Status.WARNING))
    unsigned = replace(publishing(server.tlsa()), signed=(".",))
    yield unsigned.case(
        "TLSA records stand in an unsigned zone", *absent, "dane.not_signed", "dnssec.insecure"
    )
    clear = replace(publishing(server.tlsa()), hosts={FIRST: Script()})
    yield clear.case("TLSA records and no STARTTLS", *absent, "dane.no_starttls")
    partial = replace(
        publishing(f"{server.tlsa()}@ MX 20 mx2\nmx2 A {SECOND}\n"),
        hosts=dict.fromkeys((FIRST, SECOND), Script(tls=server.context)),
    )
    yield partial.case("one of two hosts has TLSA records", *absent, "dane.partial")
    yield from _dane_look_ups(world)


def _dane_look_ups(world: _World) -> Iterator[Case]:
    absent, failed = ABSENT[:2], "dane.lookup_failed"
    failing = replace(world, faults={_TLSA_NAME: DnsFault(Misbehaviour.SERVFAIL)})
    yield failing.case(
        "the servers of a signed zone fail for TLSA", *absent, (failed, Status.FAILURE)
    )
    yield replace(failing, signed=(".",)).case(
        "the servers of an unsigned zone fail for TLSA",
        *absent,
        (failed, Status.NOTICE),
        "dnssec.insecure",
    )
    silent = replace(
        world, faults={_TLSA_NAME: DnsFault(Misbehaviour.SILENCE), **_NO_ROOT}, patience=BRIEF
    )
    yield silent.case("our resolver is silent about TLSA", *absent, (failed, Status.UNTESTABLE))


def _sts_records(world: _World) -> Iterator[Case]:
    """The two TXT records, of MTA-STS and of TLS-RPT."""
    no_dane, no_tlsrpt, no_sts = ABSENT[2], ABSENT[1], ABSENT[0]
    for name, records, told in (
        (
            "two MTA-STS records",
            f'{STS}_mta-sts TXT "v=STSv1; id=2"\n',
            ("sts.record_multiple", no_tlsrpt),
        ),
        (
            "an MTA-STS record with a malformed id",
            '_mta-sts TXT "v=STSv1; id=not-letters"\n',
            ("sts.record_syntax", no_tlsrpt),
        ),
        (
            "a TXT record that is nearly MTA-STS",
            '_mta-sts TXT "v=STSv1 id=20"\n',
            ("sts.record_ignored", no_tlsrpt),
        ),
        (
            "a TXT record that is nearly TLS-RPT",
            f'_smtp._tls TXT "v=TLSRPTv1 rua=mailto:t@{DOMAIN}"\n',
            (no_sts, "tlsrpt.record_ignored"),
        ),
        ("a TXT record that is not MTA-STS", '_mta-sts TXT "hello"\n', (no_sts, no_tlsrpt)),
        (
            "a TLS-RPT record that leads nowhere",
            '_smtp._tls TXT "v=TLSRPTv1; rua=ftp://x"\n',
            (no_sts, "tlsrpt.record_syntax"),
        ),
        ("two TLS-RPT records", TLSRPT + TLSRPT.replace("t@", "u@"), (no_sts, _TWO_REPORTS)),
    ):
        yield replace(world, zone=HOST + records).case(name, *told, no_dane)
    for code, host, other in (
        ("sts.lookup_failed", f"_mta-sts.{DOMAIN}", no_tlsrpt),
        ("tlsrpt.lookup_failed", f"_smtp._tls.{DOMAIN}", no_sts),
    ):
        failing = replace(world, faults={(host, "TXT"): DnsFault(Misbehaviour.SERVFAIL)})
        name = f"the servers fail for the TXT of {host}"
        yield failing.case(name, (code, Status.WARNING), other, no_dane)
        silent = replace(
            world,
            faults={(host, "TXT"): DnsFault(Misbehaviour.SILENCE), **_NO_ROOT},
            patience=BRIEF,
        )
        name = f"our resolver is silent about the TXT of {host}"
        yield silent.case(name, (code, Status.UNTESTABLE), other, no_dane)
    yield _long_name(world)


_TWO_REPORTS = "tlsrpt.record_multiple"


def _long_name(world: _World) -> Case:
    """RFC 1035 §2.3.4: 253 octets of text are as long as a name can be."""
    labels = ".".join(("a" * 60, "b" * 60, "c" * 60, "d" * (247 - 3 * 61 - len(DOMAIN))))
    zone = f"{labels} MX 10 mx\nmx A {FIRST}\n"
    target = replace(TARGET, domain=Domain(f"{labels}.{DOMAIN}"))
    return replace(world, zone=zone, target=target).case(
        "the domain's name leaves no room for the records'",
        ("sts.lookup_failed", Status.INFO),
        ("tlsrpt.lookup_failed", Status.INFO),
        ABSENT[2],
    )


def _sts_policies(world: _World) -> Iterator[Case]:
    """Answers of the policy host."""
    absent = ABSENT[1:]
    published = replace(world, zone=ZONE + STS)
    fetch = ("sts.policy_fetch", Status.FAILURE)
    for name, answer in (
        ("a redirect", page(b"", status="302 Found", head="Location: https://other.test/\r\n")),
        ("404", page(b"no", status="404 Not Found")),
        ("more than may be", page(sts_policy() + b"# " * 40_000)),
    ):
        case = replace(published, policy=answer)
        yield case.case(f"the policy host answers with {name}", *absent, fetch)
    elsewhere = world.props.authority.context(MX)
    yield replace(published, policy=page(sts_policy()), policy_context=elsewhere).case(
        "the policy host has a certificate for another name", *absent, fetch
    )
    yield published.case("nobody answers at the policy host", *absent, fetch)
    link_local = replace(published, zone=f"{HOST}mta-sts A 169.254.169.254\n{STS}")
    yield link_local.case("the policy host is at a metadata address", *absent, fetch)
    silent = replace(
        published,
        faults={(POLICY_HOST, "*"): DnsFault(Misbehaviour.SILENCE), **_NO_ROOT},
        patience=BRIEF,
    )
    yield silent.case(
        "our resolver is silent about the policy host",
        *absent,
        ("sts.policy_fetch", Status.UNTESTABLE),
    )
    for name, text in (("nothing", b""), ("binary", b"\xff\xfe"), ("half a policy", b"mode: x\n")):
        yield replace(published, policy=page(text)).case(
            f"the policy is {name}", *absent, "sts.policy_invalid"
        )
    yield replace(published, policy=page(sts_policy(max_age=3600))).case(
        "the policy is kept for an hour", *absent, "sts.policy_lint"
    )


def _sts_hosts(world: _World) -> Iterator[Case]:
    """Policy against hosts, in both directions and in both modes."""
    absent = ABSENT[1:]
    published = replace(world, zone=ZONE + STS)
    elsewhere, lint = ("*.elsewhere.test",), "sts.policy_lint"
    for mode, status, more in (
        ("enforce", Status.FAILURE, ()),
        ("testing", Status.WARNING, (lint,)),
    ):
        uncovered = replace(published, policy=page(sts_policy(mode, elsewhere)))
        yield uncovered.case(
            f"the policy ({mode}) does not name the host",
            *absent,
            *more,
            ("sts.host_not_covered", status),
            "sts.pattern_unused",
        )
        policy = page(sts_policy(mode))
        untrusted = replace(published, policy=policy, hosts={FIRST: Script(tls=foreign(MX))})
        told = (*absent, *more, ("sts.host_untrusted", status))
        bad = ("smtp.starttls.certificate_not_trusted", Status.NOTICE)
        yield untrusted.case(
            f"the host's certificate does not satisfy the policy ({mode})", *told, bad
        )
        clear = replace(published, policy=policy, hosts={FIRST: Script()})
        yield clear.case(f"a policy ({mode}) and no STARTTLS", *told)


def _certificates(world: _World) -> Iterator[Case]:
    """Certificates that end soon, weak keys, and differences."""
    authority = world.props.authority
    expired = replace(world, hosts={FIRST: Script(tls=authority.expired(MX))})
    yield expired.case(
        "the certificate has expired",
        *ABSENT,
        "tls.certificate_expires",
        ("smtp.starttls.certificate_expired", Status.NOTICE),
    )
    for name, context, told in (
        (
            "the certificate of the authority between ends soon",
            authority.through_intermediate(MX, days=5),
            ("tls.intermediate_expires",),
        ),
        ("the key is weak", authority.weak(MX), ("tls.weak_certificate",)),
        (
            "TLS 1.0 is the newest version",
            authority.of_version(ssl.TLSVersion.TLSv1, MX),
            ("smtp.tls.weak",),
        ),
        ("the group has 1024 bits", authority.with_group(1024, MX), ("smtp.tls.weak",)),
        ("the group has 2048 bits", authority.with_group(2048, MX), ()),
        (
            "a chain through an authority between is in order",
            authority.through_intermediate(MX, days=90),
            (),
        ),
    ):
        serving = replace(world, hosts={FIRST: Script(tls=context)})
        yield serving.case(name, *ABSENT, *told, is_healthy=not told)
    early = replace(world, target=replace(TARGET, expiry_margin=Seconds(300 * 86_400.0)))
    yield replace(early, hosts={FIRST: Script(tls=authority.context(MX))}).case(
        "the certificate ends sooner than wanted", *ABSENT, "tls.certificate_expires"
    )
    good = Script(tls=world.props.server.context)
    renewed = replace(good, tls=authority.context(MX))
    two = replace(world, zone=f"{HOST}mx A {SECOND}\n", hosts={FIRST: good, SECOND: renewed})
    yield two.case("two addresses serve two certificates, which kind mx tells", *ABSENT)
