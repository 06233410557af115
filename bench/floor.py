"""The floor: bare asyncio on uvloop, the same dialogue, nothing kept, nothing explained."""

import asyncio
import ssl
import time
from pathlib import Path

from bench.worker import Answer, main, serve


class Dialogue(asyncio.Protocol):
    """Hands out whole replies; knows nothing else."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiter: asyncio.Future[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError())

    def reply(self) -> asyncio.Future[bytes]:
        self._waiter = asyncio.get_running_loop().create_future()
        self._wake()
        return self._waiter

    def _wake(self) -> None:
        buffer = self._buffer
        if not buffer.endswith(b"\n") or self._waiter is None or self._waiter.done():
            return
        start = buffer.rfind(b"\n", 0, -1) + 1
        if buffer[start + 3 : start + 4] == b" ":
            self._buffer = b""
            self._waiter.set_result(buffer)


async def dialogue(port: int, context: ssl.SSLContext | None, name: str) -> float:
    """Banner, EHLO, STARTTLS, TLS, EHLO, QUIT; seconds of the last EHLO."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Dialogue, "127.0.0.1", port)
    await protocol.reply()
    transport.write(b"EHLO probe.test\r\n")
    await protocol.reply()
    taken = 0.0
    if context is not None:
        transport.write(b"STARTTLS\r\n")
        await protocol.reply()
        secure = await loop.start_tls(transport, protocol, context, server_hostname=name)
        if secure is None:
            raise ConnectionResetError
        transport = secure
        began = time.perf_counter()
        transport.write(b"EHLO probe.test\r\n")
        await protocol.reply()
        taken = time.perf_counter() - began
    transport.write(b"QUIT\r\n")
    await protocol.reply()
    transport.close()
    return taken


def context_for(ca: str) -> ssl.SSLContext:
    """A context that verifies by this authority alone."""
    return ssl.create_default_context(cafile=ca)


async def run(ca: str, name: str = "127.0.0.1") -> None:
    """Answer {port, tls, count, together} with the CPU seconds of so many dialogues."""
    context = context_for(ca)

    async def measure(request: Answer) -> Answer:
        left = iter(range(request["count"]))

        async def lane() -> None:
            for _ in left:
                await dialogue(request["port"], context if request["tls"] else None, name)

        began = time.process_time()
        await asyncio.gather(*(lane() for _ in range(request["together"])))
        return {"cpu": time.process_time() - began}

    await serve(measure, {"ca": str(Path(ca))})


if __name__ == "__main__":
    main(run)
