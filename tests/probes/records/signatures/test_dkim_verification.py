"""DKIM: signatures and key records read, verdicts compared with those of another implementation."""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records import RecordError
from probes.records.raw_message import MAX_MESSAGE, RawField, read_message
from probes.records.signatures.canonicalisation import signed_fields
from probes.records.signatures.dkim_records import parse_key_record, parse_signature, parse_tags
from probes.records.signatures.dkim_verification import (
    MAX_SIGNATURES,
    DkimStatus,
    KeyUnavailable,
    key_names,
    verify,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
NAME = "s1._domainkey.sender.test"
MESSAGE = (
    b"From: <out@sender.test>\r\nTo: <in@reader.test>\r\nSubject: a  test\r\n\r\n"
    b"Hello  you \r\nsecond line\r\n\r\n\r\n"
)


def made(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


KEY = made(1024)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def record(key: rsa.RSAPrivateKey = KEY) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def signed(message: bytes = MESSAGE, form: str = "relaxed/relaxed", **more: object) -> bytes:
    forms = tuple(part.encode() for part in form.split("/"))
    arguments = {"include_headers": [b"from", b"to", b"subject"], **more}
    head: bytes = dkim.sign(
        message, b"s1", b"sender.test", pem(KEY), canonicalize=forms, **arguments
    )
    return head + message


def key_at(text: str) -> Callable[[str], list[str]]:
    return lambda name: [text] if name == NAME else []


def only(message: bytes, text: str = "", at: datetime = NOW) -> DkimStatus:
    (verdict,) = verify(message, key_at(text or record()), at)
    return verdict.status


@pytest.mark.parametrize(
    "form", ["/".join(pair) for pair in product(("simple", "relaxed"), repeat=2)]
)
def test_a_signature_made_elsewhere_is_good_here(form: str) -> None:
    (verdict,) = verify(signed(form=form), key_at(record()), NOW)
    assert verdict.is_pass
    assert verdict.result == "pass"
    assert (verdict.label, verdict.key_bits) == ("d=sender.test s=s1", 1024)
    assert key_names(signed(form=form)) == (NAME,)


def test_damage_to_the_body_is_told_from_damage_to_the_header() -> None:
    message = signed()
    footer = message + b"-- \r\nadded on the way\r\n"
    subject = message.replace(b"Subject: a", b"Subject: [list] a")
    both = subject + b"added\r\n"
    assert only(footer) is DkimStatus.BODY_CHANGED
    assert only(subject) is DkimStatus.HEADER_CHANGED
    (verdict,) = verify(both, key_at(record()), NOW)
    assert (verdict.is_body_intact, verdict.is_header_intact) == (False, False)
    (verdict,) = verify(footer, key_at(record()), NOW)
    assert (verdict.is_body_intact, verdict.is_header_intact) == (False, True)


def test_relaxed_forms_bear_what_relays_do_to_white_space_and_simple_ones_do_not() -> None:
    for form, expected in (
        ("relaxed/relaxed", (True, True)),
        ("simple/simple", (False, False)),
        ("relaxed/simple", (False, True)),
    ):
        altered = signed(form=form).replace(b"Hello  you ", b"Hello you")
        altered = altered.replace(b"Subject: a  test", b"subject:a\r\n\ttest")
        (verdict,) = verify(altered, key_at(record()), NOW)
        assert (verdict.is_body_intact, verdict.is_header_intact) == expected


def test_a_stored_copy_with_bare_line_feeds_is_judged_as_it_was_sent() -> None:
    assert only(signed().replace(b"\r\n", b"\n")) is DkimStatus.PASS


def test_a_second_author_nobody_signed_is_damage() -> None:
    assert only(b"From: <other@evil.test>\r\n" + signed()) is DkimStatus.HEADER_CHANGED


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("v=DKIM1; p=", DkimStatus.KEY_REVOKED),
        ("v=DKIM1; p=AAAA", DkimStatus.KEY_MALFORMED),
        ("v=DKIM1; p=*", DkimStatus.KEY_MALFORMED),
        ("v=spf1 -all", DkimStatus.KEY_MALFORMED),
        ("k=rsa; v=DKIM1; p=AAAA", DkimStatus.KEY_MALFORMED),
        (record().replace("k=rsa", "k=rsa; s=tlsrpt"), DkimStatus.KEY_UNSUITABLE),
        (record().replace("k=rsa", "k=rsa; h=sha1"), DkimStatus.KEY_UNSUITABLE),
        (record().replace("k=rsa", "k=new"), DkimStatus.KEY_UNSUITABLE),
        (record(made(2048)), DkimStatus.HEADER_CHANGED),
    ],
)
def test_a_key_that_does_not_do_is_told_apart(text: str, status: DkimStatus) -> None:
    assert only(signed(), text) is status


