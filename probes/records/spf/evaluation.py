"""The evaluation of check_host(), RFC 7208 §4.6, §5, §6: one session, one evaluation."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, LookupStatus, is_domain_name, texts
from probes.records.spf.macros import MacroString, parse_macro_string, shortened
from probes.records.spf.record import Directive, Mechanism, SpfRecord, SpfResult, is_spf, parse_spf
from probes.records.spf.verdict import SpfLimits, SpfNode, SpfStep, StepOutcome

MAX_EXPLANATION = 4096
"""Characters of an explanation that are kept; macros can produce any length."""

_MAX_WORDS = 120


@dataclass(frozen=True, slots=True)
class Session:
    """The session that the macros of RFC 7208 §7.2 describe; `at` is in seconds since 1970."""

    ip: IPv4Address | IPv6Address
    local_part: str
    sender_domain: str
    helo: str
    receiver: str
    at: int

    @property
    def address_type(self) -> str:
        """The record type for addresses of the client's family."""
        return "A" if self.ip.version == 4 else "AAAA"

    def values(self, domain: str, validated: str) -> dict[str, str]:
        """The value of each macro letter in the policy of `domain`."""
        is_v4 = self.ip.version == 4
        return {
            "s": f"{self.local_part}@{self.sender_domain}",
            "l": self.local_part,
            "o": self.sender_domain,
            "d": domain,
            "i": str(self.ip) if is_v4 else ".".join(self.ip.packed.hex().upper()),
            "p": validated,
            "v": "in-addr" if is_v4 else "ip6",
            "h": self.helo,
            "c": str(self.ip),
            "r": self.receiver,
            "t": str(self.at),
        }


class Stopped(Exception):
    """The end of the evaluation with this result, at any depth."""

    def __init__(self, result: SpfResult, problem: str, cause: LookedUp | None = None) -> None:
        super().__init__(problem)
        self.result = result
        self.problem = problem
        self.cause = cause


@dataclass(slots=True)
class _Step:
    term: str
    outcome: StepOutcome = StepOutcome.ERROR
    questions: list[str] = field(default_factory=list)
    inner: "_Policy | None" = None

    def frozen(self) -> SpfStep:
        inner = None if self.inner is None else self.inner.frozen()
        return SpfStep(self.term, self.outcome, tuple(self.questions), inner)


@dataclass(slots=True)
class _Policy:
    domain: str
    record: str = ""
    steps: list[_Step] = field(default_factory=list)
    result: SpfResult | None = None

    def frozen(self) -> SpfNode:
        steps = tuple(step.frozen() for step in self.steps)
        return SpfNode(self.domain, self.record, steps, self.result)


