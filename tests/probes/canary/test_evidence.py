"""A whole copy examined: whom it believes, what it finds, and the document it makes."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from probes.canary.evidence import (
    SCHEMA_VERSION,
    Evidence,
    ExaminationContext,
    evidence_json,
    examine,
)
from probes.canary.hops import OurTimes
from probes.records.raw_message import MAX_MESSAGE
from tests.probes.canary.test_mutation import OWN, PUBLIC, SENT

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def keys(name: str) -> list[str]:
    return [f"v=DKIM1; p={PUBLIC}"] if name == "s1._domainkey.sender.test" else []


def relay(name: str, second: int = 0) -> bytes:
    text = f"Received: from x by {name} with ESMTP; Mon, 23 Nov 2026 12:00:{second:02} +0000\r\n"
    return text.encode()


def results(name: str, text: str) -> bytes:
    return f"Authentication-Results: {name}; {text}\r\n".encode()


def seen(arrived: bytes, sent: bytes | None = SENT, **more: Any) -> Evidence:
    return examine(arrived, sent, ExaminationContext(NOON, **{"lookup": keys, **more}))


def codes(evidence: Evidence) -> list[str]:
    return [finding.code for finding in evidence.findings]


GOOD = (
    "dkim=pass header.d=sender.test header.s=s1; spf=pass smtp.mailfrom=out@sender.test; dmarc=pass"
)
PATH = relay("store.reader.test", 2) + results("reader.test", GOOD) + relay("mx.reader.test", 1)


def test_a_copy_that_came_through_whole_has_nothing_to_find() -> None:
    evidence = seen(PATH + relay("out.sender.test") + SENT, placement="INBOX")
    assert evidence.findings == ()
    assert evidence.mutations == ()
    assert [one.is_trusted for one in evidence.authentication] == [True, True, True]
    aligned = evidence.alignment
    assert (aligned.author_domain, aligned.dkim_strict) == ("sender.test", (OWN,))
    assert aligned.is_spf_strict
    assert aligned.is_aligned


def test_results_that_stand_below_the_receivers_border_are_listed_and_not_believed() -> None:
    forged = results("reader.test", "dkim=fail header.d=sender.test; dmarc=fail")
    for arrived in (
        PATH + relay("out.sender.test") + forged + SENT,
        PATH + forged + SENT,
        PATH + results("reader.test", "spf=fail") + relay("out.sender.test") + SENT,
    ):
        evidence = seen(arrived)
        trusted = {one.result.result for one in evidence.authentication if one.is_trusted}
        assert trusted == {"pass"}
        assert "arrival.authentication.forged" in codes(evidence)


def test_a_message_that_nobody_relayed_proves_nothing_about_its_author() -> None:
    evidence = seen(results("reader.test", "dkim=pass; spf=pass smtp.mailfrom=sender.test") + SENT)
    assert not any(one.is_trusted for one in evidence.authentication)
    assert evidence.alignment.spf_domain is None


def test_an_id_that_was_configured_is_believed_and_no_other() -> None:
    arrived = results("other.test", "spf=fail") + PATH + SENT
    evidence = seen(arrived, trusted_ids=("Reader.test",))
    assert [one.is_trusted for one in evidence.authentication] == [False, True, True, True]


def test_a_receiver_that_writes_below_its_own_received_is_believed_in_its_own_name() -> None:
    arrived = relay("mx.reader.test") + results("mx.reader.test", "spf=pass") + SENT
    assert [one.is_trusted for one in seen(arrived).authentication] == [True]
    arrived = relay("mx.reader.test") + results("elsewhere.test", "spf=pass") + SENT
    assert [one.is_trusted for one in seen(arrived).authentication] == [False]


def test_a_change_behind_the_receivers_filter_is_a_disagreement_with_its_cause() -> None:
    evidence = seen(PATH + SENT + b"footer\r\n")
    assert codes(evidence) == [
        "arrival.dkim.broken",
        "arrival.dkim.receiver_disagrees",
        "arrival.altered.footer_added",
    ]
    assert "after the receiver looked" in evidence.findings[1].evidence
    (footer,) = evidence.mutations
    # The receiver's result was written behind its first relay: it was whole there.
    assert footer.between == (1, 2)


def test_a_receiver_that_could_not_get_the_key_is_contradicted() -> None:
    text = "dkim=temperror header.d=sender.test; dmarc=fail"
    arrived = results("reader.test", text) + relay("mx.reader.test") + SENT
    evidence = seen(arrived)
    assert codes(evidence) == [
        "arrival.dkim.receiver_disagrees",
        "arrival.dmarc.receiver_disagrees",
    ]
    assert evidence.findings[0].evidence == (
        "the receiver says temperror, we say pass (the signature is good): "
        "the receiver could not get or read the key when it looked"
    )


def test_without_keys_signatures_are_not_judged() -> None:
    evidence = seen(PATH + SENT, lookup=None)
    assert evidence.dkim is None
    assert evidence.findings == ()
    assert evidence_json(evidence)["dkim"] is None


def test_a_wrong_clock_and_a_filter_are_told() -> None:
    times = OurTimes(NOON, NOON, NOON, NOON + timedelta(seconds=3))
    spam = b"X-Spam-Status: Yes, score=8.1 required=5.0 tests=GTUBE\r\n"
    evidence = seen(spam + relay("mx.reader.test", 55) + SENT, times=times)
    assert codes(evidence) == ["arrival.spam.marked", "arrival.clock.skewed"]
    assert "+55 to +56 s" in evidence.findings[1].evidence


def test_the_document_has_the_promised_shape_and_is_json() -> None:
    document = evidence_json(seen(PATH + SENT + b"footer\r\n", placement="junk"))
    assert json.loads(json.dumps(document)) == document
    assert document["version"] == SCHEMA_VERSION
    told = {"from", "by", "with", "tls", "id", "for", "date", "delay_seconds"}
    assert set(document["hops"][0]) >= told
    assert document["hops"][1]["delay_seconds"].keys() == {"min", "max"}
    told = {"authserv_id", "trusted", "method", "result", "properties"}
    assert set(document["authentication"][0]) >= told
    assert document["dkim"][0]["status"] == "body_changed"
    assert (document["placement"], document["bounce"]) == ("junk", None)
    assert document["mutations"][0]["broke"] == [OWN]


def test_a_bounce_is_read_with_the_rest() -> None:
    report = (
        b"From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nNo.\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.test\r\n\r\n"
        b"Final-Recipient: rfc822; in@reader.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    )
    bounce = evidence_json(seen(report, None))["bounce"]
    assert (bounce["recipient"], bounce["action"]) == ("in@reader.test", "failed")
    assert (bounce["status"], bounce["reporting_mta"]) == ("5.1.1", "mx.test")
    assert bounce["reason"] == "unknown_user"


def test_what_is_beyond_the_bound_is_not_read_and_that_is_said() -> None:
    evidence = seen(PATH + SENT + b"x" * MAX_MESSAGE)
    assert evidence.is_cut
    assert codes(evidence) == ["arrival.message.too_large"]
    assert (evidence.dkim, evidence.mutations) == (None, ())


def test_of_a_header_alone_nothing_is_said_about_the_body_or_the_signatures_over_it() -> None:
    header = SENT.partition(b"\r\n\r\n")[0].replace(b"Subject: ", b"Subject: [list] ") + b"\r\n\r\n"
    evidence = seen(PATH + header, is_header_only=True)
    assert evidence.is_cut
    assert evidence.dkim is None
    assert [one.kind for one in evidence.mutations] == ["subject_changed"]
    assert codes(evidence) == ["arrival.message.too_large", "arrival.altered.subject_changed"]
    assert [hop.by for hop in evidence.chain.hops] == ["mx.reader.test", "store.reader.test"]


@given(st.binary(max_size=500))
def test_any_octets_are_evidence(data: bytes) -> None:
    for message in (data, b"Received: " + data, b"Authentication-Results: " + data, PATH + data):
        json.dumps(evidence_json(seen(message)))
