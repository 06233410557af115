"""The returned message in a bounce of free text: where it begins."""

import re
from collections.abc import Iterator

_MARKS = r"[-=*|>_]"
_WHOSE = r"(?:original|unsent|undelivered|undeliverable|returned|failed|rejected|bounced|attached)"
_BEGINNINGS = (
    # -- a line between rules
    rf"^[ \t]*{_MARKS}{{2,100}}[ \t]*(?:below (?:this|the next) line|this is a copy of|copy of)",
    rf"^[ \t]*{_MARKS}{{1,100}}[ \t]*(?:the |your )?{_WHOSE} (?:e-?mail |mail )?(?:message|mail)\b",
    rf"^[ \t]*{_MARKS}{{1,100}}[ \t]*(?:the )?(?:message|header)s? (?:text|headers?|follow)",
    # -- a sentence of its own
    rf"^[ \t]*(?:a copy of )?(?:the |your )?{_WHOSE} (?:e-?mail |mail )?(?:message|mail)"
    r"(?: text| headers?| body)*(?: is)? (?:follows?|attached|begins|below)[^\n]{0,20}$",
    r"^[ \t]*(?:below|here|this|following|attached) is (?:a copy of (?:the|your)|(?:the|your)"
    r" (?:original|returned)) [^\n]{0,60}$",
    r"^[ \t]*(?:the )?(?:message|body|text|headers?)(?: text| headers?)*"
    r"(?: of (?:the|your) [^\n]{0,30})? (?:follows?|below)[^\n]{0,20}$",
    r"^[ \t]*your message (?:reads|begins|follows)[^\n]{0,20}:[ \t]*$",
)
_RETURNED = re.compile("|".join(_BEGINNINGS), re.IGNORECASE | re.MULTILINE)
"""The line before the returned message."""

_NAME = (
    r"(?:Return-Path|Received|From|To|Cc|Date|Subject|Message-ID|MIME-Version|Reply-To|Sender"
    r"|Content-Type|Content-Transfer-Encoding|DKIM-Signature|User-Agent|X-[A-Za-z0-9-]{1,60})"
)
_REST = r":[^\n]{0,2000}(?:\n[ \t][^\n]{0,2000}){0,50}"
_RAW_HEADER = re.compile(rf"^{_NAME}{_REST}(?:\n{_NAME}{_REST}){{2}}", re.IGNORECASE | re.MULTILINE)
"""Three consecutive header fields, not indented: a returned message that no line announces."""
_FIELD = re.compile(rf"^{_NAME}:", re.IGNORECASE | re.MULTILINE)

_WINDOW = 8 * 1024
"""Characters of one search: other threads wait until it ends, so it is never a whole text."""

_LONG_LINE = 4 * 1024
"""Characters at the beginning of a line in which a mark is looked for."""


def _windows(text: str, begin: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the bounds of whole lines, some at a time; of a long line only its beginning."""
    while begin < len(text):
        end = text.rfind("\n", begin, begin + _WINDOW)
        if end >= 0:
            yield begin, end
        else:  # a line that is longer than the window, or the last one
            end = text.find("\n", begin)
            end = len(text) if end < 0 else end
            yield begin, min(end, begin + _LONG_LINE)
        begin = end + 1


def _mark(text: str) -> re.Match[str] | None:
    found = (_RETURNED.search(text, *bounds) for bounds in _windows(text))
    return next(filter(None, found), None)


def _raw_header(text: str) -> re.Match[str] | None:
    """Return the first three header fields in a row that do not begin the text."""
    begin = text.find("\n") + 1
    lines = (_FIELD.finditer(text, *bounds) for bounds in _windows(text, begin or len(text)))
    found = (_RAW_HEADER.match(text, one.start()) for some in lines for one in some)
    return next(filter(None, found), None)


def split_returned(text: str) -> tuple[str, str]:
    """The explanation and the returned message; the latter "" if none is found."""
    mark = _mark(text)
    raw = _raw_header(text)
    if raw is not None and (mark is None or raw.start() < mark.start()):
        return text[: raw.start()], text[raw.start() :]
    if mark is None:
        return text, ""
    return text[: mark.start()], text[mark.end() :].partition("\n")[2]
