"""Dates of header fields, as they are and as they should be."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.header_date import parse_header_date

CENTURIES = st.integers(-600_000_000, 30_000_000_000)


@given(CENTURIES, st.integers(-23 * 60, 23 * 60))
def test_whatever_is_written_by_the_standard_is_read_back(seconds: int, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    at = datetime.fromtimestamp(0, UTC).astimezone(zone) + timedelta(seconds=seconds)
    found = parse_header_date(format_datetime(at))
    assert found is not None
    assert (found.at, found.at.utcoffset(), found.has_zone) == (at, at.utcoffset(), True)


NAMED = {"GMT": 0, "UT": 0, "Z": 0, "EST": -5, "PDT": -7, "CET": 1, "JST": 9}
NUMBERED = {"+0530": 5.5, "-330": -3.5, "+2": 2, "+02:00": 2, "GMT+0100": 1, "UTC -3": -3}


@pytest.mark.parametrize(("text", "hours"), [*NAMED.items(), *NUMBERED.items()])
def test_zones_are_read_by_number_and_by_name(text: str, hours: float) -> None:
    found = parse_header_date(f"Tue, 3 Nov 2026 10:11:12 {text}")
    assert found is not None
    assert (found.at.utcoffset(), found.has_zone) == (timedelta(hours=hours), True)


@pytest.mark.parametrize("zone", ["", "A", "M", "XYZ", "LOCAL"])
def test_a_zone_that_nobody_knows_is_said_to_be_unknown(zone: str) -> None:
    found = parse_header_date(f"Tue, 3 Nov 2026 10:11:12 {zone}")
    assert found is not None
    assert (found.at, found.has_zone) == (datetime(2026, 11, 3, 10, 11, 12, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("year", "read"), [("49", 2049), ("50", 1950), ("99", 1999), ("126", 2026), ("1999", 1999)]
)
def test_short_years_are_read_as_the_standard_says(year: str, read: int) -> None:
    found = parse_header_date(f"3 Nov {year} 10:11 GMT")
    assert found is not None
    assert found.at.year == read


NONE = """yesterday
3 Nov 2026
99 Nov 2026 10:11:12 +0000
30 Feb 2026 10:11:12 +0000
3 Nov 2026 25:11:12 +0000
3 Nov 2026 10:11:61 +0000
3 Nov 2026 10:11:12 +9900
1 Jan 0000 10:11 +0000
31 Dec 9999 23:59:59 -1200
"""


@pytest.mark.parametrize("text", NONE.split("\n"))
def test_a_date_that_is_none_is_none(text: str) -> None:
    assert parse_header_date(text) is None


def test_a_date_is_found_behind_other_words() -> None:
    found = parse_header_date("with HTTP id 1 (x) Tue, 3 Nov 2026 10:11:12 +0000")
    assert found is not None
    assert found.start == len("with HTTP id 1 (x) ")


@given(st.text())
def test_any_text_gives_a_date_or_none(text: str) -> None:
    found = parse_header_date(text + " Nov 2026 10:11:12 +0000")
    assert found is None or found.at.tzinfo is not None
