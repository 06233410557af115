"""Evidence of what arrived, end to end: the service in the mail world, from copy to ledger."""

import io
import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from exporter.config import load
from exporter.demo.faults import find
from exporter.demo.imap_server import INBOX, JUNK
from exporter.demo.scenario import ACCOUNT
from exporter.demo.world import MailWorld
from exporter.ledger.ledger import Ledger
from exporter.ledger.store import Store
from exporter.service.manual_run import run_path, story_json
from exporter.terminal.evidence import evidence_view
from exporter.testbed.servers import dns_server
from exporter.testbed.servers.dns_messages import Misbehaviour
from probes.canary.evidence import Evidence, evidence_json
from probes.canary.lifecycle import Event, Outcome
from probes.records.raw_message import MAX_MESSAGE
from probes.trace import Step
from tests.probes.canary.test_mutation import PEM, PUBLIC
from tests.support.pages import fetch
from tests.support.places import ROOT
from tests.support.processes import PATIENCE
from tests.support.service_rig import Running, record_of, running, write_config
from tests.support.waiting import answered

pytestmark = pytest.mark.slow("a service runs until its canaries are settled")

SIGNED = "    dkim_domain: signed.test\n    dkim_selector: s1\n    dkim_key: {file: key.pem}\n"
KEY = f's1._domainkey TXT "v=DKIM1; p={PUBLIC[:200]}" "{PUBLIC[200:]}"\n'
TRUSTED = ("    type: imap\n", "    type: imap\n    trusted_authserv_ids: [mx.receiver.test]\n")


@pytest.fixture
def world(world: MailWorld) -> MailWorld:
    world.dns.load("signed.test", KEY)
    return world


def signing(
    world: MailWorld, folder: Path, *changes: tuple[str, str], path: str = "direct"
) -> Path:
    """The world's configuration, in which this path signs its canaries for signed.test."""
    (folder / "key.pem").write_bytes(PEM)
    sign = ("    mailbox: inbox\n", f"    mailbox: inbox\n{SIGNED}")
    return write_config(world, folder, sign, *changes, paths=[path])


async def documents(ledger: Ledger, token: str, count: int = 1) -> tuple[dict[str, Any], ...]:
    """The canary's evidence, once there is so much of it."""

    async def found() -> tuple[dict[str, Any], ...]:
        kept = await ledger.evidence(token)
        return kept if len(kept) >= count else ()

    return await answered(found, within=PATIENCE)


async def waiting(run: Running, path: str = "direct") -> str:
    """Send one canary, which the world swallows; its token, once it was handed over."""
    await run.ready()
    run.go()
    await run.heard.until(lambda: any(c.event is Event.HANDED_OVER for c in run.heard.changes))
    return (await record_of(run.ledger, path)).token


def sent_content(folder: Path, token: str) -> bytes:
    store = Store(folder / "ledger.sqlite", is_read_only=True)
    try:
        content = store.evidence._sent(token)
    finally:
        store.close()
    assert content is not None
    return content


def relayed(content: bytes, verdict: str = "dkim=pass header.d=signed.test header.s=s1") -> bytes:
    """As the receiving host hands it on, under its own trace and verdict."""
    now = format_datetime(datetime.now(UTC)).encode()
    trace = b"Received: from out.test by mx.receiver.test with ESMTP id 1;\r\n\t" + now + b"\r\n"
    return trace + f"Authentication-Results: mx.receiver.test; {verdict}\r\n".encode() + content


async def deliver(world: MailWorld, content: bytes, folder: str = INBOX) -> None:
    await world._imap.deliver(ACCOUNT, folder, content)


def report_about(content: bytes) -> bytes:
    """A delivery report that returns the header of a message."""
    header = content.partition(b"\r\n\r\n")[0]
    return (
        b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.receiver.test\r\nSubject: Undelivered\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nThe mailbox is full.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        b"Reporting-MTA: dns; mx.receiver.test\r\n\r\n"
        b"Final-Recipient: rfc822; direct@receiver.test\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        b"\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + header + b"\r\n\r\n--b--\r\n"
    )


