"""mailcanary against the real chain: what happened is what the real Prometheus answers."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.integration.chain import layout
from tests.integration.chain.chain import Chain
from tests.integration.chain.service import Watched, watched

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def watch(chain: Chain) -> Iterator[Watched]:
    """One service for all tests; each waits for what it asserts and leaves the chain whole."""
    with watched(chain) as running:
        yield running


def counted(path: str, outcome: str) -> str:
    return f'mailcanary_canaries_total{{path="{path}",outcome="{outcome}"}}'


def happened(path: str, event: str) -> str:
    return f'mailcanary_canary_events_total{{path="{path}",event="{event}"}}'


def test_prometheus_scrapes_the_service(watch: Watched) -> None:
    watch.wait_for('up{job="mailcanary"} == 1')
    assert watch.promql("mailcanary_build_info")


def test_a_healthy_canary_makes_the_round_trip(watch: Watched) -> None:
    watch.wait_for(counted("healthy", "arrived") + " >= 2")
    watch.wait_for('mailcanary_path_up{path="healthy"} == 1')
    assert watch.value('sum(mailcanary_failures_total{path="healthy"}) or vector(0)') == 0
    assert watch.value('mailcanary_round_trip_seconds_count{path="healthy"}') >= 2
    phases = watch.promql('mailcanary_time_in_phase_seconds_total{path="healthy"} > 0')
    seen = {sample.labels["phase"] for sample in phases}
    assert {"connect", "greeting", "tls", "auth", "rcpt", "end_of_data", "transit"} <= seen


def test_a_canary_that_the_relay_had_to_retry_arrives_late(watch: Watched) -> None:
    watch.wait_for(counted("patient", "late") + " >= 1")
    watch.wait_for('mailcanary_round_trip_seconds_sum{path="patient"} >= 1.5')
    watch.wait_for(counted("patient", "arrived") + " >= 1")


def test_a_greylisted_canary_is_deferred_and_says_so_and_the_next_gets_through(
    watch: Watched,
) -> None:
    watch.wait_for(counted("greylisted", "deferred") + " >= 1")
    watch.wait_for(
        'mailcanary_failures_total{path="greylisted",phase="rcpt",reason="greylisted",'
        'owner="receiver_filter"} >= 1'
    )
    watch.wait_for(counted("greylisted", "arrived") + " >= 1")


def test_a_rejected_canary_is_rejected_at_its_recipient(watch: Watched) -> None:
    watch.wait_for(counted("rejected", "rejected") + " >= 1")
    watch.wait_for('mailcanary_failures_total{path="rejected",phase="rcpt",reason="rejected"} >= 1')
    watch.wait_for('mailcanary_path_up{path="rejected"} == 0')
    assert watch.value(counted("rejected", "arrived")) == 0


def test_what_the_filter_marks_is_junked(watch: Watched) -> None:
    watch.wait_for(counted("junked", "junked") + " >= 1")
    assert watch.value(counted("junked", "arrived")) == 0


def test_a_footer_on_the_way_is_evidence_of_a_broken_signature(watch: Watched) -> None:
    watch.wait_for(counted("footed", "arrived") + " >= 1")
    (document,) = watch.wait_for_evidence("footed")
    (change,) = document["mutations"]
    assert (change["kind"], change["broke"]) == ("footer_added", ["d=sender.test s=s1"])
    assert [one["status"] for one in document["dkim"]] == ["body_changed"]
    results = {one["method"]: one["result"] for one in document["authentication"]}
    assert results == {"dkim": "fail", "spf": "fail", "dmarc": "fail"}


def test_a_relay_whose_clock_is_ahead_is_skewed_and_delays_nothing(watch: Watched) -> None:
    watch.wait_for(counted("skewed", "arrived") + " >= 1")
    (document,) = watch.wait_for_evidence("skewed")
    hops = document["hops"]
    assert [hop["by"] for hop in hops if hop["is_skewed"]] == [layout.SKEWED_HOST]
    offset = hops[1]["clock_offset_seconds"]
    assert offset["min"] <= layout.AHEAD <= offset["max"]
    assert all(hop["delay_seconds"]["max"] < layout.AHEAD / 2 for hop in hops[1:])
    watch.wait_for('mailcanary_hop_delay_max_seconds{path="skewed"}')
    at_most = watch.promql('max(mailcanary_hop_delay_max_seconds{path="skewed"})')
    assert at_most[0].value < layout.AHEAD / 2


def test_a_relay_that_sends_twice_is_counted_and_both_copies_are_evidence(watch: Watched) -> None:
    watch.wait_for(happened("twice", "duplicated") + " >= 1")
    first, second = watch.wait_for_evidence("twice", copies=2)
    assert first["hops"][1]["id"] == second["hops"][1]["id"]
    assert first["hops"][2]["id"] != second["hops"][2]["id"]
    assert (first["mutations"], second["mutations"]) == ([], [])


def test_what_the_relay_could_not_pass_on_is_bounced_with_the_words_of_the_mx(
    watch: Watched,
) -> None:
    watch.wait_for(counted("bounced", "bounced") + " >= 1")
    (document,) = watch.wait_for_evidence("bounced")
    bounce = document["bounce"]
    assert (bounce["recipient"], bounce["status"]) == ("nobody@example.test", "5.1.1")
    assert bounce["reason"] == "unknown_user"
    assert (bounce["reporting_mta"], bounce["remote_mta"]) == (layout.OUT_HOST, layout.MX_HOST)
    assert watch.value(counted("bounced", "lost")) == 0


def test_the_jobs_see_the_servers_without_sending(watch: Watched) -> None:
    watch.wait_for('mailcanary_probe_up{probe="submission"} == 1')
    watch.wait_for('mailcanary_mx_up{probe="mx",host="mx.example.test"} == 1')
    watch.wait_for("mailcanary_mx_certificate_expiry_timestamp_seconds > time()")


def test_prometheus_probes_by_url_and_takes_the_answer_in_time(watch: Watched) -> None:
    """By the header in which it says that it waits for a second."""
    for target, host in (("example.test", layout.MX_HOST), ("exim.example.test", layout.EXIM_HOST)):
        watch.wait_for(f'probe_success{{job="probe",instance="{target}"}} == 1')
        watch.wait_for(f'probe_address_success{{instance="{target}",host="{host}"}} == 1')
        watch.wait_for(f'probe_phase_duration_seconds{{instance="{target}",phase="tls"}} > 0')
        watch.wait_for(f'probe_tls_version_info{{instance="{target}",version="TLSv1.3"}} == 1')
    watch.wait_for('probe_success{instance="silent.example.test"} == 0')
    watch.wait_for(
        'probe_failure_info{instance="silent.example.test",phase="connect",reason="timeout",'
        'owner="network"} == 1'
    )
    watch.wait_for('probe_duration_seconds{instance="silent.example.test"} < 1')
    watch.wait_for('up{job="probe",instance="silent.example.test"} == 1')
    watch.wait_for('up{job="probe",instance="elsewhere.test"} == 0')


def test_a_probe_by_url_with_debug_shows_the_dialogue_the_metrics_and_the_result(
    watch: Watched,
) -> None:
    watch.wait_for('up{job="mailcanary"} == 1')
    text = watch.probe("target=example.test&module=mx&debug=true", timeout="5")
    happened, metrics, document = text.split("\n\n", 2)
    assert re.findall(r" (\w+) [0-9.]+ s ok$", happened, re.MULTILINE) == [
        *("dns_mx", "dns_address", "connect", "greeting", "ehlo", "starttls", "tls", "ehlo", "quit")
    ]
    we, they = (re.findall(rf" {who}: (.*)$", happened, re.MULTILINE) for who in "CS")
    ehlo = f"EHLO {layout.CANARY_HOST}"
    assert we == [ehlo, "STARTTLS", ehlo, "QUIT"]
    assert (they[0], they[-1]) == ("220 mx.example.test ESMTP Postfix", "221 2.0.0 Bye")
    assert "220 2.0.0 Ready to start TLS" in they
    assert "\nprobe_success 1\n" in metrics
    result = json.loads(document)
    assert result["parts"][0]["facts"]["smtp.greeting"] == "mx.example.test ESMTP Postfix"


def test_after_postfix_stop_at_the_relay_sending_fails_and_recovers(watch: Watched) -> None:
    watch.wait_for('mailcanary_path_up{path="healthy"} == 1')
    watch.chain.stop_daemon("out")
    try:
        watch.wait_for(counted("healthy", "send_failed") + " >= 1")
        watch.wait_for(
            'mailcanary_failures_total{path="healthy",phase="connect",'
            'reason="connection_refused"} >= 1'
        )
        watch.wait_for('mailcanary_path_up{path="healthy"} == 0')
        watch.wait_for('mailcanary_probe_up{probe="submission"} == 0')
    finally:
        watch.chain.start_daemon("out")
    watch.wait_for('mailcanary_path_up{path="healthy"} == 1')


def test_after_postfix_stop_at_the_mx_canaries_are_lost_and_recovered(watch: Watched) -> None:
    watch.wait_for('mailcanary_path_up{path="impatient"} == 1')
    lost, recovered = counted("impatient", "lost"), happened("impatient", "recovered")
    before = {name: watch.value(name) for name in (lost, recovered)}
    watch.chain.stop_daemon("mx")
    try:
        watch.wait_for('mailcanary_mx_up{probe="mx",host="mx.example.test"} == 0')
        watch.wait_for('mailcanary_oldest_in_flight_age_seconds{path="impatient"} > 2')
        watch.wait_for(f"{lost} > {before[lost]}")
        watch.wait_for('mailcanary_path_up{path="impatient"} == 0')
    finally:
        watch.chain.start_daemon("mx")
    watch.wait_for(f"{recovered} > {before[recovered]}")
    watch.wait_for('mailcanary_path_up{path="impatient"} == 1')


def test_a_dead_resolver_of_ours_is_never_a_mail_failure(watch: Watched) -> None:
    watch.wait_for('mailcanary_path_up{path="healthy"} == 1')
    before = watch.value(f"sum({counted('healthy', 'send_failed')})")
    watch.chain.stop_daemon("unbound")
    try:
        watch.wait_for(counted("healthy", "untestable") + " >= 1")
        watch.wait_for('mailcanary_failures_total{path="healthy",owner="resolver"} >= 1')
        assert watch.promql('mailcanary_path_up{path="healthy"} == 0') == ()
        assert watch.value(f"sum({counted('healthy', 'send_failed')})") == before
    finally:
        watch.chain.start_daemon("unbound")
    watch.wait_for('mailcanary_path_up{path="healthy"} == 1')


def test_the_password_is_nowhere_in_what_the_service_wrote(watch: Watched) -> None:
    watch.wait_for(counted("healthy", "arrived") + " >= 1")
    assert layout.PASSWORD not in watch.service.output
    for file in (watch.chain.place.root / "service").iterdir():
        assert layout.PASSWORD.encode() not in file.read_bytes()
