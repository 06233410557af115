"""The sending peer and the TLS session in a Received field.

No standard orders these parts; they are read from the words and comments in which relays put them.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from probes.records.header_words import Item, Kind

_EHLO = re.compile(r"\b(?:helo|ehlo|lhlo)(?:=\s?|\s+)([^\s,;]{1,512})", re.IGNORECASE)
_LITERAL = re.compile(r"\[(?:IPv6:)?([0-9a-f:.]{2,51})(?:%[^\]\[]{0,32})?\]", re.IGNORECASE)
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:%[^%\s]{1,32})?")
_PORT = re.compile(r"(?<=\d)[:/]\d{1,5}\Z")
_HOST = re.compile(
    r"(?:[^\s@=]{1,64}@)?((?:[\w-]{1,63}\.)+[\w-]{1,63}|localhost)\.?", re.IGNORECASE
)
_NAMELESS = ("unknown", "unverified", "untrusted", "may")

_TLS_VERSION = re.compile(
    r"\b(TLS|SSL)[-_ ]?v?([123])(?:[._]([0-3]))?(?:\.[0-9])?(/SSLv3)?(?![\w.])", re.IGNORECASE
)
_PLAIN_TLS = re.compile(r"(?:using )?TLS\b", re.IGNORECASE)
_SUITE = r"([A-Za-z0-9][\w+-]{3,95})"
_CIPHERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bcipher(?:=|:?\s)\s?{_SUITE}",
        rf"\btls\s+{_SUITE}",
        rf"\b(?:TLS|SSL)[-_ ]?v?[123](?:[._][0-3])?(?:/SSLv3)?[:,\s]\s?(?:\d+bits,)?{_SUITE}",
        rf"\A{_SUITE} encrypted",
    )
)


@dataclass(frozen=True, slots=True)
class Peer:
    """The relay that handed the message over; None for a value that the field lacks.

    `name` is its EHLO name as sent, `reverse` the name found for its address, `address` in
    canonical form; `unparsed` are the other words.
    """

    name: str | None = None
    reverse: str | None = None
    address: str | None = None
    unparsed: tuple[str, ...] = ()


def read_peer(clause: Sequence[Item]) -> Peer:
    """Read a from clause: the items between the word `from` and the next clause."""
    words = [item.text for item in clause if item.kind is Kind.WORD]
    comments = [item.text for item in clause if item.kind is Kind.COMMENT]
    told = words[:1] + [word for word in words[1:] if literal_in(word) is None]
    said = _said_name(words, comments)
    plain = [_EHLO.sub("", comment) for comment in comments]
    address = _peer_address(words, plain)
    if said is None:
        return Peer(" ".join(told) or None, _reverse_name(plain), address)
    reverse = _host(" ".join(told))
    rest = [word for word in told if reverse is None and word.lower() not in _NAMELESS]
    return Peer(said, reverse, address, tuple(w for w in rest if _address_in(w) != address))


def host_address(name: str | None, comments: Iterable[str]) -> str | None:
    """The address of the relay that wrote the field: beside its name, or instead of it."""
    for comment in comments:
        address = literal_in(comment) or canonical_address(comment)
        if address is not None:
            return address
    return None if name is None else literal_in(name) or canonical_address(name)


def literal_in(text: str) -> str | None:
    """The first IP address in square brackets, RFC 5321 §4.1.3, with or without a port."""
    addresses = (_bare_address(match[1]) for match in _LITERAL.finditer(text))
    return next((address for address in addresses if address is not None), None)


def canonical_address(text: str) -> str | None:
    """An IP address in canonical form, an IPv4 one in IPv6 as IPv4; None for any other text."""
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def tls_version(texts: Iterable[str]) -> str | None:
    """The protocol version in the spelling of `ssl` (TLSv1.3); bare `TLS` if none is given.

    Some relays write `TLSv1/SSLv3` for every version they know; it is kept unchanged.
    """
    is_plain = False
    for text in texts:
        match = _TLS_VERSION.search(text)
        if match is not None:
            minor = match[3] if match[3] not in (None, "0") else None
            version = f"{match[1].upper()}v{match[2]}" + (f".{minor}" if minor else "")
            return version + (match[4] or "")
        is_plain = is_plain or _PLAIN_TLS.match(text) is not None
    return "TLS" if is_plain else None


def tls_cipher(texts: Iterable[str]) -> str | None:
    """The cipher suite as the relay's TLS library calls it."""
    for text in texts:
        for pattern in _CIPHERS:
            match = pattern.search(text)
            if match is not None and any(sign in "-_" or sign.isdigit() for sign in match[1]):
                return match[1]
    return None


def _said_name(words: list[str], comments: list[str]) -> str | None:
    """The name after HELO, EHLO or LHLO, as qmail, Exim, Yahoo and Zimbra write it."""
    for text in (*comments, " ".join(words)):
        match = _EHLO.search(text)
        if match is not None:
            return match[1]
    return None


def _reverse_name(comments: Iterable[str]) -> str | None:
    """The host beside the address in a comment: `name [192.0.2.1]` (Postfix, Sendmail, SES)."""
    for comment in comments:
        first, _, rest = comment.partition(" ")
        if rest and _address_in(rest.split(maxsplit=1)[0]):
            return _host(first)
    return None


def _host(text: str) -> str | None:
    match = _HOST.fullmatch(text)
    if match is None or canonical_address(match[1]) or match[1].lower() in _NAMELESS:
        return None
    return match[1]


def _address_in(word: str) -> str | None:
    return literal_in(word) or _bare_address(word)


def _peer_address(words: list[str], comments: list[str]) -> str | None:
    """The peer's address: a literal in a comment, then a bare address there, then its name.

    The peer's own name comes last, because a peer may claim any address.
    """
    candidates: tuple[Iterator[str | None], ...] = (
        map(literal_in, comments),
        (_bare_address(word) for comment in comments for word in comment.split()),
        map(literal_in, reversed(words)),
        map(_bare_address, words),
    )
    return next((found for group in candidates for found in group if found is not None), None)


def _bare_address(word: str) -> str | None:
    """An address without brackets, also as ident@address or with a port behind it."""
    plain = word.rpartition("@")[2].strip(",")
    return canonical_address(plain) or canonical_address(_PORT.sub("", plain))
