"""Dates of header fields: RFC 5322 §3.3, its obsolete forms (§4.3), and non-standard ones."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from probes.records.header_words import Kind, header_items, header_text, masked_comments

_MAX_DATE = 2048
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_TIME = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{1,2})(?:[.,]\d{1,12})?)?"
    r"(?!\d)(?:\s*(?P<half>[ap])m\b)?"
)
_OFFSET = r"(?:(?:gmt|utc?)\s?)?[+-][\d:]+"
_ZONE = rf"(?:\s*(?P<zone>{_OFFSET}|[a-z]{{1,5}}\b))?"
_LATE_ZONE = rf"(?:\s*(?P<late_zone>{_OFFSET}|[a-z]{{1,5}}\b))?"
_FLAGS = re.IGNORECASE | re.ASCII
_FORMS = (
    re.compile(
        rf"(?<!\d)(?P<day>\d{{1,2}})[\s.-]+{_MONTH}[\s,.-]+(?P<year>\d{{2,4}})[\s,]+{_TIME}{_ZONE}",
        _FLAGS,
    ),
    re.compile(
        rf"(?<!\w){_MONTH}\s+(?P<day>\d{{1,2}})(?:,?\s+(?P<year>\d{{4}}),?)?\s+{_TIME}{_ZONE}"
        rf"(?:\s+(?P<late_year>\d{{4}})\b{_LATE_ZONE})?",
        _FLAGS,
    ),
    re.compile(
        rf"(?<!\d)(?P<year>\d{{4}})[-/](?P<month>\d{{1,2}})[-/](?P<day>\d{{1,2}})(?:t|\s+){_TIME}{_ZONE}",
        _FLAGS,
    ),
)
_NUMERIC_ZONE = re.compile(r"(?:[a-z]{2,3}\s?)?([+-])(\d{1,2}):?(\d{2})?", _FLAGS)
_WEEKDAY = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}[\s,]*\Z", _FLAGS)

# RFC 5322 §4.3 names UT to PDT; relays write the others, and their meaning is not in dispute
_NAMED_ZONES = {
    **dict.fromkeys(("ut", "utc", "gmt", "z", "wet"), 0.0),
    **{"edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8},
    **{"akdt": -8, "akst": -9, "hst": -10, "adt": -3, "nst": -3.5, "ndt": -2.5, "brt": -3},
    **{"bst": 1, "west": 1, "cet": 1, "met": 1, "mez": 1, "cest": 2, "mest": 2, "mesz": 2},
    **{"eet": 2, "sast": 2, "eest": 3, "msk": 3, "msd": 4, "hkt": 8, "sgt": 8, "awst": 8},
    **{"jst": 9, "kst": 9, "acst": 9.5, "acdt": 10.5, "aest": 10, "aedt": 11, "nzst": 12},
    **{"nzdt": 13},
}


@dataclass(frozen=True, slots=True)
class HeaderDate:
    """A date as an instant; `start` is the offset of the date, its weekday included.

    `has_zone` is False without a zone or with an unknown one, which counts as UTC (RFC 5322 §4.3).
    `at` is then the local time labelled as UTC.
    """

    at: datetime
    has_zone: bool
    start: int = 0


def parse_header_date(value: str) -> HeaderDate | None:
    """The first date in a field value, comments allowed; None if there is no readable one."""
    text = header_text(value)
    items = header_items(text)
    found = find_date(masked_comments(text, items))
    if found is None:
        return None
    return with_zone_of(found, [item.text for item in items if item.kind is Kind.COMMENT])


def find_date(text: str) -> HeaderDate | None:
    """The first date in a text without comments; only the last 2048 characters are searched."""
    skipped = max(0, len(text) - _MAX_DATE)
    tail = text[skipped:]
    matches = [match for match in (form.search(tail) for form in _FORMS) if match is not None]
    for match in sorted(matches, key=lambda match: match.start()):
        found = _date(match)
        if found is not None:
            weekday = _WEEKDAY.search(tail, max(0, match.start() - 16), match.start())
            begin = match.start() if weekday is None else weekday.start()
            return HeaderDate(found.at, found.has_zone, skipped + begin)
    return None


def with_zone_of(date: HeaderDate, comments: list[str]) -> HeaderDate:
    """The date in the zone that the first of its comments names, `(PST)`, if it has none."""
    if date.has_zone or not comments:
        return date
    zone, is_known = _zone(comments[0].strip())
    if zone is None or not is_known:
        return date
    return HeaderDate(date.at.replace(tzinfo=zone), True, date.start)


def _date(match: re.Match[str]) -> HeaderDate | None:
    said = match.groupdict()
    zone, has_zone = _zone(_first(said, "late_zone", "zone"))
    year, month = _first(said, "year", "late_year"), said["month"].lower()
    if zone is None or not year:
        return None
    try:
        at = datetime(
            _full_year(year),
            int(month) if month.isdigit() else _MONTHS.index(month) + 1,
            int(said["day"]),
            _hour(int(said["hour"]), (said["half"] or "").lower()),
            int(said["minute"]),
            _second(int(said["second"] or 0)),
            tzinfo=zone,
        )
        at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return HeaderDate(at, has_zone)


def _first(said: dict[str, str | None], *names: str) -> str:
    return next((text for text in map(said.get, names) if text), "")


def _full_year(text: str) -> int:
    """The year in full, RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900."""
    year = int(text)
    if len(text) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(text) == 3 else year


def _hour(hour: int, half: str) -> int:
    """The hour from 0 to 23; `half` is `a`, `p` or empty."""
    if not half or hour > 12:
        return hour
    return hour % 12 + (12 if half == "p" else 0)


def _second(second: int) -> int:
    """The second; a leap second becomes the second before it, as datetime has none."""
    return 59 if second == 60 else second


def _zone(text: str) -> tuple[tzinfo | None, bool]:
    """The zone, UTC if it is unknown, and True if it is known; None for an invalid offset."""
    if not text:
        return UTC, False
    if text[-1].isalpha():
        hours = _NAMED_ZONES.get(text.lower())
        return (UTC, False) if hours is None else (_offset(timedelta(hours=hours)), True)
    match = _NUMERIC_ZONE.fullmatch(text)
    if match is None:
        return None, False
    size = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    if size >= timedelta(hours=24) or int(match[3] or 0) > 59:
        return None, False
    return _offset(-size if match[1] == "-" else size), True


def _offset(size: timedelta) -> tzinfo:
    return timezone(size) if size else UTC
