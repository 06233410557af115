"""Faults of HTTPS servers, met by a fetch of one document."""

import ssl
from collections.abc import Callable, Iterator
from functools import partial

from exporter.testbed.faults.fault import (
    HOSTS,
    WEB_HOST,
    Fault,
    ProbeUnderTest,
    ServerFactory,
    Verdict,
    broken,
    fine,
)
from exporter.testbed.faults.harness import PAGE, web_server
from exporter.testbed.servers.certificates import Authority, foreign, self_signed
from exporter.testbed.servers.dns_messages import Misbehaviour
from exporter.testbed.servers.dns_server import DnsFault
from exporter.testbed.servers.https import HttpsPeer, page
from exporter.testbed.servers.peer import FullQueue, NobodyThere
from exporter.testbed.servers.script import (
    Close,
    Flood,
    HalfClose,
    Line,
    Repeat,
    Say,
    Send,
    Steps,
    Wait,
)
from probes.net.https import MAX_BODY
from probes.result import Owner, Phase, Reason

_THEIRS = Owner.RECEIVER_MX
_tls = partial(broken, Phase.TLS, owner=_THEIRS)
_https = partial(broken, Phase.HTTPS, owner=_THEIRS)
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = Send(_OK + b"Transfer-Encoding: chunked\r\n\r\n")


def https_faults() -> Iterator[Fault]:
    """Every one of them."""
    for name, verdict, server in _BEFORE_A_WORD:
        yield Fault(f"HTTPS: {name}", ProbeUnderTest.FETCH, verdict, server)
    for name, reason, context in _CERTIFICATES:
        yield Fault(f"HTTPS: {name}", ProbeUnderTest.FETCH, _tls(reason), _showing(context))
    for name, verdict, acts in _ANSWERS:
        yield Fault(f"HTTPS: {name}", ProbeUnderTest.FETCH, verdict, _answering(acts))
    for name, verdict, line in _LINES:
        yield Fault(f"HTTPS: {name}", ProbeUnderTest.FETCH, verdict, _over(line))
    yield Fault(
        "HTTPS: the host does not exist",
        ProbeUnderTest.FETCH,
        broken(Phase.DNS_ADDRESS, Reason.NXDOMAIN, Owner.RECEIVER_DNS),
        dns={(WEB_HOST, "*"): DnsFault(Misbehaviour.NXDOMAIN)},
    )


def _answering(acts: Steps) -> ServerFactory:
    return lambda authority: web_server(authority, acts)


def _showing(context: Callable[[Authority], ssl.SSLContext]) -> ServerFactory:
    return lambda authority: HttpsPeer(context=context(authority))


def _in_clear(*acts: Steps) -> ServerFactory:
    greeting = tuple(act for some in acts for act in some)
    return lambda _: HttpsPeer(greeting=greeting)


def _over(line: Line) -> ServerFactory:
    return lambda authority: HttpsPeer(
        {PAGE: page(b"version: STSv1\n")}, context=authority.context(*HOSTS), line=line
    )


_BEFORE_A_WORD: tuple[tuple[str, Verdict, ServerFactory], ...] = (
    (
        "nobody listens",
        broken(Phase.CONNECT, Reason.CONNECTION_REFUSED, _THEIRS),
        lambda _: NobodyThere(),
    ),
    (
        "the accept queue is full",
        broken(Phase.CONNECT, Reason.TIMEOUT, Owner.NETWORK),
        lambda _: FullQueue(),
    ),
    ("TLS is never begun", _tls(Reason.TIMEOUT), _in_clear((Wait(),))),
    (
        "the server speaks in clear",
        _tls(Reason.VALIDATION_FAILURE),
        _in_clear((*page(b"in clear"), Wait())),
    ),
    ("the connection is the end", _tls(Reason.CONNECTION_CLOSED), _in_clear((Close(),))),
    (
        "TLS is a reset",
        _tls(Reason.CONNECTION_RESET),
        _in_clear((Wait(0.05), Close(reset=True))),
    ),
)

