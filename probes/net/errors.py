"""NetError, and the one table from exceptions of the system and libraries to reasons."""

import asyncio
import errno
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from probes.catalogue import exhaustion
from probes.result import Owner, ProbeFailure, Reason


class NetError(ProbeFailure):
    """The network, the system or the peer's transport stopped us; same constructor as its base."""


@dataclass(frozen=True, slots=True)
class Row:
    """The meaning of one exception type; `owner` None: the one that phase and reason name."""

    type: type[BaseException]
    reason: Reason
    words: str
    owner: Owner | None = None
    applies: Callable[[BaseException], bool] | None = None

    def matches(self, error: BaseException) -> bool:
        """True when this row speaks of `error`."""
        return isinstance(error, self.type) and (self.applies is None or self.applies(error))


def _errno(*codes: int) -> Callable[[BaseException], bool]:
    return lambda error: isinstance(error, OSError) and error.errno in codes


def _verify_code(*codes: int) -> Callable[[BaseException], bool]:
    return lambda error: (
        isinstance(error, ssl.SSLCertVerificationError)
        and getattr(error, "verify_code", 0) in codes
    )


# X509_V_ERR_* of OpenSSL's x509_vfy.h
_HAS_EXPIRED = 10
_HOSTNAME_MISMATCH = 62
_IP_ADDRESS_MISMATCH = 64

ROWS = (
    Row(
        ssl.SSLCertVerificationError,
        Reason.CERTIFICATE_EXPIRED,
        "the certificate has expired",
        applies=_verify_code(_HAS_EXPIRED),
    ),
    Row(
        ssl.SSLCertVerificationError,
        Reason.CERTIFICATE_HOST_MISMATCH,
        "the certificate is for another name",
        applies=_verify_code(_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH),
    ),
    Row(
        ssl.SSLCertVerificationError,
        Reason.CERTIFICATE_NOT_TRUSTED,
        "the certificate is not trusted",
    ),
    Row(ssl.SSLZeroReturnError, Reason.CONNECTION_CLOSED, "the peer ended TLS"),
    Row(ssl.SSLEOFError, Reason.CONNECTION_CLOSED, "the peer closed the connection inside TLS"),
    Row(ssl.SSLError, Reason.VALIDATION_FAILURE, "TLS failed"),
    # Our side: nothing about the peer was learnt.
    Row(
        OSError,
        Reason.UNREACHABLE,
        "this machine has no route to it",
        Owner.MONITOR,
        _errno(errno.ENETUNREACH, errno.ENETDOWN, errno.EAFNOSUPPORT),
    ),
    Row(
        OSError,
        Reason.UNTESTABLE,
        "the source address is not usable here",
        Owner.MONITOR,
        _errno(errno.EADDRNOTAVAIL, errno.EADDRINUSE),
    ),
    Row(
        OSError,
        Reason.UNTESTABLE,
        "this machine does not permit it",
        Owner.MONITOR,
        _errno(errno.EACCES, errno.EPERM),
    ),
    Row(
        OSError,
        Reason.UNTESTABLE,
        exhaustion.WORDS,
        Owner.MONITOR,
        _errno(*exhaustion.ERRORS),
    ),
    # Their side, or the way there.
    Row(
        OSError,
        Reason.UNREACHABLE,
        "the network cannot reach it",
        Owner.NETWORK,
        _errno(errno.EHOSTUNREACH, errno.EHOSTDOWN),
    ),
    Row(ConnectionRefusedError, Reason.CONNECTION_REFUSED, "connection refused"),
    Row(
        ConnectionResetError,
        Reason.CONNECTION_RESET,
        "connection reset",
        applies=_errno(errno.ECONNRESET),
    ),
    Row(BrokenPipeError, Reason.CONNECTION_RESET, "connection reset"),
    Row(TimeoutError, Reason.TIMEOUT, "timed out"),
    # asyncio raises a bare ConnectionResetError or ConnectionAbortedError for an end of file in
    # the TLS handshake: without an errno nothing was reset.
    Row(ConnectionError, Reason.CONNECTION_CLOSED, "the peer closed the connection"),
    Row(asyncio.IncompleteReadError, Reason.CONNECTION_CLOSED, "the peer closed the connection"),
    Row(asyncio.LimitOverrunError, Reason.MALFORMED_REPLY, "the peer's line is too long"),
    Row(OSError, Reason.UNTESTABLE, "the system refused", Owner.MONITOR),
)
"""Most specific first; the first row that matches speaks."""

MAPPED = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
"""Every exception type that some row of ROWS matches. CancelledError is never among them."""


def net_error(error: BaseException, doing: str, rows: tuple[Row, ...] = ()) -> NetError | None:
    """The NetError for `error`, or None when it is no affair of the network (a bug, say).

    `doing` opens the detail ("192.0.2.1 port 25"); `rows` are a client library's own, asked first.
    """
    for row in (*rows, *ROWS):
        if row.matches(error):
            return NetError(row.reason, f"{doing}: {row.words}{_why(error)}", owner=row.owner)
    return None


class mapped:  # noqa: N801 - used as a statement: `with mapped("..."):`
    """Turn exceptions of the system and the libraries raised inside into NetError.

    All other exceptions pass on.
    """

    __slots__ = ("_doing", "_rows")

    def __init__(self, doing: str, rows: tuple[Row, ...] = ()) -> None:
        self._doing = doing
        self._rows = rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, ProbeFailure):
            return
        converted = net_error(error, self._doing, self._rows)
        if converted is not None:
            raise converted from error


def _why(error: BaseException) -> str:
    """The system's or OpenSSL's own word, in brackets, where it has one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        word = getattr(error, "verify_message", "")
    elif isinstance(error, ssl.SSLError):
        word = getattr(error, "reason", None) or ""
    elif isinstance(error, OSError):
        word = error.strerror or ""
    else:
        word = ""
    return f" ({word})" if word else ""
