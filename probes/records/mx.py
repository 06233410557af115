"""MX records and their order of use, RFC 5321 §5.1 and RFC 7505."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

Shuffle = Callable[[list["MxRecord"]], None]
"""Reorders a list in place (`random.Random().shuffle`)."""


@dataclass(frozen=True, slots=True)
class MxRecord:
    """One MX record: `exchange` in lower case A-labels without final dot, `.` for the root."""

    preference: int
    exchange: str


def by_preference(records: Iterable[MxRecord]) -> tuple[MxRecord, ...]:
    """Lowest preference (the most wanted) first; equals stay in the order given."""
    # RFC 5321 §5.1: "Lower numbers are more preferred"
    return tuple(sorted(records, key=lambda record: record.preference))


def is_null_mx(records: Sequence[MxRecord]) -> bool:
    """True if the domain declares that it takes no mail: the root as its only exchange."""
    # RFC 7505 §3
    return len(records) == 1 and records[0].exchange == "."


def hosts_of(records: Iterable[MxRecord]) -> tuple[MxRecord, ...]:
    """The hosts to try: each once, at its lowest preference, without the root.

    A root among other exchanges violates RFC 7505 §3 and names no host.
    """
    best: dict[str, MxRecord] = {}
    for record in by_preference(records):
        if record.exchange != ".":
            best.setdefault(record.exchange, record)
    return tuple(best.values())


def delivery_order(records: Iterable[MxRecord], shuffle: Shuffle) -> tuple[MxRecord, ...]:
    """The order in which a sender tries the hosts: by preference, equals at random."""
    ordered: list[MxRecord] = []
    for _, group in groupby(by_preference(records), key=lambda record: record.preference):
        equals = list(group)
        # RFC 5321 §5.1: "the sender-SMTP MUST randomize them to spread the load"
        shuffle(equals)
        ordered += equals
    return tuple(ordered)
