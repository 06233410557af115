"""The SPF corpus of tests/corpus/spf: zones as data, one policy or session a case."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

from probes.records.looked_up import LookedUp, LookupStatus
from probes.records.mx import MxRecord
from tests.support.places import CORPUS

FOLDER = CORPUS / "spf"
POLICY = "policy.test"
AT = datetime(2026, 1, 1, tzinfo=UTC)

Zone = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """One evaluation. `expected` has the keys of the file beside the session's."""

    name: str
    zone: Zone = field(repr=False)
    ip: str
    mail_from: str
    helo: str
    expected: Mapping[str, Any]


def cases() -> Iterator[Case]:
    """Every case of every file; a policy is that of policy.test."""
    for path in sorted(FOLDER.glob("*.yml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        for number, one in enumerate([*document.get("cases", ()), *document.get("policies", ())]):
            zone = dict(document["zone"])
            if "spf" in one:
                zone[POLICY] = {"TXT": [f"v=spf1 {one['spf']}"]}
            yield Case(
                name=f"{path.stem}-{number}-{one['what'].replace(' ', '-')}",
                zone=zone,
                ip=one.get("ip", "192.0.2.1"),
                mail_from=one.get("from", f"strong-bad@{POLICY}"),
                helo=one.get("helo", "helo.example.test"),
                expected=one,
            )


@dataclass
class ZoneLookup:
    """A Lookup in a zone; every name that was asked is kept."""

    zone: Zone
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, name: str, rdtype: str) -> LookedUp:
        self.asked.append((name, rdtype))
        return found(self.zone, name, rdtype)


def found(zone: Zone, name: str, rdtype: str) -> LookedUp:
    """What the zone says; `failed` in the place of records is a failing server."""
    entry = zone.get(name.lower())
    if entry is None:
        below = any(other.endswith("." + name.lower()) for other in zone)
        return LookedUp(LookupStatus.NO_DATA if below else LookupStatus.NXDOMAIN)
    records = entry.get(rdtype, ())
    if records == "failed":
        return LookedUp(LookupStatus.FAILED, detail="servfail")
    read = {"TXT": lambda text: text.encode("latin-1"), "MX": lambda mx: MxRecord(*mx)}
    values = tuple(map(read.get(rdtype, str), records))
    return LookedUp(LookupStatus.FOUND if values else LookupStatus.NO_DATA, values)
