"""Policies judged by checkdmarc as well, over the same name server: what is unwise in them.

The corpus of tests/corpus/lint says what we tell; where checkdmarc tells something else, by which
section. Every remark of its has to be one of ours: what the tables below do not know is an error.
"""

import asyncio
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.resolver
import pytest
import yaml

from exporter.testbed.servers.dns_server import DnsServer
from probes.clock import SYSTEM_CLOCK
from probes.kinds.sender.dmarc import probe_dmarc
from probes.kinds.sender.spf import probe_policy
from probes.lookups.lookups import Lookups
from probes.net.resolver import Resolver
from probes.result import ProbeResult
from probes.run import run_once
from probes.trace import Trace
from tests.support.places import CORPUS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own and its dependencies', about how they are written
    from checkdmarc import spf as their_spf
    from checkdmarc.dmarc import DMARCError, parse_dmarc_record
    from checkdmarc.utils import DNS_CACHE

FOLDER = CORPUS / "lint"
DOMAIN = "example.test"
REFERENCE = re.compile(r"RFC \d{4} section \d")


@dataclass(frozen=True)
class Case:
    """One policy or record; `expected` has the keys of the file."""

    what: str
    zone: str = field(repr=False)
    others: Mapping[str, str] = field(repr=False)
    expected: Mapping[str, Any]

    @property
    def theirs(self) -> list[str]:
        """What checkdmarc is to say, of what there are codes for."""
        says: list[str] = self.expected.get("checkdmarc", self.expected)["says"]
        return says


@dataclass
class Said:
    """What checkdmarc said; a policy it gave up on has no counts."""

    codes: set[str]
    lookups: int | None = None
    voids: int | None = None


def cases(name: str) -> Iterator[Case]:
    document = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    for one in document["cases"]:
        zone = one["zone"] if "zone" in one else f'_dmarc TXT "{one["record"]}"'
        others = document.get("others", {})
        yield Case(one["what"], f"{document['names']}\n{zone}", others, one)


SPF_REMARKS = {
    r"maximum DNS lookups": "spf.cost_too_high",
    r"maximum void DNS lookups": "spf.voids_too_many",
    r"resembles an SPF record": "spf.record_ignored",
    r"include target .* has no SPF record": "spf.include_missing",
    r"loop: ": "spf.loop",
    r"broken\.example\.test|nonsense": "spf.include_broken",
    r"does not have any (A/AAAA|MX) records": "spf.term_void",
    r"Error when processing .* does not exist": "spf.term_void",
    r"ptr mechanism should not": "spf.ptr_used",
    r"text after the all mechanism|multiple all": "spf.terms_after_all",
    r"redirect modifier was ignored": "spf.redirect_ignored",
    r"unknown modifier": "spf.modifier_unknown",
    r"Duplicate include": "spf.term_repeated",
    r"exp value": "exp",
}
SPF_ERRORS = {
    their_spf.SPFSyntaxError: "spf.record_syntax",
    their_spf.MultipleSPFRTXTRecords: "spf.record_multiple",
    their_spf.SPFRecordNotFound: "spf.record_missing",
}
DMARC_REMARKS = {
    r"A p tag value of none": "dmarc.policy_none",
    r"missing p tag": "dmarc.older_readers_differ",
    r"does not immediately follow": "dmarc.older_readers_differ",
    r"sp tag value of none": "dmarc.subdomains_weaker",
    r"rua tag .* not found": "dmarc.reports_missing",
    r"was removed in RFC 9989": "dmarc.tag_retired",
    r"Unknown DMARC tag": "dmarc.tag_unknown",
    r"default value|scheme": "dmarc.tag_invalid",
    r"size limit": "dmarc.report_size_retired",
    r"does not indicate that it accepts": "dmarc.reports_unauthorised",
    r"MX records": "dmarc.reports_undeliverable",
}


def coded(remarks: Iterable[str], table: Mapping[str, str]) -> set[str]:
    """Every remark as our code for it; one that nothing here knows fails the test."""
    codes = set()
    for remark in remarks:
        code = next((code for text, code in table.items() if re.search(text, remark)), None)
        assert code is not None, remark
        codes.add(code)
    return codes


