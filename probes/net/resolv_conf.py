"""The servers in resolv.conf(5), as the C library reads them."""

import re
import socket
from ipaddress import IPv6Address, ip_address
from pathlib import Path

MAX_SERVERS = 3
"""Servers of resolv.conf(5) that are asked, as by the C library."""

_OLD_IPV4 = re.compile(r"[0-9a-fA-FxX]{1,12}(?:\.[0-9a-fA-FxX]{1,12}){0,3}")
_RESOLV_CONF_BYTES = 64 * 1024


def nameservers(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The addresses of the servers, and the lines that should name one and do not."""
    try:
        with path.open("rb") as file:
            text = file.read(_RESOLV_CONF_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    named: list[str] = []
    ignored: list[str] = []
    for line in text.split("\n"):
        word, *rest = line.split(maxsplit=2) or [""]
        if word != "nameserver":
            continue
        address = _system_address(rest[0]) if rest else None
        if address is None or len(named) == MAX_SERVERS:
            ignored.append(ascii(line.strip())[1:-1][:100])
        else:
            named.append(address)
    return tuple(named) or ("127.0.0.1",), tuple(ignored[:MAX_SERVERS])


def _system_address(text: str) -> str | None:
    """An address as resolv.conf(5) has it: IPv4, or IPv6 with a zone; None for anything else."""
    try:
        address = ip_address(text)
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return text if _has_interface(address.scope_id) else None
        return str(address)
    except ValueError:
        return _old_ipv4(text)


def _has_interface(scope: str) -> bool:
    """True if the zone of an address is one of this machine's interfaces."""
    try:
        return scope.isdigit() or socket.if_nametoindex(scope) > 0
    except OSError:
        return False


def _old_ipv4(text: str) -> str | None:
    """The C library reads `127.1` and `0x7f000001` too."""
    if not _OLD_IPV4.fullmatch(text):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(text))
    except OSError:
        return None
