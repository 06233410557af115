"""What a policy costs its readers in the worst case: nothing matches and every term is tried."""

from dataclasses import dataclass

from probes.records import RecordError
from probes.records.looked_up import Lookup, is_domain_name, texts
from probes.records.spf_macros import MacroString
from probes.records.spf_record import Mechanism, SpfRecord, is_spf, parse_spf

MAX_POLICIES = 40
"""Policies that are read; a cost that needs more of them is far above any limit."""

_CEILING = 1000


@dataclass(frozen=True, slots=True)
class SpfCost:
    """`lookups` counts as RFC 7208 §4.6.4 does, at most 1000. `domains` are those whose policy was
    read, in order.

    `loops` names a domain that leads to itself, "" for none. `is_complete` is False where a policy
    could not be read, or where a macro leaves open which one it is.
    """

    lookups: int
    domains: tuple[str, ...]
    loops: str = ""
    is_complete: bool = True


async def worst_case(domain: str, record: SpfRecord, lookup: Lookup) -> SpfCost:
    """The cost of `record`, the policy of `domain`, with all it leads to."""
    walk = _Walk(lookup)
    total = await walk.cost(domain.lower(), record)
    return SpfCost(min(total, _CEILING), tuple(walk.known), walk.loops, walk.is_complete)


class _Walk:
    def __init__(self, lookup: Lookup) -> None:
        self.known: dict[str, int | None] = {}
        self.loops = ""
        self.is_complete = True
        self._lookup = lookup

    async def cost(self, domain: str, record: SpfRecord) -> int:
        self.known[domain] = None  # under way
        total = 0
        for directive in record.directives:
            if directive.mechanism is Mechanism.ALL:
                break
            total += int(directive.needs_lookup)
            if directive.mechanism is Mechanism.INCLUDE and directive.target is not None:
                total += await self._inner(directive.target)
        else:
            if record.redirect is not None:
                total += 1 + await self._inner(record.redirect)
        self.known[domain] = min(total, _CEILING)
        return total

    async def _inner(self, target: MacroString) -> int:
        name = target.text.lower().removesuffix(".")
        if name in self.known:
            cost = self.known[name]
            if cost is None:
                self.loops = self.loops or name
            return cost or 0
        record = await self._record(name) if self._may_read(target, name) else None
        if record is None:
            self.is_complete = False
            return 0
        return await self.cost(name, record)

    def _may_read(self, target: MacroString, name: str) -> bool:
        return not target.letters and is_domain_name(name) and len(self.known) < MAX_POLICIES

    async def _record(self, name: str) -> SpfRecord | None:
        records = [text for text in texts(await self._lookup(name, "TXT")) if is_spf(text)]
        try:
            return parse_spf(records[0]) if len(records) == 1 else None
        except RecordError:
            return None
