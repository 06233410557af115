"""One publisher: everything that the service finds out goes through it to its subscribers."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from exporter.analysis.suspects import Suspect
from exporter.ledger.errors import LedgerError
from exporter.model import CanaryRecord, Change, Config, Examined, Run, TargetChange
from exporter.service.mailbox_watcher import WatchState
from probes.result import Finding

LOG = logging.getLogger("mailcanary")


class Subscriber:
    """Receives the notices of the service, for metrics, the log or a page.

    A subscriber inherits from this class and overrides the methods it needs; the rest does nothing.
    Its methods return at once: they run on the event loop, between two measurements.
    """

    def configured(self, config: Config) -> None:
        """A configuration is in force; every other notice is about a name in it."""

    def config_reloaded(self, *, ok: bool) -> None:
        """The configuration file was read again, and is in force if `ok`."""

    def run_resumed(self, run: Run) -> None:
        """An earlier process finished this run; the oldest comes first."""

    def canary_resumed(self, record: CanaryRecord) -> None:
        """An earlier process sent this canary, settled or not; the oldest comes first."""

    def evidence_resumed(self, record: CanaryRecord, findings: tuple[Finding, ...]) -> None:
        """An earlier process examined this canary's copies, with these findings."""

    def canary_changed(self, change: Change) -> None:
        """A canary took a step, which is in the ledger."""

    def run_finished(self, run: Run) -> None:
        """A run of a job ended, or the sending of a canary."""

    def target_changed(self, change: TargetChange) -> None:
        """A job found something changed about its target, which is in the ledger."""

    def copy_examined(self, examined: Examined) -> None:
        """A copy or a bounce was examined, and its evidence is in the ledger."""

    def slots_missed(self, name: str, missed: int) -> None:
        """A path or job did not run in so many slots."""

    def mailbox_changed(self, mailbox: str, state: WatchState) -> None:
        """A mailbox can be read, or no longer."""

    def mailbox_looked(self, mailbox: str, at: datetime) -> None:
        """A look at a folder of the mailbox began at that instant and is complete."""

    def mailbox_cleaned(self, mailbox: str, *, ok: bool) -> None:
        """Our own canaries were due for removal, and are removed if `ok`."""

    def canary_forged(self, mailbox: str) -> None:
        """The mailbox has a message with a token that was never issued."""

    def suspects_found(self, suspects: Iterable[Suspect]) -> None:
        """The parts that failures point at now; those of the notice before are over."""

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        """The ledger refused an operation; `action` names it for people."""

    def task_restarted(self, name: str) -> None:
        """A long-lived task ended unasked and begins again."""

    def loop_lagged(self, seconds: float) -> None:
        """The event loop woke up so much later than asked for; comes many times a second."""


class Publisher(Subscriber):
    """Passes every notice on to each subscriber, in the order in which they subscribed.

    A subscriber that raises is logged with its name; the others receive the notice all the same,
    and so the publisher never raises.
    """

    def __init__(self, *subscribers: Subscriber) -> None:
        self._subscribers = subscribers

    def subscribe(self, *subscribers: Subscriber) -> None:
        """Add subscribers, after those that are there."""
        self._subscribers = (*self._subscribers, *subscribers)

    def attempting(self, action: str) -> "LedgerAttempt":
        """Return a block in which the ledger may refuse; see `LedgerAttempt`."""
        return LedgerAttempt(self, action)

    def configured(self, config: Config) -> None:
        self._tell(lambda one: one.configured(config))

    def config_reloaded(self, *, ok: bool) -> None:
        self._tell(lambda one: one.config_reloaded(ok=ok))

    def run_resumed(self, run: Run) -> None:
        self._tell(lambda one: one.run_resumed(run))

    def canary_resumed(self, record: CanaryRecord) -> None:
        self._tell(lambda one: one.canary_resumed(record))

    def evidence_resumed(self, record: CanaryRecord, findings: tuple[Finding, ...]) -> None:
        self._tell(lambda one: one.evidence_resumed(record, findings))

    def canary_changed(self, change: Change) -> None:
        self._tell(lambda one: one.canary_changed(change))

    def run_finished(self, run: Run) -> None:
        self._tell(lambda one: one.run_finished(run))

    def target_changed(self, change: TargetChange) -> None:
        self._tell(lambda one: one.target_changed(change))

    def copy_examined(self, examined: Examined) -> None:
        self._tell(lambda one: one.copy_examined(examined))

    def slots_missed(self, name: str, missed: int) -> None:
        self._tell(lambda one: one.slots_missed(name, missed))

    def mailbox_changed(self, mailbox: str, state: WatchState) -> None:
        self._tell(lambda one: one.mailbox_changed(mailbox, state))

    def mailbox_looked(self, mailbox: str, at: datetime) -> None:
        self._tell(lambda one: one.mailbox_looked(mailbox, at))

    def mailbox_cleaned(self, mailbox: str, *, ok: bool) -> None:
        self._tell(lambda one: one.mailbox_cleaned(mailbox, ok=ok))

    def canary_forged(self, mailbox: str) -> None:
        self._tell(lambda one: one.canary_forged(mailbox))

    def suspects_found(self, suspects: Iterable[Suspect]) -> None:
        known = tuple(suspects)
        self._tell(lambda one: one.suspects_found(known))

    def ledger_refused(self, action: str, error: LedgerError) -> None:
        self._tell(lambda one: one.ledger_refused(action, error))

    def task_restarted(self, name: str) -> None:
        self._tell(lambda one: one.task_restarted(name))

    def loop_lagged(self, seconds: float) -> None:
        self._tell(lambda one: one.loop_lagged(seconds))

    def _tell(self, notice: Callable[[Subscriber], None]) -> None:
        for one in self._subscribers:
            try:
                notice(one)
            except Exception:
                LOG.exception("subscriber %s failed", type(one).__name__)


class LedgerAttempt:
    """A block that ends quietly where the ledger refuses: it is published, and `refusal` says why.

    Every other error passes on. This is the one place where a refusing ledger is dealt with.
    """

    def __init__(self, publisher: Publisher, action: str) -> None:
        self.refusal: LedgerError | None = None
        self._publisher = publisher
        self._action = action

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, LedgerError):
            return False
        self.refusal = error
        self._publisher.ledger_refused(self._action, error)
        return True
