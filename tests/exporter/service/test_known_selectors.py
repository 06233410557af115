"""Selectors learnt from canaries, end to end: the service in the mail world, commands beside it."""

import json
from pathlib import Path
from typing import Any

import pytest

from exporter.commands.diagnose import diagnose_now
from exporter.config import load
from exporter.demo.scenario import SENDER_DOMAIN
from exporter.demo.world import MailWorld
from exporter.diagnose.request import Format, Orders, Shape, Typed, read_request
from exporter.model import Job
from exporter.service.manual_run import run_job
from exporter.service.runs import probe
from probes.canary.lifecycle import Outcome
from probes.kinds.sender.probe import SenderTarget
from probes.options import Domain
from probes.result import Part, ProbeResult, Reason
from tests.support.pages import fetch
from tests.support.processes import MAILCANARY, PATIENCE, finished
from tests.support.service_rig import Running, record_of, running, write_config
from tests.support.waiting import answered

pytestmark = pytest.mark.slow("a service runs until its canaries are settled")

JOB = "jobs:\n", f"jobs:\n  ours:\n    kind: sender\n    domain: {SENDER_DOMAIN}\n    every: 1h\n"
NO_LISTS = JOB[1] + "    block_lists: []\n"


async def one_canary(run: Running) -> None:
    """It arrives, and what it proves is in the ledger."""
    await run.ready()
    run.go()
    assert await run.heard.outcome("healthy") is Outcome.ARRIVED
    token = (await record_of(run.ledger, "healthy")).token
    await answered(lambda: run.ledger.evidence(token), within=PATIENCE)


def keys(result: ProbeResult) -> list[Part]:
    return [part for part in result.parts if "._domainkey." in part.host]


def without_key(world: MailWorld) -> None:
    world.dns.load(
        SENDER_DOMAIN, '@ TXT "v=spf1 ip4:127.0.0.1 -all"\n_dmarc TXT "v=DMARC1; p=none"'
    )


async def probed(run: Running) -> ProbeResult:
    """The job as the schedule starts it."""
    job = await run.service.starter.with_known_selectors(run.service.config.jobs["ours"])
    return (await probe(job, 1, run.service.net())).result


async def test_a_job_probes_the_keys_that_signed_canaries_and_says_when_one_has_gone(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, (JOB[0], NO_LISTS), paths=["healthy"])
    async with running(file) as run:
        assert keys(await probed(run)) == []
        await one_canary(run)
        (part,) = keys(await probed(run))
        assert part.ok
        assert part.facts["dkim.selector_is_learnt"] is True
        page = await fetch(run.port, f"/probe?target={SENDER_DOMAIN}&module=sender&debug=true")
        assert part.host in page
        other = Job("x", "sender", SenderTarget(Domain("other.test")), every=60.0, deadline=10.0)
        assert (await run.service.starter.with_known_selectors(other)).target.learnt == ()
        without_key(world)
        result = await probed(run)
    assert result.failure is not None
    assert result.failure.reason is Reason.RECORD_MISSING
    (finding,) = keys(result)[0].findings
    assert finding.code == "dkim.key_missing"
    assert "the selector was learnt: it last signed a canary of 20" in finding.evidence


async def test_commands_beside_the_service_know_what_it_learnt(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, (JOB[0], NO_LISTS), paths=["healthy"])
    (before,) = [await run_job(load(file), "ours", lambda _: None)]  # no ledger yet
    assert keys(before) == []
    async with running(file) as run:
        await one_canary(run)
        (part,) = keys(await run_job(load(file), "ours", lambda _: None))
        assert part.ok
        diagnosis = await diagnosed(world, file)
    parts = {found["host"]: found["facts"] for found in diagnosis["areas"][0]["result"]["parts"]}
    assert parts[part.host]["dkim.selector_is_learnt"] is True


async def test_a_job_of_another_kind_is_as_it_was(world: MailWorld, tmp_path: Path) -> None:
    file = write_config(world, tmp_path, paths=["healthy"])
    async with running(file) as run:
        for job in run.service.config.jobs.values():
            assert await run.service.starter.with_known_selectors(job) is job


async def test_a_ledger_that_does_not_answer_leaves_the_job_what_is_configured(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, (JOB[0], NO_LISTS), paths=["healthy"])
    async with running(file) as run:
        await run.ledger.close()
        job = run.service.config.jobs["ours"]
        assert await run.service.starter.with_known_selectors(job) is job
        assert await run.metric("mailcanary_ledger_errors_total") >= 1


def test_a_configuration_that_is_none_is_told_before_anything_is_diagnosed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("paths: [\n")
    typed = Typed(SENDER_DOMAIN, config=str(file), resolver=("127.0.0.1",))
    orders = Orders((read_request(typed),), Shape(Format.JSON))
    assert diagnose_now(orders) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert "broken.yaml" in err


async def diagnosed(world: MailWorld, file: Path) -> dict[str, Any]:
    """The document of the command, as somebody beside the service gets it."""
    resolver = f"{world.dns.address}:{world.dns.port}"
    options = ("--json", "--only", "sender", "--resolver", resolver, "--config", str(file))
    command = (*MAILCANARY, "diagnose", SENDER_DOMAIN, *options)
    _, out, err = await finished(*command, within=2 * PATIENCE)
    assert err == ""
    document: dict[str, Any] = json.loads(out)
    return document
