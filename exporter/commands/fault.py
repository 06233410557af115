"""Say what happened where a command ended by an exception nobody expected."""

import os
import tempfile
import traceback

from exporter.reports.exit_codes import ExitCode
from probes.result import one_line

_EXTRAS = {"aiosmtpd", "dkim", "pymap", "trustme"}
"""Packages of the extra `demo`."""


def told(error: Exception) -> tuple[ExitCode, str]:
    """The exit code and the words for an exception that no command expected."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package in _EXTRAS:
            return ExitCode.UNTESTABLE, (
                f"mailcanary: this needs the package {package}, which is not installed; "
                "install it with: pip install 'mailcanary[demo]'"
            )
    what = one_line(f"{type(error).__name__}: {error}")
    lines = [
        f"mailcanary: a fault of mailcanary itself: {what}",
        "This says nothing about your mail.",
        f"To report it: the command you gave, `mailcanary --version`, and {_kept(error)}.",
    ]
    return ExitCode.SOFTWARE, "\n".join(lines)


def _kept(error: Exception) -> str:
    """Where the traceback is: a file, or the terminal itself with --debug."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("MAILCANARY_DEBUG"):
        return f"this traceback:\n{text.rstrip()}\n"
    try:
        descriptor, name = tempfile.mkstemp(prefix="mailcanary-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError:
        return "what `mailcanary --debug ...` prints"
    return f"the file {name}"
