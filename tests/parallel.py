"""How the tests share the machine: how many workers, who goes to which, and who has to be alone."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/integration/",)
"""Folders that one worker runs as a whole, because they share what is slow to start."""

LONG = ("real", "slow")
"""The markers of tests that take long."""


def workers(config: pytest.Config) -> int:
    """Return how many workers pay: none for single files, or where their output is wanted.

    One more than there are cores, because tests wait for peers and processes.
    """
    named = [Path(argument.partition("::")[0]) for argument in config.option.file_or_dir]
    if config.option.capture == "no" or (named and not any(path.is_dir() for path in named)):
        return 0
    return len(os.sched_getaffinity(0)) + 1


def unit(nodeid: str) -> str:
    """Return the file or folder that one worker runs as a whole."""
    shared = (folder for folder in TOGETHER if nodeid.startswith(folder))
    return next(shared, nodeid.partition("::")[0])


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests by unit; units with many long tests begin, so that none ends the run alone.

    The order within a unit stays.
    """
    units: dict[str, list[pytest.Item]] = {}
    for item in items:
        units.setdefault(unit(item.nodeid), []).append(item)
    ranked = sorted(units.values(), key=_count_long, reverse=True)
    return [item for tests in ranked for item in tests]


def is_long(item: pytest.Item) -> bool:
    """True if one of the markers says so."""
    return any(item.get_closest_marker(name) for name in LONG)


def _count_long(tests: Sequence[pytest.Item]) -> int:
    return sum(map(is_long, tests))


class Schedule(LoadScopeScheduling):
    """Hands out units in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


class Hall:
    """Admits the tests of all workers, or one that has to be alone."""

    def __init__(self, folder: Path) -> None:
        self._door = (folder / "door.lock").open("w")
        self._hall = (folder / "hall.lock").open("w")

    @contextmanager
    def entered(self, *, alone: bool) -> Iterator[None]:
        """Wait for admission, and leave at the end.

        A test that waits to be alone keeps the door. So nobody else comes in, and its turn comes.
        """
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._hall, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._hall, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close both locks."""
        self._door.close()
        self._hall.close()
