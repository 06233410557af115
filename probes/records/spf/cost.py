"""The cost of a policy in the worst case: nothing matches and every term is evaluated.

The walk also finds faults that would end such an evaluation: missing policies, void names, failed
look-ups.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, is_domain_name, texts
from probes.records.spf.macros import MacroString
from probes.records.spf.record import Directive, Mechanism, SpfRecord, SpfResult, is_spf, parse_spf
from probes.records.spf.verdict import SpfLimits

MAX_POLICIES = 40
"""Policies that are read; a policy with more of them is far above any limit."""

MAX_TERMS = 20
"""Terms `a`, `mx` and `exists` that are looked up; evaluations stop at ten look-up terms."""

_CEILING = 1000
_MAX_HOSTS = SpfLimits().names


class Trouble(StrEnum):
    """The kinds of trouble; each is the end of a finding's code."""

    INCLUDE_BROKEN = "include_broken"
    INCLUDE_MISSING = "include_missing"
    INCLUDE_PERMISSIVE = "include_permissive"
    LOOKUP_FAILED = "lookup_failed"
    MX_TOO_MANY = "mx_too_many"
    TERM_VOID = "term_void"


@dataclass(frozen=True, slots=True)
class SpfTrouble:
    """A fault that ends an evaluation; `subject` is the name.

    `is_ours` is True for a look-up that failed because of our own resolver.
    """

    trouble: Trouble
    subject: str
    evidence: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True)
class SpfCost:
    """The cost of a policy; `lookups` counts as RFC 7208 §4.6.4 does, at most 1000.

    `domains` are the domains of the policies that were read, in order. `voids` are the void terms
    for a client over IPv4 and for one over IPv6. Names with macros, `ptr` and terms after the first
    20 are not counted there. `loops` names a domain that leads to itself, "" for none.
    `is_complete` is False if a policy could not be read, or if a macro makes its name unknown.
    """

    lookups: int
    domains: tuple[str, ...]
    loops: str = ""
    is_complete: bool = True
    voids: tuple[int, int] = (0, 0)
    troubles: tuple[SpfTrouble, ...] = ()


