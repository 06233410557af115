"""DKIM selectors in use, learnt from the signatures of canaries that arrived."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from probes.canary.trust import Alignment
from probes.records.signatures.dkim_verification import DkimVerdict

MAX_USED = 4
"""Selectors that are learnt from one copy; who signs twice uses two."""

IN_USE_FOR = timedelta(days=2)
"""So long after a canary was signed with it a selector counts as in use."""

KNOWN_FOR = timedelta(days=7)
"""So long after a canary was signed with it a selector is remembered.

RFC 6376 §5.2: a key has to stay for as long as receivers may take to verify; mail is retried for
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
    """A selector that was seen in a signature; `last_seen` is when that canary was sent, in UTC."""

    selector: str
    domain: str
    last_seen: datetime

    def is_in_use(self, now: datetime) -> bool:
        """False if no canary was signed with it for IN_USE_FOR: it may have been retired."""
        return now - self.last_seen <= IN_USE_FOR


def used_selectors(
    verdicts: Sequence[DkimVerdict] | None, alignment: Alignment
) -> tuple[UsedSelector, ...]:
    """Those of signatures for the author domain, whether or not they are good: a key that is gone
    is what is looked for. From the top down, each once, at most MAX_USED."""
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
    """The author domain itself, one below it, or one above it that is no top-level domain."""
    is_above = author.endswith(f".{domain}") and "." in domain
    return domain == author or domain.endswith(f".{author}") or is_above


def _is_plain(name: str) -> bool:
    """A name as people publish keys at: what a relay makes up beyond that is not asked for."""
    return _PLAIN.fullmatch(name) is not None and ".." not in name
