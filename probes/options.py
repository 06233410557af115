"""The vocabulary in which kinds, routes and mailboxes declare their options.

A target is a frozen dataclass. Its annotations say how a value is read from the configuration and
its `option(...)` text is what the JSON Schema and the documentation say about it, so an option is
written down once.
"""

from dataclasses import MISSING, field
from typing import Any, NewType

Seconds = NewType("Seconds", float)
"""A duration; written in the configuration with a unit (`250ms`, `30s`, `5m`, `2h`, `1d`)."""

Port = NewType("Port", int)
"""A TCP or UDP port, 1 to 65535."""

Count = NewType("Count", int)
"""A number of things, at least one."""

Host = NewType("Host", str)
"""A host name (A-labels, no trailing dot) or an IP address literal without brackets."""

Domain = NewType("Domain", str)
"""A mail domain in A-labels without trailing dot."""

EmailAddress = NewType("EmailAddress", str)
"""An addr-spec, RFC 5321 §4.1.2, without angle brackets."""

IpAddress = NewType("IpAddress", str)
"""An IPv4 or IPv6 address in its canonical text form."""

FilePath = NewType("FilePath", str)
"""A path to a readable file; relative paths are relative to the configuration file."""


class Secret:
    """A value that prints as `***` and is read by `reveal()` where the protocol needs it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; call it on the line that puts it on the wire."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Secret is never pickled")


def option(doc: str, default: Any = MISSING) -> Any:
    """Declare one option of a target: a dataclass field with its documentation."""
    return field(default=default, metadata={"doc": doc})


def given(default: Any) -> Any:
    """A field of a target that no file holds: whoever runs the kind fills it in."""
    return field(default=default, metadata={"given": True})
