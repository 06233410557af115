"""A long message is read in a thread, and the event loop beside it gets its turns."""

import re

import pytest

from probes.canary.bounce import bounced_token
from probes.canary.evidence import ExaminationContext, examine
from probes.canary.message import recognise, recognise_body
from probes.clock import SYSTEM_CLOCK
from tests.support.turns import longest_turn

pytestmark = pytest.mark.slow("reads messages of megabytes")

LONG = 8 * 1024 * 1024
LONGEST = 0.4
"""Seconds: of a text of line ends alone, where one list of all its lines is made and freed."""

_SENT = b"From: <a@b.test>\r\nSubject: x\r\n\r\nThis is a test.\r\n"
_STARTS = (b"", b"Subject: ", b"Subject: x\n\nThis is", b"Content-Type: text/html\n\n")
_TOKENS = (b" ", b"\n", b"\r\n", b"\r\n ", b"a: b\n", b"a@b.c ", b"https://a ", b"&a", b"<a")


@pytest.mark.parametrize("start", _STARTS)
@pytest.mark.parametrize("token", _TOKENS)
def test_reading_a_long_message_lets_other_threads_run(start: bytes, token: bytes) -> None:
    message = start + token * (LONG // len(token))
    known = ExaminationContext(at=SYSTEM_CLOCK.utc(), lookup=lambda _: ())

    def read() -> None:
        recognise(message)
        recognise_body(message)
        bounced_token(message)
        examine(message, _SENT, known)

    assert longest_turn(read) < LONGEST


def test_a_call_without_a_pause_is_seen() -> None:
    text = "a" * 8 * LONG
    assert longest_turn(lambda: re.findall("a", text)) > LONGEST