async def worst_case(domain: str, record: SpfRecord, lookup: Lookup) -> SpfCost:
    """The cost of `record`, the policy of `domain`, with all policies it refers to."""
    walk = _Walk(lookup)
    total = await walk.cost(domain.lower(), record, grants=True)
    return SpfCost(
        total.lookups,
        tuple(walk.known),
        walk.loops,
        walk.is_complete,
        total.voids,
        tuple(dict.fromkeys(walk.troubles)),
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    lookups: int = 0
    voids: tuple[int, int] = (0, 0)

    def __add__(self, other: "_Cost") -> "_Cost":
        (v4, v6), (more4, more6) = self.voids, other.voids
        return _Cost(
            min(self.lookups + other.lookups, _CEILING),
            (min(v4 + more4, _CEILING), min(v6 + more6, _CEILING)),
        )


_VOID = _Cost(voids=(1, 1))


class _Walk:
    def __init__(self, lookup: Lookup) -> None:
        self.known: dict[str, _Cost | None] = {}
        self.loops = ""
        self.is_complete = True
        self.troubles: list[SpfTrouble] = []
        self._lookup = lookup
        self._terms = 0
        self._unread: set[str] = set()

    async def cost(self, domain: str, record: SpfRecord, *, grants: bool) -> _Cost:
        """The cost of one policy; `grants` is True if its pass makes the first policy pass."""
        is_first = not self.known
        self.known[domain] = None  # in progress
        tried, ends = _tried(record)
        total = _Cost(sum(one.needs_lookup for one in tried))
        for found in await asyncio.gather(*(self._names(domain, one) for one in tried)):
            total += found
        for directive in tried:
            if directive.mechanism is Mechanism.INCLUDE and directive.target is not None:
                passes = grants and directive.qualifier is SpfResult.PASS
                term = f"{domain}: {directive.text}"
                total += await self._inner(directive.target, term, grants=passes)
        if ends is not None and ends.qualifier is SpfResult.PASS and grants and not is_first:
            self._note(Trouble.INCLUDE_PERMISSIVE, domain, ends.text)
        if ends is None and record.redirect is not None:
            term = f"{domain}: redirect={record.redirect.text}"
            inner = await self._inner(record.redirect, term, grants=grants)
            total += _Cost(1) + inner
        self.known[domain] = total
        return total

    async def _inner(self, target: MacroString, term: str, *, grants: bool) -> _Cost:
        name = target.text.lower().removesuffix(".")
        if name in self._unread:
            return _Cost()
        if name in self.known:
            cost = self.known[name]
            if cost is None:
                self.loops = self.loops or name
            return cost or _Cost()
        record = None
        if not target.letters and len(self.known) + len(self._unread) < MAX_POLICIES:
            record = await self._record(name, term)
        if record is None:
            self._unread.add(name)
            self.is_complete = False
            return _Cost()
        return await self.cost(name, record, grants=grants)

    async def _record(self, name: str, term: str) -> SpfRecord | None:
        """The policy of a domain; RFC 7208 §5.2 and §6.1 require a readable one."""
        if not is_domain_name(name):
            self._note(Trouble.INCLUDE_BROKEN, name, f"{term} leads to no domain name")
            return None
        found = await self._ask(name, "TXT", term)
        if found.failed:
            return None
        records = [text for text in texts(found) if is_spf(text)]
        if not records:
            evidence = f"{term}; TXT: {found.status}, none begins with v=spf1"
            self._note(Trouble.INCLUDE_MISSING, name, evidence)
            return None
        problem = f"{len(records)} records"
        if len(records) == 1:
            try:
                return parse_spf(records[0])
            except RecordError as error:
                problem = str(error)
        self._note(Trouble.INCLUDE_BROKEN, name, f"{term}; {problem}")
        return None

    async def _names(self, domain: str, directive: Directive) -> _Cost:
        """The cost of one term in void look-ups; a name with a macro is unknown here."""
        look = {
            Mechanism.A: self._a,
            Mechanism.MX: self._mx,
            Mechanism.EXISTS: self._exists,
        }.get(directive.mechanism)
        name = domain if directive.target is None else directive.target.text.removesuffix(".")
        is_open = directive.target is not None and directive.target.letters
        if look is None or is_open or not is_domain_name(name) or self._terms >= MAX_TERMS:
            return _Cost()
        self._terms += 1
        return await look(name, f"{domain}: {directive.text}")

    async def _a(self, name: str, term: str) -> _Cost:
        voids = await self._without_address(name, term)
        if all(voids):
            self._note(Trouble.TERM_VOID, name, f"{term}; no A and no AAAA record")
        return _Cost(voids=voids)

    async def _exists(self, name: str, term: str) -> _Cost:
        found = await self._ask(name, "A", term)
        if not found.is_void:
            return _Cost()
        self._note(Trouble.TERM_VOID, name, f"{term}; A: {found.status}")
        return _VOID

    async def _mx(self, name: str, term: str) -> _Cost:
        found = await self._ask(name, "MX", term)
        if found.is_void:
            self._note(Trouble.TERM_VOID, name, f"{term}; MX: {found.status}")
            return _VOID
        hosts = [one.exchange.removesuffix(".") for one in found.records]
        if len(hosts) > _MAX_HOSTS:
            evidence = f"{term}; {len(hosts)} MX hosts, {_MAX_HOSTS} are allowed"
            self._note(Trouble.MX_TOO_MANY, name, evidence)
            return _Cost()
        asked = [self._without_address(host, term) for host in hosts if is_domain_name(host)]
        voids = await asyncio.gather(*asked)
        if voids and all(map(all, voids)):
            self._note(Trouble.TERM_VOID, name, f"{term}; no host has an address")
        # one void host makes the whole term void, as check_host counts
        return _Cost(
            voids=(max((v4 for v4, _ in voids), default=0), max((v6 for _, v6 in voids), default=0))
        )

    async def _without_address(self, name: str, term: str) -> tuple[int, int]:
        """Count 1 for each of the two families without an address at a name."""
        v4, v6 = await asyncio.gather(*(self._ask(name, family, term) for family in ("A", "AAAA")))
        return int(v4.is_void), int(v6.is_void)

    async def _ask(self, name: str, rdtype: str, term: str) -> LookedUp:
        found = await self._lookup(name, rdtype)
        if found.failed:
            self._failed(name, f"{term}; {rdtype}: {found.detail}", found)
        return found

    def _failed(self, name: str, evidence: str, found: LookedUp) -> None:
        self.is_complete = False
        trouble = SpfTrouble(Trouble.LOOKUP_FAILED, name, evidence, found.is_ours)
        self.troubles.append(trouble)

    def _note(self, trouble: Trouble, subject: str, evidence: str) -> None:
        self.troubles.append(SpfTrouble(trouble, subject, evidence))


def _tried(record: SpfRecord) -> tuple[tuple[Directive, ...], Directive | None]:
    """The terms before `all`, and `all`; None if the record has none."""
    tried: list[Directive] = []
    for directive in record.directives:
        if directive.mechanism is Mechanism.ALL:
            return tuple(tried), directive
        tried.append(directive)
    return tuple(tried), None
