"""DKIM selectors in use, learnt from the signatures of arrived canaries."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.canary.trust import Alignment
from probes.records.signatures.dkim_verification import DkimVerdict

MAX_USED = 4
"""Selectors learnt from one copy; a sender with two signatures uses two."""

IN_USE_FOR = timedelta(days=2)
"""The time for which a selector counts as in use after a canary signed with it."""

KNOWN_FOR = timedelta(days=7)
"""The time for which a selector is remembered after a canary signed with it.

RFC 6376 §5.2: a key has to stay for as long as receivers may take to verify. Mail is retried for
four to five days (RFC 5321 §4.5.4.1).
"""

_PLAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class UsedSelector:
    """The selector (s=) and the domain (d=) of a signature, in lower case."""

    selector: str
    domain: str


@dataclass(frozen=True, slots=True)
class LearntSelector:
    """A selector from a signature; `last_seen` is the sending time of that canary, in UTC."""

    selector: str
    domain: str
    last_seen: datetime

    def is_in_use(self, now: datetime) -> bool:
        """False if no canary was signed with it for IN_USE_FOR: it may have been retired."""
        return now - self.last_seen <= IN_USE_FOR


def used_selectors(
    verdicts: Sequence[DkimVerdict] | None, alignment: Alignment
) -> tuple[UsedSelector, ...]:
    """The selectors of signatures for the author domain, from the top down, each once.

    At most MAX_USED are returned. Invalid signatures count too, so that a missing key is noticed.
    """
    author = alignment.author_domain
    if author is None:
        return ()
    signatures = (one.signature for one in verdicts or ())
    used = dict.fromkeys(
        UsedSelector(one.selector, one.domain)
        for one in signatures
        if one is not None and _speaks_for(one.domain, author.lower()) and _is_plain(one.key_name)
    )
    return tuple(used)[:MAX_USED]


def _speaks_for(domain: str, author: str) -> bool:
    """True for the author domain, its subdomains, and its parents below the top-level domain."""
    is_above = author.endswith(f".{domain}") and "." in domain
    return domain == author or domain.endswith(f".{author}") or is_above


def _is_plain(name: str) -> bool:
    """True for an ordinary key name; unusual names that a relay may write are not queried."""
    return _PLAIN.fullmatch(name) is not None and ".." not in name
