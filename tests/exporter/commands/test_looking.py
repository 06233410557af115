"""Commands at three in the morning: no password, a broken file, a closed pipe, a wrong word."""

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.cli import app
from exporter.commands.config import check_config
from exporter.commands.fault import told
from exporter.commands.history import history
from exporter.commands.show import show
from exporter.commands.status import status
from exporter.config import ConfigError, load, load_to_look
from exporter.reports.exit_codes import ExitCode
from tests.exporter.test_cli import GOOD
from tests.support.places import ROOT
from tests.support.processes import MAILCANARY, environment, mailcanary

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]


def written(folder: Path, text: str) -> Path:
    file = folder / "mailcanary.yaml"
    file.write_text(f"ledger: {folder / 'ledger.sqlite'}\n{text}")
    return file


BROKEN = {
    "no secret": GOOD.replace("password: p", 'password: "${NOT_SET}"'),
    "no password file": GOOD.replace("password: p", "password: {file: /nonexistent}"),
    "a path with a typing mistake": GOOD.replace("mail_from: a", "every: soon, mail_from: a"),
    "an unknown option": GOOD + "  other: {kind: mx, domain: a.test, colour: red}\n",
    "an unknown kind": GOOD + "  other: {kind: mxx, domain: a.test}\n",
    "a broken route": GOOD.replace("type: submission", "type: sumbission"),
    "a broken mailbox": GOOD.replace("type: imap", "type: pop9"),
    "no EHLO name": GOOD.replace("ehlo_name: probe.sender.test\n", ""),
    "a certificate file that is gone": "ca_file: /nonexistent.pem\n" + GOOD,
    "a broken option of the service": "max_concurrent: many\n" + GOOD,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_who_only_looks_needs_no_secret_and_no_flawless_file(text: str, tmp_path: Path) -> None:
    config, _ = load_to_look(written(tmp_path, text))
    assert list(config.paths) == ["out-in"]
    assert {"mx", "hand-over"} <= set(config.jobs)
    assert config.service.ledger == str(tmp_path / "ledger.sqlite")
    assert config.paths["out-in"].mailbox.name == "inbox"


@pytest.mark.parametrize("text", list(BROKEN.values())[2:7], ids=list(BROKEN)[2:7])
def test_the_mistakes_are_counted_for_who_only_looks(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(written(tmp_path, text), as_json=False) == ExitCode.UNTESTABLE
    assert "has a mistake; see: mailcanary check-config" in capsys.readouterr().err


def test_a_ledger_that_the_file_names_wrongly_is_not_replaced_by_another(tmp_path: Path) -> None:
    file = tmp_path / "mailcanary.yaml"
    file.write_text("ledger: [1]\n" + GOOD)
    with pytest.raises(ConfigError, match="ledger"):
        load_to_look(file)


def test_every_command_that_looks_does_without_the_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, BROKEN["no secret"])
    codes = [status(file, False), history("out-in", file, 5, False), show("out-in", file, False)]
    assert codes == [ExitCode.UNTESTABLE] * 3  # there is no ledger yet
    assert capsys.readouterr().err.count("no service has run") == 3


def test_a_configuration_is_checked_without_its_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, BROKEN["no password file"])
    assert check_config(file) == ExitCode.USAGE
    assert check_config(file, no_secrets=True) == ExitCode.OK
    assert "secrets were not read" in capsys.readouterr().out


def test_a_signing_key_is_not_missed_where_secrets_are_not_read(tmp_path: Path) -> None:
    signed = "dkim_domain: a.test, dkim_selector: s, dkim_key: {file: /nonexistent}, mail_from"
    file = written(tmp_path, GOOD.replace("mail_from", signed))
    assert load(file, {}, reads_secrets=False).paths["out-in"].message.dkim_selector == "s"


def test_nagios_gets_its_line_on_standard_output_whatever_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(written(tmp_path, GOOD), False, as_nagios=True) == ExitCode.UNTESTABLE
    assert capsys.readouterr().out.startswith("MAILCANARY UNKNOWN - ledger ")
    assert status(tmp_path / "none.yaml", False, as_nagios=True) == ExitCode.UNTESTABLE
    assert capsys.readouterr().out.startswith("MAILCANARY UNKNOWN - ")


