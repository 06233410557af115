"""What lies in the mailbox, and mail that is nobody's canary put there beside them."""

import re
from dataclasses import dataclass

from exporter.demo.scenario import SENDER, Access
from tests.integration.nothing_lost.plan import DIRECT
from tests.integration.nothing_lost.world import TOKEN
from tests.support.demo_clients import MailReader, smtp

FOLDERS = ("INBOX", "Junk")
FORGED = "mailcanary-aaaaaaaaaaaaaaaaaaaaaaaaaa"
"""A token that looks like ours and was never issued."""

_HEADS = (
    "Subject: lunch",
    "Subject: Re: Test [mailcanary-bbbbbbbbbbbbbbbbbbbbbbbbbb]\r\nIn-Reply-To: <x@y.test>",
    f"Subject: forged\r\nX-Mailcanary: {FORGED}",
    "Subject: a report\r\nContent-Type: multipart/report; boundary=b",
)
_FLAGS = ("", "\\Seen", "\\Flagged", "\\Answered \\Deleted")
_UID = re.compile(rb"UID (\d+)")
_FLAG_LIST = re.compile(rb"FLAGS \(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as another client sees it; \\Recent, which is no flag of the message, apart."""

    flags: frozenset[bytes]
    content: bytes

    @property
    def token(self) -> str:
        """The token it bears, "" for none."""
        found = TOKEN.search(self.content)
        return found[1].decode("ascii") if found else ""


Snapshot = dict[tuple[str, int], Stored]
"""(folder, UID) -> message."""


async def post_foreign(access: Access, name: str) -> None:
    """Mail from other people, some of which looks a little like ours."""
    async with smtp(access.mx_port) as client:
        for number, head in enumerate(_HEADS):
            text = f"From: <{SENDER}>\r\nTo: <{DIRECT}>\r\n{head}\r\n\r\n{name} {number}\r\n"
            await client.sendmail(SENDER, [DIRECT], text.encode())


async def flag_foreign(access: Access) -> None:
    """The owner of the mailbox reads and marks what is in it so far."""
    async with MailReader.open(access) as reader:
        await reader.command("SELECT INBOX")
        lines = await reader.command("UID SEARCH ALL")
        uids = [uid for line in lines for uid in re.findall(rb"\d+", line)]
        for uid, flags in zip(uids, _FLAGS * len(uids), strict=False):
            if flags:
                await reader.command(f"UID STORE {uid.decode()} +FLAGS ({flags})")


async def snapshot(access: Access) -> Snapshot:
    """Everything in every folder, read without a trace."""
    stored: Snapshot = {}
    async with MailReader.open(access) as reader:
        for folder in FOLDERS:
            if not await reader.count(folder):
                continue
            for line in await reader.command("UID FETCH 1:* (FLAGS BODY.PEEK[])"):
                content, about = _content_and_rest(line)
                if content is not None:
                    uid, flags = _UID.search(about), _FLAG_LIST.search(about)
                    assert uid is not None, about
                    assert flags is not None, about
                    marks = frozenset(flags[1].split()) - {b"\\Recent"}
                    stored[folder, int(uid[1])] = Stored(marks, content)
    return stored


def _content_and_rest(line: bytes) -> tuple[bytes | None, bytes]:
    """The literal of an answer, None where there is none, and what stands around it."""
    head, separator, rest = line.partition(b"}\r\n")
    if not separator:
        return None, line
    length = int(head.rpartition(b"{")[2])
    return rest[:length], head + rest[length:]
