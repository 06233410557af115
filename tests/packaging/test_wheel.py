"""A built wheel and an editable install, beside packages of others with the names of ours."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("mailcanary", "probes", "exporter", "pyproject.toml", "setup.py", "README.md", "LICENSE")
OWN = ("probes", "exporter")
PLUG_IN = (
    "import mailcanary\n"
    "from probes.mailboxes.interface import Interest\n"
    "print(Interest.__module__)\n"
)

pytest.importorskip("pip", reason="this environment was made without pip")

pytestmark = [
    pytest.mark.slow("builds and installs the project"),
    pytest.mark.timeout(300),
]


@dataclass(frozen=True, slots=True)
class Place:
    """An environment into which ours and the other `exporter` and `probes` are installed."""

    folder: Path

    @property
    def site(self) -> Path:
        """Where its packages are."""
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / python / "site-packages"

    def run(self, program: str, *arguments: str) -> str:
        """The standard output of a program of this environment, started away from the checkout."""
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environ,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def place_with_others(folder: Path) -> Place:
    """A fresh environment with two packages of somebody else; our dependencies are lent to it."""
    venv.create(folder, with_pip=False)
    place = Place(folder)
    for name in OWN:
        package = place.site / name
        package.mkdir()
        (package / "__init__.py").write_text("OWNER = 'somebody else'\n")
    # A path in a .pth file lends the packages, and not the editable install of this checkout.
    (place.site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources by themselves, so that a build leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("wheel")
    pip(
        "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(into), str(copy)
    )
    return next(into.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = place_with_others(tmp_path_factory.mktemp("installed"))
    python = str(place.folder / "bin" / "python")
    pip("--python", python, "install", "-q", "--no-deps", "--no-index", str(wheel))
    return place


def editable(copy: Path, folder: Path) -> Place:
    place = place_with_others(folder)
    # pip runs in the environment itself, so the build finds the setuptools that are lent to it.
    python = ("--python", str(place.folder / "bin" / "python"))
    options = ("-q", "--no-deps", "--no-index", "--no-build-isolation")
    pip(*python, "install", *options, "-e", str(copy))
    return place


def test_the_wheel_has_one_name_and_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"mailcanary"}
    wanted = {
        f"mailcanary/_lib/{path.relative_to(ROOT).as_posix()}"
        for name in OWN
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert wanted - set(names) == set()


@pytest.mark.parametrize("start", [("mailcanary",), ("python", "-m", "mailcanary")])
def test_the_installed_program_takes_its_own_packages(
    installed: Place, start: tuple[str, ...]
) -> None:
    assert installed.run(*start, "--version").startswith("mailcanary ")
    assert '"title": "mailcanary configuration"' in installed.run(*start, "config-schema")
    assert "mx.null_preference" in installed.run(*start, "findings")


def test_the_installed_program_measures(installed: Place) -> None:
    told = installed.run("mailcanary", "selftest", "--only", "mx.null_preference")
    assert "1 of 1 code fires" in told


def test_the_packages_of_others_stay_what_they_are(installed: Place) -> None:
    for name in OWN:
        told = installed.run("python", "-c", f"import {name}; print({name}.OWNER)")
        assert told == "somebody else\n"


def with_plug_in(place: Place) -> str:
    (place.site / "plug_in.py").write_text(PLUG_IN)
    return place.run("python", "-c", "import plug_in")


def test_a_plug_in_finds_our_packages(installed: Place) -> None:
    assert with_plug_in(installed) == "probes.mailboxes.interface\n"


def test_an_editable_install_takes_the_packages_of_the_checkout(copy: Path, tmp_path: Path) -> None:
    place = editable(copy, tmp_path / "editable")
    assert place.run("mailcanary", "--version").startswith("mailcanary ")
    where = "import mailcanary, exporter.cli; print(exporter.cli.__file__)"
    assert place.run("python", "-c", where).strip() == str(copy / "exporter" / "cli.py")
    assert with_plug_in(place) == "probes.mailboxes.interface\n"
