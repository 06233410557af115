"""The reader of IMAP responses, RFC 3501 §7 and RFC 9051 §7.

`read_response` takes one whole response (see `framing`) and keeps no state between responses. So an
unsolicited response is read like any other.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone

from probes.records import RecordError
from probes.records.imap.framing import Raw
from probes.records.imap.names import name_of
from probes.records.imap.responses import (
    Capability,
    Code,
    Condition,
    Continuation,
    Enabled,
    Exists,
    Expunge,
    Fetch,
    Flags,
    FolderStatus,
    Identity,
    Listed,
    Other,
    Quota,
    Recent,
    Response,
    Search,
    Status,
    Unread,
)
from probes.records.imap.values import Value, read_values

MAX_NUMBERS = 500_000
"""Message numbers accepted in the answer to one search."""

_NUMBER = re.compile(r"[0-9]{1,19}")
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64}")
_NUMBERED = re.compile(rb"([0-9]{1,10}) ([A-Za-z]++)")
_STATUS = re.compile(rb"(OK|NO|BAD|PREAUTH|BYE)(?: (.*))?\Z", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"\[([^\]\s]++)(?: ([^\]]*+))?\] ?")
_NAME = re.compile(rb"[A-Za-z0-9.-]{1,64}")
_SECTION = re.compile(r"(?:BODY|BINARY)\[([^\]]*+)\](?:<[0-9]{1,10}>)?")
_SEARCHED = re.compile(rb"((?: [0-9]{1,10})*+) ?(?:\(MODSEQ [0-9]{1,19}\))? ?", re.IGNORECASE)
_DATE = re.compile(
    r"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) "
    r"([+-])([0-9]{2})([0-9]{2})"
)
_KEPT = 512  # octets of an unread response that are kept
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def read_response(raw: Raw) -> Response:
    """Read one response.

    An untagged response that RFC 3501 §9 does not have is `Unread`: clients bear what they do not
    need. Raises RecordError for a line that is no response at all.
    """
    line = raw[0]
    if line[:1] == b"+":
        return Continuation(_text(line[1:].removeprefix(b" ")))
    tag, _, rest = line.partition(b" ")
    if tag == b"*":
        try:
            return _read_untagged(rest, raw)
        except RecordError as error:
            return Unread(_keyword(rest), str(error), b"".join(raw)[:_KEPT])
    if not line.strip() and len(raw) == 1:
        return Unread("", "an empty line", line[:_KEPT])
    status = _STATUS.match(rest)
    if status is None or not _TAG.fullmatch(tag):
        raise RecordError(f"not an IMAP response: {line[:80]!r}")
    return _read_status(tag.decode("ascii"), status)


def _read_untagged(rest: bytes, raw: Raw) -> Response:
    numbered = _NUMBERED.match(rest)
    if numbered is not None:
        return _read_numbered(int(numbered[1]), numbered[2].upper(), rest[numbered.end() :], raw)
    status = _STATUS.match(rest)
    if status is not None:
        return _read_status(None, status)
    name = _NAME.match(rest)
    if name is None:
        raise RecordError(f"not an IMAP response: {rest[:80]!r}")
    keyword = name[0].upper()
    reader = _READERS.get(keyword)
    if reader is None:
        return Other(keyword.decode("ascii"))
    return reader((rest[name.end() :], *raw[1:]))


def _keyword(rest: bytes) -> str:
    """The word that says which response it is meant to be; "" where there is none."""
    numbered = _NUMBERED.match(rest)
    if numbered is not None:
        return numbered[2].decode("ascii").upper()
    name = _NAME.match(rest)
    return "" if name is None else name[0].decode("ascii").upper()


def _read_numbered(number: int, keyword: bytes, rest: bytes, raw: Raw) -> Response:
    if keyword == b"EXISTS":
        return Exists(number)
    if keyword == b"FETCH":
        return _read_fetch(number, read_values((rest, *raw[1:])))
    if keyword == b"EXPUNGE":
        return Expunge(number)
    if keyword == b"RECENT":
        return Recent(number)
    return Other(keyword.decode("ascii"))


def _read_status(tag: str | None, match: re.Match[bytes]) -> Status:
    text = _text(match[2] or b"")
    code = _CODE.match(text)
    condition = Condition(match[1].decode("ascii").upper())
    if code is None:
        return Status(tag, condition, None, text)
    return Status(tag, condition, Code(code[1].upper(), code[2] or ""), text[code.end() :])


def _read_fetch(sequence: int, values: tuple[Value, ...]) -> Fetch:
    items = values[0] if len(values) == 1 else None
    if not isinstance(items, tuple) or len(items) % 2:
        raise RecordError("a FETCH response that is not a list of pairs")
    said: dict[str, Value] = {}
    sections: dict[str, bytes | None] = {}
    for key, value in zip(items[::2], items[1::2], strict=True):
        name = key.upper() if isinstance(key, str) else ""
        section = _SECTION.fullmatch(name)
        if section is None:
            if name.startswith(("BODY[", "BINARY[")):
                raise RecordError(f"a section without its end: {name[:80]!r}")
            said[name] = value
        else:
            sections[section[1]] = None if value is None else _octets(value)
    return Fetch(
        sequence,
        _number(said["UID"]) if "UID" in said else None,
        _flags(said.get("FLAGS")),
        _optional_number(said.get("RFC822.SIZE")),
        _internal_date(said.get("INTERNALDATE")),
        sections,
        _labels(said.get("X-GM-LABELS")),
    )


def _labels(value: Value) -> tuple[str, ...] | None:
    """Decode labels, which are in modified UTF-7 like mailbox names."""
    return tuple(map(_mailbox, value)) if isinstance(value, tuple) else None


def _read_capability(raw: Raw) -> Capability:
    return Capability(_capitals(raw))


def _read_enabled(raw: Raw) -> Enabled:
    return Enabled(_capitals(raw))


def _read_flags(raw: Raw) -> Flags:
    values = read_values(raw)
    names = _flags(values[0]) if len(values) == 1 else None
    if names is None:
        raise RecordError("a FLAGS response that is not a list")
    return Flags(names)


def _read_list(raw: Raw) -> Listed:
    values = read_values(raw)
    if len(values) < 3 or not isinstance(values[0], tuple):
        raise RecordError("a LIST response without attributes, delimiter and name")
    attributes = frozenset(_word(value).lower() for value in values[0])
    delimiter = None if values[1] is None else _word(values[1])
    return Listed(attributes, delimiter, _listed_name(values[2:]))


def _listed_name(values: tuple[Value, ...]) -> str:
    """The name; some servers send one with spaces and no quotes around it."""
    words = [value for value in values if isinstance(value, str)]
    if len(words) == len(values) > 1:
        return _mailbox(" ".join(words))
    return _mailbox(values[0])


def _read_search(raw: Raw) -> Search:
    match = _SEARCHED.fullmatch(raw[0]) if len(raw) == 1 else None
    if match is None:
        raise RecordError(f"a SEARCH response that is not numbers: {raw[0][:80]!r}")
    words = match[1].split()
    if len(words) > MAX_NUMBERS:
        raise RecordError(f"a SEARCH response of {len(words)} numbers")
    return Search(tuple(map(int, words)))


def _read_esearch(raw: Raw) -> Search:
    """Read an ESEARCH response, RFC 4731 §3.1; only ALL is used, absent if nothing was found."""
    values = list(read_values(raw))
    tag = None
    if values and isinstance(values[0], tuple):
        correlator = values.pop(0)
        if not isinstance(correlator, tuple) or len(correlator) != 2:
            raise RecordError("an ESEARCH response with a malformed tag")
        tag = _word(correlator[1])
    if values and isinstance(values[0], str) and values[0].upper() == "UID":
        values.pop(0)
    for key, value in zip(values[::2], values[1::2], strict=False):
        if _word(key).upper() == "ALL":
            return Search(expand_set(_word(value)), tag)
    return Search((), tag)


def expand_set(text: str) -> tuple[int, ...]:
    """The numbers of a sequence set without `*`. Raises RecordError, also above MAX_NUMBERS."""
    ranges = []
    count = 0
    for item in text.split(","):
        first, colon, last = item.partition(":")
        low, high = sorted((_number(first), _number(last) if colon else _number(first)))
        count += high - low + 1
        if count > MAX_NUMBERS:
            raise RecordError(f"a sequence set of more than {MAX_NUMBERS} numbers")
        ranges.append(range(low, high + 1))
    return tuple(number for each in ranges for number in each)


def _read_folder_status(raw: Raw) -> FolderStatus:
    values = read_values(raw)
    if len(values) != 2 or not isinstance(values[1], tuple):
        raise RecordError("a STATUS response without name and items")
    pairs = zip(values[1][::2], values[1][1::2], strict=False)
    read = {_word(key).upper(): _optional_number(value) for key, value in pairs}
    items = {key: number for key, number in read.items() if number is not None}
    return FolderStatus(_mailbox(values[0]), items)


def _read_quota(raw: Raw) -> Quota:
    values = read_values(raw)
    if len(values) != 2 or not isinstance(values[1], tuple):
        raise RecordError("a QUOTA response without root and resources")
    said = values[1]
    triples = zip(said[::3], said[1::3], said[2::3], strict=False)
    resources = {_word(name).upper(): (_number(u), _number(limit)) for name, u, limit in triples}
    return Quota(_mailbox(values[0]), resources)


def _read_identity(raw: Raw) -> Identity:
    values = read_values(raw)
    pairs = values[0] if values and isinstance(values[0], tuple) else ()
    return Identity(
        {
            _word(key).lower(): _word(value)
            for key, value in zip(pairs[::2], pairs[1::2], strict=False)
            if value is not None
        }
    )


_READERS: Mapping[bytes, Callable[[Raw], Response]] = {
    b"CAPABILITY": _read_capability,
    b"ENABLED": _read_enabled,
    b"ESEARCH": _read_esearch,
    b"FLAGS": _read_flags,
    b"ID": _read_identity,
    b"LIST": _read_list,
    b"QUOTA": _read_quota,
    b"SEARCH": _read_search,
    b"STATUS": _read_folder_status,
    b"XLIST": _read_list,
}


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _octets(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("latin-1")
    raise RecordError("an IMAP list where a string belongs")


def _word(value: Value) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else _text(_octets(value))


def _mailbox(value: Value) -> str:
    # RFC 3501 §5.1: INBOX in any case is the same folder. A folder may have the name "NIL".
    name = name_of(b"NIL" if value is None else _octets(value))
    return "INBOX" if name.upper() == "INBOX" else name


def _number(value: Value) -> int:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    raise RecordError(f"not a number: {str(value)[:40]!r}")


def _optional_number(value: Value) -> int | None:
    """A number; None also for one that makes no sense, of which nothing depends."""
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    return int(str(value)) if is_number else None


def _flags(value: Value) -> tuple[str, ...] | None:
    return tuple(_word(flag) for flag in value) if isinstance(value, tuple) else None


def _capitals(raw: Raw) -> frozenset[str]:
    """The words of a line, whatever characters they have: RFC 3501 §7.2.1 knows atoms only."""
    return frozenset(word.upper() for piece in raw for word in _text(piece).split())


def _internal_date(value: Value) -> datetime | None:
    match = _DATE.fullmatch(_text(value)) if isinstance(value, bytes) else None
    if match is None or match[2].lower() not in _MONTHS:
        return None
    offset = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        return datetime(
            int(match[3]),
            _MONTHS.index(match[2].lower()) + 1,
            int(match[1]),
            int(match[4]),
            int(match[5]),
            min(int(match[6]), 59),
            tzinfo=timezone(-offset if match[7] == "-" else offset),
        )
    except ValueError:
        return None
