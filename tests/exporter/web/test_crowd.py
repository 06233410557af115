"""A service with few descriptors among clients that only take them: nothing else may notice."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from exporter.web.connections import DESCRIPTORS_SHARE
from tests.support.pages import fetch
from tests.support.ports import reserved_port
from tests.support.serving import Serving, serving
from tests.support.waiting import answered

IDLE = 1000
DRIPPING = 110
DESCRIPTORS = 400
"""Far fewer than the clients; the service itself needs some thirty."""

CONFIG = """\
ehlo_name: watcher.sender.test
listen: '127.0.0.1:{port}'
ledger: '{ledger}'
resolvers: ['127.0.0.1:9']
jobs:
  relay: {{kind: submission, host: 127.0.0.1, port: {smtp}, tls: none, every: 1s}}
"""

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 4000


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """This process needs one for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A submission server that has nothing to offer."""
    writer.write(b"220 relay.test ESMTP\r\n")
    while command := await reader.readline():
        is_end = command.startswith(b"QUIT")
        writer.write(b"221 bye\r\n" if is_end else b"250 relay.test\r\n")
        if is_end:
            break
    writer.close()


async def _drip(port: int) -> None:
    """Send a request octet by octet; begin again when the connection is closed."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for octet in REQUEST:
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(0.1)
        except OSError:
            continue
        finally:
            writer.close()


@asynccontextmanager
async def _crowd(port: int) -> AsyncIterator[None]:
    dripping = [asyncio.create_task(_drip(port)) for _ in range(DRIPPING)]
    async with AsyncExitStack() as stack:
        for _ in range(IDLE):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        try:
            yield
        finally:
            for task in dripping:
                task.cancel()
            await asyncio.gather(*dripping, return_exceptions=True)


async def _runs(service: Serving, verdict: str) -> float:
    values = await service.values("mailcanary_probe_runs_total")
    return values.get(f'probe="relay",verdict="{verdict}"', 0.0)


@pytest.mark.slow("a thousand clients of a service of its own")
@pytest.mark.usefixtures("many_descriptors")
async def test_a_thousand_idle_and_a_hundred_slow_clients_leave_scrapes_and_probes_alone(
    tmp_path: Path,
) -> None:
    config = tmp_path / "mailcanary.yaml"
    smtp = await asyncio.start_server(_talk, "127.0.0.1", 0)
    limited = ("sh", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "sh")
    async with smtp:
        with reserved_port() as port:
            ledger, relay = tmp_path / "ledger.sqlite", smtp.sockets[0].getsockname()[1]
            config.write_text(CONFIG.format(port=port, ledger=ledger, smtp=relay))
            async with serving(config, port, before=limited) as service:
                await answered(lambda: service.values("process_max_fds"), within=40)
                async with _crowd(port):
                    before = await _runs(service, "ok")
                    for _ in range(10):
                        assert "process_open_fds" in await fetch(port, "/metrics")
                    open_fds = (await service.values("process_open_fds"))[""]
                    assert open_fds < DESCRIPTORS / DESCRIPTORS_SHARE + 60

                    async def enough() -> bool:
                        return await _runs(service, "ok") >= before + 3

                    await answered(enough, within=40, every=0.2)
                assert await _runs(service, "failed") == 0
                assert await _runs(service, "untestable") == 0
            log = service.log.read_text()
    assert f"up to {DESCRIPTORS} descriptors" in log
    assert len(log.splitlines()) < 200
