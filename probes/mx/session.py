"""A session with one address of an MX host, opened step by step, every step timed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from probes.catalogue import mx, smtp
from probes.net import Net, SessionOutcome
from probes.net.address_limiter import Slot
from probes.net.smtp_session import SmtpSession
from probes.options import Host, IpAddress, Port
from probes.records.ehlo import Ehlo
from probes.records.subject import Subject
from probes.result import (
    NOTHING,
    OURS,
    Aspect,
    Finding,
    Owner,
    Phase,
    ProbeFailure,
    Reason,
    Status,
    one_line,
)
from probes.sessions.connecting import source_for
from probes.sessions.submission import untrusted, weak_session
from probes.trace import Trace

_STARTTLS = frozenset({Phase.STARTTLS, Phase.TLS})


class MxOptions(Protocol):
    """Options of the kinds and routes that talk to MX hosts."""

    @property
    def port(self) -> Port:
        """The port of the hosts."""

    @property
    def ehlo_name(self) -> Host | None:
        """How we introduce ourselves; None: as the service does."""

    @property
    def source_address(self) -> IpAddress | None:
        """Where to connect from, for addresses of the same family; None: the dialer's choice."""


class Attempt(Protocol):
    """The purpose of one session."""

    async def __call__(self, *, use_tls: bool) -> None:
        """Raises ProbeFailure, in a TLS phase if the server's TLS failed."""


@asynccontextmanager
async def mx_session(
    net: Net,
    options: MxOptions,
    host: str,
    address: str,
    turn: Slot,
    trace: Trace,
    *,
    use_tls: bool = True,
) -> AsyncIterator[SmtpSession]:
    """A session that is ready for MAIL, under TLS where it is offered and `use_tls`.

    As between relays, any certificate is taken (RFC 7435); its validity stands in the facts.
    """
    name = options.ehlo_name or net.ehlo_name
    where = Subject.place(host, address)
    with trace.phase(Phase.CONNECT):
        net.dialer.require_elsewhere(address, host)
        session = await SmtpSession.connect(
            net.dialer,
            address,
            options.port,
            source_for(options.source_address, address),
            findings=trace.findings,
            turn=turn,
            on_reply=trace.heard,
            on_line=trace.line_listener,
        )
    async with session:
        with trace.phase(Phase.GREETING):
            trace.facts["smtp.greeting"] = (await session.greeting()).text
        is_offered = await _ehlo(session, name, trace)
        trace.facts["starttls.offered"] = is_offered
        trace.facts["ehlo.clear_name"] = trace.facts["ehlo.name"]
        trace.facts["ehlo.clear_extensions"] = trace.facts["ehlo.extensions"]
        if is_offered and use_tls:
            with trace.phase(Phase.STARTTLS):
                await session.starttls()
            with trace.phase(Phase.TLS):
                facts = await session.handshake(net.trust.recording, host)
            trace.facts.note(facts.as_facts())
            trace.remember(Aspect.CERTIFICATE, str(where), facts.summary)
            trace.findings.extend(weak_session(facts, where))
            if not facts.trusted:  # no sender that verifies nothing minds, others do: RFC 7435 §3
                trace.findings.append(untrusted(facts, "starttls", Status.NOTICE, where))
            await _ehlo(session, name, trace)  # RFC 3207 §4.2
        if session.offer is not None:
            offered = _capabilities(session.offer, has_starttls=is_offered)
            trace.remember(Aspect.CAPABILITIES, str(where), offered)
        if net.sessions is not None and use_tls:
            net.sessions.spoke(
                host, address, options.port, SessionOutcome(session.tls, session.offer)
            )
        yield session


async def in_clear_where_tls_fails(attempt: Attempt, where: Subject, trace: Trace) -> None:
    """`attempt` with TLS where it is offered; once more without where TLS comes to nothing.

    As an opportunistic sender does it, RFC 7435 §3. A failed TLS is a finding, and never the end.
    """
    try:
        await attempt(use_tls=True)
    except ProbeFailure as failure:
        if not is_starttls(failure, trace.current):
            raise
        trace.findings.append(starttls_failed(where, failure.detail))
    else:
        return
    await attempt(use_tls=False)


def is_starttls(failure: ProbeFailure, current: Phase) -> bool:
    """Whether it was the server's TLS that failed, and not the session."""
    return (failure.phase or current) in _STARTTLS


def starttls_failed(where: Subject, detail: str) -> Finding:
    """The finding for a server that offers STARTTLS and gets nowhere with it."""
    return smtp.STARTTLS_FAILED.found(Status.WARNING, where, one_line(detail))


@asynccontextmanager
async def at_most(seconds: float, trace: Trace) -> AsyncIterator[asyncio.Timeout]:
    """Bound the time spent with one address; its end is the open phase's timeout."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield limit
    except TimeoutError as error:
        if not limit.expired():
            raise
        detail = f"no end of {trace.current} within {seconds:g} s"
        raise ProbeFailure(Reason.TIMEOUT, detail, phase=trace.current) from error


def address_unusable(subject: Subject, owner: Owner, detail: str) -> Finding:
    """The finding for an address that did not do while another one did."""
    is_ours = owner in OURS
    status = Status.UNTESTABLE if is_ours else Status.WARNING
    return mx.ADDRESS_UNUSABLE.found(status, subject, detail, owner=owner)


def _capabilities(offer: Ehlo, *, has_starttls: bool) -> str:
    """The capabilities of the last EHLO, with the size limit, and STARTTLS if it was offered
    before.
    """
    words = {
        f"SIZE {offer.size_limit}" if word == "SIZE" and offer.size_limit else word
        for word in offer.extensions
    }
    if has_starttls:
        words.add("STARTTLS")
    return ", ".join(sorted(words)) or NOTHING


async def _ehlo(session: SmtpSession, name: str, trace: Trace) -> bool:
    """Introduce ourselves; whether STARTTLS is offered."""
    with trace.phase(Phase.EHLO):
        offer = await session.ehlo(name)
    trace.facts["ehlo.name"] = offer.name
    trace.facts["ehlo.extensions"] = tuple(offer.extensions)
    trace.facts["ehlo.size_limit"] = offer.size_limit
    # RFC 9422 §4: each limit is a name, an equals sign and a value
    trace.facts["ehlo.limits"] = offer.extensions.get("LIMITS", ())
    return offer.offers("STARTTLS")
