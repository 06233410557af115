"""The one table of what an exception means."""

import asyncio
import builtins
import errno
import os
import ssl

import pytest

from probes.net.errors import MAPPED, ROWS, NetError, mapped, net_error
from probes.result import Owner, ProbeFailure, Reason

FAILURES = [
    (errno.ECONNREFUSED, Reason.CONNECTION_REFUSED, None),
    (errno.ECONNRESET, Reason.CONNECTION_RESET, None),
    (errno.EPIPE, Reason.CONNECTION_RESET, None),
    (errno.ECONNABORTED, Reason.CONNECTION_CLOSED, None),
    (errno.ETIMEDOUT, Reason.TIMEOUT, None),
    (errno.EHOSTUNREACH, Reason.UNREACHABLE, Owner.NETWORK),
    (errno.ENETUNREACH, Reason.UNREACHABLE, Owner.MONITOR),
    (errno.ENETDOWN, Reason.UNREACHABLE, Owner.MONITOR),
    (errno.EAFNOSUPPORT, Reason.UNREACHABLE, Owner.MONITOR),
    (errno.EADDRNOTAVAIL, Reason.UNTESTABLE, Owner.MONITOR),
    (errno.EACCES, Reason.UNTESTABLE, Owner.MONITOR),
    (errno.EPERM, Reason.UNTESTABLE, Owner.MONITOR),
    (errno.EMFILE, Reason.UNTESTABLE, Owner.MONITOR),
    (errno.ENOBUFS, Reason.UNTESTABLE, Owner.MONITOR),
    (errno.EIO, Reason.UNTESTABLE, Owner.MONITOR),
]


@pytest.mark.parametrize(("number", "reason", "owner"), FAILURES)
def test_an_error_of_the_system_has_its_reason_and_owner(
    number: int, reason: Reason, owner: Owner | None
) -> None:
    error = net_error(OSError(number, os.strerror(number)), "192.0.2.1 port 25")
    assert error is not None
    assert (error.reason, error.owner) == (reason, owner)
    assert error.detail.startswith("192.0.2.1 port 25: ")
    assert os.strerror(number) in error.detail


VERIFY_CODES = [
    (10, Reason.CERTIFICATE_EXPIRED),
    (62, Reason.CERTIFICATE_HOST_MISMATCH),
    (64, Reason.CERTIFICATE_HOST_MISMATCH),
    (18, Reason.CERTIFICATE_NOT_TRUSTED),
    (20, Reason.CERTIFICATE_NOT_TRUSTED),
]


@pytest.mark.parametrize(("code", "reason"), VERIFY_CODES)
def test_a_refused_certificate_has_the_reason_of_its_verify_code(code: int, reason: Reason) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = "so it is"
    converted = net_error(error, "TLS")
    assert converted is not None
    assert converted.reason is reason
    assert converted.detail.endswith("(so it is)")


def test_an_end_within_tls_is_a_closed_connection_and_all_else_a_failed_handshake() -> None:
    reasons = [
        net_error(kind(1, "x"), "TLS").reason  # type: ignore[union-attr]
        for kind in (ssl.SSLZeroReturnError, ssl.SSLEOFError, ssl.SSLError)
    ]
    assert reasons == [
        Reason.CONNECTION_CLOSED,
        Reason.CONNECTION_CLOSED,
        Reason.VALIDATION_FAILURE,
    ]


def test_an_end_without_a_number_was_no_reset() -> None:
    # what asyncio raises for an end of file within the handshake
    for error in (ConnectionResetError(), ConnectionAbortedError("SSL handshake")):
        converted = net_error(error, "TLS")
        assert converted is not None
        assert converted.reason is Reason.CONNECTION_CLOSED


def _descendants(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind}.union(*(_descendants(child) for child in kind.__subclasses__()))


def test_every_exception_of_the_system_and_of_asyncio_is_mapped() -> None:
    wanted = {kind for root in MAPPED for kind in _descendants(root)}
    ours = {kind for kind in wanted if kind.__module__ in ("builtins", "ssl", "asyncio.exceptions")}
    assert ours > {builtins.BlockingIOError, ssl.SSLWantReadError, asyncio.LimitOverrunError}
    for kind in ours:
        assert isinstance(net_error(kind.__new__(kind), "here"), NetError), kind


def test_no_row_is_hidden_by_an_earlier_and_wider_one() -> None:
    for index, row in enumerate(ROWS):
        hiding = [
            earlier
            for earlier in ROWS[:index]
            if earlier.applies is None and issubclass(row.type, earlier.type)
        ]
        assert not hiding, row


def test_what_is_no_affair_of_the_network_passes() -> None:
    for error in (ValueError("a bug"), asyncio.CancelledError(), KeyboardInterrupt()):
        assert net_error(error, "here") is None
        with pytest.raises(type(error)) as raised, mapped("here"):
            raise error
        assert raised.value is error


def test_a_failure_that_has_its_reason_already_keeps_it() -> None:
    failure = ProbeFailure(Reason.REJECTED, "no")
    with pytest.raises(ProbeFailure) as raised, mapped("here"):
        raise failure
    assert raised.value is failure


def test_the_cause_is_kept() -> None:
    cause = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    with pytest.raises(NetError) as raised, mapped("here"):
        raise cause
    assert raised.value.__cause__ is cause