def spf_by_checkdmarc(resolver: dns.resolver.Resolver) -> Said:
    DNS_CACHE.clear()
    queried: list[str] = []
    try:
        record = their_spf.query_spf_record(DOMAIN, resolver=resolver)
        queried = record["warnings"]
        parsed = their_spf.parse_spf_record(record["record"], DOMAIN, resolver=resolver)
    except their_spf.SPFError as error:
        said = coded([*queried, *error.warnings], SPF_REMARKS)
        return Said(said | {_fatal(error, is_inner=bool(queried) or "record" in locals())})
    codes = coded([*queried, *parsed["warnings"]], SPF_REMARKS)
    record_all = parsed["parsed"]["all"]
    has_all = re.search(r"[ ?]all\b", record["record"]) is not None
    if record_all == "pass":
        codes.add("spf.all_permissive")
    if record_all == "neutral" and parsed["parsed"]["redirect"] is None:
        codes.add("spf.all_neutral" if has_all else "spf.all_missing")
    return Said(codes, parsed["dns_lookups"], parsed["void_dns_lookups"])


def _fatal(error: Exception, *, is_inner: bool) -> str:
    known = [code for text, code in SPF_REMARKS.items() if re.search(text, str(error))]
    if known:
        return known[0]
    code = next(code for kind, code in SPF_ERRORS.items() if isinstance(error, kind))
    inner = {
        "spf.record_missing": "spf.include_missing",
        "spf.record_multiple": "spf.include_broken",
    }
    return inner.get(code, code) if is_inner else code


def dmarc_by_checkdmarc(resolver: dns.resolver.Resolver, record: str) -> Said:
    DNS_CACHE.clear()
    try:
        parsed = parse_dmarc_record(record, DOMAIN, resolver=resolver)
    except DMARCError as error:
        return Said(coded([str(error)], DMARC_REMARKS))
    return Said(coded(parsed["warnings"], DMARC_REMARKS))


def codes_of(result: ProbeResult, area: str) -> set[str]:
    findings = [*result.findings, *(one for part in result.parts for one in part.findings)]
    return {one.code for one in findings if one.code.startswith(area)}


def their_resolver(server: DnsServer) -> dns.resolver.Resolver:
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [server.address]
    resolver.port = server.port
    return resolver


def compare(case: Case, theirs: Said) -> None:
    assert theirs.codes == set(case.theirs)
    disagreement = case.expected.get("checkdmarc")
    if disagreement is not None:
        assert theirs.codes != set(case.expected["says"]) or "void" in disagreement
        assert REFERENCE.search(disagreement["because"])


@pytest.mark.parametrize("case", list(cases("spf.yml")), ids=lambda case: case.what)
async def test_what_is_unwise_in_a_policy_is_told_by_both_or_the_section_says_why_not(
    case: Case,
) -> None:
    async with DnsServer({DOMAIN: case.zone, "test": ""}) as server:
        lookup = Lookups(Resolver(((server.address, server.port),)))
        ours = await run_once(
            "sender",
            lambda trace: probe_policy(trace, DOMAIN, lookup),
            clock=SYSTEM_CLOCK,
            deadline=20,
        )
        theirs = await asyncio.to_thread(spf_by_checkdmarc, their_resolver(server))
    assert codes_of(ours, "spf.") == set(case.expected["says"])
    compare(case, theirs)
    if "lookups" in case.expected:
        facts = ours.parts[0].facts
        assert facts["spf.worst_case_lookups"] == theirs.lookups == case.expected["lookups"]
        v4, v6 = case.expected["voids"]
        assert facts["spf.worst_case_void_lookups"] == max(v4, v6)
        assert theirs.voids == case.expected.get("checkdmarc", {}).get("void", min(v4, v6))


@pytest.mark.parametrize("case", list(cases("dmarc.yml")), ids=lambda case: case.what)
async def test_what_is_unwise_in_a_dmarc_record_is_told_by_both_or_the_section_says_why_not(
    case: Case,
) -> None:
    async with DnsServer({DOMAIN: case.zone, "test": "", **case.others}) as server:
        lookup = Lookups(Resolver(((server.address, server.port),)))

        async def work(trace: Trace) -> None:
            await probe_dmarc(trace, DOMAIN, (DOMAIN, DOMAIN), lookup)

        ours = await run_once("sender", work, clock=SYSTEM_CLOCK, deadline=20)
        record = case.expected["record"]
        theirs = await asyncio.to_thread(dmarc_by_checkdmarc, their_resolver(server), record)
    assert codes_of(ours, "dmarc.") == set(case.expected["says"])
    compare(case, theirs)
