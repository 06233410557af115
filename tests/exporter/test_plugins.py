"""Routes and mailboxes of other packages, used by the real commands as if they were built in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.reports.exit_codes import ExitCode
from tests.support.places import ROOT
from tests.support.ports import reserved_port
from tests.support.serving import serving

pytestmark = pytest.mark.slow("commands run as processes of their own")

PATIENCE = 60.0
"""Seconds; a process that has to load everything first, on a busy machine."""

CONFIG = """\
ehlo_name: probe.test
listen: '127.0.0.1:0'
ledger: '{folder}/ledger.sqlite'
resolvers: ['127.0.0.1:9']
routes: {{files: {{type: folder, folder: '{folder}/mail'}}}}
mailboxes: {{files: {{type: folder, folder: '{folder}/mail'}}}}
paths:
  files: {{route: files, mailbox: files, mail_from: a@sender.test, rcpt_to: b@reader.test,
    every: 1s}}
"""
BUILT_IN = "ehlo_name: probe.test\njobs: {quiet: {kind: mx, domain: example.test}}\n"
DOOR = "tests.support.example_door"
GOOD = (
    f"[mailcanary.routes]\nfolder = {DOOR}.folder:ROUTE\n"
    f"[mailcanary.mailboxes]\nfolder = {DOOR}.folder:MAILBOX\n"
)


def install(folder: Path, points: str, name: str = "example_door") -> dict[str, str]:
    """The environment of a Python that has a distribution with these entry points."""
    info = folder / "site" / f"{name}-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(points)
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder / "site"), str(ROOT)))}


def write(folder: Path, text: str = CONFIG) -> Path:
    (folder / "mail").mkdir()
    file = folder / "mailcanary.yaml"
    file.write_text(text.format(folder=folder) if text is CONFIG else text)
    return file


def mailcanary(environ: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "exporter.cli", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_canary_goes_out_and_is_seen_through_a_plug_in(tmp_path: Path) -> None:
    environ, file = install(tmp_path, GOOD), write(tmp_path)
    done = mailcanary(environ, "run", "files", "--config", str(file), "--json")
    assert done.returncode in (ExitCode.OK, ExitCode.WARNING), done.stderr
    document = json.loads(done.stdout)
    assert document["record"]["outcome"] == "arrived"
    assert len(list((tmp_path / "mail").glob("mailcanary-*.eml"))) == 1


async def test_the_service_counts_the_arrival(tmp_path: Path) -> None:
    environ, file = install(tmp_path, GOOD), write(tmp_path)
    with reserved_port() as port:
        file.write_text(file.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        async with serving(file, port, environ=environ) as service:
            assert await service.until_counted("arrived", 1) >= 1
            phases = await service.values("mailcanary_time_in_phase_seconds_total")
    assert 'path="files",phase="end_of_data"' in phases


def test_the_schema_and_check_config_know_it(tmp_path: Path) -> None:
    environ, file = install(tmp_path, GOOD), write(tmp_path)
    schema = json.loads(mailcanary(environ, "config-schema").stdout)
    assert "folder" in schema["$defs"]["routes"]["properties"]["type"]["enum"]
    assert "folder" in schema["$defs"]["mailboxes"]["properties"]["type"]["enum"]
    assert mailcanary(environ, "check-config", str(file)).returncode == ExitCode.OK
    file.write_text(file.read_text().replace("{type: folder", "{foldr: a, type: folder"))
    done = mailcanary(environ, "check-config", str(file))
    assert done.returncode == ExitCode.USAGE
    assert 'did you mean "folder"?' in done.stderr


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ("folder = no.such.module:ROW", "cannot be loaded: ModuleNotFoundError"),
        (f"folder = {DOOR}.odd:MISSING", "cannot be loaded: AttributeError"),
        (f"folder = {DOOR}.odd:NOT_A_ROW", "is not a RouteKind of probes.registry.row_types"),
        (f"folder = {DOOR}.odd:NO_OPTIONS", "its target is not a dataclass"),
        (f"folder = {DOOR}.odd:UNDOCUMENTED", "option folder has no documentation"),
        (f"direct = {DOOR}.folder:ROUTE", "the name 'direct' is taken"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_it(
    tmp_path: Path, point: str, why: str
) -> None:
    environ = install(tmp_path, f"[mailcanary.routes]\n{point}\n")
    file = write(tmp_path)
    for words in (
        ("check-config", str(file)),
        ("config-schema",),
        ("run", "files", "--config", str(file)),
    ):
        done = mailcanary(environ, *words)
        assert done.returncode == ExitCode.USAGE, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if "plug-in" in line]
        assert f"plug-in mailcanary.routes: {point} (of example_door 1.5)" in line
        assert why in line
        assert "Traceback" not in done.stderr


def test_two_plug_ins_of_one_name_are_an_error(tmp_path: Path) -> None:
    install(tmp_path, GOOD)
    environ = install(tmp_path, GOOD, "other_door")
    done = mailcanary(environ, "config-schema")
    assert done.returncode == ExitCode.USAGE
    assert "the name 'folder' is taken" in done.stderr


def test_a_plug_in_that_no_file_names_is_loaded_by_check_config_alone(tmp_path: Path) -> None:
    environ = install(tmp_path, "[mailcanary.kinds]\nodd = no.such.module:ROW\n")
    file = write(tmp_path, BUILT_IN)
    assert mailcanary(environ, "check-config", str(file)).returncode == ExitCode.USAGE
    done = mailcanary(environ, "status", "--config", str(file))
    assert "plug-in" not in done.stderr
