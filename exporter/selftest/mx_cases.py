"""Cases of MX records, their hosts and addresses: kind `mx`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from exporter.selftest.case import BRIEF, Case, Probe, Told, telling
from exporter.selftest.fixtures import DOMAIN, MX, SECOND_MX, Props
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import WorldSpec
from probes.kinds.mx import MxTarget
from probes.options import Count, Domain
from probes.result import Status

FIRST, SECOND, OVER_V6 = "192.0.2.1", "192.0.2.2", "2001:db8::1"
_NO_ROOT = {(".", "NS"): DnsFault(Misbehaviour.SILENCE)}
"""With it the test of our resolver fails too: the fault is ours."""

NOWHERE_SPECIAL = "4000::25"
"""Of the space that IANA has given to nobody: no host has it, and it is reserved for nothing."""

ONE_HOST = f"@ MX 10 mx\nmx A {FIRST}\n"
TWO_HOSTS = f"{ONE_HOST}@ MX 20 mx2\nmx2 A {SECOND}\n"
TARGET = MxTarget(Domain(DOMAIN))
HERE: Told = ("mx.host_special_address", Status.NOTICE)
"""The worlds' addresses are reserved for documentation, which is said of each that answers."""
UNREACHED: Told = ("mx.host_special_address", Status.WARNING)
OURS, THEIRS = Status.UNTESTABLE, Status.WARNING


@dataclass(frozen=True, slots=True)
class _Row:
    """Records and the hosts that answer (good ones), and the expected findings."""

    name: str
    zone: str
    expected: frozenset[Told]
    answering: tuple[str, ...] = (FIRST,)
    target: MxTarget = TARGET
    faults: Faults | None = None
    source_v6: str | None = None
    patience: float = 3.0
    is_healthy: bool = False


def mx_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    good = Script(tls=props.server.context)
    for row in _ROWS:
        spec = WorldSpec(
            trust=props.trust,
            zones={".": "", DOMAIN: row.zone},
            faults=row.faults or {},
            servers=dict.fromkeys(row.answering, good),
            source_v6=row.source_v6,
            patience=row.patience,
        )
        yield Case(
            area="mx",
            name=row.name,
            spec=spec,
            act=Probe("mx", row.target),
            expected=row.expected,
            is_healthy=row.is_healthy,
        )
    yield from _addresses_of_a_host(props, good)


def _addresses_of_a_host(props: Props, good: Script) -> Iterator[Case]:
    """One host, two addresses, and the differences between them."""
    renewed = replace(good, tls=props.authority.context(MX))
    expired = replace(good, tls=props.authority.expired(MX))
    zone = f"{ONE_HOST}mx A {SECOND}\n"
    differ = "mx.certificates_differ"
    for name, second, told in (
        ("every address has the same certificate", good, telling(HERE)),
        (
            "two good certificates are served",
            renewed,
            telling(HERE, (differ, Status.INFO)),
        ),
        (
            "one of two certificates has expired",
            expired,
            telling(
                HERE,
                (differ, Status.WARNING),
                ("smtp.starttls.certificate_expired", Status.NOTICE),
            ),
        ),
        (
            "one address offers no STARTTLS",
            Script(),
            telling(HERE, "mx.starttls_inconsistent", "smtp.starttls.not_offered"),
        ),
    ):
        spec = WorldSpec(
            trust=props.trust, zones={DOMAIN: zone}, servers={FIRST: good, SECOND: second}
        )
        yield Case(
            area="mx",
            name=name,
            spec=spec,
            act=Probe("mx", TARGET),
            expected=told,
            is_healthy=second is good,
        )


_BOTH_FAMILIES = f"{ONE_HOST}mx AAAA {OVER_V6}\n"
_NO_V6 = "2001:db8:ffff::1"
"""A local address that no machine has: IPv6 cannot be tried from there."""

