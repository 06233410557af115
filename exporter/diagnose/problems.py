"""The problems of a diagnosis, their remedies, and how to see them oneself: one value for all
views.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address

from exporter.diagnose.comparison import mended_by
from exporter.diagnose.diagnosis import AreaResult, Diagnosis
from exporter.diagnose.explained import unexplained
from exporter.reports.advice import DIAGNOSE_OPTIONS, Vantage
from probes.catalogue import ENTRIES, mx, owner_of_finding, tls_policies
from probes.catalogue.entry import Entry
from probes.catalogue.failure_ending import VERIFY
from probes.catalogue.failures import failure_entry
from probes.mx.recipients import asked_for
from probes.net import Net
from probes.records.subject import Subject, SubjectKind
from probes.result import (
    Failure,
    Finding,
    Owner,
    Part,
    Phase,
    ProbeResult,
    Reason,
    Status,
    one_line,
)

_ORDER = (
    *(Status.FAILURE, Status.WARNING, Status.UNTESTABLE),
    *(Status.NOTICE, Status.INFO, Status.OK),
)
MAX_CASES = 5
"""Subjects of one code that are told in full."""


_NS = "dig @{resolver} NS {zone}"
_NO_ADDRESS = (Reason.NXDOMAIN, Reason.NO_DATA)


@dataclass(frozen=True, slots=True)
class Case:
    """One place where a problem was seen."""

    subject: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Problem:
    """All findings of one code and status in an area, or the failure of a run or a part.

    `visible_by` is when every resolver sees a record that mends it, if it is published at the time
    of the diagnosis; None if no record mends it.
    """

    area: str
    code: str
    status: Status
    owner: Owner
    summary: str
    why: str
    cases: tuple[Case, ...]
    remedy: str
    reproduce: tuple[str, ...]
    reference: str
    visible_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Told:
    """One finding, or one failure, with the texts that are to be filled in for it.

    `recipient` is the one a finding about recipients is about, None where that is the one who was
    to be diagnosed.
    """

    code: str
    status: Status
    owner: Owner
    subject: Subject
    evidence: str
    reference: str
    texts: Entry | None
    part: Part | None
    recipient: str | None = None

    @property
    def group(self) -> tuple[object, ...]:
        """The key of findings that are told together."""
        return self.code, self.status, self.owner, self.texts and self.texts.remedy


def problems(diagnosis: Diagnosis, net: Net) -> tuple[Problem, ...]:
    """Return the problems, the gravest first; a problem that two areas saw is told once."""
    told: list[Problem] = []
    for one in diagnosis.areas:
        for problem in _of_area(diagnosis, one, net):
            if not any(_says_as_much(before, problem) for before in told):
                told.append(problem)
    return tuple(sorted(told, key=lambda problem: _ORDER.index(problem.status)))


def _says_as_much(before: Problem, problem: Problem) -> bool:
    """True when another area has told the same of every subject."""
    if (before.code, before.status) != (problem.code, problem.status):
        return False
    if before.area == problem.area:
        return False
    return {case.subject for case in problem.cases} <= {case.subject for case in before.cases}


def _of_area(diagnosis: Diagnosis, one: AreaResult, net: Net) -> Iterator[Problem]:
    vantage = _vantage(diagnosis, one, net)
    groups: dict[tuple[object, ...], list[_Told]] = {}
    for told in (*_failures(diagnosis, one), *_findings(one.result)):
        groups.setdefault(told.group, []).append(told)
    for group in groups.values():
        yield _problem(diagnosis, one, group, vantage)


def _problem(
    diagnosis: Diagnosis, one: AreaResult, group: list[_Told], vantage: Vantage
) -> Problem:
    first = group[0]
    texts = first.texts
    mended_in = None if texts is None else texts.mended_in
    if first.recipient is not None:
        options = {**vantage.options, "recipient": first.recipient}
        vantage = replace(vantage, options=options)
    cases = dict.fromkeys((one_line(str(told.subject)), one_line(told.evidence)) for told in group)
    return Problem(
        one.area.name,
        first.code,
        first.status,
        first.owner,
        texts.summary if texts else first.code,
        texts.why if texts else "",
        tuple(Case(*case) for case in cases),
        _remedies(texts.remedy, group, vantage) if texts else "",
        vantage.commands(texts.verify, first.subject, first.part) if texts else (),
        first.reference,
        mended_by(mended_in, str(first.subject), one.result.known, diagnosis.started_at),
    )


def _remedies(text: str, group: list[_Told], vantage: Vantage) -> str:
    """One line for each of the cases that needs another record or address in it."""
    filled = [vantage.remedy(text, told.subject, told.part) for told in group]
    lines = list(dict.fromkeys(filled))
    rest = len(lines) - MAX_CASES
    return "\n".join(lines[:MAX_CASES]) + (f"\nThe same for {rest} more." if rest > 0 else "")


def _failures(diagnosis: Diagnosis, one: AreaResult) -> Iterator[_Told]:
    for failure, part in unexplained(diagnosis, one):
        texts = _not_connected(failure_entry(failure.phase, failure.reason), failure, part)
        if part is None and failure.phase is Phase.DNS_ADDRESS:
            of_mx = texts.verify.replace("{host}", "{mx_host}")
            texts = replace(texts, verify=of_mx if one.area.asks_of_mx_hosts else _NS)
        yield _Told(
            texts.code,
            Status.UNTESTABLE if failure.is_untestable else Status.FAILURE,
            failure.owner,
            Subject.of(diagnosis.request.domain) if part is None else part.subject,
            failure.detail,
            texts.reference,
            _for_owner(texts, failure.owner),
            part,
        )


def _not_connected(texts: Entry, failure: Failure, part: Part | None) -> Entry:
    """Return the texts of a failure; an address that nobody should publish is the DNS's matter."""
    if failure.phase is not Phase.CONNECT or failure.owner is not Owner.RECEIVER_DNS:
        return texts
    special = mx.HOST_SPECIAL_ADDRESS
    remedy = special.remedy
    if part is not None and part.address is not None and ip_address(part.address).is_loopback:
        remedy += " To try a server on this machine, say {loopback_option}."
    why = "It was not connected to: senders reach themselves there, or nobody."
    summary = "The address of the host is none that others can use"
    return replace(texts, summary=summary, why=why, remedy=remedy, verify=special.verify)


