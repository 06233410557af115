"""The one table of option types: the reader of each, and its JSON Schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin

from exporter.config import file_values, values
from exporter.config.problems import Refusal, RefusedItems
from exporter.model import Server
from probes.canary.message import SITE_PATTERN
from probes.options import (
    Count,
    Domain,
    EmailAddress,
    FilePath,
    Host,
    IpAddress,
    Port,
    Seconds,
    Secret,
)

Interval = NewType("Interval", float)
"""How often something runs, in seconds; at least one second, to spare the peers."""

EhloName = NewType("EhloName", str)
"""A fully qualified domain name or an address literal in brackets, RFC 5321 §4.1.1.1."""

Listen = NewType("Listen", Server)
"""`address:port` to listen on; port 0 is any free port."""

DnsServer = NewType("DnsServer", Server)
"""`address` or `address:port`, port 53 where none is given."""

LedgerPlace = NewType("LedgerPlace", str)
"""A file, or an `sqlite:///` URL."""

RouteName = NewType("RouteName", str)
"""The name of a route of the same file."""

MailboxName = NewType("MailboxName", str)
"""The name of a mailbox of the same file."""

SiteName = NewType("SiteName", str)
"""The part of a token by which a monitor knows its own canaries."""

VantageName = NewType("VantageName", str)
"""The name of the place from which a monitor looks."""

WebUrl = NewType("WebUrl", str)
"""An http or https address without query, without a slash at its end."""


@dataclass(frozen=True, slots=True)
class OptionType:
    """How one type of option is read, described and shown.

    `noun` is for the documentation; `show` writes a default as the file would.
    """

    noun: str
    read: values.Read
    schema: Mapping[str, Any]
    show: Callable[[Any], Any] = lambda value: value


def _range(low: int, high: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": high}


def _number(noun: str, low: int, high: int) -> OptionType:
    return OptionType(noun, values.whole_number(low, high), _range(low, high))


def _duration(shortest: float) -> OptionType:
    return OptionType("duration", values.duration(shortest), _DURATION, values.show_seconds)


def _server(noun: str, *, lowest_port: int, default_port: int | None) -> OptionType:
    read = values.server(lowest_port=lowest_port, default_port=default_port)
    return OptionType(noun, read, _STRING, lambda at: f"{at.address}:{at.port}")


_STRING: Mapping[str, Any] = {"type": "string"}
_DURATION: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)$",
}
_SECRET: Mapping[str, Any] = {
    "anyOf": [
        _STRING,
        {
            "type": "object",
            "properties": {"file": _STRING},
            "required": ["file"],
            "additionalProperties": False,
        },
    ]
}

TYPES: Mapping[Any, OptionType] = {
    str: OptionType("text", values.read_text, _STRING),
    bool: OptionType("true or false", values.read_bool, {"type": "boolean"}),
    int: _number("number", 0, 2**31 - 1),
    float: OptionType("number", values.read_number, {"type": "number", "minimum": 0}),
    Seconds: _duration(0.001),
    Interval: _duration(1.0),
    Count: _number("number", 1, 100_000),
    Port: _number("port", 1, 65535),
    Host: OptionType("host", values.read_host, _STRING),
    Domain: OptionType("domain", values.read_domain, _STRING),
    EhloName: OptionType("host name", values.read_ehlo_name, _STRING),
    EmailAddress: OptionType("email address", values.read_email, _STRING),
    IpAddress: OptionType("IP address", values.read_address, _STRING),
    FilePath: OptionType("file", file_values.read_file_path, _STRING),
    Secret: OptionType("secret", file_values.read_secret, _SECRET),
    LedgerPlace: OptionType("file or URL", file_values.read_ledger_place, _STRING),
    Listen: _server("address:port", lowest_port=0, default_port=None),
    DnsServer: _server("address or address:port", lowest_port=1, default_port=53),
    SiteName: OptionType(
        "name", values.read_site, {"type": "string", "pattern": f"^{SITE_PATTERN}$"}
    ),
    VantageName: OptionType(
        "name", values.read_vantage, {"type": "string", "pattern": f"^{values.VANTAGE_PATTERN}$"}
    ),
    WebUrl: OptionType("http or https URL", values.read_web_url, _STRING),
    RouteName: OptionType("route name", values.name_of("route", lambda r: r.routes), _STRING),
    MailboxName: OptionType(
        "mailbox name", values.name_of("mailbox", lambda r: r.mailboxes), _STRING
    ),
}


def describe(hint: Any) -> OptionType:
    """A row of the table, a Literal, `X | None`, `tuple[X, ...]` or a Literal beside one of these.

    Raises TypeError for anything else: a target declares an option that no file can hold.
    """
    if hint in TYPES:
        return TYPES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _word(arguments)
    if origin is tuple and arguments[1:] == (...,):
        return _list_of(describe(arguments[0]))
    if origin not in (Union, UnionType) or len(arguments) != 2:
        raise TypeError(f"an option cannot be a {hint!r}")
    first, second = arguments
    if second is type(None):
        return _optional(describe(first))
    if get_origin(first) is Literal:
        return _word_or(get_args(first), describe(second))
    raise TypeError(f"an option cannot be a {hint!r}")


def _word(words: tuple[str, ...]) -> OptionType:
    return OptionType(values.one_of(words), values.choice(words), {"enum": list(words)})


def _optional(inner: OptionType) -> OptionType:
    return OptionType(
        inner.noun,
        lambda value, reading: None if value is None else inner.read(value, reading),
        {"anyOf": [inner.schema, {"type": "null"}]},
        lambda value: None if value is None else inner.show(value),
    )


def _list_of(inner: OptionType) -> OptionType:
    def read(value: Any, reading: values.Reading) -> tuple[Any, ...]:
        if not isinstance(value, tuple):
            raise Refusal("must be a list")
        items, refused = [], {}
        for position, item in enumerate(value):
            try:
                items.append(inner.read(item, reading))
            except Refusal as refusal:
                refused[position] = refusal
        if refused:
            raise RefusedItems(refused)
        return tuple(items)

    return OptionType(
        f"list of {inner.noun}",
        read,
        {"type": "array", "items": inner.schema},
        lambda value: [inner.show(item) for item in value],
    )


def _word_or(words: tuple[str, ...], inner: OptionType) -> OptionType:
    """Return the type for one of some words, read as themselves, or else a value of `inner`."""

    def read(value: Any, reading: values.Reading) -> Any:
        if type(value) is str and value in words:
            return value
        if inner.schema.get("type") == "array" and not isinstance(value, tuple):
            raise Refusal(f"must be {values.one_of(words)} or a list")
        return inner.read(value, reading)

    return OptionType(
        f"{values.one_of(words)} or {inner.noun}",
        read,
        {"anyOf": [{"enum": list(words)}, inner.schema]},
        lambda value: value if value in words else inner.show(value),
    )
