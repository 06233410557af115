"""Route `direct`: deliver a canary to the recipient's MX hosts as a relay does, RFC 5321 §5.1."""

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Literal

from probes.canary.message import Canary
from probes.lookups.mx_hosts import find_mx
from probes.mx.session import address_unusable, at_most, in_clear_where_tls_fails, mx_session
from probes.net import Net
from probes.options import Count, Host, IpAddress, Port, Seconds, option
from probes.records import RecordError
from probes.records.address import parse_address
from probes.records.mx import MxRecord, delivery_order
from probes.records.subject import Subject
from probes.result import OURS, Owner, Phase, ProbeFailure, Reason, owner_of
from probes.sessions.connecting import host_addresses
from probes.sessions.slots import session_slot
from probes.sessions.submission import give_content, give_envelope
from probes.trace import Trace

_TRANSACTION = frozenset({Phase.MAIL, Phase.RCPT, Phase.DATA})


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """Delivery to the MX hosts of the recipient's domain."""

    port: Port = option("SMTP port of the hosts.", Port(25))
    tls: Literal["opportunistic", "required"] = option(
        "`opportunistic`: TLS where offered, in clear where it is not or fails; `required`: never "
        "in clear. Certificates are recorded, not verified, as between relays.",
        "opportunistic",
    )
    ehlo_name: Host | None = option("EHLO name here instead of the service's.", None)
    source_address: IpAddress | None = option(
        "Local address to connect from, for addresses of its family.", None
    )
    address_timeout: Seconds = option(
        "Longest wait for one address until it asks for the message.", Seconds(30.0)
    )
    max_addresses: Count = option("Addresses that are tried before giving up.", Count(10))


def host(target: DirectRoute, canary: Canary) -> str:  # noqa: ARG001 - the recipient decides
    """Whom a run loads: the recipient's domain."""
    return canary.rcpt_to.rpartition("@")[2].lower()


async def hand_over(net: Net, target: DirectRoute, canary: Canary, trace: Trace) -> None:
    """Succeeds when one server answered the final dot with 250.

    The next address is tried after everything but a permanent refusal of the transaction; once the
    content has been sent, never. Then the failure that came first is the run's, one with a reply
    before one without, one of this machine last.
    """
    failures: list[ProbeFailure] = []
    for record in (await _hosts(net, canary, trace))[: target.max_addresses]:
        try:
            addresses = await host_addresses(net, record.exchange, trace)
        except ProbeFailure as failure:
            failures.append(_noted(failure, Subject.of(record.exchange), trace))
            continue
        for address in addresses:
            if len(failures) >= target.max_addresses:
                break
            try:
                return await _deliver(net, target, canary, record.exchange, address, trace)
            except ProbeFailure as failure:
                if trace.handover is not None or _is_refused_for_good(failure, trace.current):
                    raise
                failures.append(_noted(failure, Subject.place(record.exchange, address), trace))
    raise min(failures, key=_rank)


async def _hosts(net: Net, canary: Canary, trace: Trace) -> tuple[MxRecord, ...]:
    """The hosts in the order to try them; an address literal stands for itself."""
    try:
        recipient = parse_address(canary.rcpt_to)
    except RecordError as error:
        raise ProbeFailure(Reason.UNTESTABLE, str(error), owner=Owner.CONFIGURATION) from error
    if recipient.literal is not None:
        return (MxRecord(0, recipient.literal),)  # RFC 5321 §4.1.3
    with trace.phase(Phase.DNS_MX):
        mx = await find_mx(net.resolver, recipient.domain)
    trace.facts["mx.implicit"] = mx.is_implicit
    trace.facts["mx.hosts"] = tuple(record.exchange for record in mx.hosts)
    return delivery_order(mx.hosts, secrets.SystemRandom().shuffle)


async def _deliver(
    net: Net, target: DirectRoute, canary: Canary, name: str, address: str, trace: Trace
) -> None:
    """One address; again in clear when opportunistic TLS failed."""
    trace.facts["mx.host"], trace.facts["address"] = name, address
    attempt = partial(_attempt, net, target, canary, trace)
    if target.tls == "required":
        await attempt(use_tls=True)
    else:
        await in_clear_where_tls_fails(attempt, Subject.place(name, address), trace)


async def _attempt(
    net: Net, target: DirectRoute, canary: Canary, trace: Trace, *, use_tls: bool
) -> None:
    """One session and its transaction."""
    name, address = trace.facts["mx.host"], trace.facts["address"]
    async with (
        session_slot(net, address, target.port, trace, is_again=not use_tls) as turn,
        at_most(target.address_timeout, trace) as limit,
        mx_session(net, target, name, address, turn, trace, use_tls=use_tls) as session,
    ):
        if target.tls == "required" and session.tls is None:
            raise ProbeFailure(
                Reason.STARTTLS_NOT_SUPPORTED,
                "the server does not offer STARTTLS",
                phase=Phase.STARTTLS,
            )
        await give_envelope(session, canary, trace)
        limit.reschedule(None)  # from here on only the answer or the run's deadline ends it
        await give_content(session, canary, name, trace)


def _is_refused_for_good(failure: ProbeFailure, current: Phase) -> bool:
    """True if the domain refuses the transaction, whichever of its hosts is asked."""
    phase, reply = failure.phase or current, failure.reply
    return phase in _TRANSACTION and reply is not None and reply.code >= 500


def _noted(failure: ProbeFailure, subject: Subject, trace: Trace) -> ProbeFailure:
    """The failure with its phase written down, and a finding for the address it is about."""
    failure.phase = failure.phase or trace.current
    owner = failure.owner or owner_of(failure.phase, failure.reason)
    trace.findings.append(address_unusable(subject, owner, failure.detail))
    return failure


def _rank(failure: ProbeFailure) -> int:
    if failure.reply is not None:
        return 0
    return 2 if failure.owner in OURS else 1
