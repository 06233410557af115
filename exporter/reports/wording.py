"""Durations, instants, foreign text and tones: how anything is told to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exporter.reports.exit_codes import ExitCode
from probes.result import Owner, Status


class Tone(StrEnum):
    """The meaning of a colour; each kind of view maps it to colours of its own once."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNTESTABLE = "untestable"
    NOTICE = "notice"
    FAINT = "faint"


CODE_TONES: Mapping[ExitCode, Tone] = {
    ExitCode.OK: Tone.GOOD,
    ExitCode.WARNING: Tone.WARNING,
    ExitCode.FAILURE: Tone.BAD,
    ExitCode.UNTESTABLE: Tone.UNTESTABLE,
}

STATUS_TONES: Mapping[Status, Tone] = {
    Status.OK: Tone.GOOD,
    Status.INFO: Tone.FAINT,
    Status.NOTICE: Tone.NOTICE,
    Status.WARNING: Tone.WARNING,
    Status.FAILURE: Tone.BAD,
    Status.UNTESTABLE: Tone.UNTESTABLE,
}


@dataclass(frozen=True, slots=True)
class OwnerText:
    """An owner for people: a short name, its meaning, and the person to call."""

    name: str
    meaning: str
    call: str


OWNER_TEXTS: Mapping[Owner, OwnerText] = {
    Owner.CONFIGURATION: OwnerText(
        "our configuration",
        "A value or a password in the configuration of mailcanary is wrong.",
        "The maintainer of the configuration file.",
    ),
    Owner.MONITOR: OwnerText(
        "this monitor",
        "This program, its ledger, or the machine on which it runs.",
        "The operator of this machine. An `unexpected` error: report it to the project.",
    ),
    Owner.RESOLVER: OwnerText(
        "our resolver",
        "The DNS resolver that mailcanary asks.",
        "The operator of that resolver.",
    ),
    Owner.NETWORK: OwnerText(
        "the network between",
        "A firewall or a route between this machine and the server.",
        "The network team, then the provider.",
    ),
    Owner.RELAY: OwnerText(
        "the relay",
        "The server to which a route hands its mail over, with its queue and its filter.",
        "The operator of that server, often your own mail team.",
    ),
    Owner.SENDER: OwnerText(
        "the sender's own records",
        "SPF, DKIM, DMARC, reverse DNS and reputation of the sending domain and its addresses.",
        "The DNS team of the sending domain, or its delivery team for a block list.",
    ),
    Owner.RECEIVER_DNS: OwnerText(
        "the receiver's DNS",
        "The records and name servers of the recipient's domain.",
        "The DNS team of the recipient's domain.",
    ),
    Owner.RECEIVER_MX: OwnerText(
        "the receiver's mail server",
        "An MX host of the recipient's domain.",
        "The postmaster of the recipient's domain.",
    ),
    Owner.RECEIVER_FILTER: OwnerText(
        "the receiver's filter",
        "Greylisting, spam filter or policy of the recipient's domain.",
        "The postmaster of the recipient's domain, with the reply as evidence.",
    ),
    Owner.RECEIVER_MAILBOX: OwnerText(
        "the receiver's mailbox",
        "The mailbox of the recipient, or the server from which it is read.",
        "The operator of the mailbox server, or the owner of the mailbox.",
    ),
}
"""The one table of owners; docs/owners.md shows it."""


def owner_words(owner: Owner | str) -> str:
    """Return the short name of an owner for people; an owner of another version stays as it is."""
    known = {text.value: text for text in Owner}.get(str(owner))
    return str(owner) if known is None else OWNER_TEXTS[known].name


def owner_rows() -> tuple[str, ...]:
    """Return the rows of the table in docs/owners.md, in the order of the owners."""
    return tuple(
        f"| `{owner}` | {OWNER_TEXTS[owner].name} | {OWNER_TEXTS[owner].meaning} "
        f"| {OWNER_TEXTS[owner].call} |"
        for owner in Owner
    )


def visible(text: str) -> str:
    """Return a text by others with every character written out that a terminal would obey.

    Escape sequences, changes of direction and their like become `\\x1b` and `\\u202e`.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def milliseconds(seconds: float) -> str:
    """A duration for people: `0.8 ms`, `412 ms`, `7.31 s`, `12 min 5 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def age(seconds: float) -> str:
    """How long ago, in two units at most: `12 s`, `5 min 3 s`, `3 h 20 min`, `4 d 2 h`."""
    whole = int(max(0.0, seconds))
    for unit, name, smaller, smaller_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return (
                f"{whole // unit} {name} {rest} {smaller_name}"
                if rest
                else f"{whole // unit} {name}"
            )
    return f"{whole} s"


def instant(at: datetime) -> str:
    """An instant in UTC, to the minute, for people."""
    return f"{at:%Y-%m-%d %H:%M} UTC"
