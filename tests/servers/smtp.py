"""The scripted SMTP server of the testbed and its steps, for tests."""

from exporter.testbed.servers.script import (
    Close,
    Deaf,
    Flood,
    HalfClose,
    Say,
    Send,
    StartTls,
    Step,
    Wait,
)
from exporter.testbed.servers.smtp import Conversation, Script, SmtpPeer

__all__ = [
    "Close",
    "Conversation",
    "Deaf",
    "Flood",
    "HalfClose",
    "Say",
    "Script",
    "Send",
    "SmtpPeer",
    "StartTls",
    "Step",
    "Wait",
]
