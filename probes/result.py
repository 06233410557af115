"""The result of a probe run: closed vocabularies and frozen values that all rooms pass on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from probes.records.reply import Reply
from probes.records.subject import Subject


class Phase(StrEnum):
    """The steps of a mail path in protocol order; the value is the metric label."""

    __hash__ = str.__hash__  # that of its text, to which it is equal; and ten times as fast

    DNS_MX = "dns_mx"
    DNS_ADDRESS = "dns_address"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    SELECT = "select"
    SEARCH = "search"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END_OF_DATA = "end_of_data"
    QUIT = "quit"
    TRANSIT = "transit"
    ARRIVAL = "arrival"
    FETCH = "fetch"
    HTTPS = "https"
    EVALUATE = "evaluate"


class Reason(StrEnum):
    """Why a phase failed; never repeats the phase. The words are the standards' own."""

    # DNS
    NXDOMAIN = "nxdomain"
    NO_DATA = "no_data"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    DNSSEC_BOGUS = "dnssec_bogus"
    NULL_MX = "null_mx"
    # network
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    CONNECTION_CLOSED = "connection_closed"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    # SMTP and IMAP dialogue
    REJECTED = "rejected"
    DEFERRED = "deferred"
    GREYLISTED = "greylisted"
    SERVICE_CLOSING = "service_closing"
    MALFORMED_REPLY = "malformed_reply"
    UNEXPECTED_REPLY = "unexpected_reply"
    EXTENSION_MISSING = "extension_missing"
    AUTHENTICATION_FAILED = "authentication_failed"
    # TLS, the result types of RFC 8460 §4.3
    STARTTLS_NOT_SUPPORTED = "starttls_not_supported"
    CERTIFICATE_HOST_MISMATCH = "certificate_host_mismatch"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_TRUSTED = "certificate_not_trusted"
    VALIDATION_FAILURE = "validation_failure"
    TLSA_INVALID = "tlsa_invalid"
    DNSSEC_INVALID = "dnssec_invalid"
    DANE_REQUIRED = "dane_required"
    STS_POLICY_FETCH_ERROR = "sts_policy_fetch_error"
    STS_POLICY_INVALID = "sts_policy_invalid"
    STS_WEBPKI_INVALID = "sts_webpki_invalid"
    # records
    RECORD_MISSING = "record_missing"
    RECORD_MULTIPLE = "record_multiple"
    RECORD_SYNTAX = "record_syntax"
    TOO_MANY_LOOKUPS = "too_many_lookups"
    # delivery
    BOUNCED = "bounced"
    LOST = "lost"
    JUNKED = "junked"
    ALTERED = "altered"
    DUPLICATED = "duplicated"
    # block lists
    LISTED = "listed"
    LIST_UNHEALTHY = "list_unhealthy"
    # us
    UNTESTABLE = "untestable"
    UNEXPECTED = "unexpected"


class Owner(StrEnum):
    """The party that has to mend a failure or finding, by its role in the mail path.

    The first three are on the monitor's side: what they break is untestable. `relay` is the server
    a route hands its mail to, `sender` the records and the reputation of the sending domain and
    addresses, `receiver_…` a part of the receiving side.
    """

    CONFIGURATION = "configuration"
    MONITOR = "monitor"
    RESOLVER = "resolver"
    NETWORK = "network"
    RELAY = "relay"
    SENDER = "sender"
    RECEIVER_DNS = "receiver_dns"
    RECEIVER_MX = "receiver_mx"
    RECEIVER_FILTER = "receiver_filter"
    RECEIVER_MAILBOX = "receiver_mailbox"


OURS = frozenset({Owner.CONFIGURATION, Owner.MONITOR, Owner.RESOLVER})
"""The owners on the monitor's side: whatever they break says nothing about the mail path."""


class Status(StrEnum):
    """How bad a finding is, least first."""

    OK = "ok"
    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    FAILURE = "failure"
    UNTESTABLE = "untestable"


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of a run before its goal. `detail` is one line for people and is never parsed."""

    phase: Phase
    reason: Reason
    detail: str
    owner: Owner
    is_transient: bool
    reply: Reply | None = None

    @property
    def is_untestable(self) -> bool:
        """True if the monitor failed, not the mail path."""
        return self.owner in OURS


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect (or a proof of health) that did not stop the run; `code` is stable.

    `owner` is given where the case knows the party better than the catalogue.
    """

    code: str
    status: Status
    subject: Subject
    evidence: str
    reference: str
    owner: Owner | None = None


