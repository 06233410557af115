"""Mail by the standard library alone: what the chain does, seen without mailcanary's own code.

Runs inside the chain: `python -m tests.integration.chain.by_hand COMMAND ROOT ARGUMENTS`; prints
one JSON value.
"""

import email
import email.utils
import imaplib
import json
import smtplib
import ssl
import sys
import time
import uuid
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.layout import Layout

ARRIVES_WITHIN = 40.0
LOOK_EVERY = 0.05


def by_hand(chain: Chain, command: str, *arguments: str) -> Any:
    """What one of the COMMANDS below says inside the chain."""
    module = [sys.executable, "-m", "tests.integration.chain.by_hand"]
    done = chain.run([*module, command, str(chain.place.root), *arguments], within=45)
    return json.loads(done.stdout)


def submit(place: Layout, recipient: str, text: str) -> str:
    """Hand a message to `out` as a user does; its Message-ID."""
    message = _compose(recipient, text)
    with smtplib.SMTP(
        layout.OUT_HOST, layout.OUT[1], local_hostname=layout.CANARY_HOST, timeout=10
    ) as session:
        session.starttls(context=trust(place))
        session.login(layout.SENDER, layout.PASSWORD)
        session.send_message(message)
    return str(message["Message-ID"])


def rcpt(_place: Layout, sender: str, recipient: str) -> tuple[int, str]:
    """Ask `mx` for one recipient without authentication; its reply."""
    with smtplib.SMTP(*layout.MX, local_hostname=layout.CANARY_HOST, timeout=10) as session:
        session.ehlo()
        session.mail(sender)
        code, reply = session.rcpt(recipient)
    return code, reply.decode("ascii", "replace")


def ehlo(place: Layout, host: str) -> dict[str, object]:
    """What a mail host says to a client that does not authenticate, in clear and under TLS."""
    with smtplib.SMTP(host, 25, layout.CANARY_HOST, 10, (layout.CANARY, 0)) as session:
        session.ehlo()
        clear = dict(session.esmtp_features)
        session.starttls(context=trust(place))
        session.ehlo()
        assert isinstance(session.sock, ssl.SSLSocket)
        version = session.sock.version()
        return {"clear": clear, "tls": dict(session.esmtp_features), "version": version}


def flags(place: Layout, user: str) -> dict[str, list[str]]:
    """The flags of every message, by folder; \\Recent as well, so that nobody may SELECT."""
    with imaplib.IMAP4_SSL(
        layout.IMAP_HOST, layout.IMAP[1], ssl_context=trust(place), timeout=10
    ) as session:
        session.login(user, layout.PASSWORD)
        return {folder: _flags(session, folder) for folder in ("INBOX", "Junk")}


def _flags(session: imaplib.IMAP4, folder: str) -> list[str]:
    _, (count,) = session.select(folder, readonly=True)
    if count == b"0":
        return []
    _, data = session.fetch("1:*", "(UID FLAGS)")
    return [line.decode("ascii") for line in data if isinstance(line, bytes)]


def find(place: Layout, user: str, header: str, value: str) -> dict[str, object]:
    """Wait for a message with a header; where it is, after how long, and its whole header.

    Without the name of a header, `value` may stand anywhere in the message.
    """
    criterion = ("HEADER", header) if header else ("TEXT",)
    began = time.monotonic()
    with imaplib.IMAP4_SSL(
        layout.IMAP_HOST, layout.IMAP[1], ssl_context=trust(place), timeout=10
    ) as session:
        session.login(user, layout.PASSWORD)
        while time.monotonic() - began < ARRIVES_WITHIN:
            for folder in ("INBOX", "Junk"):
                session.select(folder, readonly=True)
                _, found = session.search(None, *criterion, f'"{value}"')
                if found[0]:
                    waited = time.monotonic() - began
                    return {"folder": folder, "waited": waited, **_fetch(session, found[0])}
            time.sleep(LOOK_EVERY)
    return {"folder": None, "waited": ARRIVES_WITHIN}


def _fetch(session: imaplib.IMAP4, numbers: bytes) -> dict[str, object]:
    _, data = session.fetch(numbers.split()[0].decode("ascii"), "(BODY.PEEK[])")
    part = data[0]
    assert isinstance(part, tuple)
    message = email.message_from_bytes(part[1])
    return {"headers": [[name, str(value)] for name, value in message.items()]}


def _compose(recipient: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = layout.SENDER
    message["To"] = recipient
    message["Subject"] = "by hand"
    message["Date"] = email.utils.formatdate()
    message["Message-ID"] = f"<{uuid.uuid4()}@sender.test>"
    message.set_content(text)
    return message


def trust(place: Layout) -> ssl.SSLContext:
    """The chain's authority, and no other."""
    return ssl.create_default_context(cafile=str(place.ca_file))


COMMANDS: dict[str, Callable[..., object]] = {
    "submit": submit,
    "rcpt": rcpt,
    "find": find,
    "ehlo": ehlo,
    "flags": flags,
}


def main(command: str, root: str, *arguments: str) -> None:
    """The command line of this file."""
    print(json.dumps(COMMANDS[command](Layout(Path(root)), *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
