"""The input of evaluations that need the DNS: one injected look-up, and its outcome."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class LookupStatus(StrEnum):
    """The outcome of a look-up, in the detail that SPF, DMARC and block lists need."""

    FOUND = "found"
    NXDOMAIN = "nxdomain"
    NO_DATA = "no_data"
    FAILED = "failed"
    """No answer about the name: SERVFAIL, bogus, refused, silence. RFC 7208 §2.6.6."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """One outcome; `records` is empty unless `status` is `found`.

    Records are `bytes` for TXT (the strings of one record joined without a space), `str` for A,
    AAAA and PTR, `MxRecord` for MX. `detail` explains a failed look-up to people, `failure` names
    it in a word (`servfail`, `timeout`). `is_ours` is True if our own resolver is the cause.
    `lifetime` is the number of seconds for which the outcome may be reused, None if the answer
    gives none.
    """

    status: LookupStatus
    records: tuple[Any, ...] = ()
    detail: str = ""
    is_ours: bool = False
    failure: str = ""
    lifetime: int | None = None

    @property
    def is_void(self) -> bool:
        """True for an answer without records, RFC 7208 §4.6.4."""
        return self.status in (LookupStatus.NXDOMAIN, LookupStatus.NO_DATA)

    @property
    def failed(self) -> bool:
        """True if the look-up gave no answer about the name."""
        return self.status is LookupStatus.FAILED


Lookup = Callable[[str, str], Awaitable[LookedUp]]
"""Looks up a name and a record type (`TXT`, `A`, `AAAA`, `MX`, `PTR`); never raises for an outcome.

Names are in text, labels separated by dots without a dot at the end, nothing escaped: any other
character belongs to its label. No label is empty or longer than 63 octets.
"""

MAX_NAME = 253
"""Octets of a domain name as text."""

_MAX_LABEL = 63


def is_domain_name(name: str) -> bool:
    """True for a name that can be queried: no empty or long label, not too long in all."""
    octets = name.encode("utf-8", "surrogatepass")
    labels = octets.split(b".")
    return len(octets) <= MAX_NAME and all(0 < len(label) <= _MAX_LABEL for label in labels)


def texts(found: LookedUp) -> tuple[str, ...]:
    """The TXT records as text, octet by octet, so that non-ASCII octets stay visible."""
    return tuple(record.decode("latin-1") for record in found.records)
