"""The reply to EHLO and HELO, RFC 5321 §4.1.1.1: the server's name and its extensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from probes.records.reply import Reply

_NONE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ehlo:
    """The server's description of itself.

    `name` is the first word of its first line, "" if there is none. `extensions` maps each keyword
    in upper case to its parameters as sent; a repeated keyword has the parameters of both.
    `is_esmtp` is False for the reply to HELO, which offers nothing.
    """

    reply: Reply
    name: str
    extensions: Mapping[str, tuple[str, ...]]
    is_esmtp: bool = True

    def offers(self, keyword: str) -> bool:
        """True if the extension was offered; `keyword` in any case."""
        return keyword.upper() in self.extensions

    @property
    def size_limit(self) -> int | None:
        """The largest message in octets, RFC 1870 §3; None if no limit or 0 is given."""
        text = next(iter(self.extensions.get("SIZE", ())), "")
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            return None
        return int(text) or None

    @property
    def auth_mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms in upper case, in the server's order, each once, RFC 4954 §3."""
        return tuple(dict.fromkeys(word.upper() for word in self.extensions.get("AUTH", ())))


@lru_cache(maxsize=256)
def parse_ehlo(reply: Reply) -> Ehlo:
    """Read the lines of a positive reply to EHLO; never raises.

    Keywords are compared without regard to case (RFC 5321 §2.4). A line that is no `ehlo-line` is
    left out; it is still in `reply`. A server repeats the same reply, so the latest results are
    cached; they are immutable.
    """
    extensions: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        words = line.split()
        if not words:
            continue
        keyword, parameters = _keyword(words)
        if keyword:
            extensions[keyword] = extensions.get(keyword, ()) + parameters
    return Ehlo(reply, server_name(reply), MappingProxyType(extensions))


def parse_helo(reply: Reply) -> Ehlo:
    """Read a positive reply to HELO, which names the server and offers nothing."""
    return Ehlo(reply, server_name(reply), _NONE, is_esmtp=False)


def server_name(reply: Reply) -> str:
    """The first word of a greeting or of a reply to EHLO: the server's name for itself."""
    words = reply.lines[0].split(None, 1) if reply.lines else []
    return words[0] if words else ""


def _keyword(words: list[str]) -> tuple[str, tuple[str, ...]]:
    """The keyword and its parameters; `AUTH=LOGIN` is the form of servers before RFC 2554."""
    keyword, equals, value = words[0].upper().partition("=")
    if not equals:
        return keyword, tuple(words[1:])
    return keyword, tuple(word for word in (value, *words[1:]) if word)
