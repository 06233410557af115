"""Knowing a message takes time in proportion to its length, whoever sent it."""

from datetime import UTC, datetime

import pytest

from probes.canary.bounce import bounced_token
from probes.canary.evidence import ExaminationContext, examine
from probes.canary.message import recognise, recognise_body
from tests.support.linear_time import Case, cases, is_linear, superlinear

pytestmark = pytest.mark.slow("reads long texts by every reader")

_SENT = b"From: <a@b.test>\r\nSubject: x\r\n\r\nThis is a test.\r\n"
_KNOWN = ExaminationContext(at=datetime(2026, 3, 1, tzinfo=UTC), lookup=lambda _: ())


def _known(text: str) -> object:
    octets = text.encode("utf-8")
    return recognise(octets), recognise_body(octets), bounced_token(octets)


def _examined(text: str) -> object:
    return examine(text.encode("utf-8"), _SENT, _KNOWN)


def _nested(text: str) -> object:
    """Multiparts within multiparts, as many as the text is long."""
    parts = (
        f"Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n"
        for depth in range(len(text) // 50)
    )
    return recognise_body(("".join(parts) + "\n" + "x\n" * (len(text) // 2)).encode())


READERS = (
    *cases("known", _known, "Subject: ", 'Content-Type: multipart/mixed; a="', "\n\n"),
    *cases("examined", _examined, "From: ", "Subject: x\r\n\r\nThis is"),
)


def test_readers_take_linear_time() -> None:
    assert superlinear(READERS) == []


_MENDED = (
    Case("encoded words without an end", _known, "Subject: ", "=?utf-8?q?a "),
    Case("semicolons in quotes", _known, 'Content-Type: multipart/mixed; a="', ";", "\n\nx"),
    Case("parts in parts", _nested, "", "x"),
)


@pytest.mark.parametrize("case", _MENDED, ids=lambda case: case.name)
def test_known_attacks_take_linear_time(case: Case) -> None:
    assert is_linear(case, 64 * 1024)


@pytest.mark.parametrize("token", ["(", "a: "])
def test_an_author_is_read_beside_what_is_nested_without_end(token: str) -> None:
    message = f"From: a@b.test, {token * 2000}\r\n\r\nx".encode()
    assert examine(message, None, _KNOWN).alignment.author_domain == "b.test"


def test_a_message_within_a_message_is_looked_into() -> None:
    token = "mailcanary-" + "a" * 26
    inner = f"Subject: x\r\n\r\nToken: {token}\r\n"
    outer = (
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        "--b\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    assert recognise_body(f"{outer}{inner}--b--\r\n".encode()) == token
