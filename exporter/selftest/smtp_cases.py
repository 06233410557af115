"""Cases of SMTP dialogues: kinds `mx` and `submission`, routes `direct` and `submission`."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from exporter.selftest.case import Case, HandOver, Probe, Step, Told, telling
from exporter.selftest.fixtures import DOMAIN, MX, PASSWORD, SUBMISSION_HOST, USER, Props
from exporter.selftest.mx_cases import FIRST, HERE, ONE_HOST, OVER_V6, SECOND, TARGET
from exporter.testbed.servers.certificates import foreign
from exporter.testbed.servers.script import Close, Read, Say, Send, StartTls, Wait
from exporter.testbed.servers.script import Step as Said
from exporter.testbed.servers.smtp import Script
from exporter.testbed.servers.world import WorldSpec
from probes.canary.message import Canary, MessageOptions, compose, new_token
from probes.kinds.mx import MxTarget
from probes.kinds.submission import SubmissionTarget
from probes.net.tls import TrustStore
from probes.options import EmailAddress, Host, Port, Seconds, Secret
from probes.result import Status
from probes.routes.direct import DirectRoute
from probes.routes.submission import SubmissionRoute

CLEAR = "smtp.starttls.not_offered"
SLOW = 1.0
"""Seconds after which a reply is slow, in the cases about slowness."""

SLOWER = 1.4
_SUBMISSION_ZONE = f"submit A {FIRST}\n"
_SUBMITTING = SubmissionTarget(Host(SUBMISSION_HOST), username=USER, password=Secret(PASSWORD))
_ROUTE = SubmissionRoute(Host(SUBMISSION_HOST), username=USER, password=Secret(PASSWORD))


def smtp_cases(props: Props) -> Iterator[Case]:
    """All of them."""
    yield from _dialogues(props)
    yield from _slowness(props)
    yield from _refusals(props)
    yield from _recipients(props)
    yield from _certificates(props)
    yield from _submissions(props)
    yield from _deliveries(props)


def canary() -> Canary:
    """A canary that asks for delivery reports."""
    options = MessageOptions(EmailAddress(f"probe@{DOMAIN}"), EmailAddress(f"box@{DOMAIN}"))
    return compose(options, new_token(), datetime.now(UTC))


def _mx(
    props: Props,
    name: str,
    script: Script,
    *told: str | Told,
    target: MxTarget = TARGET,
    trust: TrustStore | None = None,
) -> Case:
    """One host, one address, one server that is as the script has it."""
    spec = WorldSpec(trust=trust or props.trust, zones={DOMAIN: ONE_HOST}, servers={FIRST: script})
    return Case(
        area="smtp",
        name=name,
        spec=spec,
        act=Probe("mx", target),
        expected=telling(HERE, *told),
    )


def _dialogues(props: Props) -> Iterator[Case]:
    """A server's words about itself, before and under TLS."""
    good = Script(tls=props.server.context)
    yield replace(_mx(props, "an MX host in order", good), is_healthy=True)
    yield _mx(props, "STARTTLS is not offered", Script(), CLEAR)
    masked = Script(extensions=("SIZE 1000000", "XXXXXXXA"))
    yield _mx(props, "something masks STARTTLS", masked, "smtp.starttls.masked")
    small = replace(good, extensions=("SIZE 1000",))
    yield _mx(props, "hardly any message is small enough", small, "smtp.size.too_small")
    for name, moment, acts, code in _UNDER_TLS:
        yield _mx(props, name, replace(good, on={moment: acts}), code)
    for name, acts, told in _WITHOUT_TLS:
        script = replace(good, on={"STARTTLS": acts})
        yield _mx(props, name, script, "smtp.starttls.failed", *told)
    for name, acts, code in _IN_CLEAR:
        yield _mx(props, name, Script(on={"EHLO": acts}), CLEAR, code)