def test_a_fault_of_ours_is_told_in_words_and_is_no_verdict_on_mail(tmp_path: Path) -> None:
    code, text = told(ZeroDivisionError("a\nb"))
    assert code == 70
    assert text.startswith("mailcanary: a fault of mailcanary itself: ZeroDivisionError: a b\n")
    assert "Traceback" not in text
    kept = Path(text.rpartition(" the file ")[2].rstrip("."))
    assert "ZeroDivisionError" in kept.read_text()
    kept.unlink()


def test_the_debug_switch_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILCANARY_DEBUG", "1")
    assert "ZeroDivisionError: boom\n" in told(ZeroDivisionError("boom"))[1]


def test_a_missing_package_of_the_demo_is_named_with_its_remedy() -> None:
    code, text = told(ModuleNotFoundError("No module named 'pymap'", name="pymap.backend"))
    assert code == ExitCode.UNTESTABLE
    assert "pip install 'mailcanary[demo]'" in text


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help_behind_the_short_switch(command: str) -> None:
    done = mailcanary(command, "-h")
    assert done.returncode == 0
    assert done.stdout.lstrip().startswith("Usage: ")


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize(
    "words", [("status",), ("check-config",), ("history", "mx"), ("show", "mx")]
)
def test_the_configuration_is_named_in_three_ways(words: tuple[str, ...], tmp_path: Path) -> None:
    file = str(written(tmp_path, GOOD))
    ways = [((*words, file), {}), ((*words, "-c", file), {}), (words, {"MAILCANARY_CONFIG": file})]
    told_so = {mailcanary(*arguments, environ=more).stderr for arguments, more in ways}
    assert len(told_so) == 1
    assert "no configuration" not in told_so.pop()
    twice = mailcanary(*words, file, "-c", "other.yaml")
    assert (twice.returncode, "two configuration files" in twice.stderr) == (64, True)


WRONG = [
    ("demo", "--port", "99999"),
    ("demo", "--port", "-1"),
    ("demo", "--port", "x"),
    ("diagnose", "example.test", "--smtp-port", "0"),
    ("diagnose", "example.test", "--timeout", "soon"),
    ("diagnose", "example.test", "--resolver", "nobody"),
    ("diagnose", "", "--only", "mx"),
    ("explain", "/"),
    ("explain", "/nonexistent"),
    ("explain", "a\0b"[:1] + "\udcff"),
    ("findings", "no.such_code"),
    ("selftest", "--only", "no such case"),
    ("status", "/"),
    ("status", "/dev/null"),
    ("status", ""),
    ("status", "--json", "--nagios", "x"),
    ("serve", "/nonexistent"),
    ("serve", "/nonexistent", "--log-level", "loud"),
    ("check-config", "/proc/self/mem"),
    ("history", "x", "/dev/null", "-n", "0"),
    ("show", "x", "/dev/null"),
    ("run", "", "/dev/null"),
]


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("arguments", WRONG, ids=" ".join)
def test_a_wrong_word_is_answered_in_words(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*MAILCANARY, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=ROOT,
        timeout=40,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert done.returncode == 64


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize(
    ("redirect", "complaint"),
    [(">/dev/full", "No space left on device"), (">&-", ""), ("| true; exit ${PIPESTATUS[0]}", "")],
)
def test_an_answer_that_nobody_takes_ends_quietly_with_its_code(
    redirect: str, complaint: str
) -> None:
    program = " ".join((sys.executable, "-m", "exporter.cli"))
    for command, code in (("findings --markdown", 0), ("findings no.such", 64)):
        done = subprocess.run(
            ["bash", "-c", f"{program} {command} {redirect}"],
            capture_output=True,
            text=True,
            env=environment(),
            cwd=ROOT,
            timeout=40,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert complaint in done.stderr or code
        assert done.stderr.count("\n") <= 2


@pytest.mark.slow("starts the program as a process")
@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full"])
def test_a_complaint_that_nobody_takes_leaves_the_code(redirect: str) -> None:
    program = " ".join((sys.executable, "-m", "exporter.cli"))
    done = subprocess.run(
        ["bash", "-c", f"{program} status /nonexistent {redirect}"],
        env=environment(),
        cwd=ROOT,
        timeout=40,
        check=False,
    )
    assert done.returncode == 64


@pytest.mark.slow("starts the program as a process")
def test_the_faults_of_the_demo_are_listed() -> None:
    done = mailcanary("demo", "--fault", "list")
    assert done.returncode == 0
    assert all(f"\n{name}  " in f"\n{done.stdout}" for name in ("greylist", "imap-down", "loss"))
    assert max(map(len, done.stdout.splitlines())) <= 80
