"""Mailbox `imap`: see canaries arrive over IMAP and leave no trace in the mailbox."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from probes.canary.message import MARKER, TOKEN_HEADER, recognise, recognise_body
from probes.mailboxes.imap.copies import fetch_copies
from probes.mailboxes.imap.folder import (
    CHUNK,
    HEADER_OCTETS,
    TEXT_OCTETS,
    FolderWatch,
    Pace,
    sections,
)
from probes.mailboxes.imap.shared import FEWEST, SharedWatch, can_share
from probes.mailboxes.interface import Cursor, Following, Interest, Placement, Report
from probes.net import Net
from probes.net.imap import ImapSession, quote, uid_set
from probes.net.imap_dialogue import Refused
from probes.options import Seconds, option
from probes.records.imap.junk import junk_among
from probes.result import Owner, Phase, ProbeFailure, Reason
from probes.sessions.imap import ImapServer, open_session, step
from probes.tasks import TaskSet
from probes.trace import cause_of

RELIST = 60.0
"""Seconds between two searches for a Junk folder where there was none."""

SLOWER = 10
"""A canary in Junk or another folder is looked for so many times more slowly than in INBOX."""


@dataclass(frozen=True, slots=True)
class ImapMailbox(ImapServer):
    """A mailbox that is read over IMAP."""

    junk: str | None = option(
        "The Junk folder; unset: the one marked \\Junk (RFC 6154), else one with a usual name.",
        None,
    )
    quarantine: str | None = option(
        "The folder into which a filter puts mail it holds back; a canary found there is junked.",
        None,
    )
    folders: tuple[str, ...] = option("Further folders in which a canary may turn up.", ())
    trusted_authserv_ids: tuple[str, ...] = option(
        "The authserv-ids of Authentication-Results to believe (RFC 8601); unset: learnt from each "
        "copy.",
        (),
    )
    fast_poll: Seconds = option("Pause between looks while a canary is fresh.", Seconds(0.05))
    poll: Seconds = option(
        "Pause between looks while a canary is in flight, and where IDLE is missing.", Seconds(15)
    )
    idle_renew: Seconds = option(
        "How long one IDLE lasts while nobody waits; at most 28 minutes.", Seconds(300)
    )
    keep: Seconds | None = option(
        "Settled canaries are removed after this; unset: never.", Seconds(3600)
    )


def host(target: ImapMailbox) -> str:
    """Return the host that a watch puts load on."""
    return target.host


def trusted_authserv_ids(target: ImapMailbox) -> tuple[str, ...]:
    """The authserv-ids of the receiver; empty = to be learnt."""
    return target.trusted_authserv_ids


def keep(target: ImapMailbox) -> float | None:
    """Seconds after which a settled canary may be removed; None = never."""
    return target.keep


async def watch(
    net: Net,
    target: ImapMailbox,
    interest: Interest,
    cursors: Mapping[str, Cursor],
    report: Report,
) -> None:
    """Watch INBOX, Junk and the further folders, all at once.

    Each has a connection of its own, or all but INBOX share one where the server offers NOTIFY.
    Runs until it is cancelled or one of the connections fails, which ends all of them: raises
    ProbeFailure.
    """
    try:
        async with TaskSet() as tasks:
            tasks.start(_MailboxWatch(net, target, interest, cursors, report, tasks).run())
    except ExceptionGroup as group:
        raise cause_of(group) from None


async def remove(
    net: Net, target: ImapMailbox, folder: str, epoch: str, tokens: Mapping[str, str]
) -> frozenset[str]:
    """Remove the messages with these ids that bear these tokens; return the tokens that are gone.

    A message that bears another token, or none, is not touched. Under another UIDVALIDITY the UIDs
    mean nothing, so our canaries are looked for by their token. Where the server cannot remove
    single messages, raises ProbeFailure (extension_missing) and removes nothing.
    """
    by_uid = {int(uid): token for uid, token in tokens.items()}
    async with await open_session(net, target) as session:
        async with step(Phase.FETCH, target.timeout):
            await session.require_uidplus()
            opened = await session.select(folder)
        if opened.is_read_only:
            raise ProbeFailure(
                Reason.REJECTED,
                f"{folder} can only be read",
                phase=Phase.FETCH,
                owner=Owner.CONFIGURATION,
            )
        is_same = str(opened.uid_validity) == epoch
        uids = sorted(by_uid) if is_same else await _bearing(session, target)
        present = await _tokens_of(session, target, uids)
        expected = by_uid if is_same else present
        wanted = frozenset(tokens.values())
        ours = [u for u, token in present.items() if token in wanted and token == expected[u]]
        kept = present.keys() - await _expunge(session, target, ours)
        return wanted - {expected[uid] for uid in kept}


async def _bearing(session: ImapSession, target: ImapMailbox) -> Sequence[int]:
    async with step(Phase.FETCH, target.timeout):
        return await session.uid_search(f"HEADER {TOKEN_HEADER} {quote(MARKER)}")


async def _tokens_of(
    session: ImapSession, target: ImapMailbox, uids: Sequence[int]
) -> dict[int, str | None]:
    """The token each message bears, None for none; messages that are gone are absent."""
    present: dict[int, str | None] = {}
    for start in range(0, len(uids), CHUNK):
        async with step(Phase.FETCH, target.timeout):
            headers = await session.uid_fetch(
                uid_set(uids[start : start + CHUNK]), "HEADER", HEADER_OCTETS
            )
        for uid, header in sections(headers, "HEADER").items():
            present[uid] = recognise(header) or await _token_in_text(session, target, uid, header)
    return present


async def _token_in_text(
    session: ImapSession, target: ImapMailbox, uid: int, header: bytes
) -> str | None:
    async with step(Phase.FETCH, target.timeout):
        fetched = await session.uid_fetch(str(uid), "TEXT", TEXT_OCTETS)
    text = sections(fetched, "TEXT").get(uid, b"")
    return await asyncio.to_thread(recognise_body, header + text)


async def _expunge(
    session: ImapSession, target: ImapMailbox, uids: Sequence[int]
) -> frozenset[int]:
    """Remove these messages; return those that are gone indeed."""
    gone: set[int] = set()
    for start in range(0, len(uids), CHUNK):
        some = uid_set(uids[start : start + CHUNK])
        async with step(Phase.FETCH, target.timeout):
            await session.uid_store(some, ["\\Deleted"])
            await session.uid_expunge(some)
            left = await session.uid_search(f"UID {some}")
        gone.update(set(uids[start : start + CHUNK]) - set(left))
    return frozenset(gone)


class _MailboxWatch:
    """The connections of one mailbox and the state they share."""

    def __init__(
        self,
        net: Net,
        target: ImapMailbox,
        interest: Interest,
        cursors: Mapping[str, Cursor],
        report: Report,
        tasks: TaskSet,
    ) -> None:
        self._net = net
        self._target = target
        self._interest = interest
        self._cursors = cursors
        self._report = report
        self._tasks = tasks
        self._folders: dict[str, FolderWatch] = {}
        self._relist_at: float | None = None

    async def run(self) -> None:
        """Follow INBOX here and start a task for every other folder."""
        self._tasks.start(self._pass_on_changes())
        self._tasks.start(fetch_copies(self._net, self._target, self._interest, self._report))
        async with await open_session(self._net, self._target) as session:
            await self._follow_others(session)
            inbox = self._folder("INBOX", Placement.INBOX)
            await self._say_what_is_followed()
            await inbox.open(session)
            while True:
                if self._is_junk_due():
                    await self._follow_others(session)
                    await self._say_what_is_followed()
                await inbox.wait()
                await inbox.look()

    async def _say_what_is_followed(self) -> None:
        placements = {folder.placement for folder in self._folders.values()}
        has_junk = Placement.JUNK in placements
        await self._report(Following(frozenset(self._folders), has_junk=has_junk))

    async def _follow(self, folder: FolderWatch) -> None:
        async with await open_session(self._net, self._target) as session:
            await folder.open(session)
            while True:
                await folder.wait()
                await folder.look()

    async def _pass_on_changes(self) -> None:
        while True:
            await self._interest.changed.wait()
            self._interest.changed.clear()
            for folder in self._folders.values():
                folder.wake()

    async def _follow_others(self, session: ImapSession) -> None:
        junk = self._target.junk or await self._find_junk(session)
        fresh: dict[str, FolderWatch] = {}
        for name in filter(None, (self._target.quarantine, junk, *self._target.folders)):
            if name not in self._folders and name.upper() != "INBOX":
                fresh[name] = self._folder(name, self._kind(name, junk))
        if len(fresh) >= FEWEST and "NOTIFY" in await session.known_capabilities():
            self._tasks.start(self._follow_together(fresh))
        else:
            self._follow_apart(fresh)

    def _follow_apart(self, folders: Mapping[str, FolderWatch]) -> None:
        for folder in folders.values():
            self._tasks.start(self._follow(folder))

    async def _follow_together(self, folders: Mapping[str, FolderWatch]) -> None:
        """All of them on one connection; each on its own where the server will not have it."""
        async with await open_session(self._net, self._target) as session:
            if await can_share(session, tuple(folders), self._target.timeout):
                pace = self._pace(Placement.OTHER)
                clock = self._net.clock
                await SharedWatch(folders, session, pace, self._interest, clock).run()
        self._follow_apart(folders)

    def _kind(self, name: str, junk: str | None) -> Placement:
        """Return the placement of a folder; the operator's setting goes before the server's."""
        if name == self._target.quarantine:
            return Placement.QUARANTINE
        return Placement.JUNK if name == junk else Placement.OTHER

    async def _find_junk(self, session: ImapSession) -> str | None:
        junk = None
        try:
            async with step(Phase.FETCH, self._target.timeout):
                junk = junk_among(await session.list())
        except Refused as refused:
            session.remark(f"the folders are not known: {refused.detail}")
        self._relist_at = self._net.clock.monotonic() + RELIST if junk is None else None
        return junk

    def _is_junk_due(self) -> bool:
        return self._relist_at is not None and self._net.clock.monotonic() >= self._relist_at

    def _folder(self, name: str, placement: Placement) -> FolderWatch:
        self._folders[name] = FolderWatch(
            name,
            placement,
            self._pace(placement),
            self._net.clock,
            self._interest,
            self._report,
            self._cursors.get(name),
        )
        return self._folders[name]

    def _pace(self, placement: Placement) -> Pace:
        target = self._target
        fast = target.fast_poll * (1 if placement is Placement.INBOX else SLOWER)
        return Pace(target.fast_poll, fast, target.poll, target.idle_renew, target.timeout)
