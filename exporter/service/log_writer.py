"""Standard error, written by a thread of its own: a log reader that stalls holds up nobody else.

A write to a full pipe blocks, and with it the event loop. The descriptor is not made non-blocking
for that: other processes may share it.
"""

import atexit
import io
import logging
import os
import select
import sys
import threading
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from queue import SimpleQueue
from typing import Any

from exporter.service.log_format import formatter

MAX_LINES = 10_000
"""Lines that may wait for the thread; an entry of several, such as a traceback, counts once."""

MAX_OCTETS = 1024 * 1024
"""Octets of the lines that may wait for the thread."""

GATHER_SECONDS = 0.02
"""Seconds for which the thread lets lines come together: waking it costs more than a line does."""

_FLUSH_SECONDS = 1.0
_OCTETS_TOGETHER = 64 * 1024


class LogWriter:
    """Writes lines in their order to a file descriptor; the caller never waits for the write.

    Once too many lines wait, new ones are dropped until all waiting lines are written. A line that
    the system does not take (closed pipe, full disk) is dropped too. A line of its own tells how
    many were dropped, as soon as it can be written.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        # Of the callers among themselves. The thread, which may block at any time, holds no lock.
        self._putting = threading.RLock()
        self._put_lines = self._put_octets = self._refused = 0
        self._is_refusing = False
        self._done_lines = self._done_octets = self._lost = self._told = 0
        self._is_cut = False
        self._is_closing = threading.Event()
        self.formatter = formatter("text")
        # Nobody waits for a daemon thread at the process's end, not even if it is blocked.
        self._thread = threading.Thread(target=self._work, name="log writer", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Write a line, which has its line end, when its turn comes; drop it if too many wait."""
        with self._putting:
            waiting = self._put_lines - self._done_lines
            octets = self._put_octets - self._done_octets + len(line)
            is_too_much = waiting >= MAX_LINES or octets > MAX_OCTETS
            self._is_refusing = is_too_much or (self._is_refusing and waiting > 0)
            if self._is_refusing:
                self._refused += 1
                return
            self._put_lines += 1
            self._put_octets += len(line)
            self._lines.put(line)

    def dropped(self) -> int:
        """How many lines were dropped so far."""
        return self._refused + self._lost

    def stream(self, encoding: str = "utf-8") -> io.TextIOWrapper:
        """Return a text stream; each line written to it is put."""
        return io.TextIOWrapper(
            _Lines(self.put), encoding, errors="backslashreplace", line_buffering=True
        )

    def close(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Write the waiting lines, for so many seconds at most; true if nothing is left."""
        self._is_closing.set()
        self._lines.put(None)
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        is_open = True
        while is_open:
            lines, is_open = self._take()
            if not self._is_refusing:  # else older lines come before the gap
                self._tell()
            self._lost += len(lines) - self._write(lines)
            self._done_octets += sum(map(len, lines))
            self._done_lines += len(lines)
            if self._lines.empty():
                self._tell()

    def _take(self) -> tuple[list[bytes], bool]:
        """Wait for a line and take those that came soon after; false once the writer is closed."""
        lines: list[bytes] = []
        octets = 0
        line = self._lines.get()
        self._is_closing.wait(GATHER_SECONDS)
        while line is not None:
            lines.append(line)
            octets += len(line)
            if octets >= _OCTETS_TOGETHER or self._lines.empty():
                return lines, True
            line = self._lines.get()
        return lines, False

    def _tell(self) -> None:
        """Say how many lines were dropped since it was last said."""
        untold = self.dropped() - self._told
        if untold and self._write([_notice(untold, self.formatter)]):
            self._told += untold

    def _write(self, lines: list[bytes]) -> int:
        """Write the lines; return how many of them were taken whole."""
        if self._is_cut:
            self._is_cut = not self._send(b"\n")
            if self._is_cut:  # else a line would stand behind half of another
                return 0
        ends = [0, *accumulate(map(len, lines))]
        sent = self._send(b"".join(lines))
        written = bisect_right(ends, sent) - 1
        self._is_cut = self._is_cut or sent != ends[written]
        return written

    def _send(self, octets: bytes) -> int:
        """Block until all is written or an error prevents it; return how many octets were taken."""
        rest = memoryview(octets)
        with suppress(OSError):  # the caller counts what is missing
            while rest:
                rest = rest[self._send_some(rest) :]
        return len(octets) - len(rest)

    def _send_some(self, octets: memoryview) -> int:
        try:
            return os.write(self._descriptor, octets)
        except BlockingIOError:  # another process made the shared descriptor non-blocking
            room = select.poll()
            room.register(self._descriptor, select.POLLOUT)
            room.poll()
            return 0


class _Lines(io.RawIOBase):
    """The binary end of a text stream, which writes bytes to it; each write is one line."""

    name = "<stderr>"

    def __init__(self, put: Callable[[bytes], None]) -> None:
        super().__init__()
        self._put = put

    def writable(self) -> bool:
        return True

    def write(self, octets: Any) -> int:
        self._put(octets)
        return len(octets)


def divert_stderr() -> LogWriter:
    """Send everything that the process writes to standard error, to its end, through a LogWriter.

    That is the log, warnings, and Python's own error messages. Lines that wait at the process's end
    are written then, for a second at most.
    """
    stream = sys.stderr
    if stream is None:  # it was closed before we began, and its number may be another file's by now
        writer = LogWriter(-1)
        sys.stderr = writer.stream()
    else:
        writer = LogWriter(stream.fileno())
        sys.stderr = writer.stream(stream.encoding)
    atexit.register(writer.close)
    return writer


def _notice(dropped: int, form: logging.Formatter) -> bytes:
    text = f"log lines dropped, because the log could not be written: {dropped}"
    record = logging.makeLogRecord({"name": "mailcanary", "levelname": "WARNING", "msg": text})
    return f"{form.format(record)}\n".encode()
