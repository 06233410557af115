"""What the tests of several rooms of the exporter begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from exporter.demo.world import MailWorld


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a ledger; nobody has made it yet."""
    return tmp_path / "ledger.sqlite"


@pytest.fixture
async def world() -> AsyncIterator[MailWorld]:
    """The embedded mail world; its relay tries again soon."""
    async with MailWorld(retry_after=0.2) as world:
        yield world
