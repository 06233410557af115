"""A domain's TLS records: its MTA-STS policy and the destination of its reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from probes.catalogue import tls_policies
from probes.catalogue.entry import Entry
from probes.kinds.policy.consequences import StsState
from probes.mx.session import at_most
from probes.net import Net
from probes.net.dns_answer import Answer, DnsStatus
from probes.net.errors import NetError
from probes.records import RecordError
from probes.records.https_response import HttpsResponse
from probes.records.mta_sts import (
    LONGEST_MAX_AGE,
    MAX_POLICY,
    StsMode,
    StsPolicy,
    is_nearly_sts_record,
    is_sts_record,
    parse_sts_policy,
    parse_sts_record,
)
from probes.records.tlsrpt import is_nearly_tlsrpt_record, is_tlsrpt_record, parse_tlsrpt_record
from probes.result import NOTHING, Aspect, Finding, Owner, Phase, ProbeFailure, Reason, Status
from probes.sessions.connecting import host_addresses
from probes.sessions.https import fetch
from probes.trace import Trace

SHORT_MAX_AGE = 7 * 86_400
"""Seconds; RFC 8461 §3.2 expects weeks, so that an attacker cannot wait for the end of it."""

RecordT = TypeVar("RecordT")

_ABSENT = (DnsStatus.NXDOMAIN, DnsStatus.NO_DATA)


@dataclass(frozen=True, slots=True)
class _Record:
    """Catalogue entries for one type of TXT record, and the fact for the seconds of its look-up."""

    absent: Entry
    ignored: Entry
    multiple: Entry
    syntax: Entry
    lookup_failed: Entry
    lookup_seconds: str


_STS = _Record(
    tls_policies.STS_ABSENT,
    tls_policies.STS_RECORD_IGNORED,
    tls_policies.STS_RECORD_MULTIPLE,
    tls_policies.STS_RECORD_SYNTAX,
    tls_policies.STS_LOOKUP_FAILED,
    "sts.lookup_seconds",
)
_TLSRPT = _Record(
    tls_policies.TLSRPT_ABSENT,
    tls_policies.TLSRPT_RECORD_IGNORED,
    tls_policies.TLSRPT_RECORD_MULTIPLE,
    tls_policies.TLSRPT_RECORD_SYNTAX,
    tls_policies.TLSRPT_LOOKUP_FAILED,
    "tlsrpt.lookup_seconds",
)


@dataclass(frozen=True, slots=True)
class Sts:
    """MTA-STS policy for a sender without an older copy; `policy` is None with none to honour.

    `why` is the reason for None, for people. `may_be_kept`: senders may hold an older copy.
    """

    state: StsState
    policy: StsPolicy | None = None
    why: str = ""
    may_be_kept: bool = False


async def find_sts(net: Net, domain: str, timeout: float, trace: Trace) -> Sts:
    """Fetch the record and the policy, and add findings; no outcome is an exception."""
    answer = await _txt(net, f"_mta-sts.{domain}", _STS, trace)
    if isinstance(answer, Finding):
        trace.findings.append(answer)
        is_ours = answer.status is Status.UNTESTABLE
        return _none(f"its record cannot be looked up: {answer.evidence}", is_known=not is_ours)
    texts = [text for text in answer.records if is_sts_record(text)]
    _remember(trace, Aspect.STS_RECORD, domain, answer, texts)
    if not texts:
        finding = _absent(answer, _STS, is_nearly_sts_record)
        trace.findings.append(finding)
        if finding.code == tls_policies.STS_RECORD_IGNORED.code:
            return _none("senders discard its record")
        return Sts(StsState.ABSENT, why="no record")
    record = _read_one(texts, parse_sts_record, answer.name, _STS, trace)
    if record is None:
        return _none("senders cannot use its record" if len(texts) == 1 else "several records")
    trace.facts["sts.id"] = record.id
    return await _policy(net, domain, timeout, trace)


def _none(why: str, *, is_known: bool = True) -> Sts:
    """No policy, where there is a trace of one. RFC 8461 §3.3: an older copy goes on counting."""
    return Sts(StsState.ABSENT if is_known else StsState.UNTESTABLE, why=why, may_be_kept=True)


async def find_tlsrpt(net: Net, domain: str, trace: Trace) -> None:
    """Store the destination of reports as a fact, and add findings about the record."""
    answer = await _txt(net, f"_smtp._tls.{domain}", _TLSRPT, trace)
    if isinstance(answer, Finding):
        trace.findings.append(answer)
        return
    texts = [text for text in answer.records if is_tlsrpt_record(text)]
    _remember(trace, Aspect.TLSRPT, domain, answer, texts)
    if not texts:
        trace.findings.append(_absent(answer, _TLSRPT, is_nearly_tlsrpt_record))
        return
    record = _read_one(texts, parse_tlsrpt_record, answer.name, _TLSRPT, trace)
    if record is not None:
        trace.facts["tlsrpt.rua"] = record.rua


async def _txt(net: Net, name: str, about: _Record, trace: Trace) -> Answer[bytes] | Finding:
    """The TXT records of a name, none being an answer; a failed look-up is a finding."""
    began = trace.clock.monotonic()
    try:
        answer = await net.resolver.query(name, "TXT")
    except RecordError as error:  # the domain's name leaves no room for it
        return about.lookup_failed.found(Status.INFO, name, str(error))
    trace.facts[about.lookup_seconds] = trace.clock.monotonic() - began
    if answer.status in (DnsStatus.ANSWERED, *_ABSENT):
        return answer
    status = Status.UNTESTABLE if answer.is_ours else Status.WARNING
    return about.lookup_failed.found(status, name, answer.explain())


def _remember(
    trace: Trace, aspect: Aspect, domain: str, answer: Answer[bytes], texts: Sequence[bytes]
) -> None:
    value = " | ".join(sorted(text.decode("utf-8", "backslashreplace") for text in texts))
    trace.remember(aspect, domain, value or NOTHING, answer.lifetime)


def _absent(answer: Answer[bytes], about: _Record, is_nearly: Callable[[bytes], bool]) -> Finding:
    """None at all, or one that was meant as a record: there, another one is no remedy."""
    nearly = next(filter(is_nearly, answer.records), None)
    if nearly is not None:
        evidence = f"senders discard {nearly[:200].decode('latin-1')!r}"
        return about.ignored.found(Status.FAILURE, answer.name, evidence)
    evidence = f"no such TXT record ({answer.status})"
    return about.absent.found(Status.INFO, answer.name, evidence)


def _read_one(
    texts: Sequence[bytes],
    read: Callable[[bytes], RecordT],
    name: str,
    about: _Record,
    trace: Trace,
) -> RecordT | None:
    """The one valid record; of several, or of a broken one, a sender takes none."""
    if len(texts) > 1:
        evidence = f"{len(texts)} records: senders take none of them"
        trace.findings.append(about.multiple.found(Status.FAILURE, name, evidence))
        return None
    try:
        return read(texts[0])
    except RecordError as error:
        trace.findings.append(about.syntax.found(Status.FAILURE, name, str(error)))
        return None


async def _policy(net: Net, domain: str, timeout: float, trace: Trace) -> Sts:
    host = f"mta-sts.{domain}"
    failure: ProbeFailure | None = None
    response: HttpsResponse | None = None
    with trace.part(host, None) as part:
        try:
            async with at_most(timeout, part):
                addresses = await _policy_addresses(net, host, part)
                # RFC 8461 §3.3: the well-known path, and a certificate for the policy host
                url = f"https://{host}/.well-known/mta-sts.txt"
                response = await fetch(net, url, part, max_body=MAX_POLICY, addresses=addresses)
        except ProbeFailure as error:
            failure = error
            raise
    if failure is not None or response is None:
        return _unfetched(host, failure, part, trace)
    return _read_policy(domain, host, response, trace)


def _unfetched(host: str, failure: ProbeFailure | None, part: Trace, trace: Trace) -> Sts:
    broken = (failure or ProbeFailure(Reason.UNEXPECTED, "")).to_failure(part.current)
    evidence = f"{broken.phase} {broken.reason}: {broken.detail}"
    status = Status.UNTESTABLE if broken.is_untestable else Status.FAILURE
    trace.findings.append(
        tls_policies.STS_POLICY_FETCH.found(status, host, evidence, owner=broken.owner)
    )
    why = f"it cannot be fetched: {broken.detail}"
    return _none(why, is_known=not broken.is_untestable)


async def _policy_addresses(net: Net, host: str, part: Trace) -> tuple[str, ...]:
    """Where the policy host is. Somebody else's DNS may not send us to a metadata service."""
    addresses = await host_addresses(net, host, part)
    for address in addresses:
        try:
            net.dialer.require_elsewhere(address, host)
        except NetError as error:
            raise ProbeFailure(
                Reason.STS_POLICY_FETCH_ERROR,
                error.detail,
                phase=Phase.DNS_ADDRESS,
                owner=Owner.RECEIVER_DNS,
            ) from error
    return addresses