_OFFER = ("250-8BITMIME", "250-SIZE 1000000", "250-ENHANCEDSTATUSCODES", "250 HELP")
_UNDER_TLS: tuple[tuple[str, str, tuple[Said, ...], str], ...] = (
    (
        "STARTTLS is offered under TLS",
        "tls EHLO",
        (Say("250-peer.test", *_OFFER[:3], "250 STARTTLS"),),
        "smtp.starttls.offered_again",
    ),
    ("extensions go under TLS", "tls EHLO", (Say("250 peer.test"),), "smtp.extensions.lost"),
    (
        "the host has another name under TLS",
        "tls EHLO",
        (Say("250-other.test", *_OFFER),),
        "smtp.ehlo.name_changed",
    ),
    ("QUIT is answered by the end", "QUIT", (Close(),), "smtp.quit.failed"),
    ("QUIT is answered by 500", "QUIT", (Say("500 you stay"),), "smtp.quit.failed"),
)
_WITHOUT_TLS: tuple[tuple[str, tuple[Said, ...], tuple[str, ...]], ...] = (
    ("STARTTLS is not available now", (Say("454 4.7.0 later"),), ()),
    ("STARTTLS is offered and unknown", (Say("502 5.5.1 what?"),), ()),
    ("TLS is the end", (Say("220 go"), Close()), ()),
    (
        "plaintext is injected behind STARTTLS",
        (Send(b"220 go\r\n250 AUTH PLAIN\r\n"), Wait()),
        ("smtp.starttls.plaintext_injected",),
    ),
)
_IN_CLEAR: tuple[tuple[str, tuple[Said, ...], str], ...] = (
    ("EHLO is unknown", (Say("502 5.5.1 what?"),), "smtp.ehlo.refused"),
    (
        "EHLO is answered twice",
        (Say("250 peer.test", "250 peer.test again"), Wait(0.2)),
        "smtp.unsolicited_reply",
    ),
    (
        "a blank line stands before a reply",
        (Say("", "250 peer.test"),),
        "smtp.unsolicited_reply",
    ),
    ("the host is localhost", (Say("250 localhost"),), "smtp.ehlo.name_not_qualified"),
)


def _slowness(props: Props) -> Iterator[Case]:
    """A pause before the greeting, or before everything."""
    good = Script(tls=props.server.context)
    patient = replace(TARGET, slow_reply=Seconds(SLOW))
    paused = replace(good, on={"connect": (Wait(SLOWER), Say("220 peer.test"))})
    yield _mx(props, "the greeting pauses", paused, "smtp.greeting.paused", target=patient)
    tarpit = replace(good, latency=SLOWER)
    yield _mx(props, "every answer is slow", tarpit, "smtp.tarpit", target=patient)


def _refusals(props: Props) -> Iterator[Case]:
    """How a server turns us away."""
    for name, acts, code in (
        ("the greeting is 554", (Say("554 5.7.1 listed"),), "smtp.greeting.rejected"),
        ("the greeting is 521", (Say("521 5.3.2 no mail here"),), "smtp.greeting.no_mail"),
        ("the greeting is 421", (Say("421 4.3.2 stopping"), Close()), "smtp.service_closing"),
        (
            "there are too many connections",
            (Say("421 4.7.0 too many connections"), Close()),
            "smtp.rate_limited",
        ),
    ):
        yield _mx(props, name, Script(on={"connect": acts}), code)


def _recipients(props: Props) -> Iterator[Case]:
    """The questions that are asked where somebody wants them."""
    asking = replace(
        TARGET,
        recipient=EmailAddress(f"user@{DOMAIN}"),
        postmaster=True,
        catch_all=True,
        open_relay=True,
        ehlo_name=Host("probe.elsewhere.invalid"),
    )
    good = Script(tls=props.server.context)
    for name, answers, told in _ANSWERS:
        script = replace(good, on={"RCPT": answers})
        yield _mx(props, f"recipients: {name}", script, *told, target=asking)
    beyond = replace(TARGET, recipient=EmailAddress(f"jörg@{DOMAIN}"))
    name = "recipients: letters beyond ASCII, and no SMTPUTF8"
    yield _mx(props, name, good, "rcpt.smtputf8_missing", target=beyond)
    near = replace(asking, ehlo_name=Host(f"probe.{DOMAIN}"))
    nobody = replace(good, on={"RCPT": [_NO]})
    told = ("rcpt.refused", "rcpt.postmaster_refused", "rcpt.unknown_refused", "rcpt.not_asked")
    yield _mx(props, "recipients: our name is below the domain", nobody, *told, target=near)
    for name, reply, status, beside in (
        ("for good", "550 5.7.1 not from you", Status.FAILURE, ()),
        ("for now", "451 4.3.0 not now", Status.WARNING, ("rcpt.recipient_deferred",)),
    ):
        script = replace(good, on={"MAIL": (Say(reply),)})
        codes = (("rcpt.sender_refused", status), *beside)
        yield _mx(props, f"recipients: the sender is refused {name}", script, *codes, target=asking)


