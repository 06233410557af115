"""The site in a token: two monitors at one mailbox know their own canaries."""

from datetime import UTC, datetime

import pytest

from probes.canary.envelope import tags_in
from probes.canary.message import (
    MessageOptions,
    compose,
    find_token,
    new_token,
    recognise,
    recognise_body,
    site_of,
)
from probes.options import EmailAddress

OPTIONS = MessageOptions(EmailAddress("a@sender.test"), EmailAddress("b@reader.test"), verp=True)
SITES = ["", "b", "berlin", "2", "a234567abcdefghi"]


@pytest.mark.parametrize("site", SITES)
def test_a_token_with_a_site_is_recognised_wherever_a_token_is(site: str) -> None:
    token = new_token(site)
    canary = compose(OPTIONS, token, datetime.now(UTC))
    header, _, body = canary.content.partition(b"\r\n\r\n")
    assert recognise(header) == token
    subject_only = b"\n".join(x for x in header.splitlines() if x.startswith(b"Subject"))
    assert recognise(subject_only) == token
    assert recognise_body(b"Subject: x\r\n\r\n" + body) == token
    assert find_token(f"<{token.upper()}@x>".encode()) == token
    assert tags_in(canary.mail_from) == (token,)
    assert site_of(token) == site


def test_a_token_without_a_site_has_none() -> None:
    assert site_of("mailcanary-" + "a" * 26) == ""