def rendered(evidence: Evidence) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(evidence_view(evidence_json(evidence)))
    return console.export_text()


def codes(document: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"]]


# What came as it was sent


async def test_a_canary_that_arrived_whole_has_hops_verdicts_and_nothing_to_complain_of(
    world: MailWorld, tmp_path: Path
) -> None:
    async with running(write_config(world, tmp_path, paths=["healthy"])) as run:
        await run.ready()
        run.go()
        assert await run.heard.outcome("healthy") is Outcome.ARRIVED
        record = await record_of(run.ledger, "healthy")
        (document,) = await documents(run.ledger, record.token)
        assert [hop["by"] for hop in document["hops"]] == ["mail.sender.test", "mx.receiver.test"]
        assert document["hops"][1]["delay_seconds"]["max"] < 3
        assert document["arrival_seconds"]["max"] < 3
        said = {
            one["method"]: (one["result"], one["trusted"]) for one in document["authentication"]
        }
        assert said == {"spf": ("pass", True), "dkim": ("pass", True)}
        assert [one["result"] for one in document["dkim"]] == ["pass"]
        assert document["mutations"] == []
        assert (document["placement"], document["folder"]) == ("inbox", "INBOX")
        assert document["findings"] == []
        dkim = 'path="healthy",by="us",method="dkim",result="pass"'
        assert await run.metric(f"mailcanary_authentication_result{{{dkim}}}") == 1
        hop = 'mailcanary_hop_delay_max_seconds{path="healthy",hop="2"}'
        assert await run.metric(hop) < 3
        changed = 'mailcanary_mutations_total{path="healthy"'
        assert changed not in await fetch(run.port, "/metrics")
        assert await run.ledger.unexamined("inbox") == ()


# What came otherwise, after a restart


async def test_a_footer_is_found_after_a_restart_with_what_it_broke_and_who_says_otherwise(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("loss"))
    file = signing(world, tmp_path, TRUSTED)
    async with running(file) as run:
        token = await waiting(run)
    hop = b"Received: from us.test by out.test with ESMTP id 2\r\n"
    forged = hop + b"Authentication-Results: mx.receiver.test; dmarc=fail\r\n"
    content = relayed(forged + sent_content(tmp_path, token) + b"-- \r\nsold by the footer\r\n")
    async with running(file) as run:
        await run.ready()
        run.go(at_once=False)
        await deliver(world, content)
        assert await run.heard.outcome("direct") is Outcome.ARRIVED
        (document,) = await documents(run.ledger, token)
        assert codes(document) == [
            "arrival.dkim.broken",
            "arrival.dkim.receiver_disagrees",
            "arrival.authentication.forged",
            "arrival.altered.footer_added",
        ]
        (mutation,) = document["mutations"]
        assert mutation["broke"] == ["d=signed.test s=s1"]
        assert "sold by the footer" in mutation["detail"]
        believed = [one["method"] for one in document["authentication"] if one["trusted"]]
        assert believed == ["dkim"]
        kind = 'mailcanary_mutations_total{path="direct",kind="footer_added"}'
        assert await run.metric(kind) == 1
        labels = 'path="direct",code="arrival.dkim.broken",status="failure"'
        assert await run.metric(f"mailcanary_evidence_finding{{{labels}}}") == 1


async def test_evidence_that_a_service_did_not_live_to_make_is_made_by_the_next(
    world: MailWorld, tmp_path: Path
) -> None:
    """The key's server is silent: the first service has settled the canary, and ends meanwhile."""
    await world.apply(find("loss"))
    file = signing(world, tmp_path)
    name = "s1._domainkey.signed.test"
    async with running(file) as run:
        token = await waiting(run)
        world.dns.faults = {(name, "TXT"): dns_server.DnsFault(Misbehaviour.SILENCE)}
        await deliver(world, relayed(sent_content(tmp_path, token)))
        assert await run.heard.outcome("direct") is Outcome.ARRIVED
        assert await run.ledger.evidence(token) == ()
    world.dns.faults = {}
    async with running(file) as run:
        (document,) = await documents(run.ledger, token)
        assert [one["result"] for one in document["dkim"]] == ["pass"]
        assert document["mutations"] == []
        assert run.heard.outcomes("direct") == []


async def test_a_key_that_cannot_be_looked_up_is_our_trouble_and_no_verdict(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("loss"))
    async with running(signing(world, tmp_path)) as run:
        token = await waiting(run)
        world.dns.faults = {
            ("s1._domainkey.signed.test", "TXT"): dns_server.DnsFault(Misbehaviour.SERVFAIL)
        }
        await deliver(world, relayed(sent_content(tmp_path, token)))
        (document,) = await documents(run.ledger, token)
        assert [one["status"] for one in document["dkim"]] == ["key_unavailable"]
        assert [(f["code"], f["status"]) for f in document["findings"]] == [
            ("arrival.dkim.unusable", "untestable")
        ]


async def test_of_a_message_too_large_the_header_is_examined_and_its_body_not_judged(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("loss"))
    async with running(signing(world, tmp_path)) as run:
        token = await waiting(run)
        content = relayed(sent_content(tmp_path, token)) + b"x" * MAX_MESSAGE
        await deliver(world, content, JUNK)
        assert await run.heard.outcome("direct") is Outcome.JUNKED
        (document,) = await documents(run.ledger, token)
        assert document["is_cut"]
        assert codes(document) == ["arrival.message.too_large"]
        assert (document["dkim"], document["mutations"]) == (None, [])
        assert [hop["by"] for hop in document["hops"]] == ["mx.receiver.test"]
        assert (document["placement"], document["folder"]) == ("junk", "Junk")


async def test_each_copy_and_the_bounce_have_evidence_of_their_own(
    world: MailWorld, tmp_path: Path
) -> None:
    await world.apply(find("loss"))
    async with running(signing(world, tmp_path)) as run:
        token = await waiting(run)
        content = sent_content(tmp_path, token)
        await deliver(world, relayed(content))
        await deliver(world, relayed(content.replace(b"Subject: ", b"Subject: [list] ")))
        await deliver(world, report_about(content))
        await run.heard.until(lambda: len(run.heard.outcomes("direct")) == 3)
        first, second, bounced = await documents(run.ledger, token, 3)
        assert first["mutations"] == []
        assert [m["kind"] for m in second["mutations"]] == ["subject_changed"]
        assert codes(first) == []
        assert (bounced["bounce"]["recipient"], bounced["bounce"]["status"]) == (
            "direct@receiver.test",
            "5.2.2",
        )
        assert bounced["mutations"] == []
        labels = 'path="direct",by="us",method="dkim",result="pass"'
        assert await run.metric(f"mailcanary_authentication_result{{{labels}}}") == 1


# Manual runs


def ignore(_step: Step) -> None:
    """Nobody looks at the steps here."""


async def test_a_manual_run_shows_what_its_copy_proves_and_documents_it(
    world: MailWorld, tmp_path: Path
) -> None:
    file = write_config(world, tmp_path, paths=["junked"])
    story = await run_path(load(file), "junked", ignore)
    document = json.loads(json.dumps(story_json(story)))
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    told = re.findall(r"^\| `(\w+)` \|", page.split("run PATH --json`")[1].split("\n# ")[0], re.M)
    assert list(document) == told
    (evidence,) = document["evidence"]
    told = re.findall(r"^\| `(\w+)` \|", page.split("\n# ")[0], re.MULTILINE)
    assert list(evidence) == told
    assert (evidence["placement"], evidence["mutations"]) == ("junk", [])
    assert [hop["by"] for hop in evidence["hops"]] == ["mail.sender.test", "mx.receiver.test"]
    shown = rendered(story.evidence[0])
    assert "mx.receiver.test" in shown
    assert "dkim" in shown
