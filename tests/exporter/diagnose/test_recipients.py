"""A diagnosis that asks for recipients: what it tells, and commands that ask for the same."""

import shlex

import pytest

from exporter.diagnose.problems import problems
from exporter.diagnose.verdicts import exit_code
from exporter.testbed.servers.script import Say
from exporter.testbed.servers.smtp import Script
from probes.net.tls import TrustStore
from tests.exporter.diagnose.test_diagnosis import ONE, request, run
from tests.support.mail_world import mail_world

HELO = "probe.elsewhere.invalid"
YES, NO = "250 2.1.5 ok", "550 5.1.1 who?"


@pytest.mark.parametrize(
    ("reply", "code", "recipient"),
    [
        (YES, "rcpt.accepted", "joe@example.test"),
        (NO, "rcpt.refused", "joe@example.test"),
        (YES, "rcpt.postmaster_accepted", "postmaster@example.test"),
        (NO, "rcpt.postmaster_refused", "postmaster@example.test"),
        (YES, "rcpt.open_relay", f"postmaster@{HELO}"),
        (YES, "rcpt.catch_all", "no-such-user"),
        ("451 4.3.0 later", "rcpt.undecided", "joe@example.test"),
    ],
)
async def test_the_command_asks_for_the_recipient_that_was_asked_for(
    reply: str, code: str, recipient: str
) -> None:
    asked = request("joe@example.test", rcpt=True, catch_all=True, open_relay=True, helo=HELO)
    server = Script(on={"RCPT": (Say(reply),)})
    async with mail_world(ONE, {"192.0.2.1": server}, trust=TrustStore()) as world:
        found = problems(await run(world.net, asked), world.net)
    (problem,) = (one for one in found if one.code == code)
    assert recipient in problem.cases[0].evidence
    (command,) = problem.reproduce
    words = shlex.split(command)
    assert words[words.index("--to") + 1].startswith(recipient)
    assert words[words.index("--from") + 1] == "<>"
    assert words[words.index("--ehlo") + 1] == HELO
    assert "--tls-optional" in words


async def test_a_sender_that_is_refused_is_what_is_broken() -> None:
    asked = request("joe@example.test", rcpt=True, mail_from="me@sender.test")
    server = Script(on={"MAIL": (Say("550 5.7.1 not from you"),)})
    async with mail_world(ONE, {"192.0.2.1": server}, trust=TrustStore()) as world:
        diagnosis = await run(world.net, asked)
        first, *_ = problems(diagnosis, world.net)
    assert exit_code(diagnosis) == 2
    assert first.code == "rcpt.sender_refused"
    words = shlex.split(first.reproduce[0])
    assert words[words.index("--from") + 1] == "me@sender.test"
    assert words[words.index("--quit-after") + 1] == "MAIL"
