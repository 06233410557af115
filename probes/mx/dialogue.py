"""Findings about a session with an MX host: pure judgement of its facts and times."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from probes.catalogue import mx, smtp_answers
from probes.net.smtp_refusal import is_greylisting
from probes.records.reply import Reply
from probes.records.subject import Subject
from probes.result import Finding, Part, Phase, PhaseTiming, ProbeFailure, Status, one_line

LEAST_SIZE = 64 * 1024
"""Octets of a message that every server has to take, RFC 5321 §4.5.3.1.7."""

_NAMED = 5
"""Things of a kind that an evidence names; more are left out."""

_MASKED = re.compile(r"X{5,}[A-D]?")
_RATE = re.compile(r"too (many|much|fast)|rate.?limit|throttl|connection limit|slow down", re.I)
_COMMANDS = frozenset({Phase.EHLO, Phase.STARTTLS, Phase.MAIL, Phase.RCPT})


def dialogue_findings(
    where: Subject, facts: Mapping[str, Any], timings: Sequence[PhaseTiming], slow: float
) -> Iterator[Finding]:
    """Of a session that came to its end; `slow` are the seconds from which on a reply is slow."""
    clear = frozenset(facts.get("ehlo.clear_extensions", ()))
    now = frozenset(facts.get("ehlo.extensions", ()))
    yield from _starttls(where, clear, facts)
    if facts.get("tls.version") is not None:
        yield from _under_tls(where, clear, now, facts)
    name = str(facts.get("ehlo.name", ""))
    if "." not in name.rstrip(".") and not name.startswith("["):
        evidence = one_line(f"it calls itself {name!r}")
        yield smtp_answers.EHLO_NAME_NOT_QUALIFIED.found(Status.NOTICE, where, evidence)
    size = facts.get("ehlo.size_limit")
    if size is not None and size < LEAST_SIZE:
        evidence = f"SIZE {size}"
        yield smtp_answers.SIZE_TOO_SMALL.found(Status.WARNING, where, evidence)
    yield from slowness(where, timings, slow)


def _starttls(where: Subject, clear: frozenset[str], facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts.get("starttls.offered"):
        return
    masked = sorted(keyword for keyword in clear if _MASKED.fullmatch(keyword))
    if masked:
        evidence = f"EHLO shows {masked[0]} where STARTTLS would stand"
        yield smtp_answers.STARTTLS_MASKED.found(Status.WARNING, where, evidence)
    else:
        evidence = f"EHLO shows {', '.join(sorted(clear)) or 'no extensions'}"
        yield smtp_answers.STARTTLS_NOT_OFFERED.found(Status.WARNING, where, one_line(evidence))


def _under_tls(
    where: Subject, clear: frozenset[str], now: frozenset[str], facts: Mapping[str, Any]
) -> Iterator[Finding]:
    if "STARTTLS" in now:
        evidence = "EHLO under TLS shows STARTTLS"
        yield smtp_answers.STARTTLS_OFFERED_AGAIN.found(Status.NOTICE, where, evidence)
    lost = sorted(clear - now - {"STARTTLS"})
    if lost:
        evidence = one_line("offered in clear and not under TLS: " + ", ".join(lost))
        yield smtp_answers.EXTENSIONS_LOST.found(Status.NOTICE, where, evidence)
    before, after = facts.get("ehlo.clear_name"), facts.get("ehlo.name")
    if before != after:
        evidence = one_line(f"{before!r} in clear, {after!r} under TLS")
        yield smtp_answers.EHLO_NAME_CHANGED.found(Status.NOTICE, where, evidence)


def slowness(where: Subject, timings: Sequence[PhaseTiming], slow: float) -> Iterator[Finding]:
    """A pause before the greeting alone, or every answer drawn out; `timings` of answers only."""
    greeting = max((t.seconds for t in timings if t.phase is Phase.GREETING), default=0.0)
    answers = [t.seconds for t in timings if t.phase in _COMMANDS]
    drawn_out = [*answers, greeting] if greeting >= slow else answers
    if answers and len(drawn_out) > 1 and min(drawn_out) >= slow:
        evidence = f"each of {len(drawn_out)} answers took {min(drawn_out):.1f} s or more"
        yield smtp_answers.TARPIT.found(Status.WARNING, where, evidence)
    elif greeting >= slow and max(answers, default=0.0) < slow:
        evidence = f"the greeting took {greeting:.1f} s, no other answer did"
        yield smtp_answers.GREETING_PAUSED.found(Status.INFO, where, evidence)


def answered(
    timings: Sequence[PhaseTiming], phase: Phase, failure: ProbeFailure
) -> Sequence[PhaseTiming]:
    """Without the phase that ended a session, where no answer did."""
    is_mute = failure.reply is None and timings and timings[-1].phase is phase
    return timings[:-1] if is_mute else timings


def refusal_findings(where: Subject, phase: Phase, failure: ProbeFailure) -> Iterator[Finding]:
    """Return the kind of a refusal, by its codes, its phase and its words."""
    reply = failure.reply
    if reply is None or reply.code < 400:
        return
    evidence = one_line(f"{phase}: {reply}")
    if is_rate_limit(reply):
        yield smtp_answers.RATE_LIMITED.found(Status.WARNING, where, evidence)
    elif is_greylisting(reply):
        yield smtp_answers.GREYLISTED.found(Status.INFO, where, evidence)
    elif reply.code == 421:
        yield smtp_answers.SERVICE_CLOSING.found(Status.WARNING, where, evidence)
    elif phase is Phase.GREETING and reply.code == 521:
        yield smtp_answers.GREETING_NO_MAIL.found(Status.FAILURE, where, evidence)
    elif phase is Phase.GREETING and reply.code >= 500:
        yield smtp_answers.GREETING_REJECTED.found(Status.FAILURE, where, evidence)


def is_rate_limit(reply: Reply) -> bool:
    """True for a 4yz that says in words that there were too many of something."""
    return reply.is_transient and _RATE.search(reply.text) is not None


def differing_certificates(parts: Sequence[Part]) -> Iterator[Finding]:
    """Hosts whose addresses serve different certificates: a farm or a renewal, unless one is bad.

    The certificate of an address that was not reached is not known, and says nothing.
    """
    served = [part for part in parts if part.facts.get("tls.certificate_sha256")]
    for host in dict.fromkeys(part.host for part in served):
        here = sorted((p for p in served if p.host == host), key=lambda part: str(part.address))
        by_certificate: defaultdict[str, list[Part]] = defaultdict(list)
        for part in here:
            by_certificate[part.facts["tls.certificate_sha256"]].append(part)
        if len(by_certificate) > 1:
            is_chance = len({part.facts["tls.trusted"] for part in here}) > 1
            status = Status.WARNING if is_chance else Status.INFO
            evidence = "; ".join(map(_certificate, list(by_certificate.values())[:_NAMED]))
            yield mx.CERTIFICATES_DIFFER.found(status, host, evidence)


def _certificate(parts: Sequence[Part]) -> str:
    """One certificate with the addresses that serve it."""
    facts = parts[0].facts
    addresses = ", ".join(str(part.address) for part in parts[:_NAMED])
    expires = str(facts["tls.certificate_not_after"] or "an unreadable date")[:10]
    worth = "trusted" if facts["tls.trusted"] else f"{facts['tls.untrusted_reason']}"
    return f"{addresses}: {facts['tls.certificate_sha256'][:16]} until {expires}, {worth}"


def inconsistent_starttls(parts: Sequence[Part]) -> Iterator[Finding]:
    """Hosts of which some addresses offer STARTTLS and others do not: one of them is wrong."""
    heard = [part for part in parts if "starttls.offered" in part.facts]
    for host in dict.fromkeys(part.host for part in heard):
        offers = {p.address: p.facts["starttls.offered"] for p in heard if p.host == host}
        if len(set(offers.values())) > 1:
            without = sorted(str(address) for address, is_there in offers.items() if not is_there)
            evidence = f"offered, but not at {', '.join(without[:_NAMED])}"
            yield mx.STARTTLS_INCONSISTENT.found(Status.WARNING, host, evidence)
