"""The scripted SMTP server of the liars, under the name tests know it by."""

from exporter.liars.acts import Act, Close, Deaf, Flood, HalfClose, Say, Send, StartTls, Wait
from exporter.liars.smtp import Conversation, Script, SmtpPeer

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
