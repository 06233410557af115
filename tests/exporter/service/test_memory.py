"""What changes about a target, as a user sees it: the service, its metrics, commands beside it."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from exporter.commands.history import history
from exporter.commands.show import show
from exporter.commands.status import status
from exporter.service.runs import finish, probe
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault, DnsServer
from exporter.testbed.servers.smtp import Script, SmtpPeer
from tests.servers.certificates import Authority
from tests.support.processes import MAILCANARY, finished
from tests.support.service_rig import Running, running

pytestmark = pytest.mark.slow("starts the program as a process")

HOST = "mx1.example.test"
ONE = "@ MX 10 mx1\nmx1 A 127.0.0.1"
TWO = f"{ONE}\n@ MX 20 mx2\nmx2 A 127.0.0.1"
ASPECTS = ("mx", "certificate", "capabilities")


@pytest.fixture(scope="module")
def contexts(authority: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Two certificates for the same host."""
    return authority.context(HOST), authority.context(HOST)


@dataclass
class Target:
    """A domain with its servers, a service whose job probes it, and how often that has run."""

    dns: DnsServer
    peer: SmtpPeer
    file: Path
    service: Running
    ticks: int = 0

    async def run(self) -> None:
        """The job runs as the schedule starts it, and what it found is on the disk."""
        service = self.service.service
        self.ticks += 1
        run = await probe(service.config.jobs["reach"], self.ticks, service.net())
        finish(run, service.run_buffer, service.publisher)
        assert await service.run_buffer.write()

    async def changes(self, aspect: str) -> float:
        labels = f'probe="reach",aspect="{aspect}"'
        return await self.service.metric(f"mailcanary_probe_target_changes_total{{{labels}}}")

    def die(self) -> None:
        """No host can be found any more."""
        for name in (HOST, "mx2.example.test"):
            self.dns.faults[name, "*"] = DnsFault(Misbehaviour.NXDOMAIN)


@pytest.fixture
def script(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Script:
    return Script(tls=contexts[0], extensions=("8BITMIME", "PIPELINING", "SIZE 1000000"))


@asynccontextmanager
async def watched(script: Script, folder: Path) -> AsyncIterator[Target]:
    async with DnsServer({"example.test": ONE}) as dns, SmtpPeer(script) as peer:
        file = folder / "mailcanary.yaml"
        job = f"{{kind: mx, domain: example.test, port: {peer.port}, every: 1h}}"
        file.write_text(
            f"ehlo_name: probe.example.test\nledger: {folder}/ledger.sqlite\n"
            f'resolvers: ["127.0.0.1:{dns.port}"]\nallow_loopback: true\njobs:\n  reach: {job}\n'
        )
        async with running(file) as service:
            yield Target(dns, peer, file, service)


async def test_what_changes_is_counted_once_and_told_with_before_and_after(
    script: Script,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with watched(script, tmp_path) as target:
        await target.run()
        await target.run()
        assert [await target.changes(one) for one in ("mx", "certificate", "capabilities")] == [
            0
        ] * 3
        target.dns.load("example.test", TWO)
        extensions = ("8BITMIME", "SIZE 5000")
        target.peer.script = replace(script, tls=contexts[1], extensions=extensions)
        await target.run()
        await target.run()
        assert [await target.changes(one) for one in ("mx", "certificate", "capabilities")] == [
            1
        ] * 3
        assert history("reach", target.file, 5, True) == 0
        document = json.loads(capsys.readouterr().out)
        by_aspect = {one["aspect"]: one for one in document["changes"]}
        assert {one["tick"] for one in document["changes"]} == {3}
        assert by_aspect["mx"]["before"] == f"10 {HOST}"
        assert by_aspect["mx"]["after"] == f"10 {HOST}, 20 mx2.example.test"
        assert by_aspect["certificate"]["visible_by"] is None
        assert by_aspect["certificate"]["subject"] == f"{HOST} [127.0.0.1]"
        assert history("reach", target.file, 5, False) == 0
        told = capsys.readouterr().out
        assert "gone PIPELINING, SIZE 1000000" in told
        assert "new  SIZE 5000" in told
        assert "new  20 mx2.example.test" in told
        assert "seen by everybody by 20" in told
        assert show("reach/3", target.file, False) == 1  # mx2 is not in the certificate
        assert "MX records of example.test" in capsys.readouterr().out


async def test_a_failure_stands_beside_what_is_different_since_the_last_good_run(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with watched(script, tmp_path) as target:
        await target.run()
        target.dns.load("example.test", "@ MX 10 wrong\n" + ONE.partition("\n")[2])
        await target.run()
        await target.run()
        assert show("reach", target.file, False) == 2
        told = capsys.readouterr().out
        assert "beside the last good run" in told
        assert "changed since its last good run (20" in told
        assert f"was  10 {HOST}" in told
        assert "is   10 wrong.example.test" in told
        assert show("reach/1", target.file, True) == 0
        assert json.loads(capsys.readouterr().out)["last_good"] is None
        assert status(target.file, True) == 2
        (job,) = json.loads(capsys.readouterr().out)["jobs"]
        (difference,) = job["last_good"]["differences"]
        assert (difference["before"], difference["after"]) == (
            f"10 {HOST}",
            "10 wrong.example.test",
        )
        assert status(target.file, False) == 2
        assert "changed since its last good run" in capsys.readouterr().out


async def test_a_change_that_came_before_the_last_good_run_is_told_with_the_failure(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with watched(script, tmp_path) as target:
        await target.run()
        target.dns.load("example.test", TWO)
        await target.run()
        target.die()
        await target.run()
        assert show("reach", target.file, False) == 2
        told = capsys.readouterr().out
    assert "nothing that is compared has changed since its last good run" in told
    assert "changed on the day before:" in told
    assert "new  20 mx2.example.test" in told


async def test_a_diagnosis_is_compared_with_the_last_good_run_of_the_service(
    script: Script, tmp_path: Path
) -> None:
    async with watched(script, tmp_path) as target:
        await target.run()
        (compared,) = await since_good(target)
        assert (compared["job"], compared["differences"]) == ("reach", [])
        target.peer.script = replace(script, tls=None)
        await target.run()
        target.die()
        await target.run()
        target.dns.faults.clear()
        (compared,) = await since_good(target)
        assert compared["differences"] == []
        target.peer.script = script
        (compared,) = await since_good(target)
        (difference,) = compared["differences"]
        assert difference["aspect"] == "capabilities"
        assert "STARTTLS" not in difference["before"]
        assert "STARTTLS" in difference["after"]
        told = await diagnosed(target)
    assert "Changed since the good run of 20" in told
    assert "new  STARTTLS" in told


async def diagnosed(target: Target, *options: str) -> str:
    """What a person beside the service is told."""
    resolver, port = f"127.0.0.1:{target.dns.port}", str(target.peer.port)
    where = ("--resolver", resolver, "--smtp-port", port, "--config", str(target.file))
    command = (
        *MAILCANARY,
        "diagnose",
        "--allow-loopback",
        "example.test",
        *where,
        "--only",
        "mx",
        *options,
    )
    _, out, err = await finished(*command, environ={"COLUMNS": "100"})
    assert "Traceback" not in err
    return out


async def since_good(target: Target) -> Any:
    """The same as JSON: what is different, by job."""
    return json.loads(await diagnosed(target, "--json"))["since_good"]
