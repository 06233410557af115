"""The files of `deploy/` and the Containerfile, held to what the program and the tools say."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.places import ROOT

UNIT = ROOT / "deploy" / "mailcanary.service"
CONTAINER = ROOT / "Containerfile"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyzed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on the unit, with a program that exists here."""
    program = UNIT.read_text("utf-8").replace("/opt/mailcanary/bin/mailcanary", "/bin/true")
    copy = folder / UNIT.name
    copy.write_text(program)
    command = ("systemd-analyze", *arguments, str(copy))
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)


@needs_systemd
def test_systemd_finds_no_mistake_in_the_unit(tmp_path: Path) -> None:
    answer = analyzed(tmp_path, "verify")
    ours = [line for line in answer.stderr.splitlines() if UNIT.name in line]
    assert (answer.returncode, ours) == (0, [])


@needs_systemd
def test_the_exposure_of_the_unit_is_below_two(tmp_path: Path) -> None:
    answer = analyzed(tmp_path, "security", "--offline=true", "--no-pager")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", answer.stdout)
    assert found is not None, answer.stdout + answer.stderr
    assert float(found[1]) < 2


def test_the_unit_waits_for_what_the_program_tells_it() -> None:
    lines = UNIT.read_text("utf-8").splitlines()
    for line in ("Type=notify", "WatchdogSec=60s", "ExecReload=/bin/kill -HUP $MAINPID"):
        assert line in lines
    assert "RestartPreventExitStatus=64" in lines


def test_the_container_is_built_from_the_lock_and_runs_without_root() -> None:
    text = CONTAINER.read_text("utf-8")
    assert text.count("\nFROM ") == 2
    assert "--require-hashes" in text
    assert re.search(r"^USER 10587:10587$", text, re.MULTILINE)
    assert 'org.opencontainers.image.licenses="Apache-2.0"' in text
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert copied
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
