"""What to do about what a diagnosis found, and how to see it oneself: one value for all views."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from exporter.diagnose import (
    AreaResult,
    Diagnosis,
    area_code,
    exit_code,
    findings_of,
    takes_no_mail,
    verdict,
)
from exporter.diagnose_memory import compared, mended_by
from exporter.diagnose_request import local_address
from probes.catalogue import ENTRIES, Entry, filled, owner_of_finding, placeholders
from probes.net import Net
from probes.rcpt import asked_for
from probes.result import Failure, Finding, Owner, Part, Phase, Status, one_line, to_json

VERSION = 1
_WHERE = re.compile(r"(?P<host>\S+) \[(?P<address>[0-9A-Fa-f:.]+)\]")
_ORDER = (
    *(Status.FAILURE, Status.WARNING, Status.UNTESTABLE),
    *(Status.NOTICE, Status.INFO, Status.OK),
)
MAX_CASES = 5
"""Subjects of one code that are told in full."""

_DNS = ("dig @{resolver} MX {domain}", "dig @{resolver} A {host}", "dig @{resolver} AAAA {host}")
_OUR_RESOLVER = (
    "Find out why our own resolver, {resolver}, has no answer: nothing is known of what it was "
    "asked for."
)
_NS = ("dig @{resolver} NS {domain}",)
_SMTP = (
    "swaks --to postmaster@{domain} --server {address} --port {port} --ehlo {ehlo_name} "
    "--local-interface {source_address} --quit-after EHLO",
)
_TLS = (
    "openssl s_client -starttls smtp -connect {address}:{port} -name {ehlo_name} "
    "-servername {host} -showcerts",
    "posttls-finger -c -l may -o smtp_helo_name={ehlo_name} "
    "-o smtp_bind_address={source_address} '[{host}]:{port}'",
)
_BY_PHASE: Mapping[Phase, tuple[str, ...]] = {
    Phase.DNS_MX: _DNS[:1],
    Phase.DNS_ADDRESS: _DNS[1:],
    **dict.fromkeys((Phase.STARTTLS, Phase.TLS), _TLS),
    **dict.fromkeys(
        (Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.MAIL, Phase.RCPT, Phase.QUIT), _SMTP
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One place where a problem was seen."""

    subject: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Problem:
    """All findings of one code and status in an area, or what ended a run or a part of it.

    `visible_by` is when everybody sees a record that mends it, if it is published at the time of
    the diagnosis; None where no record does.
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


def problems(diagnosis: Diagnosis, net: Net) -> tuple[Problem, ...]:
    """Everything worth telling, the gravest first; what two areas saw alike is told once."""
    found = [problem for one in diagnosis.areas for problem in _of_area(diagnosis, one, net)]
    once = {_what(one): one for one in reversed(found)}
    told = [one for one in found if once[_what(one)] is one]
    return tuple(sorted(told, key=lambda problem: _ORDER.index(problem.status)))


def _what(problem: Problem) -> tuple[object, ...]:
    """What is the same whoever saw it; in what words, differs."""
    subjects = tuple(case.subject for case in problem.cases)
    return problem.code, problem.status, subjects


def _of_area(diagnosis: Diagnosis, one: AreaResult, net: Net) -> Iterator[Problem]:
    if one.result.failure is not None and not takes_no_mail(one.result):
        yield from _failures(diagnosis, one, net)
    groups: dict[tuple[str, Status], list[Finding]] = {}
    for finding in findings_of(one.result):
        if not _is_left_out(finding):
            groups.setdefault((finding.code, finding.status), []).append(finding)
    for group in groups.values():
        yield _of_findings(diagnosis, one, group, net)


def _is_left_out(finding: Finding) -> bool:
    """A host without an address has a finding that says so, `mx.host_unresolved`."""
    return finding.code == "mx.address_unusable" and not _WHERE.fullmatch(finding.subject)


def _of_findings(diagnosis: Diagnosis, one: AreaResult, group: list[Finding], net: Net) -> Problem:
    first = group[0]
    entry, owner = ENTRIES.get(first.code), owner_of_finding(first)
    values = {**_values(diagnosis, one, first.subject, net), **_recipient(one, first)}
    remedy = entry.remedy if entry else ""
    if entry and owner is Owner.OUR_DNS is not entry.owner:
        remedy = _OUR_RESOLVER
    cases = dict.fromkeys((one_line(f.subject), one_line(f.evidence)) for f in group)
    return Problem(
        one.area.name,
        first.code,
        first.status,
        owner,
        entry.summary if entry else first.code,
        entry.why if entry else "",
        tuple(Case(*case) for case in cases),
        filled(remedy, values),
        tuple(_verification(entry, one, first.subject, values)) if entry else (),
        first.reference,
        mended_by(first.code, first.subject, one.result.known, diagnosis.started_at),
    )


def _verification(
    entry: Entry, one: AreaResult, subject: str, values: Mapping[str, str]
) -> Iterator[str]:
    """The commands of the catalogue; of what is not about one address, one for each that it is
    about: all of the host, or all there are."""
    is_of_one = _WHERE.fullmatch(subject) is not None or _address_in(subject) is not None
    parts = [part for part in one.result.parts if part.address and not is_of_one]
    places = dict.fromkeys((part.host, str(part.address)) for part in parts)
    about = [place for place in places if place[0] == subject] or list(places)
    for line in entry.verify.splitlines():
        if "{address}" not in line or not about:
            yield from _commands((line,), values)
            continue
        for host, address in about[:MAX_CASES]:
            yield from _commands((line,), {**values, "host": host, "address": address})


def _failures(diagnosis: Diagnosis, one: AreaResult, net: Net) -> Iterator[Problem]:
    """What ended the run; where parts failed it is one of theirs, and they are told instead."""
    parts = [(part, part.failure) for part in one.result.parts if part.failure is not None]
    whole = one.result.failure
    if whole is not None and not parts and not _is_explained(whole, one.result.findings):
        yield _of_failure(diagnosis, one, diagnosis.request.domain, whole, net)
    for part, failure in parts:
        if not _is_explained(failure, _beside(diagnosis, part)):
            yield _of_failure(diagnosis, one, _where(part), failure, net)


def _beside(diagnosis: Diagnosis, part: Part) -> tuple[Finding, ...]:
    """The findings of the part, in whatever area it met with this failure."""
    everywhere = (other for one in diagnosis.areas for other in one.result.parts)
    same = (other for other in everywhere if _where(other) == _where(part))
    return tuple(f for other in same if other.failure == part.failure for f in other.findings)


def _is_explained(failure: Failure, findings: tuple[Finding, ...]) -> bool:
    """True when a finding beside it is as grave: it says the same, and what to do."""
    grave = Status.UNTESTABLE if failure.is_untestable else Status.FAILURE
    return any(finding.status is grave for finding in findings)


def _of_failure(
    diagnosis: Diagnosis, one: AreaResult, subject: str, failure: Failure, net: Net
) -> Problem:
    values = _values(diagnosis, one, subject, net)
    lines = _NS if one.area.name == "nameservers" else _BY_PHASE.get(failure.phase, ())
    # a host that was not yet known cannot be asked for
    known = tuple(line for line in lines if placeholders(line) <= values.keys())
    lasting = "It may pass by itself" if failure.is_transient else "It will not pass by itself"
    return Problem(
        one.area.name,
        f"{failure.phase}.{failure.reason}",
        Status.UNTESTABLE if failure.is_untestable else Status.FAILURE,
        failure.owner,
        f"The step {failure.phase} ended with {failure.reason}",
        f"Nothing behind this step could be seen. {lasting}.",
        (Case(one_line(subject), one_line(failure.detail)),),
        "",
        _commands(known or (_DNS[:1] if lines else ()), values),
        "",
        mended_by(failure.phase, subject, one.result.known, diagnosis.started_at),
    )


def _where(part: Part) -> str:
    return part.host if part.address is None else f"{part.host} [{part.address}]"


def _values(diagnosis: Diagnosis, one: AreaResult, subject: str, net: Net) -> Mapping[str, str]:
    """What the texts of the catalogue leave open, as far as it is known for `subject`."""
    request = diagnosis.request
    server = net.resolver.servers[0]
    found = _WHERE.fullmatch(subject)
    hosts = {part.host: part.address for part in one.result.parts}
    host = found["host"] if found else (subject if subject in hosts else None)
    address = found["address"] if found else hosts.get(host or "", _address_in(subject))
    source = request.options.get("source_address") or local_address((address or server[0], 25))
    values: dict[str, str | None] = {
        "subject": subject,
        "domain": request.domain,
        "host": host or next(iter(hosts), None),
        "address": address,
        "port": str(request.options.get("port") or 25),
        "source_address": source,
        "ehlo_name": request.options.get("ehlo_name") or net.ehlo_name,
        "resolver": server[0] if server[1] == 53 else f"{server[0]} -p {server[1]}",
        "recipient": request.address or f"postmaster@{request.domain}",
        "mail_from": request.options.get("mail_from") or "<>",
        "selector": next(iter(request.options.get("selectors") or ()), None),
    }
    return {name: one_line(value) for name, value in values.items() if value}


def _recipient(one: AreaResult, finding: Finding) -> Mapping[str, str]:
    """The recipient that was asked for, where the finding is about one."""
    part = next((part for part in one.result.parts if _where(part) == finding.subject), None)
    asked = None if part is None else asked_for(finding.code, part.facts)
    return {} if asked is None else {"recipient": one_line(asked)}


def _address_in(subject: str) -> str | None:
    """The subject where it is an address itself, as of findings about reverse names."""
    try:
        return str(ip_address(subject))
    except ValueError:
        return None


def _commands(lines: tuple[str, ...] | list[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Command lines to paste: what came from the network is quoted for the shell."""
    quoted = {name: shlex.quote(value) for name, value in values.items()}
    quoted["resolver"] = values.get("resolver", "")  # written by us, with its `-p`
    if ":" in values.get("address", ""):
        lines = [line.replace("{address}:{port}", "'[{address}]:{port}'") for line in lines]
    return tuple(filled(line, quoted) for line in lines)


def document(diagnosis: Diagnosis, net: Net) -> dict[str, object]:
    """The whole tree as JSON types, see docs/json.md."""
    request = diagnosis.request
    return {
        "version": VERSION,
        "domain": request.domain,
        "address": request.address,
        "started_at": diagnosis.started_at.isoformat(),
        "seconds": diagnosis.seconds,
        "interrupted": diagnosis.is_interrupted,
        "exit_code": int(exit_code(diagnosis)),
        "ehlo_name": net.ehlo_name,
        "resolvers": [f"{address} port {port}" for address, port in net.resolver.servers],
        "areas": [
            {
                "area": one.area.name,
                "title": one.area.title,
                "verdict": verdict(one, request.domain),
                "exit_code": int(area_code(one)),
                "result": to_json(one.result),
            }
            for one in diagnosis.areas
        ],
        "problems": to_json(problems(diagnosis, net)),
        "since_good": to_json(compared(diagnosis)),
    }
