"""What the network tests share."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from tests.servers.certificates import Authority

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, LoopFactory]:
    """A module with `BOTH_EVENT_LOOPS = True` runs under asyncio's own loop and under uvloop."""
    if getattr(getattr(item, "module", None), "BOTH_EVENT_LOOPS", False):
        return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.SelectorEventLoop}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certification authority of the tests and the trust store that believes it."""
    return Authority(tmp_path_factory.mktemp("authority"))
