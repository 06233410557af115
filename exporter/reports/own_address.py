"""Which of our addresses packets leave from; loads nothing."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address

_INTERNET = (("192.0.2.1", 53), ("2001:db8::1", 53))
"""Addresses that nobody has (RFC 5737, RFC 3849): the way to them is the way to the Internet."""


def local_address(server: tuple[str, int]) -> str:
    """The address from which packets to `server` leave; sends none. 127.0.0.1 without a route."""
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(server)
        except OSError:
            return "127.0.0.1"
        return str(sock.getsockname()[0])


def address_to_the_internet(others: Sequence[tuple[str, int]] = ()) -> str:
    """The address from which mail leaves, IPv4 first.

    Without a way to the Internet it is the one from which packets to `others` leave.
    """
    found = [local_address(server) for server in (*_INTERNET, *others)]
    return next((one for one in found if not ip_address(one).is_loopback), "127.0.0.1")
