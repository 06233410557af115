"""Cases of a sending machine's reputation: reverse DNS, EHLO name, lists, kind `sender`."""

from collections.abc import Iterator
from dataclasses import replace

from exporter.selftest.case import Case
from exporter.selftest.fixtures import DOMAIN, Props
from exporter.selftest.sender_cases import LOOK_UP_FAILURES
from exporter.selftest.sender_world import DOMAIN_LIST, GOOD, IP, IP6, LIST, TARGET, SenderWorld
from exporter.testbed.servers.dns_server import DnsFault
from probes.options import Domain, Host, IpAddress
from probes.result import Status

_IPV4 = "2.0.192.in-addr.arpa"
_NAMED = f"{GOOD}elsewhere A 203.0.113.9\nhost-192-0-2-25 A {IP}\nother A {IP}\n"


def reputation_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    world = SenderWorld(props, zone=_NAMED)
    yield from _names(world)
    yield from _lists(world)
    yield from _domain_lists(world)
    many = tuple(IpAddress(f"192.0.2.{number}") for number in range(10, 27))
    allowed = _NAMED.replace(f"ip4:{IP}", "ip4:192.0.2.0/24")
    pointers = "".join(f"{number} PTR mail.{DOMAIN}.\n" for number in range(10, 27))
    addresses = "".join(f"mail A 192.0.2.{number}\n" for number in range(10, 27) if number != 25)
    yield replace(
        world,
        zone=allowed + addresses,
        reverse={_IPV4: pointers},
        target=replace(TARGET, sending_ips=many),
    ).case("there are more machines than are probed", "sender.left_out", is_healthy=True)


def _names(world: SenderWorld) -> Iterator[Case]:
    for name, reverse, code in (
        ("the address has no name", {}, "rdns.missing"),
        (
            "the address's name leads elsewhere",
            {_IPV4: f"25 PTR elsewhere.{DOMAIN}.\n"},
            "rdns.unconfirmed",
        ),
        (
            "the address's name is an access line's",
            {_IPV4: f"25 PTR host-192-0-2-25.{DOMAIN}.\n"},
            "rdns.generic",
        ),
    ):
        yield replace(world, reverse=reverse).case(name, code)
    for name, ehlo_name, code in (
        ("the EHLO name does not exist", f"absent.{DOMAIN}", "ehlo.unresolvable"),
        ("the EHLO name is another machine's", f"elsewhere.{DOMAIN}", "ehlo.elsewhere"),
        ("the EHLO name is an address", f"[{IP}]", "ehlo.literal"),
    ):
        case = replace(world, target=replace(TARGET, ehlo_name=Host(ehlo_name)))
        yield case.case(name, code, is_healthy=True)
    other = replace(world, target=replace(TARGET, ehlo_name=Host(f"other.{DOMAIN}")))
    for words, lie, status in LOOK_UP_FAILURES:
        beside = Status.WARNING if status is Status.FAILURE else status  # it ends no part
        for asked, code, told in (
            (f"25.{_IPV4}", "rdns.lookup_failed", status),
            (f"other.{DOMAIN}", "ehlo.lookup_failed", beside),
        ):
            rdtype = "PTR" if asked.endswith("arpa") else "A"
            failing = replace(other, faults={(asked, rdtype): DnsFault(lie)})
            yield failing.case(f"{words} for the {rdtype} of {asked}", (code, told))


def _lists(world: SenderWorld) -> Iterator[Case]:
    """A listing counts on a list that is in order only, RFC 5782 §5."""
    listed, sick = ("dnsbl.listed", Status.FAILURE), "dnsbl.list_unhealthy"
    hit = f'25.2.0.192 A 127.0.0.4\n25.2.0.192 TXT "see https://list.test/{IP}"\n'
    for name, zone, told in (
        ("the address is listed", LIST + hit, (listed,)),
        ("the list is empty", "", (sick,)),
        ("the list lists everybody", f"{LIST}1.0.0.127 A 127.0.0.2\n{hit}", (sick,)),
        ("the list refuses our resolver", "2.0.0.127 A 127.255.255.254\n", (sick,)),
        ("the list refuses one question", f"{LIST}25.2.0.192 A 127.255.255.255\n", (sick,)),
        ("the list was sold", f"{LIST}25.2.0.192 A 203.0.113.1\n", (sick,)),
    ):
        yield replace(world, lists={"list.test": zone}).case(f"block list: {name}", *told)
    receiving = replace(
        world,
        zone=_NAMED.replace(IP, "11.0.0.25"),  # lists are asked about public addresses only
        target=replace(TARGET, sending_ips=(), by_default=True),
    )
    yield replace(receiving, lists={"list.test": f"{LIST}25.0.0.11 A 127.0.0.4\n"}).case(
        "block list: the address of an MX host is listed",
        ("dnsbl.listed", Status.WARNING),
        is_healthy=True,
    )
    over_v6 = replace(world, target=replace(TARGET, sending_ips=(IpAddress(IP6),)))
    test_entry = f"2.0.0.0.0.0.f.7.f.f.f.f.{'0.' * 19}0 A 127.0.0.2\n"
    nibbles = f"5.2.0.0.{'0.' * 20}8.b.d.0.1.0.0.2 A 127.0.0.3\n"
    both = {"list.test": test_entry + nibbles}
    yield replace(over_v6, lists=both).case("block list: an IPv6 address is listed", listed)
    yield over_v6.case("block list: it has no IPv6", "dnsbl.family_unsupported", is_healthy=True)
    two = replace(
        world,
        lists={"broken.test": "", "list.test": LIST + hit},
        target=replace(TARGET, block_lists=(Domain("broken.test"), Domain("list.test"))),
    )
    yield two.case("block list: one is empty, the other lists the address", listed, sick)


def _domain_lists(world: SenderWorld) -> Iterator[Case]:
    listed, sick = "rhsbl.listed", "rhsbl.list_unhealthy"
    asking = replace(TARGET, block_lists=(), domain_block_lists=(Domain("dbl.test"),))
    hit = f'{DOMAIN} A 127.0.1.4\n{DOMAIN} TXT "see https://dbl.test/why"\n'
    for name, zone, told in (
        ("the domain is not listed", DOMAIN_LIST, ()),
        ("the domain is listed", DOMAIN_LIST + hit, (listed,)),
        ("it is a list of addresses, too", f"{LIST}{hit}", (listed,)),
        ("the list is empty", "", (sick,)),
        ("the list lists everybody", f"{DOMAIN_LIST}{hit}invalid A 127.0.1.2\n", (sick,)),
        ("the list refuses our resolver", "test A 127.255.255.254\n", (sick,)),
    ):
        case = replace(world, lists={"dbl.test": zone}, target=asking)
        yield case.case(f"list of domains: {name}", *told, is_healthy=not told)
