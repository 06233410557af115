"""What the README and its neighbours promise exists."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.places import ROOT
from tests.support.processes import mailcanary

PAGES = sorted(ROOT.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
        assert (ROOT / target).exists(), target


def test_the_first_path_is_the_tested_example() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    example = (ROOT / "docs" / "examples" / "first-path.yaml").read_text("utf-8")
    assert example in blocks
    for block in blocks:
        assert isinstance(yaml.safe_load(block), dict)


def test_every_launcher_command_in_the_pages_exists_and_the_reverse() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    told = set(re.findall(r"\./run ([a-z]+)", text))
    shown = subprocess.run(
        [sys.executable, str(ROOT / "run"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert told == set(re.findall(r"^    ([a-z]+)  ", shown, re.MULTILINE))


@pytest.mark.slow("starts the program as a process")
def test_every_mailcanary_command_in_the_pages_exists() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    told = set(re.findall(r"bin/mailcanary ([a-z-]+)", text))
    assert told
    for command in told:
        assert mailcanary(command, "--help").returncode == 0, command


def test_the_lock_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text("ascii")
    assert "://" not in lock
    assert "--hash=sha256:" in lock
