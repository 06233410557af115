"""What every finished value does to the exposition."""

from dataclasses import replace
from datetime import timedelta

import pytest

from exporter.metrics.exposition import Format
from exporter.metrics.families import BY_OPTION
from exporter.metrics.metrics import Metrics
from probes.canary.lifecycle import BESIDE, SETTLING, Event, Outcome, State
from probes.catalogue import arrival
from probes.result import Owner, Phase, Reason, Status
from tests.support.clock import START, FakeClock
from tests.support.metric_rig import (
    TOKEN,
    Reader,
    change,
    config,
    failure,
    part,
    read_openmetrics,
    record,
    run,
)

SENDING = change(Event.SEND_STARTED, State.SENDING, accepted_at=None)
ACCEPTED = change(Event.HANDED_OVER, State.ACCEPTED)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics(clock: FakeClock) -> Metrics:
    metrics = Metrics("1.2.3", clock.clock)
    metrics.configure(config("a", "b", jobs=("mx-them",)))
    return metrics


@pytest.fixture
def read(metrics: Metrics) -> Reader:
    return Reader(metrics)


def test_every_outcome_of_a_canarys_life_exists_at_zero_from_the_start(read: Reader) -> None:
    for path in ("a", "b"):
        for outcome in set(Outcome) - BESIDE:
            assert read("canaries_total", outcome, path) == 0
        for event in BESIDE:
            assert read("canary_events_total", event, path) == 0


def test_outcomes_and_events_are_two_metrics_that_share_no_value(read: Reader) -> None:
    counted = {key[1] for key in read.series("mailcanary_canaries_total")}
    assert counted == set(SETTLING)
    events = {key[1] for key in read.series("mailcanary_canary_events_total")}
    assert events == set(BESIDE)


@pytest.mark.parametrize("phase_histograms", [False, True])
def test_the_phases_a_route_goes_through_exist_at_zero_from_the_start(
    metrics: Metrics, read: Reader, *, phase_histograms: bool
) -> None:
    def phases() -> set[str]:
        name = "phase_seconds_count" if phase_histograms else "time_in_phase_seconds_total"
        return {key[2] for key in read.series(f"mailcanary_{name}") if key[1] == "a"}

    metrics.configure(config("a", phase_histograms=phase_histograms))
    assert {"connect", "auth", "end_of_data", "transit"} <= phases()
    assert "dns_mx" not in phases()
    metrics.configure(config())
    metrics.configure(config("a", route="direct", phase_histograms=phase_histograms))
    assert {"dns_mx", "connect", "end_of_data", "transit"} <= phases()
    assert "auth" not in phases()
    assert ("quit" in phases()) == phase_histograms


def test_the_histograms_of_phases_come_and_go_with_their_option(
    metrics: Metrics, read: Reader
) -> None:
    def histograms() -> set[str]:
        return {key[0] for name in BY_OPTION for key in read.series(f"{name}_count")}

    assert histograms() == set()
    detailed = config("a", "b", jobs=("mx-them",), phase_histograms=True)
    metrics.configure(detailed)
    assert histograms() == {f"{name}_count" for name in BY_OPTION}
    metrics.configure(replace(detailed, service=config().service))
    metrics.run_finished(run("a", (Phase.CONNECT, 1.0)))
    metrics.run_finished(run("mx-them", (Phase.DNS_MX, 1.0)))
    metrics.canary_changed(
        change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=1.0, resolution=0.1)
    )
    assert histograms() == set()
    assert read("time_in_phase_seconds_total", "a", "connect") == 1


def test_every_path_job_and_mailbox_tells_its_parts_and_a_reload_replaces_them(
    metrics: Metrics, read: Reader
) -> None:
    path = ("box", "imap", "a", "them.test", "out")
    assert read("path_info", *path, "submission") == 1
    assert read("probe_info", "mx", "mx-them", "them.test") == 1
    assert read("mailbox_info", "imap.them.test", "box", "imap") == 1
    metrics.configure(config("a", route="direct"))
    assert read("path_info", *path, "submission") is None
    assert read("path_info", *path, "direct") == 1
    assert read.series("mailcanary_probe_info") == {}


