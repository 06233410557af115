"""What a person at a terminal sees of a run: the steps as they happen, then the waterfall."""

import sys

from exporter.reports.exit_codes import ExitCode


def say(text: str) -> None:
    """One answer on standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """One complaint on standard error."""
    sys.stderr.write(f"{text}\n")


CODE_STYLES = {
    ExitCode.OK: "green",
    ExitCode.WARNING: "yellow",
    ExitCode.FAILURE: "red",
    ExitCode.UNTESTABLE: "magenta",
}


def style_of(code: ExitCode) -> str:
    """The colour of an exit code."""
    return CODE_STYLES.get(code, "red")
