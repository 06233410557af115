"""One TCP connection to one address: no name resolution, no second address, no hidden timeout."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from probes.net.errors import NetError, mapped
from probes.records.special_addresses import Danger, danger_of, is_metadata_name
from probes.result import Owner, Reason

_BIND_ADDRESS_NO_PORT = 24  # Linux, ip(7); the socket module names it from 3.12 on only

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

Route = Callable[[str, int], tuple[str, int]]
"""Where to connect instead of (address, port): a NAT, a proxy, or a test's loopback ports."""


_EFFECTS = {
    Danger.LOOPBACK: "a sender that connects there reaches itself (`allow_loopback` permits it)",
    Danger.LINK_LOCAL: "no other network reaches a host there",
    Danger.METADATA: "machines of a cloud reach their own data there, and nobody else anything",
    Danger.MULTICAST: "no connection to it is possible",
}


@dataclass(frozen=True, slots=True)
class Dialer:
    """How connections leave this machine.

    `source_v4` and `source_v6` are the local addresses to use per family (None: the system
    chooses); `route` redirects the connection without the caller seeing it. `allow_loopback` lets
    `require_elsewhere` pass this machine's own addresses.
    """

    source_v4: str | None = None
    source_v6: str | None = None
    route: Route | None = None
    allow_loopback: bool = False

    def require_elsewhere(self, address: str, host: str) -> None:
        """Raise NetError for an address of `host` that a stranger's DNS may not send us to.

        To be called before connecting to an address that the probed domain names itself. It is for
        metadata services, the local link and, without `allow_loopback`, this machine.
        """
        danger = Danger.METADATA if is_metadata_name(host) else danger_of(address)
        if danger is None or (danger is Danger.LOOPBACK and self.allow_loopback):
            return
        raise NetError(
            Reason.UNREACHABLE,
            f"{host} points to {address} ({danger}): {_EFFECTS[danger]}; it was not connected to",
            owner=Owner.RECEIVER_DNS,
            is_transient=False,
        )

    async def connect(self, address: str, port: int, *, source: str | None = None) -> socket.socket:
        """A connected, non-blocking socket with TCP_NODELAY set; the caller owns it.

        `address` is an IP address; a name is refused. Raises NetError; on any failure and on
        cancellation the socket is closed first.
        """
        to_address, to_port, local = self._way(address, port, source)
        with mapped(f"{address} port {port}"):
            return await _connect(to_address, to_port, local)

    async def open(
        self,
        factory: Callable[[], ProtocolT],
        address: str,
        port: int,
        *,
        source: str | None = None,
    ) -> ProtocolT:
        """Connect as `connect` does, with a protocol of `factory` on the connection.

        Without a source address the event loop connects by itself: measured under uvloop, that
        costs half as much as giving it a connected socket.
        """
        to_address, to_port, local = self._way(address, port, source)
        loop = asyncio.get_running_loop()
        with mapped(f"{address} port {port}"):
            if local is None:
                _, protocol = await loop.create_connection(factory, to_address, to_port)
                return protocol
            sock = await _connect(to_address, to_port, local)
            try:
                _, protocol = await loop.create_connection(factory, sock=sock)
            except BaseException:
                sock.close()
                raise
            return protocol

    def _way(self, address: str, port: int, source: str | None) -> tuple[str, int, str | None]:
        """Where the connection really goes, and from which local address (None: any)."""
        _require_numeric(address)
        to_address, to_port = self.route(address, port) if self.route else (address, port)
        return to_address, to_port, source or self._default_source(to_address)

    def _default_source(self, address: str) -> str | None:
        return self.source_v6 if ":" in address else self.source_v4


async def _connect(address: str, port: int, source: str | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source is not None:
            _bind(sock, source, address)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _bind(sock: socket.socket, source: str, address: str) -> None:
    if (":" in source) != (":" in address):
        raise NetError(
            Reason.UNTESTABLE,
            f"the source address {source} is of another family than {address}",
            owner=Owner.CONFIGURATION,
        )
    with suppress(OSError):  # Linux: the port is chosen at connect time, so it can be shared
        sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((source, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        raise NetError(
            Reason.UNTESTABLE,
            f"the source address {source} is not an address of this machine",
            owner=Owner.CONFIGURATION,
        ) from error


@lru_cache(maxsize=4096)
def canonical(address: str) -> str:
    """An IP address in the usual one of its spellings. Raises ValueError for anything else."""
    return str(ipaddress.ip_address(address))


def _require_numeric(address: str) -> None:
    try:
        canonical(address)
    except ValueError:
        raise NetError(
            Reason.UNTESTABLE, f"not an IP address: {address!r}", owner=Owner.MONITOR
        ) from None
