"""The team to call: of a path, else of its route, else of its mailbox; of a job."""

import logging

import pytest

from exporter.config import ConfigError, parse
from exporter.model import Run
from exporter.service.subscribers import LogSubscriber
from probes.clock import SYSTEM_CLOCK
from probes.result import ProbeResult

TEXT = """
ehlo_name: probe.example.com
routes:
  relay: {type: submission, host: smtp.example.com%s}
mailboxes:
  inbox: {type: imap, host: imap.example.net, username: u, password: p%s}
paths:
  out:
    route: relay
    mailbox: inbox
    mail_from: a@example.com
    rcpt_to: b@example.net
    %s
jobs:
  mx: {kind: mx, domain: example.net, team: 'Mail Ops'}
  alone: {kind: mx, domain: example.org}
"""


@pytest.mark.parametrize(
    ("route", "mailbox", "path", "team"),
    [
        ("", "", "", None),
        ("", ", team: boxes", "", "boxes"),
        (", team: relays", ", team: boxes", "", "relays"),
        (", team: relays", ", team: boxes", "team: paths", "paths"),
    ],
)
def test_a_path_has_its_own_team_or_that_of_its_route_or_mailbox(
    route: str, mailbox: str, path: str, team: str | None
) -> None:
    config = parse(TEXT % (route, mailbox, path), "here", {})
    assert config.paths["out"].team == team
    assert config.routes["relay"].team == ("relays" if route else None)
    assert config.mailboxes["inbox"].team == ("boxes" if mailbox else None)
    assert (config.jobs["mx"].team, config.jobs["alone"].team) == ("Mail Ops", None)


def test_a_team_is_a_text() -> None:
    with pytest.raises(ConfigError, match="team"):
        parse(TEXT % (", team: [a, b]", "", ""), "here", {})


def test_the_log_line_of_a_run_names_the_team(caplog: pytest.LogCaptureFixture) -> None:
    log = LogSubscriber()
    log.configured(parse(TEXT % ("", "", "team: paths"), "here", {}))
    result = ProbeResult("mx", SYSTEM_CLOCK.utc(), 0.5, (), None)
    with caplog.at_level(logging.INFO):
        for name in ("out", "mx", "alone", "gone"):
            log.run_finished(Run(name, 1, result))
    assert [line.partition("seconds=0.500")[2] for line in caplog.messages] == [
        *(" team=paths", " team='Mail Ops'", "", "")
    ]
