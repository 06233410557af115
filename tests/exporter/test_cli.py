"""The command line as a person meets it: exit codes, one-line errors, no traceback."""

import sys
from pathlib import Path

import pytest

from tests.support.processes import completed, mailcanary

pytestmark = pytest.mark.slow("starts the program as a process")

GOOD = """\
ehlo_name: probe.sender.test
resolvers: ["127.0.0.1:1"]
routes:
  out: {type: submission, host: 127.0.0.1, port: 1, tls: none}
mailboxes:
  inbox: {type: imap, host: 127.0.0.1, port: 1, tls: none, username: u, password: p}
paths:
  out-in: {route: out, mailbox: inbox, mail_from: a@sender.test, rcpt_to: b@reader.test}
jobs:
  mx: {kind: mx, domain: reader.test, deadline: 2s}
  hand-over: {kind: submission, host: 127.0.0.1, port: 1, tls: none, deadline: 2s}
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(GOOD)
    return file


def test_help_names_every_command() -> None:
    shown = mailcanary("--help")
    assert shown.returncode == 0
    for command in (
        "serve",
        "check-config",
        "config-schema",
        "run",
        "status",
        "history",
        "show",
        "explain",
        "diagnose",
        "findings",
        "selftest",
        "demo",
    ):
        assert command in shown.stdout


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nimport exporter.cli\n"
        "heavy = {'dns', 'aiosmtplib', 'sqlalchemy', 'pydantic', 'rich', 'uvicorn', 'probes'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    done = completed(sys.executable, "-c", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments", [("bogus",), ("serve",), ("run",), ("serve", "--config"), ("demo", "--fault")]
)
def test_wrong_usage_is_exit_code_64_and_one_hint(arguments: tuple[str, ...]) -> None:
    done = mailcanary(*arguments)
    assert done.returncode == 64
    assert done.stderr.startswith("mailcanary: ")
    assert "--help" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_good_configuration_is_said_to_be_good(good: Path) -> None:
    done = mailcanary("check-config", str(good))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 paths, 2 jobs" in done.stdout


@pytest.mark.parametrize("command", [("check-config",), ("serve", "--config"), ("run", "x", "-c")])
def test_every_mistake_in_a_configuration_is_listed_with_its_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("mail_from", "mail_form").replace("kind: mx", "kind: mxx"))
    done = mailcanary(*command, str(file))
    assert done.returncode == 64
    assert f"{file}:8: " in done.stderr
    assert f"{file}:10: " in done.stderr
    assert "did you mean" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_a_configuration_error() -> None:
    done = mailcanary("check-config", "/nonexistent/mailcanary.yaml")
    assert done.returncode == 64
    assert "/nonexistent/mailcanary.yaml" in done.stderr


def test_the_schema_is_json() -> None:
    done = mailcanary("config-schema")
    assert done.returncode == 0
    assert '"$schema"' in done.stdout


def test_a_name_that_is_not_configured_is_answered_with_those_that_are(good: Path) -> None:
    done = mailcanary("run", "out-out", "--config", str(good))
    assert done.returncode == 64
    assert "out-in, mx, hand-over" in done.stderr


def test_a_refused_connection_is_a_failure_with_its_phase_and_owner(good: Path) -> None:
    done = mailcanary("run", "hand-over", "--config", str(good))
    assert done.returncode == 2
    assert "connect: connection_refused" in done.stdout
    assert "owner: the relay" in done.stdout


def test_an_unreachable_resolver_of_ours_is_untestable_never_mail_down(good: Path) -> None:
    done = mailcanary("run", "mx", "--config", str(good))
    assert done.returncode == 3
    assert "owner: our resolver" in done.stdout


def test_nothing_is_sent_to_a_mailbox_that_cannot_be_read(good: Path) -> None:
    done = mailcanary("run", "out-in", "--config", str(good))
    assert done.returncode == 3
    assert "nothing was sent" in done.stdout


def test_a_ledger_that_cannot_be_opened_is_untestable_never_mail_down(
    good: Path, tmp_path: Path
) -> None:
    (tmp_path / "ledger").mkdir()
    good.write_text(f"ledger: {tmp_path / 'ledger'}\n" + GOOD)
    done = mailcanary("run", "out-in", "--config", str(good))
    assert done.returncode == 3
    assert done.stderr.startswith("mailcanary: ledger ")
    assert done.stderr.count("\n") == 1


def test_a_result_as_json_is_one_document_on_standard_output(good: Path) -> None:
    done = mailcanary("run", "hand-over", "--config", str(good), "--json")
    assert done.returncode == 2
    assert '"reason": "connection_refused"' in done.stdout


def test_an_unknown_fault_of_the_demo_lists_those_there_are() -> None:
    done = mailcanary("demo", "--once", "--fault", "earthquake")
    assert done.returncode == 64
    assert "greylist" in done.stderr
