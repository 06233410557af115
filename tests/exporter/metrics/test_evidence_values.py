"""What the evidence of a copy does to the exposition: the newest copy's word, bounded series."""

from typing import Any

import pytest

from exporter.metrics.evidence_values import MAX_HOPS_SHOWN, By, authentication, hop_delays
from exporter.metrics.metrics import Metrics
from exporter.model import ArrivedCopy, Examined
from probes.canary.evidence import Evidence, ExaminationContext, examine, unread
from probes.canary.hops import OurTimes
from probes.canary.lifecycle import State
from tests.support.clock import START, FakeClock
from tests.support.metric_rig import Reader, config, record

SENT = b"From: a@us.test\r\nSubject: x\r\n\r\nbody\r\n"
TRACE = b"Received: from x by %s with ESMTP; Mon, 23 Nov 2026 12:00:0%d +0000\r\n"
VERDICT = b"Authentication-Results: mx.them.test; dkim=fail; dkim=pass; spf=odd; vbr=pass\r\n"
SPAM = b"X-Spam-Status: No, score=1.5 required=5.0 tests=NONE\r\n"


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics("1", FakeClock().clock)
    metrics.configure(config("a", "b"))
    return metrics


@pytest.fixture
def read(metrics: Metrics) -> Reader:
    return Reader(metrics)


def proof(top: bytes = b"", content: bytes = SENT) -> Evidence:
    return examine(top + content, SENT, ExaminationContext(START, OurTimes(began_at=START)))


def examined(evidence: Evidence, *, tick: int = 1, **more: Any) -> Examined:
    told = {"number": 0, "is_bounce": False, "is_new": True, **more}
    canary = record(State.ARRIVED, tick=tick)
    copy = ArrivedCopy(canary, told["number"], told["is_bounce"], "inbox", SENT, OurTimes())
    return Examined(copy, evidence, told["is_new"])


FULL = proof(
    SPAM + TRACE % (b"mx.them.test", 9) + VERDICT + TRACE % (b"out.us.test", 1),
    SENT + b"footer\r\n",
)


def test_the_newest_copy_is_shown_with_its_delays_verdicts_score_and_findings(
    metrics: Metrics, read: Reader
) -> None:
    metrics.copy_examined(examined(FULL))
    least, most = read("hop_delay_min_seconds", "2", "a"), read("hop_delay_max_seconds", "2", "a")
    assert least is not None
    assert most is not None
    assert 6 <= least <= 8 <= most <= 10
    assert read("hop_delay_min_seconds", "1", "a") is None
    assert read("authentication_result", "receiver", "dkim", "a", "pass") == 1
    assert read("authentication_result", "receiver", "dkim", "a", "fail") is None
    assert read("spam_score", "a", "spamassassin") == 1.5
    assert read("evidence_finding", "arrival.altered.footer_added", "a", "warning") == 1
    assert read("mutations_total", "footer_added", "a") == 1
    assert read("mutations_total", "footer_added", "b") is None


def test_the_next_copy_takes_the_place_of_what_the_one_before_showed(
    metrics: Metrics, read: Reader
) -> None:
    metrics.copy_examined(examined(FULL, tick=5))
    metrics.copy_examined(examined(unread("it is gone", None), tick=6))
    shown = {key for key in read.series() if key[0] in GAUGES}
    assert shown == {
        ("mailcanary_evidence_finding", "arrival.copy.unread", "a", "untestable"),
    }
    metrics.copy_examined(examined(FULL, tick=4))
    assert {key for key in read.series() if key[0] in GAUGES} == shown, "an older one is no news"


GAUGES = {
    "mailcanary_hop_delay_min_seconds",
    "mailcanary_hop_delay_max_seconds",
    "mailcanary_authentication_result",
    "mailcanary_spam_score",
    "mailcanary_evidence_finding",
}


def test_every_copy_counts_its_changes_once_and_only_the_first_one_is_shown(
    metrics: Metrics, read: Reader
) -> None:
    altered = proof(content=SENT.replace(b"Subject: x", b"Subject: [list] x"))
    metrics.copy_examined(examined(proof()))
    metrics.copy_examined(examined(altered, number=1))
    metrics.copy_examined(examined(altered, number=1, is_new=False))
    assert read("mutations_total", "subject_changed", "a") == 1
    assert read("evidence_finding", "arrival.altered.subject_changed", "a", "warning") is None


@pytest.mark.parametrize("news", [{"is_bounce": True}, {"tick": -3}])
def test_bounces_and_canaries_of_manual_runs_show_nothing(
    metrics: Metrics, read: Reader, news: dict[str, Any]
) -> None:
    before = read.series()
    metrics.copy_examined(examined(FULL, **news))
    assert read.series() == before


def test_what_a_path_showed_goes_with_the_path(metrics: Metrics, read: Reader) -> None:
    metrics.copy_examined(examined(FULL))
    metrics.configure(config("b"))
    metrics.copy_examined(examined(FULL, tick=2))
    assert not any("a" in key[1:] for key in read.series())


def test_words_that_nobody_registered_are_folded_and_hops_without_end_are_cut() -> None:
    assert authentication(FULL) == {
        (By.RECEIVER, "dkim"): "pass",
        (By.RECEIVER, "spf"): "other",
        (By.RECEIVER, "other"): "pass",
    }
    many = b"".join(TRACE % (b"h%d.test" % number, 1) for number in range(60))
    assert len(hop_delays(proof(many))) <= MAX_HOPS_SHOWN
