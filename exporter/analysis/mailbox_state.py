"""Whether a mailbox is being read, as the service tells the ledger so that others can see it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from exporter.model import Run
from probes.result import Failure, ProbeResult

STANDING_SECONDS = 5.0
"""How often the service tells it."""

FRESH = timedelta(seconds=6 * STANDING_SECONDS)
"""A standing that is older says nothing of now."""

_KIND = "watch"


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stood with a mailbox `at` an instant, aware UTC.

    `looked_at` is when the last look at all its folders began, None if there was none in this
    session; `failure` is why it cannot be read.
    """

    mailbox: str
    at: datetime
    is_up: bool
    looked_at: datetime | None
    failure: Failure | None


def standing_name(mailbox: str) -> str:
    """Under which name it lies among the runs; no path or job can be called so."""
    return f"mailbox:{mailbox}"


def to_run(standing: Standing) -> Run:
    """The watch of a mailbox as a run that goes on: each one takes the place of that before."""
    looked = None if standing.looked_at is None else standing.looked_at.isoformat()
    facts = {"mailbox.is_up": standing.is_up, "mailbox.looked_at": looked}
    result = ProbeResult(_KIND, standing.at, 0.0, (), standing.failure, facts=facts)
    return Run(standing_name(standing.mailbox), 0, result)


def of_run(mailbox: str, run: Run) -> Standing:
    """What `to_run` made of it."""
    looked = run.result.facts.get("mailbox.looked_at")
    return Standing(
        mailbox,
        run.result.started_at,
        bool(run.result.facts.get("mailbox.is_up")),
        None if looked is None else datetime.fromisoformat(looked),
        run.result.failure,
    )
