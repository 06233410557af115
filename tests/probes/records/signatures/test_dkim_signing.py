"""Our signatures, verified by dkimpy and by ourselves."""

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.records.signatures.dkim_records import parse_signature
from probes.records.signatures.dkim_signing import sign
from probes.records.signatures.dkim_verification import DkimStatus, verify

AT = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
NAMES = ("from", "to", "subject", "date", "message-id", "x-mailcanary", "content-type")
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
HEADER = b"From: <a@sender.test>\r\nSubject:  two   blanks\t\r\n and a fold\r\nTo: <b@x.test>\r\n"


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = KEY,
    form: PrivateFormat = PrivateFormat.TraditionalOpenSSL,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()


PEM = pem()
RECORD = (
    "v=DKIM1; k=rsa; p="
    + base64.b64encode(
        KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()
)


def signed(message: bytes, key_pem: str = PEM) -> bytes:
    field = sign(message, NAMES, domain="sender.test", selector="s1", key_pem=key_pem, at=AT)
    return field + message


def is_believed_by_dkimpy(message: bytes) -> bool:
    def lookup(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"s1._domainkey.sender.test."
        return RECORD.encode()

    return bool(dkim.verify(message, dnsfunc=lookup))


def own_verdict(message: bytes) -> DkimStatus:
    (verdict,) = verify(message, lambda _: [RECORD], AT)
    return verdict.status


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from(" \tab.ä"), max_size=8).map(str.encode), max_size=8))
def test_whatever_the_body_is_both_believe_the_signature(lines: list[bytes]) -> None:
    message = signed(HEADER + b"\r\n" + b"".join(line + b"\r\n" for line in lines))
    assert own_verdict(message) is DkimStatus.PASS
    assert is_believed_by_dkimpy(message)


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_both_usual_forms_of_a_key_sign(form: PrivateFormat) -> None:
    assert is_believed_by_dkimpy(signed(HEADER + b"\r\nhello\r\n", pem(form=form)))


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"hello", b"hallo"), (b"two   blanks", b"three blanks"), (b"<b@x.test>", b"<c@x.test>")],
)
def test_neither_believes_it_after_a_change(before: bytes, after: bytes) -> None:
    message = signed(HEADER + b"\r\nhello\r\n")
    assert is_believed_by_dkimpy(message)
    changed = message.replace(before, after)
    assert own_verdict(changed) is not DkimStatus.PASS
    assert not is_believed_by_dkimpy(changed)


@pytest.mark.real("opendkim")
@pytest.mark.parametrize(("said", "expected"), [(b"hello  \r\n", True), (b"hallo\r\n", False)])
def test_opendkim_comes_to_the_same(tmp_path: Path, said: bytes, *, expected: bool) -> None:
    keys, message, settings_file = (tmp_path / name for name in ("keys", "message", "settings"))
    keys.write_text(f"s1._domainkey.sender.test {RECORD}\n")
    settings_file.write_text(f"TestPublicKeys {keys}\nMode v\nSyslog no\n")
    made = signed(HEADER + b"Date: Tue, 1 Dec 2026 12:00:00 +0000\r\n\r\nhello\t\r\n\r\n")
    message.write_bytes(made.replace(b"hello\t\r\n", said))
    command = ["/usr/sbin/opendkim", "-x", str(settings_file), "-t", str(message)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ("verification (s=s1, d=sender.test" in told.stdout + told.stderr) is expected


@pytest.mark.slow("signs a message of 16 MiB")
def test_a_body_beyond_what_is_read_of_strangers_is_signed_to_its_end() -> None:
    body = (b"x" * 76 + b"\r\n") * (17 * 1024 * 1024 // 78)
    message = signed(HEADER + b"\r\n" + body)
    assert is_believed_by_dkimpy(message)
    assert not is_believed_by_dkimpy(message + b"more\r\n")


def test_the_field_says_what_was_signed_and_when_and_has_short_lines() -> None:
    field = signed(HEADER + b"\r\nhello\r\n").partition(b"From:")[0]
    assert max(map(len, field.split(b"\r\n"))) <= 78  # RFC 5322 §2.1.1
    signature = parse_signature(field.partition(b":")[2].decode().replace("\r\n", ""))
    assert signature.signed_names == NAMES
    assert (signature.domain, signature.selector) == ("sender.test", "s1")
    assert signature.identity == "@sender.test"
    assert (signature.header_form, signature.body_form) == ("relaxed", "relaxed")
    assert f"t={int(AT.timestamp())};".encode() in field


@pytest.mark.parametrize(
    "key_pem",
    [
        "hunter2",
        "",
        "s\u00e4tt",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(encryption=BestAvailableEncryption(b"hunter2")),
    ],
)
def test_a_key_that_cannot_sign_is_refused_without_showing_it(key_pem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - whatever the library says
        signed(HEADER + b"\r\nhello\r\n", key_pem)
    assert "hunter2" not in str(caught.value)
    assert "MII" not in str(caught.value)
