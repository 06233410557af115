"""Mailbox addresses, RFC 5321 §4.1.2, with the internationalized local parts of RFC 6531 §3.3."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

from probes.records import RecordError

_MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
_MAX_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_DOT_STRING = rf"{_ATOM}(?:\.{_ATOM})*"
_QUOTED_STRING = r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"'
_LOCAL_PART = re.compile(rf"(?:{_DOT_STRING}|{_QUOTED_STRING})\Z")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: `local_part` as written, quotes included.

    `domain` is in lower case A-labels, or an address literal with its brackets and the address in
    canonical form (`[192.0.2.1]`, `[IPv6:2001:db8::1]`).
    """

    local_part: str
    domain: str

    @property
    def literal(self) -> str | None:
        """The IP address if the domain is an address literal, RFC 5321 §4.1.3; else None."""
        if not self.domain.startswith("["):
            return None
        return self.domain[1:-1].removeprefix("IPv6:")

    @property
    def needs_smtputf8(self) -> bool:
        """True if the address can only be sent with SMTPUTF8, RFC 6531 §3.4."""
        return not self.local_part.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def parse_address(text: str) -> Address:
    """Read one `Mailbox` without angle brackets, comments or surrounding space.

    Raises RecordError for everything else, the empty reverse-path and bare `postmaster` included.
    """
    local_part, at, domain = text.rpartition("@")
    if not at:
        raise RecordError(f"not a mail address (no @): {text[:80]!r}")
    if not local_part.isprintable() or _LOCAL_PART.match(local_part) is None:
        raise RecordError(f"not a local part: {local_part[:80]!r}")
    if len(local_part.encode("utf-8")) > _MAX_LOCAL_PART:
        raise RecordError(f"a local part of more than {_MAX_LOCAL_PART} octets")
    return Address(local_part, _literal(domain) if domain[:1] == "[" else parse_domain(domain))


def domain_of(text: str) -> str:
    """The domain of an address, see Address.domain. Raises RecordError."""
    return parse_address(text).domain


def parse_domain(text: str) -> str:
    """A domain name, in any script, as lower case A-labels. Raises RecordError.

    Conversion follows IDNA 2008 (RFC 5891) after the mapping of UTS 46: the domain the registry
    knows, where the older IDNA 2003 would name another one for letters such as ß.
    """
    domain = text.lower()
    if not 0 < len(domain) <= _MAX_DOMAIN:
        raise RecordError(f"not a domain name (1 to {_MAX_DOMAIN} octets): {text[:80]!r}")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except UnicodeError as error:
            raise RecordError(f"not a domain name: {text[:80]!r} ({error})") from error
    if len(domain) > _MAX_DOMAIN or any(not _LABEL.match(label) for label in domain.split(".")):
        raise RecordError(f"not a domain name: {text[:80]!r}")
    return domain


def _literal(text: str) -> str:
    """An address literal with the address in canonical form, RFC 5321 §4.1.3."""
    inner = text[1:-1]
    is_ipv6 = inner[:5].lower() == "ipv6:"
    try:
        address = ip_address(inner[5:] if is_ipv6 else inner)
    except ValueError as error:
        raise RecordError(f"not an address literal: {text[:80]!r}") from error
    wanted = IPv6Address if is_ipv6 else IPv4Address
    if text[-1] != "]" or not isinstance(address, wanted) or "%" in inner:
        raise RecordError(f"not an address literal: {text[:80]!r}")
    return f"[IPv6:{address}]" if is_ipv6 else f"[{address}]"
