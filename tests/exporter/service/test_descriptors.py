"""How many descriptors the process may have, and what the pages leave to the probes."""

import sys

import pytest

from exporter.web.connections import (
    DESCRIPTORS_SHARE,
    MAX_CONNECTIONS,
    MIN_CONNECTIONS,
)
from tests.support.processes import completed

RAISE = """
import logging, resource
from exporter.service.descriptors import raise_descriptor_limit
logging.basicConfig(level=logging.INFO, format="%(message)s")
assert raise_descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
"""
LIMIT = "from exporter.web.connections import connection_limit; print(connection_limit())"


def limited(limits: str, script: str) -> tuple[str, str]:
    """What a process with these limits prints and logs."""
    ended = completed("sh", "-c", f'{limits}; exec "$@"', "sh", sys.executable, "-c", script)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip(), ended.stderr.strip()


def test_the_soft_limit_of_descriptors_is_raised_to_the_hard_one_and_said() -> None:
    assert limited("ulimit -n 600; ulimit -Sn 200", RAISE) == (
        *("", "up to 600 descriptors instead of 200"),
    )


def test_a_limit_that_is_the_hard_one_already_stays_and_is_said() -> None:
    assert limited("ulimit -n 600", RAISE) == ("", "up to 600 descriptors")


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [
        (4000, MAX_CONNECTIONS),
        (400, 400 // DESCRIPTORS_SHARE),
        (40, MIN_CONNECTIONS),
    ],
)
def test_the_pages_take_a_small_share_of_the_descriptors(
    descriptors: int, connections: int
) -> None:
    assert limited(f"ulimit -n {descriptors}", LIMIT)[0] == str(connections)
