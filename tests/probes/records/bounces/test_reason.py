"""Why mail came back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.records.bounces.reason import BounceReason, judge_explanation, judge_reason
from probes.records.bounces.reply import read_quoted
from probes.records.reply import EnhancedCode

# what servers say, without the Status field of a report
SAID = [
    ("550 5.1.1 <u@r.test>: Recipient address rejected: User unknown", "unknown_user"),
    ("550 No such user here", "unknown_user"),
    ("550 Invalid recipient", "unknown_user"),
    ("550 Requested action not taken: mailbox unavailable", "unknown_user"),
    ("550 5.4.1 Recipient address rejected: Access denied.", "unknown_user"),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", "unknown_user"),
    ("550 #5.1.0 Address rejected.", "unknown_user"),
    ("550 5.2.1 The email account that you tried to reach is disabled.", "unknown_user"),
    ("551 moved elsewhere", "unknown_user"),
    ("550 Unrouteable address", "unknown_user"),
    ("This user doesn't have a reader.test account", "unknown_user"),
    ("User u (u@r.test) not listed in Domino Directory", "unknown_user"),
    ("452 4.2.2 The email account that you tried to reach is over quota", "mailbox_full"),
    ("552 Mailbox is full", "mailbox_full"),
    ("552 user has exceeded the storage limit of the mailbox", "mailbox_full"),
    ("554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "mailbox_full"),
    ("552 requested action aborted", "mailbox_full"),
    ("552 5.3.4 Message size exceeds fixed limit", "size"),
    ("552 message too large", "size"),
    ("550 5.2.3 RESOLVER.RST.SendSizeLimit.Org; message too large", "size"),
    ("550 5.7.26 Unauthenticated email is not accepted due to DMARC policy.", "authentication"),
    ("550 5.7.1 SPF check failed for sender.test", "authentication"),
    ("550 5.7.23 The message was rejected because of a violation", "authentication"),
    ("450 4.7.1 Client host rejected: cannot find your reverse hostname", "authentication"),
    ("530 5.7.1 Authentication required", "authentication"),
    ("550 5.7.509 Access denied, sending domain does not pass", "authentication"),
    ("554 5.7.1 Service unavailable; blocked using zen.spamhaus.org", "reputation"),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.10]", "reputation"),
    ("550 5.7.1 very low reputation of the sending domain", "reputation"),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred", "reputation"),
    ("554 your IP address is on our block list", "reputation"),
    ("554 5.7.1 Relay access denied", "routing"),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts", "routing"),
    ("Host or domain name not found. Name service error for name=x.test", "routing"),
    ("connect to mx.r.test[192.0.2.25]:25: Connection refused", "routing"),
    ("554 5.4.14 Hop count exceeded - possible mail loop", "routing"),
    ("550 5.4.310 DNS domain r.test does not exist", "routing"),
    ("556 5.1.10 Recipient address has null MX", "routing"),
    ("Unrouteable address", "routing"),
    ("550 5.7.1 Message contains spam or virus", "content"),
    ("554 5.7.1 GTUBE pattern found", "content"),
    ("550 5.6.0 malformed header", "content"),
    ("552 5.7.0 This message was blocked because of its attachment", "content"),
    ("450 4.2.0 Recipient address rejected: Greylisted for 5 minutes", "temporary"),
    ("451 4.7.1 Service unavailable - try again later", "temporary"),
    ("421 4.7.0 unspecified", "temporary"),
    ("451 4.3.0 Please come back later", "temporary"),
    ("550 4.4.7 QUEUE.Expired; message expired", "temporary"),
    ("450 something", "temporary"),
    ("550 5.7.1 You are not allowed to send to this group", "policy"),
    ("554 5.7.9 Message not accepted for policy reasons", "policy"),
    ("550 5.1.8 Sender address rejected: Domain not found", "policy"),
    ("530 5.7.0 Must issue a STARTTLS command first", "policy"),
    ("550 No mail box is available for this user", "unknown_user"),
    ("550 sorry, the recipient is in my badrcptto list", "unknown_user"),
    ("550 The mailbox is frozen", "unknown_user"),
    ("550 Benutzer ist uns unbekannt", "unknown_user"),
    ("550 5.1.1 user is over quota", "mailbox_full"),
    ("550 La boite de ce destinataire est pleine", "mailbox_full"),
    ("452 4.3.1 Insufficient system storage", "temporary"),
    ("452 out of disk space", "temporary"),
    ("450 4.7.1 rate limited, slow down", "temporary"),
    ("550 5.2.1 This user receives mail at a rate that prevents more", "temporary"),
    ("retry time not reached for any host", "temporary"),
    ("553 5.1.8 Domain of sender address a@s.test does not exist", "policy"),
    ("554 5.7.1 Spam. Make sure that SPF and DKIM are set up", "content"),
    ("550 5.7.1 hosts with dynamic ip are refused", "reputation"),
    ("Domain r.test does not accept mail (nullMX)", "routing"),
    ("550 something went wrong", "unknown"),
    ("", "unknown"),
]


@pytest.mark.parametrize(("text", "reason"), SAID)
def test_a_reply_is_classed(text: str, reason: str) -> None:
    quoted = read_quoted(text)
    judged = judge_reason(quoted.text, said=quoted.enhanced, status=None, code=quoted.code)
    assert judged == reason


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        # Sendmail writes 5.1.1 for every 550 at RCPT that has no enhanced code
        ("550 blocked using list.test", (5, 1, 1), BounceReason.REPUTATION),
        ("550 go away", (5, 1, 1), BounceReason.UNKNOWN_USER),
        ("550 5.2.2 go away", (5, 1, 1), BounceReason.MAILBOX_FULL),
        ("", (5, 7, 26), BounceReason.AUTHENTICATION),
        ("", (5, 7, 1), BounceReason.POLICY),
        ("", (4, 7, 1), BounceReason.TEMPORARY),
        ("", (4, 4, 7), BounceReason.TEMPORARY),
        ("", (5, 0, 0), BounceReason.UNKNOWN),
        ("", (4, 0, 0), BounceReason.TEMPORARY),
    ],
)
def test_the_words_of_the_server_count_more_than_the_status_of_the_relay(
    text: str, status: EnhancedCode, reason: BounceReason
) -> None:
    quoted = read_quoted(text)
    judged = judge_reason(quoted.text, said=quoted.enhanced, status=status, code=quoted.code)
    assert judged is reason


def test_later_in_a_permanent_refusal_is_advice() -> None:
    judged = judge_reason("fix it and try again later", said=(5, 5, 0), status=None, code=550)
    assert judged is BounceReason.UNKNOWN


@pytest.mark.parametrize(
    "name", ["spam@reader.test", "https://virus.test/spam", "mx.policy-spam.test", "<dkim>"]
)
def test_names_and_links_say_nothing_about_the_reason(name: str) -> None:
    judged = judge_reason(f"550 {name} something", said=None, status=None, code=550)
    assert judged is BounceReason.UNKNOWN


def test_of_prose_only_words_that_name_a_cause_are_heard() -> None:
    assert judge_explanation("The mailbox is full, try again later.") == "mailbox_full"
    assert judge_explanation("See the attachment. Access was denied; try later.") == "unknown"


@given(st.text(), st.none() | st.tuples(*[st.integers(0, 9)] * 3), st.none() | st.integers())
def test_any_text_and_codes_are_judged(
    text: str, status: EnhancedCode | None, code: int | None
) -> None:
    assert judge_reason(text, said=None, status=status, code=code) in BounceReason
    assert judge_explanation(text) in BounceReason
