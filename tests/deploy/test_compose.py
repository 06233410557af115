"""deploy/compose.yaml: every file it mounts is there, and each program takes its own."""

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from exporter.cli import app
from tests.servers.real import needs, program
from tests.support.places import ROOT
from tests.support.processes import completed

DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]

MAKERS = {
    ROOT / "dashboards": ROOT / "dashboards" / "build",
    ROOT / "dashboards" / "alerts": ROOT / "exporter" / "commands" / "rules.py",
}
"""What is generated -> the code that makes it; without that code it need not be there."""


def mounts(service: str) -> Iterator[tuple[Path, str]]:
    """What a container sees of this checkout: the file or folder here, and its place there."""
    for mount in SERVICES[service].get("volumes", []):
        source, place, *mode = mount.split(":")
        if source.startswith("."):
            assert mode == ["ro"], mount
            yield (DEPLOY / source).resolve(), place


def container(service: str, folder: Path) -> Path:
    """A folder with all that the container sees of this checkout."""
    for source, place in mounts(service):
        target = folder / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.is_file():
            shutil.copyfile(source, target)
    return folder


@pytest.mark.parametrize("service", SERVICES)
def test_every_file_that_is_mounted_exists(service: str) -> None:
    for source, _ in mounts(service):
        maker = MAKERS.get(source)
        assert source.exists() or (maker is not None and not maker.exists()), source


def test_every_file_beside_it_is_mounted() -> None:
    seen = {source for service in SERVICES for source, _ in mounts(service)}
    beside = {file for file in DEPLOY.rglob("*") if file.suffix in {".yml", ".yaml"}}
    assert beside - seen == {DEPLOY / "compose.yaml"}


def test_every_named_volume_is_declared_and_used() -> None:
    used = {
        mount.partition(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if not mount.startswith(".")
    }
    assert used == set(COMPOSE["volumes"])


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_reached_from_another_machine(service: str) -> None:
    assert SERVICES[service]["ports"]
    for port in SERVICES[service]["ports"]:
        assert port.startswith("127.0.0.1:")


@pytest.mark.skipif(not (ROOT / "Containerfile").exists(), reason="there is no Containerfile yet")
def test_the_image_of_the_demo_can_be_built_with_its_servers() -> None:
    build = SERVICES["mailcanary"]["build"]
    lines = ((DEPLOY / build["context"]).resolve() / build["dockerfile"]).read_text().splitlines()
    declared = {line.split()[1].partition("=")[0] for line in lines if line.startswith("ARG ")}
    assert build["args"].keys() <= declared
    assert any("${EXTRAS}" in line for line in lines)


@pytest.mark.parametrize("service", sorted(set(SERVICES) - {"mailcanary"}))
def test_every_image_has_a_version(service: str) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", SERVICES[service]["image"])


@pytest.mark.parametrize(("fault", "last"), [("", "--port=10587"), ("reject", "--fault=reject")])
def test_the_command_of_the_demo_is_one(fault: str, last: str) -> None:
    """Compose reads `${A:+x}` and `${A:-x}` as a shell does."""
    words = SERVICES["mailcanary"]["command"]
    echoed = completed("sh", "-c", f'printf "%s\\n" {" ".join(words)}', environ={"FAULT": fault})
    command, *rest = echoed.stdout.split()
    assert (command, rest[-1]) == ("demo", last)
    demo = typer.main.get_group(app).commands["demo"]
    known = {name for option in demo.params for name in option.opts}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known


def addresses(text: str) -> set[str]:
    """Every `name:port` of a file."""
    return set(re.findall(r'[/"]([a-z]+:\d+)\b', text))


def test_the_programs_find_each_other() -> None:
    known = {
        f"{service}:{port.rpartition(':')[2]}"
        for service, settings in SERVICES.items()
        for port in settings["ports"]
    }
    files = [file for file in DEPLOY.rglob("*.y*ml") if file.name != "compose.yaml"]
    told = {address for file in files for address in addresses(file.read_text())}
    assert told == known - {"grafana:3000"}


@needs("prometheus")
def test_prometheus_takes_its_configuration_and_the_rules(tmp_path: Path) -> None:
    root = container("prometheus", tmp_path)
    file = root / "etc" / "prometheus" / "prometheus.yml"
    done = completed(program("promtool"), "check", "config", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    if (root / "etc" / "prometheus" / "rules").exists():
        assert "rules found" in done.stdout


@needs("prometheus-alertmanager")
def test_alertmanager_takes_its_configuration(tmp_path: Path) -> None:
    file = container("alertmanager", tmp_path) / "etc" / "alertmanager" / "alertmanager.yml"
    done = completed(program("amtool"), "check-config", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@needs("prometheus-alertmanager")
@pytest.mark.parametrize(
    ("severity", "receiver"),
    [
        ("critical", "on-call"),
        ("warning", "working-hours"),
        ("untestable", "monitoring-team"),
        ("info", "nobody"),
    ],
)
def test_each_severity_goes_to_its_own_people(severity: str, receiver: str) -> None:
    file = DEPLOY / "alertmanager.yml"
    words = ("config", "routes", "test", f"--config.file={file}", f"severity={severity}")
    assert completed(program("amtool"), *words).stdout.strip() == receiver


def test_every_severity_of_the_alerts_has_a_way() -> None:
    text = (DEPLOY / "alertmanager.yml").read_text() + "warning"
    for file in (ROOT / "dashboards" / "alerts").glob("*.yaml"):
        groups = yaml.safe_load(file.read_text())["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        given = {rule["labels"]["severity"] for rule in rules if "alert" in rule}
        assert {one for one in given if one not in text} == set()


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    places = {place: source for source, place in mounts("grafana")}
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert places[provider["options"]["path"]] == ROOT / "dashboards"


def test_the_data_sources_know_each_other() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana" / "datasources.yaml").read_text())["datasources"]
    uids = {one["type"]: one["uid"] for one in sources}
    prometheus = next(one for one in sources if one["type"] == "prometheus")
    assert prometheus["jsonData"]["alertmanagerUid"] == uids["alertmanager"]
    assert prometheus["isDefault"] is True
