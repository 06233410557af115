"""The finding catalogue: every code the program can produce, with its meaning and remedy.

One file = one area. Finding codes are dotted. The page `docs/generated/findings.md`, the command
`mailcanary findings` and the anchors of alerts are made of this table.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from types import ModuleType

from probes.catalogue import (
    arrival,
    dkim_keys,
    dmarc,
    mailboxes,
    monitor,
    mx,
    nameservers,
    sender,
    smtp,
    smtp_answers,
    spf,
    tls_policies,
)
from probes.catalogue.entry import PLACEHOLDERS, Entry, always, filled, placeholders
from probes.result import Finding, Owner

__all__ = [
    "AREAS",
    "ENTRIES",
    "MODULES",
    "PLACEHOLDERS",
    "Entry",
    "always",
    "filled",
    "nearest",
    "owner_of_finding",
    "placeholders",
]

MODULES: Mapping[str, tuple[ModuleType, ...]] = {
    "mx": (mx,),
    "smtp": (smtp, smtp_answers),
    "policy": (tls_policies,),
    "sender": (spf, dkim_keys, dmarc, sender),
    "nameservers": (nameservers,),
    "mailbox": (mailboxes,),
    "evidence": (arrival,),
    "monitor": (monitor,),
}
"""The files of each area, in the order in which the documentation tells them."""


def _declared(module: ModuleType) -> Iterator[Entry]:
    """Yield the entries of a file in the order in which they are written."""
    for name, value in vars(module).items():
        if isinstance(value, Entry):
            yield value
        elif isinstance(value, Mapping) and name.isupper() and not name.startswith("_"):
            yield from value.values()


AREAS: Mapping[str, tuple[Entry, ...]] = {
    area: tuple(entry for module in modules for entry in _declared(module))
    for area, modules in MODULES.items()
}
"""The entries by area."""

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
    """Return the owner: the finding's own, else its code's, else the monitor."""
    if finding.owner is not None:
        return finding.owner
    entry = ENTRIES.get(finding.code)
    return entry.owner_of(finding.status) if entry is not None else Owner.MONITOR
