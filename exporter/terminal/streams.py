"""Standard output that may be closed or full: the answer is lost then, its exit code is not."""

import io
import os
import sys
from typing import Any


class _Patient(io.RawIOBase):
    """The raw end of a stream: what the system does not take is dropped, and the reason is kept."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, octets: Any) -> int:
        if self.error is None:
            try:
                return self._raw.write(octets) or 0
            except OSError as error:
                self.error = error
        return len(octets)


def hold_standard_descriptors() -> None:
    """Open /dev/null where a standard descriptor is closed, and write any text to standard error.

    A socket would get the number of a closed one, and uvloop aborts over that. Characters that the
    encoding of standard error lacks are written as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


class Answer:
    """Standard output for the length of one command."""

    def __init__(self) -> None:
        self._raw: _Patient | None = None
        stream = sys.stdout
        if stream is None:  # closed before we began
            sys.stdout = io.TextIOWrapper(io.FileIO(os.devnull, "w"))
        elif stream is sys.__stdout__ and isinstance(stream, io.TextIOWrapper):
            self._raw = _Patient(io.FileIO(stream.fileno(), "wb", closefd=False))
            sys.stdout = io.TextIOWrapper(
                io.BufferedWriter(self._raw),
                stream.encoding,
                # where ✓ cannot be written, a question mark would say something else
                errors="backslashreplace",
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )

    def end(self) -> OSError | None:
        """Write out the rest; return why something is missing, None also where nobody reads on."""
        if self._raw is None:
            return None
        sys.stdout.flush()
        return None if isinstance(self._raw.error, BrokenPipeError) else self._raw.error
