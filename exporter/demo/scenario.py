"""The mail world: its names, its example paths and the configuration to watch it.

Everything is under `.test` (RFC 6761 §6.2), so that a mistake can never reach real mail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exporter.demo.behaviours import DELIVER, Greylisting, Treatment, WorldBehaviour
from probes.canary.lifecycle import Outcome

SENDER_DOMAIN = "sender.test"
RECEIVER_DOMAIN = "receiver.test"
SUBMISSION_HOST = "mail.sender.test"
MX_HOST = "mx.receiver.test"
IMAP_HOST = "imap.receiver.test"
WATCHER_HOST = "watcher.sender.test"

SENDER = f"canary@{SENDER_DOMAIN}"
"""The envelope sender of every example path; its bounces come back to the watched mailbox."""

ACCOUNT = "canary"
"""The one account of the world: the user name at the submission server and of the mailbox."""

GTUBE = "YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The test text that spam filters agree to treat as spam, in its "add header" variant."""

RouteName = Literal["relay", "direct"]


@dataclass(frozen=True, slots=True)
class ExamplePath:
    """One path of the demo, its treatment by the world and its intended end. Seconds.

    `is_known` is True if the recipient exists at the MX host.
    """

    name: str
    summary: str
    route: RouteName
    outcome: Outcome
    late_after: float
    lost_after: float
    treatment: Treatment = DELIVER
    text: str | None = None
    is_known: bool = True

    @property
    def recipient(self) -> str:
        """The envelope recipient; every path has its own."""
        return f"{self.name}@{RECEIVER_DOMAIN}"


EXAMPLE_PATHS = (
    ExamplePath(
        name="healthy",
        summary="submitted, relayed, delivered at once",
        route="relay",
        outcome=Outcome.ARRIVED,
        late_after=5,
        lost_after=20,
    ),
    ExamplePath(
        name="slow",
        summary="the receiving side sits on it for four seconds, two are allowed",
        route="relay",
        outcome=Outcome.LATE,
        late_after=2,
        lost_after=25,
        treatment=Treatment(delivery_delay=4),
    ),
    ExamplePath(
        name="greylisted",
        summary="refused for now, taken when the relay tries again",
        route="relay",
        outcome=Outcome.ARRIVED,
        late_after=12,
        lost_after=30,
        treatment=Treatment(greylisting=Greylisting()),
    ),
    ExamplePath(
        name="junked",
        summary="looks like spam and is filed as such",
        route="relay",
        outcome=Outcome.JUNKED,
        late_after=5,
        lost_after=20,
        text=GTUBE,
    ),
    ExamplePath(
        name="rejected",
        summary="the recipient does not exist",
        route="direct",
        outcome=Outcome.REJECTED,
        late_after=5,
        lost_after=20,
        is_known=False,
    ),
    ExamplePath(
        name="direct",
        summary="handed to the MX host itself, without a relay",
        route="direct",
        outcome=Outcome.ARRIVED,
        late_after=5,
        lost_after=20,
    ),
)

ADDRESSES: Mapping[str, str] = {
    SENDER: ACCOUNT,
    f"postmaster@{SENDER_DOMAIN}": ACCOUNT,
    f"postmaster@{RECEIVER_DOMAIN}": ACCOUNT,
    **{path.recipient: ACCOUNT for path in EXAMPLE_PATHS if path.is_known},
}
"""Every address that exists, with the account of its mailbox."""


def zones(dkim_name: str, dkim_record: str) -> Mapping[str, str]:
    """The zones of the world as master file text, by origin.

    `dkim_name` (inside the sender's domain) and `dkim_record` are the relay's public key.
    """
    strings = [dkim_record[i : i + 250] for i in range(0, len(dkim_record), 250)]
    key = " ".join(f'"{string}"' for string in strings)  # RFC 6376 §3.6.2.2
    sender = _SENDER_ZONE.format(dkim_name=dkim_name, dkim_record=key)
    return {
        SENDER_DOMAIN: sender,
        RECEIVER_DOMAIN: _RECEIVER_ZONE,
        "127.in-addr.arpa": _REVERSE_ZONE,
    }


