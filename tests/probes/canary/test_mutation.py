"""What was changed on the way is named, with the signature it broke and the place it happened."""

import base64
import quopri
from collections.abc import Callable
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from probes.canary.message import MessageOptions, compose, new_token
from probes.canary.mutation import Mutation, MutationKind, mutations
from probes.options import Domain, EmailAddress, Secret
from probes.records.raw_message import read_message
from probes.records.signatures.dkim_verification import verify

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.TraditionalOpenSSL,
    serialization.NoEncryption(),
)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()
OWN = "d=sender.test s=s1"
SENT = compose(
    MessageOptions(
        EmailAddress("out@sender.test"),
        EmailAddress("in@reader.test"),
        text="See http://one.test/a and http://two.test/b for more.",
        dkim_domain=Domain("sender.test"),
        dkim_selector="s1",
        dkim_key=Secret(PEM.decode()),
    ),
    new_token(),
    NOW,
).content
HEADER, _, BODY = SENT.partition(b"\r\n\r\n")


def received(number: int) -> bytes:
    return b"Received: from a by hop%d; Mon, 23 Nov 2026 12:00:0%d +0000\r\n" % (number, number)


def seen(arrived: bytes, **more: dict[str, int]) -> tuple[Mutation, ...]:
    verdicts = verify(arrived, lambda _: [f"v=DKIM1; p={PUBLIC}"], NOW)
    return mutations(SENT, read_message(arrived), verdicts, **more)


def only(arrived: bytes) -> Mutation:
    (mutation,) = seen(arrived)
    return mutation


def test_a_copy_that_is_only_relayed_is_not_altered() -> None:
    assert seen(received(2) + received(1) + SENT) == ()
    assert seen(SENT.replace(b"\r\n", b"\n")) == ()


def test_a_subject_prefix_is_shown_and_the_signature_it_broke() -> None:
    mutation = only(SENT.replace(b"Subject: Mail", b"Subject: [EXT] Mail"))
    assert mutation.kind is MutationKind.SUBJECT_CHANGED
    assert mutation.detail == "subject: '[EXT]' was put before it"
    assert mutation.broke == (OWN,)


@pytest.mark.parametrize(
    ("change", "kind", "breaks"),
    [
        (lambda: SENT + b"-- \r\nThe list\r\n", MutationKind.FOOTER_ADDED, True),
        (lambda: HEADER + b"\r\n\r\nCAUTION\r\n" + BODY, MutationKind.BANNER_ADDED, True),
        (lambda: SENT[:-40], MutationKind.BODY_TRUNCATED, True),
        (lambda: HEADER + b"\r\n\r\nelse\r\n", MutationKind.BODY_CHANGED, True),
        (
            lambda: SENT.replace(b"http://one.test/a", b"https://safe.test/?u=one"),
            MutationKind.LINKS_REWRITTEN,
            True,
        ),
        (lambda: SENT.replace(b" is an ", b"  is an ") + b"\r\n", "white_space_changed", False),
        (
            lambda: SENT.replace(b"Subject: Mail path", b"Subject: Mail\r\n path"),
            "header_refolded",
            False,
        ),
        (lambda: SENT.replace(b"X-Auto-Response-Suppress: All\r\n", b""), "header_removed", False),
        (lambda: SENT.replace(b"To: <in@", b"To: <other@"), MutationKind.HEADER_CHANGED, True),
        (
            lambda: SENT.replace(b"Subject: Mail path", b"Subject: =?utf-8?q?Mail_path?="),
            MutationKind.HEADER_REENCODED,
            True,
        ),
        (lambda: b"Subject: another\r\n" + SENT, MutationKind.HEADER_DUPLICATED, False),
    ],
)
def test_each_change_is_called_by_its_name(
    change: Callable[[], bytes], kind: str, *, breaks: bool
) -> None:
    mutation = only(change())
    assert mutation.kind == kind
    assert mutation.broke == ((OWN,) if breaks else ())


def test_another_transfer_encoding_is_no_other_text() -> None:
    for name, encoded in (
        (b"base64", base64.encodebytes(BODY).replace(b"\n", b"\r\n")),
        (b"quoted-printable", quopri.encodestring(BODY)),
    ):
        header = HEADER.replace(b"Encoding: 7bit", b"Encoding: " + name)
        mutation = only(header + b"\r\n\r\n" + encoded)
        assert mutation.kind is MutationKind.REENCODED
        assert name.decode() in mutation.detail
        assert mutation.broke == (OWN,)


def test_a_message_wrapped_by_a_gateway_with_its_notice_is_two_changes() -> None:
    header = HEADER.replace(b"text/plain; charset=utf-8", b'multipart/mixed; boundary="b"')
    part = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    arrived = header + b"\r\n\r\n--b\r\n" + part + BODY + b"NOTICE\r\n--b--\r\n"
    assert [one.kind for one in seen(arrived)] == ["wrapped", "footer_added"]


def test_signatures_of_relays_tell_between_which_hops_it_happened() -> None:
    after_first = received(1) + SENT
    altered = after_first + b"footer\r\n"
    second: bytes = dkim.sign(altered, b"s2", b"relay.test", PEM, include_headers=[b"from"])
    arrived = received(4) + received(3) + received(2) + second + altered
    (footer,) = seen(arrived)
    # The relay that signed last may be hop 1 or hop 2; the message was whole when we sent it.
    assert (footer.between, footer.broke) == ((0, 2), (OWN,))
    (footer,) = seen(arrived, intact_at={OWN: 1})
    assert footer.between == (1, 2)


def test_a_relay_signature_that_broke_too_tells_that_it_happened_behind_it() -> None:
    relayed = received(1) + SENT
    second: bytes = dkim.sign(relayed, b"s2", b"relay.test", PEM, include_headers=[b"from"])
    arrived = received(3) + received(2) + second + relayed + b"footer\r\n"
    (footer,) = seen(arrived)
    assert footer.between == (1, 3)
    assert set(footer.broke) == {OWN, "d=relay.test s=s2"}


def test_without_signatures_nothing_is_known_of_the_place() -> None:
    arrived = read_message(received(2) + received(1) + SENT + b"footer\r\n")
    (footer,) = mutations(SENT, arrived)
    assert (footer.between, footer.broke) == (None, ())


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_any_octets_can_be_compared(first: bytes, second: bytes) -> None:
    assert mutations(first, read_message(first)) == ()
    for one in mutations(SENT, read_message(HEADER + b"\r\n" + first + b"\r\n\r\n" + second)):
        assert "\n" not in one.detail
