"""The reverse DNS part of kind `sender`: the name of a sending address, and its EHLO name."""

import re
from ipaddress import ip_address
from typing import NoReturn

from probes.catalogue import sender
from probes.catalogue.entry import Entry
from probes.kinds.sender.looked_up import not_looked_up
from probes.records.looked_up import LookedUp, Lookup
from probes.records.looked_up import is_domain_name as is_name
from probes.result import Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

MAX_NAMES = 10
"""Names of one address that are confirmed."""

_NUMBERS = re.compile(r"\d+")
_GENERIC = re.compile(r"(?:^|[.-])(?:dynamic|dyn|dhcp|dsl|adsl|cable|pool|ppp|dialup)(?:[.-]|\d)")


async def probe_reverse(trace: Trace, ip: str, ehlo_name: str | None, lookup: Lookup) -> None:
    """That the address has a name which has the address (FCrDNS), and that the EHLO name is its.

    `ehlo_name` is None where it is not known.
    """
    pointer = ip_address(ip).reverse_pointer
    with trace.part(pointer, ip) as part, part.phase(Phase.DNS_ADDRESS):
        if ehlo_name is not None:
            await _probe_ehlo_name(part, ip, ehlo_name, lookup)
        found = await lookup(pointer, "PTR")
        _require_answer(part, ip, found)
        names = tuple(found.records[:MAX_NAMES])
        part.facts["rdns.names"] = names
        if not names:
            evidence = f"PTR of {pointer}: {found.status}"
            _fail(part, sender.RDNS_MISSING, ip, evidence)
        confirmed = [name for name in names if await _has_address(part, name, ip, lookup)]
        part.facts["rdns.confirmed"] = tuple(confirmed)
        if not confirmed:
            evidence = f"{', '.join(names)} does not lead back to {ip}"
            _fail(part, sender.RDNS_UNCONFIRMED, ip, evidence[:400])
        generic = next((name for name in confirmed if is_generic(name, ip)), None)
        if generic is not None:
            part.findings.append(sender.RDNS_GENERIC.found(Status.NOTICE, ip, generic))


def is_generic(name: str, ip: str) -> bool:
    """True for a name that looks made from the address, as those of access lines are."""
    if _GENERIC.search(name.lower()):
        return True
    if ":" in ip:
        return ip_address(ip).packed.hex()[16:].lstrip("0") in name.replace("-", "").lower()
    wanted = sorted(ip.split("."))
    numbers = [str(int(number)) for number in _NUMBERS.findall(name)[:20]]
    return all(numbers.count(octet) >= wanted.count(octet) for octet in wanted)


async def _probe_ehlo_name(part: Trace, ip: str, ehlo_name: str, lookup: Lookup) -> None:
    part.facts["ehlo_name"] = ehlo_name
    if ehlo_name.startswith("["):
        evidence = f"it calls itself {ehlo_name}"
        part.findings.append(sender.EHLO_LITERAL.found(Status.NOTICE, ip, evidence))
        return
    found = await lookup(ehlo_name, _address_type(ip))
    if found.failed:
        status = Status.UNTESTABLE if found.is_ours else Status.WARNING
        part.findings.append(sender.EHLO_LOOKUP_FAILED.found(status, ehlo_name, found.detail))
    elif not found.records:
        evidence = f"{_address_type(ip)}: {found.status}"
        part.findings.append(sender.EHLO_UNRESOLVABLE.found(Status.WARNING, ehlo_name, evidence))
    elif not _has(found, ip):
        evidence = f"it has {', '.join(found.records[:5])}, not {ip}"
        part.findings.append(sender.EHLO_ELSEWHERE.found(Status.NOTICE, ehlo_name, evidence))


async def _has_address(part: Trace, name: str, ip: str, lookup: Lookup) -> bool:
    if not is_name(name):
        return False
    found = await lookup(name, _address_type(ip))
    _require_answer(part, ip, found)
    return _has(found, ip)


def _has(found: LookedUp, ip: str) -> bool:
    return any(ip_address(address) == ip_address(ip) for address in found.records)


def _address_type(ip: str) -> str:
    return "AAAA" if ":" in ip else "A"


def _require_answer(part: Trace, ip: str, found: LookedUp) -> None:
    if not found.failed:
        return
    status = Status.UNTESTABLE if found.is_ours else Status.FAILURE
    part.findings.append(sender.RDNS_LOOKUP_FAILED.found(status, ip, found.detail))
    detail = f"names of {ip}: {found.detail}"
    raise not_looked_up(found.failure, detail, is_ours=found.is_ours)


def _fail(part: Trace, entry: Entry, ip: str, evidence: str) -> NoReturn:
    part.findings.append(entry.found(Status.FAILURE, ip, evidence))
    raise ProbeFailure(Reason.RECORD_MISSING, evidence, owner=Owner.SENDER, is_transient=False)
