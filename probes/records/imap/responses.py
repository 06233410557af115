"""What an IMAP server says, RFC 3501 §7 and RFC 9051 §7, as frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_NUMBER = re.compile(r"[0-9]{1,19}")


class Condition(StrEnum):
    """The status responses, RFC 3501 §7.1."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    PREAUTH = "PREAUTH"
    BYE = "BYE"


@dataclass(frozen=True, slots=True)
class Code:
    """A response code such as `[UIDNEXT 12]`; `text` is what follows its name (in capitals)."""

    name: str
    text: str

    @property
    def number(self) -> int | None:
        """Its argument, None if that is not one number."""
        return int(self.text) if _NUMBER.fullmatch(self.text) else None

    @property
    def words(self) -> tuple[str, ...]:
        """Its arguments, parentheses aside."""
        return tuple(self.text.replace("(", " ").replace(")", " ").split())


@dataclass(frozen=True, slots=True)
class Status:
    """A status response; `tag` is None if untagged."""

    tag: str | None
    condition: Condition
    code: Code | None
    text: str

    def __str__(self) -> str:
        code = f"[{f'{self.code.name} {self.code.text}'.rstrip()}] " if self.code else ""
        return f"{self.condition} {code}{self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Continuation:
    """The server asks for more, RFC 3501 §7.5; in AUTHENTICATE `text` is base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """So many messages are in the folder now."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """So many messages have the \\Recent flag."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunge:
    """The message with this sequence number is gone; the ones after it moved up."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """What was said about one message; None = not said.

    `sections` has the octets by section specification in capitals without `BODY[...]`, a partial's
    origin aside (`HEADER`, `TEXT`, `` for the whole message); None for a section said to be NIL.
    `internal_date` is also None if it cannot be read. `labels` are Gmail's, decoded.
    """

    sequence: int
    uid: int | None = None
    flags: tuple[str, ...] | None = None
    size: int | None = None
    internal_date: datetime | None = None
    sections: Mapping[str, bytes | None] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Capability:
    """What the server can do, in capitals."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Enabled:
    """What ENABLE switched on, RFC 5161 §3.2."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags a folder knows."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder. `attributes` are in small letters, special uses (RFC 6154) among them.

    `delimiter` is None in a flat name space. `name` is decoded, or as sent where it is not
    modified UTF-7.
    """

    attributes: frozenset[str]
    delimiter: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Search:
    """Message numbers in the order in which they were said, from SEARCH or ESEARCH's ALL."""

    numbers: tuple[int, ...]
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """The answer to STATUS; items in capitals."""

    name: str
    items: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Quota:
    """What a quota root holds, RFC 9208 §4.2.1: resource in capitals -> (used, limit).

    STORAGE counts 1024 octets, MESSAGE messages.
    """

    root: str
    resources: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Identity:
    """What the server says it is, RFC 2971; empty for NIL."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Other:
    """An untagged response this project has no use for; RFC 3501 §7 wants it borne."""

    name: str


Response = (
    Status
    | Continuation
    | Exists
    | Recent
    | Expunge
    | Fetch
    | Capability
    | Enabled
    | Flags
    | Listed
    | Search
    | FolderStatus
    | Identity
    | Quota
    | Other
)