def test_nothing_is_up_or_down_before_it_was_tried(read: Reader) -> None:
    assert read("path_up", "a") is None
    assert read("probe_up", "mx-them") is None
    assert read("mailbox_up", "box") == 0
    assert read("last_success_timestamp_seconds", "a") == 0


def test_the_configured_times_are_told(read: Reader) -> None:
    assert read("interval_seconds", "a") == 300
    assert read("late_after_seconds", "a") == 90
    assert read("lost_after_seconds", "a") == 900
    assert read("probe_interval_seconds", "mx-them") == 600


def test_a_reload_removes_every_series_of_what_is_gone_and_sets_nothing_back(
    metrics: Metrics, read: Reader
) -> None:
    metrics.canary_changed(SENDING)
    metrics.canary_changed(change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=2.0))
    metrics.run_finished(run("mx-them", parts=(part("mx.them.test"),)))
    metrics.configure(config("a"))
    assert read("canaries_total", "arrived", "a") == 1
    assert read("path_up", "a") == 1
    text = read.text()
    assert 'path="b"' not in text
    assert 'probe="mx-them"' not in text


def test_what_ends_after_a_reload_removed_it_makes_no_series(
    metrics: Metrics, read: Reader
) -> None:
    metrics.canary_changed(SENDING)
    before = set(read.series())
    metrics.configure(config("b"))
    metrics.run_finished(run("a", (Phase.CONNECT, 0.1)))
    metrics.run_finished(run("mx-them", parts=(part("mx.them.test"),)))
    metrics.canary_changed(ACCEPTED)
    metrics.canary_changed(change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=2.0))
    metrics.resumed(record(State.ACCEPTED))
    metrics.missed_slots("a", 3)
    metrics.mailbox_watch("gone", is_up=True, failure=None)
    metrics.looked("gone", START)
    metrics.forged("gone")
    after = set(read.series())
    assert after < before
    assert not any("a" in key[1:] or "gone" in key[1:] for key in after)


def test_the_phases_of_a_sending_are_counted_once_each_with_all_their_time(
    metrics: Metrics, read: Reader
) -> None:
    metrics.configure(config("a", "b", phase_histograms=True))
    metrics.run_finished(run("a", (Phase.EHLO, 0.25), (Phase.STARTTLS, 1), (Phase.EHLO, 0.5)))
    assert read("phase_seconds_count", "a", "ehlo") == 1
    assert read("phase_seconds_sum", "a", "ehlo") == 0.75
    assert read("phase_seconds_sum", "a", "starttls") == 1
    assert read("phase_seconds_count", "b", "ehlo") == 0
    assert read("last_run_timestamp_seconds", "a") == START.timestamp() + 2


def test_the_time_in_each_phase_adds_up_over_the_attempts_of_a_sending(
    metrics: Metrics, read: Reader
) -> None:
    parts = (part("mx1.test", seconds=0.5), part("mx2.test", seconds=0.25))
    for _ in range(2):
        metrics.run_finished(run("a", (Phase.RCPT, 1.0), (Phase.QUIT, 9.0), parts=parts))
    assert read("time_in_phase_seconds_total", "a", "connect") == 1.5
    assert read("time_in_phase_seconds_total", "a", "rcpt") == 2.0
    assert read("time_in_phase_seconds_total", "b", "rcpt") == 0
    assert read("time_in_phase_seconds_total", "a", "quit") is None


def test_a_failed_sending_is_counted_with_phase_reason_and_owner(
    metrics: Metrics, read: Reader
) -> None:
    metrics.run_finished(run("a", problem=failure(Phase.RCPT, Reason.REJECTED)))
    assert read("failures_total", Owner.RECEIVER_MX, "a", "rcpt", "rejected") == 1
    assert read("last_success_timestamp_seconds", "a") == 0


def test_a_round_trip_is_measured_with_its_transit_and_its_resolution(
    metrics: Metrics, read: Reader
) -> None:
    metrics.configure(config("a", phase_histograms=True))
    metrics.canary_changed(SENDING)
    metrics.canary_changed(ACCEPTED)
    seen = START + timedelta(seconds=3.5)
    metrics.canary_changed(
        change(
            *(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, seen),
            round_trip=3.5,
            resolution=0.25,
        )
    )
    assert read("round_trip_seconds_sum", "a") == 3.5
    assert read("phase_seconds_sum", "a", "transit") == 2.5
    assert read("time_in_phase_seconds_total", "a", "transit") == 2.5
    assert read("arrival_resolution_seconds_sum", "a") == 0.25
    assert read("canaries_total", "arrived", "a") == 1
    assert read("path_up", "a") == 1
    assert read("last_success_timestamp_seconds", "a") == seen.timestamp()
    assert read.exemplar_tokens() == {TOKEN}