def test_a_weak_key_proves_nothing_though_its_signature_is_right() -> None:
    weak = serialization.load_pem_private_key(WEAK, None)
    assert isinstance(weak, rsa.RSAPrivateKey)
    head = dkim.sign(MESSAGE, b"s1", b"sender.test", WEAK, include_headers=[b"from"])
    (verdict,) = verify(head + MESSAGE, key_at(record(weak)), NOW)
    assert (verdict.status, verdict.key_bits) == (DkimStatus.KEY_WEAK, 512)
    assert verdict.result == "policy"


def test_a_missing_key_is_told_from_a_lookup_that_failed() -> None:
    def fails(name: str) -> list[str]:
        raise KeyUnavailable(f"{name}: SERVFAIL")

    (missing,) = verify(signed(), lambda _: [], NOW)
    (unknown,) = verify(signed(), fails, NOW)
    assert (missing.status, missing.result) == (DkimStatus.KEY_MISSING, "permerror")
    assert (unknown.status, unknown.result) == (DkimStatus.KEY_UNAVAILABLE, "temperror")
    assert "SERVFAIL" in unknown.detail


def test_a_signature_expires_by_the_clock_it_is_given() -> None:
    value = read_message(signed()).first("dkim-signature")
    signed_at = parse_signature(value).signed_at
    assert signed_at is not None
    end = int(signed_at.timestamp()) + 60
    message = signed().replace(b"v=1;", b"v=1; x=%d;" % end, 1)
    before = datetime.fromtimestamp(end - 1, UTC)
    after = datetime.fromtimestamp(end + 1, UTC)
    assert only(message, at=after) is DkimStatus.SIGNATURE_EXPIRED
    assert only(message, at=before) is DkimStatus.HEADER_CHANGED


def test_sha1_and_unknown_algorithms_are_not_tried() -> None:
    assert only(signed().replace(b"rsa-sha256", b"rsa-sha1")) is DkimStatus.ALGORITHM_OBSOLETE
    assert only(signed().replace(b"rsa-sha256", b"rsa-sha512")) is DkimStatus.ALGORITHM_UNKNOWN


def test_ed25519_is_verified() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes_raw()
    text = f"v=DKIM1; k=ed25519; p={base64.b64encode(raw).decode()}"
    assert only(ed25519_signed(key), text) is DkimStatus.PASS
    assert only(ed25519_signed(key) + b"more\r\n", text) is DkimStatus.BODY_CHANGED
    assert only(ed25519_signed(key)) is DkimStatus.KEY_UNSUITABLE


def ed25519_signed(key: ed25519.Ed25519PrivateKey) -> bytes:
    """RFC 8463 by hand: the other implementation needs a library for it that we do not have."""
    body = base64.b64encode(hashlib.sha256(b"Hi\r\n").digest()).decode()
    value = f"v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.test; s=s1; h=from; bh={body}; b="
    author = RawField("from", b"From: a@sender.test")
    own = RawField("dkim-signature", b"DKIM-Signature: " + value.encode())
    hashed = hashlib.sha256(signed_fields((author,), own, ("from",), "relaxed")).digest()
    proof = base64.b64encode(key.sign(hashed))
    return own.raw + proof + b"\r\n" + author.raw + b"\r\n\r\nHi\r\n"


def test_a_covered_length_leaves_what_follows_unsigned_and_no_more_than_there_is() -> None:
    message = signed(length=True)
    assert only(message + b"footer\r\n") is DkimStatus.PASS
    assert only(message[:-30]) is DkimStatus.BODY_CHANGED


