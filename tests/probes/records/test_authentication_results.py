"""Authentication-Results as receivers really write them."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.authentication_results import (
    MAX_RESULTS,
    AuthenticationResults,
    MethodResult,
    parse_authentication_results,
)
from tests.probes.records.header_corpus import Entry, entries

CORPUS = [entry for entry in entries("authentication") if entry.name != "Received-SPF"]


def _line(result: MethodResult) -> str:
    method = result.method if result.version is None else f"{result.method}/{result.version}"
    reason = [] if result.reason is None else [f"reason={result.reason}"]
    names = [(f"{p.ptype}.{p.name}" if p.ptype else p.name, p.value) for p in result.properties]
    return " ".join([f"{method}={result.result}", *reason, *(f"{n}={v}" for n, v in names)])


def _told(field: AuthenticationResults) -> list[tuple[str, str]]:
    told = [(name, getattr(field, name)) for name in ("instance", "authserv_id", "version")]
    known = [(name, str(value)) for name, value in told if value is not None]
    results = [("result", _line(result)) for result in field.results]
    none = [("is_none", "True")] if field.is_none else []
    unparsed = [("unparsed", " ".join(field.unparsed))] if field.unparsed else []
    return known + none + results + unparsed


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.where)
def test_every_receivers_way_of_writing_is_read(entry: Entry) -> None:
    field = parse_authentication_results(entry.value)
    assert _told(field) == entry.expected
    assert field.raw == entry.value
    assert _told(parse_authentication_results(" ".join(entry.value.split()))) == entry.expected


def test_remarks_stay_with_the_result_they_stand_behind() -> None:
    field = parse_authentication_results("mx (a); spf=pass (b) smtp.mailfrom=x (c); dkim=none (d)")
    assert field.comments == ("a",)
    assert [result.comments for result in field.results] == [("b", "c"), ("d",)]


def test_a_property_is_found_by_its_type_and_name() -> None:
    (result,) = parse_authentication_results("mx; dkim=pass Header.D=a.test header.d=b").results
    assert result.value("header", "d") == "a.test"
    assert result.value("smtp", "d") is None


def test_the_word_none_alone_is_no_name_of_a_receiver() -> None:
    field = parse_authentication_results("none")
    assert (field.authserv_id, field.is_none) == (None, True)


def test_a_property_that_looks_like_a_result_does_not_begin_one() -> None:
    field = parse_authentication_results("mx; dmarc=fail action=none d=spf.test policy.spf=pass")
    assert [result.method for result in field.results] == ["dmarc"]


def test_more_results_than_anyone_writes_are_kept_unread() -> None:
    field = parse_authentication_results("mx" + "; spf=pass" * (MAX_RESULTS + 2))
    assert len(field.results) == MAX_RESULTS
    assert field.unparsed == ("spf=pass", "spf=pass")


_SIGNS = st.sampled_from(["mx ", "1 ", ";", "=", "/", ".", '"', "\\", "(", ")", " ", "\r\n\t"])
_WORDS = st.sampled_from(["i=1", "spf", "dkim=pass ", "header.d=", "reason=", "none", "@a.test"])
_RARE = st.sampled_from(["=?utf-8?q?=3B?=", "\x00", "\ud800", "²"])
_PIECES = _SIGNS | _WORDS | _RARE


@settings(max_examples=3 * settings().max_examples)
@given(st.text() | st.lists(_PIECES).map("".join) | st.binary().map(lambda b: b.decode("latin-1")))
def test_any_text_gives_a_value(text: str) -> None:
    field = parse_authentication_results(text)
    assert field.raw == text
    assert all(result.method and result.result for result in field.results)


@pytest.mark.slow("measures seconds of work")
@pytest.mark.parametrize(
    "piece",
    [". ", "= ", "/ ", "a=", "a=b ", ";", "(", "()", '"', "spf=pass ", "\\", "x ", "a.b=c;"],
)
def test_eight_times_the_text_never_takes_sixty_four_times_the_time(piece: str) -> None:
    def seconds(count: int) -> float:
        begin = process_time()
        parse_authentication_results("mx; spf=pass " + piece * (count // len(piece)))
        return process_time() - begin

    seconds(1000)
    little = min(seconds(4_000) for _ in range(3))
    # quadratic reading takes 64 times as long; 0.2 s for what a busy machine adds
    assert min(seconds(32_000) for _ in range(3)) < 24 * little + 0.2
