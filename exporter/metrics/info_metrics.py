"""What each path, job and mailbox is made of, as the labels of a series that is always 1.

Queries join these labels to the other metrics: `* on (path, vantage) group_left (route) ..._info`.
"""

from exporter.metrics.exposition import Gauge, Table
from exporter.model import Job, Mailbox, Path
from probes.records.address import domain_of
from probes.registry.rows import KINDS, MAILBOXES


def path_info(path: Path) -> tuple[str, ...]:
    """Return the label values of a path, in the order of `families.PATH_INFO`."""
    rcpt_domain = domain_of(path.message.rcpt_to)
    return (
        *(path.name, path.route.name, path.route.kind),
        *(path.mailbox.name, path.mailbox.kind, rcpt_domain),
        path.team or "",
    )


def probe_info(job: Job) -> tuple[str, ...]:
    """Return the label values of a job, in the order of `families.PROBE_INFO`."""
    return job.name, job.kind, KINDS[job.kind].host(job.target), job.team or ""


def mailbox_info(mailbox: Mailbox) -> tuple[str, ...]:
    """Return the label values of a mailbox, in the order of `families.MAILBOX_INFO`."""
    host = MAILBOXES[mailbox.kind].host(mailbox.target)
    return mailbox.name, mailbox.kind, host, mailbox.team or ""


def show_info(gauges: Table[Gauge], values: tuple[str, ...]) -> None:
    """Show these labels for their name, and no longer those of the configuration before."""
    gauges.retain(values[0], {values})
    gauges.at(*values).set(1)
