"""The faults the mail world can have: one table, each with its behaviour and intended outcomes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.demo.behaviours import (
    EVERYONE,
    AfterData,
    Greylisting,
    ServerBehaviour,
    Treatment,
    WorldBehaviour,
)
from exporter.demo.scenario import EXAMPLE_PATHS, RECEIVER_DOMAIN
from exporter.testbed.servers import dns_server
from exporter.testbed.servers.dns_messages import Misbehaviour
from probes.canary.lifecycle import Outcome


@dataclass(frozen=True, slots=True)
class Fault:
    """A way for the world to misbehave.

    `change` is laid over the world's behaviour. `intends` says how a path ends then, by path name;
    a path that is not in it ends as without the fault.
    """

    name: str
    summary: str
    change: WorldBehaviour
    intends: Mapping[str, Outcome]


class UnknownFault(ValueError):
    """A fault that is not in the table; the message lists those that are."""


_RELAYED = tuple(path for path in EXAMPLE_PATHS if path.route == "relay")
_ARRIVING = tuple(path for path in EXAMPLE_PATHS if path.is_known)
_DIRECT = tuple(path for path in _ARRIVING if path.route == "direct")


def _all(paths: Iterable[object], outcome: Outcome) -> dict[str, Outcome]:
    return {path.name: outcome for path in EXAMPLE_PATHS if path in paths}


def _reset_after_data(after_data: AfterData) -> WorldBehaviour:
    """Where a canary is handed over: the submission server, and the MX host for the direct route.

    The relay's own hand-over stays sound, or it would repeat itself for as long as the fault lasts.
    """
    return WorldBehaviour(
        submission=ServerBehaviour(after_data=after_data),
        recipients={path.recipient: Treatment(after_data=after_data) for path in _DIRECT},
    )


_FAULTS = (
    Fault(
        "greylist",
        "the MX host refuses every first attempt for now; only a relay comes back",
        WorldBehaviour(recipients={EVERYONE: Treatment(greylisting=Greylisting())}),
        _all(_DIRECT, Outcome.DEFERRED),
    ),
    Fault(
        "tarpit",
        "the MX host takes a second for each of its replies",
        WorldBehaviour(mx=ServerBehaviour(reply_delay=1.0)),
        {
            path.name: Outcome.LATE
            for path in _ARRIVING
            if path.outcome in (Outcome.ARRIVED, Outcome.LATE)
        },
    ),
    Fault(
        "reject",
        "the MX host refuses every recipient for good; the relay returns a bounce",
        WorldBehaviour(
            recipients={
                EVERYONE: Treatment(
                    reject="550 5.7.1 Recipient address rejected: access denied by policy"
                )
            }
        ),
        _all(_DIRECT, Outcome.REJECTED) | _all(_RELAYED, Outcome.BOUNCED),
    ),
    Fault(
        "junk",
        "the filter files everything as spam",
        WorldBehaviour(recipients={EVERYONE: Treatment(is_junk=True)}),
        _all(_ARRIVING, Outcome.JUNKED),
    ),
    Fault(
        "drop-after-data",
        "the connection is reset after the final dot, though the message was taken",
        _reset_after_data(AfterData.RESET_KEPT),
        {},
    ),
    Fault(
        "drop-after-data-lost",
        "the connection is reset after the final dot, and the message was not taken",
        _reset_after_data(AfterData.RESET_LOST),
        _all(_ARRIVING, Outcome.LOST),
    ),
    Fault(
        "expired-certificate",
        "the submission server and the MX host show a certificate that has expired",
        WorldBehaviour(
            submission=ServerBehaviour(has_expired_certificate=True),
            mx=ServerBehaviour(has_expired_certificate=True),
        ),
        _all(_RELAYED, Outcome.SEND_FAILED),
    ),
    Fault(
        "dns-servfail",
        "the receiving domain's name servers answer SERVFAIL for its MX",
        WorldBehaviour(dns={(RECEIVER_DOMAIN, "MX"): dns_server.DnsFault(Misbehaviour.SERVFAIL)}),
        {
            path.name: Outcome.LOST if path.route == "relay" else Outcome.SEND_FAILED
            for path in EXAMPLE_PATHS
        },
    ),
    Fault(
        "imap-down",
        "the mailbox cannot be looked into: nobody knows what arrived",
        WorldBehaviour(imap=ServerBehaviour(is_down=True)),
        _all(_ARRIVING, Outcome.UNTESTABLE),
    ),
    Fault(
        "loss",
        "the MX host takes every message and forgets it",
        WorldBehaviour(recipients={EVERYONE: Treatment(discard=True)}),
        _all(_ARRIVING, Outcome.LOST),
    ),
)

FAULTS: Mapping[str, Fault] = {fault.name: fault for fault in _FAULTS}


def find(name: str) -> Fault:
    """The fault of that name. Raises UnknownFault."""
    try:
        return FAULTS[name]
    except KeyError:
        raise UnknownFault(f"no fault {name!r}; there are {', '.join(FAULTS)}") from None


def in_force(base: WorldBehaviour, faults: Iterable[Fault]) -> WorldBehaviour:
    """`base` with all the faults laid over it, in their order."""
    for fault in faults:
        base = base.changed_by(fault.change)
    return base


def intended(faults: Iterable[Fault]) -> dict[str, Outcome]:
    """How each example path should end in a world with these faults, the last one prevailing."""
    outcomes = {path.name: path.outcome for path in EXAMPLE_PATHS}
    for fault in faults:
        outcomes.update(fault.intends)
    return outcomes
