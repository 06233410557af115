import asyncio
import imaplib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from exporter.demo import imap_server
from exporter.demo.certificates import Authority
from exporter.demo.imap_server import INBOX, JUNK, ImapServer
from tests.support.demo_clients import MailReader

LETTER = b"Subject: a letter\r\n\r\nHello.\r\n"


@dataclass(frozen=True)
class Login:
    """What MailReader needs of a world's access."""

    imap_port: int
    username: str = "user"
    password: str = "pass word"


@pytest.fixture
async def server() -> AsyncIterator[ImapServer]:
    certificate = Authority().issue("imap.receiver.test")
    server = ImapServer("imap.receiver.test", certificate.context)
    await server.add_account("user", "password")
    await server.open()
    yield server
    await server.close()


def session(server: ImapServer) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.port, timeout=10)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.starttls(context)
    client.login("user", "password")
    return client


async def test_a_message_is_read_inside_tls_as_it_was_delivered(server: ImapServer) -> None:
    await server.deliver("user", INBOX, LETTER)

    def read() -> bytes:
        with session(server) as client:
            client.select(INBOX, readonly=True)
            return client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1][0][1]

    assert await asyncio.to_thread(read) == LETTER


async def test_junk_is_marked_by_its_special_use(server: ImapServer) -> None:
    def folders() -> list[bytes]:
        with session(server) as client:
            return client.list()[1]

    assert await asyncio.to_thread(folders) == [
        b'(\\HasNoChildren) "/" INBOX',
        b'(\\HasNoChildren \\Junk) "/" Junk',
    ]


async def test_one_message_can_be_expunged_by_its_uid(server: ImapServer) -> None:
    for _ in range(2):
        await server.deliver("user", JUNK, LETTER)

    def expunge() -> list[bytes]:
        with session(server) as client:
            assert "UIDPLUS" in client.capability()[1][0].decode()
            client.select(JUNK)
            first, second = client.uid("SEARCH", "ALL")[1][0].split()
            client.uid("STORE", first.decode(), "+FLAGS", r"(\Deleted)")
            client.uid("STORE", second.decode(), "+FLAGS", r"(\Deleted)")
            client.uid("EXPUNGE", first.decode())
            return client.uid("SEARCH", "ALL")[1][0].split()

    assert len(await asyncio.to_thread(expunge)) == 1


async def test_a_wrong_password_is_refused(server: ImapServer) -> None:
    def login() -> None:
        client = imaplib.IMAP4("127.0.0.1", server.port, timeout=10)
        try:
            client.login("user", "wrong")
        finally:
            client.shutdown()

    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        await asyncio.to_thread(login)


async def test_a_session_in_idle_is_told_of_new_mail(server: ImapServer) -> None:
    async with MailReader.open(Login(server.port, password="password")) as reader:
        waiting = asyncio.create_task(reader.messages(INBOX, 1))
        await asyncio.sleep(0)
        await server.deliver("user", INBOX, LETTER)
        assert [message["Subject"] for message in await waiting] == ["a letter"]


async def test_going_down_cuts_sessions_and_coming_back_keeps_the_mail(server: ImapServer) -> None:
    access = Login(server.port, password="password")
    await server.deliver("user", INBOX, LETTER)
    async with MailReader.open(access) as reader:
        waiting = asyncio.create_task(reader.messages(INBOX, 2))
        await reader_is_idle(waiting)
        await server.go_down()
        with pytest.raises((ConnectionError, EOFError)):
            await waiting
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    await server.open()
    async with MailReader.open(access) as reader:
        assert await reader.count(INBOX) == 1


async def reader_is_idle(waiting: asyncio.Task[object]) -> None:
    """Give the session time to get into IDLE; being cut earlier is just as good a test."""
    await asyncio.wait([waiting], timeout=0.1)


async def test_a_folder_keeps_the_newest_messages_only(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_server, "MAX_MESSAGES", 3)
    for number in range(5):
        await server.deliver("user", INBOX, b"Subject: %d\r\n\r\n\r\n" % number)
    async with MailReader.open(Login(server.port, password="password")) as reader:
        messages = await reader.messages(INBOX, 3)
    assert [message["Subject"] for message in messages] == ["2", "3", "4"]


async def test_mail_for_nobody_is_an_error(server: ImapServer) -> None:
    with pytest.raises(KeyError):
        await server.deliver("nobody", INBOX, LETTER)
    with pytest.raises(KeyError):
        await server.deliver("user", "Elsewhere", LETTER)


async def test_no_message_bears_the_uid_of_another_while_others_come_and_go(
    server: ImapServer,
) -> None:
    def letter(number: int) -> bytes:
        return b"Subject: %d\r\n\r\n" % number

    def expunge_first(client: imaplib.IMAP4, count: int) -> None:
        client.select(INBOX)
        client.store(f"1:{count}", "+FLAGS", "\\Deleted")
        client.expunge()

    for number in range(6):
        await server.deliver("user", INBOX, letter(number))
    reader = await asyncio.to_thread(session, server)
    await asyncio.to_thread(reader.select, INBOX, True)
    _, known = await asyncio.to_thread(reader.uid, "SEARCH", "ALL")
    first = int(known[0].split()[0])
    other = await asyncio.to_thread(session, server)
    await asyncio.to_thread(expunge_first, other, 3)
    for number in range(6, 9):
        await server.deliver("user", INBOX, letter(number))
    _, answer = await asyncio.to_thread(reader.uid, "FETCH", "1:*", "(UID BODY.PEEK[])")
    contents = {
        int(head.partition(b"UID ")[2].split()[0].rstrip(b")")): content
        for head, content in (item for item in answer if isinstance(item, tuple))
        if b"UID " in head
    }
    assert contents
    assert contents == {uid: letter(uid - first) for uid in contents}
    for client in (reader, other):
        await asyncio.to_thread(client.logout)
