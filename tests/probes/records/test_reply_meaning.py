"""The side that has to act on a refusal: by the words of the reply, never by names in it."""

import pytest

from probes.records.reply import EnhancedCode
from probes.records.reply_meaning import Side, meaning

CASES: list[tuple[int | None, EnhancedCode | None, str, Side]] = [
    (None, (4, 4, 1), "connect to mx.x.test[192.0.2.7]:25: Connection timed out", Side.SERVER),
    (None, (4, 4, 1), "connect to mx1.x.test[192.0.2.7]:25: Connection refused", Side.SERVER),
    (None, (4, 4, 2), "lost connection with dns.x.test[192.0.2.7] while sending", Side.SERVER),
    (None, (5, 4, 4), "Host or domain name not found. Name service error for x.test", Side.DNS),
    (550, (5, 7, 324), "dnssec-invalid: invalid DNSSEC records", Side.DNS),
    (None, (4, 7, 5), "Server certificate not verified", Side.SERVER),
    (None, (5, 7, 4), "TLS is required, but was not offered by host mx.x.test", Side.SERVER),
    (550, (5, 4, 8), "MX hosts of 'x.test' failed MTA-STS validation.", Side.SERVER),
    (530, (5, 7, 0), "Must issue a STARTTLS command first", Side.CLIENT),
    (554, (5, 7, 10), "Encryption needed", Side.CLIENT),
    (550, (5, 7, 1), "<mail.s.test>: Helo command rejected: Host not found", Side.CLIENT),
    (550, None, "Bad HELO - Host impersonating [mail.s.test]", Side.CLIENT),
    (550, None, "Verification failed for <canary@s.test>", Side.CLIENT),
    (550, (5, 7, 60), "Client does not have permissions to send as this sender", Side.CLIENT),
    (550, None, "<tom@sender-domain.x.test>: no such user", Side.MAILBOX),
]


@pytest.mark.parametrize(("code", "enhanced", "text", "side"), CASES, ids=[c[2] for c in CASES])
def test_the_words_of_a_reply_name_the_side_that_has_to_act(
    code: int | None, enhanced: EnhancedCode | None, text: str, side: Side
) -> None:
    assert meaning(code, enhanced, text).side is side
