"""The alerts about targets and about the monitor itself: they fire alone, and resolve."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.rules import RuleOptions
from exporter.rules.rule_file import alerts
from tests.support.rule_rig import GONE, Judge, Value, World

pytestmark = [
    pytest.mark.real("prometheus"),
    pytest.mark.slow("promtool judges hours of scrapes"),
    pytest.mark.timeout(300),
]

BREAKS, MENDED, END = 60, 120, 240
DAY = 86400
JUDGED_WITHOUT = frozenset({"mailcanary-words", "mailcanary-slo"})
STATES = ("ok", "failing", "untestable")


def broken(minute: int) -> bool:
    """True while the fault is there."""
    return BREAKS <= minute < MENDED


def when(bad: Value, good: Value) -> Callable[[int], Value]:
    """One value while the fault is there, the other before and after."""
    return lambda minute: bad if broken(minute) else good


def world() -> World:
    """A process with a healthy job of every kind, two MX hosts and a mailbox."""
    made = World(END)
    made.monitor()
    made.show("mailcanary_mailbox_info", 1, mailbox="in", type="imap", host="imap.example.test")
    made.show("mailcanary_mailbox_up", 1, mailbox="in")
    for kind in ("mx", "policy", "sender", "nameservers"):
        told = {"probe": kind}
        made.show("mailcanary_probe_info", 1, kind=kind, target="example.test", **told)
        made.show("mailcanary_probe_interval_seconds", 300, **told)
        for stamp in ("last_run", "last_success"):
            made.show(f"mailcanary_probe_{stamp}_timestamp_seconds", slot, **told)
        job_state(made, kind, "ok")
        for aspect in ("mx", "spf", "dkim", "listing"):
            made.show("mailcanary_probe_target_changes_total", 0, aspect=aspect, **told)
    for host in ("mx1", "mx2"):
        told = {"probe": "mx", "host": host}
        made.show("mailcanary_mx_up", 1, **told)
        made.show("mailcanary_mx_phase_seconds", 0.1, phase="tls", **told)
        made.show("mailcanary_mx_certificate_expiry_timestamp_seconds", 60 * DAY, **told)
    return made


def slot(minute: int) -> float:
    """When the latest of the runs every five minutes ended."""
    return minute // 5 * 300 + 1


def job_state(made: World, probe: str, bad: str) -> None:
    """A job with that state while the fault is there."""
    for state in STATES:
        made.show(
            "mailcanary_probe_state",
            lambda m, state=state: float(state == (bad if broken(m) else "ok")),
            state=state,
            probe=probe,
        )


def host_down(made: World, host: str) -> None:
    made.show("mailcanary_mx_up", when(0, 1), probe="mx", host=host)


def domain_down(made: World) -> None:
    host_down(made, "mx1")
    host_down(made, "mx2")
    stamp = "mailcanary_probe_last_success_timestamp_seconds"
    made.show(stamp, lambda m: slot(BREAKS - 1) if broken(m) else slot(m), probe="mx")


def one_failed_run(made: World) -> None:
    """Both hosts were down in one run, and up in the next."""
    for host in ("mx1", "mx2"):
        made.show("mailcanary_mx_up", lambda m: float(not 60 <= m < 65), probe="mx", host=host)
    stamp = "mailcanary_probe_last_success_timestamp_seconds"
    made.show(stamp, lambda m: slot(59) if 60 <= m < 65 else slot(m), probe="mx")


def certificate(days: int) -> Callable[[World], None]:
    def expires(made: World) -> None:
        name = "mailcanary_mx_certificate_expiry_timestamp_seconds"
        made.show(name, when(days * DAY, 60 * DAY), probe="mx", host="mx1")

    return expires


def changed(probe: str, aspect: str) -> Callable[[World], None]:
    def change(made: World) -> None:
        name = "mailcanary_probe_target_changes_total"
        made.show(name, lambda m: float(m >= BREAKS), probe=probe, aspect=aspect)

    return change


def stale(prefix: str, **told: str) -> Callable[[World], None]:
    def stops(made: World) -> None:
        made.show(f"{prefix}interval_seconds", 300, **told)
        name = f"{prefix}last_run_timestamp_seconds"
        made.show(name, lambda m: slot(BREAKS) if broken(m) else slot(m), **told)

    return stops


def suspect(made: World) -> None:
    name = "mailcanary_suspect"
    made.show(name, when(4, GONE), part="route", name="relay")
    made.show(name, when(1, GONE), part="mailbox", name="in")


def absent(made: World) -> None:
    made.without(broken, instance="a:9587")


@dataclass(frozen=True)
class Case:
    """What is broken, and the alerts that fire; none for a fault that is to be borne."""

    alerts: frozenset[str]
    fault: Callable[[World], None]


def case(fault: Callable[[World], None], *names: str) -> Case:
    return Case(frozenset(names), fault)


CASES = {
    "nothing": case(lambda _: None),
    "one host is down": case(lambda made: host_down(made, "mx1"), "MailcanaryMxDown warning"),
    "all hosts are down": case(
        domain_down, "MailcanaryMxDown warning", "MailcanaryDomainDown critical"
    ),
    "all hosts failed in one run": case(one_failed_run),
    "certificate, 10 days": case(certificate(10), "MailcanaryCertificateExpires warning"),
    "certificate, 2 days": case(
        certificate(2),
        *("MailcanaryCertificateExpires warning", "MailcanaryCertificateExpires critical"),
    ),
    "certificate, 20 days": case(certificate(20)),
    "no STARTTLS": case(
        lambda made: made.show(
            "mailcanary_mx_phase_seconds", when(GONE, 0.1), phase="tls", probe="mx", host="mx2"
        ),
        "MailcanaryStarttlsGone warning",
    ),
    "policy": case(
        lambda made: job_state(made, "policy", "failing"), "MailcanaryPolicyBroken warning"
    ),
    "sender": case(
        lambda made: job_state(made, "sender", "failing"), "MailcanarySenderBroken warning"
    ),
    "name servers": case(
        lambda made: job_state(made, "nameservers", "failing"),
        "MailcanaryNameserversBroken warning",
    ),
    "untestable": case(
        lambda made: job_state(made, "policy", "untestable"),
        "MailcanaryProbeUntestable untestable",
    ),
    "listed": case(changed("sender", "listing"), "MailcanaryListed warning"),
    "selector": case(changed("sender", "dkim"), "MailcanarySelectorChanged warning"),
    "target": case(changed("mx", "mx"), "MailcanaryTargetChanged info"),
    "suspect": case(suspect, "MailcanarySuspect warning"),
    "a job is not run": case(
        stale("mailcanary_probe_", probe="policy"), "MailcanaryProbeScheduleStale untestable"
    ),
    "a path is not run": case(
        stale("mailcanary_", path="p"), "MailcanaryPathScheduleStale untestable"
    ),
    "mailbox": case(
        lambda made: made.show("mailcanary_mailbox_up", when(0, 1), mailbox="in"),
        "MailcanaryMailboxUnreadable untestable",
    ),
    "scrape fails": case(
        lambda made: made.show("up", when(0, 1)), "MailcanaryMonitorDead critical"
    ),
    "target is gone": case(absent, "MailcanaryMonitorAbsent critical"),
    "ledger": case(
        lambda made: made.show("mailcanary_ledger_errors_total", lambda m: float(m >= BREAKS)),
        "MailcanaryLedgerErrors untestable",
    ),
    "task": case(
        lambda made: made.show(
            "mailcanary_task_restarts_total", lambda m: float(m >= BREAKS), task="scheduler"
        ),
        "MailcanaryTaskRestarts untestable",
    ),
    "reload": case(
        lambda made: made.show("mailcanary_config_last_reload_successful", when(0, 1)),
        "MailcanaryConfigReloadFailed untestable",
    ),
    "lag": case(
        lambda made: made.show("mailcanary_event_loop_lag_max_seconds", when(0.5, 0.001)),
        "MailcanaryLoopLag untestable",
    ),
}
TESTED_WITH_PATHS = {
    *("MailcanaryPathDown", "MailcanaryErrorBudgetBurn", "MailcanaryPathNeverWorked"),
    *("MailcanaryJunked", "MailcanaryBounced", "MailcanaryLate", "MailcanaryCopyAltered"),
    *("MailcanaryVerdictChanged", "MailcanaryDkimKeyGone", "MailcanaryPathUntestable"),
}


def test_every_alert_has_a_case() -> None:
    tested = {name.split()[0] for one in CASES.values() for name in one.alerts}
    assert tested | TESTED_WITH_PATHS == {alert.name for alert in alerts(RuleOptions())}


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_alone_and_resolves(name: str, tmp_path: Path) -> None:
    made = world()
    CASES[name].fault(made)
    judge = Judge(tmp_path, left_out=JUDGED_WITHOUT)
    before, during, after = judge.fired(made, (0, BREAKS - 1), (BREAKS, MENDED), (END - 30, END))
    assert before == set()
    assert during == CASES[name].alerts
    assert after == set()
