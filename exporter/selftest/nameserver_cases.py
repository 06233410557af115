"""Cases of a domain's name servers, kind `nameservers`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from exporter.selftest.case import BRIEF, Case, Probe, Told, telling
from exporter.selftest.fixtures import DOMAIN, Props
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, Faults
from exporter.testbed.servers.world import NameServer, WorldSpec
from probes.kinds.nameservers import NameserversTarget
from probes.options import Count, Domain
from probes.result import Status

FIRST, SECOND = "127.0.0.1", "127.0.0.2"
ZONE = f'@ NS second\nsecond A {SECOND}\n@ MX 10 mx\n@ TXT "v=spf1"\n'
TLSA = f"_25._tcp.mx TLSA 3 1 1 {'ab' * 32}\n"
TARGET = NameserversTarget(Domain(DOMAIN))
_NO_EDNS = "nameservers.no_edns"
_LAME, _UNREACHABLE = "nameservers.lame", "nameservers.unreachable"


@dataclass(frozen=True, slots=True)
class _Servers:
    """Two name servers of one zone; `second` is the zone of the other one, None: it does not
    answer.
    """

    props: Props
    first: str = ZONE
    second: str | None = ZONE
    faults: Faults = field(default_factory=dict)
    resolver_faults: Faults = field(default_factory=dict)
    target: NameserversTarget = TARGET
    patience: float = 3.0

    def case(self, name: str, *told: str | Told, is_healthy: bool = False) -> Case:
        servers = {FIRST: NameServer({DOMAIN: self.first})}
        if self.second is not None:
            servers[SECOND] = NameServer({DOMAIN: self.second}, self.faults)
        spec = WorldSpec(
            trust=self.props.trust,
            zones={DOMAIN: self.first},
            faults=self.resolver_faults,
            name_servers=servers,
            patience=self.patience,
        )
        return Case(
            area="nameservers",
            name=name,
            spec=spec,
            act=Probe("nameservers", self.target, port_option="dns_port"),
            expected=telling(*told),
            is_healthy=is_healthy,
        )


def nameserver_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    two = _Servers(props)
    yield replace(two, first=ZONE + TLSA, second=ZONE + TLSA).case(
        "two servers say the same", is_healthy=True
    )
    deep = replace(two, target=NameserversTarget(Domain(f"deep.under.{DOMAIN}")))
    yield deep.case("a domain within the zone", is_healthy=True)
    yield from _differing(two)
    yield from _of_no_use(two)
    yield from _names(two)


def _differing(two: _Servers) -> Iterator[Case]:
    for name, second in (
        ("MX", ZONE.replace("MX 10", "MX 20") + TLSA),
        ("TXT", ZONE.replace("v=spf1", "other") + TLSA),
        ("TLSA", ZONE),
    ):
        case = replace(two, first=ZONE + TLSA, second=second)
        yield case.case(f"the {name} records differ", "nameservers.answers_differ")
    newer = replace(two, second=f"{ZONE}@ SOA ns hostmaster 7 3600 600 86400 60\n")
    yield newer.case("the serial numbers differ", "nameservers.serials_differ")


def _of_no_use(two: _Servers) -> Iterator[Case]:
    for lie in (
        *(Misbehaviour.REFUSED, Misbehaviour.LAME, Misbehaviour.SERVFAIL),
        *(Misbehaviour.NXDOMAIN, Misbehaviour.SCRAMBLED),
    ):
        bad = replace(two, faults={("*", "*"): DnsFault(lie)})
        yield bad.case(f"one of two servers is of no use: {lie}", _LAME)
    for lie in (Misbehaviour.SILENCE, Misbehaviour.WRONG_SOURCE, Misbehaviour.TCP_SILENCE):
        bad = replace(two, faults={("*", "*"): DnsFault(lie)}, patience=BRIEF)
        yield bad.case(f"one of two servers is not heard: {lie}", (_UNREACHABLE, Status.WARNING))
    silent = replace(two, faults={(DOMAIN, "MX"): DnsFault(Misbehaviour.SILENCE)}, patience=BRIEF)
    yield silent.case("one server is silent about MX", (_UNREACHABLE, Status.WARNING))
    for lie in (
        *(Misbehaviour.NO_EDNS_FORMERR, Misbehaviour.NO_EDNS_NOTIMP),
        *(Misbehaviour.NO_EDNS_BADVERS, Misbehaviour.NO_EDNS_IGNORED),
    ):
        old = replace(two, faults={("*", "*"): DnsFault(lie)})
        yield old.case(f"one server is of the time before EDNS: {lie}", _NO_EDNS)
    aimed = replace(two, first=ZONE + "@ NS meta\nmeta A 169.254.169.254\n")
    yield aimed.case("a name server is at a metadata service", "nameservers.special_address")
    deaf = replace(two, faults={("*", "*"): DnsFault(Misbehaviour.UDP_ONLY)})
    yield deaf.case("one server has no TCP", "nameservers.tcp_failed")
    # the system refuses to send to a broadcast address
    away = replace(two, first="@ NS broad\nbroad A 255.255.255.255\n@ MX 10 mx\n", second=None)
    yield away.case("this machine has no way to one server", (_UNREACHABLE, Status.UNTESTABLE))
    nobody = replace(two, second=None, patience=BRIEF)
    yield nobody.case("nobody is at the address of one server", (_UNREACHABLE, Status.WARNING))


def _names(two: _Servers) -> Iterator[Case]:
    alone = replace(two, first="@ MX 10 mx\n", second=None)
    yield alone.case("there is one server", "nameservers.single", is_healthy=True)
    ghost = replace(two, first="@ NS ghost\n@ MX 10 mx\n", second=None)
    unresolved = "nameservers.unresolved"
    yield ghost.case("a server's name does not exist", (unresolved, Status.WARNING))
    refusing = {(f"second.{DOMAIN}", "*"): DnsFault(Misbehaviour.REFUSED)}
    yield replace(two, resolver_faults=refusing).case(
        "our resolver refuses to look a server up", (unresolved, Status.UNTESTABLE)
    )
    few = replace(two, target=replace(TARGET, max_servers=Count(1)))
    yield few.case("there are more servers than are asked", "nameservers.left_out")
