"""What the service manager hears, at a real datagram socket in its place."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from signal import SIGHUP, SIGTERM

import pytest

from exporter.service.service_manager import ServiceManager
from tests.support.ports import reserved_port
from tests.support.serving import QUIET, serving
from tests.support.waiting import until


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def heard(sock: socket.socket) -> list[str]:
    """Every message that waits."""
    messages = []
    while True:
        try:
            messages.append(sock.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.mark.slow("a process starts, reloads and ends")
async def test_a_service_tells_each_step_of_its_life(
    manager: socket.socket, tmp_path: Path
) -> None:
    file, said = tmp_path / "mailcanary.yaml", list[str]()

    def has_heard(text: str) -> bool:
        said.extend(heard(manager))
        return any(text in message for message in said)

    with reserved_port() as port:
        file.write_text(QUIET.format(port=port, ledger=tmp_path / "ledger.sqlite"))
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        async with serving(file, port, environ=environ) as service:
            await until(lambda: has_heard("READY=1"), within=30)
            await until(lambda: has_heard("WATCHDOG=1"), within=30)
            for text in (file.read_text(), "jobs: ["):
                said.clear()
                file.write_text(text)
                service.send(SIGHUP)
                await until(lambda: has_heard("READY=1"), within=30)
                assert said[0].startswith("RELOADING=1\nMONOTONIC_USEC=")
            assert await service.end(SIGTERM) == 0
            said.clear()
            assert has_heard("STOPPING=1")


async def test_the_watchdog_hears_us_twice_in_its_span(
    manager: socket.socket, tmp_path: Path
) -> None:
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "20000"}
    alive = asyncio.create_task(ServiceManager(environ).keep_alive())
    said: list[str] = []
    await until(lambda: said.extend(heard(manager)) or len(said) >= 3)
    alive.cancel()
    assert set(said) == {"WATCHDOG=1"}


@pytest.mark.parametrize(
    ("span", "process", "seconds"),
    [
        ("30000000", "", 30),
        ("30000000", "us", 30),
        ("30000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("-1", "", None),
        ("soon", "", None),
        ("²", "", None),
    ],
)
def test_only_a_watchdog_of_this_process_counts(
    span: str, process: str, seconds: float | None
) -> None:
    process = process.replace("us", str(os.getpid()))
    environ = {"WATCHDOG_USEC": span, "WATCHDOG_PID": process}
    assert ServiceManager(environ).watchdog == seconds


async def test_an_abstract_socket_is_reached() -> None:
    name = f"mailcanary-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        sock.setblocking(False)
        assert heard(sock) == ["READY=1"]


async def test_a_manager_that_is_gone_or_does_not_read_holds_up_nothing(
    manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}).ready()
    assert "the service manager was not told READY=1: " in caplog.text
    caplog.clear()
    full = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    for _ in range(2000):
        full.stopping()
    assert "the service manager was not told STOPPING=1: " in caplog.text
    assert heard(manager)


async def test_without_a_manager_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    alone = ServiceManager({})
    alone.ready()
    await alone.keep_alive()
    assert caplog.text == ""
