"""Answers recognised by their octets: a message that a server repeats is not parsed again.

No cache: every question is asked, and the server's answer decides. Only the parsing is saved, which
costs three times as much as the exchange. TTLs count down from answer to answer, so they are left
out of the comparison and read afresh.
"""

import struct
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from probes.net.dns_answer import Answer, DnsStatus, ServerAddress

MAX_REMEMBERED = 4096
"""Answers that are remembered, the latest used ones."""

MAX_OCTETS = 1232
"""A longer answer is not remembered; one that came in an unfragmented datagram is shorter."""

_OPT, _SOA, _CNAME, _RRSIG = 41, 6, 5, 46
_MAX_TTL = 2**31  # RFC 2181 §8: greater ones are none
_POINTER = 0xC0

Key = tuple[ServerAddress, bytes]
"""The server asked, and the question as its octets in the message."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An answer, its message without id and TTLs, and where the TTLs stand.

    `counting` are the places of the numbers of which the smallest is the answer's TTL.
    """

    answer: Answer[Any]
    masked: bytes
    places: tuple[int, ...]
    counting: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Record:
    """Where in a message a record's TTL stands and where the record ends.

    `section` is 0 for the answer, 1 for the authority; `kind` is the number of its type.
    """

    section: int
    kind: int
    place: int
    end: int


class AnswerMemory:
    """The latest answer to each question of each server."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Known] = OrderedDict()

    def recall(self, key: Key, message: bytes) -> Answer[Any] | None:
        """Return the known answer if `message` repeats it, with the TTLs of now; else None."""
        known = self._known.get(key)
        if known is None or _masked(message, known.places) != known.masked:
            return None
        self._known.move_to_end(key)
        ttl = min(_ttl(message, place) for place in known.counting)
        if ttl >= _MAX_TTL:
            return None
        if ttl == _told(known.answer):
            return known.answer
        if known.answer.status is DnsStatus.ANSWERED:
            return replace(known.answer, ttl=ttl)
        return replace(known.answer, negative_ttl=ttl)

    def remember(self, key: Key, message: bytes, answer: Answer[Any]) -> None:
        """Keep the `answer` read from `message`, if the message can be compared without parsing."""
        if len(message) > MAX_OCTETS:
            return
        try:
            records = _records(message)
        except (IndexError, struct.error):
            return
        counting = _counting(key, records, answer)
        if not counting or min(_ttl(message, place) for place in counting) != _told(answer):
            return
        places = tuple(record.place for record in records if record.kind != _OPT)
        self._known[key] = _Known(answer, _masked(message, places), places, counting)
        self._known.move_to_end(key)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)


def rdata_of(message: bytes, kind: int) -> tuple[bytes, ...]:
    """The data of every record of one type in the answer, unread; () where it is not whole."""
    try:
        records = _records(message)
    except (IndexError, struct.error):
        return ()
    wanted = (r for r in records if r.section == 0 and r.kind == kind and r.end <= len(message))
    return tuple(message[r.place + 6 : r.end] for r in wanted)


def _told(answer: Answer[Any]) -> int | None:
    return answer.ttl if answer.status is DnsStatus.ANSWERED else answer.negative_ttl


def _counting(key: Key, records: list[_Record], answer: Answer[Any]) -> tuple[int, ...]:
    """The places of the numbers that decide the answer's TTL; () where they are not certain.

    In an answer: all records' but signatures'. In a negative one: the SOA record's own TTL and its
    MINIMUM field, its last, RFC 2308 §5.
    """
    if answer.status is DnsStatus.ANSWERED:
        kind = int.from_bytes(key[1][-4:-2], "big")
        told = [r for r in records if r.section == 0 and r.kind != _RRSIG]
        wanted = [r for r in told if r.kind == kind]
        is_plain = all(r.kind in (kind, _CNAME) for r in told)
        is_whole = is_plain and len(wanted) == len(answer.records)
        return tuple(r.place for r in told) if is_whole else ()
    if answer.status in (DnsStatus.NO_DATA, DnsStatus.NXDOMAIN):
        starts = [r for r in records if r.section == 1 and r.kind == _SOA]
        return (starts[0].place, starts[0].end - 4) if len(starts) == 1 else ()
    return ()


def _records(message: bytes) -> list[_Record]:
    """Every record after the question, RFC 1035 §4.1.3. IndexError, struct.error: not whole."""
    questions, *counts = struct.unpack_from("!HHHH", message, 4)
    position = 12
    for _ in range(questions):
        position = _after_name(message, position) + 4
    records: list[_Record] = []
    for section, count in enumerate(counts):
        for _ in range(count):
            position = _after_name(message, position)
            kind, _, _, length = struct.unpack_from("!HHIH", message, position)
            end = position + 10 + length
            records.append(_Record(section, kind, position + 4, end))
            position = end
    return records


def _after_name(message: bytes, position: int) -> int:
    """Where a name ends: at its root label, or behind the pointer to the rest of it."""
    while length := message[position]:
        if length >= _POINTER:
            return position + 2
        position += 1 + length
    return position + 1


def _ttl(message: bytes, place: int) -> int:
    return int.from_bytes(message[place : place + 4], "big")


def _masked(message: bytes, places: tuple[int, ...]) -> bytes:
    """The message without its id, its TTLs being zero."""
    masked = bytearray(message)
    for place in places:
        masked[place : place + 4] = bytes(4)
    return bytes(masked[2:])
