"""The result of a look-up, and the owner of the problem when it has no records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, Self, TypeVar

from probes.net.errors import NetError
from probes.result import Owner, Phase, Reason

ServerAddress = tuple[str, int]
"""IP address and port of a DNS server."""

RecordT_co = TypeVar("RecordT_co", covariant=True)


class DnsStatus(StrEnum):
    """How a look-up ended."""

    ANSWERED = "answered"
    NXDOMAIN = "nxdomain"
    NO_DATA = "no_data"
    DNSSEC_BOGUS = "dnssec_bogus"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


_TELLING = (
    DnsStatus.ANSWERED,
    DnsStatus.NXDOMAIN,
    DnsStatus.DNSSEC_BOGUS,
    DnsStatus.SERVFAIL,
    DnsStatus.REFUSED,
    DnsStatus.MALFORMED,
    DnsStatus.TIMEOUT,
    DnsStatus.UNREACHABLE,
    DnsStatus.NO_DATA,
)
"""Of two outcomes the one that stands first here is the one to report."""

_BLAME = {
    DnsStatus.NXDOMAIN: (Reason.NXDOMAIN, Owner.RECEIVER_DNS),
    DnsStatus.NO_DATA: (Reason.NO_DATA, Owner.RECEIVER_DNS),
    DnsStatus.DNSSEC_BOGUS: (Reason.DNSSEC_BOGUS, Owner.RECEIVER_DNS),
    DnsStatus.SERVFAIL: (Reason.SERVFAIL, Owner.RECEIVER_DNS),
    DnsStatus.REFUSED: (Reason.REFUSED, Owner.RESOLVER),
    DnsStatus.MALFORMED: (Reason.MALFORMED_REPLY, Owner.RESOLVER),
    DnsStatus.TIMEOUT: (Reason.TIMEOUT, Owner.RESOLVER),
    DnsStatus.UNREACHABLE: (Reason.UNREACHABLE, Owner.RESOLVER),
}


@dataclass(frozen=True, slots=True)
class Answer(Generic[RecordT_co]):
    """The result of one look-up; `records` is empty unless `status` is `answered`.

    `canonical_name` is the end of the CNAME chain. `ttl` (seconds) is the smallest of the chain,
    `negative_ttl` that of RFC 2308 §5; None where the answer carries none. `authenticated` is the
    server's AD flag, RFC 4035 §3.2.3; it can be trusted only as far as the way to that server.
    `authoritative` is its AA flag, `edns` is True if it carried an OPT record. `server` is the one
    that decided the status, `tries` the number of waits. `rcode` is None when no message was read.
    `note` is the extended error (RFC 8914), the operating system's error or the fault in the
    message. `owner` is the party that failed, where a test of the resolver told; None: the status
    tells.
    """

    name: str
    rdtype: str
    status: DnsStatus
    server: ServerAddress
    tries: int = 1
    records: tuple[RecordT_co, ...] = ()
    canonical_name: str = ""
    ttl: int | None = None
    negative_ttl: int | None = None
    authenticated: bool = False
    authoritative: bool = False
    edns: bool = False
    rcode: str | None = None
    note: str | None = None
    owner: Owner | None = None

    def require(self, phase: Phase | None = None) -> Self:
        """This answer if it has records; raises its NetError, said to be of `phase`, if not."""
        if self.status is DnsStatus.ANSWERED:
            return self
        reason, owner = _BLAME[self.status]
        raise NetError(reason, self.explain(), phase=phase, owner=self.owner or owner)

    @property
    def is_ours(self) -> bool:
        """True when our own resolver failed: nothing was learnt about the name."""
        if self.status not in _BLAME:
            return False
        return (self.owner or _BLAME[self.status][1]) is Owner.RESOLVER

    @property
    def lifetime(self) -> int | None:
        """For how many seconds others may keep this answer, with records or without."""
        return self.ttl if self.status is DnsStatus.ANSWERED else self.negative_ttl

    @property
    def is_nothing(self) -> bool:
        """True where it is known that there are no such records."""
        return self.status in (DnsStatus.NXDOMAIN, DnsStatus.NO_DATA)

    @property
    def is_silence(self) -> bool:
        """True when no server said anything in time."""
        return self.status is DnsStatus.TIMEOUT

    def explain(self) -> str:
        """One line for people: question, status, server."""
        address, port = self.server
        said = f"{self.rdtype} of {self.name}: {self.status} from {address} port {port}"
        return f"{said} ({self.note})" if self.note else said


def merged(first: Answer[RecordT_co], second: Answer[RecordT_co]) -> Answer[RecordT_co]:
    """Two look-ups of one name as one: answered if either is, else the more telling failure."""
    return replace(
        most_telling((first, second)),
        rdtype=f"{first.rdtype} and {second.rdtype}",
        records=first.records + second.records,
        ttl=min((a.ttl for a in (first, second) if a.ttl is not None), default=None),
        authenticated=first.authenticated and second.authenticated,
        tries=max(first.tries, second.tries),
    )


def most_telling(answers: Sequence[Answer[RecordT_co]]) -> Answer[RecordT_co]:
    """Of several answers to one question (at least one) the one to report."""
    return min(answers, key=lambda answer: _TELLING.index(answer.status))
