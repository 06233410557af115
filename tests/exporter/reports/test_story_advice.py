"""What `show` says is to be done, filled in from the target of the job or the route of the path."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from exporter.config import load
from exporter.ledger.reader import reading
from exporter.model import Run
from exporter.reports.advice import Vantage
from exporter.reports.story import Story, advice, take_story
from exporter.terminal.story import story_view
from probes.catalogue import smtp_answers, tls_policies
from probes.records.subject import Subject
from probes.result import Failure, Finding, Owner, Part, Phase, ProbeResult, Reason, Status
from tests.support.ledger_rig import opened

AT = datetime(2026, 11, 27, tzinfo=UTC)
REFUSED = Failure(Phase.CONNECT, Reason.CONNECTION_REFUSED, "refused", Owner.RECEIVER_MX, True)
CONFIG = """
ehlo_name: monitor.example.test
resolvers: [192.0.2.53]
source_address: 127.0.0.1
jobs:
  out:
    kind: mx
    domain: example.test
    port: 2525
"""


def text_of(story: Story) -> str:
    file = StringIO()
    Console(file=file, width=200, highlight=False).print(story_view(story, 200))
    return file.getvalue()


def a_run(failure: Failure | None, *parts: Part, findings: tuple[Finding, ...] = ()) -> ProbeResult:
    return ProbeResult("mx", AT, 1.0, (), failure, findings, parts)


async def test_a_jobs_story_knows_its_target_and_from_where_it_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    config = load(file, {})
    place = Subject.place("mx.example.test", "192.0.2.1")
    finding = smtp_answers.STARTTLS_NOT_OFFERED.found(Status.WARNING, place, "no")
    part = Part("mx.example.test", "192.0.2.2", (), REFUSED, (), {})
    ledger = tmp_path / "ledger.sqlite"
    async with opened(ledger) as rig:
        await rig.ledger.add_runs([Run("out", 1, a_run(REFUSED, part, findings=(finding,)))])
        with reading(str(ledger)) as reader:
            story = take_story(reader, config, "out")
    (one,) = advice(story)
    assert one.verify == (
        "swaks --to postmaster@example.test --server 192.0.2.1 --port 2525 "
        "--ehlo monitor.example.test --local-interface 127.0.0.1 --quit-after EHLO"
    )
    told = "do: Start the server at 192.0.2.2 and have it listen on port 2525;"
    assert told in text_of(story)


def test_a_paths_story_speaks_of_the_host_of_its_route() -> None:
    vantage = Vantage("example.test", {"port": 587}, server="smtp.example.test")
    story = Story("p", "out", None, a_run(REFUSED), (), vantage=vantage)
    assert "do: Start the server at smtp.example.test and have it listen on port 587;" in text_of(
        story
    )


def test_what_is_not_known_stays_a_word_in_capitals() -> None:
    finding = tls_policies.STS_ABSENT.found(Status.INFO, "event loop", "")
    (one,) = advice(Story("p", None, None, a_run(None, findings=(finding,)), ()))
    assert "_mta-sts.DOMAIN." in one.remedy
    assert one.verify == "dig TXT _mta-sts.DOMAIN"
