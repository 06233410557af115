"""ARC sets, RFC 8617 §4: the claims of each ARC handler, grouped by instance.

Nothing is verified here: a seal is read as a claim.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from probes.records.authentication_results import (
    AuthenticationResults,
    parse_authentication_results,
)
from probes.records.tag_list import TagList, parse_tag_list

MAX_ARC_FIELDS = 3 * 50
"""RFC 8617 §4.2.1: fifty sets of three fields; only the first ones are read."""

_RESULTS = "arc-authentication-results"
_SIGNATURE = "arc-message-signature"
_SEAL = "arc-seal"


@dataclass(frozen=True, slots=True)
class ArcSignature:
    """The tags of an ARC-Message-Signature or an ARC-Seal; None for a missing tag.

    `chain_validation` is the seal's `cv=` in lower case (`none`, `pass`, `fail`); a signature has
    none. `signed_fields` are the names in `h=`, in lower case. `timestamp` is in seconds since
    1970.
    """

    raw: str
    instance: int | None
    domain: str | None
    selector: str | None
    algorithm: str | None
    chain_validation: str | None
    timestamp: int | None
    signed_fields: tuple[str, ...]
    tags: TagList


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The fields of one instance, in the order of the header; a valid set has one of each."""

    instance: int
    results: tuple[AuthenticationResults, ...] = ()
    signatures: tuple[ArcSignature, ...] = ()
    seals: tuple[ArcSignature, ...] = ()

    @property
    def is_complete(self) -> bool:
        """True with exactly one field of each kind, RFC 8617 §5.2 step 3."""
        return len(self.results) == len(self.signatures) == len(self.seals) == 1

    @property
    def is_duplicated(self) -> bool:
        """True with more than one field of a kind."""
        return max(len(self.results), len(self.signatures), len(self.seals)) > 1


@dataclass(frozen=True, slots=True)
class ArcChain:
    """All sets by instance, lowest first.

    `missing` are the instances below the highest that have no field at all. `unplaced` are the
    values of fields without a usable `i=`. `ignored` counts fields beyond MAX_ARC_FIELDS.
    """

    sets: tuple[ArcSet, ...] = ()
    missing: tuple[int, ...] = ()
    unplaced: tuple[str, ...] = ()
    ignored: int = 0

    @property
    def is_complete(self) -> bool:
        """True if every instance from 1 on has exactly its three fields, and none is left over."""
        is_whole = all(arc_set.is_complete for arc_set in self.sets)
        return bool(self.sets) and is_whole and not (self.missing or self.unplaced or self.ignored)


def arc_sets(headers: Iterable[tuple[str, str]]) -> ArcChain:
    """Group the ARC fields among (name, value) pairs; other fields are ignored."""
    fields = [(name.strip().lower(), value) for name, value in headers]
    arc = [(name, value) for name, value in fields if name in (_RESULTS, _SIGNATURE, _SEAL)]
    read = [(name, _parsed(name, value)) for name, value in islice(arc, MAX_ARC_FIELDS)]
    instances = sorted({_instance(field) for _, field in read} - {0})
    highest = instances[-1] if instances else 0
    return ArcChain(
        sets=tuple(_set(instance, read) for instance in instances),
        missing=tuple(sorted(set(range(1, highest)) - set(instances))),
        unplaced=tuple(field.raw for _, field in read if not _instance(field)),
        ignored=max(0, len(arc) - MAX_ARC_FIELDS),
    )


def parse_arc_signature(value: str) -> ArcSignature:
    """Read an ARC-Message-Signature or ARC-Seal, RFC 8617 §4.1.2, §4.1.3; any text gives one."""
    tags = parse_tag_list(value)
    names = (tags.compact("h") or "").lower().split(":")
    verdict = tags.compact("cv")
    return ArcSignature(
        raw=value,
        instance=_number(tags.compact("i"), digits=4),
        domain=tags.compact("d"),
        selector=tags.compact("s"),
        algorithm=tags.compact("a"),
        chain_validation=None if verdict is None else verdict.lower(),
        timestamp=_number(tags.compact("t"), digits=12),
        signed_fields=tuple(name for name in names if name),
        tags=tags,
    )


def _parsed(name: str, value: str) -> AuthenticationResults | ArcSignature:
    return parse_authentication_results(value) if name == _RESULTS else parse_arc_signature(value)


def _instance(field: AuthenticationResults | ArcSignature) -> int:
    """The instance, RFC 8617 §4.2.1: 1 to 50; 0 for a field without such a number."""
    return field.instance if field.instance is not None and field.instance <= 50 else 0


def _set(instance: int, read: Sequence[tuple[str, AuthenticationResults | ArcSignature]]) -> ArcSet:
    own = [(name, field) for name, field in read if field.instance == instance]
    signed = [(name, field) for name, field in own if isinstance(field, ArcSignature)]
    return ArcSet(
        instance,
        tuple(field for _, field in own if isinstance(field, AuthenticationResults)),
        tuple(field for name, field in signed if name == _SIGNATURE),
        tuple(field for name, field in signed if name == _SEAL),
    )


def _number(text: str | None, *, digits: int) -> int | None:
    if text is None or not re.fullmatch(rf"[0-9]{{1,{digits}}}", text):
        return None
    return int(text)
