"""Faults of SMTP servers, met by the kinds and routes that speak to them."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from exporter.testbed.faults.fault import (
    HOSTS,
    Fault,
    ProbeUnderTest,
    ServerFactory,
    Verdict,
    broken,
    fine,
)
from exporter.testbed.faults.harness import mail_server
from exporter.testbed.servers.certificates import Authority, foreign, self_signed
from exporter.testbed.servers.peer import FullQueue, NobodyThere
from exporter.testbed.servers.script import (
    Close,
    Flood,
    HalfClose,
    Line,
    Say,
    Send,
    StartTls,
    Steps,
    Wait,
)
from exporter.testbed.servers.smtp import Script, SmtpPeer
from probes.result import Owner, Phase, Reason

_THEIRS, _RELAYS = Owner.RECEIVER_MX, Owner.RELAY
_PAUSE = Wait(0.05)
_GO_AHEAD = Say("220 2.0.0 go ahead")
_SHUTDOWN = (Say("421 4.3.2 shutting down"), Close())


def smtp_faults() -> Iterator[Fault]:
    """Every one of them."""
    for name, verdict, server in _BEFORE_A_WORD:
        yield Fault(f"SMTP: {name}", ProbeUnderTest.MX, verdict, server)
    for under_test, moment, cases in _DIALOGUE:
        for name, verdict, acts in cases:
            yield Fault(f"SMTP: {name}", under_test, verdict, _saying({moment: acts}))
    for name, verdict, line in _LINES:
        yield Fault(f"SMTP: {name}", ProbeUnderTest.MX, verdict, _saying({}, line))
    for name, reason, context in _CERTIFICATES:
        verdict = broken(Phase.TLS, reason, _RELAYS)
        yield Fault(f"SMTP: {name}", ProbeUnderTest.SUBMISSION, verdict, _showing(context))
    yield Fault(
        "SMTP: the certificate is of no authority, as between relays it may be",
        ProbeUnderTest.DIRECT,
        fine(tls_trusted=False),
        _showing(lambda _: foreign(*HOSTS)),
    )
    yield Fault(
        "SMTP: AUTH is not offered",
        ProbeUnderTest.SUBMISSION,
        broken(Phase.AUTH, Reason.EXTENSION_MISSING, _RELAYS),
        _offering(),
    )
    yield Fault(
        "SMTP: unknown ways to authenticate are offered",
        ProbeUnderTest.SUBMISSION,
        broken(Phase.AUTH, Reason.EXTENSION_MISSING, _RELAYS),
        _offering("AUTH X-NOBODY GSSAPI"),
    )


def _saying(on: Mapping[str, Steps], line: Line | None = None) -> ServerFactory:
    def cast(authority: Authority) -> SmtpPeer:
        script = mail_server(authority, on)
        if line is not None:
            script = replace(
                script,
                latency=line.latency,
                piece=line.piece,
                gap=line.gap,
                cut_after=line.cut_after,
                cut_resets=line.cut_resets,
            )
        return SmtpPeer(script)

    return cast


def _showing(context: Callable[[Authority], ssl.SSLContext]) -> ServerFactory:
    return lambda authority: SmtpPeer(replace(mail_server(authority), tls=context(authority)))


def _offering(*extensions: str) -> ServerFactory:
    def cast(authority: Authority) -> SmtpPeer:
        script: Script = replace(mail_server(authority), extensions=extensions)
        return SmtpPeer(script)

    return cast


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
)

_greeting = partial(broken, Phase.GREETING, owner=_THEIRS)
_GREETINGS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("the greeting never comes", _greeting(Reason.TIMEOUT), (Wait(),)),
    (
        "the greeting drips for ever",
        _greeting(Reason.TIMEOUT),
        (Send(b"220 " + b"hello " * 100, 0.1),),
    ),
    ("the greeting comes octet by octet", fine(), (Send(b"220 mx.liar.test ESMTP\r\n", 0.001),)),
    (
        "the greeting has pauses, to catch early talkers",
        fine(),
        (Say("220-wait"), Wait(0.15), Say("220-for it"), Wait(0.1), Say("220 now")),
    ),
    ("the greeting's line has no end", _greeting(Reason.MALFORMED_REPLY), (Flood(b"220 x" * 999),)),
    (
        "the greeting's lines have no end",
        _greeting(Reason.MALFORMED_REPLY),
        (Flood(b"220-hello\r\n" * 99),),
    ),
    (
        "the greeting is binary",
        _greeting(Reason.MALFORMED_REPLY),
        (Send(bytes(range(256))), Wait()),
    ),
    (
        "the greeting is HTTP",
        _greeting(Reason.MALFORMED_REPLY),
        (Say("HTTP/1.1 400 Bad Request", ""), Wait()),
    ),
    (
        "the greeting has two codes",
        _greeting(Reason.MALFORMED_REPLY),
        (Say("220-hello", "554 go away"), Wait()),
    ),
    (
        "the greeting is a reset",
        _greeting(Reason.CONNECTION_RESET),
        (_PAUSE, Close(reset=True)),
    ),
    ("the greeting is the end", _greeting(Reason.CONNECTION_CLOSED), (Close(),)),
    (
        "one direction ends before the greeting",
        _greeting(Reason.CONNECTION_CLOSED),
        (HalfClose(), Wait()),
    ),
    ("the greeting is 421", _greeting(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("the greeting is 554", _greeting(Reason.REJECTED), (Say("554 5.3.2 not here"),)),
    ("the greeting is 250", _greeting(Reason.UNEXPECTED_REPLY), (Say("250 ok"),)),
)

_ehlo = partial(broken, Phase.EHLO, owner=_THEIRS)
_EHLOS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("EHLO is unknown", fine("smtp.ehlo.refused"), (Say("502 5.5.1 what?"),)),
    ("EHLO is answered by 421", _ehlo(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("EHLO is never answered", _ehlo(Reason.TIMEOUT), (Wait(),)),
    ("EHLO is answered by 354", _ehlo(Reason.UNEXPECTED_REPLY), (Say("354 go on"),)),
    (
        "EHLO names extensions without end",
        _ehlo(Reason.MALFORMED_REPLY),
        (Flood(b"250-XTENSION\r\n" * 99),),
    ),
    (
        "EHLO is answered in escape sequences",
        fine(),
        (Send(b"250-\x1b[2J\x1b]0;owned\x07\r\n250 \xff\xfe SIZE\r\n"),),
    ),
    (
        "EHLO is answered twice",
        fine("smtp.unsolicited_reply"),
        (Say("250 mx", "250 mx again"), _PAUSE),
    ),
)

_starttls = partial(broken, Phase.STARTTLS, owner=_RELAYS)
_tls = partial(broken, Phase.TLS, owner=_RELAYS)
_STARTTLS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("STARTTLS is not available now", _starttls(Reason.DEFERRED), (Say("454 4.7.0 later"),)),
    (
        "STARTTLS is offered and unknown",
        _starttls(Reason.STARTTLS_NOT_SUPPORTED),
        (Say("502 5.5.1 what?"),),
    ),
    ("STARTTLS is answered by 421", _starttls(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("STARTTLS is answered by 250", _starttls(Reason.UNEXPECTED_REPLY), (Say("250 ok"),)),
    (
        "plaintext is injected behind the 220 (CVE-2011-0411)",
        broken(
            Phase.STARTTLS,
            Reason.VALIDATION_FAILURE,
            _RELAYS,
            "smtp.starttls.plaintext_injected",
        ),
        (Say("220 go ahead", "250-mx.liar.test", "250 AUTH PLAIN"), StartTls()),
    ),
    (
        "plaintext follows where TLS was to begin",
        _tls(Reason.VALIDATION_FAILURE),
        (_GO_AHEAD, _PAUSE, Say("250-mx.liar.test", "250 AUTH PLAIN"), Wait()),
    ),
    (
        "binary follows where TLS was to begin",
        _tls(Reason.VALIDATION_FAILURE),
        (_GO_AHEAD, _PAUSE, Send(b"\x16\x03\x03\xff\xff" + b"\xaa" * 600), Wait()),
    ),
    (
        "TLS is refused by an alert",
        _tls(Reason.VALIDATION_FAILURE),
        (_GO_AHEAD, _PAUSE, Send(b"\x15\x03\x03\x00\x02\x02\x28"), Wait()),
    ),
    ("TLS is never begun", _tls(Reason.TIMEOUT), (_GO_AHEAD, Wait())),
    ("TLS is the end", _tls(Reason.CONNECTION_CLOSED), (_GO_AHEAD, _PAUSE, Close())),
    (
        "TLS is a reset",
        _tls(Reason.CONNECTION_RESET),
        (_GO_AHEAD, _PAUSE, Close(reset=True)),
    ),
)

_IN_CLEAR = tuple(
    (f"{name}; to a relay that is no end", fine("smtp.starttls.failed", *said.findings), acts)
    for name, said, acts in _STARTTLS
)

_SECURE: tuple[tuple[str, Verdict, Steps], ...] = (
    ("EHLO under TLS is answered by 421", _ehlo(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("EHLO under TLS is the end", _ehlo(Reason.CONNECTION_CLOSED), (Close(),)),
    ("EHLO under TLS is never answered", _ehlo(Reason.TIMEOUT), (Wait(),)),
)

_auth = partial(broken, Phase.AUTH)
_AUTHS: tuple[tuple[str, Verdict, Steps], ...] = (
    (
        "the password is wrong",
        _auth(Reason.AUTHENTICATION_FAILED, owner=Owner.CONFIGURATION),
        (Say("535 5.7.8 who are you?"),),
    ),
    (
        "the password cannot be looked up now",
        _auth(Reason.DEFERRED, owner=_RELAYS),
        (Say("454 4.7.0 later"),),
    ),
    ("AUTH asks on", _auth(Reason.UNEXPECTED_REPLY, owner=_RELAYS), (Say("334 bW9yZQ=="),)),
    ("AUTH is answered by 421", _auth(Reason.SERVICE_CLOSING, owner=_RELAYS), _SHUTDOWN),
    ("AUTH is a reset", _auth(Reason.CONNECTION_RESET, owner=_RELAYS), (Close(reset=True),)),
)

_mail = partial(broken, Phase.MAIL, owner=_RELAYS)
_MAILS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("MAIL is answered by 421", _mail(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("MAIL is answered by 354", _mail(Reason.UNEXPECTED_REPLY), (Say("354 go on"),)),
    ("MAIL is never answered", _mail(Reason.TIMEOUT), (Wait(),)),
)

_RCPTS: tuple[tuple[str, Verdict, Steps], ...] = (
    (
        "RCPT is answered by 421",
        broken(Phase.RCPT, Reason.SERVICE_CLOSING, _RELAYS),
        _SHUTDOWN,
    ),
    (
        "the recipient does not exist",
        broken(Phase.RCPT, Reason.REJECTED, Owner.RECEIVER_MAILBOX),
        (Say("550 5.1.1 no such user"),),
    ),
    (
        "the recipient is greylisted",
        broken(Phase.RCPT, Reason.GREYLISTED, _RELAYS),
        (Say("451 4.7.1 Greylisted, come back"),),
    ),
    (
        "RCPT is answered by 220",
        broken(Phase.RCPT, Reason.UNEXPECTED_REPLY, _RELAYS),
        (Say("220 hello again"),),
    ),
)

_data = partial(broken, Phase.DATA, owner=_RELAYS)
_DATAS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("DATA is answered by 421", _data(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("DATA is answered by 250", _data(Reason.UNEXPECTED_REPLY), (Say("250 ok"),)),
    ("DATA is never answered", _data(Reason.TIMEOUT), (Wait(),)),
)

_end = partial(broken, Phase.END_OF_DATA, owner=_RELAYS)
_CONTENTS: tuple[tuple[str, Verdict, Steps], ...] = (
    (
        "the final dot is answered late",
        fine(smtp_reply="250 2.0.0 at last"),
        (Wait(0.4), Say("250 2.0.0 at last")),
    ),
    ("the final dot is never answered", _end(Reason.TIMEOUT), (Wait(),)),
    ("the final dot is a reset", _end(Reason.CONNECTION_RESET), (_PAUSE, Close(reset=True))),
    ("the final dot is the end", _end(Reason.CONNECTION_CLOSED), (Close(),)),
    ("the final dot is answered by 421", _end(Reason.SERVICE_CLOSING), _SHUTDOWN),
    ("the final dot is answered by 354", _end(Reason.UNEXPECTED_REPLY), (Say("354 more"),)),
    ("the final dot is answered by binary", _end(Reason.MALFORMED_REPLY), (Send(b"\0\xff\r\n"),)),
)

_QUITS: tuple[tuple[str, Verdict, Steps], ...] = (
    ("QUIT is answered by 421", fine("smtp.quit.failed"), _SHUTDOWN),
    ("QUIT is a reset", fine("smtp.quit.failed"), (Close(reset=True),)),
    ("QUIT is answered by 500", fine("smtp.quit.failed"), (Say("500 you stay"),)),
)

_RELAYED: tuple[tuple[str, Verdict, Steps], ...] = (
    (
        "TLS fails and the message goes in clear, as between relays",
        fine("smtp.starttls.failed"),
        (_GO_AHEAD, _PAUSE, Send(b"\0" * 99), Wait()),
    ),
    (
        "plaintext is injected and the message goes in clear",
        fine("smtp.starttls.failed", "smtp.starttls.plaintext_injected"),
        (Say("220 go ahead", "250 AUTH PLAIN"), StartTls()),
    ),
)

_DIALOGUE: tuple[tuple[ProbeUnderTest, str, tuple[tuple[str, Verdict, Steps], ...]], ...] = (
    (ProbeUnderTest.MX, "connect", _GREETINGS),
    (ProbeUnderTest.MX, "EHLO", _EHLOS),
    (ProbeUnderTest.SUBMISSION, "STARTTLS", _STARTTLS),
    (ProbeUnderTest.MX, "STARTTLS", _IN_CLEAR),
    (ProbeUnderTest.MX, "tls EHLO", _SECURE),
    (ProbeUnderTest.SUBMISSION, "AUTH", _AUTHS),
    (ProbeUnderTest.HAND_OVER, "MAIL", _MAILS),
    (ProbeUnderTest.HAND_OVER, "RCPT", _RCPTS),
    (ProbeUnderTest.HAND_OVER, "DATA", _DATAS),
    (ProbeUnderTest.HAND_OVER, "content", _CONTENTS),
    (ProbeUnderTest.HAND_OVER, "QUIT", _QUITS),
    (ProbeUnderTest.DIRECT, "STARTTLS", _RELAYED),
)

_LINES: tuple[tuple[str, Verdict, Line], ...] = (
    ("every answer is late", fine(), Line(latency=0.03)),
    ("every write is an octet", fine(), Line(piece=1)),
    ("the line is cut in the greeting", _greeting(Reason.CONNECTION_CLOSED), Line(cut_after=9)),
    (
        "the line is cut in the answer to EHLO",
        _ehlo(Reason.CONNECTION_CLOSED),
        Line(cut_after=60),
    ),
    (
        "the line is reset in the answer to EHLO",
        _ehlo(Reason.CONNECTION_RESET),
        Line(cut_after=60, cut_resets=True),
    ),
)

_CERTIFICATES: tuple[tuple[str, Reason, Callable[[Authority], ssl.SSLContext]], ...] = (
    (
        "the certificate has expired",
        Reason.CERTIFICATE_EXPIRED,
        lambda authority: authority.expired(*HOSTS),
    ),
    (
        "the certificate begins tomorrow",
        Reason.CERTIFICATE_NOT_TRUSTED,
        lambda authority: authority.premature(*HOSTS),
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
