"""Replies as bounces quote them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.bounces.reply import find_quoted, quoted_remote, read_quoted, unquoted
from probes.records.reply import EnhancedCode


@pytest.mark.parametrize(
    ("text", "code", "enhanced"),
    [
        ("550 5.1.1 User unknown", 550, (5, 1, 1)),
        ("550-5.1.1 first\n 550 5.1.1 last", 550, (5, 1, 1)),
        ("550: 5.7.1 no", 550, (5, 7, 1)),
        ("550 #5.1.0 Address rejected", 550, (5, 1, 0)),
        ("550-'5.1.1 <a@b.test>... User unknown'", 550, (5, 1, 1)),
        ("550 4.4.7 Message expired <421 4.4.0 no DNS>", 550, (4, 4, 7)),
        ("host mx.test[192.0.2.25] said: 450 busy (in reply to RCPT TO command)", 450, None),
        ("Sorry, no such host. (#5.1.2)", None, (5, 1, 2)),
        ("Remote server returned '554 5.4.14 Hop count exceeded'", 554, (5, 4, 14)),
        ("<<< 550 no\n554 5.0.0 Service unavailable", 554, (5, 0, 0)),
        ("<<< 250 2.1.0 Sender ok\n<<< 550 5.1.1 unknown", 550, (5, 1, 1)),
        ("250 2.0.0 Ok: queued", 250, (2, 0, 0)),
        ("451 busy, see 5.1.1 of the manual", 451, None),
    ],
)
def test_codes_are_found(text: str, code: int | None, enhanced: EnhancedCode | None) -> None:
    quoted = read_quoted(text)
    assert (quoted.code, quoted.enhanced) == (code, enhanced)


@pytest.mark.parametrize(
    "text",
    [
        "the limit is 500 MB",
        "gave up after 432 seconds",
        "[192.0.2.5] 4.3.2.1",
        "Exchange 5.5.2653.13",
        "at 10:45:50",
        "port 587, queue 4XkQ550",
        "",
    ],
)
def test_other_numbers_are_no_codes(text: str) -> None:
    quoted = read_quoted(text)
    assert (quoted.code, quoted.enhanced) == (None, None)
    assert find_quoted(text) is None


def test_a_reply_ends_with_its_paragraph() -> None:
    quoted = find_quoted("Remote host said: 550 no\n  such user\nGiving up on 192.0.2.25.\n\nMore")
    assert quoted is not None
    assert quoted.text == "550 no such user"
    assert quoted.remote == "192.0.2.25"


def test_an_enhanced_code_alone_brings_its_whole_sentence() -> None:
    quoted = find_quoted("Hello.\n\nNo mailbox here\nby that name. (#5.1.1)\n\nBye")
    assert quoted is not None
    assert quoted.text == "No mailbox here by that name. (#5.1.1)"


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        ("host mx.reader.test[192.0.2.25] said: 550", "mx.reader.test"),
        ("host mx.reader.test [2001:db8::25]: 550", "mx.reader.test"),
        ("... while talking to mx.reader.test.:", "mx.reader.test"),
        ("Connected to 192.0.2.25 but sender was rejected.", "192.0.2.25"),
        ("192.0.2.25 does not like recipient.", "192.0.2.25"),
        ("rejected by the server for the domain x.test by mx.x.test. [192.0.2.1].", "mx.x.test"),
        ("Remote server (192.0.2.25) issued an error.", "192.0.2.25"),
        ("<mail.reader.test #5.1.1>", "mail.reader.test"),
        ("no host at all", None),
    ],
)
def test_the_host_that_refused_is_named(text: str, remote: str | None) -> None:
    assert quoted_remote(text) == remote


def test_marks_around_a_text_are_taken_off_where_they_have_no_partner() -> None:
    assert unquoted("'550 no'") == "'550 no'"
    assert unquoted("550 no'") == "550 no"
    assert unquoted("550 <a> no>  ##") == "550 <a> no"


def test_control_characters_are_shown_and_not_passed_on() -> None:
    assert read_quoted("550 \x1b[31mred\x00\n\tnext").text == r"550 \x1b[31mred\x00 next"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert read_quoted(text).text.isprintable()
    found = find_quoted(text)
    assert found is None or found.text.isprintable()
