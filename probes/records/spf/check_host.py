"""Sender Policy Framework, RFC 7208: the check of a client address against a domain's policy.

This module makes no DNS queries: the caller passes a callable to `check_host`.
"""

from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from probes.records import RecordError
from probes.records.address import parse_domain
from probes.records.looked_up import LookedUp, Lookup, LookupStatus, is_domain_name
from probes.records.spf.evaluation import Evaluation, Session, Stopped
from probes.records.spf.record import (
    Directive,
    Mechanism,
    SpfRecord,
    SpfResult,
    is_nearly_spf,
    is_spf,
    parse_spf,
)
from probes.records.spf.verdict import SpfLimits, SpfNode, SpfStep, SpfVerdict, StepOutcome

__all__ = [
    "DEFAULT_LIMITS",
    "Directive",
    "LookedUp",
    "Lookup",
    "LookupStatus",
    "Mechanism",
    "SpfLimits",
    "SpfNode",
    "SpfRecord",
    "SpfResult",
    "SpfStep",
    "SpfVerdict",
    "StepOutcome",
    "check_host",
    "is_nearly_spf",
    "is_spf",
    "parse_spf",
]

DEFAULT_LIMITS = SpfLimits()


async def check_host(
    ip: str,
    mail_from: str,
    helo: str,
    lookup: Lookup,
    *,
    domain: str | None = None,
    receiver: str = "unknown",
    at: datetime | None = None,
    limits: SpfLimits = DEFAULT_LIMITS,
) -> SpfVerdict:
    """Evaluate the policy of the envelope sender's domain for a client at `ip`, RFC 7208 §4.

        verdict = await check_host("192.0.2.1", "joe@example.test", "mail.example.test", lookup)
        verdict.result        # SpfResult, a str: "pass", "fail", "permerror", ...
        verdict.explanation   # the domain's own text for a fail, None without one
        verdict.matched       # the term that decided ("include:b.test"), None if none did
        verdict.path          # ("example.test: include:b.test", "b.test: ip4:192.0.2.0/24")
        verdict.lookups       # terms that count against the limit of ten
        verdict.void_lookups  # terms with void look-ups, which count against the limit of two
        verdict.questions     # DNS queries in all
        verdict.problem       # the reason of none or an error, "" otherwise

    `ip` is text of either family. `mail_from` is without angle brackets, "" for the null
    reverse-path: the sender is then `postmaster` at `helo` (§2.4). The local part is also
    `postmaster` if it is missing (§4.3). `helo` is the client's EHLO name. `domain` is the domain
    of the policy, None for that of `mail_from`. To check the EHLO name, leave `mail_from` empty.

    `lookup(name, rdtype)` is awaited for `TXT`, `A`, `AAAA`, `MX` and `PTR` and returns a LookedUp
    for every outcome. `FOUND` has records. `NXDOMAIN` and `NO_DATA` have none and are void.
    `FAILED` becomes temperror. TXT records are bytes, their strings joined; A, AAAA and PTR are
    text; MX are `probes.records.mx.MxRecord`. `probes.lookups.lookups.Lookups` makes a look-up from
    a resolver. The look-up follows CNAMEs. `receiver` and `at` are used only in explanations, for
    `%{r}` and `%{t}`; `limits` are those of §4.6.4. Deadlines are the caller's.

    Raises RecordError if `ip` is no IP address; everything else is a result.
    """
    address = _address(ip)
    sender = mail_from or f"postmaster@{helo}"
    local, _, sender_domain = sender.rpartition("@")
    session = Session(
        ip=address,
        local_part=local or "postmaster",
        sender_domain=sender_domain,
        helo=helo,
        receiver=receiver,
        at=0 if at is None else int(at.timestamp()),
    )
    policy = _policy_domain(sender_domain if domain is None else domain)
    if policy is None:
        asked = sender_domain if domain is None else domain
        return SpfVerdict(
            SpfResult.NONE, asked, problem=f"no domain name of two labels: {asked[:80]!r}"
        )
    return await _evaluated(Evaluation(session, lookup, limits), policy)


async def _evaluated(evaluation: Evaluation, policy: str) -> SpfVerdict:
    try:
        root = await evaluation.evaluate(policy)
        explanation = await evaluation.explain()
        result, problem, cause = root.result or SpfResult.NEUTRAL, "", None
    except Stopped as stop:
        result, problem, cause, explanation = stop.result, stop.problem, stop.cause, None
    has_matched = evaluation.path and not problem
    return SpfVerdict(
        result=result,
        domain=policy,
        explanation=explanation,
        matched=evaluation.matched if has_matched else None,
        path=tuple(evaluation.path) if has_matched else (),
        lookups=evaluation.lookups,
        void_lookups=evaluation.voids,
        questions=evaluation.questions,
        problem=problem,
        is_ours=cause is not None and cause.is_ours,
        failure="" if cause is None else cause.failure,
        tree=evaluation.tree(),
    )


def _address(text: str) -> IPv4Address | IPv6Address:
    """Read an IP address; an IPv4-mapped IPv6 address is the IPv4 address, RFC 7208 §5."""
    try:
        address = ip_address(text)
    except ValueError:
        raise RecordError(f"not an IP address: {text[:80]!r}") from None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _policy_domain(text: str) -> str | None:
    """The domain in A-labels, RFC 7208 §4.3; None unless it is a name of two labels or more."""
    name = text.removesuffix(".").lower()
    if not name.isascii():
        try:
            name = parse_domain(name)
        except RecordError:
            return None
    is_literal = name.startswith("[")
    return name if "." in name and not is_literal and is_domain_name(name) else None
