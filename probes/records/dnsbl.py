"""DNS block lists, RFC 5782: query names, and the meaning of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from probes.records import RecordError
from probes.records.looked_up import LookedUp

MAX_CODES = 16
"""Addresses of one answer that are kept."""

_LISTED = IPv4Network("127.0.0.0/8")
# Used by the larger lists to refuse a query: wrong zone, open resolver, too many queries.
_REFUSALS = IPv4Network("127.255.255.0/24")
# RFC 5782 §5: the entry every list of addresses has, and the one none may have
TEST_ENTRY = {4: "127.0.0.2", 6: "::ffff:7f00:2"}
NO_ENTRY = {4: "127.0.0.1", 6: "::ffff:7f00:1"}
# RFC 5782 §5: the same of lists of domains
TEST_DOMAIN = "test"
NO_DOMAIN = "invalid"

REFUSALS = {
    "127.255.255.252": "the zone's name is misspelt",
    "127.255.255.254": "questions through a public resolver are refused",
    "127.255.255.255": "too many questions",
}
"""Meanings of the usual refusal codes; others of 127.255.255.0/24 are refusals as well."""

DOMAIN_REFUSALS = {
    "127.0.0.1": "the list refuses to answer",
    "127.0.1.255": "the list has no addresses",
}
"""Further refusal codes of lists of domains."""


class Listing(StrEnum):
    """The answer of a list about one entry."""

    LISTED = "listed"
    NOT_LISTED = "not_listed"
    REFUSED = "refused"
    """The list refused to answer us: neither listed nor not."""
    ODD = "odd"
    """Addresses outside of 127.0.0.0/8: not a list's answer, RFC 5782 §2.3."""
    FAILED = "failed"
    """The look-up failed."""


@dataclass(frozen=True, slots=True)
class ListAnswer:
    """The answer to one query; `codes` are its A records, at most MAX_CODES.

    `lifetime` is the number of seconds for which the answer may be reused, None if not known.
    """

    listing: Listing
    codes: tuple[str, ...] = ()
    detail: str = ""
    lifetime: int | None = None


def query_name(ip: str, zone: str) -> str:
    """The query name: reversed octets (RFC 5782 §2.1) or nibbles (RFC 5782 §2.4), then the zone.

    An IPv4-mapped address is queried as IPv6, like the test entries. Raises RecordError.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        raise RecordError(f"not an IP address: {ip[:80]!r}") from None
    return f"{_reversed(address)}.{zone}"


def domain_query_name(domain: str, zone: str) -> str:
    """The query name: the domain unchanged, then the zone, RFC 5782 §3."""
    return f"{domain.lower().rstrip('.')}.{zone}"


def _reversed(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return ".".join(str(octet) for octet in reversed(address.packed))
    return ".".join(reversed(address.packed.hex()))


def read_domain_answer(found: LookedUp) -> ListAnswer:
    """Read the outcome of the A look-up of a `domain_query_name`."""
    answer = read_answer(found)
    for code in answer.codes:
        if code in DOMAIN_REFUSALS and answer.listing is Listing.LISTED:
            return ListAnswer(Listing.REFUSED, answer.codes, f"{code}: {DOMAIN_REFUSALS[code]}")
    return answer


def read_answer(found: LookedUp) -> ListAnswer:
    """Read the outcome of the A look-up of a `query_name`."""
    if found.failed:
        return ListAnswer(Listing.FAILED, detail=found.detail)
    codes = tuple(str(code) for code in found.records[:MAX_CODES])
    addresses = [IPv4Address(code) for code in codes]
    if not addresses:
        return ListAnswer(Listing.NOT_LISTED, lifetime=found.lifetime)
    refusals = [code for code, ip in zip(codes, addresses, strict=True) if ip in _REFUSALS]
    if refusals:
        detail = REFUSALS.get(refusals[0], "the list refuses to answer")
        return ListAnswer(Listing.REFUSED, codes, f"{refusals[0]}: {detail}")
    if any(ip not in _LISTED for ip in addresses):
        return ListAnswer(Listing.ODD, codes, "an answer outside of 127.0.0.0/8")
    return ListAnswer(Listing.LISTED, codes, lifetime=found.lifetime)


@dataclass(frozen=True, slots=True)
class ListHealth:
    """The health of a list; `problem` is "" for a healthy one.

    `is_supported` is False if the list answers but lacks the test entry of that address family: it
    has no addresses of that family.
    """

    problem: str = ""
    is_supported: bool = True

    @property
    def is_healthy(self) -> bool:
        """True if the test entries are as RFC 5782 §5 requires."""
        return not self.problem


def health(test_entry: ListAnswer, no_entry: ListAnswer, *, version: int) -> ListHealth:
    """Judge a list by RFC 5782 §5: a working list has 127.0.0.2 and not 127.0.0.1."""
    for name, answer in ((TEST_ENTRY[version], test_entry), (NO_ENTRY[version], no_entry)):
        if answer.listing in (Listing.REFUSED, Listing.ODD, Listing.FAILED):
            return ListHealth(f"{name}: {answer.detail or answer.listing}")
    if no_entry.listing is Listing.LISTED:
        return ListHealth(f"{NO_ENTRY[version]} is listed: the list lists everything")
    if test_entry.listing is Listing.NOT_LISTED:
        problem = f"the test entry {TEST_ENTRY[version]} is not listed: the list is empty or gone"
        return ListHealth(problem, is_supported=version == 4)
    return ListHealth()


def domain_health(
    test_entry: ListAnswer, no_entry: ListAnswer, address_entry: ListAnswer
) -> ListHealth:
    """Judge a list of domains by RFC 5782 §5: a working one has TEST and not INVALID.

    `address_entry` is the answer for 127.0.0.2; it suffices for a combined list without TEST.
    """
    for name, answer in ((TEST_DOMAIN, test_entry), (NO_DOMAIN, no_entry)):
        if answer.listing in (Listing.REFUSED, Listing.ODD, Listing.FAILED):
            return ListHealth(f"{name}: {answer.detail or answer.listing}")
    if no_entry.listing is Listing.LISTED:
        return ListHealth(f"{NO_DOMAIN} is listed: the list lists everything")
    if Listing.LISTED not in (test_entry.listing, address_entry.listing):
        problem = f"the test entry {TEST_DOMAIN} is not listed: the list is empty or gone"
        return ListHealth(problem)
    return ListHealth()


def without_key(zone: str) -> str:
    """The zone for display, without a first label that is a customer's key."""
    return f"***.{zone.partition('.')[2]}"


def reasons(texts: Sequence[str]) -> str:
    """The TXT records of a listing, on one line for people, RFC 5782 §2.1."""
    return " / ".join(text.strip()[:200] for text in texts[:3])