def _read_policy(domain: str, host: str, response: HttpsResponse, trace: Trace) -> Sts:
    objection = _objection(response)
    if objection is not None:
        trace.findings.append(tls_policies.STS_POLICY_FETCH.found(Status.FAILURE, host, objection))
        return _none(f"it cannot be fetched: {objection}")
    try:
        policy = parse_sts_policy(response.body)
    except RecordError as error:
        trace.remember(Aspect.STS_POLICY, domain, _on_one_line(response.body))
        trace.findings.append(
            tls_policies.STS_POLICY_INVALID.found(Status.FAILURE, host, str(error))
        )
        return _none(f"it cannot be read: {error}")
    trace.remember(Aspect.STS_POLICY, domain, _on_one_line(response.body), policy.max_age)
    trace.facts["sts.mode"] = policy.mode.value
    trace.facts["sts.max_age"] = policy.max_age
    trace.facts["sts.mx"] = policy.mx
    trace.findings.extend(
        tls_policies.STS_POLICY_LINT.found(Status.NOTICE, host, said) for said in _lint(policy)
    )
    if policy.mode is StsMode.NONE:
        return Sts(StsState.ABSENT, why="mode none")
    state = StsState.ENFORCE if policy.mode is StsMode.ENFORCE else StsState.TESTING
    return Sts(state, policy)


