"""SMTP replies from lines and from bytes in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.reply import (
    MAX_BYTES,
    MAX_LINE,
    MAX_LINES,
    Reply,
    ReplyAssembler,
    parse_reply,
    printable,
)


def test_a_reply_keeps_code_enhanced_code_and_every_line() -> None:
    reply = parse_reply(["550-5.1.1 no such user", "550 5.1.1 try another"])
    assert reply == Reply(550, ("5.1.1 no such user", "5.1.1 try another"), (5, 1, 1))
    assert str(reply) == "550 5.1.1 no such user 5.1.1 try another"
    assert not reply.is_positive
    assert not reply.is_transient


def test_a_bare_code_is_a_reply() -> None:
    # RFC 5321 §4.2.1
    assert parse_reply(["250"]) == Reply(250, ("",))


@pytest.mark.parametrize("text", ["4.1.1 ok", "5.1.1234 x", "5.1 x", "x 5.1.1", "5.1.1x"])
def test_an_enhanced_code_of_another_class_or_form_is_text(text: str) -> None:
    assert parse_reply([f"550 {text}"]).enhanced is None


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["25"],
        ["2500 x"],
        ["250x"],
        ["150 x"],
        ["650 x"],
        ["²50 x"],
        ["250-a"],
        ["250 a", "250 b"],
        ["250-a", "251 b"],
    ],
)
def test_what_is_no_reply_is_refused(lines: list[str]) -> None:
    with pytest.raises(RecordError):
        parse_reply(lines)


def assembled(*pieces: bytes) -> tuple[Reply | None, bytes]:
    """What an assembler makes of the pieces up to the first reply, and what it left."""
    assembler = ReplyAssembler()
    for index, piece in enumerate(pieces):
        reply = assembler.feed(piece)
        if reply is not None:
            return reply, assembler.rest + b"".join(pieces[index + 1 :])
    return None, b""


def test_bytes_after_the_reply_are_kept_apart() -> None:
    reply, rest = assembled(b"220 go\r\n250 inje", b"cted\r\n")
    assert reply == Reply(220, ("go",))
    assert rest == b"250 injected\r\n"


def test_a_lone_line_feed_ends_a_line_too() -> None:
    assert assembled(b"250-a\n250 b\n")[0] == Reply(250, ("a", "b"))


def test_a_reply_that_has_begun_says_so() -> None:
    assembler = ReplyAssembler()
    begun = [assembler.has_begun]
    for piece in (b"2", b"50-a\r\n", b"250 b\r\n"):
        assembler.feed(piece)
        begun.append(assembler.has_begun)
    assert begun == [False, True, True, False]


@pytest.mark.parametrize(
    "data",
    [
        b"250 " + b"x" * MAX_LINE,
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"250-x\r\n" * MAX_LINES,
        (b"250-" + b"x" * 1000 + b"\r\n") * (MAX_BYTES // 1000 + 1),
        b"250-a\r\n550 b\r\n",
        b"250-a\r\nb\r\n",
        b"25\r\n",
        b"2500 x\r\n",
        b"\r\n" * MAX_BYTES,
    ],
)
def test_a_reply_without_bounds_or_sense_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(RecordError):
        assembled(data)


@pytest.mark.parametrize(
    ("data", "skipped"),
    [
        (b"\r\n250 ok\r\n", b"\r\n"),
        (b"250-a\r\n\r\n250 b\r\n", b"\r\n"),
        (b"\xff\r\nhello\n250 ok\r\n", b"\xff\r\nhello\n"),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 99])
def test_lines_that_are_no_part_of_a_reply_are_skipped(
    data: bytes, skipped: bytes, step: int
) -> None:
    assembler = ReplyAssembler()
    pieces = [data[start : start + step] for start in range(0, len(data), step)]
    replies = [assembler.feed(piece) for piece in pieces]
    assert [reply.code for reply in replies if reply is not None] == [250]
    assert assembler.skipped == skipped


def test_the_longest_reply_allowed_is_read() -> None:
    reply, _ = assembled(b"250-x\r\n" * (MAX_LINES - 1) + b"250 y\r\n")
    assert reply is not None
    assert len(reply.lines) == MAX_LINES


_words = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
_replies = st.tuples(st.integers(200, 559), st.lists(_words, min_size=1, max_size=8))


@given(_replies, st.data())
def test_a_reply_is_the_same_in_whatever_pieces_it_comes(
    made: tuple[int, list[str]], data: st.DataObject
) -> None:
    code, words = made
    last = len(words) - 1
    lines = [f"{code}{' ' if n == last else '-'}{text}" for n, text in enumerate(words)]
    wire = "".join(f"{line}\r\n" for line in lines).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)))))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert assembled(*pieces) == (parse_reply(lines), b"")


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_any_bytes_are_a_reply_or_not_yet_one_or_an_error(pieces: list[bytes]) -> None:
    try:
        reply, _ = assembled(*pieces)
    except RecordError:
        return
    assert reply is None or 200 <= reply.code <= 599


@given(st.binary(max_size=64))
def test_any_line_is_shown_in_printable_text(line: bytes) -> None:
    text = printable(line)
    assert text.replace("\t", "").isprintable()
    text.encode("utf-8")


def test_what_cannot_be_shown_is_written_out() -> None:
    assert printable(b"caf\xc3\xa9 \xff \x1b[31m\tx\x00") == "café \\xff \\x1b[31m\tx\\x00"