@pytest.mark.parametrize("accepted_after", [None, -5.0])
def test_no_transit_is_made_up_without_an_earlier_reply(
    metrics: Metrics, read: Reader, accepted_after: float | None
) -> None:
    metrics.configure(config("a", phase_histograms=True))
    accepted = None if accepted_after is None else START + timedelta(seconds=accepted_after)
    arrived = change(
        Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=1.0, accepted_at=accepted
    )
    metrics.canary_changed(arrived)
    assert read("round_trip_seconds_count", "a") == 1
    assert read("arrival_resolution_seconds_count", "a") == 0
    assert read("phase_seconds_count", "a", "transit") == 0


@pytest.mark.parametrize(
    ("event", "state", "outcome", "labels"),
    [
        (Event.SEEN, State.ARRIVED, Outcome.JUNKED, ("receiver_filter", "a", "arrival", "junked")),
        (
            Event.BOUNCE_SEEN,
            State.BOUNCED,
            Outcome.BOUNCED,
            ("receiver_mx", "a", "transit", "bounced"),
        ),
        (Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST, ("receiver_mx", "a", "transit", "lost")),
    ],
)
def test_mail_that_did_not_get_through_takes_the_path_down_and_junk_degrades_it(
    metrics: Metrics,
    read: Reader,
    event: Event,
    state: State,
    outcome: Outcome,
    labels: tuple[str, ...],
) -> None:
    metrics.canary_changed(change(event, state, outcome, round_trip=1.0))
    assert read("canaries_total", outcome, "a") == 1
    assert read("failures_total", *labels) == 1
    state = "degraded" if outcome is Outcome.JUNKED else "failing"
    assert read("path_up", "a") == int(state == "degraded")
    assert read("path_state", "a", state) == 1
    assert read("last_success_timestamp_seconds", "a") == 0


@pytest.mark.parametrize(
    ("event", "state", "outcome", "reason"),
    [
        (Event.REFUSED_FOR_GOOD, State.REJECTED, Outcome.REJECTED, Reason.REJECTED),
        (Event.REFUSED_FOR_NOW, State.DEFERRED, Outcome.DEFERRED, Reason.GREYLISTED),
        (Event.SEND_BROKE, State.SEND_FAILED, Outcome.SEND_FAILED, Reason.CONNECTION_RESET),
    ],
)
def test_a_sending_that_failed_takes_the_path_down_and_is_counted_as_a_failure_with_its_run_only(
    metrics: Metrics, read: Reader, event: Event, state: State, outcome: Outcome, reason: Reason
) -> None:
    problem = failure(Phase.RCPT, reason)
    before = read.series("mailcanary_failures_total")
    metrics.canary_changed(change(event, state, outcome, failure=problem))
    assert read("path_up", "a") == 0
    assert read.series("mailcanary_failures_total") == before
    metrics.run_finished(run("a", problem=problem))
    assert read("failures_total", problem.owner, "a", "rcpt", reason) == 1


def test_a_broken_monitor_makes_the_path_unknown_and_neither_up_nor_down(
    metrics: Metrics, read: Reader
) -> None:
    for event, state in (
        (Event.COULD_NOT_LOOK, State.UNVERIFIED),
        (Event.COULD_NOT_SEND, State.SEND_FAILED),
    ):
        metrics.canary_changed(change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=1.0))
        assert read("path_up", "a") == 1
        metrics.canary_changed(change(event, state, Outcome.UNTESTABLE))
        assert read("path_up", "a") is None
    assert read("canaries_total", "untestable", "a") == 2
    assert read("failures_total", "monitor", "a", "arrival", "untestable") == 1


