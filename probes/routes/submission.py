"""Route `submission`: hand a canary to a submission server as a mail program does, RFC 6409."""

from dataclasses import dataclass

from probes.canary.message import Canary
from probes.net import Net
from probes.sessions.submission import (
    SubmissionServer,
    give_content,
    give_envelope,
    submission_session,
)
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class SubmissionRoute(SubmissionServer):
    """A submission server to send through."""


def host(target: SubmissionRoute, canary: Canary) -> str:  # noqa: ARG001 - the same for all mail
    """Whom a run loads."""
    return target.host


async def hand_over(net: Net, target: SubmissionRoute, canary: Canary, trace: Trace) -> None:
    """One transaction; it has succeeded when the final dot was answered by 250."""
    async with submission_session(net, target, trace) as session:
        await give_envelope(session, canary, trace)
        await give_content(session, canary, target.host, trace)
