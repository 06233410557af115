"""What the chart installs is what a cluster takes, with Helm 3 and 4."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import CHART, PROGRAMS, VALUES, copied, helm, render, values_file
from tests.helm.schemas import KUBERNETES, mistakes
from tests.servers.real import needs, program
from tests.support.processes import completed, mailcanary

pytestmark = needs("helm-3", "helm-4")

LEAST = CHART / "ci" / "least-values.yaml"
ALL = CHART / "ci" / "all-values.yaml"

RULES = """\
groups:
  - name: two
    rules:
      - record: mailcanary:paths:count
        expr: count(mailcanary_path_up)
      - alert: MailPathFails
        expr: mailcanary_path_up == 0
        for: 1m
        annotations: {description: "{{ $labels.path }} fails"}
"""


def file_name(value: object) -> str | None:
    return value.name if isinstance(value, Path) else None


every_way = pytest.mark.parametrize(
    ("version", "values"), list(product(PROGRAMS, VALUES)), ids=file_name
)


@every_way
def test_helm_finds_nothing_to_complain_of(version: str, values: Path) -> None:
    done = helm(version, "lint", "--strict", str(CHART), "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("values", VALUES, ids=file_name)
def test_both_versions_of_helm_make_the_same_objects(values: Path) -> None:
    first, second = (render(version, values) for version in PROGRAMS)
    assert first.complaint == ""
    assert sorted(first.objects, key=str) == sorted(second.objects, key=str)


@pytest.mark.parametrize("kubernetes", KUBERNETES)
@every_way
@needs("kubernetes-1.25", "kubernetes-1.37")
def test_every_object_is_as_its_kind_wants_it(version: str, values: Path, kubernetes: str) -> None:
    objects = render(version, values).objects
    assert len(objects) >= 3
    assert [line for one in objects for line in mistakes(one, kubernetes)] == []


@needs("kubernetes-1.25", "kubernetes-1.37")
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_a_misspelt_key_is_seen_in_every_kind(kubernetes: str) -> None:
    for one in render("helm-4", ALL).objects:
        part = "spec" if "spec" in one else "metadata"
        wrong = {**one, part: {**one[part], "mispelt": 1}}
        assert len(mistakes(wrong, kubernetes)) == 1, one["kind"]


@every_way
def test_no_two_objects_have_the_same_name(version: str, values: Path) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in render(version, values).objects]
    assert len(names) == len(set(names))


@pytest.mark.slow("starts the program as a process for each way of installing it")
@pytest.mark.parametrize("values", VALUES, ids=file_name)
def test_the_configuration_is_one_that_mailcanary_takes(values: Path, tmp_path: Path) -> None:
    rendered = render("helm-4", values)
    if "existingConfig" in yaml.safe_load(values.read_text()):
        assert rendered.all("ConfigMap") == []
        return
    file = tmp_path / "mailcanary.yaml"
    volume = "/var/lib/mailcanary/"
    text = rendered.configuration()
    assert f"ledger: {volume}" in text
    file.write_text(text.replace(volume, f"{tmp_path}/"))
    done = mailcanary("check-config", "--no-secrets", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_version_of_the_chart_alone_restarts_no_pod(tmp_path: Path) -> None:
    newer = copied(tmp_path)
    about = newer / "Chart.yaml"
    about.write_text(about.read_text().replace("\nversion: 0.1.0", "\nversion: 9.9.9+build"))
    before = render("helm-4", ALL).only("StatefulSet")
    after = render("helm-4", ALL, chart=newer).only("StatefulSet")
    assert before["metadata"]["labels"] != after["metadata"]["labels"]
    assert before["spec"] == after["spec"]


def test_a_changed_configuration_restarts_the_pod_unless_that_is_switched_off(
    tmp_path: Path,
) -> None:
    changed = {"config": {"ehlo_name": "other.example.com"}}
    before = render("helm-4", LEAST).only("StatefulSet")
    after = render("helm-4", LEAST, values_file(tmp_path, changed)).only("StatefulSet")
    assert before["spec"]["template"] != after["spec"]["template"]
    changed["restartOnConfigChange"] = False  # type: ignore[assignment]
    quiet = render("helm-4", LEAST, values_file(tmp_path, changed)).only("StatefulSet")
    assert "annotations" not in quiet["spec"]["template"]["metadata"]


def test_the_service_and_the_budget_take_the_pod_of_helm_test_for_none_of_theirs() -> None:
    rendered = render("helm-4", ALL)
    pod = rendered.only("Pod")["metadata"]["labels"].items()
    for selector in (
        rendered.only("Service")["spec"]["selector"],
        rendered.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        rendered.only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert not selector.items() <= pod
        labels = rendered.only("StatefulSet")["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
    allowed = rendered.only("NetworkPolicy")["spec"]["ingress"][0]["from"]
    assert any(
        peer.get("podSelector", {}).get("matchLabels", {}).items() <= pod
        for peer in allowed
        if "podSelector" in peer
    )


@pytest.mark.parametrize("version", PROGRAMS)
def test_without_rules_there_is_no_object_for_them(version: str, tmp_path: Path) -> None:
    chart = copied(tmp_path)
    for file in chart.glob("files/rules/*"):
        file.unlink()
    values = values_file(tmp_path, {"prometheusRule": {"enabled": True}})
    rendered = render(version, LEAST, values, chart=chart)
    assert rendered.complaint == ""
    assert rendered.all("PrometheusRule") == []


@needs("prometheus")
@pytest.mark.parametrize("version", PROGRAMS)
def test_rules_arrive_as_they_were_written(version: str, tmp_path: Path) -> None:
    chart = copied(tmp_path)
    for file in chart.glob("files/rules/*"):
        file.unlink()
    (chart / "files" / "rules").mkdir(parents=True, exist_ok=True)
    (chart / "files" / "rules" / "alerts.yaml").write_text(RULES)
    values = values_file(tmp_path, {"prometheusRule": {"enabled": True}})
    spec = render(version, LEAST, values, chart=chart).only("PrometheusRule")["spec"]
    assert spec == yaml.safe_load(RULES)
    assert_promtool_takes(spec, tmp_path)


@needs("prometheus")
@pytest.mark.parametrize("values", VALUES, ids=file_name)
def test_the_rules_of_the_chart_are_rules_for_prometheus(values: Path, tmp_path: Path) -> None:
    for one in render("helm-4", values).all("PrometheusRule"):
        assert_promtool_takes(one["spec"], tmp_path)


def assert_promtool_takes(spec: object, folder: Path) -> None:
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(spec))
    done = completed(program("promtool"), "check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_dashboard_has_a_config_map_of_its_own(tmp_path: Path) -> None:
    chart = copied(tmp_path)
    folder = chart / "files" / "dashboards"
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*"):
        file.unlink()
    text = '{\n  "title": "{{ $labels.path }}",\n  "uid": "x"\n}\n'
    for name in ("first", "second"):
        (folder / f"{name}.json").write_text(text)
    settings = {"enabled": True, "label": "board", "labelValue": "yes", "folder": "Mail"}
    values = values_file(tmp_path, {"dashboards": settings})
    found = [
        one
        for one in render("helm-4", LEAST, values, chart=chart).all("ConfigMap")
        if one["metadata"]["labels"].get("board") == "yes"
    ]
    assert [one["metadata"]["name"] for one in found] == [
        "mail-mailcanary-first",
        "mail-mailcanary-second",
    ]
    assert {one["metadata"]["annotations"]["grafana_folder"] for one in found} == {"Mail"}
    assert found[0]["data"] == {"first.json": text.rstrip("\n")}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "config is empty"),
        ({"config": {"listen": "0.0.0.0:80"}}, "its port must be containerPort (10587)"),
        (
            {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
            "serviceMonitor and podMonitor are both enabled",
        ),
        (
            {"prometheusRule": {"enabled": True, "rules": "no rules: at all"}},
            "prometheusRule.rules has no groups",
        ),
        (
            {"existingConfig": {"secret": "mine"}},
            "config and existingConfig are both given",
        ),
        (
            {"config": None, "existingConfig": {"secret": "mine", "configMap": "mine"}},
            "existingConfig names a secret and a ConfigMap",
        ),
        (
            {"prometheusRule": {"enabled": True, "rules": "groups: [a"}},
            "prometheusRule.rules has no groups",
        ),
    ],
)
@pytest.mark.parametrize("version", PROGRAMS)
def test_values_that_cannot_work_are_refused_with_the_reason(
    version: str, values: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    least = (LEAST,) if values else ()
    assert complaint in render(version, *least, values_file(tmp_path, values)).complaint


def test_two_releases_with_long_names_get_names_that_kubernetes_takes() -> None:
    names = {
        one["metadata"]["name"]
        for letter in "ab"
        for one in render("helm-4", LEAST, release=letter + "-long" * 10).objects
    }
    assert max(map(len, names)) <= 63
    assert {name[0] for name in names} == {"a", "b"}


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
@pytest.mark.parametrize("name", ["", "canary", "mailcanary-two"])
def test_the_label_job_always_has_the_word_that_the_alerts_look_for(
    kind: str, name: str, tmp_path: Path
) -> None:
    switch = {"ServiceMonitor": "serviceMonitor", "PodMonitor": "podMonitor"}[kind]
    own = {"action": "labeldrop", "regex": "pod"}
    values = {"fullnameOverride": name, switch: {"enabled": True, "relabelings": [own]}}
    spec = render("helm-4", LEAST, values_file(tmp_path, values)).only(kind)["spec"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    first, second = endpoint["relabelings"]
    assert (first["targetLabel"], second) == ("job", own)
    assert "mailcanary" in first["replacement"]
    assert name in first["replacement"]


@pytest.mark.parametrize("version", PROGRAMS)
def test_labels_of_a_user_never_replace_those_by_which_the_pod_is_found(
    version: str, tmp_path: Path
) -> None:
    other = {"app.kubernetes.io/name": "other", "mine": "common"}
    values = {"commonLabels": other, "podLabels": {**other, "mine": "pod"}}
    rendered = render(version, LEAST, values_file(tmp_path, values))
    spec = rendered.only("StatefulSet")["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert rendered.only("Service")["spec"]["selector"].items() <= labels.items()
    assert labels["mine"] == "pod"
    assert rendered.only("Service")["metadata"]["labels"]["mine"] == "common"


@needs("kubernetes-1.25", "kubernetes-1.37")
def test_texts_that_yaml_reads_as_something_else_stay_texts(tmp_path: Path) -> None:
    odd = ["yes", "1e3", "null", "a: b", "0x10", "# no"]
    values = {
        "podAnnotations": {f"k{place}": text for place, text in enumerate(odd)},
        "priorityClassName": "123",
        "image": {"tag": "1.10"},
        "probes": {"enabled": True, "modules": [{"module": "yes", "targets": ["yes"]}]},
        "persistence": {"storageClass": "0"},
        "ingress": {
            "enabled": True,
            "className": "1",
            "hosts": [{"host": "*.example.com", "paths": [{"path": "/yes"}]}],
        },
        "httpRoute": {"enabled": True},
        "secretMounts": [{"name": "1", "secretName": "2", "mountPath": "/3"}],
        "runtimeClassName": "4",
        "fullnameOverride": "5",
        "nameOverride": "6",
        "namespaceOverride": "7",
        "serviceAccount": {"name": "8"},
        "serviceMonitor": {"enabled": True, "namespace": "9"},
    }
    rendered = render("helm-4", LEAST, values_file(tmp_path, values), release="10")
    assert rendered.complaint == ""
    assert [line for one in rendered.objects for line in mistakes(one, "1.37")] == []
    given = rendered.only("StatefulSet")["spec"]["template"]["metadata"]["annotations"]
    assert [given[f"k{place}"] for place in range(len(odd))] == odd


@needs("kubernetes-1.25", "kubernetes-1.37")
def test_a_module_with_any_name_makes_a_probe_object_with_a_name_of_its_own(tmp_path: Path) -> None:
    modules = [{"module": name, "targets": ["a.test"]} for name in ("mx", "My_Job.2", "über mx")]
    values = values_file(tmp_path, {"probes": {"enabled": True, "modules": modules}})
    found = render("helm-4", LEAST, values).all("Probe")
    names = [one["metadata"]["name"] for one in found]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) for name in names)
    assert [one["spec"]["module"] for one in found] == ["mx", "My_Job.2", "über mx"]


@needs("kubernetes-1.25", "kubernetes-1.37")
def test_names_of_ones_own_objects_may_be_numbers(tmp_path: Path) -> None:
    for name, values in {
        "secret": {"existingConfig": {"secret": "1", "key": "2"}},
        "map": {"existingConfig": {"configMap": "1", "key": "2"}},
        "claim": {"existingConfig": {"secret": "1"}, "persistence": {"existingClaim": "3"}},
        "size": {"existingConfig": {"secret": "1"}, "persistence": {"size": 1000000000}},
    }.items():
        rendered = render("helm-3", values_file(tmp_path, values))
        assert rendered.complaint == "", name
        assert [line for one in rendered.objects for line in mistakes(one, "1.25")] == [], name
