"""Which event loops a module of the network tests runs under."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

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
