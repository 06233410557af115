"""Kind `submission`: can mail be handed over here? Handshake and AUTH, no message."""

from dataclasses import dataclass

from probes.net import Net
from probes.sessions.submission import SubmissionServer, say_quit, submission_session
from probes.trace import Trace


@dataclass(frozen=True, slots=True)
class SubmissionTarget(SubmissionServer):
    """A submission server to log in to."""


def host(target: SubmissionTarget) -> str:
    """Return the host that a run connects to."""
    return target.host


async def probe(net: Net, target: SubmissionTarget, trace: Trace) -> None:
    """Everything up to MAIL, and leave in good order."""
    async with submission_session(net, target, trace) as session:
        await say_quit(session, trace)