_OK, _NO = (Say("250 2.1.5 ok"),), (Say("550 5.1.1 who?"),)
_BOTH_TAKEN = ("rcpt.accepted", "rcpt.postmaster_accepted")
_OTHERS_REFUSED = ("rcpt.unknown_refused", "rcpt.relay_refused")
_ANSWERS: tuple[tuple[str, list[tuple[Said, ...]], tuple[str, ...]], ...] = (
    ("two recipients exist and no other", [_OK, _OK, _NO], (*_BOTH_TAKEN, *_OTHERS_REFUSED)),
    ("every recipient exists", [_OK], (*_BOTH_TAKEN, "rcpt.catch_all", "rcpt.open_relay")),
    (
        "no recipient exists",
        [_NO],
        ("rcpt.refused", "rcpt.postmaster_refused", *_OTHERS_REFUSED),
    ),
    (
        "there is no postmaster",
        [_OK, _NO],
        ("rcpt.accepted", "rcpt.postmaster_refused", *_OTHERS_REFUSED),
    ),
    (
        "they are greylisted",
        [(Say("451 4.7.1 Greylisted"),)],
        ("rcpt.undecided", "smtp.greylisted"),
    ),
    (
        "there were too many messages",
        [(Say("450 4.2.1 too many messages"),)],
        ("rcpt.undecided", "rcpt.recipient_deferred", "smtp.rate_limited"),
    ),
    ("the server cannot tell", [(Say("252 2.5.2 cannot tell"),)], ("rcpt.undecided",)),
)
"""The answers to the questions for a recipient, postmaster, nobody and another domain's user."""


def _bad_certificates(
    props: Props, host: str
) -> Iterator[tuple[str, ssl.SSLContext, TrustStore, str]]:
    """In words, the served certificates, the trusted authorities, and the expected reason."""
    authority, trust = props.authority, props.trust
    yield "has expired", authority.expired(host), trust, "certificate_expired"
    yield (
        "is for another host",
        authority.context("other.test"),
        trust,
        "certificate_host_mismatch",
    )
    yield "is of an unknown authority", foreign(host), trust, "certificate_not_trusted"
    unreadable = authority.unreadable(host).context
    yield "cannot be read", unreadable, trust, "validation_failure"
    yield "cannot be judged here", authority.context(host), props.ignorant, "untestable"


def _certificates(props: Props) -> Iterator[Case]:
    """Between relays any certificate will do; where mail is submitted it is more than a notice."""
    for said, context, trust, reason in _bad_certificates(props, MX):
        code = f"smtp.starttls.{reason}"
        told = (code, Status.NOTICE)
        script = Script(tls=context)
        yield _mx(props, f"the certificate {said}", script, told, trust=trust)
    ways: tuple[tuple[Literal["starttls", "implicit"], int], ...] = (
        ("starttls", 587),
        ("implicit", 465),
    )
    for way, port in ways:
        for said, context, trust, reason in _bad_certificates(props, SUBMISSION_HOST):
            target = replace(_SUBMITTING, tls=way, port=Port(port), verify=False, insecure=True)
            script = replace(_submission_server(props), tls=context, implicit_tls=way == "implicit")
            yield _submission(
                f"submission, TLS {way}: the certificate {said}",
                WorldSpec(trust=trust, zones={DOMAIN: _SUBMISSION_ZONE}, servers={FIRST: script}),
                Probe("submission", target),
                (f"smtp.{way}.{reason}", Status.WARNING),
            )


