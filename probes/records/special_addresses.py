"""IP addresses that are no Internet hosts: the special-purpose registries of RFC 6890."""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_NETWORKS: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/32", "unspecified"),
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by a carrier's customers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/29", "IPv4 service continuity"),
    ("192.0.0.170/31", "NAT64 discovery"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relay anycast, deprecated"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("255.255.255.255/32", "broadcast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "local-use NAT64"),
    ("100::/64", "discard-only"),
    ("2001::/32", "Teredo"),
    ("2001:2::/48", "benchmarking"),
    ("2001:10::/28", "ORCHID, deprecated"),
    ("2001:20::/28", "ORCHIDv2"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4, deprecated"),
    ("3fff::/20", "documentation"),
    ("5f00::/16", "segment routing"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local, deprecated"),
    ("ff00::/8", "multicast"),
)
_TABLE: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), name) for network, name in _NETWORKS
)


_METADATA: tuple[tuple[str, str], ...] = (
    ("100.100.100.200/32", "Alibaba Cloud"),
    ("168.63.129.16/32", "Azure"),
    ("192.0.0.192/32", "Oracle Cloud"),
    ("192.80.8.124/32", "Equinix Metal"),
    ("fd00:42::42/128", "Scaleway"),
    ("fd00:a9fe:a9fe::/64", "Linode"),
    ("fd00:c1::/32", "Oracle Cloud"),
    ("fd00:ec2::/32", "AWS"),
    ("fd20:ce::/64", "Google Cloud"),
)
"""Services that clouds give a machine beside 169.254.0.0/16, at addresses of their own."""

_SERVICES: tuple[tuple[IPv4Network | IPv6Network, str], ...] = tuple(
    (ip_network(network), cloud) for network, cloud in _METADATA
)
_METADATA_NAMES = frozenset(
    {
        *("metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal"),
        *("metadata.azure.com", "instance-data", "instance-data.ec2.internal"),
        *("metadata.tencentyun.com", "metadata.platformequinix.com", "metadata.packet.net"),
        *("metadata.oraclecloud.com", "api.metadata.cloud.ibm.com"),
    }
)
_THIS_NETWORK = ip_network("0.0.0.0/8")
_PRIVATE = ip_network("fc00::/7")
_LOW = 0xFFFFFFFF
_EMBEDDING: tuple[tuple[IPv6Network, int], ...] = (
    (IPv6Network("::/96"), 0),  # RFC 4291 §2.5.5.1, IPv4-compatible
    (IPv6Network("::ffff:0:0/96"), 0),  # RFC 4291 §2.5.5.2, IPv4-mapped
    (IPv6Network("::ffff:0:0:0/96"), 0),  # RFC 2765, IPv4-translated
    (IPv6Network("64:ff9b::/96"), 0),  # RFC 6052 §2.1
    (IPv6Network("2002::/16"), 80),  # RFC 3056, 6to4
    (IPv6Network("2001::/32"), 64),  # RFC 4380, Teredo: its server
)
"""Prefixes that stand for IPv4 addresses, and how far right of its bits the address ends."""


class Danger(StrEnum):
    """Why nobody else's DNS may send us to an address."""

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    METADATA = "a metadata service of a cloud"
    MULTICAST = "multicast"


def danger_of(address: str) -> Danger | None:
    """Return why a connection there would not leave this machine or link; None where it would.

    An address of that kind means another host to everybody, or to each machine itself: what a
    domain's DNS says of it can only be a mistake or an attack. An IPv4 address within IPv6 is
    judged as the IPv4 address too, in each of the forms of its prefix. Private networks are no
    danger: people watch their own. Raises ValueError for a text that is no address.
    """
    known = ip_address(address)
    for one in (known, *_embedded(known)):
        danger = _danger(one)
        if danger is not None:
            return danger
    return None


def is_metadata_name(host: str) -> bool:
    """True for a name under which clouds offer their metadata service."""
    return host.lower().rstrip(".") in _METADATA_NAMES


def _danger(address: IPv4Address | IPv6Address) -> Danger | None:
    if any(address in network for network, _ in _SERVICES if network.version == address.version):
        return Danger.METADATA
    if address.is_link_local:
        return Danger.LINK_LOCAL
    if address.is_multicast:
        return Danger.MULTICAST
    # RFC 1122 §3.2.1.3: the system takes the unspecified address for itself
    is_own = address.is_loopback or address.is_unspecified or address in _THIS_NETWORK
    return Danger.LOOPBACK if is_own else None


def _embedded(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses for which an IPv6 address may stand."""
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    if bits in (0, 1):
        return
    for network, shift in _EMBEDDING:
        if address in network:
            yield IPv4Address(bits >> shift & _LOW)
    if address in IPv6Network("2001::/32"):
        yield IPv4Address(~bits & _LOW)  # RFC 4380 §4: the client's address, inverted
    if address in IPv6Network("64:ff9b:1::/48"):
        # RFC 8215: RFC 6052 §2.2's form for a prefix of 96 bits, or for 48 with 8 bits of 0 within
        forms = (bits & _LOW, (bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF)
        yield from (IPv4Address(form) for form in forms if form)
    if bits >> 32 & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE):  # RFC 5214 §6.1, ISATAP
        yield IPv4Address(bits & _LOW)
    if address in _PRIVATE:
        low = IPv4Address(bits & _LOW)
        if _danger(low) in (Danger.LINK_LOCAL, Danger.METADATA):
            yield low  # clouds write their service's IPv4 address there


@lru_cache(maxsize=4096)
def special_use(address: str) -> str | None:
    """The special purpose of an address; None for an ordinary one.

    An IPv4 address within IPv6 (RFC 4291 §2.5.5) is judged as the IPv4 address. Raises ValueError
    for any text that is no IP address.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return special_use(str(parsed.ipv4_mapped)) or "an IPv4 address within IPv6"
    for network, name in _TABLE:  # the first match is the most specific one
        if parsed.version == network.version and parsed in network:
            return name
    return None
