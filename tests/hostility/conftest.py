"""The event loops on which faults are met."""

import asyncio
import os
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The service's event loop; with MAILCANARY_EVERY_LOOP set, asyncio's own as well.

    Connections end and TLS fails differently on them, but every fault twice takes six minutes.
    """
    uv = {"uvloop": uvloop.new_event_loop}
    if "MAILCANARY_EVERY_LOOP" in os.environ:
        return {"asyncio": asyncio.new_event_loop} | uv
    return uv
