"""`mailcanary demo` as a person runs it."""

import signal
import subprocess

import pytest

from tests.support.processes import MAILCANARY, environment, mailcanary

pytestmark = pytest.mark.slow("starts the program as a process")

WIDE = {"COLUMNS": "160"}


def settled(*arguments: str) -> subprocess.CompletedProcess[str]:
    return mailcanary("demo", "--once", *arguments, within=50, environ=WIDE)


@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        ((), {"arrived", "late", "junked", "rejected"}),
        (("--fault", "reject"), {"bounced", "rejected"}),
        (("--fault", "expired-certificate"), {"send_failed", "rejected", "arrived"}),
    ],
)
def test_every_path_settles_as_the_world_intends(
    arguments: tuple[str, ...], outcomes: set[str]
) -> None:
    done = settled(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every path ended as the world intended" in done.stdout
    assert "Traceback" not in done.stderr
    for outcome in outcomes:
        assert outcome in done.stdout


def test_ctrl_c_ends_the_demo_in_good_order() -> None:
    with subprocess.Popen(
        [*MAILCANARY, "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**WIDE),
    ) as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")
        assert any("press Ctrl-C to end" in line for line in lines)
        running.send_signal(signal.SIGINT)
        _, complaints = running.communicate(timeout=30)
    assert running.returncode == 0
    assert "Traceback" not in complaints


@pytest.mark.parametrize("host", ["", "localhost", "0.0.0.0:1", "[::1]", "fe80::1%nowhere/9"])
def test_an_address_for_the_pages_that_is_none_is_refused_in_a_line(host: str) -> None:
    done = mailcanary("demo", "--host", host)
    assert done.returncode == 64
    assert done.stderr == f"mailcanary: --host {host}: give an IP address of this machine\n"


@pytest.mark.parametrize("host", ["192.0.2.77", "2001:db8::77"])
def test_an_address_that_this_machine_does_not_have_is_told(host: str) -> None:
    done = mailcanary("demo", "--once", "--host", host)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert host in done.stderr


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "0.0.0.0")])
def test_the_pages_are_at_the_address_that_was_asked_for(host: str, shown: str) -> None:
    done = settled("--host", host)
    assert done.returncode == 0
    assert f"metrics  http://{shown}:" in done.stdout
