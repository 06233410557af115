"""DNS messages as bytes: a query goes out, the message that answers it comes back."""

import asyncio
import socket
import struct
from collections.abc import Sequence

from probes.net.dns_answer import ServerAddress

_HEADER_BYTES = 12
_UDP_PAYLOAD = 1232  # fits an unfragmented IPv6 packet
_RESPONSE = 0x80
_OPCODE = 0x78
_TRUNCATED = 0x02
# RFC 1035 §4.1.1: recursion desired; RFC 6840 §5.7: AD in a query asks for AD in the answer
_QUERY_FLAGS = 0x0100 | 0x0020
_CHECKING_DISABLED = 0x0010  # RFC 4035 §3.2.2
# RFC 6891 §6.1.2: root, OPT, payload size, extended RCODE and version 0, DO (RFC 3225), no options
_OPT = struct.pack("!BHHBBHH", 0, 41, _UDP_PAYLOAD, 0, 0, 0x8000, 0)
_RCODES_WITHOUT_QUESTION = frozenset({1, 2, 4, 5})  # FORMERR SERVFAIL NOTIMP REFUSED


def query_message(
    query_id: int, question: bytes, *, recursive: bool = True, check_disabled: bool = False
) -> bytes:
    """A query for one question (name, type and class as on the wire)."""
    flags = _QUERY_FLAGS if recursive else 0
    flags |= _CHECKING_DISABLED if check_disabled else 0
    return struct.pack("!HHHHHH", query_id, flags, 1, 0, 0, 1) + question + _OPT


def without_edns(query: bytes, query_id: int) -> bytes:
    """The same query under another id and as it was before EDNS: no OPT record."""
    return struct.pack("!H", query_id) + query[2:10] + b"\0\0" + query[_HEADER_BYTES : _end(query)]


def _end(query: bytes) -> int:
    """Where the question of a query of ours ends."""
    has_opt = query[11] == 1  # ARCOUNT
    return len(query) - (len(_OPT) if has_opt else 0)


def is_truncated(message: bytes) -> bool:
    """The TC flag: the rest of the answer is to be had over TCP."""
    return bool(message[2] & _TRUNCATED)


def is_answer_to(message: bytes, query: bytes) -> bool:
    """Whether `message` answers this very query: id, direction, opcode and question.

    The source address and port were already compared by the connected socket, RFC 5452 §9.1.
    """
    if len(message) < _HEADER_BYTES or message[:2] != query[:2]:
        return False
    if not message[2] & _RESPONSE or (message[2] ^ query[2]) & _OPCODE:
        return False
    questions = int.from_bytes(message[4:6], "big")
    if questions == 0:
        return message[3] & 0x0F in _RCODES_WITHOUT_QUESTION
    end = _end(query)
    name = slice(_HEADER_BYTES, end - 4)
    # RFC 4343 §3: names are compared without regard to case
    return (
        questions == 1
        and message[end - 4 : end] == query[end - 4 : end]
        and message[name].lower() == query[name].lower()
    )


async def ask_udp(
    server: ServerAddress, queries: Sequence[bytes], until: float
) -> tuple[dict[bytes, bytes], OSError | None]:
    """Ask all of `queries` at once: return the first datagram that answers each, and the error.

    Ends when the last one is answered, at `until` by the loop's clock, or with the error of a
    server that cannot be reached. Any other datagram is ignored.
    """
    loop = asyncio.get_running_loop()
    ear = _Ear(queries, loop.create_future())
    # RFC 5452 §9.2: a socket of its own gives every look-up a port of the kernel's choosing
    try:
        sock = socket.socket(_family(server), socket.SOCK_DGRAM)
    except OSError as error:  # no descriptor is left, or this family is not allowed here
        return {}, error
    with sock:
        sock.setblocking(False)
        try:
            sock.connect(server)
            for query in queries:
                sock.send(query)
        except OSError as error:
            return {}, error
        timer = loop.call_at(until, ear.end)
        loop.add_reader(sock, ear.hear, sock)
        try:
            await ear.ended
        finally:
            loop.remove_reader(sock)
            timer.cancel()
    return ear.answers, ear.error


class _Ear:
    """Reads the datagrams of one socket until every query is answered, then sets `ended`."""

    __slots__ = ("answers", "ended", "error", "queries")

    def __init__(self, queries: Sequence[bytes], ended: asyncio.Future[None]) -> None:
        self.queries = queries
        self.ended = ended
        self.answers: dict[bytes, bytes] = {}
        self.error: OSError | None = None

    def hear(self, sock: socket.socket) -> None:
        """Read a datagram for each query, no more: a flood takes turns with everybody else."""
        try:
            for _ in self.queries:
                self._take(sock.recv(0xFFFF))
        except BlockingIOError:
            return
        except OSError as error:
            self.error = error
            self.end()

    def _take(self, message: bytes) -> None:
        for query in self.queries:
            if query not in self.answers and is_answer_to(message, query):
                self.answers[query] = message
        if len(self.answers) == len(self.queries):
            self.end()

    def end(self) -> None:
        """Wait no longer."""
        if not self.ended.done():
            self.ended.set_result(None)


async def ask_tcp(server: ServerAddress, query: bytes) -> bytes:
    """Return the message that `server` sends over TCP, not parsed.

    Has no timeout of its own. Raises OSError when the server cannot be reached or closes before the
    message is whole.
    """
    loop = asyncio.get_running_loop()
    with socket.socket(_family(server), socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, server)
        # RFC 1035 §4.2.2: the length goes before the message; RFC 7766 §8: in one segment
        await loop.sock_sendall(sock, struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await _receive(sock, 2))
        return await _receive(sock, length)


async def _receive(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    while len(data) < size:
        chunk = await loop.sock_recv(sock, size - len(data))
        if not chunk:
            raise ConnectionResetError("the TCP connection was closed before the answer was whole")
        data += chunk
    return bytes(data)


def _family(server: ServerAddress) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET
