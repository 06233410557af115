"""The ledger's texts and numbers: results as JSON, instants as microseconds, copies by digest."""

import asyncio
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from exporter.model import CanaryRecord
from probes.canary.evidence import Evidence, evidence_json
from probes.canary.lifecycle import Outcome, State
from probes.catalogue import arrival
from probes.documents import json_default
from probes.mailboxes.interface import Place, Placement, Sighting
from probes.records.raw_message import MAX_MESSAGE
from probes.records.reply import Reply
from probes.records.subject import read_subject
from probes.result import (
    Failure,
    Finding,
    Owner,
    Part,
    Phase,
    PhaseTiming,
    ProbeResult,
    Reason,
    Status,
)

MAX_RESULT_CHARACTERS = 256 * 1024
"""A longer result is kept without its parts and facts; the fact `ledger.shortened` says so."""

MAX_EVIDENCE_CHARACTERS = 256 * 1024
_SHORTENED = "it proves more than is kept: of every list the first ten entries are here"
_LISTED = 10
_SHOWN = 200
_DEEPEST = 3
_PACKED_AT_ONCE = 64 * 1024
"""Octets that are compressed in a moment; more than that in a thread."""

_ENCODER = json.JSONEncoder(separators=(",", ":"), default=json_default, check_circular=False)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_STATES = {state.value: state for state in State}


def to_micros(instant: datetime | None) -> int | None:
    """Microseconds since 1970 UTC: exact, sortable and the same in every database."""
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int | None) -> datetime | None:
    """The aware UTC instant that `to_micros` stored."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def encode(value: Any) -> str:
    """A result or a failure as ASCII JSON; a value JSON does not know is kept as its text."""
    return _ENCODER.encode(value)


def encode_result(result: ProbeResult) -> str:
    """One result, at most MAX_RESULT_CHARACTERS or little more."""
    text = encode(_document(result))
    if len(text) <= MAX_RESULT_CHARACTERS:
        return text
    return encode(replace(result, parts=(), facts={"ledger.shortened": True}))


def _document(result: ProbeResult) -> dict[str, Any]:
    """Return the document of a result, with its fixed fields written out.

    Reading the field names of each value would cost more than the encoding. `encode` does so only
    for the values in these fields.
    """
    return {
        "kind": result.kind,
        "started_at": result.started_at.isoformat(),
        "seconds": result.seconds,
        "timings": _timing_documents(result.timings),
        "failure": result.failure,
        "findings": result.findings,
        "parts": [
            {
                "host": part.host,
                "address": part.address,
                "timings": _timing_documents(part.timings),
                "failure": part.failure,
                "findings": part.findings,
                "facts": part.facts,
                "ok": part.ok,
            }
            for part in result.parts
        ],
        "facts": result.facts,
        "ok": result.ok,
    }


def _timing_documents(timings: Iterable[PhaseTiming]) -> list[dict[str, Any]]:
    return [{"phase": t.phase, "start": t.start, "seconds": t.seconds} for t in timings]


async def pack_message(content: bytes) -> bytes:
    """A message compressed, as much of it as is ever compared; empty for an empty one.

    One octet more than is read shows that it was longer.
    """
    kept = content[: MAX_MESSAGE + 1]
    if len(kept) > _PACKED_AT_ONCE:
        return await asyncio.to_thread(zlib.compress, kept, 1)
    return zlib.compress(kept, 1) if kept else b""


def unpack(packed: bytes) -> bytes:
    """Return a decompressed message, at most MAX_MESSAGE octets and one."""
    return zlib.decompressobj().decompress(packed, MAX_MESSAGE + 1)


def pack_document(evidence: Evidence) -> bytes:
    """The document of docs/json.md, compressed; see `evidence_json`.

    One above MAX_EVIDENCE_CHARACTERS keeps ten entries of each list, cut short, and says so among
    its findings.
    """
    document = evidence_json(evidence)
    text = encode(document)
    if len(text) > MAX_EVIDENCE_CHARACTERS:
        note = arrival.EVIDENCE_SHORTENED.found(Status.NOTICE, "message", _SHORTENED)
        short = {key: _short(value) for key, value in document.items()}
        text = encode({**short, "findings": [*short["findings"], note]})
    return zlib.compress(text.encode("ascii"), 6)


def unpack_document(packed: bytes) -> dict[str, Any]:
    """Return the document that `pack_document` compressed."""
    document: dict[str, Any] = json.loads(zlib.decompress(packed))
    return document


def _short(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with lists of ten entries and texts of 200 characters at most."""
    if isinstance(value, str):
        return value[:_SHOWN]
    if isinstance(value, list):
        return [_short(item, depth + 1) for item in value[:_LISTED]] if depth < _DEEPEST else []
    if isinstance(value, dict):
        return {key: _short(item, depth + 1) for key, item in value.items()}
    return value


def decode_failure(text: str | None) -> Failure | None:
    """Return the failure that `encode` wrote; None if there was none."""
    return None if text is None else _failure(json.loads(text))


def decode_result(text: str) -> ProbeResult:
    """Return the result that `encode_result` wrote; a fact that was a tuple is a tuple again."""
    document = json.loads(text)
    return ProbeResult(
        kind=document["kind"],
        started_at=datetime.fromisoformat(document["started_at"]),
        seconds=document["seconds"],
        timings=_timings(document["timings"]),
        failure=_failure(document["failure"]),
        findings=_findings(document["findings"]),
        parts=tuple(_part(part) for part in document["parts"]),
        facts=_facts(document["facts"]),
    )


def decode_outline(text: str) -> ProbeResult:
    """The result of `encode_result` without its timings and the facts of its parts.

    For a result without a failure: it has no owner to be read either.
    """
    document = json.loads(text)
    return ProbeResult(
        kind=document["kind"],
        started_at=datetime.fromisoformat(document["started_at"]),
        seconds=document["seconds"],
        timings=(),
        failure=None,
        findings=_findings(document["findings"]),
        parts=tuple(map(_outlined_part, document["parts"])),
        facts=document["facts"],
    )


def _outlined_part(document: dict[str, Any]) -> Part:
    findings = _findings(document["findings"])
    return Part(document["host"], document["address"], (), None, findings, {})


def _part(document: dict[str, Any]) -> Part:
    return Part(
        host=document["host"],
        address=document["address"],
        timings=_timings(document["timings"]),
        failure=_failure(document["failure"]),
        findings=_findings(document["findings"]),
        facts=_facts(document["facts"]),
    )


_FORMER_OWNERS = {
    "us": "configuration",
    "our_dns": "resolver",
    "their_dns": "receiver_dns",
    "their_mx": "receiver_mx",
    "their_filter": "receiver_filter",
    "their_mailbox": "receiver_mailbox",
}


def _owner(name: str) -> Owner:
    """An owner by its name, also by the name that earlier versions stored."""
    return Owner(_FORMER_OWNERS.get(name, name))


def _failure(document: dict[str, Any] | None) -> Failure | None:
    if document is None:
        return None
    return Failure(
        phase=Phase(document["phase"]),
        reason=Reason(document["reason"]),
        detail=document["detail"],
        owner=_owner(document["owner"]),
        is_transient=document["is_transient"],
        reply=_reply(document["reply"]),
    )


def _reply(document: dict[str, Any] | None) -> Reply | None:
    if document is None:
        return None
    enhanced = document["enhanced"]
    if enhanced is not None:
        kind, subject, detail = enhanced
        enhanced = (kind, subject, detail)
    return Reply(document["code"], tuple(document["lines"]), enhanced)


def _timings(documents: list[dict[str, Any]]) -> tuple[PhaseTiming, ...]:
    return tuple(PhaseTiming(Phase(d["phase"]), d["start"], d["seconds"]) for d in documents)


def _findings(documents: list[dict[str, Any]]) -> tuple[Finding, ...]:
    return tuple(map(decode_finding, documents))


def decode_finding(document: Mapping[str, Any]) -> Finding:
    """A finding of its document; one of an earlier version has no owner."""
    owner = document.get("owner")
    return Finding(
        **{
            **document,
            "status": Status(document["status"]),
            "subject": read_subject(document["subject"]),
            "owner": None if owner is None else _owner(owner),
        }
    )


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in document.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _text(value: StrEnum | None) -> str | None:
    return None if value is None else value.value


def _same(value: Any) -> Any:
    return value


_COLUMNS: dict[str, Callable[[Any], Any]] = {
    "token": _same,
    "path": _same,
    "mailbox": _same,
    "tick": _same,
    "state": _text,
    "outcome": _text,
    "planned_at": to_micros,
    "sending_at": to_micros,
    "accepted_at": to_micros,
    "settled_at": to_micros,
    "late_after": _same,
    "lost_after": _same,
    "failure": lambda failure: None if failure is None else encode(failure),
    "placement": _text,
    "round_trip": _same,
    "resolution": _same,
}


def canary_row(record: CanaryRecord) -> dict[str, Any]:
    """A record as the columns of its table; the place of its copies is kept in another."""
    return {name: convert(getattr(record, name)) for name, convert in _COLUMNS.items()}


def changed_columns(before: CanaryRecord, after: CanaryRecord) -> dict[str, Any]:
    """The columns in which `after` differs."""
    return {
        name: convert(new)
        for name, convert in _COLUMNS.items()
        if (new := getattr(after, name)) is not (old := getattr(before, name)) and new != old
    }


def canary_record(row: Sequence[Any]) -> CanaryRecord:
    """The record in a row of `canary_row`'s columns followed by its first copy's place."""
    return CanaryRecord(
        token=row[0],
        path=row[1],
        mailbox=row[2],
        tick=row[3],
        state=_STATES[row[4]],
        outcome=row[5] and Outcome(row[5]),
        planned_at=_EPOCH + timedelta(microseconds=row[6]),
        sending_at=from_micros(row[7]),
        accepted_at=from_micros(row[8]),
        settled_at=from_micros(row[9]),
        late_after=row[10],
        lost_after=row[11],
        failure=decode_failure(row[12]),
        placement=row[13] and Placement(row[13]),
        round_trip=row[14],
        resolution=row[15],
        place=None if row[16] is None else Place(*row[16:20]),
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """The place of a message and the digest of its header.

    `digest` is empty if the header was not read. Two deliveries never share a header: each adds its
    own trace field (RFC 5321 §4.4). So an equal digest elsewhere is the same delivery, moved.
    """

    place: Place
    digest: str

    def may_have_moved_to(self, other: "Copy") -> bool:
        """True if the header is the same, and the folder or its epoch another."""
        mine, others = self.place, other.place
        is_elsewhere = (mine.folder, mine.epoch) != (others.folder, others.epoch)
        return is_elsewhere and self.digest == other.digest != ""


def copy_of(sighting: Sighting) -> Copy:
    """The copy a sighting speaks of."""
    digest = hashlib.blake2b(sighting.header, digest_size=12).hexdigest()
    return Copy(sighting.place, digest if sighting.header else "")


def place_columns(place: Place) -> dict[str, Any]:
    """Return a place as the columns of a copy."""
    return {
        "folder": place.folder,
        "epoch": place.epoch,
        "id": place.id,
        "position": place.position,
    }
