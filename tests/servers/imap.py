"""The scripted IMAP server of the testbed and its steps, under the names of its tests."""

from functools import partial

from exporter.testbed.servers.imap import CAPABILITIES, OK, OPENED, Answers, ImapPeer
from exporter.testbed.servers.script import (
    Close,
    Flood,
    HalfClose,
    Read,
    Repeat,
    Say,
    Send,
    Signal,
    StartTls,
    Steps,
    Wait,
    WaitFor,
)

Answer = Steps
Raw = Send
Hang = Wait
UpgradeTls = StartTls
Reset = partial(Close, reset=True)


def Drip(line: str, size: int = 1) -> Send:  # noqa: N802 - a step like the others
    """A line, `size` octets at a time, each a write of its own."""
    return Send(f"{line}\r\n".encode("latin-1"), 0.0, size)


__all__ = [
    "CAPABILITIES",
    "OK",
    "OPENED",
    "Answer",
    "Answers",
    "Close",
    "Drip",
    "Flood",
    "HalfClose",
    "Hang",
    "ImapPeer",
    "Raw",
    "Read",
    "Repeat",
    "Reset",
    "Say",
    "Signal",
    "UpgradeTls",
    "Wait",
    "WaitFor",
]