def _on_one_line(policy: bytes) -> str:
    return "; ".join(policy.decode("utf-8", "backslashreplace").split("\n")).replace("\r", "")


def _objection(response: HttpsResponse) -> str | None:
    """Why a sender may not take the answer as a policy, RFC 8461 §3.3."""
    if 300 <= response.status < 400:
        to = (response.header("location") or "nowhere")[:200]
        return f"status {response.status} leads to {to}: redirects are not followed"
    if response.status != 200:
        return f"status {response.status} instead of 200"
    if not response.is_whole:
        return f"more than {MAX_POLICY} octets"
    media_type = (response.header("content-type") or "none").partition(";")[0].strip().lower()
    if media_type != "text/plain":
        return f"the media type is {media_type[:80]}, not text/plain"
    return None


def _lint(policy: StsPolicy) -> list[str]:
    said = []
    if policy.mode is StsMode.TESTING:
        said.append("mode testing: senders report failures and deliver all the same")
    if policy.mode is StsMode.NONE:
        said.append("mode none: the policy protects nothing")
    if policy.max_age > LONGEST_MAX_AGE:
        said.append(f"max_age {policy.max_age} is more than a year, {LONGEST_MAX_AGE}")
    elif policy.mode is StsMode.ENFORCE and policy.max_age < SHORT_MAX_AGE:
        said.append(f"max_age {policy.max_age} is less than a week")
    said += [f"{name} stands more than once; the first counts" for name in policy.repeated]
    return said
