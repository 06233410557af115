"""Durations, instants, foreign text and tones: how anything is told to people."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from exporter.reports.exit_codes import ExitCode
from probes.result import Status


class Tone(StrEnum):
    """The meaning of a colour; each kind of view maps it to colours of its own once."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNTESTABLE = "untestable"
    NOTICE = "notice"
    FAINT = "faint"


CODE_TONES: Mapping[ExitCode, Tone] = {
    ExitCode.OK: Tone.GOOD,
    ExitCode.WARNING: Tone.WARNING,
    ExitCode.FAILURE: Tone.BAD,
    ExitCode.UNTESTABLE: Tone.UNTESTABLE,
}

STATUS_TONES: Mapping[Status, Tone] = {
    Status.OK: Tone.GOOD,
    Status.INFO: Tone.FAINT,
    Status.NOTICE: Tone.NOTICE,
    Status.WARNING: Tone.WARNING,
    Status.FAILURE: Tone.BAD,
    Status.UNTESTABLE: Tone.UNTESTABLE,
}


def visible(text: str) -> str:
    """Return a text by others with every character written out that a terminal would obey.

    Escape sequences, changes of direction and their like become `\\x1b` and `\\u202e`.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def milliseconds(seconds: float) -> str:
    """A duration for people: `0.8 ms`, `412 ms`, `7.31 s`, `12 min 5 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def age(seconds: float) -> str:
    """How long ago, in two units at most: `12 s`, `5 min 3 s`, `3 h 20 min`, `4 d 2 h`."""
    whole = int(max(0.0, seconds))
    for unit, name, smaller, smaller_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return (
                f"{whole // unit} {name} {rest} {smaller_name}"
                if rest
                else f"{whole // unit} {name}"
            )
    return f"{whole} s"


def instant(at: datetime) -> str:
    """An instant in UTC, to the minute, for people."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
