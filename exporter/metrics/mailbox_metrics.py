"""The metrics of mailboxes: whether they can be read, and canaries in them that are not ours."""

from collections.abc import Mapping
from datetime import datetime

from exporter.metrics.exposition import Registry
from exporter.metrics.gauges import stamp
from exporter.metrics.info_metrics import mailbox_info, show_info
from exporter.metrics.result_values import failure_labels
from exporter.model import Mailbox
from probes.result import Failure


class MailboxMetrics:
    """The metrics of each configured mailbox; other mailboxes are ignored."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._counters = registry.counters
        self._gauges = registry.gauges
        self._names: frozenset[str] = frozenset()

    def configure(self, mailboxes: Mapping[str, Mailbox]) -> None:
        """Make every series of these mailboxes, and remove those of all others."""
        self._names = frozenset(mailboxes)
        self._registry.keep("mailbox", self._names)
        for mailbox, configured in mailboxes.items():
            show_info(self._gauges["mailcanary_mailbox_info"], mailbox_info(configured))
            self._gauges["mailcanary_mailbox_up"].at(mailbox)
            self._gauges["mailcanary_mailbox_last_look_timestamp_seconds"].at(mailbox)
            self._counters["mailcanary_forged_canaries_total"].at(mailbox)

    def watched(self, mailbox: str, *, is_up: bool, failure: Failure | None) -> None:
        """Show whether a mailbox is being watched, and count the failure that ended the watch."""
        if mailbox not in self._names:
            return
        self._gauges["mailcanary_mailbox_up"].at(mailbox).set(int(is_up))
        if failure is not None:
            failures = self._counters["mailcanary_mailbox_failures_total"]
            failures.at(mailbox, *failure_labels(failure)).increase()

    def cleaned(self, mailbox: str, *, ok: bool) -> None:
        """Show whether our own canaries could be removed when it was due."""
        if mailbox in self._names:
            self._gauges["mailcanary_mailbox_cleaning_successful"].at(mailbox).set(int(ok))

    def looked(self, mailbox: str, at: datetime) -> None:
        """Show when a mailbox was last looked at."""
        if mailbox in self._names:
            gauges = self._gauges["mailcanary_mailbox_last_look_timestamp_seconds"]
            stamp(gauges, mailbox, at)

    def forged(self, mailbox: str) -> None:
        """Count a message with a token that was never issued."""
        if mailbox in self._names:
            self._counters["mailcanary_forged_canaries_total"].at(mailbox).increase()
