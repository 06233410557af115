"""`mailcanary diagnose` as a person types it: refusals, Ctrl-C, exit codes, the first line."""

import asyncio
import json
import re
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from exporter.testbed.servers.dns_server import DnsServer
from exporter.testbed.servers.script import Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from tests.servers.certificates import Authority
from tests.support.processes import MAILCANARY, finished, started

pytestmark = pytest.mark.slow("starts the program as a process")

DIAGNOSE = (*MAILCANARY, "diagnose", "--allow-loopback")
SCREEN = {"COLUMNS": "100"}
ZONE = "@ MX 10 mx1\nmx1 A 127.0.0.1"


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return authority.context("mx1.example.test")


@asynccontextmanager
async def world(script: Script) -> AsyncIterator[tuple[list[str], SmtpPeer]]:
    """A domain with one MX host, and the options with which it is found."""
    async with DnsServer({"example.test": ZONE}) as dns, SmtpPeer(script) as peer:
        resolver = f"{dns.address}:{dns.port}"
        yield (
            [
                "--resolver",
                resolver,
                "--smtp-port",
                str(peer.port),
                "--only",
                "mx",
                "--allow-loopback",
            ],
            peer,
        )


async def diagnosed(*arguments: str) -> tuple[int | None, str, str]:
    """The command's exit code, and what it wrote."""
    return await finished(*DIAGNOSE, *arguments, environ=SCREEN)


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
    code, out, err = await diagnosed(*arguments)
    assert (code, out) == (64, "")
    assert err.startswith("mailcanary: ")
    assert err.count("\n") <= 2


async def test_a_domain_is_diagnosed_from_first_line_to_verdict(context: ssl.SSLContext) -> None:
    async with world(Script(tls=context)) as (options, _):
        code, out, err = await diagnosed("http://example.test/", *options)
    assert code == 0
    first, note, *steps = err.splitlines()
    assert re.fullmatch(r"example\.test  as \S+, asking 127\.0\.0\.1", first)
    assert note.startswith("a URL was given")
    assert {line.split()[1] for line in steps} >= {"dns_mx", "connect", "ehlo"}
    verdict, *_, last = out.splitlines()
    assert verdict == last
    assert verdict.startswith("✓ example.test: OK: answers the handshake; whether it takes mail")


async def test_a_terminal_without_check_marks_gets_what_can_be_read(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    async with world(Script(tls=context)) as (options, _):
        code, out, err = await diagnosed("example.test", *options)
    assert code == 0
    assert "Traceback" not in err
    assert r"\u2713 Receiving mail" in out


async def test_the_json_is_the_only_thing_on_standard_output(context: ssl.SSLContext) -> None:
    async with world(Script()) as (options, _):
        code, out, _ = await diagnosed("joe@example.test", "--json", *options)
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
        arguments = ["--resolver", f"{dns.address}:{dns.port}", "--smtp-port", str(peer.port)]
        command = (*DIAGNOSE, "example.test", *arguments, "--only", "mx", "--allow-loopback")
        async with started(*command, environ=SCREEN) as process:
            async with asyncio.timeout(30):
                await greeted.wait()
                process.send_signal(signal.SIGINT)
                octets = await process.communicate()
    out, err = (text.decode() for text in octets)
    assert process.returncode == 3
    assert "dns_mx" in err
    assert "connect" in err
    assert "interrupted after" in out
    assert "Traceback" not in out + err
