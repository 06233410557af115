"""`mailcanary diagnose` as a person types it: refusals, Ctrl-C, exit codes, the first line."""

import asyncio
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from exporter.testbed.servers.dns_server import DnsServer
from exporter.testbed.servers.script import Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from tests.servers.certificates import Authority

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow("starts the program as a process")

ZONE = "@ MX 10 mx1\nmx1 A 127.0.0.1"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return Authority(tmp_path_factory.mktemp("authority")).context("mx1.example.test")


@asynccontextmanager
async def world(script: Script) -> AsyncIterator[tuple[list[str], SmtpPeer]]:
    """A domain with one MX host, and the options with which it is found."""
    async with DnsServer({"example.test": ZONE}) as dns, SmtpPeer(script) as peer:
        resolver = f"{dns.address}:{dns.port}"
        yield ["--resolver", resolver, "--smtp-port", str(peer.port), "--only", "mx"], peer


async def started(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter.cli", "diagnose", *arguments),
        stdout=pipe,
        stderr=pipe,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
    )


async def finished(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("192.0.2.1",),
        ("example.test", "--timeout", "soon"),
        ("example.test", "--smtp-port", "x"),
        (),
    ],
)
async def test_what_is_not_understood_is_exit_code_64_in_a_line_or_two(
    arguments: tuple[str, ...],
) -> None:
    code, out, err = await finished(await started(*arguments))
    assert (code, out) == (64, "")
    assert err.startswith("mailcanary: ")
    assert err.count("\n") <= 2


async def test_a_domain_is_diagnosed_from_first_line_to_verdict(context: ssl.SSLContext) -> None:
    async with world(Script(tls=context)) as (options, _):
        code, out, err = await finished(await started("http://example.test/", *options))
    assert (code, err) == (0, "")
    assert out.startswith("example.test  as [127.0.0.1], asking 127.0.0.1\n")
    assert "a URL was given" in out
    assert "✓ Receiving mail Mail for example.test is taken at 1 of 1 addresses" in out


async def test_a_terminal_without_check_marks_gets_what_can_be_read(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    async with world(Script(tls=context)) as (options, _):
        code, out, err = await finished(await started("example.test", *options))
    assert (code, err) == (0, "")
    assert r"\u2713 Receiving mail" in out


async def test_the_json_is_the_only_thing_on_standard_output(context: ssl.SSLContext) -> None:
    async with world(Script()) as (options, _):
        code, out, _ = await finished(await started("joe@example.test", "--json", *options))
    told = json.loads(out)
    assert code == told["exit_code"] == 1
    assert told["address"] == "joe@example.test"


async def test_ctrl_c_ends_it_with_what_is_known() -> None:
    greeted = asyncio.Event()

    class Silent(SmtpPeer):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            greeted.set()
            await super().serve(reader, writer)

    async with (
        DnsServer({"example.test": ZONE}) as dns,
        Silent(Script(on={"connect": (Wait(),)})) as peer,
    ):
        process = await started(
            *("example.test", "--resolver", f"{dns.address}:{dns.port}"),
            *("--smtp-port", str(peer.port), "--only", "mx"),
        )
        async with asyncio.timeout(30):
            await greeted.wait()
        process.send_signal(signal.SIGINT)
        code, out, err = await finished(process)
    assert (code, err) == (3, "")
    assert "dns_mx" in out
    assert "connect" in out
    assert "interrupted after" in out
    assert "Traceback" not in out
