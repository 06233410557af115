"""What a stock Postfix sends back for a canary, from the real chain: read and matched by us."""

import base64
import json

import pytest

from probes.canary.bounce import BouncedCanary, FoundIn, bounced_token
from probes.canary.envelope import tagged_sender
from probes.canary.message import new_token, recognise_body
from probes.options import EmailAddress
from probes.records.bounces.reason import BounceReason
from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.support.messages import composed

pytestmark = pytest.mark.timeout(120)

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

# Hands a canary over as a user does and waits for what comes back; standard library alone.
ROUND_TRIP = """
import base64, imaplib, json, smtplib, ssl, sys, time
content, token, sender, recipient, options = json.loads(sys.argv[1])
place, password = sys.argv[2:4]
trust = ssl.create_default_context(cafile=place)
with smtplib.SMTP("out.sender.test", 587, timeout=10) as session:
    session.starttls(context=trust)
    session.login("canary@sender.test", password)
    mail, rcpt = options
    session.sendmail(sender, [recipient], base64.b64decode(content), mail, rcpt)
until = time.monotonic() + 60
with imaplib.IMAP4_SSL("imap.example.test", 993, ssl_context=trust, timeout=10) as session:
    session.login("canary@sender.test", password)
    while time.monotonic() < until:
        session.select("INBOX", readonly=True)
        _, found = session.search(None, "TEXT", token)
        if found[0]:
            _, data = session.fetch(found[0].split()[0].decode(), "(BODY.PEEK[])")
            print(base64.b64encode(data[0][1]).decode())
            break
        time.sleep(0.05)
"""


def bounce(
    chain: Chain,
    recipient: str,
    *,
    text: str = "",
    is_tagged: bool = False,
    mail: tuple[str, ...] = (),
    rcpt: tuple[str, ...] = (),
) -> tuple[str, bytes]:
    """The token of a canary and the first message that came back for it, as it was delivered."""
    token = new_token()
    sender = EmailAddress(layout.SENDER)
    message = composed(sender, recipient, token, text=text)
    content = base64.b64encode(message.content).decode()
    envelope = tagged_sender(sender, token) if is_tagged else sender
    mail = tuple(option.replace("TOKEN", token) for option in mail)
    order = json.dumps([content, token, envelope, recipient, (mail, rcpt)])
    place, password = str(chain.place.ca_file), layout.PASSWORD
    printed = chain.python(ROUND_TRIP, order, place, password, within=90)
    assert printed, f"nothing came back\n{chain.log('out')}\n{chain.log('mx')}"
    return token, base64.b64decode(printed)


def matched(message: bytes, token: str) -> BouncedCanary:
    found = bounced_token(message)
    assert found is not None
    assert found.token == token
    assert recognise_body(message) is None
    return found


def test_an_unknown_user_settles_the_canary_with_the_words_of_the_mx(chain: Chain) -> None:
    recipient = "nobody@example.test"
    token, message = bounce(chain, recipient)
    found = matched(message, token)
    (one,) = found.bounce.failed
    assert found.found_in is FoundIn.RETURNED_HEADER
    assert (one.recipient, one.status, one.reply_code) == (recipient, (5, 1, 1), 550)
    assert (one.remote_mta, found.bounce.reporting_mta) == (layout.MX_HOST, layout.OUT_HOST)
    assert one.reply is not None
    assert one.reply.startswith("550 5.1.1 <nobody@example.test>: Recipient address rejected")
    assert one.reason is BounceReason.UNKNOWN_USER


def test_a_filters_refusal_at_the_end_of_data_is_about_the_content(chain: Chain) -> None:
    token, message = bounce(chain, layout.RECIPIENT, text=f"A test for the filter.\n\n{GTUBE}")
    (one,) = matched(message, token).bounce.failed
    assert one.recipient == layout.RECIPIENT
    assert (one.status, one.reply_code) == ((5, 7, 1), 554)
    assert one.reason is BounceReason.CONTENT


def test_the_identifiers_we_gave_in_the_envelope_come_back(chain: Chain) -> None:
    token, message = bounce(
        chain,
        "nobody@example.test",
        mail=("RET=HDRS", "ENVID=TOKEN"),
        rcpt=("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;some+2Bone@example.test"),
    )
    found = matched(message, token)
    assert found.found_in is FoundIn.ENVELOPE_ID
    assert found.bounce.envid == token
    assert found.bounce.failed[0].original_recipient == "some+one@example.test"
    assert b"Nobody needs to read" not in message


def test_a_tagged_sender_is_enough(chain: Chain) -> None:
    token, message = bounce(chain, "nobody@example.test", is_tagged=True)
    found = matched(message, token)
    assert found.found_in is FoundIn.BOUNCED_ADDRESS
    assert len(found.bounce.failed) == 1


def test_a_report_of_success_is_no_failure(chain: Chain) -> None:
    token, message = bounce(
        chain, layout.RECIPIENT, mail=("RET=HDRS", "ENVID=TOKEN"), rcpt=("NOTIFY=SUCCESS",)
    )
    found = matched(message, token)
    assert found.bounce.failed == ()
    assert found.bounce.recipients[0].reason is None
