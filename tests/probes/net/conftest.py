"""What the network tests share: which event loops a module runs under, and an authority."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.servers.certificates import Authority

ONE_LOOP: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop
}


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """asyncio's own, unless the module's `EVENT_LOOPS` names others."""
    module: Any = item.getparent(pytest.Module)
    loops: Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
    loops = getattr(module.obj, "EVENT_LOOPS", ONE_LOOP)
    return loops


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certification authority of the tests and the trust store that believes it."""
    return Authority(tmp_path_factory.mktemp("authority"))
