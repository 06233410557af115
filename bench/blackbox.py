"""blackbox_exporter as the peer: its own process, our dialogue, driven as Prometheus drives it."""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.probing import resident_mb
from tests.support.ports import reserved_port
from tests.support.waiting import answered, listens

PROGRAM = "prometheus-blackbox-exporter"
START_WITHIN = 10.0

_MODULES = r"""
modules:
  plain:
    prober: tcp
    timeout: 60s
    tcp:
      query_response:
        - expect: "^220 "
        - send: "EHLO probe.test\r"
        - expect: "^250 "
        - send: "QUIT\r"
        - expect: "^221 "
  starttls:
    prober: tcp
    timeout: 60s
    tcp:
      query_response:
        - expect: "^220 "
        - send: "EHLO probe.test\r"
        - expect: "^250 "
        - send: "STARTTLS\r"
        - expect: "^220 "
        - starttls: true
        - send: "EHLO probe.test\r"
        - expect: "^250 "
        - send: "QUIT\r"
        - expect: "^221 "
  mx:
    prober: dns
    timeout: 5s
    dns:
      query_name: bench.test
      query_type: MX
      transport_protocol: udp
      preferred_ip_protocol: ip4
"""


class PeerError(Exception):
    """The peer is missing or does not do what it is asked for."""


@dataclass(frozen=True, slots=True)
class Blackbox:
    """A running blackbox_exporter; its CPU is counted in clock ticks of its own process."""

    pid: int
    port: int

    def cpu(self) -> float:
        """Seconds its threads have run so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        """Resident memory in 10^6 bytes."""
        return resident_mb(self.pid)

    async def probe(
        self, module: str, target_port: int, count: int, together: int, *, seconds: float = 0.0
    ) -> None:
        """So many probes over `together` kept connections, spread over so many `seconds`.

        Raises PeerError when one fails.
        """
        left = iter(range(count))
        began = time.monotonic()
        path = f"/probe?module={module}&target=127.0.0.1:{target_port}"

        async def lane() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                for number in left:
                    due = began + seconds * number / count
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    await _get(reader, writer, path)
            finally:
                writer.close()

        await asyncio.gather(*(lane() for _ in range(together)))


async def _get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"chunked" in head:
        body = await reader.readuntil(b"\r\n0\r\n\r\n")
    else:
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = await reader.readexactly(length)
    if b"probe_success 1" not in body:
        raise PeerError(f"blackbox_exporter failed at {path}")


@asynccontextmanager
async def blackbox(folder: Path, ca: Path) -> AsyncIterator[Blackbox]:
    """Start one that trusts `ca` (read once, as its system pool), ended at the end."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise PeerError(f"{PROGRAM} is not installed")
    file = folder / "blackbox.yml"
    file.write_text(_MODULES, "ascii")
    with reserved_port() as port:
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={file}",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "SSL_CERT_FILE": str(ca), "SSL_CERT_DIR": str(folder)},
        )
        try:
            await answered(lambda: listens(port), within=START_WITHIN)
            yield Blackbox(process.pid, port)
        finally:
            process.kill()
            await process.wait()
