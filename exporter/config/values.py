"""Plain values of the file to values of options; a refusal keeps the value to itself.

Every reader takes the value and the Reading, and raises Refusal.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.config.problems import Refusal, suggestion
from exporter.model import Server
from probes.canary.message import SITE_PATTERN
from probes.options import IpAddress, Port
from probes.records import RecordError
from probes.records.address import parse_address, parse_domain

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_LONGEST = 3650 * 86400.0
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_PORT = re.compile("[0-9]{1,5}")
VANTAGE_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_WEB_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[^\s/?#@:\[\]]{1,253})"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_WEB_URL_REMEDY = "write for instance https://canary.example.com or https://example.com/canary"
_DURATION_REMEDY = "write for instance 250ms, 30s, 5m, 2h or 1d"
_NOT_EHLO = "must be a fully qualified domain name or an address literal"


@dataclass(frozen=True, slots=True)
class Reading:
    """Context for reading a value: the environment, the file's folder, the names it defines.

    `reads_secrets` is off where nobody logs in: no variable and no file of a secret is read then.
    `is_lenient` is on where one only looks: an option with a mistake keeps its default then.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: Path
    routes: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()
    reads_secrets: bool = True
    is_lenient: bool = False


Read = Callable[[Any, Reading], Any]


def show_seconds(seconds: float) -> str:
    """A duration in the largest unit that holds it as a whole number."""
    for unit, size in reversed(_UNITS.items()):
        count = seconds / size
        if count >= 1 and abs(count - round(count)) < 1e-9:
            return f"{round(count)}{unit}"
    return f"{seconds:g}s"


def read_text(value: Any, _reading: Reading) -> str:
    """Any text, of several lines too."""
    if type(value) is not str:
        is_scalar = value is not None and not isinstance(value, dict | tuple)
        raise Refusal("must be text", "put it in quotes" if is_scalar else "")
    if "${" in value:
        raise Refusal("takes no ${VARIABLE}", "only secrets are read from the environment")
    if _CONTROL.search(value):
        raise Refusal("holds a control character")
    return value


def read_word(value: Any, reading: Reading) -> str:
    """One line that is not empty."""
    text = read_text(value, reading)
    if not text or text != text.strip() or "\n" in text:
        raise Refusal("must be one line without spaces around it")
    return text


def read_site(value: Any, reading: Reading) -> str:
    """The name of a site as it may stand in a token."""
    text = read_word(value, reading)
    if not re.fullmatch(SITE_PATTERN, text):
        raise Refusal("must be 1 to 16 lower-case letters and digits")
    return text


def read_vantage(value: Any, reading: Reading) -> str:
    """The name of a place, as it may stand in a label."""
    text = read_word(value, reading)
    if not re.fullmatch(VANTAGE_PATTERN, text):
        raise Refusal("must be 1 to 63 letters, digits, '.', '_' and '-', the first no sign")
    return text


def read_web_url(value: Any, reading: Reading) -> str:
    """An http or https URL of a host and perhaps a path; the slash at its end is taken away."""
    text = read_word(value, reading)
    match = _WEB_URL.fullmatch(text)
    if match is None:
        raise Refusal("must be an http or https URL without query", _WEB_URL_REMEDY)
    host, port = match["host"], match["port"]
    if port is not None and not 1 <= int(port) <= 65535:
        raise Refusal("the port must be a whole number from 1 to 65535")
    scheme, path = match["scheme"].lower(), match["path"].rstrip("/")
    name = f"[{_ipv6(host[1:-1])}]" if host.startswith("[") else read_host(host, reading)
    return f"{scheme}://{name}{f':{port}' if port else ''}{path}"


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise Refusal("must have an IPv6 address in its brackets", _WEB_URL_REMEDY) from None


def read_bool(value: Any, _reading: Reading) -> bool:
    """`true` or `false`; YAML 1.1's `yes` and `on` are words here."""
    if type(value) is not bool:
        raise Refusal("must be true or false")
    return value


def whole_number(low: int, high: int) -> Read:
    """A reader of integers within these bounds."""

    def read(value: Any, _reading: Reading) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Refusal(f"must be a whole number from {low} to {high}")
        return value

    return read


def read_number(value: Any, _reading: Reading) -> float:
    """A number that is not negative."""
    if type(value) not in (int, float) or value < 0:
        raise Refusal("must be a number, 0 or more")
    return float(value)


