"""The common mistake of mail programs: TLS at once in place of STARTTLS, or the other way round.

RFC 8314 §3: port 465 (submission) and 993 (IMAP) begin with TLS. Ports 587, 25 and 143 begin in
clear. A client that does it the other way round sees a strange error, or silence.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from probes.result import Owner, Phase, ProbeFailure, Reason
from probes.trace import Trace

_IMPLICIT_PORTS = frozenset({465, 993})
_CLEAR_PORTS = frozenset({25, 143, 587, 2525})
_IN_CLEAR = (
    *("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"),
    *("PACKET_LENGTH_TOO_LONG", "BAD_RECORD_TYPE", "in clear", "plaintext"),
)
"""OpenSSL's words for octets that are no TLS, of several versions, and our own."""

_TLS_ALERT = r"\x15\x03"


@contextmanager
def explained(tls: str, port: int, phase: Phase) -> Iterator[None]:
    """Say in a failure of this step when the other way of TLS would explain it."""
    try:
        yield
    except ProbeFailure as failure:
        hint = _hint(failure, tls, port, failure.phase or phase)
        if hint:
            failure.detail = f"{failure.detail}: {hint}"
            if is_unusual(tls, port):
                failure.owner = Owner.CONFIGURATION
        raise


def is_unusual(tls: str, port: int) -> bool:
    """True if TLS usually begins the other way at this port."""
    return port in (_CLEAR_PORTS if tls == "implicit" else _IMPLICIT_PORTS)


def silence_hint(tls: str, port: int) -> str:
    """What may explain that the server does not greet; "" where TLS begins at once anyway."""
    if tls == "implicit":
        return ""
    hint = "a server that waits for TLS says nothing first"
    where = f"port {port} usually does" if port in _IMPLICIT_PORTS else "port 465 or 993 does"
    return f"{hint}, as {where}: `tls: implicit` begins with TLS"


@contextmanager
def greeting_of(tls: str, port: int, trace: Trace) -> Iterator[None]:
    """The phase in which the server greets, with a hint for a silence that never ends."""
    owner = Owner.CONFIGURATION if is_unusual(tls, port) else None
    trace.hint = (silence_hint(tls, port), owner)
    with trace.phase(Phase.GREETING), explained(tls, port, Phase.GREETING):
        yield
    trace.hint = ("", None)


def _hint(failure: ProbeFailure, tls: str, port: int, phase: Phase) -> str:
    if tls == "implicit":
        is_clear = failure.reason is Reason.VALIDATION_FAILURE and any(
            word in failure.detail for word in _IN_CLEAR
        )
        # a server in clear takes our hello for a command, and may hang up or wait for its end
        is_gone = failure.reason in (Reason.TIMEOUT, Reason.CONNECTION_CLOSED) and is_unusual(
            tls, port
        )
        if phase is Phase.TLS and (is_clear or is_gone):
            return f"the server speaks in clear at port {port}: `tls: starttls` begins so"
        return ""
    if phase is not Phase.GREETING:
        return ""
    is_silent = failure.reason in (Reason.TIMEOUT, Reason.CONNECTION_CLOSED)
    if _TLS_ALERT in failure.detail or (is_silent and is_unusual(tls, port)):
        return silence_hint(tls, port)
    return silence_hint(tls, port) if failure.reason is Reason.TIMEOUT else ""
