"""The forms of the log: each line can be read by the program it is for."""

import json
import logging
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from exporter.demo.world import MailWorld
from exporter.service.log_format import event, formatter
from exporter.service.mailbox_watcher import WatchState
from exporter.service.subscribers import LogSubscriber
from probes.result import Failure, Owner, Phase, Reason
from tests.support.clock import FakeClock
from tests.support.service_rig import running, write_config
from tests.support.waiting import until

LOG = logging.getLogger("mailcanary.test_log_format")


def logged(caplog: pytest.LogCaptureFixture, form: str) -> list[str]:
    return [formatter(form).format(record) for record in caplog.records]


def test_an_event_is_fields_in_json_and_logfmt_and_words_in_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, LOG.name):
        event(LOG, logging.INFO, "run", name="a b", ok=True, seconds="0.100", why=None)
    (text,) = logged(caplog, "text")
    assert text.endswith(" INFO run name='a b' ok=True seconds=0.100 why=None")
    (line,) = logged(caplog, "json")
    fields = json.loads(line)
    assert (fields["event"], fields["name"], fields["ok"]) == ("run", "a b", True)
    assert (fields["level"], fields["logger"], fields["why"]) == ("info", LOG.name, None)
    (line,) = logged(caplog, "logfmt")
    assert line.partition(" ")[2] == (
        f'level=info logger={LOG.name} event=run name="a b" ok=True seconds=0.100 why=""'
    )


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_a_line_of_fields_is_one_line_whatever_is_in_it(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    LOG.error('two\nlines "and" a=b', exc_info=ZeroDivisionError("a\nb"))
    (line,) = logged(caplog, form)
    assert "\n" not in line
    assert "ZeroDivisionError" in line


def test_a_mailbox_that_can_be_read_again_is_logged_with_how_long_it_was_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = FakeClock()
    log = LogSubscriber(time.clock)
    failure = Failure(Phase.CONNECT, Reason.TIMEOUT, "no", Owner.NETWORK, is_transient=True)
    with caplog.at_level(logging.INFO, "mailcanary"):
        log.mailbox_changed("inbox", WatchState(is_up=True, failure=None))
        for _ in range(2):
            log.mailbox_changed("inbox", WatchState(is_up=False, failure=failure))
            time.elapse(30.0)
        log.mailbox_changed("inbox", WatchState(is_up=True, failure=None))
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "mailbox inbox can be read"
    assert lines[-1] == "mailbox inbox can be read again after 60 s"
    assert len(lines) == 4


async def test_the_log_begins_with_version_counts_and_first_runs(
    world: MailWorld, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_config(world, tmp_path, paths=["direct", "healthy"])
    with caplog.at_level(logging.INFO, "mailcanary"):
        async with running(file) as run:
            run.go(is_scheduled=True)
            await until(lambda: any("first due" in text for text in caplog.messages))
    (line,) = [text for text in caplog.messages if "first due" in text]
    assert line.startswith(f"mailcanary {version('mailcanary')}: 2 paths, 2 jobs, 1 mailboxes ")
    assert re.search(r"first due: [a-z-]+ in \d+ s, [a-z-]+ in \d+ s, [a-z-]+ in \d+ s$", line)
