"""Bounces in prose."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.bounces.returned import split_returned
from probes.records.bounces.text import (
    Sender,
    is_bounce_text,
    is_delay,
    recipients_in,
    reporting_site,
)

DAEMON = Sender("undeliverable mail", "mailer-daemon@mx.test", True, ())
PERSON = Sender("hello", "joe@reader.test", False, ())
HEADER = "From: out@sender.test\nTo: user@reader.test\nSubject: x\n\nbody\n"

# how servers say to whom, and what they say about it
SAID = [
    ("<user@reader.test>:\nno such user\n", "no such user"),
    ("<user@reader.test>: host mx.test[192.0.2.1] said: 550 no\n", "550 no"),
    ("  user@reader.test\n    retry timeout exceeded\n", "retry timeout exceeded"),
    ('"user@reader.test":\nno such user\n', "no such user"),
    ("<user@reader.test>... User unknown\n", "User unknown"),
    ("  * user@reader.test\n", ""),
    ("user@reader.test on Tue, 3 Nov 2026 10:11\n  No such account.\n", "No such account."),
    ("\tuser@reader.test (user not found)\n", "user not found"),
    ("Joe User (user@reader.test)<mailto:user@reader.test>\nIt is full.\n", "It is full."),
    ("user@reader.test<mailto:user@reader.test>\nIt is full.\n", "It is full."),
    ("Recipient address: user@reader.test\nReason: Illegal domain\n", "Illegal domain"),
    ("Failed address: user@reader.test\n<-- 550 no\n", "550 no"),
    ("User mailbox exceeds allowed size: user@reader.test\n", "User mailbox exceeds allowed size"),
    ("Invalid final userid: user@reader.test\n", "Invalid final userid"),
    ("The message to <user@reader.test> was undeliverable.\n550 no\n", "550 no"),
    ("It was not delivered to 'user@reader.test' for this reason:\n\n    gone\n", "gone"),
    ("Your message to user@reader.test couldn't be delivered.\n550 no\n", "550 no"),
    ("No such user\nuser@reader.test\n", "No such user"),
    ("Could not be sent because of\n\n550 no\n\nAffected:\n  user@reader.test\n", "550 no"),
    (">>> RCPT To:<user@reader.test>\n<<< 550 no\n550 <user@reader.test>... no\n", "550 no"),
]


@pytest.mark.parametrize(("text", "reply"), SAID)
def test_recipient_and_reply_are_found(text: str, reply: str) -> None:
    (found,) = recipients_in(text, sender="out@sender.test")
    assert found.address == "user@reader.test"
    assert found.reply.text.startswith(reply)
    if reply != "550 no":
        assert found.reply.text == reply


def test_every_recipient_gets_what_is_said_about_it() -> None:
    text = "<a@reader.test>:\n550 5.1.1 unknown\n\n<b@reader.test>:\n552 5.2.2 full\n"
    found = recipients_in(text)
    assert [(one.address, one.reply.code) for one in found] == [
        ("a@reader.test", 550),
        ("b@reader.test", 552),
    ]
    named = recipients_in(text, named=("b@reader.test", "a@reader.test", "c@reader.test"))
    assert [one.reply.code for one in named] == [552, 550, None]


def test_whom_to_write_to_and_who_wrote_are_not_the_recipients() -> None:
    text = "Write to postmaster@mx.test.\nYou sent it from out@sender.test\nto user@reader.test.\n"
    text += "It comes back to out@sender.test.\n"
    (found,) = recipients_in(text, sender="out@sender.test")
    assert found.address == "user@reader.test"
    (only,) = recipients_in("<postmaster@mx.test>:\nno such user\n")
    assert only.address == "postmaster@mx.test"


def test_a_named_recipient_is_sought_where_it_is_spoken_of() -> None:
    text = "To: user@reader.test\nSubject: x\n\nuser@reader.test\n  mailbox is full\n"
    (found,) = recipients_in(text, named=("user@reader.test",))
    assert found.reply.text == "mailbox is full"


@pytest.mark.parametrize(
    "line",
    [
        "--- Below this line is a copy of the message.",
        "------ This is a copy of the message, including all the headers. ------",
        "----- Original message -----",
        "   ----- Unsent message follows -----",
        "--- Original message follows.",
        "|------------------------- Message text follows: ------------------------|",
        "------- Returned Message --------",
        "Original message follows.",
        "Below is a copy of the original message:",
        "The original message headers follow:",
    ],
)
def test_the_returned_message_begins_behind_the_line_that_says_so(line: str) -> None:
    said, returned = split_returned(f"No such user.\n\n{line}\n\nReturned-By: x\n\nbody")
    assert said.strip() == "No such user."
    assert returned.strip() == "Returned-By: x\n\nbody"


def test_a_header_without_a_word_before_it_is_the_returned_message() -> None:
    said, returned = split_returned(f"No such user.\n\n{HEADER}")
    assert (said, returned) == ("No such user.\n\n", HEADER)


@pytest.mark.parametrize(
    "line",
    [
        "The original message was received at Tue, 3 Nov 2026 10:11:12 GMT",
        "This is the mail system at host mail.sender.test.",
        "Your message was not delivered to:",
        "   ----- Transcript of session follows -----",
        "  Subject: x\n  Sent: today\n  To: user@reader.test",
        "below could not be delivered to one or more destinations.",
    ],
)
def test_what_only_mentions_the_message_does_not_begin_it(line: str) -> None:
    text = f"Hello.\n{line}\n<user@reader.test>: no"
    assert split_returned(text) == (text, "")


def test_one_habit_alone_makes_no_bounce() -> None:
    said = "Your message could not be delivered."
    assert not is_bounce_text(said, PERSON, has_returned=False)
    assert not is_bounce_text("Nothing of interest", DAEMON, has_returned=False)
    assert is_bounce_text(said, DAEMON, has_returned=False)
    assert is_bounce_text("Nothing of interest", DAEMON, has_returned=True)


def test_recipients_named_in_the_header_make_a_bounce_of_little_text() -> None:
    sender = replace(PERSON, failed_recipients=("u@r.test",), has_null_return_path=True)
    assert is_bounce_text("", sender, has_returned=False)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("THIS IS A WARNING MESSAGE ONLY", ""),
        ("It has not yet been delivered to u@r.test", ""),
        ("Message will be retried for 2 more days", ""),
        ("", "Delivery Status Notification (Delay)"),
        ("", "Warning: could not send message for past 4 hours"),
    ],
)
def test_a_notice_of_delay_is_one(text: str, subject: str) -> None:
    assert is_delay(text, subject)


@pytest.mark.parametrize(
    "text",
    [
        "This is a permanent error; it has been delayed long enough.",
        "I'm giving up. It was temporarily deferred.",
        "No such user",
    ],
)
def test_a_failure_that_speaks_of_delay_is_a_failure(text: str) -> None:
    assert not is_delay(text, "")


def test_the_host_that_writes_is_named() -> None:
    assert reporting_site("Hi. This is the qmail-send program at mx.test.\n") == "mx.test"
    assert reporting_site("This is the mail system at host mx.test.\n") == "mx.test"
    assert reporting_site("Generating server: mx.test\n") == "mx.test"
    assert reporting_site("Hello") is None


_PIECES = st.sampled_from(
    [
        "<user@reader.test>",
        "user@reader.test",
        ":",
        "\n",
        "\n\n",
        "550 5.1.1 ",
        "Reason: ",
        "To: ",
        "Subject: x\n",
        "From: a\n",
        "----- Original message -----\n",
        "(",
        "@",
        "could not be delivered to ",
        "Recipient address: ",
        " ",
    ]
)


@settings(max_examples=3 * settings().max_examples)
@given(st.text() | st.lists(_PIECES).map("".join), st.sampled_from([(), ("user@reader.test",)]))
def test_any_text_is_read(text: str, named: tuple[str, ...]) -> None:
    said, returned = split_returned(text)
    assert text.startswith(said)
    assert text.endswith(returned)
    assert all("@" in one.address for one in recipients_in(text, named=named))
    is_bounce_text(text, DAEMON, has_returned=False)
    is_delay(text, text)
    reporting_site(text)


@pytest.mark.parametrize("filling", ["some words of prose\n", "\n", "x" * 9000 + "\n"])
@pytest.mark.parametrize(
    ("mark", "returned"),
    [
        ("--- The original message ---\n", "Subject: a\n"),
        ("", "From: a\nTo: b\n c\nSubject: d\n"),
    ],
)
def test_a_returned_message_is_found_behind_any_number_of_lines(
    filling: str, mark: str, returned: str
) -> None:
    before = filling * (64 * 1024 // len(filling))
    assert split_returned(before + mark + returned) == (before, returned)
