"""Kind `sender`: may our machines send for our domain, and how do receivers judge them?

SPF, DKIM keys, DMARC, reverse DNS, the EHLO name and block lists, all at the same time. The other
files of this folder each serve a part of the run.
"""

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from probes.canary.dkim_selectors import LearntSelector
from probes.catalogue import sender
from probes.catalogue.parties import SENDER
from probes.kinds.sender.by_default import common_selectors, lists_in_time, mx_addresses
from probes.kinds.sender.dkim_keys import probe_key, selectors_of
from probes.kinds.sender.dmarc import probe_dmarc
from probes.kinds.sender.lists import BlockList, probe_domain_list, probe_list
from probes.kinds.sender.reverse_dns import probe_reverse
from probes.kinds.sender.spf import SpfQuestion, probe_policy, probe_spf
from probes.lookups.lookups import Lookups
from probes.net import Net
from probes.options import Domain, EmailAddress, Host, IpAddress, Secret, given, option
from probes.records.address import parse_address
from probes.records.dnsbl import without_key
from probes.records.looked_up import LookupStatus
from probes.result import Finding, Owner, Part, ProbeFailure, Reason, Status
from probes.tasks import TaskSet
from probes.trace import Trace

MAX_IPS = 16
"""Sending addresses of one run; so bounded are the selectors."""

MAX_LISTS = 14
"""Block lists of one run."""

DEFAULT_LISTS = (
    Domain("zen.spamhaus.org"),
    Domain("bl.spamcop.net"),
    Domain("psbl.surriel.com"),
)

NO_ADDRESS = "no sending address is given (diagnose: --sending-ip; a job: sending_ips)"
NO_EHLO_NAME = "no EHLO name of the sending machines is given (diagnose: --helo; a job: ehlo_name)"
NO_SELECTOR = "no selector is given or was learnt (diagnose: --selector; a job: selectors)"
NO_COMMON_SELECTOR = "no common selector has a key; name yours (diagnose: --selector)"
NO_SOUND_LIST = (
    "no list tells our resolver of the MX addresses; name sending ones (diagnose: --sending-ip)"
)
NO_MX_ADDRESS = "no MX host has a public address, and no sending one is given (--sending-ip)"
NO_LIST = "no block list is configured (a job: block_lists)"

_ASPECTS = {
    "spf_result": "the SPF result of the sending addresses",
    "rdns": "the reverse DNS of the sending addresses",
    "ehlo": "the EHLO name of the sending machines",
    "dkim": "the DKIM keys",
    "dnsbl": "the block lists",
}


@dataclass(frozen=True, slots=True)
class SenderTarget:
    """A domain we send from, and the machines that do it."""

    domain: Domain = option("The domain mail is sent from: that of the author addresses.")
    sending_ips: tuple[IpAddress, ...] = option(
        "Addresses the mail comes from; at most 16 are probed.", ()
    )
    mail_from: EmailAddress | None = option(
        "Envelope sender of that mail; unset: postmaster at the domain.", None
    )
    ehlo_name: Host | None = option(
        "EHLO name of the sending machines; unset: it is not examined.", None
    )
    selectors: tuple[str, ...] = option(
        "DKIM selectors whose keys have to be there; at most 16 are probed.", ()
    )
    dkim_domain: Domain | None = option("Domain of the DKIM keys (d=); unset: the domain.", None)
    block_lists: tuple[Domain, ...] = option(
        "Zones of the block lists to ask about the addresses; at most 14.", DEFAULT_LISTS
    )
    keyed_block_lists: tuple[Secret, ...] = option(
        "Zones whose first label is a customer's key; only the rest is ever shown.", ()
    )
    domain_block_lists: tuple[Domain, ...] = option(
        "Zones of lists of domains to ask about the domains of our mail; 14 lists in all.", ()
    )
    keyed_domain_block_lists: tuple[Secret, ...] = option(
        "Lists of domains whose first label is a customer's key.", ()
    )
    learnt: tuple[LearntSelector, ...] = given(())
    """DKIM selectors seen lately on signed mail of the domain; their keys are probed as well."""
    by_default: bool = given(False)
    """True: without selectors look at the common ones, without addresses at those of the MX."""


def host(target: SenderTarget) -> str:
    """Return the domain that a run puts load on."""
    return target.domain