def test_every_signature_gets_a_verdict_up_to_a_number() -> None:
    twice = signed(signed())
    assert [v.status for v in verify(twice, key_at(record()), NOW)] == [DkimStatus.PASS] * 2
    broken = b"DKIM-Signature: v=1\r\n" * (MAX_SIGNATURES + 5) + MESSAGE
    verdicts = verify(broken, key_at(record()), NOW)
    assert {v.status for v in verdicts} == {DkimStatus.SIGNATURE_MALFORMED}
    assert len(verdicts) == MAX_SIGNATURES
    assert verify(MESSAGE, key_at(record()), NOW) == ()


@pytest.mark.parametrize(
    "change",
    [
        ("v=1", "v=2"),
        ("h=from", "h=to"),
        ("d=a.test", "d=a b"),
        ("s=x", "s="),
        ("c=simple", "c=tight"),
        ("i=@a.test", "i=@ba.test"),
        ("l=3", "l=3k"),
        ("x=9", "x=1"),
        ("bh=AA==", "bh=A"),
        ("q=dns/txt", "q=post"),
        ("s=x", "s=x; s=x"),
    ],
)
def test_a_signature_that_breaks_the_rules_is_refused(change: tuple[str, str]) -> None:
    good = (
        "v=1; a=rsa-sha256; d=a.test; s=x; c=simple; h=from:to; i=@a.test; l=3; t=5; x=9; "
        "q=dns/txt; bh=AA==; b=AA AA"
    )
    assert parse_signature(good).body_length == 3
    with pytest.raises(RecordError):
        parse_signature(good.replace(*change))


@given(st.binary(max_size=400))
def test_any_octets_get_verdicts_and_lose_nothing(data: bytes) -> None:
    message = read_message(data)
    assert len(message.body) <= 2 * len(data)
    for verdict in verify(b"DKIM-Signature: " + data, key_at(record()), NOW):
        assert verdict.status is not DkimStatus.PASS


@given(st.text(max_size=200))
def test_any_text_is_a_record_or_an_error(text: str) -> None:
    for parse in (parse_tags, parse_signature, parse_key_record):
        try:
            parse(text)
        except RecordError:
            continue


lines = st.lists(st.text(alphabet="ab \t.", max_size=6), max_size=6)


@settings(max_examples=60, deadline=None)
@given(lines, st.sampled_from(("simple", "relaxed")), st.sampled_from(("simple", "relaxed")))
def test_bodies_of_white_space_are_read_as_the_other_implementation_reads_them(
    body: list[str], head_form: str, body_form: str
) -> None:
    text = "".join(f"{line}\r\n" for line in body).encode()
    message = signed(b"From: a@sender.test\r\n\r\n" + text, f"{head_form}/{body_form}")
    assert only(message) is DkimStatus.PASS


def test_a_message_beyond_the_bound_is_cut_and_says_so() -> None:
    assert not read_message(MESSAGE).is_cut
    huge = read_message(MESSAGE + b" " * MAX_MESSAGE)
    assert huge.is_cut
    assert len(huge.body) <= MAX_MESSAGE


WEAK = b"""-----BEGIN RSA PRIVATE KEY-----
MIIBOwIBAAJBAMyrIjvTpAEeOpYSjwxhTAY6px7uySlGjnum7CyGs/l9dpwU4Re8
chKBrrpsiZaVZGK1QIST1Z57dknFTMLG3aMCAwEAAQJAL1DU/j3EaZnCc5Vgyrzn
pX0Dy8vqZ4dvQzjo2rZdfyzOv5d07huTRRovukTLpLdNWZOPtxQSv2QYFFZ7U43o
0QIhAP7TojSz/cFzhcamMmWQPSBmwlaTecaFNdTlRF5z3N97AiEAzZxg0mFnlOqF
WJ6RQs08O6f9xf3yXzKRn496olc0zfkCIQCIERVBswJCM58w7Tlnxdb94CDQ/bo+
aI7P+QPCs3cy1QIgHU/g4b0vJiS08+hPLyXRI3QUkqhcaEPuTMAIrKIgDgkCIQCX
Ch1YRITdQl7YemelPaLjK0gLRmXuhR35z4FrQyhP8w==
-----END RSA PRIVATE KEY-----
"""
