"""What differs between the Pythons we support: the end of tasks, tried on each that is here."""

import asyncio
import os
import re
import site
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

pytestmark = pytest.mark.slow("runs tests under other Pythons")

FILES = (
    "tests/probes/test_tasks.py",
    "tests/exporter/service/test_supervision.py",
    "tests/exporter/service/test_mailbox_watcher.py",
)
"""Tests that need pure Python packages only: those of our own environment serve every Python."""

SUPPORTED = re.compile(r"3\.(1[1-9])\b")


def interpreters() -> list[Path]:
    """The other supported Pythons of a pyenv, if there is one."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [path / "bin" / "python" for path in sorted(versions.glob("3.*"))]
    own = f"3.{sys.version_info.minor}."
    return [
        python
        for python in found
        if SUPPORTED.match(python.parts[-3]) and not python.parts[-3].startswith(own)
    ]


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.parts[-3])
async def test_tasks_end_as_they_should_on_the_other_supported_pythons(python: Path) -> None:
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(site.getsitepackages()),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider")
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "pytest", "-q", "--noconftest", *plugins, *FILES),
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
