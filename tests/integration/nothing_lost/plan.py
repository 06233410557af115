"""What is sent in the rig, along which paths, and how each of them has to end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.demo.scenario import (
    GTUBE,
    IMAP_HOST,
    RECEIVER_DOMAIN,
    SENDER,
    SENDER_DOMAIN,
    SUBMISSION_HOST,
    WATCHER_HOST,
    Access,
)
from probes.canary.lifecycle import Outcome

HEALTHY = f"healthy@{RECEIVER_DOMAIN}"
DIRECT = f"direct@{RECEIVER_DOMAIN}"
SLOW = f"slow@{RECEIVER_DOMAIN}"
DISCARDED = f"junked@{RECEIVER_DOMAIN}"
RESET_KEPT = f"postmaster@{SENDER_DOMAIN}"
RESET_LOST = f"postmaster@{RECEIVER_DOMAIN}"
UNKNOWN = f"rejected@{RECEIVER_DOMAIN}"
"""Recipients of the mail world; what it does to each is in `world.py`."""

DEADLINE = 4.0
LOST_AFTER = 18.0
KEEP = 5.0
"""Seconds: of a sending, until a canary is lost, until a settled one is removed."""


@dataclass(frozen=True, slots=True)
class Fate:
    """A sort of path: how many there are, and how a canary ends that was surely handed over."""

    name: str
    route: str
    recipient: str
    paths: int
    outcome: Outcome
    text: str = ""


FATES = (
    Fate("direct", "direct", DIRECT, 8, Outcome.ARRIVED),
    Fate("relayed", "relay", HEALTHY, 5, Outcome.ARRIVED),
    Fate("slow", "direct", SLOW, 34, Outcome.ARRIVED),
    Fate("junk", "direct", DIRECT, 3, Outcome.JUNKED, GTUBE),
    Fate("cut", "direct", RESET_KEPT, 3, Outcome.ARRIVED),
    Fate("lost", "direct", DISCARDED, 2, Outcome.LOST),
    Fate("cut-lost", "direct", RESET_LOST, 2, Outcome.LOST),
    Fate("rejected", "direct", UNKNOWN, 3, Outcome.REJECTED),
)


def fate_of(path: str) -> Fate:
    """The sort of a path by its name, `SORT_NUMBER`."""
    name = path.rpartition("_")[0]
    return next(fate for fate in FATES if fate.name == name)


def path_names() -> Iterator[tuple[str, Fate]]:
    """Every path of the rig."""
    for fate in FATES:
        for number in range(fate.paths):
            yield f"{fate.name}_{number}", fate


def config_text(
    access: Access, ledger: Path, port: int, every: str = "1s", lost_after: float = LOST_AFTER
) -> str:
    """A configuration with every path, in a great hurry."""
    paths = [
        f"  {name}:\n    {{route: {fate.route}, mailbox: inbox, mail_from: {SENDER},"
        f" rcpt_to: {fate.recipient}, text: '{fate.text}', every: {every}, deadline: {DEADLINE}s,"
        f" late_after: {lost_after - 1}s, lost_after: {lost_after}s}}\n"
        for name, fate in path_names()
    ]
    login = f"username: {access.username}, password: '{access.password}'"
    return f"""\
ehlo_name: {WATCHER_HOST}
listen: '127.0.0.1:{port}'
ledger: '{ledger}'
resolvers: ['127.0.0.1:{access.dns_port}']
allow_loopback: true
ca_file: '{access.ca_file}'
max_concurrent: 60
max_concurrent_per_host: 40
routes:
  relay:
    {{type: submission, host: {SUBMISSION_HOST}, port: {access.submission_port}, {login}}}
  direct:
    {{type: direct, port: {access.mx_port}}}
mailboxes:
  inbox:
    {{type: imap, host: {IMAP_HOST}, port: {access.imap_port}, tls: starttls, {login},
     keep: {KEEP}s, fast_poll: 100ms}}
paths:
{"".join(paths)}"""
