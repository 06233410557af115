"""The bounded reader of MIME messages."""

import base64
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.mime_parts import (
    MAX_DEPTH,
    MAX_MESSAGE,
    MAX_PARTS,
    decode_charset,
    decode_words,
    media_type,
    read_parts,
    split_header,
)

NESTED = b"""Subject: x
Content-Type: multipart/mixed; boundary="outer"

preamble
--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain

one
two
--inner
Content-Type: text/html

<p>one</p>
--inner--
--outer
Content-Type: message/rfc822

Subject: y

body
--outer--
epilogue
"""


def kinds(message: bytes) -> list[str]:
    return [part.media_type for part in read_parts(message)]


def test_parts_come_in_order_each_before_its_own() -> None:
    assert kinds(NESTED) == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "message/rfc822",
    ]
    assert [part.depth for part in read_parts(NESTED)] == [0, 1, 2, 2, 1]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_line_end_before_a_delimiter_is_not_the_parts(line_end: bytes) -> None:
    text = read_parts(NESTED.replace(b"\n", line_end))[2]
    assert text.body == line_end.join([b"one", b"two"])


def test_a_message_inside_a_message_is_one_part() -> None:
    assert read_parts(NESTED)[4].content() == b"Subject: y\n\nbody"


def test_a_missing_last_delimiter_loses_nothing() -> None:
    cut = NESTED[: NESTED.index(b"\n--outer--")]
    assert read_parts(cut)[4].content() == b"Subject: y\n\nbody"


def test_a_boundary_that_nobody_named_is_guessed_from_the_first_line() -> None:
    assert kinds(
        b"Content-Type: multipart/mixed\n\n--b\nContent-Type: image/png\n\nx\n--b--\n"
    ) == [
        "multipart/mixed",
        "image/png",
    ]


def test_a_multipart_without_delimiters_is_its_own_only_part() -> None:
    (part,) = read_parts(b"Content-Type: multipart/mixed; boundary=q\n\nno parts here\n")
    assert part.body == b"no parts here\n"


def test_a_delimiter_in_mid_line_is_none() -> None:
    message = b"Content-Type: multipart/mixed; boundary=q\n\n--q\n\nsay --q\n--q--\n"
    assert read_parts(message)[1].body == b"say --q"


def test_what_a_mailbox_file_puts_in_front_is_no_header() -> None:
    (part,) = read_parts(b"\n\nFrom a@b.test Tue Nov  3 10:11:12 2026\nSubject: x\n\nbody")
    assert (part.header.get("subject"), part.body) == ("x", b"body")


def test_a_part_without_a_header_begins_with_its_empty_line() -> None:
    message = b"Content-Type: multipart/mixed; boundary=q\n\n--q\n\nX: not a field\n--q--\n"
    part = read_parts(message)[1]
    assert (part.header.fields, part.body) == ((), b"X: not a field")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        (b"base64", base64.b64encode("grüß".encode())),
        (b"BASE64", base64.b64encode("grüß".encode()).rstrip(b"=") + b"!!\n"),
        (b"quoted-printable", b"gr=C3=BC=C3=\n=9F"),
        (b"8bit", "grüß".encode()),
        (b"nonsense", "grüß".encode()),
    ],
)
def test_transfer_encodings_are_undone(encoding: bytes, body: bytes) -> None:
    (part,) = read_parts(b"Content-Transfer-Encoding: " + encoding + b"\n\n" + body)
    assert part.text() == "grüß"


def test_the_standard_library_writes_what_is_read() -> None:
    message = MIMEMultipart("mixed")
    message.attach(MIMEText("grüß dich", _charset="iso-8859-1"))
    message.attach(MIMEText("<b>ja</b><br>nein &amp; so", "html"))
    _, plain, html = read_parts(message.as_bytes())
    assert plain.text() == "grüß dich"
    assert html.text() == "ja\nnein & so"


def test_html_is_read_as_text_without_its_hidden_parts() -> None:
    html = b"<style>p {}</style><p>to <user@reader.test> &lt;x&gt;</p><script>1<2</script>end"
    (part,) = read_parts(b"Content-Type: text/html\n\n" + html)
    assert part.text() == "\nto <user@reader.test> <x>\nend"


@pytest.mark.parametrize("name", ["unicode_escape", "zip", "undefined", "idna", "x-unknown", ""])
def test_a_charset_that_is_none_of_ours_is_read_as_utf_8(name: str) -> None:
    assert decode_charset("ä".encode(), name) == "ä"


def test_encoded_words_are_decoded_and_joined() -> None:
    assert decode_words("=?utf-8?q?gr=C3=BC?= =?utf-8?b?w58=?= dich") == "grüß dich"
    assert decode_words("=?utf-8?x?abc?= =?") == "=?utf-8?x?abc?= =?"


@pytest.mark.parametrize(
    ("value", "kind", "parameters"),
    [
        ('Multipart/Report; Report-Type="x"', "multipart/report", {"report-type": "x"}),
        ('a/b; c="d\\"e"; c=f', "a/b", {"c": 'd"e'}),
        ("a/b;c=d;;e", "a/b", {"c": "d"}),
        ("text", "text/plain", {}),
        ("", "text/plain", {}),
    ],
)
def test_media_types_are_read(value: str, kind: str, parameters: dict[str, str]) -> None:
    assert media_type(value) == (kind, parameters)


def test_folded_fields_come_on_one_line_and_names_in_lower_case() -> None:
    header, body = split_header(b"Subject: a\r\n\tb\r\nGarbage\r\nX-Y : z\r\n\r\nrest")
    assert header.fields == (("subject", "a b"), ("x-y", "z"))
    assert body == b"rest"


def test_depth_and_number_of_parts_are_bounded() -> None:
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000)
    )
    assert max(part.depth for part in read_parts(deep)) == MAX_DEPTH
    wide = b"Content-Type: multipart/mixed; boundary=q\n\n" + b"--q\n\nx\n" * 10_000
    assert len(read_parts(wide)) == MAX_PARTS


def test_no_more_than_the_bound_is_read() -> None:
    (part,) = read_parts(b"Subject: x\n\n" + b"x" * (MAX_MESSAGE + 1000))
    assert len(part.body) == MAX_MESSAGE - len(b"Subject: x\n\n")


_PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=q\n",
        b"Content-Type: text/html; charset=utf-16\n",
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"\n",
        b"\r\n",
        b"--q\n",
        b"--q--\n",
        b"<p",
        b"=?utf-8?q?=",
        b"\xff",
        b"text ",
    ]
)


@settings(max_examples=3 * settings().max_examples)
@given(st.binary() | st.lists(_PIECES).map(b"".join))
def test_any_bytes_give_parts(message: bytes) -> None:
    parts = read_parts(message)
    assert 1 <= len(parts) <= MAX_PARTS
    for part in parts:
        part.content()
        part.text()
        decode_words(part.header.get("content-type"))


@pytest.mark.parametrize("reference", ["&#" + "9" * 5000, "&#x" + "f" * 5000 + ";"])
def test_a_reference_beyond_every_character_is_marked(reference: str) -> None:
    (part,) = read_parts(f"Content-Type: text/html\r\n\r\na {reference} b".encode())
    assert part.text() == "a \ufffd b"