_CERTIFICATES: tuple[tuple[str, Reason, Callable[[Authority], ssl.SSLContext]], ...] = (
    (
        "the certificate has expired",
        Reason.CERTIFICATE_EXPIRED,
        lambda authority: authority.expired(*HOSTS),
    ),
    (
        "the certificate is another's",
        Reason.CERTIFICATE_HOST_MISMATCH,
        lambda authority: authority.context("other.test"),
    ),
    (
        "the certificate is of a foreign authority",
        Reason.CERTIFICATE_NOT_TRUSTED,
        lambda _: foreign(*HOSTS),
    ),
    (
        "the certificate vouches for itself",
        Reason.CERTIFICATE_NOT_TRUSTED,
        lambda _: self_signed(*HOSTS),
    ),
    (
        "the certificate has 200 KB",
        Reason.VALIDATION_FAILURE,
        lambda authority: authority.context(*HOSTS, filler=200_000),
    ),
)

_ANSWERS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("nothing is answered", _https(Reason.TIMEOUT), (Wait(),)),
    ("the answer is the end", _https(Reason.CONNECTION_CLOSED), (Close(),)),
    ("the answer is a reset", _https(Reason.CONNECTION_RESET), (Close(reset=True),)),
    (
        "the head is cut",
        _https(Reason.CONNECTION_CLOSED),
        (Send(_OK + b"Content-Len"), Close()),
    ),
    (
        "the body is cut",
        _https(Reason.CONNECTION_CLOSED),
        (Send(_OK + b"Content-Length: 99\r\n\r\nversion"), Close()),
    ),
    (
        "one direction ends in the body",
        _https(Reason.CONNECTION_CLOSED),
        (Send(_OK + b"Content-Length: 99\r\n\r\nversion"), HalfClose(), Wait()),
    ),
    (
        "the body drips",
        _https(Reason.TIMEOUT),
        (Send(_OK + b"Content-Length: 999\r\n\r\n"), Send(b"x" * 999, 0.1)),
    ),
    (
        "the body has no end",
        fine(https_is_whole=False, https_octets=MAX_BODY),
        (Send(_OK + b"\r\n"), Flood(b"x" * 4096)),
    ),
    (
        "the body comes in chunks of one octet",
        fine(https_is_whole=True, https_octets=20_000),
        (_CHUNKED, Repeat("1\r\nx", 20_000), Say("0", "")),
    ),
    (
        "a chunk has no size",
        _https(Reason.MALFORMED_REPLY),
        (_CHUNKED, Say("many", "version: STSv1"), Wait()),
    ),
    (
        "the trailers have no end",
        _https(Reason.MALFORMED_REPLY),
        (_CHUNKED, Say("0"), Flood(b"X: y\r\n" * 99)),
    ),
    (
        "a header has no end",
        _https(Reason.MALFORMED_REPLY),
        (Send(_OK), Flood(b"X: " + b"y" * 4000)),
    ),
    (
        "the headers have no end",
        _https(Reason.MALFORMED_REPLY),
        (Send(_OK), Flood(b"X: y\r\n" * 99)),
    ),
    (
        "interim answers have no end",
        _https(Reason.MALFORMED_REPLY),
        (Flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 99),),
    ),
    ("the answer is binary", _https(Reason.MALFORMED_REPLY), (Send(bytes(range(256)) * 9), Wait())),
    (
        "the answer is SMTP",
        _https(Reason.MALFORMED_REPLY),
        (Say("220 mail.liar.test ESMTP", ""), Wait()),
    ),
    (
        "the body has two lengths",
        _https(Reason.MALFORMED_REPLY),
        (Send(_OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Wait()),
    ),
    (
        "the answer leads elsewhere",
        fine(https_status=302),
        page(b"", status="302 Found", head="Location: https://elsewhere.liar.test/\r\n"),
    ),
    ("the server fails", fine(https_status=500), page(b"oops", status="500 Oops")),
    (
        "the body is packed though nobody asked for it",
        fine(https_octets=20),
        page(b"\x1f\x8b\x08" + b"\0" * 17, head="Content-Encoding: gzip\r\n"),
    ),
    (
        "more follows than was announced",
        fine(https_octets=3, https_is_whole=True),
        (Send(_OK + b"Content-Length: 3\r\n\r\nabc" + _OK + b"\r\n"), Flood(b"x" * 4096)),
    ),
)

_LINES: tuple[tuple[str, Verdict, Line], ...] = (
    ("every answer is late", fine(), Line(latency=0.2)),
    ("every write is an octet", fine(), Line(piece=1)),
    ("the line is cut", _https(Reason.CONNECTION_CLOSED), Line(cut_after=40)),
    (
        "the line is reset",
        _https(Reason.CONNECTION_RESET),
        Line(cut_after=40, cut_resets=True),
    ),
)
