"""`mailcanary explain` and the document it promises."""

import json
import re
from pathlib import Path

import pytest

from exporter.commands.explain import explain_message
from exporter.reports.message_verdict import message_verdict
from exporter.testbed.servers.dns_server import DnsServer
from probes.canary.evidence import evidence_json
from probes.net.resolver import Resolver
from probes.records.signatures.dkim_verification import DkimStatus
from tests.support.places import ROOT
from tests.support.processes import mailcanary

BOUNCES = sorted((ROOT / "tests" / "corpus" / "bounces").glob("*.eml"))
CORPUS = {file.stem: file.read_bytes() for file in BOUNCES}
PLAIN = b"From: a@sender.test\r\nTo: b@reader.test\r\nSubject: x\r\n\r\ntext\r\n"
SIGNED = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=sender.test; s=s1; h=from; bh=AAAA; b=AAAA\r\n" + PLAIN
)


async def test_every_key_of_the_document_is_documented_and_the_reverse() -> None:
    evidence = await explain_message(PLAIN, None)
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    documented = re.findall(r"^\| `(\w+)` \|", page.split("\n# ")[0], re.MULTILINE)
    assert documented == list(evidence_json(evidence))


@pytest.mark.parametrize("message", CORPUS.values(), ids=CORPUS)
async def test_every_message_of_the_corpus_gives_a_document(message: bytes) -> None:
    evidence = await explain_message(message, None)
    assert json.loads(json.dumps(evidence_json(evidence)))["version"] == 1


async def test_a_key_that_is_not_there_is_told_from_one_that_could_not_be_asked_for() -> None:
    zone = "@ 60 IN SOA ns hostmaster 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n"
    async with DnsServer({"sender.test": zone}) as server:
        resolver = Resolver(((server.address, server.port),))
        missing = await explain_message(SIGNED, resolver)
    silent = await explain_message(SIGNED, Resolver((("127.0.0.1", 1),), timeout=0.2, lifetime=0.4))
    assert missing.dkim is not None
    assert silent.dkim is not None
    assert [one.status for one in missing.dkim] == [DkimStatus.KEY_MISSING]
    assert [one.status for one in silent.dkim] == [DkimStatus.KEY_UNAVAILABLE]


@pytest.mark.slow("starts the program as a process")
def test_a_bounce_is_shown_for_what_it_is() -> None:
    done = mailcanary("explain", "--offline", str(BOUNCES[0]))
    assert "the bounce: the fate of the message" in done.stdout
    first = done.stdout.splitlines()[0]
    assert "a bounce: mail to" in first or "a notice about" in first
    assert "reporting mta" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize(
    "arguments",
    [("/nonexistent.eml",), ("--resolver", "localhost", "-"), ("--resolver", "127.0.0.1:0", "-")],
)
def test_what_cannot_be_read_or_asked_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = mailcanary("explain", *arguments)
    assert done.returncode == 64
    assert "Traceback" not in done.stderr


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_no_message_is_a_mistake_of_use(tmp_path: Path, as_json: bool) -> None:  # noqa: FBT001
    file = tmp_path / "x.eml"
    file.write_bytes(b"hello world\n")
    done = mailcanary("explain", "--offline", str(file), *(["--json"] if as_json else []))
    assert done.returncode == 64
    assert "this is no message" in done.stderr
    file.write_bytes(b"\xef\xbb\xbf" + PLAIN)
    done = mailcanary("explain", "--offline", str(file))
    assert "byte order mark" in done.stderr


async def test_the_verdict_says_from_to_when_and_how_long() -> None:
    stamps = (
        b"Received: from a.test by b.test; Tue, 3 Nov 2026 10:11:19 +0000\r\n"
        b"Received: from c.test by a.test; Tue, 3 Nov 2026 10:11:12 +0000\r\n"
    )
    message = stamps + b"Date: Tue, 3 Nov 2026 10:11:10 +0000\r\n" + PLAIN
    verdict = message_verdict(message, await explain_message(message, None))
    rows = dict(verdict.rows)
    assert (rows["from"], rows["to"]) == ("a@sender.test", "b@reader.test")
    assert rows["sent"] == "Tue, 3 Nov 2026 10:11:10 +0000"
    assert rows["under way"].startswith("7.00 s over 2 hops")


async def test_the_verdict_on_a_bounce_names_the_recipient_and_the_owner() -> None:
    message = CORPUS["postfix"]
    verdict = message_verdict(message, await explain_message(message, None))
    assert "mail to user@reader.test was not delivered (unknown user; " in verdict.summary
