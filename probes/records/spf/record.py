"""SPF records as text, RFC 7208 §4.6, §5, §6."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from ipaddress import IPv4Network as _IPv4Network

from probes.records import RecordError
from probes.records.spf.macros import MacroString, parse_domain_spec, parse_macro_string

MAX_RECORD = 65_535
"""Octets of one record; DNS carries no more."""

MAX_TERMS = 5500
"""Terms of one record; more addresses have no room in it, and nobody may look up so many names."""

_NEARLY = re.compile(r"[^A-Za-z0-9]{0,8}(?:v\s*[=:]\s*spf[-\s]*v?1|spf1\b)", re.IGNORECASE)
_TERM = re.compile(r"[^ ]+")
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_DIRECTIVE = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)([:/].*)?")
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")
# The first of a pair of slashes with nothing but slashes and digits behind it.
_CIDR_START = re.compile(r"(?:/[0-9]*)?(?://[0-9]*)?\Z")

Network = _IPv4Network | IPv6Network


class Mechanism(StrEnum):
    """The mechanisms, RFC 7208 §5."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"


class SpfResult(StrEnum):
    """The results, RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {
    "+": SpfResult.PASS,
    "-": SpfResult.FAIL,
    "~": SpfResult.SOFTFAIL,
    "?": SpfResult.NEUTRAL,
}

LOOKUP_MECHANISMS = frozenset(
    {Mechanism.INCLUDE, Mechanism.A, Mechanism.MX, Mechanism.PTR, Mechanism.EXISTS}
)
"""Mechanisms that count against the limit of ten, RFC 7208 §4.6.4, like the modifier redirect."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One mechanism with its qualifier; `text` is as written.

    `target` is None for the current domain. `network` is that of ip4 and ip6; `prefix4` and
    `prefix6` are the lengths for a and mx.
    """

    text: str
    qualifier: SpfResult
    mechanism: Mechanism
    target: MacroString | None = None
    network: Network | None = None
    prefix4: int = 32
    prefix6: int = 128

    @property
    def needs_lookup(self) -> bool:
        """True if the mechanism counts against the limit of ten."""
        return self.mechanism in LOOKUP_MECHANISMS


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """One record; `modifiers` are the unknown ones, name (lower case) and value."""

    text: str
    directives: tuple[Directive, ...] = ()
    redirect: MacroString | None = None
    explanation: MacroString | None = None
    modifiers: tuple[tuple[str, str], ...] = ()


def is_spf(text: str) -> bool:
    """True for an SPF record, RFC 7208 §4.5: the version alone, or followed by a space."""
    return text[:6].lower() == "v=spf1" and (len(text) == 6 or text[6] == " ")


def is_nearly_spf(text: str) -> bool:
    """True for a text that resembles a record but is none: receivers do not see it."""
    return not is_spf(text) and _NEARLY.match(text) is not None


def parse_spf(text: str) -> SpfRecord:
    """Read a whole record. Raises RecordError for any mistake in it, RFC 7208 §4.6."""
    if not is_spf(text):
        raise RecordError(f"no SPF record: {text[:40]!r}")
    if len(text) > MAX_RECORD:
        raise RecordError("a record longer than DNS carries")
    if not text.isascii():
        raise RecordError("a record with characters that are not ASCII")  # RFC 7208 §3.1
    directives: list[Directive] = []
    ours: dict[str, MacroString] = {}
    modifiers: list[tuple[str, str]] = []
    for count, found in enumerate(_TERM.finditer(text, 6), 1):
        if count > MAX_TERMS:
            raise RecordError(f"more than {MAX_TERMS} terms")
        term = found[0]
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            directives.append(_directive(term))
        elif (name := modifier[1].lower()) in ("redirect", "exp"):
            if name in ours:
                raise RecordError(f"{name}= is there twice")  # RFC 7208 §6
            ours[name] = _spec(term, modifier[2])
        else:
            modifiers.append((name, _macro_string(term, modifier[2]).text))
    return SpfRecord(
        text, tuple(directives), ours.get("redirect"), ours.get("exp"), tuple(modifiers)
    )


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise RecordError(f"no mechanism: {term[:60]!r}")
    try:
        mechanism = Mechanism(found[2].lower())
    except ValueError:
        raise RecordError(f"no such mechanism: {term[:60]!r}") from None
    qualifier = QUALIFIERS[found[1] or "+"]
    rest = found[3] or ""
    if mechanism is Mechanism.ALL:
        if rest:
            raise RecordError(f"all takes nothing: {term[:60]!r}")
        return Directive(term, qualifier, mechanism)
    if mechanism in (Mechanism.IP4, Mechanism.IP6):
        return Directive(term, qualifier, mechanism, network=_network(term, mechanism, rest))
    if mechanism in (Mechanism.A, Mechanism.MX):
        return _address_directive(term, qualifier, mechanism, rest)
    target = None
    if rest or mechanism is not Mechanism.PTR:
        if not rest.startswith(":"):
            raise RecordError(f"a domain is missing: {term[:60]!r}")
        target = _spec(term, rest[1:])
    return Directive(term, qualifier, mechanism, target)


def _address_directive(
    term: str, qualifier: SpfResult, mechanism: Mechanism, rest: str
) -> Directive:
    """Read `a` or `mx`, RFC 7208 §5.3, §5.4, §5.6: domain and dual CIDR length are optional."""
    start = _CIDR_START.search(rest)
    place = len(rest) if start is None else start.start()
    domain, lengths = rest[:place], _CIDR.fullmatch(rest[place:])
    if lengths is None:
        raise RecordError(f"no prefix length: {term[:60]!r}")
    prefix4, prefix6 = int(lengths[1] or "32"), int(lengths[2] or "128")
    if prefix4 > 32 or prefix6 > 128:
        raise RecordError(f"no prefix length: {term[:60]!r}")
    if domain and not domain.startswith(":"):
        raise RecordError(f"no mechanism: {term[:60]!r}")
    target = _spec(term, domain[1:]) if domain else None
    return Directive(term, qualifier, mechanism, target, prefix4=prefix4, prefix6=prefix6)


def _network(term: str, mechanism: Mechanism, rest: str) -> Network:
    """Read an address and a prefix length without leading zeros, RFC 7208 §5.6.

    Host bits may be set.
    """
    address, slash, length = rest[1:].partition("/")
    longest = 32 if mechanism is Mechanism.IP4 else 128
    wanted = IPv4Address if mechanism is Mechanism.IP4 else IPv6Address
    is_length = re.fullmatch("0|[1-9][0-9]{0,2}", length) is not None
    if not rest.startswith(":") or (slash and not (is_length and int(length) <= longest)):
        raise RecordError(f"no network: {term[:60]!r}")
    try:
        parsed = wanted("" if "%" in address else address)
    except ValueError:
        raise RecordError(f"no network: {term[:60]!r}") from None
    return ip_network((parsed, int(length) if slash else longest), strict=False)


def _spec(term: str, text: str) -> MacroString:
    try:
        return parse_domain_spec(text)
    except RecordError as error:
        raise RecordError(f"{term[:60]!r}: {error}") from None


def _macro_string(term: str, text: str) -> MacroString:
    try:
        return parse_macro_string(text)
    except RecordError as error:
        raise RecordError(f"{term[:60]!r}: {error}") from None
