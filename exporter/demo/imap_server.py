"""The mailbox of the mail world: an IMAP server on memory."""

import asyncio
import logging
from argparse import Namespace
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ssl import SSLContext

from proxyprotocol.sock import SocketInfo
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxSet
from pymap.concurrent import Subsystem
from pymap.imap import IMAPServer
from pymap.listtree import ListEntry, ListTree
from pymap.parsing.message import AppendMessage
from pymap.parsing.response.specials import FetchResponse
from pymap.user import UserMetadata
from pysasl.hashing import Cleartext

from exporter.demo.listener import LOOPBACK, Listener

_log = logging.getLogger(__name__)

INBOX = "INBOX"
JUNK = "Junk"
MAX_MESSAGES = 10_000
"""Messages one folder keeps; the oldest go first."""
_MAX_LINE = 65_536
_GOODBYE = 2.0
"""Seconds that sessions have to end after their connection was cut."""


def _stands_alone(_response: FetchResponse) -> int:
    raise TypeError("a FETCH response is not joined with another")


# The library joins two FETCH responses that have the same sequence number even where an EXPUNGE
# between them made it another message's (RFC 3501 §7.4.1): one message got the UID of the other.
FetchResponse.merge_key = property(_stands_alone)  # type: ignore[method-assign, assignment]


class ImapServer:
    """STARTTLS, IDLE and UIDPLUS on a port of 127.0.0.1; each account has INBOX and Junk.

    Junk is marked as such in LIST (RFC 6154 §2) as well as by its name.
    """

    def __init__(self, host_name: str, tls: SSLContext) -> None:
        self._config = _Config(host_name, tls)
        self._login = Login(self._config)
        self._config.apply_context()
        self._session = IMAPServer(self._login, self._config)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._uids: dict[tuple[str, str], deque[int]] = {}
        self._listener = Listener(self._protocol)
        self.port = self._listener.port

    async def add_account(self, name: str, password: str) -> None:
        """Make an account with its two empty folders."""
        folders = _Folders()
        await folders.add_mailbox(JUNK)
        self._login.users_dict[name] = UserMetadata(self._config, name, password=password)
        self._config.set_cache[name] = (folders, FilterSet())

    async def deliver(self, account: str, folder: str, content: bytes) -> None:
        """Append a message, CRLF lines; sessions that look at the folder are told at once.

        Raises KeyError for an account or a folder that does not exist.
        """
        mailbox = await self._config.set_cache[account][0].get_mailbox(folder)
        appended = AppendMessage(content, datetime.now(UTC), frozenset())
        message = await mailbox.append(appended, recent=True)
        uids = self._uids.setdefault((account, folder), deque())
        uids.append(message.uid)
        if len(uids) > MAX_MESSAGES:
            await mailbox.delete([uids.popleft()])

    async def open(self) -> None:
        """Listen, on the same port with the same mail, if it does not yet."""
        await self._listener.open()

    async def go_down(self) -> None:
        """Refuse new connections and cut those there are."""
        await self._listener.close()
        await self._cut()

    async def close(self) -> None:
        """Cut every session and give the port back."""
        await self._listener.release()
        await self._cut()

    async def _cut(self) -> None:
        for writer in self._connections.values():
            writer.transport.abort()
        if self._connections:
            _, stuck = await asyncio.wait(list(self._connections), timeout=_GOODBYE)
            for task in stuck:
                task.cancel()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_MAX_LINE, loop=loop)
        return asyncio.StreamReaderProtocol(reader, self._accept, loop=loop)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._connections.pop(task).transport.abort()  # it may have ended before it began
        if not task.cancelled() and task.exception() is not None:
            _log.debug("session ended: %r", task.exception())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A client that goes away in the middle is its own affair.
            with suppress(ConnectionError, EOFError):
                await self._session(reader, writer, SocketInfo.get(writer, None))
        finally:
            writer.close()


class _Config(Config):
    """No name look-ups, no threads, and no slow hash: the password is random and our own."""

    def __init__(self, host_name: str, tls: SSLContext) -> None:
        args = Namespace(passlib_cfg=None, proxy_protocol=None)
        super().__init__(
            args,
            host=LOOPBACK,
            port=0,
            ssl_context=tls,
            demo_data=False,
            demo_user="",
            demo_password="",
            invalid_user_sleep=0,
            reject_dnsbl=False,
            hash_context=Cleartext(),
            cpu_subsystem=Subsystem.for_asyncio(),
        )
        self._host_name = host_name

    @property
    def greeting(self) -> bytes:
        return f"{self._host_name} IMAP of the mailcanary demo".encode("ascii")


class _Folders(MailboxSet):
    """The folders of an account, Junk carrying its special use."""

    async def list_mailboxes(self) -> ListTree:
        names = await super().list_mailboxes()
        tree = _Tree(self.delimiter)
        tree.update(*(entry.name for entry in names.list()))
        return tree


class _Tree(ListTree):
    def list_matching(self, ref_name: str, filter_: str) -> Iterable[ListEntry]:
        for entry in super().list_matching(ref_name, filter_):
            is_junk = entry.name == JUNK
            yield _JunkEntry(JUNK, True, None, entry.has_children) if is_junk else entry


class _JunkEntry(ListEntry):
    @property
    def attributes(self) -> Sequence[bytes]:
        return [*super().attributes, b"Junk"]
