"""Verdicts of spam filters in the header, each in the filter's own form.

No standard defines these fields: the manuals and habits of the filters are the reference.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from probes.records.spam.assassin import MAILSCANNER, SPAMASSASSIN, mailscanner, x_spam
from probes.records.spam.gateways import (
    AMAZON_SES,
    BARRACUDA,
    BOGOFILTER,
    GMAIL,
    IRONPORT,
    MIMECAST,
    PROOFPOINT,
    VADE,
    amazon_ses,
    barracuda,
    bogofilter,
    gmail,
    ironport,
    mimecast,
    proofpoint,
    vade,
)
from probes.records.spam.microsoft import MICROSOFT, microsoft
from probes.records.spam.rspamd import RSPAMD, rspamd
from probes.records.spam.values import Fields, SpamVerdict

__all__ = ["MAX_FIELDS", "SpamVerdict", "spam_verdicts"]

MAX_FIELDS = 1000
"""Fields of one header that are searched; the first ones are the receiver's."""

_Field = tuple[str, str]
_FAMILIES: tuple[tuple[re.Pattern[str], Callable[[Fields], SpamVerdict]], ...] = (
    (RSPAMD, rspamd),
    (SPAMASSASSIN, x_spam),
    (MAILSCANNER, mailscanner),
    (MICROSOFT, microsoft),
    (GMAIL, gmail),
    (PROOFPOINT, proofpoint),
    (MIMECAST, mimecast),
    (BARRACUDA, barracuda),
    (AMAZON_SES, amazon_ses),
    (BOGOFILTER, bogofilter),
    (VADE, vade),
    (IRONPORT, ironport),
)
_SHARED = frozenset(("x-spam-status", "x-spam-flag", "x-spam-score", "x-spam-level"))
"""Fields that both rspamd and SpamAssassin write."""

_SPAMASSASSIN_ONLY = re.compile(r"required\s?=|hits\s?=|tests\s?=|autolearn", re.IGNORECASE)


def spam_verdicts(headers: Sequence[tuple[str, str]]) -> tuple[SpamVerdict, ...]:
    """Verdicts among (name, value) pairs, topmost first, one for each filter with fields.

    A repeated field of a filter counts as a second filter of that kind: two relays that each
    scanned the message give two verdicts. Any texts give values; MAX_FIELDS are searched.
    """
    fields = [(index, field) for index, field in enumerate(islice(headers, MAX_FIELDS))]
    is_rspamd = _rspamd_writes_x_spam(field for _, field in fields)
    groups: list[tuple[int, Callable[[Fields], SpamVerdict], list[_Field]]] = []
    for pattern, reader in _FAMILIES:
        own = [
            (index, field)
            for index, field in fields
            if _belongs(field[0], pattern, is_rspamd=is_rspamd)
        ]
        groups += [(first, reader, group) for first, group in _scans(own)]
    groups.sort(key=lambda group: group[0])
    return tuple(reader(Fields(group)) for _, reader, group in groups)


def _belongs(name: str, pattern: re.Pattern[str], *, is_rspamd: bool) -> bool:
    """True for a field of the filter; shared fields are rspamd's if it wrote them."""
    plain = name.strip().lower()
    if plain in _SHARED and pattern in (RSPAMD, SPAMASSASSIN):
        return (pattern is RSPAMD) == is_rspamd
    if pattern is SPAMASSASSIN and RSPAMD.fullmatch(plain):
        return False
    return pattern.fullmatch(plain) is not None


def _scans(own: Iterable[tuple[int, _Field]]) -> list[tuple[int, list[_Field]]]:
    """The fields of each scan with their first position; a repeated name begins a new scan."""
    scans: list[tuple[int, list[_Field]]] = []
    seen: set[str] = set()
    for index, (name, value) in own:
        plain = name.strip().lower()
        if not scans or plain in seen:
            scans.append((index, []))
            seen = set()
        seen.add(plain)
        scans[-1][1].append((name, value))
    return scans


def _rspamd_writes_x_spam(fields: Iterable[_Field]) -> bool:
    """True if there are fields of rspamd and no status in SpamAssassin's form."""
    has_own = False
    for name, value in fields:
        plain = name.strip().lower()
        if plain == "x-spam-status" and _SPAMASSASSIN_ONLY.search(value[:4096]):
            return False
        has_own = has_own or RSPAMD.fullmatch(plain) is not None
    return has_own