_ROWS = (
    _Row(
        "a host in order, at an address of the Internet",
        f"@ MX 10 mx\nmx AAAA {NOWHERE_SPECIAL}\n",
        frozenset(),
        (NOWHERE_SPECIAL,),
        is_healthy=True,
    ),
    _Row("two hosts in order", TWO_HOSTS, telling(HERE), (FIRST, SECOND), is_healthy=True),
    _Row("the domain takes no mail, and says so", "@ MX 0 .\n", frozenset(), ()),
    _Row("the domain does not exist", "", frozenset(), (), MxTarget(Domain("absent.test"))),
    _Row(
        "one of two addresses refuses",
        f"{ONE_HOST}mx A {SECOND}\n",
        telling(HERE, UNREACHED, ("mx.address_unusable", THEIRS)),
    ),
    _Row(
        "this machine has no IPv6",
        _BOTH_FAMILIES,
        telling(HERE, UNREACHED, ("mx.address_unusable", OURS)),
        source_v6=_NO_V6,
    ),
    _Row(
        "the servers fail when they are asked for IPv6",
        ONE_HOST,
        telling(HERE, ("mx.address_lookup_failed", THEIRS)),
        faults={(MX, "AAAA"): DnsFault(Misbehaviour.SERVFAIL)},
    ),
    _Row(
        "our resolver is silent about IPv6",
        ONE_HOST,
        telling(HERE, ("mx.address_lookup_failed", OURS)),
        faults={(MX, "AAAA"): DnsFault(Misbehaviour.SILENCE), **_NO_ROOT},
        patience=BRIEF,
    ),
    _Row(
        "there are more hosts than are probed",
        TWO_HOSTS,
        telling(HERE, "mx.hosts_left_out"),
        target=replace(TARGET, max_hosts=Count(1)),
    ),
    _Row("there is no MX record", f"@ A {FIRST}\n", telling(HERE, "mx.implicit"), is_healthy=True),
    _Row(
        "a null MX stands beside another record",
        f"@ MX 0 .\n{ONE_HOST}",
        telling(HERE, "mx.null_with_others"),
    ),
    _Row("a null MX has a preference", "@ MX 10 .\n", telling("mx.null_preference"), ()),
    _Row(
        "a host is named twice",
        f"{ONE_HOST}@ MX 20 mx\n",
        telling(HERE, "mx.records_duplicate"),
    ),
    _Row(
        "an address stands where a name should",
        f"{ONE_HOST}@ MX 20 192.0.2.1.\n",
        telling(
            HERE,
            "mx.host_is_address",
            ("mx.host_unresolved", THEIRS),
            ("mx.address_unusable", THEIRS),
        ),
    ),
    _Row(
        "a host is an alias",
        f"@ MX 10 mx\nmx CNAME real\nreal A {FIRST}\n",
        telling(HERE, "mx.host_is_cname"),
    ),
    _Row(
        "a host does not exist",
        f"{ONE_HOST}@ MX 20 ghost\n",
        telling(HERE, ("mx.host_unresolved", THEIRS), ("mx.address_unusable", THEIRS)),
    ),
    _Row(
        "our resolver is silent about a host",
        f"{ONE_HOST}@ MX 20 mx2\n",
        telling(HERE, ("mx.host_unresolved", OURS), ("mx.address_unusable", OURS)),
        faults={(SECOND_MX, "*"): DnsFault(Misbehaviour.SILENCE), **_NO_ROOT},
        patience=BRIEF,
    ),
    _Row(
        "nobody answers at a private address",
        "@ MX 10 mx\nmx A 10.0.0.1\n",
        telling(UNREACHED),
        (),
    ),
    _Row(
        "two hosts share an address",
        f"{ONE_HOST}@ MX 20 mx2\nmx2 A {FIRST}\n",
        telling(HERE, "mx.addresses_shared"),
    ),
    _Row(
        "the records do not validate",
        ONE_HOST,
        telling("dnssec.bogus"),
        faults={(DOMAIN, "MX"): DnsFault(Misbehaviour.BOGUS)},
    ),
    _Row(
        "the records do not validate, and the resolver does not say why",
        ONE_HOST,
        telling("dnssec.bogus"),
        faults={(DOMAIN, "MX"): DnsFault(Misbehaviour.BOGUS_UNSAID)},
    ),
    _Row(
        "the servers fail, which is not called bogus",
        ONE_HOST,
        frozenset(),
        faults={(DOMAIN, "MX"): DnsFault(Misbehaviour.SERVFAIL)},
    ),
)
