"""The queue id in a reply to the end of the message."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.queue_id import read_queue_id

POSTFIX, EXIM = "mx.test ESMTP Postfix (Debian/GNU)", "mx.test ESMTP Exim 4.96 Tue"


@pytest.mark.parametrize(
    ("reply", "greeting", "name", "command"),
    [
        ("2.0.0 Ok: queued as 4F3kXk1Pqfz2xBt", POSTFIX, "4F3kXk1Pqfz2xBt", "postqueue -p"),
        ("2.0.0 Ok: queued as D3A2F12340", POSTFIX, "D3A2F12340", "postqueue -p"),
        ("2.0.0 Ok: queued as D3A2F12340", "mx.test ESMTP", "D3A2F12340", "postqueue -p"),
        ("2.0.0 Ok: queued as 4bGX2k3LHyz9zXY", "", "4bGX2k3LHyz9zXY", "postqueue -p"),
        (
            "2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 8DFA3C",
            "",
            "8DFA3C",
            "postqueue -p",
        ),
        ("OK id=1rXyZa-0001Ab-2C", EXIM, "1rXyZa-0001Ab-2C", "exim -Mvh"),
        ("OK id=1rXyZa-00000001AbC-2Cde", "", "1rXyZa-00000001AbC-2Cde", "exim -Mvh"),
        (
            "2.0.0 4BC1abcd012345 Message accepted for delivery",
            "mx.test ESMTP Sendmail 8.17.1/8.17.1",
            "4BC1abcd012345",
            "mailq",
        ),
        ("2.0.0 4BC1abcd012345 Message accepted for delivery", "", "4BC1abcd012345", "mailq"),
        (
            "2.0.0 a1b2c3d4 Message accepted for delivery",
            "mx.test ESMTP OpenSMTPD",
            "a1b2c3d4",
            "smtpctl show message",
        ),
        ("2.0.0 a1b2c3d4 Message accepted for delivery", "", "a1b2c3d4", "smtpctl show message"),
        ("ok 1700000000 qp 4711", "", "4711", "qmail-qread"),
        (
            "2.6.0 <a@b.test> [InternalId=123456789, Hostname=X.PROD.OUTLOOK.COM] 9 bytes in 0.1, "
            "0 KB/sec Queued mail for delivery",
            "X Microsoft ESMTP MAIL Service ready",
            "123456789",
            "Get-MessageTrackingLog",
        ),
        ("2.0.0 OK  1700000000 a-2002si1.3 - gsmtp", "mx.google.com ESMTP", "a-2002si1.3", ""),
        ("Ok: queued as aBc12-dE", "mx.test SendGrid", "aBc12-dE", "grep aBc12-dE"),
        ("2.0.0 Message queued with id 17f3a9c2e", "", "17f3a9c2e", "grep 17f3a9c2e"),
        (
            "Message Queued (5BD2F1D0-8F4E-4A1E-9D5B-0A6C1B2D3E4F.1)",
            "mx.test ESMTP Haraka",
            "5BD2F1D0-8F4E-4A1E-9D5B-0A6C1B2D3E4F.1",
            "grep 5BD2",
        ),
    ],
)
def test_the_forms_of_servers_in_use_are_read(
    reply: str, greeting: str, name: str, command: str
) -> None:
    found = read_queue_id(reply, greeting)
    assert found is not None
    assert found.id == name
    assert any(one.startswith(command) for one in found.commands) or not command


@pytest.mark.parametrize(
    "reply",
    ["2.0.0 Ok", "", "Great success", "Queued (0.123 seconds)", "queued as $(reboot)", "id=-rf"],
)
def test_a_reply_without_an_id_has_none(reply: str) -> None:
    assert read_queue_id(reply) is None


@given(st.text(max_size=600), st.text(max_size=80))
def test_whatever_a_server_says_the_command_is_safe_to_paste(reply: str, greeting: str) -> None:
    for text in (reply, f"2.0.0 Ok: queued as {reply}", f"OK id={reply}"):
        found = read_queue_id(text, greeting)
        if found is not None:
            assert shlex.quote(found.id) == found.id
            assert not found.id.startswith("-")
