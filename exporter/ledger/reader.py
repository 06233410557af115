"""The ledger as a person looks at it: read-only, beside a service that is writing it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from exporter.analysis.mailbox_state import MailboxState
from exporter.analysis.target_changes import LastGood, Snapshot, last_good
from exporter.ledger.errors import LedgerError
from exporter.ledger.lock import Holder, holder, sqlite_path
from exporter.ledger.runs import StoredRun
from exporter.ledger.snapshots import CHANGES_KEPT
from exporter.ledger.store import Store
from exporter.model import CanaryRecord, Run, TargetChange
from probes.canary.dkim_selectors import LearntSelector
from probes.canary.lifecycle import State

__all__ = ["CHANGES_KEPT", "MOST_IN_FLIGHT", "LedgerReader", "reading"]

MOST_IN_FLIGHT = 100_000
"""Canaries in flight that are read."""

T = TypeVar("T")


class LedgerReader:
    """Questions to a ledger; each is one short transaction. All raise LedgerError."""

    def __init__(self, store: Store, holder: Holder | None) -> None:
        """Use `reading`. `holder` is the service, None where nobody may know whether it runs."""
        self._store = store
        self.holder = holder

    def find(self, token: str) -> CanaryRecord | None:
        """The canary with this token."""
        return self._ask(lambda: self._store.canaries.find(token))

    def beginning_with(self, beginning: str, limit: int) -> tuple[CanaryRecord, ...]:
        """Return canaries with this beginning of their token, at most `limit`."""
        return self._ask(lambda: self._store.canaries.beginning_with(beginning, limit))

    def at_tick(self, path: str, tick: int) -> CanaryRecord | None:
        """The path's canary of that tick."""
        return next(iter(self._ask(lambda: self._store.canaries.at_tick(path, tick))), None)

    def recent(self, path: str, limit: int) -> tuple[CanaryRecord, ...]:
        """The path's canaries, the newest first."""
        return self._ask(lambda: self._store.canaries.recent(path, limit))

    def in_flight(self) -> tuple[CanaryRecord, ...]:
        """Canaries that may have been sent and are not settled, the oldest first."""
        records = self._ask(lambda: self._store.canaries.unsettled(None, MOST_IN_FLIGHT))
        return tuple(record for record in records if record.state is not State.PLANNED)

    def runs(self, name: str, limit: int) -> tuple[Run, ...]:
        """The runs of a job or path, the newest first."""
        return self._ask(lambda: self._store.runs.newest(name, limit))

    def newest_runs(self, names: Iterable[str], limit: int) -> dict[str, tuple[StoredRun, ...]]:
        """The runs of jobs or paths, as they are stored, the newest first."""
        stored = self._store.runs.stored
        return self._ask(lambda: {name: stored(name, limit) for name in names})

    def recent_of(self, paths: Iterable[str], limit: int) -> dict[str, tuple[CanaryRecord, ...]]:
        """The canaries of paths, the newest first."""
        recent = self._store.canaries.recent
        return self._ask(lambda: {path: recent(path, limit) for path in paths})

    def mailbox_states(self) -> dict[str, MailboxState]:
        """Return the newest state of every mailbox of which the service has stored one."""
        return self._ask(self._store.mailbox_states.all)

    def last_goods(self, names: Collection[str]) -> dict[str, LastGood]:
        """Return the differences from the last good target, of those jobs that have some."""
        found = {name: self.last_good(name) for name in self._ask(self._differing) if name in names}
        return {name: good for name, good in found.items() if good is not None}

    def _differing(self) -> tuple[str, ...]:
        return self._store.snapshots.differing()

    def run_at(self, name: str, tick: int) -> Run | None:
        """The run of that tick, None when it is not kept any more."""
        return next(iter(self._ask(lambda: self._store.runs.at(name, tick))), None)

    def mailbox_state(self, name: str) -> MailboxState | None:
        """Return the newest state of a mailbox, None if the service has stored none."""
        return self._ask(lambda: self._store.mailbox_states.find(name))

    def evidence(self, token: str) -> tuple[dict[str, Any], ...]:
        """Return its copies' and bounces' evidence, as in docs/json.md, the first copy first."""
        return self._ask(lambda: self._store.evidence.documents(token))

    def selectors(self, author: str, now: datetime) -> tuple[LearntSelector, ...]:
        """DKIM selectors in use for an author domain, learnt from its canaries, newest first."""
        return self._ask(lambda: self._store.evidence.selectors.known(author, now))

    def snapshot(self, job: str) -> Snapshot | None:
        """Return the snapshot of a job's target; None if the job has none yet."""
        return self._ask(lambda: self._store.snapshots.snapshot(job))

    def good_run_at(self, job: str) -> datetime | None:
        """When a job's newest good run began; None where that is not among the latest."""
        return self._ask(lambda: self._store.snapshots.good_run_at(job))

    def last_good(self, job: str) -> LastGood | None:
        """Return the differences from a job's last good target; None if it is or never was good."""
        return last_good(self.snapshot(job), self.changes(job, CHANGES_KEPT))

    def changes(self, job: str, limit: int) -> tuple[TargetChange, ...]:
        """Return the changes a job's runs found about its target, the newest first."""
        return self._ask(lambda: self._store.snapshots.changes(job, limit))

    def _ask(self, question: Callable[[], T]) -> T:
        with self._store.transaction():
            return question()


@contextmanager
def reading(url_or_path: str) -> Iterator[LedgerReader]:
    """A reader of the ledger, which is neither made nor written nor locked.

    Raises LedgerError: there is none, it is no ledger, of another version, or cannot be read.
    """
    path = sqlite_path(url_or_path)
    if path is None:
        raise LedgerError("in memory", "it ends with its service: nobody else can read it")
    store = Store(path, is_read_only=True)
    try:
        yield LedgerReader(store, holder(path))
    finally:
        store.close()
