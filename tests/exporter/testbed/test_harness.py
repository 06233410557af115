"""The harness without a fault, and a verdict's words where the result is wrong."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.testbed.faults.all_faults import FAULTS
from exporter.testbed.faults.fault import Fault, ProbeUnderTest, broken, fine, found
from exporter.testbed.faults.harness import TOKEN, Harness
from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.imap import ImapPeer
from exporter.testbed.servers.peer import FullQueue, NobodyThere
from exporter.testbed.servers.script import Close, Flood, HalfClose, Line, Say, Send, StartTls, Wait
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.canary.message import recognise
from probes.result import Owner, Phase, Reason


@pytest.mark.parametrize("under_test", ProbeUnderTest)
async def test_without_a_fault_every_probe_succeeds_and_finds_no_fault(
    under_test: ProbeUnderTest, authority: Authority
) -> None:
    healthy = Fault("no fault", under_test, fine(), patience=5)
    async with Harness(healthy, authority) as harness:
        result = await harness.run()
    assert result.ok, result.failure
    assert found(result) <= {"mx.host_special_address"}  # which is true of the harness


def test_the_harness_has_a_real_canary() -> None:
    assert recognise(f"X-Mailcanary: {TOKEN}\r\n\r\n".encode()) == TOKEN


async def test_a_verdict_names_everything_that_is_said_otherwise(authority: Authority) -> None:
    fault = FAULTS["SMTP: the greeting is 554"]
    async with Harness(fault, authority) as harness:
        result = await harness.run()
    assert fault.verdict.objections(result) == []
    (objection,) = fine().objections(result)
    assert objection.startswith("(greeting, rejected, receiver_mx) instead of success")
    other = broken(Phase.EHLO, Reason.REJECTED, Owner.RECEIVER_MX, "smtp.ehlo.refused")
    assert len(replace(other, facts={"tls.version": "TLSv1.3"}).objections(result)) == 3


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_as_a_sentence_and_its_verdict_is_whole(name: str) -> None:
    verdict = FAULTS[name].verdict
    assert name.partition(": ")[2][0].isalpha()
    parts = (verdict.phase, verdict.reason, verdict.owner)
    assert all(parts) or not any(parts)


async def hear(peer: SmtpPeer | ImapPeer) -> bytes:
    """All that a client who says nothing is told, b"!" at the end of it for a reset."""
    said = b""
    async with asyncio.timeout(10), peer:
        reader, writer = await asyncio.open_connection(peer.address, peer.port)
        try:
            while data := await reader.read(4096):
                said += data
        except ConnectionResetError:
            said += b"!"
        writer.close()
        with suppress(ConnectionResetError):
            await writer.wait_closed()
    return said


@pytest.mark.parametrize(
    ("script", "heard"),
    [
        (Script(on={"connect": (Say("220 a", "b"), Close())}), b"220 a\r\nb\r\n"),
        (Script(on={"connect": (Send(b"abc", 0.0, 2), Close())}), b"abc"),
        (Script(on={"connect": (Send(b"abc"), HalfClose(), Wait())}), b"abc"),
        (Script(on={"connect": (Flood(b"xy", limit=7), Close())}), b"xyxyxyxy"),
        (Script(cut_after=5), b"220 p"),
        (Script(cut_after=5, piece=2), b"220 p"),
    ],
)
async def test_an_act_is_what_the_client_sees(script: Script, heard: bytes) -> None:
    assert await hear(SmtpPeer(script)) == heard


async def test_a_bug_of_a_server_is_not_hidden() -> None:
    begins_tls_without_a_certificate = SmtpPeer(Script(on={"connect": (StartTls(),)}))
    with pytest.raises(ValueError, match="needs a context"):
        await hear(begins_tls_without_a_certificate)


async def test_a_reset_is_a_reset() -> None:
    said = await hear(SmtpPeer(Script(on={"connect": (Wait(0.02), Close(reset=True))})))
    assert said == b"!"


async def test_the_line_is_below_every_protocol() -> None:
    assert await hear(ImapPeer(line=Line(cut_after=4))) == b"* OK"


async def test_a_full_queue_neither_takes_nor_refuses_a_connection() -> None:
    async with FullQueue() as queue:
        with socket.socket() as client:
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.connect((queue.address, queue.port))


async def test_where_nobody_is_connections_are_refused() -> None:
    async with NobodyThere() as nobody:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(nobody.address, nobody.port)


def test_the_authoritys_file_is_all_it_leaves(tmp_path: Path) -> None:
    Authority(tmp_path).context("mx.liar.test")
    assert [file.name for file in tmp_path.iterdir()] == ["ca.pem"]
