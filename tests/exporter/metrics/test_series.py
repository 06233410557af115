"""How many series a path, a job and the whole exposition have by default."""

from collections import Counter
from datetime import timedelta

import pytest

from exporter.metrics.metrics import Metrics
from exporter.model import ArrivedCopy, Examined
from probes.canary.evidence import ExaminationContext, examine
from probes.canary.hops import OurTimes
from probes.canary.lifecycle import Event, Outcome, State
from probes.registry.rows import ROUTES
from probes.result import Phase, PhaseTiming, Reason
from tests.support.clock import START, FakeClock
from tests.support.metric_rig import Reader, change, config, failure, part, record, run

SENT = b"From: a@us.test\r\nSubject: x\r\n\r\nbody\r\n"
HEADER = (
    b"X-Spam-Status: No, score=1.5 required=5.0 tests=NONE\r\n"
    b"Received: from mx.them.test by store.them.test with LMTP; Mon, 23 Nov 2026 12:00:09 +0000\r\n"
    b"Authentication-Results: mx.them.test; dkim=pass; spf=pass; dmarc=pass\r\n"
    b"Received: from out.us.test by mx.them.test with ESMTP; Mon, 23 Nov 2026 12:00:08 +0000\r\n"
    b"Received: from x by out.us.test with ESMTP; Mon, 23 Nov 2026 12:00:01 +0000\r\n"
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1", FakeClock().clock)


def _live(metrics: Metrics, path: str, route: str = "submission") -> None:
    """One canary along the path, with a copy through three hops, and one that failed."""
    timings = [(phase, 0.1) for phase in ROUTES[route].phases]
    metrics.run_finished(run(path, *timings))
    metrics.run_finished(run(path, problem=failure(Phase.RCPT, Reason.REJECTED)))
    seen = START + timedelta(seconds=12)
    arrived = change(
        *(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, seen),
        path=path,
        round_trip=12.0,
        resolution=0.1,
    )
    metrics.canary_changed(arrived)
    metrics.canary_changed(
        change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST, path=path, token="two")
    )
    evidence = examine(
        HEADER + SENT + b"footer\r\n", SENT, ExaminationContext(START, OurTimes(began_at=START))
    )
    canary = record(State.ARRIVED, path=path, tick=1)
    copy = ArrivedCopy(canary, 0, False, "inbox", SENT, OurTimes())
    metrics.copy_examined(Examined(copy, evidence, True))


def _by_name(read: Reader) -> Counter[str]:
    lines = [line for line in read.text().splitlines() if not line.startswith("#")]
    names = ("path", "probe")
    return Counter(
        text.split('"')[1]
        for line in lines
        for text in line.partition("{")[2].split(",")
        if text.startswith(tuple(f"{name}=" for name in names))
    )


@pytest.mark.parametrize("route", ROUTES)
def test_a_path_has_less_than_sixty_series(metrics: Metrics, route: str) -> None:
    metrics.configure(config("a", "b", route=route))
    assert _by_name(Reader(metrics))["b"] < 50
    _live(metrics, "a", route)
    assert _by_name(Reader(metrics))["a"] < 60


def test_a_job_has_less_than_forty_series_with_two_mx_hosts(metrics: Metrics) -> None:
    metrics.configure(config(jobs=("mx-them",)))
    timings = tuple(PhaseTiming(phase, 0.0, 0.1) for phase in (Phase.DNS_MX, Phase.DNS_ADDRESS))
    parts = tuple(
        part(host, expires="2027-01-01T00:00:00+00:00")
        for host in ("mx1.them.test", "mx2.them.test")
    )
    metrics.run_finished(
        run("mx-them", *((one.phase, one.seconds) for one in timings), parts=parts)
    )
    metrics.run_finished(run("mx-them", problem=failure(Phase.CONNECT, Reason.TIMEOUT)))
    assert _by_name(Reader(metrics))["mx-them"] < 40


def test_three_paths_have_less_than_four_hundred_series_with_everything_else(
    metrics: Metrics,
) -> None:
    metrics.configure(config("a", "b", "c", jobs=("mx-a", "mx-b")))
    for path in ("a", "b", "c"):
        _live(metrics, path)
    for job in ("mx-a", "mx-b"):
        metrics.run_finished(run(job, parts=(part("mx.them.test"),)))
    lines = [line for line in Reader(metrics).text().splitlines() if not line.startswith("#")]
    assert len(lines) < 400
