"""Route `submission`: hand a canary to a submission server as a mail program does, RFC 6409."""

from dataclasses import dataclass

from probes.canary.message import Canary
from probes.net import Net
from probes.result import Phase
from probes.sessions import SubmissionServer, say_quit, submission_session
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
        with trace.phase(Phase.MAIL):
            await session.mail(
                canary.mail_from,
                size=len(canary.content),
                body=None if canary.content.isascii() else "8BITMIME",
                smtputf8=not canary.rcpt_to.isascii(),
            )
        with trace.phase(Phase.RCPT):
            await session.rcpt(canary.rcpt_to)
        with trace.phase(Phase.DATA):
            await session.data()
        with trace.phase(Phase.END_OF_DATA):
            reply = await session.end_of_data(canary.content)
        trace.facts["smtp.reply"] = str(reply)
        await say_quit(session, trace)
