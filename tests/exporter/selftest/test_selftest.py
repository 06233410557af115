"""`mailcanary selftest`: it is right, it covers every code, and it tells where it is not."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from exporter.commands.selftest import selftest, tell
from exporter.selftest.all_cases import all_cases
from exporter.selftest.case import Case, chosen, expected_by, telling
from exporter.selftest.fixtures import make_props
from exporter.selftest.mx_cases import HERE
from exporter.selftest.report import figures
from exporter.selftest.runner import Outcome
from exporter.testbed.servers.world import NameServer
from probes.catalogue import AREAS, ENTRIES
from probes.records.subject import Subject
from probes.result import Finding, Status
from tests.support.places import ROOT
from tests.support.processes import MAILCANARY, completed, environment

pytestmark = pytest.mark.slow("starts the program as a process")

PATIENCE = 150
"""Seconds; alone on two cores all cases take ten."""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, ...]:
    return all_cases(make_props(tmp_path_factory.mktemp("props")))


def named(cases: Sequence[Case], name: str) -> Case:
    (case,) = [case for case in cases if case.name == name]
    return case


def told(*cases: Case) -> tuple[int, str]:
    """The exit code, and what a person is told on a wide screen."""
    console = Console(file=io.StringIO(), record=True, width=200)
    code = tell(cases, console, as_json=False)
    return code, console.export_text()


def begun(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """The command as a person types it, with `folder` for its temporary files."""
    return subprocess.Popen(
        [*MAILCANARY, "selftest", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(TMPDIR=str(folder), COLUMNS="100", PYTHONWARNINGS="error"),
        # whoever runs us may ignore SIGINT, and children inherit that
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


# -- the table


def test_every_code_of_the_catalogue_is_expected_by_some_case(cases: tuple[Case, ...]) -> None:
    assert ENTRIES.keys() - expected_by(cases) == set()


def test_every_status_that_a_code_can_have_is_expected_by_some_case(
    cases: tuple[Case, ...],
) -> None:
    possible = {(code, status) for code, entry in ENTRIES.items() for status in entry.severity}
    assert possible - {one for case in cases for one in case.expected} == set()


def test_every_area_has_a_world_in_order_in_which_only_remarks_are_made(
    cases: tuple[Case, ...],
) -> None:
    healthy = [case for case in cases if case.is_healthy]
    harmless = {Status.INFO, Status.NOTICE}
    quiet = [case for case in healthy if {status for _, status in case.expected} <= harmless]
    assert {case.area for case in quiet} == set(AREAS)
    silent = {case.area for case in healthy if case.expected <= telling(HERE)}
    assert silent == set(AREAS) - {"monitor"}


def test_cases_have_names_of_their_own(cases: tuple[Case, ...]) -> None:
    assert len({(case.area, case.name) for case in cases}) == len(cases)


def test_an_expectation_that_the_catalogue_rules_out_is_refused() -> None:
    assert telling("mx.implicit") == {("mx.implicit", Status.NOTICE)}
    with pytest.raises(ValueError, match="is never warning"):
        telling(("mx.implicit", Status.WARNING))
    with pytest.raises(ValueError, match=r"mx\.certificates_differ can be info, warning"):
        telling("mx.certificates_differ")


# -- all of it, as a person runs it


@dataclass(frozen=True)
class Whole:
    """One run of everything."""

    code: int
    document: dict[str, Any]
    errors: str
    left_behind: tuple[str, ...]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("temporary")
    with begun(folder, "--json") as process:
        out, err = process.communicate(timeout=PATIENCE)
    left = tuple(path.name for path in folder.iterdir())
    return Whole(process.returncode, json.loads(out), err, left)


@pytest.mark.timeout(PATIENCE)
def test_every_code_fires_where_it_should_and_is_silent_where_it_should(whole: Whole) -> None:
    wrong = [one for one in whole.document["cases"] if not one["ok"]]
    assert wrong == []
    assert (whole.code, whole.errors) == (0, "")
    assert whole.document["ok"] is True
    assert whole.document["codes"] == whole.document["fired"] == len(ENTRIES)
    assert whole.document["outbursts"] == 0


@pytest.mark.timeout(PATIENCE)
def test_the_silences_are_those_that_were_counted(whole: Whole) -> None:
    cases = whole.document["cases"]
    expected = sum(len({one["code"] for one in case["expected"]}) for case in cases)
    assert whole.document["silences"] == len(ENTRIES) * len(cases) - expected


@pytest.mark.timeout(PATIENCE)
def test_it_leaves_nothing_behind(whole: Whole) -> None:
    assert whole.left_behind == ()


@pytest.mark.timeout(PATIENCE)
def test_the_document_is_the_one_that_is_described(whole: Whole) -> None:
    page = (ROOT / "docs" / "json.md").read_text("utf-8").partition("selftest --json")[2]
    document = whole.document
    keys = {*document, *(f"areas[].{key}" for key in document["areas"][0])}
    keys |= {f"cases[].{key}" for key in document["cases"][0]}
    assert {key for key in keys if f"`{key}`" not in page} == set()
    described = set(re.findall(r"^\| `([a-z_.\[\]]+)` \|", page, re.MULTILINE))
    assert described - keys == set()


# -- what it says where it is wrong


def test_a_code_that_does_not_come_is_told_in_full(cases: tuple[Case, ...]) -> None:
    healthy = named(cases, "an MX host in order")
    code, text = told(replace(healthy, expected=telling(HERE, "smtp.greylisted")))
    assert code == 2
    assert "✗ smtp" in text
    assert "1 case disagrees" in text
    assert "✗ smtp: an MX host in order" in text
    assert "expected and not found: smtp.greylisted (info)" in text
    assert "found as expected: mx.host_special_address (notice) mx.example.test [192.0.2.1]" in text
    assert "1 of 2 codes fire where they should" in text


def test_a_code_that_comes_unasked_is_told_with_its_evidence(cases: tuple[Case, ...]) -> None:
    odd = named(cases, "STARTTLS is not offered")
    code, text = told(replace(odd, expected=telling(HERE)))
    assert code == 2
    assert "found and not expected: smtp.starttls.not_offered (warning)" in text
    assert "EHLO shows 8BITMIME" in text
    assert "stayed silent where it should, 1 time not" in text


def test_a_code_that_is_graver_than_it_should_be_is_both(cases: tuple[Case, ...]) -> None:
    private = named(cases, "nobody answers at a private address")
    code, text = told(replace(private, expected=telling(HERE)))
    assert code == 2
    assert "expected and not found: mx.host_special_address (notice)" in text
    assert "found and not expected: mx.host_special_address (warning)" in text


def test_a_run_that_had_to_succeed_is_told_with_what_ended_it(cases: tuple[Case, ...]) -> None:
    refused = replace(named(cases, "the greeting is 554"), is_healthy=True)
    code, text = told(refused)
    assert code == 2
    assert "the run had to succeed: greeting: rejected" in text


def test_a_world_that_breaks_is_told_and_the_others_are_run(cases: tuple[Case, ...]) -> None:
    healthy = named(cases, "an MX host in order")
    broken = replace(
        healthy, name="a zone", spec=replace(healthy.spec, zones={"example.test": "@ MX"})
    )
    code, text = told(broken, healthy)
    assert code == 2
    assert "✗ smtp: a zone" in text
    assert "it broke: " in text
    assert "0 of 1 code fires" in text


def test_what_this_machine_cannot_do_is_untestable_and_not_wrong(cases: tuple[Case, ...]) -> None:
    healthy = named(cases, "an MX host in order")
    nowhere = {"192.0.2.1": NameServer({"example.test": ""})}
    foreign = replace(healthy, spec=replace(healthy.spec, name_servers=nowhere))
    code, text = told(foreign)
    assert code == 3
    assert "1 case could not be performed here" in text
    assert "? smtp: an MX host in order: " in text


def test_every_case_that_fails_is_counted_once_and_silences_are_not_invented(
    cases: tuple[Case, ...],
) -> None:
    case = named(cases, "an MX host in order")
    here = Finding(*HERE, Subject.of("mx"), "", "")
    other = Finding("smtp.greylisted", Status.INFO, Subject.of("mx"), "", "")
    right, wrong = Outcome(case, (here,)), Outcome(case, (here, other, other))
    assert figures((right,)).silences == len(ENTRIES) - 1
    counted = figures((right, wrong, Outcome(case, untried="no port")))
    assert (counted.codes, counted.fired, counted.outbursts) == (1, 0, 1)
    assert counted.silences == 2 * len(ENTRIES) - 3


# -- some of it


@pytest.mark.parametrize(
    ("word", "area", "at_least"),
    [("monitor", "monitor", 2), ("rcpt.catch_all", "smtp", 1), ("Greylisted", "smtp", 1)],
)
def test_cases_are_chosen_by_area_code_or_word(
    cases: tuple[Case, ...], word: str, area: str, at_least: int
) -> None:
    some = chosen(cases, word)
    assert at_least <= len(some) < len(cases)
    assert {case.area for case in some} == {area}


def test_a_code_chooses_exactly_the_cases_that_expect_it(cases: tuple[Case, ...]) -> None:
    some = chosen(cases, "sts.absent")
    assert some == tuple(case for case in cases if "sts.absent" in case.codes)
    assert chosen(cases, "") == chosen(cases, "no such word") == ()


def test_some_cases_are_run_by_themselves_without_what_only_tests_and_the_demo_need(
    tmp_path: Path,
) -> None:
    script = (
        "import sys\nfrom exporter.commands.selftest import selftest\n"
        "code = selftest('mailbox', False)\n"
        "extra = {'aiosmtpd', 'pymap', 'trustme', 'httpx', 'pytest', 'hypothesis'}\n"
        "sys.exit(' '.join(extra & set(sys.modules)) or code)"
    )
    environ = {"TMPDIR": str(tmp_path), "COLUMNS": "100"}
    done = completed(sys.executable, "-c", script, within=PATIENCE, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ mailbox      6 codes, " in done.stdout
    assert "6 of 6 codes fire where they should" in done.stdout
    assert "smtp" not in done.stdout


@pytest.mark.parametrize(("word", "hint"), [("smtp.greylistd", "smtp.greylisted"), ("", "areas")])
def test_a_word_that_nothing_is_about_is_answered_with_what_there_is(
    capsys: pytest.CaptureFixture[str], word: str, hint: str
) -> None:
    assert selftest(word, as_json=False) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert hint in err
    assert err.count("\n") == 1


def test_a_machine_without_loopback_cannot_run_it() -> None:
    apart = ["unshare", "--map-root-user", "--net"]  # a network whose loopback is down
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], check=False).returncode:
        pytest.skip("nobody here may make a network of their own")
    done = completed(*apart, *MAILCANARY, "selftest")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("mailcanary: the selftest cannot be run here: ")


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    with begun(tmp_path) as process:
        assert process.stdout is not None
        assert "✓" in process.stdout.readline()  # the first area is over, others are under way
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
    assert list(tmp_path.iterdir()) == []
