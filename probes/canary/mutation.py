"""The changes to a message on its way: a comparison of the octets sent and received."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from probes.records.mime_parts import Part, decode_charset, decode_words, read_parts
from probes.records.raw_message import MAX_MESSAGE, RawField, RawMessage, read_message
from probes.records.signatures.dkim_verification import DkimVerdict

_SHOWN = 80
"""Characters of a text that a detail quotes."""

_WORD = re.compile(r"\S+")
_LINK = re.compile(r"https?://[^\s<>\"')\]]{1,2000}", re.IGNORECASE)
_FORM_FIELDS = frozenset(("content-type", "content-transfer-encoding", "mime-version"))
"""Fields that have to change with the body's form; they are reported with it."""


class MutationKind(StrEnum):
    """The kind of a change on the way."""

    SUBJECT_CHANGED = "subject_changed"
    HEADER_CHANGED = "header_changed"
    HEADER_REMOVED = "header_removed"
    HEADER_REFOLDED = "header_refolded"
    HEADER_REENCODED = "header_reencoded"
    HEADER_DUPLICATED = "header_duplicated"
    REENCODED = "reencoded"
    WRAPPED = "wrapped"
    WHITE_SPACE_CHANGED = "white_space_changed"
    BANNER_ADDED = "banner_added"
    FOOTER_ADDED = "footer_added"
    LINKS_REWRITTEN = "links_rewritten"
    BODY_CHANGED = "body_changed"
    BODY_TRUNCATED = "body_truncated"


