"""The values the service is made of, between the configuration's text and the ledger's rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from probes.canary.evidence import Evidence
from probes.canary.hops import OurTimes
from probes.canary.lifecycle import Event, Outcome, State
from probes.canary.message import MessageOptions
from probes.mailboxes.interface import Place, Placement
from probes.options import Domain, FilePath, Host, IpAddress, Port
from probes.result import Aspect, Failure, ProbeResult


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS server to ask."""

    address: IpAddress
    port: Port


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Settings of the process, not of a path. Times in seconds."""

    listen_address: IpAddress
    listen_port: Port
    ledger: str
    ehlo_name: Host
    resolvers: tuple[Server, ...] | None
    source_address: IpAddress | None
    ca_file: FilePath | None
    max_concurrent: int
    max_concurrent_per_host: int
    keep_runs: float
    probe_targets: tuple[Domain, ...] = ()
    phase_histograms: bool = False
    allow_loopback: bool = False
    site: str = ""
    log_format: str = "text"
    log_level: str = "info"
    ledger_group: str | None = None
    resolver_check: Domain | None = None
    enable_lifecycle: bool = False
    health_without_login: bool = True
    vantage: str = "main"
    external_url: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A named route: its kind in `probes.registry.rows.ROUTES` and that kind's target."""

    name: str
    kind: str
    target: Any
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A named mailbox: its kind in `probes.registry.rows.MAILBOXES` and that kind's target."""

    name: str
    kind: str
    target: Any
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """A mail path: its message, route, mailbox and period.

    All times in seconds: a canary is late if it took longer than `late_after`. It is lost if the
    mailbox was read after `lost_after` without finding it. `deadline` bounds the sending. `site` is
    the service's, a part of each token. `team` is its own, or that of its route, or that of its
    mailbox.
    """

    name: str
    route: Route
    mailbox: Mailbox
    message: MessageOptions
    every: float
    deadline: float
    late_after: float
    lost_after: float
    site: str = ""
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled one-shot probe."""

    name: str
    kind: str
    target: Any
    every: float
    deadline: float
    team: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """One finished configuration; `source` names the file it came from.

    `warnings` are about what can be used but will hardly work, each with its place in the file.
    """

    source: str
    service: ServiceOptions
    routes: Mapping[str, Route]
    mailboxes: Mapping[str, Mailbox]
    paths: Mapping[str, Path]
    jobs: Mapping[str, Job]
    warnings: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run of a job or of a path's sending, as the ledger keeps it."""

    name: str
    tick: int
    result: ProbeResult


@dataclass(frozen=True, slots=True)
class TargetChange:
    """A change of a job's target, found by the run of that `tick`.

    `since` is the first time at which the value `before` was known. By `visible_by` every cached
    copy of the old value has expired. It is None if the value is not cached or its lifetime is not
    known.
    """

    name: str
    tick: int
    at: datetime
    aspect: Aspect
    subject: str
    before: str
    after: str
    since: datetime
    visible_by: datetime | None


@dataclass(frozen=True, slots=True)
class CanaryRecord:
    """A canary as the ledger knows it; instants are UTC, None = has not happened.

    `round_trip` is seconds from the beginning of the sending to the look that found it, of which
    the last `resolution` seconds are the time between two looks: it arrived somewhere in them.
    `place` is where its first copy lies. A
    negative `tick` marks a canary sent by hand, which the service settles but does not count.
    A canary that was given up and came later keeps its `outcome`; `is_recovered` tells the rest.
    `internal_date` is the date of its first copy by the clock of the mailbox's server.
    """

    token: str
    path: str
    mailbox: str
    tick: int
    state: State
    outcome: Outcome | None
    planned_at: datetime
    sending_at: datetime | None
    accepted_at: datetime | None
    settled_at: datetime | None
    late_after: float
    lost_after: float
    failure: Failure | None = None
    placement: Placement | None = None
    place: Place | None = None
    round_trip: float | None = None
    resolution: float | None = None
    internal_date: datetime | None = None

    @property
    def is_recovered(self) -> bool:
        """True for a canary that came after it had been given up."""
        return self.state is State.RECOVERED or self.outcome is Outcome.RECOVERED


@dataclass(frozen=True, slots=True)
class Change:
    """One step in a canary's life, durable in the ledger when this value exists.

    `outcome` is the outcome to count for this step, None if there is none. `beside` are further
    outcomes to count for it.
    """

    record: CanaryRecord
    event: Event
    outcome: Outcome | None
    at: datetime
    beside: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class ArrivedCopy:
    """A message in a mailbox that is a copy of a canary or, `is_bounce`, news about it.

    `number` counts the canary's copies (or its bounces), 0 is the first. `placement` is None for
    one that a version before saw. `sent` is the message as we sent it, None if that is not kept any
    more, or for a bounce. `times` are our own measurements of its way.
    """

    record: CanaryRecord
    number: int
    is_bounce: bool
    placement: str | None
    sent: bytes | None
    times: OurTimes


@dataclass(frozen=True, slots=True)
class Examined:
    """The evidence of a copy, durable in the ledger when this value exists.

    `is_new` is False if the same copy had been examined before.
    """

    copy: ArrivedCopy
    evidence: Evidence
    is_new: bool
