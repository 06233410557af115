"""Whether a mailbox is being read, as the service tells the ledger so that others can see it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.model import Run
from probes.result import Failure, ProbeResult

MAILBOX_STATE_SECONDS = 5.0
"""How often the service tells it."""

FRESH = timedelta(seconds=6 * MAILBOX_STATE_SECONDS)
"""A standing that is older says nothing of now."""

_KIND = "watch"


@dataclass(frozen=True, slots=True)
class MailboxState:
    """How it stood with a mailbox `at` an instant, aware UTC.

    `looked_at` is when the last look at all its folders began, None if there was none in this
    session; `failure` is why it cannot be read.
    """

    mailbox: str
    at: datetime
    is_up: bool
    looked_at: datetime | None
    failure: Failure | None


def mailbox_state_name(mailbox: str) -> str:
    """Under which name it lies among the runs; no path or job can be called so."""
    return f"mailbox:{mailbox}"


def to_run(state: MailboxState) -> Run:
    """The watch of a mailbox as a run that goes on: each one takes the place of that before."""
    looked = None if state.looked_at is None else state.looked_at.isoformat()
    facts = {"mailbox.is_up": state.is_up, "mailbox.looked_at": looked}
    result = ProbeResult(_KIND, state.at, 0.0, (), state.failure, facts=facts)
    return Run(mailbox_state_name(state.mailbox), 0, result)


def of_run(mailbox: str, run: Run) -> MailboxState:
    """Return the state that `to_run` wrote as a run."""
    looked = run.result.facts.get("mailbox.looked_at")
    return MailboxState(
        mailbox,
        run.result.started_at,
        bool(run.result.facts.get("mailbox.is_up")),
        None if looked is None else datetime.fromisoformat(looked),
        run.result.failure,
    )
