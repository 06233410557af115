"""The DKIM part of kind `sender`: the key of one selector, RFC 6376 §3.6, RFC 8301, RFC 8463."""

from collections.abc import Iterator
from typing import NoReturn

from probes.kinds.sender_failure import not_looked_up
from probes.records import RecordError
from probes.records.dkim_records import KeyRecord, parse_key_record
from probes.records.dkim_verification import WEAK_RSA_BITS, key_bits
from probes.records.looked_up import LookedUp, Lookup, texts
from probes.result import Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

ADVISED_RSA_BITS = 2048
"""RFC 8301 §3.2: what signers should use."""


async def probe_key(trace: Trace, selector: str, domain: str, lookup: Lookup) -> None:
    """That the selector's key is there and that receivers would verify with it."""
    name = f"{selector}._domainkey.{domain}"
    with trace.part(name, None) as part, part.phase(Phase.EVALUATE):
        record = _record(part, name, await lookup(name, "TXT"))
        part.facts["dkim.key_type"] = record.key_type
        part.facts["dkim.flags"] = record.flags
        if record.is_revoked:
            _fail(part, "dkim.key_revoked", name, "p= is empty", "RFC 6376 §3.6.1")
        try:
            bits = key_bits(record)
        except RecordError as error:
            _fail(part, "dkim.key_malformed", name, str(error), "RFC 6376 §6.1.2")
        part.facts["dkim.key_bits"] = bits
        part.findings.extend(_remarks(name, record, bits))
        if record.key_type == "rsa" and bits < WEAK_RSA_BITS:
            _fail(part, "dkim.key_weak", name, f"{bits} bits", "RFC 8301 §3.2")


def _fail(part: Trace, code: str, name: str, evidence: str, reference: str) -> NoReturn:
    is_missing = code == "dkim.key_missing"
    part.findings.append(Finding(code, Status.FAILURE, name, evidence, reference))
    reason = Reason.RECORD_MISSING if is_missing else Reason.RECORD_SYNTAX
    raise ProbeFailure(reason, f"{code}: {evidence}", owner=Owner.THEIR_DNS, is_transient=False)


def _record(part: Trace, name: str, found: LookedUp) -> KeyRecord:
    if found.failed:
        status = Status.UNTESTABLE if found.is_ours else Status.WARNING
        part.findings.append(
            Finding("dkim.lookup_failed", status, name, found.detail, "RFC 6376 §6.1.2")
        )
        detail = f"TXT of {name}: {found.detail}"
        raise not_looked_up(found.failure, detail, is_ours=found.is_ours)
    records = texts(found)
    if not records:
        _fail(part, "dkim.key_missing", name, f"TXT: {found.status}", "RFC 6376 §3.6.2.2")
    if len(records) > 1:
        part.findings.append(
            Finding(
                "dkim.key_multiple",
                Status.WARNING,
                name,
                f"{len(records)} TXT records",
                "RFC 6376 §3.6.2.2",
            )
        )
    problems: list[str] = []
    for text in records:
        try:
            return parse_key_record(text)
        except RecordError as error:
            problems.append(str(error))
    _fail(part, "dkim.key_malformed", name, "; ".join(problems[:3]), "RFC 6376 §3.6.1")


def _remarks(name: str, record: KeyRecord, bits: int) -> Iterator[Finding]:
    if record.key_type == "rsa" and WEAK_RSA_BITS <= bits < ADVISED_RSA_BITS:
        evidence = f"{bits} bits, {ADVISED_RSA_BITS} are advised"
        yield Finding("dkim.key_short", Status.NOTICE, name, evidence, "RFC 8301 §3.2")
    if "y" in record.flags:
        yield Finding("dkim.key_testing", Status.NOTICE, name, "t=y", "RFC 6376 §3.6.1")
    if record.hashes and "sha256" not in record.hashes:
        evidence = f"h={':'.join(record.hashes)[:80]}"
        yield Finding("dkim.key_unsuitable", Status.FAILURE, name, evidence, "RFC 6376 §6.1.2")
    if not {"*", "email"} & set(record.services):
        evidence = f"s={':'.join(record.services)[:80]}"
        yield Finding("dkim.key_unsuitable", Status.FAILURE, name, evidence, "RFC 6376 §3.6.1")
