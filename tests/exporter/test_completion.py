"""Shells complete the command line, by a script that the program prints."""

import subprocess

import pytest

from tests.support.processes import mailcanary as ran


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(shell: str) -> None:
    done = ran("completion", shell)
    assert done.returncode == 0
    assert f"complete_{shell}" in done.stdout
    assert "_MAILCANARY_COMPLETE" in done.stdout


def test_the_script_is_one_that_bash_reads() -> None:
    script = ran("completion", "bash").stdout
    command = ["bash", "-n"]
    read = subprocess.run(command, input=script, text=True, capture_output=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["tcsh", "", "BASH"])
def test_another_shell_is_refused(shell: str) -> None:
    done = ran("completion", shell)
    assert done.returncode == 64
    assert "there is bash, zsh, fish" in done.stderr


@pytest.mark.parametrize(
    ("typed", "at", "word"),
    [("mailcanary s", 1, "serve"), ("mailcanary serve --web", 2, "--web.enable-lifecycle")],
)
def test_words_are_completed(typed: str, at: int, word: str) -> None:
    environ = {
        "_MAILCANARY_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(at),
    }
    assert word in ran(environ=environ).stdout.split()
