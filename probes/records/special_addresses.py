"""IP addresses that are no Internet hosts: the special-purpose registries of RFC 6890."""

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


_METADATA = frozenset({"100.100.100.200", "192.0.0.192", "fd00:ec2::254"})
"""Addresses of cloud metadata services beside 169.254.0.0/16."""

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052 §2.1


def is_link_local_or_metadata(address: str) -> bool:
    """True for the local link, multicast, the unspecified address and metadata services.

    A host there may answer this machine as no other, so documents of strangers are never fetched
    from it. Loopback and private addresses may belong to an internal mail domain. An IPv4 address
    within IPv6 (RFC 4291 §2.5.5, RFC 6052) is judged as itself.
    """
    known = ip_address(address)
    if isinstance(known, IPv6Address):
        known = known.ipv4_mapped or known
    if known in _NAT64:
        known = IPv4Address(int(known) & 0xFFFFFFFF)
    is_odd = known.is_link_local or known.is_multicast or known.is_unspecified
    return is_odd or str(known) in _METADATA


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