_OF_THE_BODY = frozenset(
    (
        *(MutationKind.REENCODED, MutationKind.WRAPPED, MutationKind.WHITE_SPACE_CHANGED),
        *(MutationKind.BANNER_ADDED, MutationKind.FOOTER_ADDED, MutationKind.LINKS_REWRITTEN),
        *(MutationKind.BODY_CHANGED, MutationKind.BODY_TRUNCATED),
    )
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change; `detail` is one line for people.

    `fields` are the header fields concerned, in lower case, empty if only the body changed.

    `between` are hop positions in travel order (0 is us); None if the header leaves it open. The
    change happened after the first had the message, and no later than the second handed it on.
    `broke` are the signatures (`d=… s=…`) that are now invalid and cover the changed part.
    """

    kind: MutationKind
    detail: str
    fields: tuple[str, ...] = ()
    between: tuple[int, int] | None = None
    broke: tuple[str, ...] = ()


def mutations(
    sent: bytes,
    arrived: RawMessage,
    verdicts: Sequence[DkimVerdict] = (),
    intact_at: Mapping[str, int] | None = None,
) -> tuple[Mutation, ...]:
    """All changes, header first.

    `verdicts` are our own on the arrived copy. `intact_at` maps signature labels to the position of
    the last hop with a trusted valid result for them. Bodies are compared only if both were read
    completely.
    """
    original = read_message(sent)
    found = _header_changes(original, arrived)
    if not (original.is_cut or arrived.is_cut):
        found += _body_changes(original, arrived)
    evidence = _Evidence(arrived, verdicts, intact_at or {})
    return tuple(evidence.about(one) for one in found)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The evidence of signatures for the place of a change.

    A signature with n Received fields below it was made by hop n or the one behind it: either may
    sign before or after it writes its own field.
    """

    arrived: RawMessage
    verdicts: Sequence[DkimVerdict]
    intact_at: Mapping[str, int]

    def about(self, mutation: Mutation) -> Mutation:
        broken = [one for one in self.verdicts if _is_hit(one, mutation) is True]
        intact = [one for one in self.verdicts if _is_hit(one, mutation) is False]
        labels = tuple(dict.fromkeys(one.label for one in broken))
        return replace(mutation, broke=labels, between=self._between(broken, intact))

    def _between(
        self, broken: Sequence[DkimVerdict], intact: Sequence[DkimVerdict]
    ) -> tuple[int, int] | None:
        hops = len(self.arrived.all("received"))
        after = [self._hops_below(one) for one in broken]
        after += [self.intact_at[one.label] for one in broken if one.label in self.intact_at]
        before = [self._hops_below(one) + 1 for one in intact]
        first, last = max(after, default=0), min([hops, *before])
        return None if (first, last) == (0, hops) or first > last else (first, last)

    def _hops_below(self, verdict: DkimVerdict) -> int:
        return sum(one.name == "received" for one in self.arrived.fields[verdict.fields_above :])


def _is_hit(verdict: DkimVerdict, mutation: Mutation) -> bool | None:
    """True if this change broke the signature; None if it does not cover it or was not checked.

    Relaxed canonicalisation tolerates a change of white space. An intact signature then tells
    nothing about the time of the change.
    """
    signature = verdict.signature
    if signature is None or verdict.is_body_intact is None or verdict.is_header_intact is None:
        return None
    is_covered = any(name in signature.signed_names for name in mutation.fields)
    if mutation.kind in _OF_THE_BODY and not verdict.is_body_intact:
        return True
    if is_covered and not verdict.is_header_intact:
        return True
    is_borne = mutation.kind in (MutationKind.WHITE_SPACE_CHANGED, MutationKind.HEADER_REFOLDED)
    if is_borne or signature.body_length is not None:
        return None
    return False if is_covered or mutation.kind in _OF_THE_BODY else None


def _header_changes(original: RawMessage, arrived: RawMessage) -> list[Mutation]:
    found = []
    for name in dict.fromkeys(field.name for field in original.fields if field.name):
        ours, theirs = original.all(name), arrived.all(name)
        if name != "received" and name not in _FORM_FIELDS:
            found += [one for field in ours if (one := _field_change(field, theirs)) is not None]
            if len(theirs) > len(ours) and name != "dkim-signature":
                detail = f"{name} is there {len(theirs)} times"
                found.append(Mutation(MutationKind.HEADER_DUPLICATED, detail, (name,)))
    return found


def _field_change(field: RawField, theirs: Sequence[RawField]) -> Mutation | None:
    """The change to one field of ours, None if it is unchanged."""
    name = field.name
    if any(other.raw_value.strip() == field.raw_value.strip() for other in theirs):
        return None
    bare = _without_space(field.value)
    if any(_without_space(other.value) == bare for other in theirs):
        return Mutation(MutationKind.HEADER_REFOLDED, f"{name} was folded anew", (name,))
    if not theirs or name == "dkim-signature":
        return Mutation(MutationKind.HEADER_REMOVED, f"{name} is gone", (name,))
    said = _decoded(field)
    if any(_without_space(_decoded(other)) == _without_space(said) for other in theirs):
        return Mutation(MutationKind.HEADER_REENCODED, f"{name} was encoded anew", (name,))
    now = _decoded(theirs[0])
    kind = MutationKind.SUBJECT_CHANGED if name == "subject" else MutationKind.HEADER_CHANGED
    return Mutation(kind, f"{name}: {_difference(said, now)}", (name,))


def _difference(before: str, after: str) -> str:
    if after.endswith(before):
        return f"{_quoted(after[: -len(before)].strip())} was put before it"
    if after.startswith(before):
        return f"{_quoted(after[len(before) :].strip())} was put behind it"
    return f"{_quoted(before)} became {_quoted(after)}"


def _body_changes(original: RawMessage, arrived: RawMessage) -> list[Mutation]:
    if original.body == arrived.body and _form(original) == _form(arrived):
        return []
    ours, theirs = _parts(original)[0], _parts(arrived)
    found = [*_form_changes(ours, theirs)]
    text = _plain(ours)
    wanted = _squeezed(text)
    candidates = [_plain(part) for part in theirs if part.is_text] or [""]
    came = next((other for other in candidates if wanted in _squeezed(other)), None)
    changed = _text_changes(text, candidates[0] if came is None else came)
    found += changed
    if not found:
        detail = "white space or line ends were changed"
        found.append(Mutation(MutationKind.WHITE_SPACE_CHANGED, detail))
    return found


def _form(message: RawMessage) -> tuple[str, ...]:
    names = ("content-type", "content-transfer-encoding")
    return tuple(_without_space(message.first(name)).lower() for name in names)


def _form_changes(ours: Part, theirs: Sequence[Part]) -> list[Mutation]:
    """Changes of the body's form: a multipart around it, a transfer encoding, a charset."""
    top = theirs[0]
    fields = tuple(
        name
        for name in ("content-type", "content-transfer-encoding")
        if _without_space(ours.header.get(name)) != _without_space(top.header.get(name))
    )
    found = []
    if top.media_type != ours.media_type:
        detail = f"{ours.media_type} became {top.media_type}"
        found.append(Mutation(MutationKind.WRAPPED, detail, fields))
    text = next((part for part in theirs if part.media_type == ours.media_type), top)
    before, after = _encoding(ours), _encoding(text)
    if before != after:
        detail = f"{' '.join(before)} became {' '.join(after)}"
        found.append(Mutation(MutationKind.REENCODED, detail, fields))
    return found


def _encoding(part: Part) -> tuple[str, str]:
    transfer = part.header.get("content-transfer-encoding").strip().lower() or "7bit"
    return transfer, part.parameters.get("charset", "us-ascii").lower()


def _text_changes(before: str, after: str) -> list[Mutation]:
    """Changes of the text itself, white space aside."""
    ours, theirs = _squeezed(before), _squeezed(after)
    if ours == theirs:
        return []
    if ours in theirs:
        return _additions(ours, theirs)
    plain_ours, plain_theirs = _without_links(ours), _without_links(theirs)
    if plain_ours in plain_theirs:
        pairs = zip(_LINK.findall(ours), _LINK.findall(theirs), strict=False)
        now = next(
            (f"{_quoted(a)} became {_quoted(b)}" for a, b in pairs if a != b), "links differ"
        )
        return [
            Mutation(MutationKind.LINKS_REWRITTEN, now),
            *_additions(plain_ours, plain_theirs),
        ]
    if ours.startswith(theirs):
        detail = f"{len(theirs)} of {len(ours)} characters came"
        return [Mutation(MutationKind.BODY_TRUNCATED, detail)]
    return [Mutation(MutationKind.BODY_CHANGED, "the text is not the one that was sent")]


def _additions(ours: str, theirs: str) -> list[Mutation]:
    before, _, after = theirs.partition(ours)
    found = []
    if before.strip():
        found.append(Mutation(MutationKind.BANNER_ADDED, f"above the text: {_quoted(before)}"))
    if after.strip():
        found.append(Mutation(MutationKind.FOOTER_ADDED, f"below the text: {_quoted(after)}"))
    return found


def _parts(message: RawMessage) -> tuple[Part, ...]:
    header = b"".join(field.raw + b"\r\n" for field in message.fields if field.name)
    return read_parts(header + b"\r\n" + message.body)


def _plain(part: Part) -> str:
    if part.media_type == "text/html":
        return part.text()
    content = part.content()[:MAX_MESSAGE]
    return decode_charset(content, part.parameters.get("charset", "utf-8"))


def _decoded(field: RawField) -> str:
    return " ".join(decode_words(field.value).split())


def _squeezed(text: str) -> str:
    """The words with one space between. One match at a time, so that other threads get turns."""
    return " ".join(match[0] for match in _WORD.finditer(text))


def _without_space(text: str) -> str:
    return "".join(text.split())


def _without_links(text: str) -> str:
    """The text with a mark for each link, one at a time for the same reason."""
    return _LINK.sub(lambda _: "LINK", text)


def _quoted(text: str) -> str:
    line = " ".join(text[: 4 * _SHOWN].split())
    return repr(line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…")
