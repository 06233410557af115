"""`mailcanary status --nagios`: one line of state and perfdata, then a line for each trouble.

The form is that of the Monitoring Plugins Development Guidelines, which Nagios, Icinga and Naemon
read: `SERVICE STATE - text | 'label'=value[unit];[warn];[crit];[min];[max] ...`.
"""

from collections.abc import Iterator

from exporter.model import Config
from exporter.reports.exit_codes import ExitCode
from exporter.reports.status import JobStatus, MailboxStatus, PathStatus, Status, status_code
from exporter.reports.wording import owner_words, visible
from probes.result import Failure

_WORDS = {
    ExitCode.OK: "OK",
    ExitCode.WARNING: "WARNING",
    ExitCode.FAILURE: "CRITICAL",
    ExitCode.UNTESTABLE: "UNKNOWN",
}
_LONGEST = 200


def nagios_text(status: Status, config: Config) -> str:
    """The whole output; its exit code is that of `status`."""
    word = _WORDS[status_code(status)]
    troubles = tuple(_troubles(status))
    head = troubles[0] if troubles else _counts(status)
    first = f"MAILCANARY {word} - {head} | {' '.join(_perfdata(status, config))}"
    return "\n".join((first, *((_counts(status), *troubles) if troubles else ())))


def nagios_unknown(why: str) -> str:
    """The output where nothing can be told of the mail."""
    return f"MAILCANARY UNKNOWN - {_plain(why)}"


def _counts(status: Status) -> str:
    told = []
    for noun, entries in (("path", status.paths), ("job", status.jobs)):
        if entries:
            fine = sum(one.state == "ok" for one in entries)
            told.append(f"{fine} of {len(entries)} {noun}{'s' * (len(entries) > 1)} ok")
    return ", ".join(told) or "neither paths nor jobs"


def _troubles(status: Status) -> Iterator[str]:
    """Yield a line for each trouble, of one gravity after the other."""
    if status.holder is not None and not status.holder.is_there:
        yield "the service does not run"
    for mailbox in status.mailboxes:
        if mailbox.is_readable is False:
            yield _trouble("mailbox", mailbox, "unreadable", mailbox.failure)
    entries: list[PathStatus | JobStatus] = [*status.paths, *status.jobs]
    for one in sorted(entries, key=lambda one: one.state != "failing"):
        if one.state != "ok":
            noun = "path" if isinstance(one, PathStatus) else "job"
            yield _trouble(noun, one, one.state, one.failure)


def _trouble(
    noun: str, one: PathStatus | JobStatus | MailboxStatus, state: str, failure: Failure | None
) -> str:
    text = f"{noun} {one.name} {state}"
    if isinstance(one, PathStatus) and one.outcome is not None:
        text += f" ({one.outcome})"
    if failure is not None:
        owner = owner_words(failure.owner)
        text += f": {failure.phase} {failure.reason}, owner: {owner}: {failure.detail}"
    for finding in () if isinstance(one, MailboxStatus) else one.findings[:1]:
        text += f"; {finding.status}: {finding.code}"
    return _plain(text)


def _plain(text: str) -> str:
    """One line in which nothing looks like the beginning of perfdata."""
    return visible(" ".join(text.split())).replace("|", "/")[:_LONGEST]


def _perfdata(status: Status, config: Config) -> Iterator[str]:
    for noun, entries in (("paths", status.paths), ("jobs", status.jobs)):
        fine = sum(one.state == "ok" for one in entries)
        yield f"'{noun}_ok'={fine};;;0;{len(entries)}"
    for path in status.paths:
        options = config.paths[path.name]
        limits = f"{options.late_after:g};{options.lost_after:g};0"
        yield f"'{path.name}_round_trip'={_seconds(path.round_trip, path.state)};{limits}"
        yield f"'{path.name}_in_flight'={path.in_flight};;;0"
    for job in status.jobs:
        deadline = f"{config.jobs[job.name].deadline:g}"
        yield f"'{job.name}_seconds'={_seconds(job.seconds, job.state)};;{deadline};0"


def _seconds(value: float | None, state: str) -> str:
    """A duration; U, "unknown", for one that is not of now."""
    return "U" if value is None or state == "unknown" else f"{value:.6f}s"
