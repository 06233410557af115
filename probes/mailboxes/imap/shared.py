"""Watching all folders but INBOX on one connection, where the server offers NOTIFY (RFC 5465).

The server reports in IDLE which folder has news, and that one is opened and read at once. Its
silence proves nothing: whenever a look is due every folder is opened, in turn. So a canary is
called lost after a look, never because a server kept silent.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.clock import Clock
from probes.mailboxes.imap.folder import FolderWatch, Pace
from probes.mailboxes.interface import Interest
from probes.net.imap import ImapSession
from probes.records.imap.responses import FolderStatus
from probes.result import Phase, ProbeFailure, Reason
from probes.sessions.imap import step

FEWEST = 2
"""Folders from which on sharing a connection saves one."""

_REFUSALS = frozenset({Reason.REJECTED, Reason.DEFERRED, Reason.UNEXPECTED_REPLY})


async def can_share(session: ImapSession, names: Sequence[str], timeout: float) -> bool:
    """Whether the folders can be watched together on this session, which is then told of them.

    Raises ProbeFailure when the connection ends or falls silent.
    """
    if len(names) < FEWEST or not {"NOTIFY", "IDLE"} <= await session.known_capabilities():
        return False
    try:
        async with step(Phase.FETCH, timeout):
            await session.notify(names)
    except ProbeFailure as failure:
        if failure.reason not in _REFUSALS or session.has_ended:
            raise
        return False
    return True


@dataclass(frozen=True, slots=True)
class SharedWatch:
    """The folders, by name, that share `session`; `can_share` has said yes to it."""

    folders: Mapping[str, FolderWatch]
    session: ImapSession
    pace: Pace
    interest: Interest
    clock: Clock

    async def run(self) -> None:
        """Runs until it is cancelled; raises ProbeFailure."""
        looked = self.clock.monotonic()
        await self._look(self.folders, again=False)
        while True:
            due = looked + self._patience()
            if told := self._told():
                await self._look(told)
            elif self.clock.monotonic() >= due:
                looked = self.clock.monotonic()
                await self._look(self.folders)
            else:
                await self._wait(due - self.clock.monotonic())
            await asyncio.sleep(self.pace.least)

    async def _look(self, folders: Mapping[str, FolderWatch], *, again: bool = True) -> None:
        """Open each in turn, then close the last: a server reports no news of an open folder."""
        for name, folder in folders.items():
            self.session.changed_folders.pop(name, None)
            await folder.open(self.session, again=again)
        async with step(Phase.FETCH, self.pace.answer):
            await self.session.close_folder()

    def _told(self) -> dict[str, FolderWatch]:
        """The folders that have something which was not read, by the server's word."""
        changed_folders = self.session.changed_folders
        return {
            name: folder
            for name, folder in self.folders.items()
            if name in changed_folders and _is_news(changed_folders[name], folder)
        }

    def _patience(self) -> float:
        if self.interest.is_fresh():
            return self.pace.fast
        return self.pace.slow if self.interest.tokens() else self.pace.idle

    async def _wait(self, seconds: float) -> None:
        """At most so long, less when the server tells of something or the interest changes."""
        if self.interest.is_fresh():
            await asyncio.sleep(seconds)
        else:
            await self.session.idle(self.session.changes, seconds)


def _is_news(status: FolderStatus, folder: FolderWatch) -> bool:
    """A STATUS that names no UIDNEXT may mean anything."""
    return status.items.get("UIDNEXT", folder.next_uid + 1) > folder.next_uid
