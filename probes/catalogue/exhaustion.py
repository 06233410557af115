"""Errors that say that this machine is out of resources: descriptors, memory or threads."""

import errno
from collections.abc import Iterator

from probes.result import Owner, ProbeFailure, Reason

ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""System errors of a socket, a file or a process that could not be had."""

WORDS = "this machine is out of resources"

_NO_THREAD = "can't start new thread"


def is_exhaustion(error: BaseException) -> bool:
    """True if `error`, or the error that it was raised from, is of that kind."""
    return any(map(_is_exhaustion, _with_causes(error)))


def exhausted(error: BaseException) -> ProbeFailure | None:
    """Return the failure for such an error, which is ours and no bug; None for any other error."""
    if isinstance(error, ProbeFailure) or not is_exhaustion(error):
        return None
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ProbeFailure(
        Reason.UNTESTABLE, f"{WORDS} ({why})", owner=Owner.MONITOR, is_transient=True
    )


def _is_exhaustion(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in ERRORS
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and str(error) == _NO_THREAD
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
