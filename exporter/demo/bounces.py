"""Delivery status notifications, as a relay returns them to the envelope sender."""

from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import SMTP
from email.utils import format_datetime

_POLICY = SMTP.clone(max_line_length=0)
"""Lines as they are: a folded Diagnostic-Code is legal, and misread by many."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """One recipient that could not be reached.

    `reply` is the text of the refusing reply, None when there was none; `status` is the enhanced
    status code (RFC 3463), `remote_host` the refusing host, None when no host was reached.
    """

    reporting_host: str
    queue_id: str
    sender: str
    recipient: str
    arrived_at: datetime
    now: datetime
    status: str
    reason: str
    reply: str | None
    remote_host: str | None
    original: bytes


def compose(bounce: Bounce) -> bytes:
    """The notification as a message with CRLF lines: RFC 3462 around RFC 3464."""
    report = MIMEMultipart("report", policy=_POLICY)
    report.set_param("report-type", "delivery-status")
    report["Date"] = format_datetime(bounce.now)
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{bounce.reporting_host}>"
    report["To"] = bounce.sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Message-ID"] = f"<{bounce.queue_id}.bounce@{bounce.reporting_host}>"
    report["Auto-Submitted"] = "auto-replied"  # RFC 3834 §5
    report.attach(_explanation(bounce))
    report.attach(_delivery_status(bounce))
    report.attach(_returned_header(bounce.original))
    return report.as_bytes()


def _explanation(bounce: Bounce) -> Message:
    said = f"    {bounce.reply}\n" if bounce.reply else ""
    return MIMEText(
        f"This is the mail system at host {bounce.reporting_host}.\n\n"
        f"Your message could not be delivered to <{bounce.recipient}>:\n"
        f"    {bounce.reason}\n{said}",
        policy=_POLICY,
    )


def _delivery_status(bounce: Bounce) -> Message:
    """RFC 3464 §2: the fields of the message, a blank line, the fields of the recipient."""
    message = Message(policy=_POLICY)
    message["Reporting-MTA"] = f"dns; {bounce.reporting_host}"
    message["Arrival-Date"] = format_datetime(bounce.arrived_at)
    recipient = Message(policy=_POLICY)
    recipient["Final-Recipient"] = f"rfc822; {bounce.recipient}"
    recipient["Action"] = "failed"
    recipient["Status"] = bounce.status
    if bounce.remote_host is not None:
        recipient["Remote-MTA"] = f"dns; {bounce.remote_host}"
    if bounce.reply is not None:
        recipient["Diagnostic-Code"] = f"smtp; {bounce.reply}"
    part = MIMEBase("message", "delivery-status", policy=_POLICY)
    part.set_payload([message, recipient])
    return part


def _returned_header(original: bytes) -> Message:
    """The header alone of the message that is returned, RFC 3462 §2."""
    part = MIMEBase("text", "rfc822-headers", policy=_POLICY)
    head = original.partition(b"\r\n\r\n")[0] + b"\r\n"
    part.set_payload(head.decode("ascii", "surrogateescape").replace("\r\n", "\n"))
    return part
