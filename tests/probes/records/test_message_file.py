"""Messages in files, as editors, exports and old systems leave them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.message_file import read_message_file
from probes.records.raw_message import read_message

MESSAGE = (
    b"Received: from a.test by b.test; Tue, 1 Dec 2026 10:00:00 +0000\r\n"
    b"From: a@sender.test\r\nSubject: x\r\n\r\ntext\r\n"
)
LF = MESSAGE.replace(b"\r\n", b"\n")
FORMS = {
    "as it is": (MESSAGE, 0),
    "with LF": (LF, 0),
    "with CR": (MESSAGE.replace(b"\r\n", b"\r"), 1),
    "behind a byte order mark": (b"\xef\xbb\xbf" + MESSAGE, 1),
    "behind two": (b"\xef\xbb\xbf\xef\xbb\xbf" + MESSAGE, 1),
    "in UTF-16": (MESSAGE.decode().encode("utf-16"), 1),
    "in big-endian UTF-16": (b"\xfe\xff" + MESSAGE.decode().encode("utf-16-be"), 1),
    "behind empty lines": (b"\r\n\r\n" + MESSAGE, 1),
    "behind empty lines with LF": (b"\n \n" + LF, 1),
    "from an mbox": (b"From a@b.test Tue Dec  1 10:00:00 2026\n" + LF, 1),
    "from an mbox that quotes": (b">From a@b.test Tue Dec  1 10:00:00 2026\n" + LF, 1),
    "from an mbox behind a mark": (b"\xef\xbb\xbfFrom x Tue Dec  1 10:00:00 2026\r\n" + MESSAGE, 2),
    "from an mbox with CR": (b"From x\r" + MESSAGE.replace(b"\r\n", b"\r"), 2),
    "behind a mark and empty lines": (b"\xef\xbb\xbf\r\n" + MESSAGE, 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_first_hop_is_read_and_what_was_skipped_is_said(form: str) -> None:
    data, notes = FORMS[form]
    found = read_message_file(data)
    assert read_message(found.message).fields[0].name == "received"
    assert len(read_message(found.message).fields) == 3
    assert read_message(found.message).body.startswith(b"text")
    assert len(found.notes) == notes, found.notes


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"\r\n\r\n", b"\xef\xbb\xbf", b"hello world\r\n", b"hello\n\nFrom: a@b.test\n"),
        *(b"\x1f\x8b\x08\x00gzip", b"\x89PNG\r\n\x1a\n", b"<html>\n<body>Received: from x</body>"),
        *(b'{\n  "a": 1\n}\n', b"From a@b.test Tue Dec  1 10:00:00 2026\n\nonly text\n"),
        *(b"Dear all,\n\nthis: is text\n", b"%PDF-1.7\n", bytes(range(256))),
    ],
)
def test_what_has_no_header_is_no_message(data: bytes) -> None:
    with pytest.raises(RecordError, match="this is no message"):
        read_message_file(data)


def test_lines_of_the_header_that_are_no_fields_are_said() -> None:
    found = read_message_file(b"From: a@b.test\r\nthis is no field\r\nTo: c@d.test\r\n\r\nx")
    assert found.notes == ("1 lines of the header are no fields, the first is 'this is no field'",)


def test_of_several_messages_the_first_is_read_and_the_others_are_said() -> None:
    mbox = b"From a Tue Dec  1 10:00:00 2026\n" + LF + b"\nFrom b Tue Dec  1 11:00:00 2026\n" + LF
    found = read_message_file(mbox)
    assert found.message.count(b"Subject") == 1
    assert any("several messages" in note for note in found.notes)


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    try:
        read_message_file(data)
    except RecordError:
        return