class Aspect(StrEnum):
    """The aspects of a target that are compared from run to run; the value is the metric label."""

    MX = "mx"
    CERTIFICATE = "certificate"
    CAPABILITIES = "capabilities"
    STS_RECORD = "sts_record"
    STS_POLICY = "sts_policy"
    TLSRPT = "tlsrpt"
    TLSA = "tlsa"
    SPF = "spf"
    DKIM = "dkim"
    DMARC = "dmarc"
    LISTING = "listing"
    NAMESERVERS = "nameservers"


@dataclass(frozen=True, slots=True)
class Known:
    """One value that a run learnt about its target, as a text that stays the same while the value
    does.

    Absence is known as well (NOTHING); a failed look-up is not. `lifetime` is for how many seconds
    others may go on using it after it has changed: a TTL (of an answer without records that of RFC
    2308 §5) or a policy's max_age; None if nobody keeps it.
    """

    aspect: Aspect
    subject: str
    value: str
    lifetime: int | None = None


NOTHING = "none"
"""The value of a record that is known to be absent."""


@dataclass(frozen=True, slots=True)
class PhaseTiming:
    """One step: `start` seconds after the run began, `seconds` long (monotonic)."""

    phase: Phase
    start: float
    seconds: float


Facts = Mapping[str, Any]
"""Learnt values, by documented dotted name (`tls.version`); values are JSON scalars or tuples."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things a run measured side by side: an address of an MX host, say.

    `address` is None where the host's name did not resolve.
    """

    host: str
    address: str | None
    timings: tuple[PhaseTiming, ...]
    failure: Failure | None
    findings: tuple[Finding, ...]
    facts: Facts

    @property
    def ok(self) -> bool:
        """True when nothing stopped this part."""
        return self.failure is None

    @property
    def subject(self) -> Subject:
        """The subject of a finding about this part."""
        return Subject.place(self.host, self.address)


class HandoverState(StrEnum):
    """How far a route came with handing a message over."""

    UNCERTAIN = "may_have_been_handed_over"
    HANDED_OVER = "handed_over"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED_FOR_GOOD = "refused_for_good"


@dataclass(frozen=True, slots=True)
class Handover:
    """The report of a route: how far it came, and the receiver's answer where there was one.

    UNCERTAIN holds from the moment from which the receiver may have the whole message.
    """

    state: HandoverState
    reply: Reply | None = None


_NOT_IN_DOCUMENT = {"document": False}
"""Metadata of a field that the JSON document of its class does not have."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The one outcome of one run, always produced, whatever the peer did.

    `handover` is the last report of a route, None where it never came so far. The ledger keeps the
    event that follows from it, not the report itself.
    """

    kind: str
    started_at: datetime
    seconds: float
    timings: tuple[PhaseTiming, ...]
    failure: Failure | None
    findings: tuple[Finding, ...] = ()
    parts: tuple[Part, ...] = ()
    facts: Facts = field(default_factory=dict)
    known: tuple[Known, ...] = ()
    handover: Handover | None = field(default=None, compare=False, metadata=_NOT_IN_DOCUMENT)

    @property
    def ok(self) -> bool:
        """True when nothing stopped the run; there is no second truth."""
        return self.failure is None


MAX_DETAIL = 500
"""Characters of a failure's detail."""


def one_line(text: str) -> str:
    """Return `text` as one printable line for people, without control characters."""
    line = " ".join(text[: 4 * MAX_DETAIL].split())
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 1] + "…"


