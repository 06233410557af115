"""The contract of a mailbox type, for `imap` against the demo's pymap and a real Dovecot."""

import asyncio
import imaplib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from exporter.demo.imap_server import ImapServer
from probes.mailboxes.imap.watch import ImapMailbox
from probes.options import Host, Port, Secret
from tests.probes.mailboxes.contract import (
    MailboxUnderTest,
    test_a_cursor_that_another_type_wrote_costs_no_canary,
    test_a_look_a_sighting_and_then_the_cursor_are_reported,
    test_a_mailbox_that_cannot_be_reached_is_a_failure,
    test_a_restart_goes_on_at_the_cursor,
    test_each_copy_is_seen_once,
    test_nothing_is_marked_or_moved,
    test_only_our_own_canaries_are_removed,
    test_the_whole_message_is_had_as_it_was_delivered,
)
from tests.servers.certificates import Authority
from tests.servers.dovecot import Dovecot, running_dovecot

__all__ = [
    "test_a_cursor_that_another_type_wrote_costs_no_canary",
    "test_a_look_a_sighting_and_then_the_cursor_are_reported",
    "test_a_mailbox_that_cannot_be_reached_is_a_failure",
    "test_a_restart_goes_on_at_the_cursor",
    "test_each_copy_is_seen_once",
    "test_nothing_is_marked_or_moved",
    "test_only_our_own_canaries_are_removed",
    "test_the_whole_message_is_had_as_it_was_delivered",
]

USER = "us"


def target(port: int, password: str) -> ImapMailbox:
    return ImapMailbox(Host("127.0.0.1"), USER, Secret(password), port=Port(port), tls="none")


def flags(port: int, password: str) -> list[Any]:
    """Size and flags of each message in INBOX."""
    with imaplib.IMAP4("127.0.0.1", port) as client:
        client.login(USER, password)
        client.select("INBOX", readonly=True)
        return client.uid("FETCH", "1:*", "(RFC822.SIZE FLAGS)")[1]


@dataclass
class PymapBox:
    """INBOX of the demo's server."""

    server: ImapServer
    stack: AsyncExitStack
    target: ImapMailbox
    kind: str = "imap"

    async def deliver(self, content: bytes) -> None:
        await self.server.deliver(USER, "INBOX", content)

    async def marks(self) -> list[str]:
        found = await asyncio.to_thread(flags, self.server.port, "secret")
        return [_without_sequence(one) for one in found]

    async def unread(self) -> int:
        return sum("\\Seen" not in mark for mark in await self.marks())

    async def go_away(self) -> None:
        await self.stack.aclose()


@dataclass
class DovecotBox:
    """INBOX of a real Dovecot: its flags are the names of files."""

    server: Dovecot
    stack: AsyncExitStack
    target: ImapMailbox
    kind: str = "imap"

    async def deliver(self, content: bytes) -> None:
        self.server.deliver(USER, content)

    async def marks(self) -> list[str]:
        return self.server.files(USER)

    async def unread(self) -> int:
        return sum("S" not in name.partition(":2,")[2] for name in await self.marks())

    async def go_away(self) -> None:
        await self.stack.aclose()


def _without_sequence(line: bytes) -> str:
    """A message's line without its number, which changes when another one goes."""
    return line.partition(b" ")[2].decode()


async def pymap_box(stack: AsyncExitStack, folder: Path) -> PymapBox:
    server = ImapServer("imap.test", Authority(folder).context("127.0.0.1"))
    await server.add_account(USER, "secret")
    await server.open()
    stack.push_async_callback(server.close)
    return PymapBox(server, stack, target(server.port, "secret"))


async def dovecot_box(stack: AsyncExitStack, _folder: Path) -> DovecotBox:
    server = await stack.enter_async_context(running_dovecot())
    return DovecotBox(server, stack, target(server.plain_port, server.password))


@pytest_asyncio.fixture(
    params=[
        pytest.param(pymap_box, id="pymap"),
        pytest.param(dovecot_box, id="dovecot", marks=pytest.mark.real("dovecot-imapd")),
    ]
)
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[MailboxUnderTest]:
    async with AsyncExitStack() as stack:
        yield await request.param(stack, tmp_path)
