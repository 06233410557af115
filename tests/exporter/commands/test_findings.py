"""`mailcanary findings` and its page."""

import json

import pytest

from exporter.commands.findings import findings
from exporter.reports.findings_page import page
from probes.catalogue import ENTRIES
from probes.catalogue.failures import FAILURES
from tests.support.places import DOCS

EVERYTHING = {**ENTRIES, **FAILURES}

PAGE = DOCS / "generated" / "findings.md"


def test_the_page_is_what_the_command_prints() -> None:
    told = PAGE.read_text("utf-8")
    assert told == page(), "run: mailcanary findings --markdown > docs/generated/findings.md"


def test_all_codes_are_listed_with_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert findings(None, False, False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(EVERYTHING)


@pytest.mark.parametrize("code", EVERYTHING)
def test_a_code_is_told_with_its_owner_its_remedy_and_within_the_width(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert findings(code, False, False) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{code}: ")
    assert "\nowner       " in told
    assert "\nwhat to do  " in told
    prose = told.partition("verify")[0].splitlines()
    assert max(map(len, prose)) <= 110


def test_one_code_as_json_is_its_entry_and_all_are_a_list(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert findings("mx.address_unusable", True, False) == 0
    entry = json.loads(capsys.readouterr().out)
    assert list(entry) == [
        *("code", "summary", "why", "remedy", "verify", "reference", "owner", "severity", "ours"),
    ]
    assert entry["owner"] == "receiver_mx"
    assert set(entry["severity"]) == {"warning", "untestable"}
    assert findings(None, True, False) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(EVERYTHING)


def test_an_unknown_code_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert findings("mx.adress_unusable", False, False) == 64
    complaint = capsys.readouterr().err
    assert "'mx.address_unusable'" in complaint
    assert complaint.count("\n") == 1
    assert findings("zzzz\x1b[2J", False, False) == 64
    assert "\x1b" not in capsys.readouterr().err


def test_what_ends_a_run_is_answered_and_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert findings("connect.connection_refused", False, False) == 0
    told = capsys.readouterr().out
    assert told.startswith("connect.connection_refused: The server refuses the connection\n")
    assert "RFC 5321 §4.5.4.1" in told
    assert findings("conect.timeout", False, False) == 64
    assert "'connect.timeout'" in capsys.readouterr().err
    ends = PAGE.read_text("utf-8").partition("\n## What ends a run\n")[2]
    assert [code for code in FAILURES if code not in ends] == []
