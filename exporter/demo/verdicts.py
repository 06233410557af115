"""The MX host's findings about the origin of a message; it claims nothing else."""

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

from exporter.demo.lookups import LookupFailed, Lookups

_MAX_SIGNATURES = 5
_SPF_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\r\n[ \t].*)*)\r\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Origin:
    """The client that handed a message over: its address, its EHLO name, the envelope sender.

    `sender` is "" for the null reverse-path (RFC 5321 §4.5.5).
    """

    address: str
    helo: str
    sender: str


async def authentication_results(
    host: str, content: bytes, origin: Origin, lookups: Lookups
) -> str:
    """The value of an Authentication-Results field (RFC 8601 §2.2), in `host`'s name."""
    results = [*await _spf(origin, lookups), *await _dkim(content, lookups)]
    return ";\r\n\t".join([host, *results] if results else [host, "none"])


def without_forged_results(content: bytes, host: str) -> bytes:
    """The message without results that claim to be `host`'s own, RFC 8601 §5."""
    head, separator, body = content.partition(b"\r\n\r\n")
    own = host.lower().encode("ascii")

    def keep(field: re.Match[bytes]) -> bytes:
        claimed = field[2].strip().partition(b";")[0].strip().lower()
        is_forged = field[1].lower() == b"authentication-results" and claimed == own
        return b"" if is_forged else field[0]

    return _FIELD.sub(keep, head + b"\r\n").removesuffix(b"\r\n") + separator + body


async def _spf(origin: Origin, lookups: Lookups) -> list[str]:
    """One result, or none when the record needs a mechanism that is not evaluated here.

    The mechanisms are those that the world's own zones use: ip4, ip6 and all (RFC 7208 §5).
    """
    identity = "smtp.mailfrom" if origin.sender else "smtp.helo"  # RFC 7208 §2.4
    domain = origin.sender.rpartition("@")[2] if origin.sender else origin.helo
    try:
        records = await lookups.txt(domain)
    except LookupFailed:
        return [f"spf=temperror {identity}={domain}"]
    policies = [r for r in records if r.split(b" ", 1)[0].lower() == b"v=spf1"]
    if len(policies) != 1:
        return [f"spf={'permerror' if policies else 'none'} {identity}={domain}"]
    result = _evaluate(policies[0].decode("ascii", "replace"), origin.address)
    return [f"spf={result} {identity}={domain}"] if result else []


def _evaluate(policy: str, client: str) -> str | None:
    for term in policy.split()[1:]:
        qualifier, mechanism = (term[0], term[1:]) if term[0] in _SPF_RESULTS else ("+", term)
        name, _, value = mechanism.lower().partition(":")
        if name == "all":
            return _SPF_RESULTS[qualifier]
        if name not in ("ip4", "ip6"):
            return None
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            return "permerror"
        if ip_address(client) in network:
            return _SPF_RESULTS[qualifier]
    return "neutral"  # RFC 7208 §4.7


async def _dkim(content: bytes, lookups: Lookups) -> list[str]:
    head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    found = [f[2] for f in _FIELD.finditer(head) if f[1].lower() == b"dkim-signature"]
    results: list[str] = []
    for index, value in enumerate(found[:_MAX_SIGNATURES]):
        try:
            tags = parse_tag_value(value)
            domain, selector = tags[b"d"].decode("ascii"), tags[b"s"].decode("ascii")
        except (InvalidTagValueList, KeyError, UnicodeDecodeError):
            results.append("dkim=permerror (signature cannot be read)")
            continue
        verdict = await _verify(content, index, f"{selector}._domainkey.{domain}", lookups)
        results.append(f"dkim={verdict} header.d={domain} header.s={selector}")
    return results or ["dkim=none"]


async def _verify(content: bytes, index: int, name: str, lookups: Lookups) -> str:
    """Verify one signature, RFC 6376 §6.1, with the key that stands in the DNS under `name`."""
    try:
        keys = await lookups.txt(name)
    except LookupFailed:
        return "temperror"
    if not keys:
        return "permerror"
    try:
        is_valid = dkim.DKIM(content).verify(index, dnsfunc=lambda *_asked, **_how: keys[0])
    except dkim.ValidationError:  # the body is another, the signature has expired, ...
        return "fail"
    except dkim.DKIMException:
        return "permerror"
    return "pass" if is_valid else "fail"
