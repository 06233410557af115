"""The finding catalogue: every code the program can produce, and what to make of it.

One file = one area. Finding codes are dotted; the page `docs/generated/findings.md`, the command
`mailcanary findings` and the anchors of alerts are made of this table.
"""

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from probes.catalogue import (
    evidence,
    mailboxes,
    monitor,
    mx,
    nameservers,
    policy,
    sender,
    smtp,
    smtp_answers,
)
from probes.catalogue.entry import PLACEHOLDERS, Entry, always, filled, placeholders
from probes.result import Finding, Owner

__all__ = [
    "AREAS",
    "ENTRIES",
    "PLACEHOLDERS",
    "Entry",
    "always",
    "filled",
    "nearest",
    "owner_of_finding",
    "placeholders",
]

AREAS: Mapping[str, tuple[Entry, ...]] = {
    "mx": mx.ENTRIES,
    "smtp": (*smtp.ENTRIES, *smtp_answers.ENTRIES),
    "policy": policy.ENTRIES,
    "sender": sender.ENTRIES,
    "nameservers": nameservers.ENTRIES,
    "mailbox": mailboxes.ENTRIES,
    "evidence": evidence.ENTRIES,
    "monitor": monitor.ENTRIES,
}
"""The entries by area, in the order in which the documentation tells them."""

ENTRIES: Mapping[str, Entry] = {
    entry.code: entry for entries in AREAS.values() for entry in entries
}
"""Every entry by its code."""


def nearest(code: str, among: Collection[str] = tuple(ENTRIES)) -> tuple[str, ...]:
    """The codes that look most like `code`, at most three, the most alike first."""
    wanted = code.strip().lower()[:200]
    within = [known for known in among if wanted and wanted in known][:3]
    return tuple(within or get_close_matches(wanted, among, n=3, cutoff=0.5))


def owner_of_finding(finding: Finding) -> Owner:
    """Who has to act on it: as it says itself, else as its code has it; else the monitor."""
    if finding.owner is not None:
        return finding.owner
    entry = ENTRIES.get(finding.code)
    return entry.owner_of(finding.status) if entry is not None else Owner.MONITOR