class ProbeFailure(Exception):
    """Raised by a kind, a route or the network layer to end a run with a reason.

    `phase`, `owner` and `is_transient` are None where the caller's place in the protocol and the
    reason already say them.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str,
        *,
        phase: Phase | None = None,
        reply: Reply | None = None,
        owner: Owner | None = None,
        is_transient: bool | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.phase = phase
        self.reply = reply
        self.owner = owner
        self.is_transient = is_transient

    @classmethod
    def again(cls, failure: Failure, detail: str = "") -> "ProbeFailure":
        """Return a ProbeFailure that ends another run as `failure` ended one; `detail` instead of
        its own.
        """
        return cls(
            failure.reason,
            detail or failure.detail,
            phase=failure.phase,
            reply=failure.reply,
            owner=failure.owner,
            is_transient=failure.is_transient,
        )

    def to_failure(self, current: Phase) -> Failure:
        """The finished value; `current` is the phase that was open when it was raised."""
        phase = self.phase or current
        is_transient = self.is_transient
        if is_transient is None:
            is_transient = self.reason in _TRANSIENT
        return Failure(
            phase=phase,
            reason=self.reason,
            detail=one_line(self.detail),
            owner=self.owner or owner_of(phase, self.reason),
            is_transient=is_transient,
            reply=self.reply,
        )


_TRANSIENT = frozenset(
    {
        Reason.SERVFAIL,
        Reason.REFUSED,
        Reason.CONNECTION_REFUSED,
        Reason.CONNECTION_RESET,
        Reason.CONNECTION_CLOSED,
        Reason.UNREACHABLE,
        Reason.TIMEOUT,
        Reason.DEFERRED,
        Reason.GREYLISTED,
        Reason.SERVICE_CLOSING,
        Reason.LIST_UNHEALTHY,
        Reason.UNTESTABLE,
    }
)

_OWNER_BY_REASON = {
    Reason.NXDOMAIN: Owner.RECEIVER_DNS,
    Reason.NO_DATA: Owner.RECEIVER_DNS,
    Reason.DNSSEC_BOGUS: Owner.RECEIVER_DNS,
    Reason.NULL_MX: Owner.RECEIVER_DNS,
    Reason.UNREACHABLE: Owner.NETWORK,
    Reason.GREYLISTED: Owner.RECEIVER_FILTER,
    Reason.AUTHENTICATION_FAILED: Owner.SENDER,
    Reason.JUNKED: Owner.RECEIVER_FILTER,
    Reason.RECORD_MISSING: Owner.SENDER,
    Reason.RECORD_MULTIPLE: Owner.SENDER,
    Reason.RECORD_SYNTAX: Owner.SENDER,
    Reason.TOO_MANY_LOOKUPS: Owner.SENDER,
    Reason.LISTED: Owner.SENDER,
    Reason.LIST_UNHEALTHY: Owner.MONITOR,
    Reason.UNTESTABLE: Owner.MONITOR,
    Reason.UNEXPECTED: Owner.MONITOR,
}

_OWNER_BY_PHASE = {
    Phase.DNS_MX: Owner.RECEIVER_DNS,
    Phase.DNS_ADDRESS: Owner.RECEIVER_DNS,
    Phase.ARRIVAL: Owner.RECEIVER_MAILBOX,
    Phase.FETCH: Owner.RECEIVER_MAILBOX,
    Phase.SELECT: Owner.RECEIVER_MAILBOX,
    Phase.SEARCH: Owner.RECEIVER_MAILBOX,
}


def owner_of(phase: Phase, reason: Reason) -> Owner:
    """The party that has to act when nothing more specific is known.

    The peer is taken for a receiving domain; `probes.catalogue.parties` knows the other roles.
    """
    if reason is Reason.AUTHENTICATION_FAILED and phase is Phase.AUTH:
        return Owner.CONFIGURATION  # a login; elsewhere it is mail that proves no sender
    if reason is Reason.TIMEOUT and phase is Phase.CONNECT:
        return Owner.NETWORK
    if reason is Reason.TIMEOUT and phase in (Phase.DNS_MX, Phase.DNS_ADDRESS, Phase.EVALUATE):
        return Owner.RESOLVER  # what we waited for is our own resolver
    return _OWNER_BY_REASON.get(reason) or _OWNER_BY_PHASE.get(phase, Owner.RECEIVER_MX)


def all_findings(result: ProbeResult) -> tuple[Finding, ...]:
    """The findings of a result and of its parts."""
    return result.findings + tuple(f for part in result.parts for f in part.findings)
