"""What an SMTP client writes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.smtp_command import parameters, path, stuffed


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        ("a@b.test", b"<a@b.test>"),
        ("", b"<>"),
        ('"a b>"@c.test', b'<"a b>"@c.test>'),
        ("jürgen@b.test", "<jürgen@b.test>".encode()),
    ],
)
def test_an_address_becomes_a_path(address: str, wire: bytes) -> None:
    assert path(address) == wire


@pytest.mark.parametrize("address", ["a@b\r", "a\n@b", "a\x00", "a@b>", "<a@b", "a b@c", "a\x7f@b"])
def test_an_address_that_would_say_more_is_refused(address: str) -> None:
    with pytest.raises(RecordError):
        path(address)


@given(st.text(max_size=40))
def test_any_address_is_one_path_or_an_error(address: str) -> None:
    try:
        wire = path(address)
    except (RecordError, UnicodeEncodeError):
        return
    assert wire.startswith(b"<")
    assert wire.endswith(b">")
    assert not re.search(rb"[\x00-\x1f\x7f]", wire)


@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (b"", b".\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\n.\nb\r.c", b"a\r\n..\r\nb\r\n..c\r\n.\r\n"),
        (b"..a\r\n", b"...a\r\n.\r\n"),
    ],
)
def test_content_is_stuffed(content: bytes, wire: bytes) -> None:
    assert stuffed(content) == wire


_tricky = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\x00", b"\xff"]))


@given(_tricky.map(b"".join))
def test_no_content_ends_early_for_any_reader_of_lines(content: bytes) -> None:
    wire = stuffed(content)
    body = wire[: -len(b".\r\n")]
    assert wire.endswith(b".\r\n")
    assert b"\r\n.\r\n" not in b"\r\n" + body
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert b"\n" not in body.replace(b"\r\n", b"")


@given(_tricky.map(b"".join))
def test_what_a_server_unstuffs_is_the_content_with_its_line_ends_put_right(
    content: bytes,
) -> None:
    wire = stuffed(content)
    lines = wire[: -len(b".\r\n")].split(b"\r\n")[:-1]
    heard = [line[1:] if line.startswith(b".") else line for line in lines]
    wanted = re.split(rb"\r\n|\r|\n", content)
    assert heard == (wanted[:-1] if not wanted[-1] else wanted)


def test_parameters_have_a_value_or_none_or_are_left_out() -> None:
    assert parameters((("SIZE", 5), ("SMTPUTF8", ""), ("BODY", None))) == (b"SIZE=5", b"SMTPUTF8")