def test_a_canary_lost_with_its_sender_says_nothing_about_the_path(
    metrics: Metrics, read: Reader
) -> None:
    lost = change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST, accepted_at=None)
    metrics.canary_changed(lost)
    assert read("canaries_total", "lost", "a") == 1
    assert read("path_up", "a") is None


def test_an_old_canary_given_up_does_not_contradict_a_newer_one_that_arrived(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    for token in ("old", "new"):
        metrics.canary_changed(change(Event.SEND_STARTED, State.SENDING, token=token))
        clock.step(-3600)
    metrics.canary_changed(
        change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, token="new", round_trip=1.0)
    )
    metrics.canary_changed(change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST, token="old"))
    assert read("canaries_total", "lost", "a") == 1
    assert read("path_up", "a") == 1


@pytest.mark.parametrize("outcome", sorted(BESIDE))
def test_of_what_is_counted_beside_the_settling_only_a_recovery_touches_the_path(
    metrics: Metrics, read: Reader, outcome: Outcome
) -> None:
    metrics.canary_changed(change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST))
    metrics.canary_changed(change(Event.SEEN, State.RECOVERED, outcome, round_trip=4000.0))
    state = "degraded" if outcome is Outcome.RECOVERED else "failing"
    assert read("path_state", "a", state) == 1
    assert read("canary_events_total", outcome, "a") == 1
    assert read("canaries_total", outcome, "a") is None
    assert read("canaries_total", "lost", "a") == 1
    expected = 1 if outcome is Outcome.RECOVERED else 0
    assert read("round_trip_seconds_count", "a") == expected


def test_a_canary_out_of_order_counts_once_has_an_event_and_its_path_is_up(
    metrics: Metrics, read: Reader
) -> None:
    arrived = change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=4.0)
    metrics.canary_changed(replace(arrived, beside=(Outcome.OUT_OF_ORDER,)))
    assert read("canaries_total", Outcome.ARRIVED, "a") == 1
    assert read("canary_events_total", Outcome.OUT_OF_ORDER, "a") == 1
    assert read("path_up", "a") == 1


def test_slow_mail_shows_from_its_first_second_and_until_it_is_settled(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    assert read("canaries_in_flight", "a") == 0
    assert read("oldest_in_flight_age_seconds", "a") == 0
    metrics.canary_changed(SENDING)
    clock.elapse(1)
    metrics.canary_changed(ACCEPTED)
    metrics.canary_changed(change(Event.SEND_STARTED, State.SENDING, token="second"))
    clock.elapse(60)
    assert read("canaries_in_flight", "a") == 2
    assert read("oldest_in_flight_age_seconds", "a") == 61
    metrics.canary_changed(change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST))
    assert read("canaries_in_flight", "a") == 1
    metrics.canary_changed(
        change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, token="second", round_trip=60.0)
    )
    assert read("canaries_in_flight", "a") == 0
    assert read("oldest_in_flight_age_seconds", "a") == 0


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_stepped_clock_does_not_change_the_age_of_what_is_in_flight(
    metrics: Metrics, read: Reader, clock: FakeClock, step: float
) -> None:
    metrics.canary_changed(SENDING)
    clock.step(step)
    clock.elapse(10)
    metrics.canary_changed(ACCEPTED)
    assert read("oldest_in_flight_age_seconds", "a") == 10


