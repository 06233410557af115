"""The failure of a canary that was handed over and not seen since."""

from collections.abc import Mapping
from typing import Any

from exporter.model import CanaryRecord
from probes.result import Failure, Owner, Phase, ProbeResult, Reason, one_line, owner_of

_VAIN = "the mailbox was read and it was not there"
_PARTIES = {owner.value: owner for owner in (Owner.RELAY, Owner.RECEIVER_MX)}


def lost(record: CanaryRecord, sending: ProbeResult | None, folders: str = "") -> Failure:
    """Tell by whom it was accepted, under which queue id, and how to look it up there.

    `sending` is the run that handed it over, None where that is not kept. `folders` says where it
    was looked for. The server that took it
    has to deliver or to report that it cannot (RFC 5321 §4.2.5): it is the owner.
    """
    facts: Mapping[str, Any] = {} if sending is None else sending.facts
    usual = owner_of(Phase.TRANSIT, Reason.LOST)
    return Failure(
        Phase.TRANSIT,
        Reason.LOST,
        one_line("; ".join(_told(record, facts, folders))),
        _PARTIES.get(str(facts.get("handover.party")), usual),
        is_transient=False,
    )


def _told(record: CanaryRecord, facts: Mapping[str, Any], folders: str) -> list[str]:
    vain = f"{_VAIN} ({folders})" if folders else _VAIN
    where = _host(facts)
    if where is None:
        return [vain]
    if record.accepted_at is None:
        said = f"{where} may have accepted it: no answer to the message came"
    else:
        said = f"{where} accepted it{_queue_id(facts)}"
    return [said, vain, f"look it up there: {' or '.join(_commands(record, facts))}"]


def _host(facts: Mapping[str, Any]) -> str | None:
    host, address = facts.get("handover.host") or facts.get("mx.host"), facts.get("address")
    if host is None or address is None or host == address:
        return host or address
    return f"{host} ({address})"


def _queue_id(facts: Mapping[str, Any]) -> str:
    found = facts.get("handover.queue_id")
    return f" under queue id {found}" if found else ""


def _commands(record: CanaryRecord, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The commands for its queue id, else the one for its Message-ID, which has the token."""
    commands = tuple(facts.get("handover.commands", ()))
    return commands or (f"grep {record.token} /var/log/mail.log",)
