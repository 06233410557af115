"""The file's own options: those that belong to no kind, route or mailbox, and its sections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from exporter.config.option_types import (
    DnsServer,
    EhloName,
    Interval,
    LedgerPlace,
    Listen,
    MailboxName,
    RouteName,
)
from exporter.model import Server
from probes.options import Count, Domain, FilePath, IpAddress, Port, Seconds, option

SECTIONS = {
    "routes": "Ways to hand canaries over, by name.",
    "mailboxes": "Mailboxes in which canaries arrive, by name.",
    "paths": "Mail paths to watch, by name; each sends canaries along a route into a mailbox.",
    "jobs": "Scheduled probes that send nothing, by name.",
}
"""The four tables of the file; names are unique in each, and among paths and jobs together."""

NAME_PATTERN = "[a-z0-9][a-z0-9_-]{0,62}"
"""Pattern of a name: it becomes the value of a label."""


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """The options at the top of the file."""

    ehlo_name: EhloName | None = option(
        "How we introduce ourselves to mail servers: a fully qualified domain name that resolves "
        "to us. The name of this machine if unset.",
        None,
    )
    listen: Listen = option(
        "Where metrics and pages are served; port 0 takes any free port.",
        Listen(Server(IpAddress("127.0.0.1"), Port(10587))),
    )
    ledger: LedgerPlace = option(
        "The SQLite file that remembers every canary.", LedgerPlace("mailcanary.sqlite")
    )
    resolvers: Literal["system"] | tuple[DnsServer, ...] = option(
        "The DNS servers to ask, in this order; `system`: those of the machine.", "system"
    )
    source_address: IpAddress | None = option(
        "The local address connections are made from; the system's choice if unset.", None
    )
    allow_loopback: bool = option(
        "Connect to MX hosts, name servers and policy hosts also at this machine's own addresses. "
        "Otherwise a stranger's DNS could aim us at our own services.",
        False,
    )
    ca_file: FilePath | None = option(
        "Certification authorities to trust, in PEM; those of the system if unset.", None
    )
    max_concurrent: Count = option("Runs at the same time, at most.", Count(50))
    max_concurrent_per_host: Count = option(
        "Runs at the same time against one host, and SMTP sessions with one address, at most.",
        Count(1),
    )
    keep_runs: Seconds = option(
        "How long the ledger keeps finished runs and settled canaries.", Seconds(14 * 86400.0)
    )
    probe_targets: tuple[Domain, ...] = option(
        "Domains that `/probe` may be asked for, beside those of the jobs and paths.", ()
    )
    phase_histograms: bool = option(
        "Give `/metrics` a histogram of every phase, some 300 series more for each path.", False
    )


@dataclass(frozen=True, slots=True)
class PathKeys:
    """The options of a path beside those of its message."""

    route: RouteName = option("The route along which canaries are sent.")
    mailbox: MailboxName = option("The mailbox in which they arrive.")
    every: Interval = option("How often a canary is sent.", Interval(300.0))
    deadline: Seconds = option("The longest the sending may take.", Seconds(60.0))
    late_after: Seconds = option(
        "A canary that took longer than this, from the start of its sending, arrived late.",
        Seconds(60.0),
    )
    lost_after: Seconds = option(
        "A canary not found this long after it was sent is lost.", Seconds(900.0)
    )


@dataclass(frozen=True, slots=True)
class JobKeys:
    """The options of a job beside those of its kind."""

    every: Interval = option("How often the probe runs.", Interval(300.0))
    deadline: Seconds = option("The longest one run may take.", Seconds(60.0))


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of the registry: the dataclass of the options, by kind, route and mailbox."""

    kinds: Mapping[str, type]
    routes: Mapping[str, type]
    mailboxes: Mapping[str, type]