def duration(shortest: float) -> Read:
    """A reader of durations with a unit, to seconds."""

    def read(value: Any, _reading: Reading) -> float:
        if type(value) in (int, float):
            raise Refusal("a duration needs a unit", _DURATION_REMEDY)
        match = _DURATION.fullmatch(value) if type(value) is str else None
        if match is None:
            raise Refusal("must be a duration", _DURATION_REMEDY)
        seconds = float(match[1]) * _UNITS[match[2]]
        if not shortest <= seconds <= _LONGEST:
            raise Refusal(f"must be {show_seconds(shortest)} to {show_seconds(_LONGEST)}")
        return seconds

    return read


def read_address(value: Any, reading: Reading) -> str:
    """An IPv4 or IPv6 address in its canonical form."""
    address = _canonical(read_word(value, reading))
    if address is None:
        raise Refusal("must be an IP address")
    return address


def read_host(value: Any, reading: Reading) -> str:
    """An address, or a host name in A-labels; underscores, used inside networks, are allowed."""
    text = read_word(value, reading)
    address = _canonical(text)
    if address is not None:
        return address
    name = text.removesuffix(".").lower()
    if len(name) <= 253 and _HOST.fullmatch(name) and not _ends_in_number(name):
        return name
    return _domain_name(text, "must be a host name or an IP address")


def read_domain(value: Any, reading: Reading) -> str:
    """A domain in A-labels."""
    return _domain_name(read_word(value, reading), "must be a domain name")


def read_ehlo_name(value: Any, reading: Reading) -> str:
    """A domain name of two labels or more, or an address literal; RFC 5321 §4.1.1.1."""
    text = read_word(value, reading)
    if not text.startswith("["):
        name = _domain_name(text, _NOT_EHLO)
        if "." not in name:
            raise Refusal(_NOT_EHLO)
        return name
    address = _canonical(text[1:-1].removeprefix("IPv6:")) if text.endswith("]") else None
    if address is None:
        raise Refusal(_NOT_EHLO)
    # RFC 5321 §4.1.3
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def read_email(value: Any, reading: Reading) -> str:
    """A mailbox name, RFC 5321 §4.1.2, its local part in ASCII and its domain in A-labels."""
    text = read_word(value, reading)
    try:
        address = parse_address(text)
    except RecordError:
        raise Refusal("must be an email address like user@domain") from None
    if address.needs_smtputf8:
        raise Refusal("must have a local part in ASCII")
    if _ends_in_number(address.domain):
        raise Refusal("must have a domain name", "an IP address goes in brackets")
    return str(address)


def server(*, lowest_port: int, default_port: int | None) -> Read:
    """A reader of `address`, `address:port` and `[address]:port`."""
    wanted = "must be an IP address" if default_port else "must be an IP address and a port"
    sample = default_port or 10587

    def read(value: Any, reading: Reading) -> Server:
        text, port = _split_port(read_word(value, reading))
        address = _canonical(text)
        if address is None or (port is None and default_port is None):
            raise Refusal(wanted, f"write 192.0.2.1:{sample} or [2001:db8::1]:{sample}")
        if port is None:
            return Server(IpAddress(address), Port(default_port or 0))
        if not _PORT.fullmatch(port) or not lowest_port <= int(port) <= 65535:
            raise Refusal(f"the port must be a whole number from {lowest_port} to 65535")
        return Server(IpAddress(address), Port(int(port)))

    return read


def name_of(noun: str, known: Callable[[Reading], frozenset[str]]) -> Read:
    """A reader of names that stand in another section of the file."""

    def read(value: Any, reading: Reading) -> str:
        text = read_word(value, reading)
        names = known(reading)
        if text not in names:
            raise Refusal(f"no {noun} has this name", suggestion(text, names))
        return text

    return read


def choice(values: tuple[str, ...]) -> Read:
    """A reader of one word out of `values`."""

    def read(value: Any, _reading: Reading) -> Any:
        if type(value) is not str or value not in values:
            raise Refusal(f"must be {one_of(values)}")
        return value

    return read


def one_of(values: tuple[str, ...]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))


def _canonical(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _domain_name(text: str, complaint: str) -> str:
    """The A-labels of a name, without trailing dot."""
    try:
        name = parse_domain(text.removesuffix("."))
    except RecordError:
        raise Refusal(complaint) from None
    if _ends_in_number(name):
        raise Refusal(complaint)
    return name


def _ends_in_number(name: str) -> bool:
    """True if the name looks like an IPv4 address: no top-level domain is a number."""
    return name.rpartition(".")[2].isdigit()


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        address, closed, rest = text[1:].partition("]")
        return (address, rest[1:]) if closed and rest.startswith(":") else (address, None)
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, port
    return text, None
