"""Gmail's data about a message beyond IMAP (X-GM-EXT-1): its labels, and its category."""

from dataclasses import dataclass

from probes.net.imap import ImapSession, quote
from probes.result import Phase, ProbeFailure, Reason
from probes.sessions.imap import step

EXTENSION = "X-GM-EXT-1"

CATEGORIES = ("primary", "promotions", "updates", "social", "forums")
"""The tabs of the inbox, the one where mail belongs first: most messages cost one search."""


_REFUSALS = frozenset({Reason.REJECTED, Reason.DEFERRED, Reason.UNEXPECTED_REPLY})


@dataclass(frozen=True, slots=True)
class Sorting:
    """How Gmail has sorted a message.

    `labels` as Gmail names them (`\\Inbox`, `\\Important`, a person's own), `category` one of
    CATEGORIES or None where it has none: outside the inbox, or where tabs are switched off.
    """

    labels: tuple[str, ...]
    category: str | None


async def sorting_of(session: ImapSession, uid: int, timeout: float) -> Sorting | None:
    """How the message with this UID in the open folder was sorted; None where nobody can tell.

    Labels do not name categories, a search does. Changes nothing. Raises ProbeFailure when the
    connection ends or falls silent; a server that refuses is one that cannot tell.
    """
    if EXTENSION not in await session.known_capabilities():
        return None
    try:
        async with step(Phase.FETCH, timeout):
            fetched = await session.uid_fetch_labels(str(uid))
        labels = next((one.labels or () for one in fetched if one.uid == uid), ())
        for category in CATEGORIES:
            criteria = f"UID {uid} X-GM-RAW {quote(f'category:{category}')}"
            async with step(Phase.FETCH, timeout):
                if uid in await session.uid_search(criteria):
                    return Sorting(labels, category)
    except ProbeFailure as failure:
        if failure.reason not in _REFUSALS or session.has_ended:
            raise
        return None
    return Sorting(labels, None)
