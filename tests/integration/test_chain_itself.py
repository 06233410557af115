"""The chain does what the tests on top of it take for granted; seen by other means than ours."""

import re
from typing import Any

import pytest

from tests.integration.chain import layout
from tests.integration.chain.by_hand import by_hand
from tests.integration.chain.chain import Chain

pytestmark = pytest.mark.timeout(120)

# rspamd does not look at a text that is no longer than the pattern.
GTUBE = (
    "A test for the spam filter.\n\n"
    "{}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
)
GTUBE_ADD_HEADER = GTUBE.format("Y")
GTUBE_REJECT = GTUBE.format("X")


def send_and_find(chain: Chain, recipient: str, text: str = "A plain message.") -> dict[str, Any]:
    message_id = by_hand(chain, "submit", recipient, text)
    found = by_hand(chain, "find", layout.RECIPIENT, "Message-ID", message_id)
    assert isinstance(found, dict)
    return found


def refused(chain: Chain, recipient: str) -> int:
    """How often postgrey sent somebody away who came with mail for this recipient."""
    return chain.log("mx").count(f"<{recipient}>: Recipient address rejected: Greylisted")


def header(found: dict[str, Any], name: str) -> str:
    return "\n".join(value for key, value in found["headers"] if key.lower() == name.lower())


def test_a_new_correspondent_is_greylisted_and_a_known_one_is_not(chain: Chain) -> None:
    recipient = "probe+new@example.test"
    first = send_and_find(chain, recipient)
    assert first["folder"] == "INBOX"
    assert re.search(rf"to=<{re.escape(recipient)}>.* status=deferred .* 450 ", chain.log("out"))
    refusals = refused(chain, recipient)
    assert refusals > 0
    second = send_and_find(chain, recipient)
    assert second["folder"] == "INBOX"
    assert refused(chain, recipient) == refusals


def test_spf_dkim_and_dmarc_pass_by_the_word_of_rspamd(chain: Chain) -> None:
    results = header(send_and_find(chain, layout.RECIPIENT), "Authentication-Results")
    assert results.startswith("mx.example.test;")
    for verdict in ("dkim=pass header.d=sender.test", "dmarc=pass (policy=reject)", "spf=pass"):
        assert verdict in results


def test_the_hop_between_the_postfixes_is_verified_by_dane(chain: Chain) -> None:
    send_and_find(chain, layout.RECIPIENT)
    assert "Verified TLS connection established to mx.example.test[192.0.2.25]:25" in (
        chain.log("out")
    )


def test_what_rspamd_marks_as_spam_is_filed_as_junk(chain: Chain) -> None:
    found = send_and_find(chain, layout.RECIPIENT, GTUBE_ADD_HEADER)
    assert found["folder"] == "Junk"
    assert header(found, "X-Spam") == "Yes"


def test_what_rspamd_refuses_comes_back_to_the_sender(chain: Chain) -> None:
    message_id = by_hand(chain, "submit", layout.RECIPIENT, GTUBE_REJECT)
    found = by_hand(chain, "find", layout.SENDER, "", message_id)
    assert found["folder"] == "INBOX"
    assert header(found, "Subject").startswith("Undelivered Mail")
    assert "multipart/report" in header(found, "Content-Type")
    assert re.search(r"milter-reject: END-OF-MESSAGE .* 5\.7\.1", chain.log("mx"))
    assert message_id.strip("<>") in chain.log("mx")


def test_an_unknown_user_is_refused_before_greylisting(chain: Chain) -> None:
    code, reply = by_hand(chain, "rcpt", layout.SENDER, "nobody@example.test")
    assert code == 550
    assert reply.startswith("5.1.1 ")


def test_the_resolver_validates_and_nothing_leaves_the_namespace(chain: Chain) -> None:
    answer = chain.run(["dig", "+dnssec", "_25._tcp.mx.example.test", "TLSA"]).stdout
    assert re.search(r"flags: [a-z ]*\bad\b", answer)
    assert "status: NXDOMAIN" in chain.run(["dig", "elsewhere.invalid"]).stdout
    assert "192.0.2." not in chain.run(["ip", "route", "show", "default"]).stdout


def test_a_postfix_that_was_stopped_can_be_started_again(chain: Chain) -> None:
    ask = ("rcpt", layout.SENDER, "nobody@example.test")
    chain.stop_daemon("mx")
    with pytest.raises(Exception, match="ConnectionRefusedError"):
        by_hand(chain, *ask)
    chain.start_daemon("mx")
    assert by_hand(chain, *ask)[0] == 550