_SENDER_ZONE = f"""\
@ MX 10 {MX_HOST}.
@ TXT "v=spf1 ip4:127.0.0.1 -all"
_dmarc TXT "v=DMARC1; p=reject"
{{dkim_name}}. TXT {{dkim_record}}
{SUBMISSION_HOST}. A 127.0.0.1
{SUBMISSION_HOST}. TXT "v=spf1 ip4:127.0.0.1 -all"
{WATCHER_HOST}. A 127.0.0.1
{WATCHER_HOST}. TXT "v=spf1 ip4:127.0.0.1 -all"
"""

_RECEIVER_ZONE = f"""\
@ MX 10 {MX_HOST}.
@ TXT "v=spf1 -all"
{MX_HOST}. A 127.0.0.1
{IMAP_HOST}. A 127.0.0.1
"""

_REVERSE_ZONE = f"""\
1.0.0 PTR {SUBMISSION_HOST}.
"""


FAULTLESS = WorldBehaviour(recipients={path.recipient: path.treatment for path in EXAMPLE_PATHS})
"""The world as the example paths want it: each recipient with its own treatment, no fault."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the servers of a running world are; all ports are on 127.0.0.1."""

    dns_port: int
    submission_port: int
    submissions_port: int
    mx_port: int
    imap_port: int
    username: str
    password: str
    ca_file: Path


def config_text(access: Access, *, ledger: str, listen: str) -> str:
    """A complete configuration that watches the example paths, as YAML."""
    head = _SERVICE.format(
        watcher=WATCHER_HOST,
        listen=listen,
        ledger=_quoted(ledger),
        dns_port=access.dns_port,
        ca_file=_quoted(str(access.ca_file)),
        submission_host=SUBMISSION_HOST,
        submission_port=access.submission_port,
        submissions_port=access.submissions_port,
        username=_quoted(access.username),
        password=_quoted(access.password),
        mx_port=access.mx_port,
        imap_host=IMAP_HOST,
        imap_port=access.imap_port,
        receiver=RECEIVER_DOMAIN,
    )
    return head + "paths:\n" + "".join(_path_text(path) for path in EXAMPLE_PATHS)


def _path_text(path: ExamplePath) -> str:
    text = f"    text: {_quoted(path.text)}\n" if path.text else ""
    return _PATH.format(path=path, sender=SENDER, text=text)


def _quoted(text: str) -> str:
    """A YAML single-quoted scalar: the only character with a meaning is the quote itself."""
    return "'" + text.replace("'", "''") + "'"


_SERVICE = """\
ehlo_name: {watcher}
listen: '{listen}'
ledger: {ledger}
resolvers: ['127.0.0.1:{dns_port}']
allow_loopback: true
ca_file: {ca_file}
max_concurrent_per_host: 4
routes:
  relay:
    type: submission
    host: {submission_host}
    port: {submission_port}
    tls: starttls
    username: {username}
    password: {password}
  direct:
    type: direct
    port: {mx_port}
mailboxes:
  inbox:
    type: imap
    host: {imap_host}
    port: {imap_port}
    tls: starttls
    username: {username}
    password: {password}
jobs:
  receiver-mx:
    kind: mx
    domain: {receiver}
    port: {mx_port}
    every: 20s
    deadline: 15s
  sender-submission:
    kind: submission
    host: {submission_host}
    port: {submissions_port}
    tls: implicit
    username: {username}
    password: {password}
    every: 20s
    deadline: 15s
"""

_PATH = """\
  {path.name}:  # {path.summary}
    route: {path.route}
    mailbox: inbox
    mail_from: {sender}
    rcpt_to: {path.recipient}
{text}    every: 20s
    deadline: 18s
    late_after: {path.late_after:g}s
    lost_after: {path.lost_after:g}s
"""
