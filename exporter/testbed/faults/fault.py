"""A fault: the misbehaviour of one server towards one real probe, and the expected result."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from exporter.testbed.servers.certificates import Authority
from exporter.testbed.servers.dns_server import DnsFault
from probes.result import Owner, Phase, ProbeResult, Reason

DOMAIN = "liar.test"
MX_HOST, SUBMISSION_HOST, IMAP_HOST, WEB_HOST = HOSTS = tuple(
    f"{name}.{DOMAIN}" for name in ("mx", "mail", "imap", "www")
)

ZONE = """\
@ MX 10 mx
mx A 192.0.2.1
mail A 192.0.2.2
imap A 192.0.2.3
www A 192.0.2.4
"""

USER, PASSWORD = "canary", "correct horse"


class ProbeUnderTest(StrEnum):
    """The real probe that meets the fault."""

    MX = "mx"
    """Kind `mx`: the domain's hosts, up to EHLO under TLS."""
    SUBMISSION = "submission"
    """Kind `submission`: up to AUTH."""
    HAND_OVER = "hand_over"
    """Route `submission`: a canary is handed over."""
    DIRECT = "direct"
    """Route `direct`: a canary is delivered to the domain's MX host."""
    MAILBOX = "mailbox"
    """Mailbox `imap`: a fresh canary is looked for until it is seen."""
    IDLE = "idle"
    """Mailbox `imap`: an old canary is waited for in IDLE until it is seen."""
    FETCH = "fetch"
    """One document over HTTPS."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Expected result; without a phase it has to be a success.

    `findings` are codes that must be among those of the run or of its parts, `facts` values that
    must be among its facts.
    """

    phase: Phase | None = None
    reason: Reason | None = None
    owner: Owner | None = None
    findings: frozenset[str] = frozenset()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def objections(self, result: ProbeResult) -> list[str]:
        """Return the differences from the expected result, in words; empty where it is right."""
        failure = result.failure
        said = (failure.phase, failure.reason, failure.owner) if failure else (None, None, None)
        wanted = (self.phase, self.reason, self.owner)
        objections = []
        if said != wanted:
            objections.append(f"{_words(said)} instead of {_words(wanted)}: {failure}")
        missing = self.findings - found(result)
        if missing:
            objections.append(f"no finding {', '.join(sorted(missing))}")
        objections += [
            f"{name} is {result.facts.get(name)!r} instead of {value!r}"
            for name, value in self.facts.items()
            if result.facts.get(name) != value
        ]
        return objections


def found(result: ProbeResult) -> frozenset[str]:
    """The codes of all findings of a run and its parts."""
    findings = (*result.findings, *(f for part in result.parts for f in part.findings))
    return frozenset(finding.code for finding in findings)


def fine(*findings: str, **facts: Any) -> Verdict:
    """The fault must not stop the run; `facts` by their dotted name with `_` for the first dot."""
    named = {name.replace("_", ".", 1): value for name, value in facts.items()}
    return Verdict(findings=frozenset(findings), facts=named)


def broken(phase: Phase, reason: Reason, owner: Owner, *findings: str) -> Verdict:
    """The run must end like this."""
    return Verdict(phase, reason, owner, frozenset(findings))


class Listening(Protocol):
    """A server, or a substitute in its place."""

    @property
    def port(self) -> int:
        """Where it is, on 127.0.0.1."""


ServerFactory = Callable[[Authority], AbstractAsyncContextManager[Listening]]
"""Makes the server that has a fault; the authority issues its certificates."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One behaviour. `name` is a sentence: "SMTP: the greeting never comes".

    `server` is the peer of the probe (None: a well-behaved one), `zone` the records of DOMAIN,
    `dns` the DNS server's faults by (name, type). `patience` is the time-out of the probe for one
    address or one answer, in seconds, where it has such an option.
    """

    name: str
    under_test: ProbeUnderTest
    verdict: Verdict
    server: ServerFactory | None = None
    patience: float = 0.5
    zone: str = ZONE
    dns: Mapping[tuple[str, str], DnsFault] = field(default_factory=dict)


def _words(said: tuple[Phase | None, Reason | None, Owner | None]) -> str:
    phase, reason, owner = said
    return f"({phase}, {reason}, {owner})" if phase is not None else "success"
