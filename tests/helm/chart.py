"""The chart, and what Helm makes of it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.places import ROOT

CHART = ROOT / "helm" / "mailcanary"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
"""Values for each way of installing it."""

PROGRAMS = {name: ROOT / ".cache" / "helm" / name for name in ("helm-3", "helm-4")}
"""What `./run test` took out of wheels."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `helm template` wrote, or its complaint."""

    objects: tuple[Object, ...]
    complaint: str

    def only(self, kind: str) -> Object:
        """The one object of a kind."""
        (found,) = self.all(kind)
        return found

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def configuration(self) -> str:
        """The configuration file of mailcanary."""
        (found,) = [
            one["data"]["mailcanary.yaml"]
            for one in self.all("ConfigMap")
            if "mailcanary.yaml" in one.get("data", {})
        ]
        return str(found)


def helm(version: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Helm to its end; it reads nothing of this machine's."""
    environment = {"HOME": "/nonexistent", "KUBECONFIG": "/nonexistent", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [str(PROGRAMS[version]), *words],
        capture_output=True,
        text=True,
        timeout=50,
        env=environment,
        check=False,
    )


def render(version: str, *files: Path, chart: Path = CHART, release: str = "mail") -> Rendered:
    """`helm template` with these files of values."""
    words = [word for file in files for word in ("--values", str(file))]
    done = helm(version, "template", release, str(chart), "--namespace", "watch", *words)
    if done.returncode != 0:
        return Rendered((), done.stderr)
    documents = yaml.safe_load_all(done.stdout)
    return Rendered(tuple(one for one in documents if one), "")


def values_file(folder: Path, values: Mapping[str, Any]) -> Path:
    """Write values of a test. JSON leaves nothing to guess for two readers of YAML."""
    file = folder / "values.yaml"
    file.write_text(json.dumps(dict(values)))
    return file


def copied(folder: Path) -> Path:
    """A copy of the chart that a test may change."""
    return shutil.copytree(CHART, folder / "mailcanary")