def test_a_restart_takes_up_what_is_in_flight_and_counts_nothing(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    clock.elapse(120)
    arrived = START + timedelta(seconds=5)
    before = read.series("mailcanary_canaries_total")
    metrics.resumed(record(State.ARRIVED, "old", outcome=Outcome.ARRIVED, settled_at=arrived))
    metrics.resumed(record(State.UNCERTAIN))
    metrics.resumed(record(State.PLANNED, "planned", sending_at=None))
    assert read("canaries_in_flight", "a") == 1
    assert read("oldest_in_flight_age_seconds", "a") == 120
    assert read("last_success_timestamp_seconds", "a") == arrived.timestamp()
    assert read("path_up", "a") is None
    assert read.series("mailcanary_canaries_total") == before


def test_a_restart_takes_up_the_state_of_a_path_once_its_mailbox_is_read(
    metrics: Metrics, read: Reader
) -> None:
    arrived = record(State.ARRIVED, outcome=Outcome.ARRIVED, settled_at=START)
    metrics.resumed(arrived)
    assert read("path_state", "a", "unknown") == 1
    metrics.mailbox_watch("box", is_up=True, failure=None)
    assert read("path_state", "a", "ok") == 1
    finding = arrival.DKIM_KEY.found(Status.FAILURE, "d=us.test s=1", "no key there")
    metrics.evidence_resumed(arrived, [finding])
    assert read("path_state", "a", "failing") == 1
    assert read("path_up", "a") == 0


def test_a_path_is_untestable_as_soon_as_its_mailbox_cannot_be_read(
    metrics: Metrics, read: Reader
) -> None:
    metrics.canary_changed(change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=1.0))
    assert read("path_up", "a") == 1
    problem = failure(Phase.CONNECT, Reason.CONNECTION_REFUSED)
    metrics.mailbox_watch("box", is_up=False, failure=problem)
    assert read("path_up", "a") is None
    assert read("path_state", "a", "untestable") == 1
    refused = change(
        *(Event.REFUSED_FOR_GOOD, State.REJECTED, Outcome.REJECTED),
        token="b",
        tick=2,
        failure=failure(Phase.RCPT, Reason.REJECTED),
    )
    metrics.canary_changed(refused)
    assert read("path_state", "a", "failing") == 1
    metrics.mailbox_watch("box", is_up=True, failure=None)
    assert read("path_up", "a") == 0