def _submission_server(props: Props, *more: str) -> Script:
    return Script(
        tls=props.server.context,
        extensions=("AUTH PLAIN", "SIZE 1000000", "8BITMIME", *more),
        users={USER: PASSWORD},
    )


def _submission(name: str, spec: WorldSpec, act: Step, *told: str | Told) -> Case:
    expected = telling(*told)
    return Case(
        area="smtp",
        name=name,
        spec=spec,
        act=act,
        expected=expected,
        is_healthy=not expected,
    )


def _submissions(props: Props) -> Iterator[Case]:
    """The log-in, and further properties of an address of a submission server."""
    good = _submission_server(props)
    logging_in = Probe("submission", _SUBMITTING)
    spec = WorldSpec(trust=props.trust, zones={DOMAIN: _SUBMISSION_ZONE}, servers={FIRST: good})
    yield _submission("a submission server in order", spec, logging_in)
    asks = (Say("334 VXNlcm5hbWU6"), Read(), Say("334 UGFzc3dvcmQ6"), Read(), Say("235 2.7.0 ok"))
    odd = replace(
        good,
        extensions=("AUTH PLAIN LOGIN",),
        on={"AUTH": [(Say("504 5.7.4 unrecognized"),), asks]},
    )
    yield _submission(
        "AUTH PLAIN is offered and not understood",
        replace(spec, servers={FIRST: odd}),
        logging_in,
        "smtp.auth.mechanism_refused",
    )
    implicit = replace(spec, servers={FIRST: replace(good, implicit_tls=True)})
    target = replace(_SUBMITTING, tls="implicit", port=Port(465))
    yield _submission("the same under implicit TLS", implicit, Probe("submission", target))
    two = replace(
        spec,
        zones={DOMAIN: f"{_SUBMISSION_ZONE}submit AAAA {OVER_V6}\n"},
        servers={OVER_V6: good},
    )
    unusable = "smtp.address_unusable"
    yield _submission(
        "an address of a submission server refuses", two, logging_in, (unusable, Status.WARNING)
    )
    yield _submission(
        "this machine has no way to an address of a submission server",
        replace(two, out_of_reach=frozenset({FIRST})),
        logging_in,
        (unusable, Status.UNTESTABLE),
    )


def _deliveries(props: Props) -> Iterator[Case]:
    """A canary on its way."""
    handing_over = HandOver("submission", _ROUTE, canary())
    reporting = _submission_server(props, "DSN")
    spec = WorldSpec(
        trust=props.trust, zones={DOMAIN: _SUBMISSION_ZONE}, servers={FIRST: reporting}
    )
    yield _submission("a canary is handed over, and reports are asked for", spec, handing_over)
    refused = (Say("555 5.5.4 unknown parameter"),)
    for moment in ("MAIL", "RCPT"):
        answers: list[tuple[Said, ...]] = [refused, _OK]
        script = replace(reporting, on={moment: answers})
        yield _submission(
            f"DSN is offered and refused with {moment}",
            replace(spec, servers={FIRST: script}),
            handing_over,
            "smtp.dsn.refused",
        )
    delivering = HandOver("direct", DirectRoute(), canary())
    relay = Script(tls=props.server.context)
    delivery = WorldSpec(trust=props.trust, zones={DOMAIN: ONE_HOST}, servers={FIRST: relay})
    yield _submission("a canary is delivered to the MX host", delivery, delivering)
    for name, acts, told in (
        ("STARTTLS is not available now", (Say("454 4.7.0 later"),), ()),
        (
            "plaintext is injected behind it",
            (Say("220 go ahead", "250 AUTH PLAIN"), StartTls()),
            ("smtp.starttls.plaintext_injected",),
        ),
    ):
        script = replace(relay, on={"STARTTLS": acts})
        yield _submission(
            f"a canary is delivered in clear: {name}",
            replace(delivery, servers={FIRST: script}),
            delivering,
            "smtp.starttls.failed",
            *told,
        )
    zone = f"{ONE_HOST}@ MX 5 mx2\nmx2 A {SECOND}\n"
    yield _submission(
        "a canary is delivered to the second host, the first one refuses",
        replace(delivery, zones={DOMAIN: zone}),
        delivering,
        ("mx.address_unusable", Status.WARNING),
    )
