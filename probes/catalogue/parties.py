"""The party at the other end of a session, and the owner of a failure by its role."""

from dataclasses import dataclass

from probes.records.reply_meaning import Side
from probes.result import Owner, Phase, ProbeFailure, Reason, owner_of

_SIDES = {
    Side.CLIENT: Owner.CONFIGURATION,
    Side.SENDER: Owner.SENDER,
    Side.SERVER: Owner.RECEIVER_MX,
    Side.FILTER: Owner.RECEIVER_FILTER,
    Side.MAILBOX: Owner.RECEIVER_MAILBOX,
    Side.DNS: Owner.RECEIVER_DNS,
}
"""The owner of each side of probes.records.reply_meaning, at a server of the receiver."""

_ABSENT = frozenset({Reason.NXDOMAIN, Reason.NO_DATA})


@dataclass(frozen=True, slots=True)
class Party:
    """The owners of everything that may fail at the other end.

    `server` owns refusals and broken sessions, `policy` refusals by a filter, `dns` failing
    look-ups of its name, and `name` a name without an address.
    """

    server: Owner
    policy: Owner
    dns: Owner
    name: Owner

    def owner(self, owner: Owner, reason: Reason) -> Owner:
        """Return the party for an owner that was named without knowing the role of the peer."""
        if owner is Owner.RECEIVER_MX:
            return self.server
        if owner is Owner.RECEIVER_FILTER:
            return self.policy
        if owner is Owner.RECEIVER_DNS:
            return self.name if reason in _ABSENT else self.dns
        return owner

    def owner_of_side(self, side: Side) -> Owner:
        """Return the party that a side is, where this party's server spoke."""
        return self.owner(_SIDES[side], Reason.REJECTED)

    def owner_of(self, failure: ProbeFailure, phase: Phase) -> Owner:
        """Return the owner of a failure that was raised in `phase`."""
        owner = failure.owner or owner_of(failure.phase or phase, failure.reason)
        return self.owner(owner, failure.reason)


RECEIVER = Party(Owner.RECEIVER_MX, Owner.RECEIVER_FILTER, Owner.RECEIVER_DNS, Owner.RECEIVER_DNS)
"""The receiving domain: its MX hosts, found by its own DNS."""

RELAY = Party(Owner.RELAY, Owner.RELAY, Owner.RELAY, Owner.CONFIGURATION)
"""A server to hand mail over to; its name stands in the configuration."""

MAILBOX = Party(
    *(Owner.RECEIVER_MAILBOX, Owner.RECEIVER_MAILBOX, Owner.RECEIVER_MAILBOX),
    Owner.CONFIGURATION,
)
"""The server of a mailbox; its name stands in the configuration."""

SENDER = Party(Owner.SENDER, Owner.SENDER, Owner.SENDER, Owner.SENDER)
"""The sending domain and its addresses: their records and their reputation."""