def test_what_was_seen_too_long_ago_is_unknown_whatever_the_calendar_says(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    metrics.canary_changed(change(Event.SEEN, State.ARRIVED, Outcome.ARRIVED, round_trip=1.0))
    metrics.run_finished(run("mx-them"))
    clock.step(10 * 86400)
    assert (read("path_up", "a"), read("probe_up", "mx-them")) == (1, 1)
    clock.elapse(86400)
    assert read("path_state", "a", "unknown") == 1
    assert read("probe_state", "mx-them", "unknown") == 1
    assert (read("path_up", "a"), read("probe_up", "mx-them")) == (None, None)


def test_a_restart_shows_when_runs_ended_and_counts_nothing(metrics: Metrics, read: Reader) -> None:
    metrics.run_resumed(run("a", (Phase.CONNECT, 1.0)))
    metrics.run_resumed(run("mx-them", problem=failure(Phase.CONNECT, Reason.TIMEOUT)))
    metrics.run_resumed(run("nobody"))
    ended = START.timestamp() + 2
    assert read("last_run_timestamp_seconds", "a") == ended
    assert read("probe_last_run_timestamp_seconds", "mx-them") == ended
    assert read("probe_last_success_timestamp_seconds", "mx-them") == 0
    assert read("time_in_phase_seconds_total", "a", "connect") == 0
    assert read("probe_runs_total", "mx-them", "failed") == 0
    assert "nobody" not in read.text()


def test_a_manual_run_is_not_counted(metrics: Metrics, read: Reader) -> None:
    before = read.series()
    metrics.run_finished(run("a", (Phase.CONNECT, 1.0), tick=-1))
    metrics.canary_changed(change(Event.SEND_STARTED, State.SENDING, tick=-1))
    metrics.canary_changed(change(Event.LOOKED_IN_VAIN, State.LOST, Outcome.LOST, tick=-1))
    metrics.resumed(record(State.ACCEPTED, tick=-1))
    metrics.run_resumed(run("a", tick=-1))
    assert read.series() == before


def test_a_job_is_counted_by_verdict_and_every_dialogue_by_phase(
    metrics: Metrics, read: Reader
) -> None:
    metrics.configure(config(jobs=("mx-them",), phase_histograms=True))
    parts = (part("mx1.test", seconds=0.5), part("mx2.test", seconds=0.25))
    metrics.run_finished(run("mx-them", (Phase.DNS_MX, 1.0), parts=parts))
    assert read("probe_runs_total", "mx-them", "ok") == 1
    assert read("probe_up", "mx-them") == 1
    assert read("probe_phase_seconds_count", "connect", "mx-them") == 2
    assert read("probe_phase_seconds_sum", "connect", "mx-them") == 0.75
    assert read("probe_phase_seconds_count", "dns_mx", "mx-them") == 1
    assert read("probe_time_in_phase_seconds_total", "connect", "mx-them") == 0.5
    ended = START.timestamp() + 2
    assert read("probe_last_success_timestamp_seconds", "mx-them") == ended
    metrics.run_finished(run("mx-them", problem=failure(Phase.DNS_MX, Reason.NULL_MX)))
    assert read("probe_up", "mx-them") == 0
    assert read("probe_failures_total", "receiver_dns", "dns_mx", "mx-them", "null_mx") == 1
    metrics.run_finished(run("mx-them", problem=failure(Phase.DNS_MX, Reason.UNTESTABLE)))
    assert read("probe_up", "mx-them") is None
    assert read("probe_runs_total", "mx-them", "untestable") == 1


def test_an_mx_host_is_up_with_one_address_and_its_broken_one_is_not_hidden(
    metrics: Metrics, read: Reader
) -> None:
    timeout = failure(Phase.CONNECT, Reason.TIMEOUT)
    untestable = failure(Phase.CONNECT, Reason.UNTESTABLE)
    parts = (
        part("half.test", seconds=0.2, expires="2027-01-01T00:00:00+00:00"),
        part("half.test", timeout, seconds=15, expires="2026-12-01T00:00:00+00:00"),
        part("down.test", timeout),
        part("down.test", untestable),
        part("unknown.test", untestable),
    )
    hosts = ("half.test", "down.test", "unknown.test", "beyond.test")
    metrics.run_finished(run("mx-them", parts=parts, hosts=hosts))
    assert read("mx_hosts", "mx-them") == 4
    assert read("mx_up", "half.test", "mx-them") == 1
    assert read("mx_addresses", "half.test", "mx-them", "ok") == 1
    assert read("mx_addresses", "half.test", "mx-them", "failed") == 1
    assert read("mx_phase_seconds", "half.test", "connect", "mx-them") == 15
    expiry = "mx_certificate_expiry_timestamp_seconds"
    assert read(expiry, "half.test", "mx-them") == 1796083200
    assert read("mx_up", "down.test", "mx-them") == 0
    assert read(expiry, "down.test", "mx-them") is None
    assert read("mx_up", "unknown.test", "mx-them") is None
    assert read("mx_addresses", "unknown.test", "mx-them", "untestable") == 1


def test_an_mx_host_that_left_the_dns_leaves_no_series(metrics: Metrics, read: Reader) -> None:
    expires = "2027-01-01T00:00:00+00:00"
    metrics.run_finished(run("mx-them", parts=(part("old.test", expires=expires),)))
    metrics.run_finished(run("mx-them", parts=(part("new.test", expires=expires),)))
    assert "old.test" not in read.text()
    assert read("mx_up", "new.test", "mx-them") == 1


def test_our_broken_resolver_leaves_of_the_mx_hosts_only_the_date_of_their_certificate(
    metrics: Metrics, read: Reader
) -> None:
    expires = "2027-01-01T00:00:00+00:00"
    metrics.run_finished(run("mx-them", parts=(part("mx.test", expires=expires),)))
    metrics.run_finished(run("mx-them", problem=failure(Phase.DNS_MX, Reason.UNTESTABLE)))
    left = {key[0] for key in read.series("mailcanary_mx_")}
    assert left == {"mailcanary_mx_certificate_expiry_timestamp_seconds"}
    metrics.run_finished(run("mx-them", problem=failure(Phase.DNS_MX, Reason.NXDOMAIN)))
    assert {key[0] for key in read.series("mailcanary_mx_")} == {"mailcanary_mx_hosts"}
    assert read("mx_hosts", "mx-them") == 0


def test_foreign_dns_decides_neither_how_many_hosts_there_are_nor_what_a_label_holds(
    metrics: Metrics, read: Reader
) -> None:
    names = ['a"} 1\nmailcanary_mx_up{host="b', "x" * 300, "ü.test", "", "a b", "\ud800"]
    names += [f"mx{index}.test" for index in range(1000)]
    metrics.run_finished(run("mx-them", parts=tuple(part(name) for name in names)))
    hosts = {key[1] for key in read.series("mailcanary_mx_up")}
    assert hosts == {f"mx{index}.test" for index in range(32)}


def test_no_text_of_a_peer_reaches_the_exposition(metrics: Metrics, read: Reader) -> None:
    problem = failure(Phase.RCPT, Reason.REJECTED)
    for name in ("a", "mx-them"):
        metrics.run_finished(run(name, problem=problem, parts=(part("mx.test", problem),)))
    metrics.mailbox_watch("box", is_up=False, failure=problem)
    for fmt in Format:
        assert "as it was" not in read.text(fmt)
        assert "192.0.2.1" not in read.text(fmt)


def test_a_mailbox_tells_whether_it_is_watched_and_why_not(metrics: Metrics, read: Reader) -> None:
    metrics.mailbox_watch("box", is_up=True, failure=None)
    metrics.looked("box", START)
    assert read("mailbox_up", "box") == 1
    assert read("mailbox_last_look_timestamp_seconds", "box") == START.timestamp()
    problem = failure(Phase.AUTH, Reason.AUTHENTICATION_FAILED)
    metrics.mailbox_watch("box", is_up=False, failure=problem)
    assert read("mailbox_up", "box") == 0
    labels = ("box", Owner.CONFIGURATION, "auth", "authentication_failed")
    assert read("mailbox_failures_total", *labels) == 1
    metrics.forged("box")
    assert read("forged_canaries_total", "box") == 1


def test_a_mailbox_that_cannot_be_cleaned_shows_and_none_before_it_was_tried(
    metrics: Metrics, read: Reader
) -> None:
    assert read("mailbox_cleaning_successful", "box") is None
    metrics.cleaned("box", ok=False)
    assert read("mailbox_cleaning_successful", "box") == 0
    metrics.cleaned("box", ok=True)
    assert read("mailbox_cleaning_successful", "box") == 1
    metrics.cleaned("gone", ok=False)
    assert read("mailbox_cleaning_successful", "gone") is None


def test_missed_slots_are_counted_under_the_kind_of_what_missed_them(
    metrics: Metrics, read: Reader
) -> None:
    metrics.missed_slots("a", 3)
    metrics.missed_slots("mx-them", 2)
    assert read("missed_slots_total", "a") == 3
    assert read("probe_missed_slots_total", "mx-them") == 2


def test_the_greatest_loop_lag_is_remembered_for_half_a_minute_to_a_minute(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    metrics.loop_lag(0.7)
    clock.elapse(29)
    metrics.loop_lag(0.1)
    assert read("event_loop_lag_max_seconds") == 0.7
    clock.elapse(30)
    assert read("event_loop_lag_max_seconds") == 0.7
    clock.elapse(30)
    assert read("event_loop_lag_max_seconds") == 0
    assert read("event_loop_lag_seconds_count") == 2


def test_a_bad_configuration_shows_until_a_good_one_is_read(
    metrics: Metrics, read: Reader, clock: FakeClock
) -> None:
    assert read("config_last_reload_successful") == 1
    clock.elapse(60)
    metrics.config_reloaded(ok=False)
    assert read("config_last_reload_successful") == 0
    when = "config_last_reload_success_timestamp_seconds"
    assert read(when) == START.timestamp()
    metrics.config_reloaded(ok=True)
    assert read("config_last_reload_successful") == 1
    assert read(when) == START.timestamp() + 60


def test_ledger_errors_are_counted(metrics: Metrics, read: Reader) -> None:
    assert read("ledger_errors_total") == 0
    metrics.ledger_error()
    assert read("ledger_errors_total") == 1


def test_the_build_and_the_process_are_described(read: Reader) -> None:
    (build,) = read.series("mailcanary_build_info")
    assert build[2] == "1.2.3"
    assert read.series("process_")[("process_cpu_seconds_total",)] > 0
    assert read.series("process_")[("process_open_fds",)] > 0


def test_both_formats_are_whole_documents(metrics: Metrics, read: Reader) -> None:
    metrics.run_finished(run("mx-them", parts=(part("mx.test"),)))
    names = [family.name for family in read_openmetrics(read.text(Format.OPENMETRICS))]
    assert len(names) == len(set(names))
    assert read.text(Format.OPENMETRICS).endswith("\n# EOF\n")
    for fmt in Format:
        assert "_created" not in read.text(fmt)
    assert "# EOF" not in read.text(Format.TEXT)
