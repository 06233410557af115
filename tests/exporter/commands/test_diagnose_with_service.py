"""`mailcanary diagnose --config`: what the file of a service adds to a diagnosis."""

from pathlib import Path

import pytest

from exporter import cli
from exporter.commands.diagnose import with_service
from exporter.diagnose.request import Typed, read_request


def config_file(tmp_path: Path, allows: str) -> Path:
    file = tmp_path / "mailcanary.yaml"
    file.write_text(f"ledger: {tmp_path}/none.sqlite\n{allows}")
    return file


@pytest.mark.parametrize(
    ("allows", "typed", "expected"),
    [
        ("allow_loopback: true\n", False, True),
        ("allow_loopback: false\n", False, False),
        ("allow_loopback: false\n", True, True),
        ("", False, False),
    ],
)
def test_a_service_that_may_connect_to_this_machine_is_diagnosed_alike(
    tmp_path: Path, allows: str, *, typed: bool, expected: bool
) -> None:
    file = config_file(tmp_path, allows)
    asked = read_request(
        Typed("x.test", config=str(file), resolver=("127.0.0.1",), allow_loopback=typed)
    )
    request, _ = with_service(asked)
    assert request.allow_loopback is expected


def test_the_variable_names_the_file_only_where_it_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(cli, "_load", lambda *_: lambda options: seen.append(options["config"]))
    monkeypatch.setenv(cli.CONFIG_VARIABLE, str(tmp_path / "missing.yaml"))
    cli.app(["diagnose", "x.test"], standalone_mode=False)
    file = config_file(tmp_path, "")
    monkeypatch.setenv(cli.CONFIG_VARIABLE, str(file))
    cli.app(["diagnose", "x.test"], standalone_mode=False)
    cli.app(["diagnose", "x.test", "-c", "other.yaml"], standalone_mode=False)
    assert seen == [None, str(file), "other.yaml"]
