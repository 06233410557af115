"""`status --nagios`: the form that Nagios reads, and the same judgement as `status`."""

import re
from pathlib import Path

from exporter.reports.nagios import nagios_text, nagios_unknown
from exporter.reports.status import status_code
from probes.result import Failure, Owner, Phase, Reason
from tests.exporter.commands.test_inspection import config_text, past

PERFDATA = re.compile(r"'[^'=|]+'=(U|-?[0-9.]+)s?(;[0-9.:~@]*){0,4}")
HOSTILE = Failure(
    *(Phase.RCPT, Reason.REJECTED, "a | 'b'=1\nc \x1b[2J", Owner.RECEIVER_MX), is_transient=False
)


async def test_the_first_line_has_the_state_the_worst_and_perfdata(tmp_path: Path) -> None:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(config_text(tmp_path / "ledger.sqlite"))
    async with past(file) as (life, reader):
        await life.arrive("out2-in")
        await life.refuse("out-in", HOSTILE)
        status = life.status(reader)
        first, *more = nagios_text(status, life.config).splitlines()
        text, _, perfdata = first.partition(" | ")
        assert int(status_code(status)) == 2
        assert text.startswith(
            "MAILCANARY CRITICAL - path out-in failing (rejected): rcpt rejected, "
        )
        labels = perfdata.split()
        assert all(PERFDATA.fullmatch(label) for label in labels), labels
        assert "'out2-in_round_trip'=3.000000s;60;900;0" in labels
        assert "'out-in_round_trip'=U;60;900;0" in labels
        assert "'paths_ok'=1;;;0;3" in labels
        assert "1 of 3 paths ok" in more[0]
        assert not any("|" in line or "\x1b" in line for line in (text, *more))


def test_what_cannot_be_told_is_unknown_in_one_line() -> None:
    assert nagios_unknown("a\nb | c") == "MAILCANARY UNKNOWN - a b / c"
