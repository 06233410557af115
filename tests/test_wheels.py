"""`./run test` takes single files out of wheels, and only out of the wheels that were meant."""

import hashlib
import io
import runpy
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.servers.real import PACKAGES
from tests.support.places import ROOT

pytestmark = pytest.mark.slow("starts pip")

ABOUT = "Metadata-Version: 2.1\nName: treasure\nVersion: 1.0\n"
FORMAT = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel(folder: Path) -> Path:
    """A wheel with a zip in a tar in it, and the file `deep/gold` in that zip."""
    inner, middle = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/gold", "gold")
    with tarfile.open(fileobj=middle, mode="w:gz") as bundle:
        about = tarfile.TarInfo("package/layer.zip")
        about.size = len(inner.getvalue())
        bundle.addfile(about, io.BytesIO(inner.getvalue()))
    file = folder / "treasure-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("treasure/middle.tgz", middle.getvalue())
        archive.writestr("treasure-1.0.dist-info/METADATA", ABOUT)
        archive.writestr("treasure-1.0.dist-info/WHEEL", FORMAT)
        archive.writestr("treasure-1.0.dist-info/RECORD", "")
    return file


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The launcher, as if the checkout were a folder of the test and the folder the registry."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    launcher: dict[str, Any] = runpy.run_path(str(ROOT / "run"), run_name="launcher")
    names = launcher["unpack_wheels"].__globals__
    names.update(ROOT=tmp_path, CACHE=tmp_path / ".cache", VENV=Path(sys.prefix))
    names["CACHE"].mkdir()
    return launcher


def listed(folder: Path, digest: str, machine: str = "any") -> Path:
    file = folder / "wheels.txt"
    members = "treasure/middle.tgz package/layer.zip deep/gold"
    file.write_text(f"# A comment.\ngold .cache/gold {machine} treasure==1.0 {digest} {members}\n")
    return file


def test_the_innermost_file_is_taken_out(checkout: dict[str, Any], tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    checkout["unpack_wheels"](listed(tmp_path, digest))
    found = tmp_path / ".cache" / "gold"
    assert found.read_text() == "gold"
    assert found.stat().st_mode & 0o111
    assert sorted(file.name for file in (tmp_path / ".cache").iterdir()) == ["gold", "run.lock"]


def test_a_wheel_with_another_digest_is_refused(
    checkout: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wheel(tmp_path)
    checkout["unpack_wheels"](listed(tmp_path, "0" * 64))
    assert not (tmp_path / ".cache" / "gold").exists()
    said = capfd.readouterr().err
    assert "DO NOT MATCH THE HASHES" in said
    assert "tests are skipped that need .cache/gold" in said


def test_what_runs_on_another_machine_only_is_not_fetched(
    checkout: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkout["unpack_wheels"](listed(tmp_path, "0" * 64, "plan9-mips"))
    assert capfd.readouterr().err == (
        "mailcanary: .cache/gold does not run here: tests are skipped that need it\n"
    )


def test_what_is_there_is_not_fetched_again(
    checkout: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".cache" / "gold").write_text("old")
    checkout["unpack_wheels"](listed(tmp_path, "0" * 64))
    assert capfd.readouterr().err == ""


def test_the_lists_name_no_address_and_nothing_twice() -> None:
    texts = [(ROOT / "tests" / "servers" / name).read_text() for name in ("wheels.txt",)]
    assert all("://" not in text for text in texts)
    assert {"helm-3", "helm-4", "kubernetes-1.25", "kubernetes-1.37", "postfix"} <= PACKAGES.keys()
    assert len(set(PACKAGES.values())) == len(PACKAGES)
