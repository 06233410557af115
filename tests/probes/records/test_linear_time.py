"""Every reader of strangers' text takes time in proportion to its length."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from probes.records.address import domain_of, parse_address
from probes.records.authentication_results import parse_authentication_results
from probes.records.author_field import author_addresses
from probes.records.bounces.dsn import parse_dsn
from probes.records.bounces.reason import judge_explanation, judge_reason
from probes.records.bounces.reply import find_quoted, read_quoted
from probes.records.bounces.returned import split_returned
from probes.records.bounces.text import (
    Sender,
    is_bounce_text,
    is_delay,
    recipients_in,
    reporting_site,
)
from probes.records.dmarc.record import is_nearly_dmarc, parse_dmarc
from probes.records.dnsbl import domain_query_name, without_key
from probes.records.ehlo import parse_ehlo
from probes.records.header_date import parse_header_date
from probes.records.header_words import header_items, header_text, masked_comments
from probes.records.imap.framing import Framer
from probes.records.imap.junk import is_junk_name
from probes.records.imap.names import decode_name, encode_name, readable_name
from probes.records.imap.reader import expand_set, read_response
from probes.records.looked_up import is_domain_name
from probes.records.message_file import read_message_file
from probes.records.mime_parts import decode_words, media_type, read_parts, split_header
from probes.records.mta_sts import (
    is_nearly_sts_record,
    matches_mx,
    parse_sts_policy,
    parse_sts_record,
)
from probes.records.queue_id import read_queue_id
from probes.records.raw_message import RawField, read_message
from probes.records.received import parse_received
from probes.records.received_spf import parse_received_spf
from probes.records.reply import ReplyAssembler
from probes.records.signatures.arc import arc_sets
from probes.records.signatures.canonicalisation import (
    canonical_body,
    canonical_field,
    signed_fields,
)
from probes.records.signatures.dkim_records import parse_key_record, parse_signature
from probes.records.signatures.dkim_verification import key_names, verify
from probes.records.smtp_command import path
from probes.records.spam.verdicts import spam_verdicts
from probes.records.special_addresses import is_metadata_name
from probes.records.spf.lint import lint
from probes.records.spf.macros import parse_domain_spec, parse_macro_string, shortened
from probes.records.spf.record import is_nearly_spf, parse_spf
from probes.records.subject import read_subject
from probes.records.tag_list import parse_tag_list
from probes.records.tlsa import parse_tlsa
from probes.records.tlsrpt import is_nearly_tlsrpt_record, parse_tlsrpt_record
from probes.records.xtext import (
    decode_utf8_address,
    decode_xtext,
    encode_xtext,
    original_recipient,
    undo_xtext,
)
from tests.support.linear_time import Case, cases, is_linear, superlinear

pytestmark = pytest.mark.slow("reads long texts by every reader")

_AT = datetime(2026, 3, 1, tzinfo=UTC)


def _octets(read: Callable[[bytes], object]) -> Callable[[str], object]:
    return lambda text: read(text.encode("utf-8"))


# -- what the readers are given


def _masked(text: str) -> object:
    shown = header_text(text)
    return masked_comments(shown, header_items(shown))


def _dkim_canonical(text: str) -> object:
    octets = text.encode("utf-8")
    field = RawField("dkim-signature", b"DKIM-Signature:" + octets)
    return (
        canonical_body(octets, "simple"),
        canonical_body(octets, "relaxed"),
        canonical_field(field, "relaxed"),
        signed_fields([field], field, ["from"], "relaxed"),
        signed_fields([field], RawField("a", b"a: b"), ["dkim-signature"] * 100, "relaxed"),
    )


def _verified(text: str) -> object:
    octets = text.encode("utf-8")
    return key_names(octets), verify(octets, lambda _: [text], _AT)


def _explained(text: str) -> object:
    sender = Sender(text[:1000], text[:1000], has_null_return_path=True, failed_recipients=())
    return (
        split_returned(text),
        is_bounce_text(text, sender, has_returned=True),
        is_delay(text, text),
        reporting_site(text),
        recipients_in(text),
        recipients_in(text, named=("a@b.c", "b@c.d")),
    )


def _quoted(text: str) -> object:
    return read_quoted(text), find_quoted(text)


def _judged(text: str) -> object:
    return judge_reason(text, said=None, status=None, code=None), judge_explanation(text)


def _parts(text: str) -> object:
    return [(part.content(), part.text()) for part in read_parts(text.encode("utf-8"))]


def _imap(text: str) -> object:
    framer = Framer()
    framer.feed(text.encode("utf-8") + b"\r\n")
    said = []
    while (raw := framer.next()) is not None:
        said.append(read_response(raw))
    return said


def _smtp(text: str) -> object:
    """As a server writes it whose packets are small."""
    assembler, octets = ReplyAssembler(), text.encode("utf-8") + b"\r\n"
    for start in range(0, len(octets), 64):
        reply = assembler.feed(octets[start : start + 64])
        if reply is not None:
            parse_ehlo(reply)
    return assembler.rest


def _spam(name: str) -> Callable[[str], object]:
    return lambda text: spam_verdicts([(name, text)])


def _arc(text: str) -> object:
    return arc_sets([("ARC-Seal", text), ("ARC-Authentication-Results", text)])


def _nearly(text: str) -> object:
    octets = text.encode("utf-8")
    return (
        is_nearly_dmarc(text),
        is_nearly_spf(text),
        is_nearly_sts_record(octets),
        is_nearly_tlsrpt_record(octets),
    )


_BOUNCE = (
    "From: MAILER-DAEMON\r\nSubject: failure notice\r\n\r\n"
    "Hi. This is the qmail-send program at a.test.\nI'm afraid I wasn't able to deliver\n"
)
_REPORT = (
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n"
)
_HTML = "Content-Type: text/html\r\n\r\n"
_SIGNED = (
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.test; s=b; bh=YQ==; h=from; b=YQ=="
)

GROUPS = {
    "mta-sts": (
        *cases(
            "policy",
            _octets(parse_sts_policy),
            "",
            "version: STSv1\nmode: ",
            "mx: a",
            suffix="\x01",
        ),
        *cases("author", author_addresses, "", "a <", '"', suffix="@x.test"),
        *cases("record", _octets(parse_sts_record), "v=STSv1;", "v=STSv1; id=", suffix="\x01"),
        *cases("tls-rpt", _octets(parse_tlsrpt_record), "v=TLSRPTv1;", "v=TLSRPTv1; rua=mailto:a"),
    ),
    "dmarc and spf": (
        *cases(
            "dmarc", parse_dmarc, "v=DMARC1; p=", "v=DMARC1;", "v=DMARC1; rua=mailto:", suffix="\n"
        ),
        *cases(
            "spf", lambda text: list(lint(parse_spf(text))), "v=spf1 ", "v=spf1 a:", "v=spf1 ip6:"
        ),
        *cases("macros", parse_macro_string, "", "%{s", suffix="}"),
        *cases("domain", parse_domain_spec, "", "a.%{", suffix="a"),
        *cases("nearly", _nearly, "", "v", "v=", ";p", suffix="\n"),
        *cases("tlsa", parse_tlsa, "", "3 1 1 "),
    ),
    "dkim": (
        *cases("signature", parse_signature, "", "v=1; a=", "v=1; a=b; d=a; s=b; h=from; bh="),
        *cases("key", parse_key_record, "", "v=DKIM1; p=", suffix="\n"),
        *cases("canonical", _dkim_canonical, "", "b=", suffix="a"),
        *cases("verify", _verified, _SIGNED, f"{_SIGNED}\r\n\r\n"),
        *cases("tags", parse_tag_list, "", "i=1; h="),
    ),
    "header fields": (
        *cases("words", _masked, "", '"', "(", suffix=")"),
        *cases("results", parse_authentication_results, "", "a; dkim=pass ", suffix="a"),
        *cases("received", parse_received, "from a ", "by a; 1 Jan"),
        *cases("received-spf", parse_received_spf, "", "pass ("),
        *cases("date", parse_header_date, "", "1 Jan", suffix="2026 10:00"),
        *cases("arc", _arc, "", "i=1; "),
        *cases("encoded words", decode_words, "", suffix="?="),
        *cases("media type", media_type, "text/plain;", "text/plain; a=", 'text/plain; a="'),
        *cases("address", parse_address, "", '"', suffix="@a.test"),
        *cases("xtext", decode_xtext, ""),
        *cases("xtext", undo_xtext, ""),
        *cases("utf-8 address", decode_utf8_address, "", "\\x{"),
    ),
    "names and replies": (
        *cases("queue id", read_queue_id, "", "queued as ", "OK id=", suffix="]"),
        *cases("greeting", lambda text: read_queue_id("250 ok", text), "220 ", suffix=" ESMTP"),
        *cases("message file", _octets(read_message_file), "", "From a", "Subject: a\n", "\n"),
        *cases("junk", lambda text: is_junk_name(text, "/"), "", "INBOX/", suffix="Junk"),
        *cases("shown name", readable_name, "", "&", suffix="-"),
        *cases("metadata name", is_metadata_name, "", "metadata.", suffix=".internal"),
    ),
    "spam verdicts": (
        *cases(
            "spamassassin",
            _spam("X-Spam-Status"),
            "",
            "Yes, score=5 tests=",
            "tests=[",
            tokens=(
                "tests=",
                "tests=[",
                "tests =[a=",
                *("a=[ ]", " a=", "=", "[", " ", "a", "1", "(", ";"),
            ),
        ),
        *cases("rspamd", _spam("X-Spamd-Result"), "", "default: False [", "A("),
        *cases("microsoft", _spam("X-Forefront-Antispam-Report"), "", "SCL:"),
        *cases("mailscanner", _spam("X-A-MailScanner-SpamCheck"), "", "spam, score="),
    ),
    "bounces": (
        *cases("text", _explained, "<a@b.c>", "550 a@b.c to", suffix="x"),
        *cases("quoted", _quoted, "", "550 5.1.1", "550 (in reply to", suffix="x"),
        *cases(
            "reason",
            _judged,
            "",
            "a@b ",
            tokens=("user ", "a", "a.", "a@", "exceed", "queue", "bl.", "message ", "mailbox "),
        ),
        *cases("message", _octets(parse_dsn), _BOUNCE, f"{_BOUNCE}<a@b.c>:"),
        *cases("report", _octets(parse_dsn), _REPORT, f"{_REPORT}Final-Recipient: rfc822;"),
    ),
    "messages": (
        *cases("raw", _octets(read_message), "", "a", "a:"),
        *cases(
            "parts",
            _parts,
            "",
            "Content-Type: multipart/mixed\r\n\r\n--",
            "Content-Type: ",
            _HTML,
            suffix="\r\n",
        ),
        *cases("header", _octets(split_header), "", "a: "),
    ),
    "imap": (
        *cases("name", decode_name, "", "&", suffix="-"),
        *cases("encoded name", encode_name, ""),
        *cases("set", expand_set, "", "1"),
        *cases("list", _imap, '* LIST () "/" ', '* LIST () "/" "', "* LIST (", suffix='"'),
        *cases(
            "fetch",
            _imap,
            "* 1 FETCH (",
            "* 1 FETCH (UID 1 X-GM-LABELS (",
            "* 1 FETCH (BODY[",
            suffix=")",
        ),
        *cases(
            "other",
            _imap,
            "* OK [",
            "* SEARCH ",
            "* ESEARCH ",
            "* STATUS a (",
            "* ID (",
            "* CAPABILITY ",
        ),
        *cases("any", _imap, "", "* ", "a1 OK "),
    ),
    "names": (
        *cases("domain", domain_of, "", "a@", suffix="@a.test"),
        *cases("domain name", is_domain_name, "", "a."),
        *cases("mx pattern", lambda text: matches_mx(text, text), "", "*."),
        *cases("shortened", shortened, "", "a."),
        *cases("subject", read_subject, "", "mx1.a.test [", suffix="]"),
        *cases("list", lambda text: (without_key(text), domain_query_name(text, "a")), "", "a."),
        *cases("path", path, "", '"', suffix="@a.test"),
        *cases("encoded xtext", encode_xtext, ""),
        *cases("recipient", original_recipient, "", "a@"),
    ),
    "smtp": cases("reply", _smtp, "", "250-", "250-a\r\n250-SIZE ", "220 "),
}


@pytest.mark.parametrize("group", GROUPS)
def test_readers_take_linear_time(group: str) -> None:
    assert superlinear(GROUPS[group]) == []


_WIDE = 60 * 1024
"""As long as most readers take a text."""


def _after_comments(text: str) -> object:
    return parse_received(f"by {'(a)' * (len(text) // 6)} {text[: len(text) // 2]}")


def _report_of_many(text: str) -> object:
    """As many fields about the message and groups about recipients as the text is long."""
    fields = "".join(f"a{index:x}:\n" for index in range(len(text)))
    groups = "Status: 5.0.0\n\n" * (len(text) // 20)
    return parse_dsn(f"{_REPORT}{fields}\n{groups}".encode())


_MENDED = (
    (_WIDE, Case("blanks in a policy", _octets(parse_sts_policy), "mode: a", " ", "x")),
    (_WIDE, Case("fields said twice", _octets(parse_sts_policy), "", "a#:\na#:\n")),
    (_WIDE, Case("ampersands in a folder name", decode_name, "", "&")),
    (_WIDE, Case("ampersands in LIST", _imap, '* LIST () "/" "', "&", '"')),
    (_WIDE, Case("blanks in a tag of DMARC", parse_dmarc, "v=DMARC1; p=", " ", "\nx")),
    (30_000, Case("lists of tests", _spam("X-Spam-Status"), "Yes, ", "tests=[")),
    (_WIDE, Case("words after comments", _after_comments, "", "a ")),
    (20_000, Case("fields and groups of a report", _report_of_many, "", "x")),
    (1024 * 1024, Case("blanks under a signature", _dkim_canonical, "a", " ", "x")),
    (1024 * 1024, Case("tabs under a signature", _dkim_canonical, "a", "\t ", "x")),
)


@pytest.mark.parametrize(("length", "case"), _MENDED, ids=[case.name for _, case in _MENDED])
def test_known_attacks_take_linear_time(length: int, case: Case) -> None:
    """At the length that readers take: the worst of these cost half a minute."""
    assert is_linear(case, length)


@pytest.mark.parametrize("word", ["queue", "exceed", "a", "a."])
def test_a_word_that_never_ends_costs_no_more_than_prose(word: str) -> None:
    """What is judged is bounded, so quadratic is told from linear by the work for prose."""
    prose = Case("prose", _judged, "", "it says nothing of why it was so ")
    assert Case("word", _judged, "", word).least(4000) < 3 * prose.least(4000)
