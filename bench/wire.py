"""What the wire saw: how long a server that delays every reply took, by the kernel's own stamps.

Neither side's event loop has a part in it: every frame of the loopback device is dated by the
kernel when it comes.
"""

import asyncio
import socket
import struct
import threading
from dataclasses import dataclass

from bench.worker import main, serve

UNDER_TLS = 3
"""Which of the delayed replies to something said is the one to EHLO under TLS."""

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35
_SO_RCVBUFFORCE = 33
_ROOM = 256 * 1024 * 1024
_HEAD = 14 + 20 + 20  # Ethernet, IPv4 and TCP without options
_TIMESPEC = struct.Struct("=qq")
_PORTS = struct.Struct("!HH")


@dataclass(slots=True)
class _Talk:
    """One connection: when its client last said something, and the delayed answers so far."""

    asked: float = 0.0
    answers: int = 0
    took: float | None = None


class Wire:
    """Watches what goes to and from `port` of 127.0.0.1; needs the right to, as root has it.

    `took` has for each client port the seconds of the reply to EHLO under TLS, `delay` being what
    the server waits at least before each reply.
    """

    def __init__(self, port: int, delay: float) -> None:
        self._port = port
        self._least = delay * 0.9
        self._talks: dict[int, _Talk] = {}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("lo", _ETH_P_IP))
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def took(self) -> dict[int, float]:
        return {port: talk.took for port, talk in self._talks.copy().items() if talk.took}

    def _watch(self) -> None:
        while True:
            frame, extra, _, (_, _, kind, *_) = self._socket.recvmsg(_HEAD, 64)
            if kind == socket.PACKET_HOST and len(frame) == _HEAD and frame[23] == 6:
                seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2])
                self._saw(frame, seconds + nanoseconds / 1e9)

    def _saw(self, frame: bytes, at: float) -> None:
        length = int.from_bytes(frame[16:18])
        if length - 20 - (frame[46] >> 4) * 4 <= 0:
            return  # nothing was said
        source, target = _PORTS.unpack_from(frame, 34)
        if target == self._port:
            self._talks.setdefault(source, _Talk()).asked = at
        elif source == self._port and target in self._talks:
            talk = self._talks[target]
            if at - talk.asked >= self._least:
                talk.answers += 1
                if talk.answers == UNDER_TLS:
                    talk.took = at - talk.asked


async def run(port: int, delay: float) -> None:
    """Watch, and tell what was seen whenever it is asked for."""
    wire = Wire(port, delay)

    async def tell(_request: dict[str, object]) -> dict[str, object]:
        return {str(port): took for port, took in wire.took.items()}

    await asyncio.sleep(0)
    await serve(tell, {})


if __name__ == "__main__":
    main(run)
