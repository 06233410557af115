"""Canaries through the chain, and what came of each: sent and read by the standard library alone.

Runs inside the chain: `python -m tests.integration.chain.canaries ROOT`; orders as a JSON list on
standard input, `Came` of each, in their order, as a JSON list on standard output.
"""

import base64
import imaplib
import json
import smtplib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from probes.canary.message import new_token
from tests.integration.chain import layout
from tests.integration.chain.by_hand import trust
from tests.integration.chain.chain import Chain
from tests.integration.chain.layout import Layout
from tests.support.messages import composed

WITHIN = 30.0
LOOK_EVERY = 0.05
FOLDERS = ("INBOX", "Junk")


@dataclass(frozen=True, slots=True)
class Order:
    """A canary to be sent; `copies` of what bears its token are waited for in `mailbox`."""

    recipient: str
    text: str = ""
    mailbox: str = layout.RECIPIENT
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Copy:
    """What was found in a folder; instants in seconds since the epoch. `missed` is the beginning
    of the last look in vain, `seen` the end of the one that found it."""

    folder: str
    content: bytes
    missed: float
    seen: float


@dataclass(frozen=True, slots=True)
class Came:
    """What became of an order: fewer copies than were ordered if they did not come in time."""

    token: str
    sent: bytes
    began: float
    accepted: float
    copies: tuple[Copy, ...]


def send_all(chain: Chain, orders: Sequence[Order]) -> list[Came]:
    """Send them side by side from within the chain and wait for all their copies."""
    command = [sys.executable, "-m", "tests.integration.chain.canaries", str(chain.place.root)]
    text = json.dumps([asdict(order) for order in orders])
    told = json.loads(chain.run(command, text=text, within=WITHIN + 30).stdout)
    return [_came(one) for one in told]


def _came(told: dict[str, object]) -> Came:
    copies = told.pop("copies")
    assert isinstance(copies, list)
    sent = base64.b64decode(str(told.pop("sent")))
    read = (Copy(**(one | {"content": base64.b64decode(one["content"])})) for one in copies)
    return Came(sent=sent, copies=tuple(read), **told)  # type: ignore[arg-type]


def follow(place: Layout, order: Order) -> Came:
    """Send one and wait for its copies."""
    token = new_token()
    sent = composed(layout.SENDER, order.recipient, token, text=order.text).content
    began = time.time()
    with smtplib.SMTP(
        layout.OUT_HOST, layout.OUT[1], local_hostname=layout.CANARY_HOST, timeout=10
    ) as session:
        session.starttls(context=trust(place))
        session.login(layout.SENDER, layout.PASSWORD)
        session.sendmail(layout.SENDER, [order.recipient], sent)
        accepted = time.time()
    return Came(token, sent, began, accepted, tuple(_copies(place, order, token, accepted)))


def _copies(place: Layout, order: Order, token: str, missed: float) -> list[Copy]:
    """What bears the token anywhere, in the order in which it was found."""
    found: dict[tuple[str, bytes], Copy] = {}
    until = time.monotonic() + WITHIN
    with imaplib.IMAP4_SSL(
        layout.IMAP_HOST, layout.IMAP[1], ssl_context=trust(place), timeout=10
    ) as session:
        session.login(order.mailbox, layout.PASSWORD)
        while len(found) < order.copies and time.monotonic() < until:
            began = time.time()
            for folder in FOLDERS:
                session.select(folder, readonly=True)
                _, numbers = session.uid("SEARCH", "TEXT", token)
                for uid in numbers[0].split():
                    if (folder, uid) not in found:
                        content = _fetch(session, uid)
                        found[folder, uid] = Copy(folder, content, missed, time.time())
            missed = began
            time.sleep(LOOK_EVERY)
    return list(found.values())


def _fetch(session: imaplib.IMAP4, uid: bytes) -> bytes:
    _, data = session.uid("FETCH", uid.decode("ascii"), "(BODY.PEEK[])")
    part = data[0]
    assert isinstance(part, tuple)
    content: bytes = part[1]
    return content


def main(root: str) -> None:
    """The command line of this file."""
    orders = [Order(**order) for order in json.load(sys.stdin)]
    with ThreadPoolExecutor(len(orders)) as pool:
        came = pool.map(follow, [Layout(Path(root))] * len(orders), orders)
        json.dump([asdict(one) for one in came], sys.stdout, default=_text)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
