"""What is examined of a domain without being named: common DKIM selectors, and its MX addresses.

Both are polite: a bounded number of DNS questions through our resolver, for a bounded time. They
are asked for by `diagnose`, where nobody named selectors or sending addresses.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence

from probes.kinds.sender.dkim_keys import Selector
from probes.kinds.sender.lists import BlockList, is_sound, questions
from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, LookupStatus, is_domain_name, texts
from probes.records.mx import hosts_of
from probes.records.signatures.dkim_records import parse_key_record
from probes.records.special_addresses import special_use

COMMON_SELECTORS = (
    *("default", "dkim", "mail", "email", "smtp", "mx", "s1", "s2", "k1", "k2", "k3", "key1"),
    *("selector1", "selector2", "google", "fm1", "fm2", "fm3", "protonmail", "mandrill", "zoho"),
    *("sig1", "mxvault", "20230601"),
)
"""Selectors that large senders, mail programs and their manuals use."""

MAX_MX_ADDRESSES = 8
"""Addresses of MX hosts that block lists are asked about."""

PATIENCE = 6.0
"""Seconds for all questions of a kind; what has no answer by then is not examined."""


async def common_selectors(domain: str, lookup: Lookup) -> tuple[Selector, ...]:
    """Return the common selectors that have a key there; none where every name has a record."""
    control = Selector(f"no-such-{secrets.token_hex(4)}", domain)
    guesses = [Selector(name, domain, is_in_use=False) for name in COMMON_SELECTORS]
    names = [one.key_name for one in (control, *guesses)]
    found = await in_time(lookup, [(name, "TXT") for name in names if is_domain_name(name)])
    known = found.get((control.key_name, "TXT"))
    if known is None or known.status is LookupStatus.FOUND:
        return ()
    return tuple(one for one in guesses if _is_key(found.get((one.key_name, "TXT"))))


def _is_key(found: LookedUp | None) -> bool:
    return found is not None and any(map(_is_record, texts(found)))


def _is_record(text: str) -> bool:
    try:
        parse_key_record(text)
    except RecordError:
        return False
    return True


async def mx_addresses(domain: str, lookup: Lookup) -> tuple[str, ...]:
    """Return the public addresses of the most preferred MX hosts."""
    found = await in_time(lookup, [(domain, "MX")])
    answer = found.get((domain, "MX"))
    records = () if answer is None else answer.records
    hosts = [record.exchange for record in hosts_of(records)][:MAX_MX_ADDRESSES]
    wanted = [(host, kind) for host in hosts if is_domain_name(host) for kind in ("A", "AAAA")]
    answers = await in_time(lookup, wanted)
    every = [address for one in wanted if one in answers for address in answers[one].records]
    public = [address for address in dict.fromkeys(every) if special_use(address) is None]
    return tuple(public[:MAX_MX_ADDRESSES])


async def lists_in_time(
    lists: Iterable[BlockList], ips: Sequence[str], lookup: Lookup
) -> tuple[BlockList, ...]:
    """Return the lists in order that answer every question about these addresses soon enough."""
    wanted = {one.shown: (one, questions(one, ips)) for one in lists}
    names = [(name, "A") for _, asked in wanted.values() for name in asked]
    answers = await in_time(lookup, names)
    prompt = [
        one for one, asked in wanted.values() if all((name, "A") in answers for name in asked)
    ]
    return tuple([one for one in prompt if await is_sound(one, ips, lookup)])


async def in_time(
    lookup: Lookup, wanted: Sequence[tuple[str, str]], seconds: float = PATIENCE
) -> Mapping[tuple[str, str], LookedUp]:
    """Return the answers that came within `seconds`; the other questions are given up."""
    tasks = {
        question: asyncio.ensure_future(lookup(*question)) for question in dict.fromkeys(wanted)
    }
    if not tasks:
        return {}
    try:
        await asyncio.wait(tasks.values(), timeout=seconds)
        return {question: task.result() for question, task in tasks.items() if task.done()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
