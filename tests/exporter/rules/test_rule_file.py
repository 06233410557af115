"""The rule file: the committed bytes, links only where they were asked for, metrics that exist."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from exporter.cli import app
from exporter.metrics.families import FAMILIES
from exporter.rules import Objective, RuleOptions, rule_file
from exporter.rules.rule import Alert
from exporter.rules.rule_file import alerts, groups
from probes.catalogue.failures import FAILURES
from probes.result import Owner
from tests.servers.real import program
from tests.support.language import markdown_sentences, too_long
from tests.support.places import ROOT

COMMITTED = ROOT / "dashboards" / "alerts" / "mailcanary.yaml"
DEFAULT = RuleOptions()
LINKED = RuleOptions(
    Objective(99.9),
    "https://canary.example.test/",
    "https://grafana.example.test/g",
    "https://books.example.test/runbooks/",
)
EVERY = pytest.mark.parametrize("alert", alerts(DEFAULT), ids=lambda alert: alert.name)
LINKS = {"runbook_url", "dashboard_url", "run_url"}


def printed(*arguments: str) -> tuple[int, str, str]:
    """The exit code of the command, and what it printed."""
    done = CliRunner().invoke(app, ["rules", *arguments], standalone_mode=False)
    return done.return_value, done.stdout, done.stderr


def test_the_committed_file_is_what_the_command_prints() -> None:
    assert printed() == (0, COMMITTED.read_text("utf-8"), "")


@pytest.mark.parametrize("options", [DEFAULT, LINKED])
def test_a_yaml_reader_reads_what_was_meant(options: RuleOptions) -> None:
    wanted = {"groups": [group.document(options) for group in groups(options)]}
    assert yaml.safe_load(rule_file(options)) == wanted


@pytest.mark.real("prometheus")
@pytest.mark.parametrize("objective", [90, 95, 99, 99.5, 99.9, 99.99])
def test_prometheus_takes_the_rules(objective: float, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    for options in (RuleOptions(Objective(objective)), LINKED):
        file.write_text(rule_file(options), "utf-8")
        done = subprocess.run(
            [program("promtool"), "check", "rules", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@EVERY
def test_no_address_nobody_gave_stands_in_an_alert(alert: Alert) -> None:
    document = alert.document(DEFAULT)
    assert set(document["annotations"]) == {"summary", "description"}
    assert "://" not in str(document)


@EVERY
def test_an_address_that_was_given_leads_to_the_alert(alert: Alert) -> None:
    texts = alert.document(LINKED)["annotations"]
    page = f"https://books.example.test/runbooks/{alert.name.lower()}.md"
    assert texts["runbook_url"] == page
    assert texts["dashboard_url"].startswith("https://grafana.example.test/g/d/")
    assert ("run_url" in texts) == ("path" in alert.about)
    for url in (texts[name] for name in LINKS & set(texts)):
        assert "//" not in url.removeprefix("https://")


@EVERY
def test_an_alert_has_severity_owner_and_texts(alert: Alert) -> None:
    labels = alert.document(DEFAULT)["labels"]
    assert labels["severity"] in {"critical", "warning", "info", "untestable"}
    assert "owner" in labels or re.search(r"\bowner\b", alert.expr)
    assert labels.get("owner", "monitor") in set(Owner)
    assert "{{" not in alert.summary
    assert alert.summary.endswith(".")
    told = re.sub(r"\{\{ (range|end).*?\}\}", "", alert.description)
    assert too_long(markdown_sentences(re.sub(r"\{\{.*?\}\}", "x", told))) == []


@EVERY
def test_an_alert_says_nothing_of_the_process_that_was_scraped(alert: Alert) -> None:
    assert not re.search(r"\b(instance|replica)\b", alert.expr)
    assert "topk" not in alert.expr
    assert re.search(r"\bby \(|^absent\(|^max\(|^min\(", alert.expr)


def test_every_metric_of_the_rules_exists() -> None:
    known = {family.name for family in FAMILIES}
    rules = [rule for group in groups(DEFAULT) for rule in group.rules]
    used = {name for rule in rules for name in re.findall(r"mailcanary_\w+", rule.expr)}
    assert used - known == set()
    assert len(used) > 25


def test_every_recorded_series_is_recorded_before_it_is_used() -> None:
    recorded: set[str] = set()
    pattern = r"(?:mailcanary|slo):\w+:\w+|sloth_slo_info"
    for group in groups(DEFAULT):
        for rule in group.rules:
            text = rule.expr + (rule.description if isinstance(rule, Alert) else "")
            assert set(re.findall(pattern, text)) <= recorded, rule
            recorded |= set() if isinstance(rule, Alert) else {rule.record}


def test_every_reason_and_every_owner_has_words() -> None:
    text = COMMITTED.read_text("utf-8")
    for code in FAILURES:
        reason = code.partition(".")[2]
        assert f'reason: "{reason}"' in text
    for owner in Owner:
        assert f'owner: "{owner}"' in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--objective", "100"],
        ["--objective", "89.9"],
        ["--objective", "nan"],
        ["--objective", "-1"],
        ["--external-url", "canary.example.test"],
        ["--external-url", "ftp://canary.example.test"],
        ["--grafana-url", "https://"],
        ["--grafana-url", "https://g.example.test:99999/"],
        ["--grafana-url", "https://g.example.test/?orgId=1"],
        ["--runbook-url", "https://b.example.test/{{ $labels.path }}"],
        ["--runbook-url", "https://b.example.test/a b"],
        ["--runbook-url", "https://b.example.test/\n"],
        ["--runbook-url", "https://[b.example.test/"],
        ["--runbook-url", ""],
    ],
)
def test_a_wrong_option_is_told_in_one_line(arguments: list[str]) -> None:
    code, out, complaint = printed(*arguments)
    assert (code, out) == (64, "")
    assert complaint.startswith(f"mailcanary: {arguments[0]}")
    assert complaint.count("\n") == 1
