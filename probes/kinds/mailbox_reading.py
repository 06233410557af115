"""Kind `mailbox`: can a mailbox be read, and how fast? Nothing in it is changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probes.catalogue import mailboxes
from probes.catalogue.parties import MAILBOX
from probes.net import Net
from probes.net.imap import ImapSession
from probes.net.imap_dialogue import Refused
from probes.options import option
from probes.records.imap.responses import Quota
from probes.result import Aspect, Finding, Phase, Status, one_line
from probes.sessions.connecting import address_unusable, first_that_connects, host_addresses
from probes.sessions.imap import ImapServer, enter, handshake, step
from probes.sessions.tls_way import greeting_of
from probes.trace import Trace

NEARLY_FULL = 0.9
"""Share of a quota from which on it is worth a warning."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class MailboxTarget(ImapServer):
    """A mailbox read over IMAP."""

    folder: str = option("The folder that is opened for reading and searched.", "INBOX")


def host(target: MailboxTarget) -> str:
    """Return the host that a run connects to."""
    return target.host


async def probe(net: Net, target: MailboxTarget, trace: Trace) -> None:
    """Connect, secure, greet, log in, open, search for the day's messages, ask for the quota."""
    trace.party = MAILBOX
    addresses = await host_addresses(net, target.host, trace)
    async with await _connect(net, target, addresses, trace) as session:
        await _introduce(net, target, session, trace)
        with trace.phase(Phase.SELECT):
            async with step(Phase.SELECT, target.timeout):
                folder = await session.examine(target.folder)  # leaves every flag as it is
        trace.facts["mailbox.messages"] = folder.exists
        today = net.clock.utc()
        # RFC 3501 §6.4.4: names of months in English, whatever the locale
        since = f"SINCE {today.day}-{_MONTHS[today.month - 1]}-{today.year}"
        with trace.phase(Phase.SEARCH):
            async with step(Phase.SEARCH, target.timeout):
                found = await session.uid_search(since)
        trace.facts["mailbox.messages_today"] = len(found)
        quotas = await _quotas(session, target)
        trace.facts.note(dict(_quota_facts(quotas)))
        trace.findings.extend(_quota_findings(target, quotas))
        with trace.phase(Phase.QUIT):
            async with step(Phase.QUIT, target.timeout):
                await session.logout()
        trace.findings.extend(
            mailboxes.ODD_ANSWER.found(Status.NOTICE, target.host, one_line(remark))
            for remark in session.remarks
        )


async def _quotas(session: ImapSession, target: MailboxTarget) -> Sequence[Quota]:
    """The quotas; a server that offers them and refuses to tell them is remarked."""
    try:
        async with step(Phase.SEARCH, target.timeout):
            return await session.quota(target.folder)
    except Refused as refused:
        session.remark(refused.detail)
        return ()


async def _connect(
    net: Net, target: MailboxTarget, addresses: Sequence[str], trace: Trace
) -> ImapSession:
    """A connection to the first address that takes one; the others' failures are findings."""

    async def connect(address: str) -> ImapSession:
        with trace.phase(Phase.CONNECT):
            async with step(Phase.CONNECT, target.timeout):
                return await ImapSession.connect(
                    net.dialer, address, target.port, source=target.source_address
                )

    found = await first_that_connects(addresses, connect)
    trace.facts["address"] = found.address
    trace.findings.extend(
        address_unusable(mailboxes.ADDRESS_UNUSABLE, target.host, failure)
        for failure in found.failures
    )
    return found.session


async def _introduce(net: Net, target: MailboxTarget, session: ImapSession, trace: Trace) -> None:
    if target.tls == "implicit":
        await _secure(net, target, session, trace)
    with greeting_of(target.tls, target.port, trace):
        async with step(Phase.GREETING, target.timeout):
            greeting = await session.greeting()
    if target.tls == "starttls":
        with trace.phase(Phase.STARTTLS):
            async with step(Phase.STARTTLS, target.timeout):
                await session.starttls()
        await _secure(net, target, session, trace)
    with trace.phase(Phase.AUTH):
        async with step(Phase.AUTH, target.timeout):
            await enter(target, session, greeting)
    trace.facts["imap.capabilities"] = tuple(sorted(await session.known_capabilities()))


async def _secure(net: Net, target: MailboxTarget, session: ImapSession, trace: Trace) -> None:
    with trace.phase(Phase.TLS):
        await handshake(net, target, session)
    facts = session.tls
    if facts is not None:
        trace.facts.note(facts.as_facts())
        trace.remember(Aspect.CERTIFICATE, target.host, facts.summary)
        if facts.weaknesses:
            weak = "; ".join(facts.weaknesses)
            trace.findings.append(mailboxes.TLS_WEAK.found(Status.WARNING, target.host, weak))
        if not facts.trusted:
            detail = one_line(f"{facts.untrusted_reason}: {facts.detail}")
            trace.findings.append(
                mailboxes.CERTIFICATE_UNTRUSTED.found(Status.WARNING, target.host, detail)
            )


def _quota_facts(quotas: Sequence[Quota]) -> Iterator[tuple[str, tuple[int, int]]]:
    for quota in quotas[:1]:
        for name in ("STORAGE", "MESSAGE"):
            if name in quota.resources:
                yield f"mailbox.quota_{name.lower()}", quota.resources[name]


def _quota_findings(target: MailboxTarget, quotas: Sequence[Quota]) -> Iterator[Finding]:
    """Yield a finding for each quota nearly or fully used.

    RFC 9208 §5: mail over a limit is refused, and senders see a full mailbox.
    """
    for quota in quotas:
        for name, (used, limit) in quota.resources.items():
            if not limit or used < limit * NEARLY_FULL:
                continue
            is_full = used >= limit
            entry = mailboxes.QUOTA_FULL if is_full else mailboxes.QUOTA_NEARLY_FULL
            status = Status.FAILURE if is_full else Status.WARNING
            evidence = one_line(f"{name} {used} of {limit} of {quota.root or target.folder!r}")
            yield entry.found(status, target.username, evidence)
