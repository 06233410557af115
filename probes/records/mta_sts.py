"""MTA-STS, RFC 8461: the TXT record, the policy, and the matching of MX hosts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from probes.records import RecordError

MAX_POLICY = 64 * 1024
"""Octets of a policy, RFC 8461 §3.3; a longer one is refused unread."""

MAX_MX_PATTERNS = 1000
"""Patterns of one policy; no domain has more hosts."""

LONGEST_MAX_AGE = 31_557_600
"""Seconds, a year: the maximum of RFC 8461 §3.2."""

_RECORD_BYTES = 4096
_VERSION = "v=STSv1"
_NEARLY = re.compile(rb"v\s*=\s*sts|stsv\s*1", re.IGNORECASE)
# RFC 8461 §3.1: sts-id, sts-ext-name and sts-ext-value
_ID = re.compile(r"[A-Za-z0-9]{1,32}\Z")
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[!-:<>-~]+\Z")
# RFC 8461 §3.2: the names and values of policy fields
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):(.*)\Z")
_MAX_AGE = re.compile(r"[0-9]{1,10}\Z")
_PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}\Z")


class StsMode(StrEnum):
    """The mode of a policy: the sender's action if mail cannot be sent as the policy requires."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsRecord:
    """The TXT record: `id` changes whenever the policy does; `extensions` are as written."""

    id: str
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A valid policy; `mx` are patterns in lower case, `max_age` is its lifetime in seconds.

    `repeated` are the names of repeated fields, of which the first counts.
    """

    mode: StsMode
    max_age: int
    mx: tuple[str, ...]
    repeated: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def is_sts_record(text: bytes) -> bool:
    """True if a TXT record is an MTA-STS record; all others are discarded."""
    # RFC 8461 §3.1: records that do not begin with "v=STSv1;" are discarded
    return re.match(rb"v=STSv1[ \t]*;", text) is not None


def is_nearly_sts_record(text: bytes) -> bool:
    """True if a TXT record resembles an MTA-STS record but is none: senders discard it."""
    return not is_sts_record(text) and _NEARLY.search(text) is not None


def parse_sts_record(text: bytes) -> StsRecord:
    """Read one TXT record (its strings joined). Raises RecordError."""
    fields = [field.strip(" \t") for field in _ascii(text, _RECORD_BYTES).split(";")]
    if fields[0] != _VERSION:
        raise RecordError(f"it does not begin with {_VERSION}; but with {fields[0][:80]!r}")
    if len(fields) > 1 and not fields[-1]:
        fields.pop()  # RFC 8461 §3.1: a final semicolon is allowed
    ids = [field.removeprefix("id=") for field in fields[1:] if field.startswith("id=")]
    others = tuple(field for field in fields[1:] if not field.startswith("id="))
    if len(ids) != 1:
        raise RecordError(f"{len(ids) or 'no'} id, where there has to be one")
    if not _ID.match(ids[0]):
        raise RecordError(f"an id that is not 1 to 32 letters and digits: {ids[0][:80]!r}")
    wrong = next((field for field in others if not _EXTENSION.match(field)), None)
    if wrong is not None:
        raise RecordError(f"not a field: {wrong[:80]!r}")
    return StsRecord(ids[0], others)


def parse_sts_policy(body: bytes) -> StsPolicy:
    """Read a policy. Raises RecordError if a sender has to treat it as invalid."""
    if len(body) > MAX_POLICY:
        raise RecordError(f"a policy of more than {MAX_POLICY} octets")
    values, mx, repeated = _fields(_text(body))
    if values.get("version") != "STSv1":
        raise RecordError(f"no version: STSv1 but {values.get('version', 'nothing')[:80]!r}")
    mode = _mode(values)
    if mode is not StsMode.NONE and not mx:
        # RFC 8461 §3.2: at least one mx field, except for mode "none"
        raise RecordError(f"mode {mode} without an mx field")
    known = ("version", "mode", "max_age")
    unknown = tuple(name for name in values if name not in known)
    return StsPolicy(mode, _max_age(values), mx, repeated, unknown)


def matches_mx(pattern: str, host: str) -> bool:
    """True if a pattern covers a host."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        # RFC 8461 §4.1: the wildcard stands for exactly one left-most label
        first, dot, rest = host.partition(".")
        return bool(first and dot) and rest == pattern[2:]
    return pattern == host


def covers(policy: StsPolicy, host: str) -> bool:
    """True if any pattern of the policy covers a host."""
    return any(matches_mx(pattern, host) for pattern in policy.mx)


def _fields(text: str) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
    """The first value of every field but mx, all mx patterns, and the names of repeated fields."""
    values: dict[str, str] = {}
    patterns: list[str] = []
    repeated: dict[str, None] = {}
    for line in _lines(text):
        found = _FIELD.match(line)
        if found is None:
            raise RecordError(f"not a field: {line[:80]!r}")
        name, value = found[1], found[2].strip(" \t")
        if name == "mx":
            patterns.append(_pattern(value))
        elif name not in values:
            values[name] = value
        else:
            repeated[name] = None  # RFC 8461 §3.2: of a repeated field the first counts
    if len(patterns) > MAX_MX_PATTERNS:
        raise RecordError(f"more than {MAX_MX_PATTERNS} mx fields")
    return values, tuple(dict.fromkeys(patterns)), tuple(repeated)


def _lines(text: str) -> Iterable[str]:
    # RFC 8461 §3.2: sts-policy-term is LF or CRLF; the last line may go without
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines and not lines[-1] else lines


def _pattern(value: str) -> str:
    pattern = value.lower()
    if len(pattern) > 255 or not _PATTERN.match(pattern):
        raise RecordError(f"not a pattern of a host name: mx: {value[:80]!r}")
    return pattern


def _mode(values: dict[str, str]) -> StsMode:
    try:
        return StsMode(values.get("mode", ""))
    except ValueError:
        said = values.get("mode", "nothing")
        raise RecordError(f"no mode of enforce, testing, none but {said[:80]!r}") from None


def _max_age(values: dict[str, str]) -> int:
    text = values.get("max_age", "")
    if not _MAX_AGE.match(text):
        raise RecordError(f"no max_age in seconds but {text[:80]!r}")
    return int(text)


def _ascii(text: bytes, limit: int) -> str:
    if len(text) > limit:
        raise RecordError(f"a record of more than {limit} octets")
    try:
        return text.decode("ascii")
    except UnicodeDecodeError as error:
        raise RecordError(f"not ASCII: {text[:80]!r}") from error


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("a policy that is not UTF-8") from error
