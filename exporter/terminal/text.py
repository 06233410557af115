"""Plain lines on standard output and standard error, and the colours of a terminal."""

import sys
from collections.abc import Mapping
from contextlib import suppress

from exporter.reports.exit_codes import ExitCode
from exporter.reports.wording import CODE_TONES, STATUS_TONES, Tone
from probes.result import Status


def say(text: str) -> None:
    """One answer on standard output."""
    sys.stdout.write(f"{text}\n")


def complain(text: str) -> None:
    """One complaint on standard error; nobody hears it where that is closed or full."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


COLOURS: Mapping[Tone, str] = {
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.BAD: "red",
    Tone.UNTESTABLE: "magenta",
    Tone.NOTICE: "cyan",
    Tone.FAINT: "dim",
}
"""The one table of colours; a view names tones."""


def style_of(code: ExitCode) -> str:
    """Return the colour of an exit code."""
    return COLOURS[CODE_TONES.get(code, Tone.BAD)]


def status_style(status: Status) -> str:
    """Return the colour of a finding."""
    return COLOURS[STATUS_TONES[status]]