def _findings(result: ProbeResult) -> Iterator[_Told]:
    failed = {part.subject: part.failure for part in result.parts if part.failure is not None}
    in_parts = ((part, finding) for part in result.parts for finding in part.findings)
    for part, finding in (*((None, finding) for finding in result.findings), *in_parts):
        if _is_left_out(finding):
            continue
        owner, texts = owner_of_finding(finding), ENTRIES.get(finding.code)
        if texts is not None:
            texts = _for_owner(_because(texts, failed.get(finding.subject)), owner)
        yield _Told(
            finding.code,
            finding.status,
            owner,
            finding.subject,
            finding.evidence,
            finding.reference,
            texts,
            part,
            None if part is None else asked_for(finding.code, part.facts),
        )


def _is_left_out(finding: Finding) -> bool:
    """A host without an address has a finding that says so, `mx.host_unresolved`."""
    is_place = finding.subject.kind is SubjectKind.PLACE
    return finding.code == mx.ADDRESS_UNUSABLE.code and not is_place


def _because(texts: Entry, failure: Failure | None) -> Entry:
    """Return the entry of a finding made from a failure, with the remedy of the failure."""
    if failure is None:
        return texts
    of_failure = failure_entry(failure.phase, failure.reason)
    if texts.code == mx.ADDRESS_UNUSABLE.code:
        or_else = " Or take {address} out of the DNS." if _may_go(failure) else ""
        remedy = f"{of_failure.remedy}{or_else}"
        return replace(texts, remedy=remedy, verify=of_failure.verify or texts.verify)
    if texts.code == mx.HOST_UNRESOLVED.code and failure.reason not in _NO_ADDRESS:
        return replace(texts, remedy=of_failure.remedy, verify=of_failure.verify)
    if texts.code == tls_policies.STS_POLICY_FETCH.code and failure.phase in (
        Phase.DNS_ADDRESS,
        Phase.CONNECT,
    ):
        verify = VERIFY[Phase.DNS_ADDRESS] if failure.phase is Phase.DNS_ADDRESS else texts.verify
        remedy = of_failure.remedy.replace("{port}", "443")
        return replace(texts, remedy=remedy, verify=verify)
    return texts


def _may_go(failure: Failure) -> bool:
    """True for an address that may be gone for good: nothing answers, or it refuses everything.

    One that answers 4yz works, and so may one that this machine cannot try.
    """
    if failure.is_untestable or failure.owner is Owner.NETWORK:
        return False
    return failure.reply is None or not failure.reply.is_transient


def _for_owner(texts: Entry, owner: Owner) -> Entry:
    """A failure of our own resolver is mended there, regardless of the usual owner."""
    if owner is not Owner.RESOLVER or texts.owner is owner:
        return texts
    return replace(texts, remedy=failure_entry(Phase.DNS_ADDRESS, Reason.TIMEOUT).remedy)


def _vantage(diagnosis: Diagnosis, one: AreaResult, net: Net) -> Vantage:
    """Return the values for the placeholders of an area's texts; values of other areas fill the
    gaps.
    """
    request = diagnosis.request
    beside = [other.result for other in diagnosis.areas if other is not one]
    facts = {name: fact for result in beside for name, fact in result.facts.items()}
    return Vantage(
        request.domain,
        {**request.options, "recipient": request.options.get("recipient") or request.address},
        net.ehlo_name,
        net.resolver.servers[0],
        one.result.parts,
        {**facts, **one.result.facts},
        tuple(part for result in beside for part in result.parts),
        names=DIAGNOSE_OPTIONS,
    )
