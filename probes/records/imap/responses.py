"""IMAP responses, RFC 3501 §7 and RFC 9051 §7, as frozen values."""

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
    """A response code such as `[UIDNEXT 12]`: `name` in upper case, `text` the rest."""

    name: str
    text: str

    @property
    def number(self) -> int | None:
        """The argument as a number; None if it is not one number."""
        return int(self.text) if _NUMBER.fullmatch(self.text) else None

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments, without parentheses."""
        return tuple(self.text.replace("(", " ").replace(")", " ").split())


@dataclass(frozen=True, slots=True)
class Status:
    """A status response; `tag` is None for an untagged one."""

    tag: str | None
    condition: Condition
    code: Code | None
    text: str

    def __str__(self) -> str:
        code = f"[{f'{self.code.name} {self.code.text}'.rstrip()}] " if self.code else ""
        return f"{self.condition} {code}{self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Continuation:
    """A continuation request, RFC 3501 §7.5; in AUTHENTICATE `text` is base64."""

    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The number of messages in the folder."""

    count: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The number of messages with the \\Recent flag."""

    count: int


@dataclass(frozen=True, slots=True)
class Expunge:
    """The removal of the message with this sequence number; the later ones moved up by one."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """The data of one message; None for an item that was not sent.

    `sections` has the octets by section specification in upper case, without `BODY[...]` and the
    origin of a partial. Keys are `HEADER`, `TEXT`, or `` for the whole message. A section that is
    NIL has None. `internal_date` is also None if it is invalid. `labels` are Gmail's, decoded.
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
    """The server's capabilities, in upper case."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Enabled:
    """The extensions that ENABLE switched on, RFC 5161 §3.2."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that a folder defines."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder; `attributes` are in lower case, special uses (RFC 6154) included.

    `delimiter` is None in a flat name space. `name` is decoded, or as sent if its decoded text
    would not be encoded to the same octets (see `names`).
    """

    attributes: frozenset[str]
    delimiter: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Search:
    """Message numbers in the order of the response, from SEARCH or ESEARCH's ALL."""

    numbers: tuple[int, ...]
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """The answer to STATUS; items in upper case."""

    name: str
    items: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Quota:
    """The resources of a quota root, RFC 9208 §4.2.1: resource in upper case -> (used, limit).

    STORAGE counts 1024 octets, MESSAGE messages.
    """

    root: str
    resources: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Identity:
    """The server's identification, RFC 2971; empty for NIL."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Other:
    """An untagged response without a use here; RFC 3501 §7 requires clients to accept it."""

    name: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An untagged response that cannot be read, or an empty line.

    `name` is its keyword in upper case, "" where it has none; `why` says what is odd about it.
    `octets` are its first ones.
    """

    name: str
    why: str
    octets: bytes


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
    | Unread
)
