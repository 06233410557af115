"""What a command waits for: one line that is rewritten on a terminal, else a line now and then."""

import sys
import time
from contextlib import suppress

from exporter.reports.wording import age, visible
from exporter.service.manual_run import Waiting
from exporter.terminal.text import complain

LINE_SECONDS = 60.0
"""Seconds between two lines where no terminal rewrites them; the first comes at once."""

_ERASE = "\r\x1b[K"


class WaitingLine:
    """Shows on standard error what is waited for."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._shown = ""
        self._next_line = 0.0

    def show(self, waiting: Waiting) -> None:
        """Show the present state."""
        text = _words(waiting)
        if self._is_terminal:
            if text != self._shown:
                self._write(f"{_ERASE}{text}")
                self._shown = text
        elif time.monotonic() >= self._next_line:
            complain(text)
            self._next_line = time.monotonic() + LINE_SECONDS

    def clear(self) -> None:
        """Take the line away: something else is printed now."""
        if self._shown:
            self._write(_ERASE)
            self._shown = ""

    def _write(self, text: str) -> None:
        with suppress(OSError):  # the terminal has gone; the run goes on
            sys.stderr.write(text)
            sys.stderr.flush()


def _words(waiting: Waiting) -> str:
    where = ", ".join(visible(folder) for folder in waiting.folders) or waiting.mailbox
    text = f"waiting in {where}: {age(waiting.seconds)} of {age(waiting.longest)}"
    return text if waiting.can_be_read else f"{text} ({waiting.mailbox} cannot be read now)"