class Evaluation:
    """One run of check_host(); counts and tree remain valid after Stopped."""

    def __init__(self, session: Session, lookup: Lookup, limits: SpfLimits) -> None:
        self.lookups = 0
        self.voids = 0
        self.questions = 0
        self.path: list[str] = []
        self.matched: str | None = None
        self._session = session
        self._lookup = lookup
        self._limits = limits
        self._root: _Policy | None = None
        self._step: _Step | None = None
        self._has_void = False
        self._is_explaining = False
        self._explanation: tuple[MacroString, str] | None = None
        self._validated: tuple[str, ...] | None = None

    def tree(self) -> SpfNode | None:
        """The evaluation so far; None before the first policy."""
        return None if self._root is None else self._root.frozen()

    async def evaluate(self, domain: str) -> SpfNode:
        """Evaluate the policy of `domain` and its references.

        Raises Stopped for none and the errors.
        """
        self._root = _Policy(domain)
        await self._policy(self._root, is_ours=True)
        return self._root.frozen()

    async def explain(self) -> str | None:
        """The explanation for a fail, RFC 7208 §6.2; None without a usable one."""
        if self._explanation is None:
            return None
        spec, domain = self._explanation
        self._is_explaining = True  # RFC 7208 §4.6.4: exp counts against no limit
        try:
            name = await self._expanded(spec, domain)
            found = await self._ask(name, "TXT") if is_domain_name(name) else None
            if found is None or len(found.records) != 1:
                return None
            (text,) = texts(found)
            if not text.isascii():
                return None
            parsed = parse_macro_string(text, is_explanation=True)
            return parsed.expand(await self._values(parsed, domain))[:MAX_EXPLANATION]
        except (RecordError, Stopped):
            return None

    async def _policy(self, policy: _Policy, *, is_ours: bool) -> SpfResult:
        """Evaluate one policy; `is_ours` is False within an include, which gives no explanation."""
        record = await self._record(policy)
        for directive in record.directives:
            step = _Step(directive.text)
            policy.steps.append(step)
            path = len(self.path)
            is_match = await self._is_match(directive, policy.domain, step)
            step.outcome = StepOutcome.MATCH if is_match else StepOutcome.NO_MATCH
            if is_match:
                self.path.insert(path, f"{policy.domain}: {directive.text}")
                self._take(record, policy, directive, is_ours=is_ours)
                return directive.qualifier
            del self.path[path:]
        if record.redirect is not None:
            policy.result = await self._redirected(record.redirect, policy, is_ours=is_ours)
        else:
            policy.result = SpfResult.NEUTRAL  # RFC 7208 §4.7
        return policy.result

    def _take(
        self, record: SpfRecord, policy: _Policy, directive: Directive, *, is_ours: bool
    ) -> None:
        policy.result = directive.qualifier
        if not is_ours:
            return
        self.matched = directive.text
        if directive.qualifier is SpfResult.FAIL and record.explanation is not None:
            self._explanation = (record.explanation, policy.domain)

    async def _redirected(
        self, target: MacroString, policy: _Policy, *, is_ours: bool
    ) -> SpfResult:
        """Evaluate a redirect, RFC 7208 §6.1: a target without a policy is permerror."""
        step = _Step(f"redirect={target.text}")
        policy.steps.append(step)
        path = len(self.path)
        self._begin(step)
        step.inner = _Policy(await self._expanded(target, policy.domain))
        result = await self._inner(step.inner, step.term, is_ours=is_ours)
        step.outcome = StepOutcome.FOLLOWED
        if len(self.path) > path:
            self.path.insert(path, f"{policy.domain}: {step.term}")
        return result

    async def _inner(self, policy: _Policy, term: str, *, is_ours: bool) -> SpfResult:
        """Evaluate the policy of an include or redirect; it must exist, RFC 7208 §5.2, §6.1."""
        if not is_domain_name(policy.domain) or "." not in policy.domain:
            raise Stopped(SpfResult.PERMERROR, f"{term[:_MAX_WORDS]} leads to no domain name")
        try:
            return await self._policy(policy, is_ours=is_ours)
        except Stopped as stop:
            if stop.result is not SpfResult.NONE:
                raise
            problem = f"{term[:_MAX_WORDS]} leads to no policy: {stop.problem}"
            raise Stopped(SpfResult.PERMERROR, problem) from stop

    async def _record(self, policy: _Policy) -> SpfRecord:
        """Look up and read the record of a policy, RFC 7208 §4.4, §4.5, §4.6."""
        found = await self._ask(policy.domain, "TXT", is_policy=True)
        records = [text for text in texts(found) if is_spf(text)]
        if not records:
            raise Stopped(SpfResult.NONE, f"{policy.domain} has no SPF record")
        policy.record = records[0]
        if len(records) > 1:
            raise Stopped(SpfResult.PERMERROR, f"{policy.domain} has {len(records)} SPF records")
        try:
            return parse_spf(records[0])
        except RecordError as error:
            raise Stopped(SpfResult.PERMERROR, f"{policy.domain}: {error}") from error

    async def _is_match(self, directive: Directive, domain: str, step: _Step) -> bool:
        self._step = step
        if directive.mechanism is Mechanism.ALL:
            return True
        if directive.network is not None:
            return self._session.ip in directive.network  # another family is never inside
        self._begin(step)
        name = domain
        if directive.target is not None:
            name = await self._expanded(directive.target, domain)
        if directive.mechanism is Mechanism.INCLUDE:
            step.inner = _Policy(name)
            return await self._inner(step.inner, step.term, is_ours=False) is SpfResult.PASS
        # RFC 7208 §4.8: a name that cannot be queried does not exist
        return is_domain_name(name) and await _MATCHERS[directive.mechanism](self, directive, name)

    def _begin(self, step: _Step) -> None:
        """Count a term that needs look-ups; RFC 7208 §4.6.4 allows ten of them."""
        self._step = step
        self._has_void = False
        self.lookups += 1
        if self.lookups > self._limits.lookups:
            problem = f"more than {self._limits.lookups} terms need look-ups"
            raise Stopped(SpfResult.PERMERROR, problem)

    async def _match_a(self, directive: Directive, name: str) -> bool:
        found = await self._ask(name, self._session.address_type)
        return self._is_among(found.records, directive)

    async def _match_mx(self, directive: Directive, name: str) -> bool:
        hosts = (await self._ask(name, "MX")).records
        if len(hosts) > self._limits.names:
            term, most = directive.text[:_MAX_WORDS], self._limits.names
            problem = f"{term}: {len(hosts)} MX hosts are more than {most}"
            raise Stopped(SpfResult.PERMERROR, problem)  # RFC 7208 §4.6.4
        for host in hosts:
            exchange = host.exchange.removesuffix(".")
            if is_domain_name(exchange):
                found = await self._ask(exchange, self._session.address_type)
                if self._is_among(found.records, directive):
                    return True
        return False

    async def _match_exists(self, _: Directive, name: str) -> bool:
        # RFC 7208 §5.7: A for either family of the client
        return bool((await self._ask(name, "A")).records)

    async def _match_ptr(self, _: Directive, name: str) -> bool:
        wanted = name.lower()
        return any(_is_within(host, wanted) for host in await self._validated_names())

    def _is_among(self, addresses: tuple[str, ...], directive: Directive) -> bool:
        ip = self._session.ip
        prefix = directive.prefix4 if ip.version == 4 else directive.prefix6
        return any(
            ip in ip_network((address, prefix), strict=False)
            for address in map(ip_address, addresses)
            if address.version == ip.version
        )

    async def _validated_names(self) -> tuple[str, ...]:
        """The client's names with its address, RFC 7208 §5.5; a failed look-up drops a name."""
        if self._validated is not None:
            return self._validated
        ip = self._session.ip
        names = await self._ask(ip.reverse_pointer, "PTR", is_lenient=True)
        validated: list[str] = []
        for name in names.records[: self._limits.names]:  # the rest is ignored, §4.6.4
            host = name.removesuffix(".").lower()
            if is_domain_name(host):
                found = await self._ask(host, self._session.address_type, is_lenient=True)
                if any(ip_address(address) == ip for address in found.records):
                    validated.append(host)
        self._validated = tuple(validated)
        return self._validated

    async def _expanded(self, spec: MacroString, domain: str) -> str:
        return shortened(spec.expand(await self._values(spec, domain)))

    async def _values(self, text: MacroString, domain: str) -> dict[str, str]:
        validated = "unknown"
        if "p" in text.letters:
            names = await self._validated_names()
            # RFC 7208 §7.3: the domain itself, else one below it, else any
            below = [name for name in names if _is_within(name, domain)]
            validated = next(iter([*(n for n in below if n == domain), *below, *names]), validated)
        return self._session.values(domain, validated)

    async def _ask(
        self, name: str, rdtype: str, *, is_policy: bool = False, is_lenient: bool = False
    ) -> LookedUp:
        """Query a name; a failed look-up is temperror, RFC 7208 §5, unless `is_lenient`."""
        self.questions += 1
        found = await self._lookup(name, rdtype)
        if self._step is not None and not self._is_explaining:
            self._step.questions.append(f"{rdtype} {name}: {found.status}")
        if found.failed and not is_lenient:
            problem = f"{rdtype} of {name} could not be looked up: {found.detail}"
            raise Stopped(SpfResult.TEMPERROR, problem, found)
        if found.is_void and not is_policy:
            self._count_void(name, found.status)
        return found

    def _count_void(self, name: str, status: LookupStatus) -> None:
        """Count a void term, RFC 7208 §4.6.4: once, however many of its look-ups are void."""
        if self._is_explaining or self._has_void:
            return
        self._has_void = True
        self.voids += 1
        if self.voids > self._limits.voids:
            problem = f"more than {self._limits.voids} terms found nothing, {name} ({status}) last"
            raise Stopped(SpfResult.PERMERROR, problem)


_Matcher = Callable[[Evaluation, Directive, str], Awaitable[bool]]

_MATCHERS: Mapping[Mechanism, _Matcher] = {
    Mechanism.A: Evaluation._match_a,
    Mechanism.MX: Evaluation._match_mx,
    Mechanism.PTR: Evaluation._match_ptr,
    Mechanism.EXISTS: Evaluation._match_exists,
}


def _is_within(name: str, domain: str) -> bool:
    domain = domain.lower()
    return name == domain or name.endswith("." + domain)
