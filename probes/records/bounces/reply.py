"""The SMTP reply within the diagnostic text of a bounce, as relays quote it."""

import re
from dataclasses import dataclass

from probes.records.reply import EnhancedCode

_MAX_TEXT = 4000
_UNITS = r"(?![ ]?(?:[kmgt]i?b|bytes?|octets|s|secs?|seconds|min(?:ute)?s?|hours?|days?|%)\b)"
_ENHANCED = r"#?[\[(]?([245])\.([0-7])\.([0-9]{1,3})(?!\.?[0-9])"
_BOTH = re.compile(rf"(?<![\w.])([245][0-5][0-9])(?:[ :;'\"-]{{1,3}}|\s{{1,20}}){_ENHANCED}")
_CODE_FIRST = re.compile(
    r"(?:\A|\n|\(|<<<|returned|(?:said|replied|response|responded|response was|error|reason|status)"
    rf"|error_code ?:?|:)[ \t'\":]{{0,4}}#?([45][0-5][0-9])(?=[ :;,-]|\s|\Z)(?!:[/0-9]){_UNITS}",
    re.IGNORECASE,
)
_CODE = re.compile(
    rf"(?<![\w.#+/-])([45][0-5][0-9])(?=[ :-][^0-9])(?!:[/0-9]){_UNITS}", re.IGNORECASE
)
_ONLY_ENHANCED = re.compile(rf"(?<![\w.]){_ENHANCED}")
_NAME = r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){1,10}"
_ADDRESS = r"[0-9A-Fa-f:.]{2,45}"
_REMOTE = (
    # Postfix writes the address right behind the name, Exim with a space between
    re.compile(rf"\bhost ([A-Za-z0-9_.-]{{1,255}}?) ?\[{_ADDRESS}\]"),
    re.compile(rf"\bby ({_NAME})\.? \[{_ADDRESS}\]"),  # Gmail
    re.compile(r"\bwhile talking to ([A-Za-z0-9_.-]{1,255}?)\.?:"),  # Sendmail
    re.compile(rf"\b(?:Connected to|Giving up on) ({_ADDRESS})"),  # qmail
    re.compile(rf"^({_ADDRESS}) (?:does not like|failed after|has)"),
    re.compile(
        r"\b[Rr]emote (?:server|host) \(?'?([A-Za-z0-9_:.-]{3,255}?)'?\)? (?:issued|returned|said)"
    ),
    re.compile(rf"<({_NAME}) #"),  # Exchange 2003
)
_REPLY_END = re.compile(
    r"\n[ \t]*(?:\n|Giving up on|I'm not going to try|-->|<--|>>>|--- )"
    r"|(?<!\s)\s*+\(in reply to [^()]{1,60}\)[\s.]*\Z"
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class QuotedReply:
    """The reply in a diagnostic text; `text` is on one line, "" if there was none."""

    text: str
    code: int | None = None
    enhanced: EnhancedCode | None = None
    remote: str | None = None


def read_quoted(text: str) -> QuotedReply:
    """Read a whole diagnostic; its first 4,000 characters are kept."""
    text = text[:_MAX_TEXT]
    code, enhanced, _ = _codes(text)
    return QuotedReply(one_line(text), code, enhanced, quoted_remote(text))


def find_quoted(text: str) -> QuotedReply | None:
    """The reply within an explanation, up to the end of its paragraph; None without codes."""
    text = text[:_MAX_TEXT]
    code, enhanced, start = _codes(text)
    if code is None and enhanced is None:
        return None
    if code is None:
        # the enhanced code closes its sentence as often as it opens it
        start = text.rfind("\n\n", 0, start) + 1
    paragraph = _REPLY_END.split(text[start:].lstrip("\n"), maxsplit=1)[0]
    return QuotedReply(unquoted(paragraph), code, enhanced, quoted_remote(text))


def unquoted(text: str) -> str:
    """The text shortened, on one line, without incomplete quotes and brackets at its ends."""
    line = one_line(text).strip(" :;#*")[:500]
    for opened, closed in ("<>", "()"):
        if line.count(closed) > line.count(opened):
            line = line.removesuffix(closed)
    for quote in ("'", '"'):
        if line.count(quote) % 2:
            line = line.removesuffix(quote)
    return line.strip()


def one_line(text: str) -> str:
    """`text` with every run of space as one space and unprintable characters as escapes."""
    return printable_line(_SPACE.sub(" ", text).strip())


def printable_line(line: str) -> str:
    """The line with its tabs; any other unprintable character as an escape."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else ascii(c)[1:-1] for c in line)


def _codes(text: str) -> tuple[int | None, EnhancedCode | None, int]:
    """Reply code, enhanced code and their offset.

    Two adjacent codes are a pair, even if their classes differ: "550 4.4.7" reports an expired
    message. Two separate codes must have the same class.
    """
    pairs = list(_BOTH.finditer(text))
    # a transcript quotes the replies to the earlier commands first
    pair = next((one for one in pairs if one[2] != "2"), pairs[0] if pairs else None)
    if pair is not None:
        return int(pair[1]), _triple(pair, 2), pair.start()
    match = _CODE_FIRST.search(text) or _CODE.search(text)
    alone = _ONLY_ENHANCED.search(text)
    if match is None:
        return None, _triple(alone, 1), alone.start() if alone else 0
    enhanced = _triple(alone, 1) if alone is not None and alone[1] == match[1][0] else None
    return int(match[1]), enhanced, match.start(1)


def _triple(match: re.Match[str] | None, first: int) -> EnhancedCode | None:
    if match is None:
        return None
    return int(match[first]), int(match[first + 1]), int(match[first + 2])


def quoted_remote(text: str) -> str | None:
    """The name or address of the host that gave the reply; None if the text names none."""
    line = one_line(text[:_MAX_TEXT])
    for pattern in _REMOTE:
        match = pattern.search(line)
        if match is not None:
            return match[1].rstrip(".")
    return None
