"""The file's own options: those that belong to no kind, route or mailbox, and its sections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from exporter.config.option_types import (
    DnsServer,
    EhloName,
    Interval,
    LedgerPlace,
    Listen,
    MailboxName,
    RouteName,
    SiteName,
    VantageName,
    WebUrl,
)
from exporter.model import Server
from probes.options import Count, Domain, FilePath, IpAddress, Port, Seconds, option

LogFormat = Literal["text", "logfmt", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
LOG_FORMATS: tuple[str, ...] = get_args(LogFormat)
LOG_LEVELS: tuple[str, ...] = get_args(LogLevel)

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
        "The SQLite file that remembers every canary. Unset: in the state directory if the service "
        "has one, else beside this file.",
        LedgerPlace("mailcanary.sqlite"),
    )
    ledger_group: str | None = option(
        "A group whose members may read the ledger with `status`, `history` and `show`.", None
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
    resolver_check: Domain | None = option(
        "A domain known to work, by which the DNS servers are tested after a time-out; unset: the "
        "root zone.",
        None,
    )
    probe_targets: tuple[Domain, ...] = option(
        "Domains that `/probe` may be asked for, beside those of the jobs and paths.", ()
    )
    phase_histograms: bool = option(
        "Give `/metrics` a histogram of every phase, some 300 series more for each path.", False
    )
    site: SiteName | None = option(
        "Name of this monitor, a part of every token: another monitor at the same mailbox leaves "
        "its canaries alone. At most 16 letters and digits.",
        None,
    )
    enable_lifecycle: bool = option(
        "Let `POST /-/reload` read the configuration again, as SIGHUP does.", False
    )
    health_without_login: bool = option(
        "Answer `/-/healthy` and `/-/ready` without a login, where `--web.config.file` asks for "
        "one: most supervisors have none.",
        True,
    )
    vantage: VantageName = option(
        "Name of the place from which this monitor looks: the label `vantage` of its metrics. "
        "Letters, digits, `.`, `_` and `-`, at most 63.",
        VantageName("main"),
    )
    external_url: WebUrl | None = option(
        "The address under which people and alerts reach the pages, with the path of a proxy.",
        None,
    )
    log_format: LogFormat = option("Form of a line of the log.", "text")
    log_level: LogLevel = option("Least level of a line of the log.", "info")


@dataclass(frozen=True, slots=True)
class DoorKeys:
    """The options of a route or a mailbox beside those of its type."""

    team: str | None = option(
        "The team to call about it: a label of the paths that use it, in the log and in JSON.", None
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
    team: str | None = option(
        "The team to call about it. That of its route if unset, else that of its mailbox.", None
    )


@dataclass(frozen=True, slots=True)
class JobKeys:
    """The options of a job beside those of its kind."""

    every: Interval = option("How often the probe runs.", Interval(300.0))
    deadline: Seconds = option("The longest one run may take.", Seconds(60.0))
    team: str | None = option("The team to call about it, in the log and in JSON.", None)


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables of the registry: the dataclass of the options, by kind, route and mailbox."""

    kinds: Mapping[str, type]
    routes: Mapping[str, type]
    mailboxes: Mapping[str, type]
