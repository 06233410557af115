"""The scripted SMTP server of the liars, under the name tests know it by."""

from exporter.testbed.servers.script import (
    Act,
    Close,
    Deaf,
    Flood,
    HalfClose,
    Say,
    Send,
    StartTls,
    Wait,
)
from exporter.testbed.servers.smtp import Conversation, Script, SmtpPeer

__all__ = [
    "Act",
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
    "Wait",
]
