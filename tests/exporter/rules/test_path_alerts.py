"""Each alert about a path fires, stays silent and resolves, as promtool sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rule_rig import GONE, Judge, World

pytestmark = [
    pytest.mark.real("prometheus"),
    pytest.mark.slow("promtool judges hours of scrapes"),
    pytest.mark.timeout(300),
]

BREAKS, MENDED, END = 60, 100, 150
PAGES = {"MailcanaryPathDown critical", "MailcanaryErrorBudgetBurn critical"}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    return Judge(tmp_path, left_out=frozenset({"mailcanary-words", "mailcanary-target-alerts"}))


def healthy(minutes: int = END) -> World:
    """A process with one path that works."""
    made = World(minutes)
    made.monitor()
    made.path("good", 300)
    return made


def between(outcome: str, since: int = BREAKS, until: int = MENDED) -> Callable[[int], str]:
    """The fate of a path that fails for a while."""
    return lambda at: outcome if since * 60 <= at < until * 60 else "arrived"


@pytest.mark.parametrize(
    ("outcome", "alerts"),
    [
        ("lost", PAGES),
        ("rejected", PAGES),
        ("bounced", PAGES | {"MailcanaryBounced warning"}),
        ("junked", {"MailcanaryErrorBudgetBurn critical", "MailcanaryJunked warning"}),
        ("late", {"MailcanaryLate warning"}),
        ("untestable", {"MailcanaryPathUntestable untestable"}),
    ],
)
def test_the_right_alerts_fire_for_an_outcome_and_resolve(
    judge: Judge, outcome: str, alerts: set[str]
) -> None:
    made = healthy(480)
    made.path("p", 300, between(outcome))
    before, during, after = judge.fired(made, (0, BREAKS - 1), (BREAKS, 400), (470, 480))
    tickets = {"MailcanaryErrorBudgetBurn warning"}
    assert before == set()
    assert during - tickets == alerts
    assert after - tickets == set()


def test_a_dead_path_has_the_owner_of_its_failures(judge: Judge) -> None:
    made = healthy(120)
    made.path("p", 60, between("rejected", until=999), reason="rejected")
    down = [row for row in judge.firing(made, 90) if row["alertname"] == "MailcanaryPathDown"]
    wanted = {"path": "p", "owner": "receiver_mx", "severity": "critical"}
    assert [{key: row[key] for key in wanted} for row in down] == [wanted]
    assert not {"instance", "job", "route"} & set(down[0])


def test_silence_is_kept_where_nothing_is_wrong(judge: Judge) -> None:
    made = healthy()
    made.path("one lost", 300, between("lost", BREAKS, BREAKS + 5))
    made.path("one refused", 300, between("rejected", BREAKS, BREAKS + 5))
    made.path("restarted", 300, born_at=BREAKS)
    made.path("removed", 300, between("lost", BREAKS, END))
    made.without(lambda minute: minute >= BREAKS + 4, path="removed")
    assert judge.fired(made, (0, END)) == [set()]


@pytest.mark.parametrize("gap", [1, 3, 10])
def test_a_scrape_gap_fires_nothing_about_mail(judge: Judge, gap: int) -> None:
    made = healthy()
    made.path("p", 60)
    made.without(lambda minute: BREAKS <= minute < BREAKS + gap, instance="a:9587")
    ever = judge.fired(made, (0, END))[0]
    assert ever <= {"MailcanaryMonitorAbsent critical"}


def test_a_short_gap_does_not_keep_a_dead_path_from_paging(judge: Judge) -> None:
    made = healthy(120)
    made.path("p", 60, between("lost", until=999))
    made.without(lambda minute: minute % 3 == 0, instance="a:9587")
    assert "MailcanaryPathDown critical" in judge.fired(made, (BREAKS, BREAKS + 10))[0]


def test_a_path_that_never_worked_wakes_nobody_and_is_told(judge: Judge) -> None:
    made = healthy()
    made.path("p", 300, lambda _: "rejected")
    assert judge.fired(made, (0, END)) == [{"MailcanaryPathNeverWorked warning"}]


def test_a_removed_path_ends_its_alert(judge: Judge) -> None:
    made = healthy()
    made.path("p", 300, between("lost", until=END))
    made.without(lambda minute: minute >= MENDED, path="p")
    during, after = judge.fired(made, (BREAKS, MENDED), (MENDED + 10, END))
    assert during >= PAGES
    assert after == set()


def test_a_failover_fires_nothing_and_two_processes_make_one_alert(judge: Judge) -> None:
    made = healthy()
    for instance, mine in (("b:9587", lambda m: m < BREAKS), ("c:9587", lambda m: m >= BREAKS)):
        made.path("moved", 300, instance=instance)
        made.without(lambda minute, mine=mine: not mine(minute), instance=instance)
    for instance in ("d:9587", "e:9587"):
        made.path("both", 300, between("lost", BREAKS, END), instance=instance)
    rows = judge.firing(made, 120)
    assert {row["path"] for row in rows} == {"both"}
    assert len([row for row in rows if row["alertname"] == "MailcanaryPathDown"]) == 1


def test_one_lost_canary_seen_by_two_servers_is_one(judge: Judge) -> None:
    made = healthy()
    for instance in ("b:9587", "c:9587"):
        made.path("p", 300, between("lost", BREAKS, BREAKS + 5), instance=instance)
    assert judge.fired(made, (0, END)) == [set()]


def test_an_unreadable_mailbox_is_no_dead_path(judge: Judge) -> None:
    made = healthy()
    made.path("p", 300, between("untestable", until=END))
    made.show("mailcanary_mailbox_info", 1, mailbox="in", type="imap", host="imap.example.test")
    made.show("mailcanary_mailbox_up", lambda minute: float(minute < BREAKS), mailbox="in")
    wanted = {"MailcanaryPathUntestable untestable", "MailcanaryMailboxUnreadable untestable"}
    assert judge.fired(made, (0, END)) == [wanted]
    owners = {row["alertname"]: row["owner"] for row in judge.firing(made, END)}
    assert set(owners.values()) == {"monitor", "receiver_mailbox"}


def test_a_verdict_that_was_pass_and_a_key_that_is_gone_are_told(judge: Judge) -> None:
    made = healthy()
    verdict = {"by": "receiver", "method": "dkim", "path": "good"}
    name = "mailcanary_authentication_result"
    passes = lambda minute: not BREAKS <= minute < MENDED  # noqa: E731 - twice below
    made.show(name, lambda m: 1 if passes(m) else GONE, result="pass", **verdict)
    made.show(name, lambda m: GONE if passes(m) else 1, result="fail", **verdict)
    found = {"code": "arrival.dkim.key", "status": "warning", "path": "good"}
    made.show("mailcanary_evidence_finding", lambda m: GONE if passes(m) else 1, **found)
    altered = {"code": "arrival.altered.body_changed", "status": "warning", "path": "good"}
    made.show("mailcanary_evidence_finding", lambda m: GONE if passes(m) else 1, **altered)
    before, during, after = judge.fired(made, (0, BREAKS - 1), (BREAKS, MENDED), (MENDED + 10, END))
    assert before == after == set()
    assert during == {
        *("MailcanaryVerdictChanged warning", "MailcanaryDkimKeyGone warning"),
        "MailcanaryCopyAltered warning",
    }
