"""How the servers of the mail world behave: small frozen values, composable, nothing done here."""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from exporter.testbed.servers.dns_server import Faults

EVERYONE = "*"
"""The key under which a treatment applies to every recipient."""


class AfterData(StrEnum):
    """The action of a server after the final dot of a message."""

    REPLY = "reply"
    RESET_KEPT = "reset_kept"
    """The message is taken, and the connection reset before the client can learn it (RFC 1047)."""
    RESET_LOST = "reset_lost"
    """The message is forgotten and the connection reset."""


@dataclass(frozen=True, slots=True)
class Greylisting:
    """Defers a client, sender and recipient that come together for the first time. Seconds.

    The same three pass from `wait` on; after `window`, or once they have passed, they are
    strangers again, so that every canary of a slow beat meets the greylist.
    """

    wait: float = 1.5
    window: float = 15.0


@dataclass(frozen=True, slots=True)
class Treatment:
    """The treatment of mail for one recipient that the MX host knows; by default it is delivered.

    `reject` is the whole reply to RCPT. `discard` accepts the message and forgets it.
    """

    reject: str | None = None
    greylisting: Greylisting | None = None
    is_junk: bool = False
    delivery_delay: float = 0.0
    discard: bool = False
    after_data: AfterData = AfterData.REPLY


DELIVER = Treatment()


@dataclass(frozen=True, slots=True)
class ServerBehaviour:
    """The behaviour of one server towards every client. `reply_delay` is seconds before each SMTP
    reply.
    """

    is_down: bool = False
    reply_delay: float = 0.0
    has_expired_certificate: bool = False
    after_data: AfterData = AfterData.REPLY


WELL_BEHAVED = ServerBehaviour()


@dataclass(frozen=True, slots=True)
class WorldBehaviour:
    """The whole world at one time; `dns` says which questions misbehave."""

    submission: ServerBehaviour = WELL_BEHAVED
    mx: ServerBehaviour = WELL_BEHAVED
    imap: ServerBehaviour = WELL_BEHAVED
    recipients: Mapping[str, Treatment] = field(default_factory=dict)
    dns: Faults = field(default_factory=dict)

    def changed_by(self, change: "WorldBehaviour") -> "WorldBehaviour":
        """This world with everything in which `change` is not the default."""
        recipients = dict(self.recipients)
        for address, treatment in change.recipients.items():
            recipients[address] = overlay(recipients.get(address, DELIVER), treatment)
        return WorldBehaviour(
            submission=overlay(self.submission, change.submission),
            mx=overlay(self.mx, change.mx),
            imap=overlay(self.imap, change.imap),
            recipients=recipients,
            dns={**self.dns, **change.dns},
        )

    def treatment(self, address: str) -> Treatment:
        """Return the treatment of mail for `address`: its own one, under the one of everyone."""
        own = self.recipients.get(address.lower(), DELIVER)
        return overlay(own, self.recipients.get(EVERYONE, DELIVER))


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


_Value = TypeVar("_Value", bound=_Dataclass)


def overlay(base: _Value, change: _Value) -> _Value:
    """`base` with every field in which `change` differs from the field's default."""
    said = {
        item.name: getattr(change, item.name)
        for item in fields(change)
        if getattr(change, item.name) != item.default
    }
    return replace(base, **said)
