"""Sessions opened step by step, every step timed: shared by kinds and routes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from probes.canary.envelope import DsnRequest
from probes.canary.message import Canary
from probes.catalogue import smtp
from probes.catalogue.parties import RELAY
from probes.net import Net
from probes.net.smtp_session import SmtpSession
from probes.net.tls import TlsFacts
from probes.options import FilePath, Host, IpAddress, Port, Secret, option
from probes.records.queue_id import read_queue_id
from probes.records.reply import Reply
from probes.records.subject import Subject
from probes.result import (
    Aspect,
    Finding,
    Handover,
    HandoverState,
    Phase,
    ProbeFailure,
    Reason,
    Status,
)
from probes.sessions.connecting import (
    address_unusable,
    first_that_connects,
    host_addresses,
    source_for,
)
from probes.sessions.slots import session_slot
from probes.sessions.tls_way import explained, greeting_of
from probes.trace import Trace

_NOT_UNDERSTOOD = frozenset({500, 501, 504, 555})
"""A command line or a parameter of it that a server cannot read, RFC 5321 §4.2.2, §4.1.1.11."""


@dataclass(frozen=True, slots=True)
class SubmissionServer:
    """The server for mail submission, RFC 6409, and our credentials there."""

    host: Host = option("The submission server.")
    port: Port = option("587 for STARTTLS, 465 for implicit TLS (RFC 8314).", Port(587))
    tls: Literal["starttls", "implicit", "none"] = option(
        "How TLS begins; `none` sends everything in clear.", "starttls"
    )
    username: str | None = option("User to authenticate as; unset: no AUTH.", None)
    password: Secret | None = option("Password of that user.", None)
    ehlo_name: Host | None = option("EHLO name here instead of the service's.", None)
    source_address: IpAddress | None = option(
        "Local address to connect from, for addresses of its family.", None
    )
    ca_file: FilePath | None = option("PEM file of the authorities to trust here.", None)
    verify: bool = option(
        "Whether an untrusted certificate is a failure (else it is a finding).", True
    )
    insecure: bool = option(
        "Send the password even in clear, or to a server whose certificate is not trusted.", False
    )


@asynccontextmanager
async def submission_session(
    net: Net, server: SubmissionServer, trace: Trace
) -> AsyncIterator[SmtpSession]:
    """A session that is ready for MAIL: resolved, connected, secured, introduced, authenticated."""
    name = server.ehlo_name or net.ehlo_name
    trace.party = RELAY
    addresses = await host_addresses(net, server.host, trace)
    async with await _connect(net, server, addresses, trace) as session:
        if server.tls == "implicit":
            await _handshake(net, server, session, trace)
        with greeting_of(server.tls, server.port, trace):
            trace.facts["smtp.greeting"] = (await session.greeting()).text
        await _ehlo(session, name, trace)
        if server.tls == "starttls":
            with trace.phase(Phase.STARTTLS):
                await session.starttls()
            await _handshake(net, server, session, trace)
            await _ehlo(session, name, trace)
        if server.username is not None and server.password is not None:
            with trace.phase(Phase.AUTH):
                await session.auth(server.username, server.password, insecure=server.insecure)
        yield session


async def give_envelope(session: SmtpSession, canary: Canary, trace: Trace) -> None:
    """MAIL, RCPT and DATA: after it the server waits for the content, RFC 5321 §3.3.

    Where DSN is offered the canary's request goes along, RFC 3461 §4; the fact `smtp.dsn` says
    whether the server took it.
    """
    offers_dsn = session.offer is not None and session.offer.offers("DSN")
    asked = canary.dsn if offers_dsn else None
    if not await _said(trace, Phase.MAIL, partial(_mail, session, canary), asked):
        asked = None
    if not await _said(trace, Phase.RCPT, partial(_rcpt, session, canary), asked):
        asked = None
    trace.facts["smtp.dsn"] = asked is not None
    with trace.phase(Phase.DATA):
        await session.data()


async def _mail(session: SmtpSession, canary: Canary, asked: DsnRequest | None) -> None:
    await session.mail(
        canary.mail_from,
        size=len(canary.content),
        body=None if canary.content.isascii() else "8BITMIME",
        smtputf8=not canary.rcpt_to.isascii(),
        # RFC 3461 §4.4 and RFC 3461 §4.3
        envid=None if asked is None else asked.envid,
        ret=None if asked is None else asked.ret,
    )


async def _rcpt(session: SmtpSession, canary: Canary, asked: DsnRequest | None) -> None:
    await session.rcpt(
        canary.rcpt_to,
        notify=None if asked is None else asked.notify,
        orcpt=None if asked is None else asked.orcpt,
    )


async def _said(
    trace: Trace,
    phase: Phase,
    say: Callable[[DsnRequest | None], Awaitable[None]],
    asked: DsnRequest | None,
) -> bool:
    """Send one command; True if the server took the DSN request `asked` along with it.

    A server may offer DSN and not understand its parameters, yet take the same command without
    them. The command is then sent again without them, and that is a finding.
    """
    try:
        with trace.phase(phase):
            await say(asked)
    except ProbeFailure as failure:
        reply = failure.reply
        if asked is None or reply is None or reply.code not in _NOT_UNDERSTOOD:
            raise
    else:
        return asked is not None
    with trace.phase(phase):
        await say(None)
    subject, evidence = str(trace.facts.get("address", "")), f"{phase}: {reply}"
    trace.findings.append(smtp.DSN_REFUSED.found(Status.WARNING, subject, evidence))
    return False


async def _hand_over(session: SmtpSession, canary: Canary, trace: Trace) -> Reply:
    """Send the content and report how far that came.

    Without a reply the outcome is unknown, RFC 5321 §4.5.3.2.6 and RFC 1047. A 4yz or 5yz reply
    is the one proof that the message was not taken over, RFC 5321 §4.2.1.
    """
    trace.handover = Handover(HandoverState.UNCERTAIN)
    try:
        reply = await session.end_of_data(canary.content)
    except ProbeFailure as failure:
        trace.handover = _not_taken(failure.reply)
        raise
    trace.handover = Handover(HandoverState.HANDED_OVER, reply)
    return reply


def _not_taken(reply: Reply | None) -> Handover:
    if reply is None or reply.is_positive:
        return Handover(HandoverState.UNCERTAIN, reply)
    if reply.is_transient:
        return Handover(HandoverState.REFUSED_FOR_NOW, reply)
    return Handover(HandoverState.REFUSED_FOR_GOOD, reply)


async def give_content(session: SmtpSession, canary: Canary, host: str, trace: Trace) -> None:
    """The content up to the reply to its final dot, then QUIT. `host` takes the message."""
    trace.facts["handover.host"] = host
    with trace.phase(Phase.END_OF_DATA):
        reply = await _hand_over(session, canary, trace)
    trace.facts["smtp.reply"] = str(reply)
    queued = read_queue_id(reply.text, str(trace.facts.get("smtp.greeting", "")))
    if queued is not None:
        trace.facts["handover.queue_id"] = queued.id
        trace.facts["handover.commands"] = queued.commands
    await say_quit(session, trace)


async def say_quit(session: SmtpSession, trace: Trace) -> None:
    """End in good order; a server that cannot take leave is a finding, not a failure."""
    try:
        with trace.phase(Phase.QUIT):
            await session.quit()
    except ProbeFailure as failure:
        trace.findings.append(
            smtp.QUIT_FAILED.found(
                Status.NOTICE, str(trace.facts.get("address", "")), failure.detail
            )
        )


async def _connect(
    net: Net, server: SubmissionServer, addresses: tuple[str, ...], trace: Trace
) -> SmtpSession:
    """A connection to the first address that takes one; each attempt is a phase of its own."""

    async def connect(address: str) -> SmtpSession:
        async with session_slot(net, address, server.port, trace) as turn:
            with trace.phase(Phase.CONNECT):
                return await SmtpSession.connect(
                    net.dialer,
                    address,
                    server.port,
                    source_for(server.source_address, address),
                    findings=trace.findings,
                    turn=turn,
                    on_reply=trace.heard,
                    on_line=trace.line_listener,
                )

    found = await first_that_connects(addresses, connect)
    trace.facts["address"] = found.address
    trace.findings.extend(
        address_unusable(smtp.ADDRESS_UNUSABLE, server.host, failure) for failure in found.failures
    )
    return found.session


async def _ehlo(session: SmtpSession, name: str, trace: Trace) -> None:
    # RFC 6409 §4.3 and RFC 4954 take ESMTP for granted: no HELO here
    with trace.phase(Phase.EHLO):
        offer = await session.ehlo(name, or_helo=False)
    trace.facts["ehlo.name"] = offer.name
    trace.facts["ehlo.extensions"] = tuple(offer.extensions)
    trace.facts["ehlo.auth_mechanisms"] = offer.auth_mechanisms


async def _handshake(
    net: Net, server: SubmissionServer, session: SmtpSession, trace: Trace
) -> None:
    with trace.phase(Phase.TLS), explained(server.tls, server.port, Phase.TLS):
        trust = net.trust.with_ca(server.ca_file)
        context = trust.verifying if server.verify else trust.recording
        facts = await session.handshake(context, server.host)
    trace.facts.note(facts.as_facts())
    trace.remember(Aspect.CERTIFICATE, server.host, facts.summary)
    trace.findings.extend(weak_session(facts, Subject.of(server.host)))
    if not facts.trusted:
        trace.findings.append(untrusted(facts, server.tls))


def weak_session(facts: TlsFacts, where: Subject) -> tuple[Finding, ...]:
    """The finding about a session that was accepted and is weak; the gravest reference first."""
    if not facts.weaknesses:
        return ()
    is_old = "deprecated" in facts.weaknesses[0]
    reference = "RFC 8996 §4" if is_old else None
    evidence = "; ".join(facts.weaknesses)
    return (smtp.TLS_WEAK.found(Status.WARNING, where, evidence, reference=reference),)


def untrusted(
    facts: TlsFacts, tls: str, status: Status = Status.WARNING, where: Subject | None = None
) -> Finding:
    """A certificate that did not stop the session and would stop one that verifies.

    `where` is given where other addresses of the same host may have other certificates.
    """
    table = smtp.IMPLICIT_CERTIFICATES if tls == "implicit" else smtp.STARTTLS_CERTIFICATES
    entry = table[facts.untrusted_reason or Reason.CERTIFICATE_NOT_TRUSTED]
    return entry.found(status, where or facts.server_name, facts.detail)