async def probe(net: Net, target: SenderTarget, trace: Trace) -> None:
    """Fails when a part does: a record that is missing or broken, an address that is listed."""
    trace.party = SENDER
    lookup = Lookups(net.resolver)
    await _require_domain(target.domain, lookup)
    helo = target.ehlo_name
    mail_from = str(target.mail_from or f"postmaster@{target.domain}")
    policy_domain = parse_address(mail_from).domain
    ips = target.sending_ips[:MAX_IPS]
    signer = target.dkim_domain or target.domain
    selectors = selectors_of(target.selectors, signer, target.learnt, net.clock.utc())
    is_guessing = target.by_default and not selectors
    if is_guessing:
        selectors = await common_selectors(signer, lookup)
    work: list[Awaitable[None]] = [
        probe_policy(trace, policy_domain, lookup),
        *(probe_spf(trace, SpfQuestion(ip, mail_from, helo, policy_domain), lookup) for ip in ips),
        *(probe_key(trace, one, lookup) for one in selectors[:MAX_IPS]),
        probe_dmarc(trace, target.domain, (policy_domain, signer), lookup),
        *(probe_reverse(trace, ip, helo, lookup) for ip in ips),
    ]
    lists = list(_lists(target.block_lists, target.keyed_block_lists)) if ips else []
    work.extend(probe_list(trace, one, ips, lookup) for one in lists[:MAX_LISTS])
    why_no_list = NO_ADDRESS if not ips else "" if lists else NO_LIST
    if target.by_default and not ips:
        of_mx, why_no_list = await _lists_of_mx(target, trace, lookup)
        work.extend(of_mx)
    of_domains = list(_lists(target.domain_block_lists, target.keyed_domain_block_lists))
    room = max(0, MAX_LISTS - len(lists))
    domains = _domains_shown(target.domain, policy_domain, signer, helo or "")
    work.extend(probe_domain_list(trace, one, domains, lookup) for one in of_domains[:room])
    left_out = (
        *target.sending_ips[MAX_IPS:],
        *(one.key_name for one in selectors[MAX_IPS:]),
        *(one.shown for one in (*lists[MAX_LISTS:], *of_domains[room:])),
    )
    if left_out:
        trace.findings.append(_left_out(target, left_out))
    no_selector = NO_COMMON_SELECTOR if is_guessing else NO_SELECTOR
    reasons = {
        "spf_result": "" if ips else NO_ADDRESS,
        "rdns": "" if ips else NO_ADDRESS,
        "ehlo": NO_ADDRESS if not ips else "" if helo else NO_EHLO_NAME,
        "dkim": "" if selectors else no_selector,
        "dnsbl": why_no_list,
    }
    _note_unexamined(trace, reasons)
    async with TaskSet() as group:
        for one in work:
            group.start(_awaited(one))
    _judge(trace)


async def _require_domain(domain: str, lookup: Lookups) -> None:
    """Raise the one failure of a domain that does not exist: it has no records to judge."""
    found = await lookup(domain, "TXT")
    if found.status is LookupStatus.NXDOMAIN:
        detail = f"{domain} does not exist"
        raise ProbeFailure(Reason.NXDOMAIN, detail, owner=Owner.RECEIVER_DNS, is_transient=False)


async def _lists_of_mx(
    target: SenderTarget, trace: Trace, lookup: Lookups
) -> tuple[list[Awaitable[None]], str]:
    """Return the work for the addresses of the MX hosts, or the reason why there is none."""
    ips = await mx_addresses(target.domain, lookup)
    if not ips:
        return [], NO_MX_ADDRESS
    wanted = _lists(target.block_lists, target.keyed_block_lists)
    lists = await lists_in_time(wanted, ips, lookup)
    work = [probe_list(trace, one, ips, lookup, are_senders=False) for one in lists[:MAX_LISTS]]
    return list(work), "" if lists else NO_SOUND_LIST


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _lists(zones: Iterable[Domain], keyed: Iterable[Secret]) -> Iterator[BlockList]:
    for zone in zones:
        yield BlockList(Secret(zone), str(zone))
    for secret in keyed:
        whole = secret.reveal().strip().removesuffix(".")
        yield BlockList(Secret(whole), without_key(whole))


def _domains_shown(*names: str) -> tuple[str, ...]:
    """Return the domains for lists of domains, each once; an address literal is no domain."""
    return tuple(dict.fromkeys(name.lower() for name in names if name and _is_domain(name)))


def _is_domain(name: str) -> bool:
    return not name.rpartition(".")[2].isdecimal() and not {"[", ":"} & set(name)


def _note_unexamined(trace: Trace, reasons: Mapping[str, str]) -> None:
    """Store the examined aspects as a fact; add a finding with the reason for every other one."""
    trace.facts["sender.examined"] = ("spf", "dmarc", *(a for a, why in reasons.items() if not why))
    trace.findings.extend(
        sender.NOT_EXAMINED.found(Status.INFO, _ASPECTS[aspect], why)
        for aspect, why in reasons.items()
        if why
    )


def _left_out(target: SenderTarget, names: tuple[str, ...]) -> Finding:
    evidence = f"not probed: {', '.join(names)[:200]}"
    return sender.LEFT_OUT.found(Status.INFO, target.domain, evidence)


def _judge(trace: Trace) -> None:
    """Raise the failure of the first part that fails the run; untestable parts come last.

    A list that is out of order is a finding: the others and the records were tested.
    """
    failed = [part for part in trace.parts if _fails_run(part)]
    if failed:
        raise _failure_of(min(failed, key=_is_untestable))


def _fails_run(part: Part) -> bool:
    return part.failure is not None and part.failure.reason is not Reason.LIST_UNHEALTHY


def _is_untestable(part: Part) -> bool:
    return part.failure is not None and part.failure.is_untestable


def _failure_of(part: Part) -> ProbeFailure:
    failure = part.failure
    if failure is None:
        raise ValueError("a part without a failure")
    return ProbeFailure.again(failure, f"{part.subject}: {failure.detail}")
