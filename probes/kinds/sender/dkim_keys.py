"""The DKIM part of kind `sender`: the key of one selector, RFC 6376 §3.6, RFC 8301, RFC 8463."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from probes.canary.dkim_selectors import LearntSelector
from probes.catalogue import dkim_keys
from probes.catalogue.entry import Entry
from probes.kinds.sender.looked_up import not_looked_up, remember_texts
from probes.records import RecordError
from probes.records.looked_up import LookedUp, Lookup, texts
from probes.records.signatures.dkim_records import KeyRecord, parse_key_record
from probes.records.signatures.dkim_verification import WEAK_RSA_BITS, key_bits
from probes.result import Aspect, Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.trace import Trace

ADVISED_RSA_BITS = 2048
"""Shortest RSA key that signers should use, in bits, RFC 8301 §3.2."""


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector to look at and where it is from: `learnt` is None for a configured one.

    `is_in_use` is False for one that may have been retired: that its key is gone is told, and
    nothing fails for it.
    """

    selector: str
    domain: str
    learnt: LearntSelector | None = None
    is_in_use: bool = True

    @property
    def key_name(self) -> str:
        """Where its key stands, RFC 6376 §3.6.2.1."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def origin(self) -> str:
        """Origin of the selector as text for a finding, "" for a configured one."""
        if self.learnt is None:
            return "" if self.is_in_use else "; a common selector, which may be out of use"
        sent_at = f"{self.learnt.last_seen:%Y-%m-%d %H:%M} UTC"
        return f"; the selector was learnt: it last signed a canary of {sent_at}"

    def told(self, finding: Finding) -> Finding:
        """As it is told of this selector.

        RFC 6376 §5.2: the key of a retired one may go once its mail has been verified.
        """
        is_grave = finding.status is Status.FAILURE
        status = Status.NOTICE if is_grave and not self.is_in_use else finding.status
        return replace(finding, status=status, evidence=f"{finding.evidence}{self.origin}")


def selectors_of(
    configured: Sequence[str], signer: str, learnt: Iterable[LearntSelector], now: datetime
) -> tuple[Selector, ...]:
    """The configured ones, then those that were learnt besides, newest first."""
    wanted = {(name.lower(), signer.lower()): Selector(name, signer) for name in configured}
    for one in sorted(learnt, key=lambda one: one.last_seen, reverse=True):
        found = Selector(one.selector, one.domain, one, is_in_use=one.is_in_use(now))
        wanted.setdefault((one.selector, one.domain), found)
    return tuple(wanted.values())


async def probe_key(trace: Trace, selector: Selector, lookup: Lookup) -> None:
    """That the selector's key is there and that receivers would verify with it."""
    name = selector.key_name
    with trace.part(name, None) as part, part.phase(Phase.EVALUATE):
        part.facts["dkim.selector_is_learnt"] = selector.learnt is not None
        if selector.learnt is not None:
            part.facts["dkim.selector_last_seen"] = selector.learnt.last_seen.isoformat()
        found = await lookup(name, "TXT")
        remember_texts(part, Aspect.DKIM, name, found, bool)
        failure = None
        try:
            _judge(part, name, found)
        except ProbeFailure as error:
            failure = error
        part.findings[:] = [selector.told(one) for one in part.findings]
        if failure is not None and selector.is_in_use:
            raise failure


def _judge(part: Trace, name: str, found: LookedUp) -> None:
    record = _record(part, name, found)
    part.facts["dkim.key_type"] = record.key_type
    part.facts["dkim.flags"] = record.flags
    if record.is_revoked:
        _fail(part, dkim_keys.KEY_REVOKED, name, "p= is empty")
    try:
        bits = key_bits(record)
    except RecordError as error:
        _fail(part, dkim_keys.KEY_MALFORMED, name, str(error))
    part.facts["dkim.key_bits"] = bits
    part.findings.extend(_remarks(name, record, bits))
    if record.key_type == "rsa" and bits < WEAK_RSA_BITS:
        _fail(part, dkim_keys.KEY_WEAK, name, f"{bits} bits")


def _fail(part: Trace, entry: Entry, name: str, evidence: str) -> NoReturn:
    is_missing = entry is dkim_keys.KEY_MISSING
    part.findings.append(entry.found(Status.FAILURE, name, evidence))
    reason = Reason.RECORD_MISSING if is_missing else Reason.RECORD_SYNTAX
    raise ProbeFailure(reason, evidence, owner=Owner.SENDER, is_transient=False)


def _record(part: Trace, name: str, found: LookedUp) -> KeyRecord:
    if found.failed:
        status = Status.UNTESTABLE if found.is_ours else Status.FAILURE
        part.findings.append(dkim_keys.LOOKUP_FAILED.found(status, name, found.detail))
        detail = f"TXT of {name}: {found.detail}"
        raise not_looked_up(found.failure, detail, is_ours=found.is_ours)
    records = texts(found)
    if not records:
        _fail(part, dkim_keys.KEY_MISSING, name, f"TXT: {found.status}")
    if len(records) > 1:
        evidence = f"{len(records)} TXT records"
        part.findings.append(dkim_keys.KEY_MULTIPLE.found(Status.WARNING, name, evidence))
    problems: list[str] = []
    for text in records:
        try:
            return parse_key_record(text)
        except RecordError as error:
            problems.append(str(error))
    _fail(part, dkim_keys.KEY_MALFORMED, name, "; ".join(problems[:3]))


def _remarks(name: str, record: KeyRecord, bits: int) -> Iterator[Finding]:
    if record.key_type == "rsa" and WEAK_RSA_BITS <= bits < ADVISED_RSA_BITS:
        evidence = f"{bits} bits, {ADVISED_RSA_BITS} are advised"
        yield dkim_keys.KEY_SHORT.found(Status.NOTICE, name, evidence)
    if "y" in record.flags:
        yield dkim_keys.KEY_TESTING.found(Status.NOTICE, name, "t=y")
    if record.hashes and "sha256" not in record.hashes:
        evidence = f"h={':'.join(record.hashes)[:80]}"
        yield dkim_keys.KEY_UNSUITABLE.found(Status.FAILURE, name, evidence)
    if not {"*", "email"} & set(record.services):
        evidence = f"s={':'.join(record.services)[:80]}"
        section = "RFC 6376 §3.6.1"
        yield dkim_keys.KEY_UNSUITABLE.found(Status.FAILURE, name, evidence, reference=section)
